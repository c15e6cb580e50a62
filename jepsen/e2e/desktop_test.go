package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// unplugged is when a desktop gateway that says nothing any more must be noticed.
const unplugged = 3 * time.Second

func TestDesktop_AtAnotherNodeMovesTheDNWithoutAFlap(t *testing.T) {
	c := threeNodes(t)
	pstn(t, c.Node(1), nil, "8001")
	stat := statServer(t, c.Node(3))
	stat.forget()
	first, second := connect(t, c.Node(1), cluster.TCPort), connect(t, c.Node(2), cluster.TCPort)
	first.says(t, "EVENT_REGISTERED 8001 status=InSrv owner=n1", registerAddress("8001", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	inService := "EVENT_DN_BACK_IN_SERVICE 8001 owner=n1 site=dc1 reason=registered"
	stat.hears(t, soon, "8001", inService)

	// A client that monitors moves nothing.
	watcher := connect(t, c.Node(2), cluster.TCPort)
	watcher.says(t, "EVENT_REGISTERED 8001 status=InSrv owner=n1", registerAddress("8001", tlibpb.AddressMode_ADDRESS_MODE_MONITOR))

	second.says(t, "EVENT_REGISTERED 8001 status=InSrv owner=n2", registerAddress("8001", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	moved := "EVENT_DN_BACK_IN_SERVICE 8001 owner=n2 site=dc2 reason=owner-moved"
	stat.hears(t, soon, "8001", inService, moved)

	// What the first desktop does now changes nothing.
	first.says(t, "EVENT_UNREGISTERED 8001", unregisterAddress("8001"))
	first.stop()
	watcher.stop()
	second.says(t, "EVENT_UNREGISTERED 8001", unregisterAddress("8001"))
	stat.hears(t, soon, "8001", inService, moved, "EVENT_DN_OUT_OF_SERVICE 8001 owner= site= reason=unregistered")
}

// A second gateway takes a DN over, and is gone: the first one, which has registered it all
// the while, has it again, with the agent as that leaves him.
func TestDesktop_HasBackWhatAnotherOneTook(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3}, false)
	must(t, c.Start(t.Context()))
	_, err := c.WaitWhole(t.Context(), starting)
	must(t, err)
	pstn(t, c.Node(1), nil, "8061")
	first, stat := connect(t, c.Node(1), cluster.TCPort), statServer(t, c.Node(1))
	first.says(t, "EVENT_REGISTERED 8061 status=InSrv owner=n1", registerAddress("8061", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	first.says(t, "EVENT_AGENT_LOGIN 8061 agent=7061", agentLogin("8061", "7061"))
	for _, s := range []struct {
		name string
		end  func(second *client)
	}{
		{"its process is killed", func(second *client) { second.stop() }},
		{"its machine is unplugged", func(*client) { must(t, c.Cut(t.Context(), c.Node(2), c.Node(3))) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			stat.forget()
			second := connectFrom(t, c.Node(2), c.Node(3).Phones(), cluster.TCPort, &tlibpb.OpenSession{})
			second.says(t, "EVENT_REGISTERED 8061 status=InSrv owner=n2", registerAddress("8061", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
			second.says(t, "EVENT_AGENT_READY 8061 agent=7061 site=dc2", agentReady("8061"))
			eventuallyGet(t, c.Node(1), "8061", func(d *tcpb.DNStatus) bool {
				return d.GetOwner() == "n2" && d.GetAgent().GetState() == tcpb.AgentState_AGENT_STATE_READY
			})
			s.end(second)
			stat.wait(t, unplugged+soon, "the first one has the DN again", func(e *tlibpb.Event) bool {
				return line(e) == "EVENT_DN_BACK_IN_SERVICE 8061 owner=n1 site=dc1 reason=registered"
			})
			eventuallyGet(t, c.Node(1), "8061", func(d *tcpb.DNStatus) bool {
				return d.GetOwner() == "n1" && d.GetAgent().GetState() == tcpb.AgentState_AGENT_STATE_NOT_READY && d.GetAgent().GetReasons()["reason"] == "desktop-lost"
			})
			first.says(t, "EVENT_AGENT_READY 8061 agent=7061 site=dc1", agentReady("8061"))
		})
	}
}

// The gateway's machine is unplugged: nothing says goodbye.
func TestDesktop_UnpluggedIsNoticed(t *testing.T) {
	c := threeNodes(t)
	pstn(t, c.Node(1), nil, "8011")
	gws := connectFrom(t, c.Node(1), c.Node(2).Phones(), cluster.TCPort, &tlibpb.OpenSession{})
	gws.says(t, "EVENT_REGISTERED 8011 status=InSrv owner=n1", registerAddress("8011", tlibpb.AddressMode_ADDRESS_MODE_PRIVATE))
	stats := []*client{statServer(t, c.Node(1)), statServer(t, c.Node(3))}
	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	cut := time.Now()
	for _, stat := range stats {
		stat.wait(t, unplugged, "the DN is out of service", func(e *tlibpb.Event) bool {
			return line(e) == "EVENT_DN_OUT_OF_SERVICE 8011 owner= site= reason=desktop-lost"
		})
		t.Logf("%s told after %v", stat.at.Name(), time.Since(cut))
	}
}

// With a grace a gateway that comes back resumes its session: nobody noticed,
// and it hears what it missed.
func TestDesktop_ComesBackWithinItsGrace(t *testing.T) {
	c := threeNodes(t)
	pstn(t, c.Node(1), nil, "8021")
	grace(t, c.Node(1), 60)
	t.Cleanup(func() { grace(t, c.Node(1), 0) })
	ph := phones(t, c.Node(1), "8022")
	gws := connect(t, c.Node(1), cluster.TCPort)
	gws.says(t, "EVENT_REGISTERED 8021 status=InSrv owner=n1", registerAddress("8021", tlibpb.AddressMode_ADDRESS_MODE_PRIVATE))
	gws.says(t, "EVENT_REGISTERED 8022 status=OOS owner=", registerAddress("8022", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	stat := statServer(t, c.Node(2))
	gws.wait(t, soon, "in service", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE })
	at := gws.position()
	stat.forget()
	gws.stop()
	register(t, c.Node(1), ph...)

	back := connectFrom(t, c.Node(1), nil, cluster.TCPort, &tlibpb.OpenSession{
		ResumeToken: gws.link.GetLinkConnected().GetSessionToken(), ResumeCursor: at,
	})
	if !back.link.GetResumed() {
		t.Error("the session is not resumed")
	}
	back.hears(t, soon, "8022", "EVENT_DN_BACK_IN_SERVICE 8022 owner=n1 site=dc1 reason=registered")
	back.says(t, "EVENT_UNREGISTERED 8021", unregisterAddress("8021"))
	stat.hears(t, soon, "8021", "EVENT_DN_OUT_OF_SERVICE 8021 owner= site= reason=unregistered")
}

// position is what the client would resume from.
func (c *client) position() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursor
}

// grace sets the cluster's desktop_grace_s.
func grace(t *testing.T, n *cluster.Node, seconds uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), starting) // also when the test is over
	defer cancel()
	o, err := n.Configuration().GetOptions(ctx, &configpb.GetOptionsRequest{})
	if err != nil {
		t.Error(err)
		return
	}
	o.Options.DesktopGraceS, o.Options.Revision = seconds, 0
	_, err = cluster.Eventually(ctx, starting, "the options can be written", func(ctx context.Context) error {
		_, err := n.Configuration().Write(ctx, &configpb.WriteRequest{Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutOptions{PutOptions: o.Options}}}})
		return err
	})
	for _, peer := range n.Peers() {
		if err == nil {
			_, err = cluster.Eventually(ctx, soon, peer.Name()+" knows the option", func(ctx context.Context) error {
				got, err := peer.Configuration().GetOptions(ctx, &configpb.GetOptionsRequest{})
				if err == nil && got.GetOptions().GetDesktopGraceS() != seconds {
					err = fmt.Errorf("it is %d", got.GetOptions().GetDesktopGraceS())
				}
				return err
			})
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// An agent at a SIP phone of one node, whose desktop is connected to another one.
func TestAgent_OfADNThatAnotherNodeOwns(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8031")
	register(t, c.Node(1), ph...)
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph, c.Nodes()...)
	stat := statServer(t, c.Node(3))
	stat.forget()
	gws := connect(t, c.Node(2), cluster.TCPort)
	gws.says(t, "EVENT_REGISTERED 8031 status=InSrv owner=n1", registerAddress("8031", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	gws.says(t, "EVENT_AGENT_LOGIN 8031 agent=7031", agentLogin("8031", "7031"))
	gws.says(t, "EVENT_AGENT_READY 8031 agent=7031 site=dc1", agentReady("8031"))
	gws.says(t, "EVENT_AGENT_READY 8031 agent=7031 site=dc1", agentLogin("8031", "7031"))
	gws.says(t, "EVENT_ERROR 8031 RESOURCE_SEIZED", agentLogin("8031", "7032"))
	gws.says(t, "EVENT_AGENT_NOT_READY 8031 agent=7031", agentNotReady("8031", map[string]string{"break": "lunch"}))
	expectRoutable(t, "8031", false, c.Nodes()...)
	stat.wait(t, soon, "not ready", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY && e.GetAgent().GetReasons()["break"] == "lunch"
	})
	gws.says(t, "EVENT_AGENT_READY 8031 agent=7031 site=dc1", agentReady("8031"))
	ready := func(d *tcpb.DNStatus) bool {
		return d.GetAgent().GetState() == tcpb.AgentState_AGENT_STATE_READY && d.GetAgent().GetId() == "7031"
	}
	for _, n := range c.Nodes() {
		eventuallyGet(t, n, "8031", ready)
	}

	// Frozen, not logged out, while the owner can't be heard.
	must(t, c.CutOff(t.Context(), c.Node(1)))
	expectSeen(t, soon, lostWith(c.Node(1)), ph, c.Node(2), c.Node(3))
	eventuallyGet(t, c.Node(2), "8031", ready)
	gws.says(t, "EVENT_ERROR 8031 OUT_OF_SERVICE", agentNotReady("8031", nil))

	// The agent goes along when the phone moves, and stays at the heal.
	register(t, c.Node(2), ph[0].at(c.Node(2)))
	gws.says(t, "EVENT_AGENT_READY 8031 agent=7031 site=dc2", agentReady("8031"))
	must(t, c.Heal(t.Context()))
	expectSeen(t, afterCut, inServiceAt(c.Node(2)), ph, c.Nodes()...)
	for _, n := range c.Nodes() {
		eventuallyGet(t, n, "8031", ready)
	}

	// And comes back with its owner after kill -9.
	c.Node(2).Kill9()
	must(t, c.Node(2).Start(t.Context()))
	expectSeen(t, starting, inServiceAt(c.Node(2)), ph, c.Nodes()...)
	for _, n := range c.Nodes() {
		eventuallyGet(t, n, "8031", ready)
	}
}

func TestReserve_TwoRoutersNeverGetTheSameAgent(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8041", "8042")
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1].at(c.Node(2)))
	expectSeen(t, soon, inServiceAt(c.Node(1)), ph[:1], c.Nodes()...)
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	a, b := connect(t, c.Node(2), cluster.DefaultPort), connect(t, c.Node(3), cluster.DefaultPort)

	// Collected together, the higher priority wins, wherever it came in.
	low, high := a.post(t, reserveAgent("8041", 1, 600)), b.post(t, reserveAgent("8041", 2, 600))
	if e := b.answer(t, high); line(e) != "EVENT_AGENT_RESERVED 8041" {
		t.Errorf("the higher priority: %v", e)
	}
	if e := a.answer(t, low); line(e) != "EVENT_ERROR 8041 RESOURCE_SEIZED" {
		t.Errorf("the lower priority: %v", e)
	}
	expectRoutable(t, "8041", false, c.Nodes()...)
	a.says(t, "EVENT_ERROR 8041 RESOURCE_SEIZED", reserveAgent("8041", 9, 600))
	a.says(t, "EVENT_ERROR 8041 RESOURCE_SEIZED", reserveAgent("8041", 0, 0))
	b.says(t, "EVENT_AGENT_RESERVED 8041", reserveAgent("8041", 0, 0)) // takes it back
	expectRoutable(t, "8041", true, c.Nodes()...)
	a.says(t, "EVENT_AGENT_RESERVED 8041", reserveAgent("8041", 0, 300))
	expectRoutable(t, "8041", true, c.Nodes()...) // its time is over

	// Each side of a cut reserves its own.
	must(t, c.Cut(t.Context(), c.Node(1), c.Node(2)))
	expectSeen(t, soon, lostWith(c.Node(1)), ph[:1], c.Node(2))
	a.says(t, "EVENT_ERROR 8041 OUT_OF_SERVICE", reserveAgent("8041", 0, 600))
	a.says(t, "EVENT_AGENT_RESERVED 8042", reserveAgent("8042", 0, 600))
	b.says(t, "EVENT_AGENT_RESERVED 8041", reserveAgent("8041", 0, 600))
}

// The default port knows the DNs of its own node only; the TCport all.
func TestDefaultPort_KnowsNoDNOfAnotherNode(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8051", "8052")
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1].at(c.Node(2)))
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Node(1))
	w := connect(t, c.Node(1), cluster.DefaultPort)
	w.ask(t, monitorAll(nil))
	w.hears(t, soon, "8051", "EVENT_DN_BACK_IN_SERVICE 8051 owner=n1 site=dc1 reason=registered (row)")
	w.hears(t, soon, "8052")
	register(t, c.Node(2), ph[0].at(c.Node(2)))
	w.hears(t, soon, "8051", "EVENT_DN_BACK_IN_SERVICE 8051 owner=n1 site=dc1 reason=registered (row)",
		"EVENT_DN_OUT_OF_SERVICE 8051 owner= site= reason=owner-moved")
	w.says(t, "EVENT_ERROR 8052 NOT_CONFIGURED", &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryAddress{QueryAddress: &tlibpb.QueryAddress{Dn: "8052"}}})
}

func TestStatServer_ResumesWithoutASnapshot(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 8100)
	stat := statServer(t, c.Node(2))
	stat.wait(t, soon, "everything", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT })
	eventually(t, soon, "a position to resume from", func(context.Context) error {
		if len(stat.position()) == 0 {
			return context.DeadlineExceeded
		}
		return nil
	})
	at := stat.position()
	stat.stop()
	unregister(t, c.Node(1), s[0].phones[0])
	expectSeen(t, soon, nobody, s[0].phones[:1], c.Node(2))
	again := connect(t, c.Node(2), cluster.TCPort)
	e := again.ask(t, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{ResumeCursor: at}}})
	if !e.GetResumed() {
		t.Errorf("MonitorAll: %v", e)
	}
	dn := s[0].phones[0].dn
	again.hears(t, soon, dn, "EVENT_DN_OUT_OF_SERVICE "+dn+" owner= site= reason=unregistered")
}

// A message that is too large ends its session, and nothing else.
func TestSession_TenMegabytesEndThatSessionOnly(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 8200)
	w := connect(t, c.Node(1), cluster.TCPort)
	_ = w.stream.Send(agentReady(string(make([]byte, 10<<20)))) // the end is told by the stream
	if code := w.ended(t, soon); code != codes.ResourceExhausted {
		t.Errorf("it ended with %v", code)
	}
	for i := range s {
		s[i].goesOn(t)
	}
}
