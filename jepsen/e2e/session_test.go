package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// client is a T-Library client: a Stat Server, a desktop gateway, a router.
type client struct {
	at   *cluster.Node
	stop func()
	link *tlibpb.Event // EventLinkConnected

	sending sync.Mutex
	stream  tlibpb.TLibrary_SessionClient
	ref     uint64

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each message
	events  []*tlibpb.Event
	cursor  []byte
	err     error
}

// connect opens a session at a port of the node.
func connect(t *testing.T, n *cluster.Node, port cluster.Kind) *client {
	t.Helper()
	return connectFrom(t, n, nil, port, &tlibpb.OpenSession{Application: t.Name()[:min(len(t.Name()), 64)]})
}

// connectFrom opens a session from a place whose cuts count; nil is one
// without.
func connectFrom(t *testing.T, n *cluster.Node, from *cluster.Place, port cluster.Kind, open *tlibpb.OpenSession) *client {
	t.Helper()
	conn, err := n.Dial(port)
	if from != nil {
		conn, err = n.DialFrom(from, port)
	}
	must(t, err)
	return openOver(t, n, conn, open)
}

// openOver opens a session over a connection, which ends with it.
func openOver(t *testing.T, n *cluster.Node, conn *grpc.ClientConn, open *tlibpb.OpenSession) *client {
	t.Helper()
	var err error
	ctx, cancel := context.WithCancel(t.Context())
	c := &client{at: n, changed: make(chan struct{})}
	c.stream, err = tlibpb.NewTLibraryClient(conn).Session(ctx)
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.take(c.stream.Recv()) {
		}
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		_ = conn.Close()
		<-done
	})
	t.Cleanup(c.stop)
	open.ProtocolVersion = tlibpb.ProtocolVersion
	c.link = c.ask(t, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: open}})
	if c.link.GetMessage() != tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED {
		t.Fatalf("the session begins with %v", c.link)
	}
	return c
}

func (c *client) take(m *tlibpb.ServerMessage, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { close(c.changed); c.changed = make(chan struct{}) }()
	if err != nil {
		c.err = err
		return false
	}
	c.events = append(c.events, m.GetEvents()...)
	if at := m.GetCursor(); len(at) > 0 {
		c.cursor = at
	}
	return true
}

// ask sends a request and waits for its answer.
func (c *client) ask(t *testing.T, m *tlibpb.ClientMessage) *tlibpb.Event {
	t.Helper()
	return c.answer(t, c.post(t, m))
}

// post sends a request and returns its ReferenceID.
func (c *client) post(t *testing.T, m *tlibpb.ClientMessage) uint64 {
	t.Helper()
	c.sending.Lock()
	defer c.sending.Unlock()
	c.ref++
	m.ReferenceId = c.ref
	must(t, c.stream.Send(m))
	return c.ref
}

func (c *client) answer(t *testing.T, ref uint64) (e *tlibpb.Event) {
	t.Helper()
	c.wait(t, soon, fmt.Sprint("the answer to request ", ref), func(x *tlibpb.Event) bool {
		e = x
		return x.GetReferenceId() == ref
	})
	return e
}

// hear waits for an event, also an earlier one.
func (c *client) wait(t *testing.T, within time.Duration, what string, is func(*tlibpb.Event) bool) {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		c.mu.Lock()
		ok, changed, err := slices.ContainsFunc(c.events, is), c.changed, c.err
		c.mu.Unlock()
		if ok {
			return
		}
		if err != nil {
			t.Fatalf("session at %s: %s: %v", c.at.Name(), what, err)
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("session at %s: %s: not within %v; heard\n%v", c.at.Name(), what, within, c.heard(""))
		}
	}
}

// line is an event in one line, as the tests write them.
func line(e *tlibpb.Event) string {
	s := strings.TrimPrefix(e.GetMessage().String(), "MESSAGE_")
	if dn := e.GetThisDn(); dn != "" {
		s += " " + dn
	}
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE:
		s += fmt.Sprintf(" owner=%s site=%s reason=%s", e.GetOwner(), e.GetSite(), e.GetReason().Word())
	case tlibpb.Message_MESSAGE_EVENT_REGISTERED, tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO:
		s += fmt.Sprintf(" status=%s owner=%s", e.GetStatus().GetState().Word(), e.GetOwner())
	case tlibpb.Message_MESSAGE_EVENT_AGENT_READY:
		s += fmt.Sprintf(" agent=%s site=%s", e.GetAgent().GetId(), e.GetAgent().GetReasons()["site"])
	case tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN, tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT, tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY:
		s += " agent=" + e.GetAgent().GetId()
	case tlibpb.Message_MESSAGE_EVENT_DIALING, tlibpb.Message_MESSAGE_EVENT_RINGING, tlibpb.Message_MESSAGE_EVENT_ESTABLISHED, tlibpb.Message_MESSAGE_EVENT_RELEASED, tlibpb.Message_MESSAGE_EVENT_ABANDONED:
		s += fmt.Sprintf(" by %s at %s", e.GetCall().GetOtherDn(), e.GetOwner())
	case tlibpb.Message_MESSAGE_EVENT_ERROR:
		s += " " + strings.TrimPrefix(e.GetError().GetCode().String(), "ERROR_CODE_")
	}
	if e.GetSnapshot() {
		s += " (row)"
	}
	return s
}

// heard is everything about a DN, "" for all, in the order in which it came.
func (c *client) heard(dn string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		if e.GetThisDn() == dn || dn == "" {
			out = append(out, line(e))
		}
	}
	return out
}

// hears waits until the client has heard exactly these lines about the DN.
func (c *client) hears(t *testing.T, within time.Duration, dn string, want ...string) {
	t.Helper()
	if len(want) > 0 {
		c.wait(t, within, want[len(want)-1], func(e *tlibpb.Event) bool { return e.GetThisDn() == dn && line(e) == want[len(want)-1] })
	}
	if got := c.heard(dn); !slices.Equal(got, want) {
		t.Errorf("session at %s heard of DN %s:\n%q\nwant\n%q", c.at.Name(), dn, got, want)
	}
}

// forget starts the record anew.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = nil
}

// statServer monitors everything at the node's TCport.
func statServer(t *testing.T, n *cluster.Node) *client {
	t.Helper()
	c := connect(t, n, cluster.TCPort)
	if e := c.ask(t, monitorAll(nil)); e.GetMessage() != tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
		t.Fatalf("MonitorAll: %v", e)
	}
	return c
}

func monitorAll(f *tlibpb.MonitorFilter) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{Filter: f}}}
}

func registerAddress(dn string, m tlibpb.AddressMode) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: dn, Mode: m}}}
}

func unregisterAddress(dn string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: dn}}}
}

func agentLogin(dn, id string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: dn, AgentId: id}}}
}

func agentReady(dn string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: dn}}}
}

func agentNotReady(dn string, reasons map[string]string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: dn, Reasons: reasons}}}
}

func reserveAgent(dn string, priority, ms uint32) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: dn, Priority: priority, Duration: durationpb.New(time.Duration(ms) * time.Millisecond)}}}
}

// says wants the answer of a request to be this line.
func (c *client) says(t *testing.T, want string, m *tlibpb.ClientMessage) {
	t.Helper()
	if got := line(c.ask(t, m)); got != want {
		t.Errorf("session at %s: %v\n got %q\nwant %q", c.at.Name(), m, got, want)
	}
}

// reserves reserves a DN. A connection between nodes that another test broke may cost
// the first request, whose outcome is unknown then: asking again is safe.
func (c *client) reserves(t *testing.T, dn string, m *tlibpb.ClientMessage) {
	t.Helper()
	unknown := "EVENT_ERROR " + dn + " TIMEOUT"
	got := unknown
	for deadline := time.Now().Add(soon); got == unknown && time.Now().Before(deadline); {
		got = line(c.ask(t, m))
	}
	if want := "EVENT_AGENT_RESERVED " + dn; got != want {
		t.Errorf("session at %s: %v\n got %q\nwant %q", c.at.Name(), m, got, want)
	}
}

// pstn configures DNs of agents at a telephone in the public network.
func pstn(t *testing.T, n *cluster.Node, groups []string, dns ...string) {
	t.Helper()
	var req configpb.WriteRequest
	for _, g := range groups {
		req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: g, LoginRequired: true}}})
	}
	for i, dn := range dns {
		req.Mutations = append(req.Mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: dn, Kind: configpb.DNKind_DN_KIND_PSTN, External: fmt.Sprintf("+1555123%04d", i), Groups: groups,
		}}})
	}
	write(t, n, dns[len(dns)-1], &req)
}

// write writes and waits until every running node knows the DN.
func write(t *testing.T, n *cluster.Node, dn string, req *configpb.WriteRequest) {
	t.Helper()
	eventually(t, starting, "the configuration can be written", func(ctx context.Context) error {
		_, err := n.Configuration().Write(ctx, req)
		return err
	})
	for _, peer := range n.Peers() {
		eventually(t, soon, peer.Name()+" knows the DNs", func(ctx context.Context) error {
			if !peer.Running() {
				return nil
			}
			return knowsDN(ctx, peer, dn)
		})
	}
}

// ended is the status that the session ended with.
func (c *client) ended(t *testing.T, within time.Duration) codes.Code {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		c.mu.Lock()
		changed, err := c.changed, c.err
		c.mu.Unlock()
		if err != nil {
			return status.Code(err)
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("session at %s did not end within %v", c.at.Name(), within)
		}
	}
}

// eventuallyGet waits until the node says so of the DN.
func eventuallyGet(t *testing.T, n *cluster.Node, dn string, is func(*tcpb.DNStatus) bool) {
	t.Helper()
	eventually(t, soon, "DN "+dn+" at "+n.Name(), func(ctx context.Context) error {
		d, err := n.Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: dn})
		if err == nil && !is(d) {
			err = fmt.Errorf("it is %v", d)
		}
		return err
	})
}
