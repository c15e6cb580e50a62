package e2e_test

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// The flows of "Agent Availability for Routing" (SIP Cluster Solution Guide), on
// two SIP Servers in two data centers with a routing Stat Server each.

func twoDataCenters(t *testing.T) (c *cluster.Cluster, server1, server2 *cluster.Node) {
	t.Helper()
	c = newCluster(t, cluster.Config{Nodes: 2}, true)
	must(t, c.Start(t.Context()))
	_, err := c.WaitWhole(t.Context(), starting)
	must(t, err)
	return c, c.Node(1), c.Node(2)
}

// "DN State for SIP Phone Agents"
func TestDocument_SIPPhoneAgent(t *testing.T) {
	t.Parallel()
	c, server1, server2 := twoDataCenters(t)
	ph := phones(t, server1, "DN1", "DN2")
	stat1, stat2 := statServer(t, server1), statServer(t, server2)

	// When the phones are not registered, the initial state of their DNs is out
	// of service (OOS).
	for _, stat := range []*client{stat1, stat2} {
		stat.hears(t, soon, "DN1", "EVENT_DN_OUT_OF_SERVICE DN1 owner= site= reason= (row)")
		stat.forget()
	}
	expectNow(t, nobody, ph, c.Nodes()...)

	// 1. SIP phone 1 registers by sending a SIP REGISTER request to data center 1.
	register(t, server1, ph[0])

	// 2. SIP Server 1 becomes an owner of DN1.
	// 3. DN1 is set to in-service state (InSrv) on SIP Server 1.
	expectNow(t, inServiceAt(server1), ph[:1], server1)

	// 4. DN state is passed to the local routing Stat Server through the TCport.
	inService := "EVENT_DN_BACK_IN_SERVICE DN1 owner=n1 site=dc1 reason=registered"
	stat1.hears(t, soon, "DN1", inService)

	// 5. DN state is passed to the remote SIP Server 2 through the T-Controller layer.
	expectSeen(t, soon, inServiceAt(server1), ph[:1], server2)

	// 6. SIP Server 2 distributes the DN state to the Stat Server 2 through the TCport.
	stat2.hears(t, soon, "DN1", inService)

	// A second registration tells them nothing new; of DN2 nobody heard a thing.
	register(t, server1, ph[0])
	register(t, server2, ph[1].at(server2))
	for _, stat := range []*client{stat1, stat2} {
		stat.hears(t, soon, "DN2", "EVENT_DN_BACK_IN_SERVICE DN2 owner=n2 site=dc2 reason=registered")
		stat.hears(t, soon, "DN1", inService)
	}
	availabilityForRouting(t, c, ph, stat1, stat2)
}

// "DN Availability for Routing": what follows when the connection is lost.
func availabilityForRouting(t *testing.T, c *cluster.Cluster, ph []phone, stat1, stat2 *client) {
	t.Helper()
	server1, server2 := c.Node(1), c.Node(2)
	stat1.forget()
	stat2.forget()

	// SIP Server 1 places DN2 owned by SIP Server 2 into out of service, and vice
	// versa, SIP Server 2 places DN1 owned by SIP Server 1 into out of service.
	must(t, c.Cut(t.Context(), server1, server2))
	stat1.hears(t, soon, "DN2", "EVENT_DN_OUT_OF_SERVICE DN2 owner=n2 site=dc2 reason=peer-lost")
	stat2.hears(t, soon, "DN1", "EVENT_DN_OUT_OF_SERVICE DN1 owner=n1 site=dc1 reason=peer-lost")

	// Each SIP Cluster node continues routing to the locally owned DNs.
	expectNow(t, inServiceAt(server1), ph[:1], server1)
	expectNow(t, inServiceAt(server2), ph[1:], server2)
	stat1.hears(t, soon, "DN1")
	stat2.hears(t, soon, "DN2")

	must(t, c.Heal(t.Context()))
	stat1.hears(t, afterCut, "DN2", "EVENT_DN_OUT_OF_SERVICE DN2 owner=n2 site=dc2 reason=peer-lost",
		"EVENT_DN_BACK_IN_SERVICE DN2 owner=n2 site=dc2 reason=registered")
	stat2.hears(t, afterCut, "DN1", "EVENT_DN_OUT_OF_SERVICE DN1 owner=n1 site=dc1 reason=peer-lost",
		"EVENT_DN_BACK_IN_SERVICE DN1 owner=n1 site=dc1 reason=registered")
}

// "DN State for PSTN Agents"
func TestDocument_PSTNAgent(t *testing.T) {
	t.Parallel()
	c, server1, server2 := twoDataCenters(t)
	pstn(t, server1, []string{"agents"}, "DN1", "DN2")
	stat1, stat2 := statServer(t, server1), statServer(t, server2)

	// If WWE is not connected, GWS does not register agent DNs and the initial
	// state of their DNs is out of service (OOS).
	for _, stat := range []*client{stat1, stat2} {
		stat.hears(t, soon, "DN1", "EVENT_DN_OUT_OF_SERVICE DN1 owner= site= reason= (row)")
		stat.forget()
	}

	// 1. Agent 1 logs in to WWE and GWS registers on DN1.
	gws := connect(t, server1, cluster.TCPort)
	gws.says(t, "EVENT_REGISTERED DN1 status=InSrv owner=n1", registerAddress("DN1", tlibpb.AddressMode_ADDRESS_MODE_PRIVATE))

	// 2. SIP Server 1 becomes an owner of DN1.
	// 3. SIP Server 1 distributes EventDNBackInService to the local Stat Server and
	// to SIP Server 2.
	// 5. DN state is passed to the local routing Stat Server through the TCport.
	inService := "EVENT_DN_BACK_IN_SERVICE DN1 owner=n1 site=dc1 reason=registered"
	stat1.hears(t, soon, "DN1", inService)

	// 4. DN1 is set to in-service state (InSrv) on SIP Server 1 and SIP Server 2.
	// 6. DN state is passed to the remote SIP Server 2 through the T-Controller layer.
	expectSeen(t, soon, inServiceAt(server1), []phone{{dn: "DN1"}}, c.Nodes()...)

	// 7. SIP Server 2 distributes the DN state to the Stat Server 2 through the TCport.
	stat2.hears(t, soon, "DN1", inService)

	// The agent logs in and is ready: only then can the DN be routed to.
	expectRoutable(t, "DN1", false, c.Nodes()...)
	gws.says(t, "EVENT_AGENT_LOGIN DN1 agent=7001", agentLogin("DN1", "7001"))
	gws.says(t, "EVENT_AGENT_READY DN1 agent=7001 site=dc1", agentReady("DN1"))
	expectRoutable(t, "DN1", true, c.Nodes()...)
	for _, stat := range []*client{stat1, stat2} {
		stat.hears(t, soon, "DN1", inService, "EVENT_AGENT_LOGIN DN1 agent=7001", "EVENT_AGENT_READY DN1 agent=7001 site=dc1")
	}
	gws.hears(t, soon, "DN1", "EVENT_REGISTERED DN1 status=InSrv owner=n1", inService,
		"EVENT_AGENT_LOGIN DN1 agent=7001", "EVENT_AGENT_READY DN1 agent=7001 site=dc1")

	// The browser is closed, and nobody is ready there any more.
	gws.stop()
	for _, stat := range []*client{stat1, stat2} {
		stat.hears(t, soon, "DN1", inService, "EVENT_AGENT_LOGIN DN1 agent=7001", "EVENT_AGENT_READY DN1 agent=7001 site=dc1",
			"EVENT_DN_OUT_OF_SERVICE DN1 owner= site= reason=desktop-lost", "EVENT_AGENT_NOT_READY DN1 agent=7001")
	}
	expectRoutable(t, "DN1", false, c.Nodes()...)
}

// expectRoutable waits until the nodes say whether a call can be sent to the DN.
func expectRoutable(t *testing.T, dn string, want bool, at ...*cluster.Node) {
	t.Helper()
	for _, n := range at {
		eventuallyGet(t, n, dn, func(d *tcpb.DNStatus) bool { return d.GetRoutable() == want })
	}
}
