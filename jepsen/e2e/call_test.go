package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// agents starts sipp at a phone's place and port, which takes calls there until
// the count is reached; wait waits for that.
func agents(t *testing.T, p phone, calls int) (wait func()) {
	t.Helper()
	return answers(t, "agent", p, calls)
}

// answers plays a scenario for calls that come to a phone.
func answers(t *testing.T, scenario string, p phone, calls int) (wait func()) {
	t.Helper()
	path, err := filepath.Abs("testdata/" + scenario + ".xml")
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "sipp", "-sf", path, "-i", p.from.IP().String(), "-p", fmt.Sprint(p.port),
		"-t", "u1", "-mp", "20100", "-m", fmt.Sprint(calls), "-trace_msg", "-message_file", "messages.log", "-nostdin", "-timeout", "60s", "-timeout_error")
	cmd.Dir = t.TempDir()
	must(t, p.from.Start(cmd))
	listens(t, cmd.Process.Pid, p)
	return func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			log, _ := os.ReadFile(filepath.Join(cmd.Dir, "messages.log"))
			t.Fatalf("the agent's phone %s: %v\n%s", p.dn, err, log[max(0, len(log)-6000):])
		}
	}
}

// listens waits until a process has bound a phone's port: a call that comes before finds nobody.
func listens(t *testing.T, pid int, p phone) {
	t.Helper()
	ip := p.from.IP().As4()
	local := fmt.Sprintf(" %08X:%04X ", binary.LittleEndian.Uint32(ip[:]), p.port)
	eventually(t, soon, "sipp listens at "+p.from.Name(), func(context.Context) error {
		bound, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/udp", pid))
		if err == nil && !bytes.Contains(bound, []byte(local)) {
			err = fmt.Errorf("port %d is free", p.port)
		}
		return err
	})
}

// call makes a phone call a number by way of a node, talk for some ms and hang up.
func placeCall(t *testing.T, n *cluster.Node, from phone, called string, talk int) (wait func() error) {
	t.Helper()
	return play(t, "call", n, from, called, talk)
}

// play plays a caller's scenario.
func play(t *testing.T, scenario string, n *cluster.Node, from phone, called string, talk int) (wait func() error) {
	t.Helper()
	cmd := sippCommand(t, scenario, n, "u1", 0, from)
	// sipp opens ports for media, which must not be a phone's.
	cmd.Args = append(cmd.Args, "-mp", "20000", "-p", fmt.Sprint(from.port), "-key", "called", called, "-d", fmt.Sprint(talk))
	must(t, from.from.Start(cmd))
	return func() error {
		if err := cmd.Wait(); err != nil {
			log, _ := os.ReadFile(filepath.Join(cmd.Dir, "messages.log"))
			return fmt.Errorf("the call of %s to %s: %w\n%s", from.dn, called, err, log[max(0, len(log)-6000):])
		}
		return nil
	}
}

func TestCall_ToADNOfAnotherNode(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8301", "8302")
	ph[1] = ph[1].at(c.Node(2))
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	stat := statServer(t, c.Node(3))
	stat.forget()

	rings := agents(t, ph[1], 1)
	talks := placeCall(t, c.Node(1), ph[0], "8302", 1000)
	eventuallyGet(t, c.Node(3), "8302", func(d *tcpb.DNStatus) bool { return d.GetBusy() && !d.GetRoutable() })
	must(t, talks())
	rings()
	stat.wait(t, soon, "released", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RELEASED && e.GetThisDn() == "8302"
	})
	stat.hears(t, soon, "8302", "EVENT_RINGING 8302 by 8301 at n1", "EVENT_ESTABLISHED 8302 by 8301 at n1", "EVENT_RELEASED 8302 by 8301 at n1")
	stat.hears(t, soon, "8301", "EVENT_DIALING 8301 by 8302 at n1", "EVENT_ESTABLISHED 8301 by 8302 at n1", "EVENT_RELEASED 8301 by 8302 at n1")
	eventuallyGet(t, c.Node(3), "8302", func(d *tcpb.DNStatus) bool { return !d.GetBusy() && d.GetRoutable() })
}

// routingPoint configures a routing point, the agents' group, and puts DNs into it.
func routingPoint(t *testing.T, n *cluster.Node, rp, group string, agents ...phone) {
	t.Helper()
	req := &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: group}}},
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: rp, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: group, TimeoutMs: 3000},
		}}},
	}}
	for _, p := range agents {
		d := cluster.SIPDN(p.dn, p.realm, p.password)
		d.Groups = []string{group}
		req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	write(t, n, rp, req)
}

func routeCall(conn, dn string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: &tlibpb.RouteCall{
		ConnId: conn, Destination: &tlibpb.RouteCall_Dn{Dn: dn}, UserData: map[string]string{"reason": "test"},
	}}}
}

// asked waits for the router to be asked about a call at the routing point, for
// the time'th time, and returns its ConnID.
func (c *client) asked(t *testing.T, rp string, time int) (conn string) {
	t.Helper()
	c.wait(t, soon, "EventRouteRequest", func(e *tlibpb.Event) bool {
		if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST && e.GetThisDn() == rp {
			time--
			conn = e.GetCall().GetConnId()
		}
		return time == 0
	})
	return conn
}

// A call waits at a routing point of node 1, whose router sends it to an agent of
// node 2.
func TestCall_RouterSendsItToAnAgentOfAnotherNode(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8311", "8312")
	ph[1] = ph[1].at(c.Node(2))
	routingPoint(t, c.Node(1), "9310", "g831", ph[1])
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	router, other, stat := connect(t, c.Node(1), cluster.DefaultPort), connect(t, c.Node(2), cluster.DefaultPort), statServer(t, c.Node(3))
	router.says(t, "EVENT_REGISTERED 9310 status=InSrv owner=", registerAddress("9310", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	other.ask(t, monitorAll(nil))
	for _, x := range []*client{router, other, stat} {
		x.forget()
	}

	rings := agents(t, ph[1], 1)
	talks := placeCall(t, c.Node(1), ph[0], "9310", 500)
	conn := router.asked(t, "9310", 1)
	if e := router.ask(t, routeCall(conn, "8312")); e.GetThirdPartyDn() != "8312" || e.GetCall().GetUserData()["reason"] != "test" {
		t.Errorf("RouteCall: %v", e)
	}
	must(t, talks())
	rings()
	router.hears(t, soon, "9310", "EVENT_QUEUED 9310", "EVENT_ROUTE_REQUEST 9310", "EVENT_ROUTE_USED 9310", "EVENT_DIVERTED 9310")
	for _, x := range []*client{stat} {
		x.hears(t, soon, "8312", "EVENT_RINGING 8312 by 8311 at n1", "EVENT_ESTABLISHED 8312 by 8311 at n1", "EVENT_RELEASED 8312 by 8311 at n1")
		x.hears(t, soon, "9310")
	}
	if heard := other.heard("8312"); len(heard) > 0 {
		t.Errorf("the default port of n2 knows of n1's call: %q", heard)
	}
}

// The DN that rings is lost with its owner: the call is back at the routing
// point, and goes to somebody who can be reached.
func TestCall_OwnerLostWhileItRings(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8321", "8322", "8323")
	ph[1], ph[2] = ph[1].at(c.Node(2)), ph[2].at(c.Node(3))
	routingPoint(t, c.Node(1), "9320", "g832", ph[1], ph[2])
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1])
	register(t, c.Node(3), ph[2])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:2], c.Nodes()...)
	expectSeen(t, soon, inServiceAt(c.Node(3)), ph[2:], c.Nodes()...)
	router, stat := connect(t, c.Node(1), cluster.DefaultPort), statServer(t, c.Node(1))
	router.says(t, "EVENT_REGISTERED 9320 status=InSrv owner=", registerAddress("9320", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	stat.forget()

	answers(t, "ringing", ph[1], 1)
	rings := agents(t, ph[2], 1)
	talks := placeCall(t, c.Node(1), ph[0], "9320", 500)
	router.ask(t, routeCall(router.asked(t, "9320", 1), "8322"))
	stat.wait(t, soon, "it rings", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RINGING && e.GetThisDn() == "8322"
	})
	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	conn := router.asked(t, "9320", 2)
	router.ask(t, routeCall(conn, "8323"))
	must(t, talks())
	rings()
	stat.hears(t, soon, "8323", "EVENT_RINGING 8323 by 8321 at n1", "EVENT_ESTABLISHED 8323 by 8321 at n1", "EVENT_RELEASED 8323 by 8321 at n1")
	if heard := stat.heard("8322"); len(heard) < 2 || heard[0] != "EVENT_RINGING 8322 by 8321 at n1" || heard[len(heard)-1] == heard[0] {
		t.Errorf("of 8322 the Stat Server heard %q", heard)
	}
}

// A call from a gateway to a PSTN agent: in by one trunk, out by another.
func TestCall_OfATrunkToAPSTNAgent(t *testing.T) {
	c := threeNodes(t)
	pstn(t, c.Node(1), nil, "8331")
	ph := phones(t, c.Node(1), "8332") // its place and realm only
	in, out := ph[0], ph[0].at(c.Node(3))
	in.dn, in.port, out.dn, out.port = "+15550009999", 6102, "gw", 6104
	write(t, c.Node(1), "gw-out", &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		trunkDN("gw-in", fmt.Sprintf("%s:%d", in.from.IP(), in.port), "999"),
		trunkDN("gw-down", fmt.Sprintf("%s:%d", out.from.IP(), 6190), "+1555123"),
		trunkDN("gw-out", fmt.Sprintf("%s:%d", out.from.IP(), out.port), "+1555"),
	}})
	gws := connect(t, c.Node(2), cluster.TCPort)
	gws.says(t, "EVENT_REGISTERED 8331 status=InSrv owner=n2", registerAddress("8331", tlibpb.AddressMode_ADDRESS_MODE_PRIVATE))
	eventuallyGet(t, c.Node(1), "8331", func(d *tcpb.DNStatus) bool { return d.GetState() == inSrv })
	stat := statServer(t, c.Node(3))
	stat.forget()
	rings := agents(t, out, 1)
	must(t, play(t, "inbound", c.Node(1), in, "8331", 300)())
	rings()
	stat.hears(t, soon, "8331", "EVENT_RINGING 8331 by +15550009999 at n1", "EVENT_ESTABLISHED 8331 by +15550009999 at n1", "EVENT_RELEASED 8331 by +15550009999 at n1")
}

func trunkDN(number, addr, prefix string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
		Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: addr, Prefix: prefix},
	}}}
}

// Each side of a cut serves its own callers, a call that is up stays up, and one
// of a node that is killed is over for everybody.
func TestCall_CutsAndKills(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8341", "8342", "8343", "8344")
	ph[2], ph[3] = ph[2].at(c.Node(2)), ph[3].at(c.Node(2))
	register(t, c.Node(1), ph[:2]...)
	register(t, c.Node(2), ph[2:]...)
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[2:], c.Nodes()...)
	stat := statServer(t, c.Node(3))
	stat.forget()

	// Both parties at node 1; node 1 is cut off while they talk.
	rings := agents(t, ph[1], 1)
	talks := placeCall(t, c.Node(1), ph[0], "8342", 4000)
	stat.wait(t, soon, "they talk", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ESTABLISHED && e.GetThisDn() == "8342"
	})
	must(t, c.CutOff(t.Context(), c.Node(1)))
	expectSeen(t, soon, lostWith(c.Node(1)), ph[:2], c.Node(2), c.Node(3))
	other := agents(t, ph[3], 1)
	must(t, placeCall(t, c.Node(2), ph[2], "8344", 300)())
	other()
	must(t, talks())
	rings()
	if heard := stat.heard("8342"); slices.ContainsFunc(heard, func(l string) bool { return l == "EVENT_RELEASED 8342 by 8341 at n1" }) {
		t.Errorf("cut off from n1, n3 says of its call %q", heard)
	}
	must(t, c.Heal(t.Context()))
	stat.wait(t, afterCut, "the call is over", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RELEASED && e.GetThisDn() == "8342"
	})

	agents(t, ph[1], 1)
	placeCall(t, c.Node(1), ph[0], "8342", 60000)
	stat.forget()
	stat.wait(t, soon, "they talk", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ESTABLISHED && e.GetThisDn() == "8342"
	})
	c.Node(1).Kill9()
	stat.wait(t, soon, "the killed node's call is over", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RELEASED && e.GetThisDn() == "8342" && e.GetEnd().GetReason() == tlibpb.EndReason_END_REASON_NODE_LOST
	})
}

// Two softphones at two nodes call each other, before a cut on both sides, and
// after the heal.
func TestBaresip_CallsAcrossNodes(t *testing.T) {
	c := threeNodes(t)
	need(t, "baresip")
	ph := phones(t, c.Node(1), "8361", "8362", "8363")
	ph[1], ph[2] = ph[1].at(c.Node(2)), ph[2].at(c.Node(2))
	softphone(t, c.Node(2), ph[1], "tcp", ";answermode=auto")
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:2], c.Nodes()...)
	stat1, stat2 := statServer(t, c.Node(1)), statServer(t, c.Node(2))
	talk := func(stat *client, n *cluster.Node, from phone) {
		t.Helper()
		stat.forget()
		stop := softphone(t, n, from, "udp", "", "-e", "/dial 8362", "-t", "3")
		defer stop()
		stat.wait(t, 2*soon, "the softphones talked", func(e *tlibpb.Event) bool {
			return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_RELEASED && e.GetThisDn() == "8362" && e.GetCall().GetOtherDn() == from.dn
		})
		by := fmt.Sprintf(" 8362 by %s at %s", from.dn, n.Name())
		if heard := stat.heard("8362"); len(heard) < 3 || !slices.Equal(heard[len(heard)-3:], []string{"EVENT_RINGING" + by, "EVENT_ESTABLISHED" + by, "EVENT_RELEASED" + by}) {
			t.Errorf("%s heard %q", stat.at.Name(), heard)
		}
	}
	talk(stat2, c.Node(1), ph[0]) // the call from data center 1 is routed to DN2 at data center 2

	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	expectSeen(t, soon, lostWith(c.Node(2)), ph[1:2], c.Node(1))
	talk(stat2, c.Node(2), ph[2]) // each node continues with the DNs that it owns
	must(t, c.Heal(t.Context()))
	expectSeen(t, afterCut, inServiceAt(c.Node(2)), ph[1:2], c.Node(1))
	talk(stat1, c.Node(1), ph[0])
}
