package session

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// office is a node with everything real but the network: node n1 at dc1, whose
// peer is n2 at dc2.
type office struct {
	t         testing.TB
	machine   *fsm.Machine
	table     *dn.Table
	traffic   *call.Table
	peer      *dn.Copy
	control   *Controller
	announcer Announcer
	// wraps is how long agents wrap up.
	wraps time.Duration
}

func newOffice(t testing.TB) *office {
	t.Helper()
	return newOfficeOf(t, 64)
}

// newOfficeOf keeps so many events of calls.
func newOfficeOf(t testing.TB, history int) *office {
	t.Helper()
	leftover.Check(t)
	o := &office{t: t}
	dir := t.TempDir()
	var err error
	if o.machine, err = fsm.Open(fsm.Config{Path: filepath.Join(dir, "config.db")}); err != nil {
		t.Fatal(err)
	}
	o.command(&peerpb.Command{Version: 1, NewEpoch: "e1"})
	o.write(
		&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.org"}}},
		nodeOf("a", "n1", "dc1"), nodeOf("b", "n2", "dc2"),
		&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales"}}},
		pstnDN("2001"), pstnDN("2002", "sales"), sipDN("1001"),
		&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}}},
	)
	o.traffic = call.New(call.Config{Self: "a", Incarnation: 1, History: history, TalkEnds: func(n dn.Number, at int64) { o.table.WrapUp(n, at, o.wraps) }})
	o.table = dn.New(dn.Config{Self: "a", Incarnation: 1, Busy: o.traffic.Busy, Uses: o.traffic.Uses})
	agents, err := agent.Open(agent.Config{Table: o.table, View: o.machine.View, Dir: filepath.Join(dir, "agents"),
		Left: func(n dn.Number) { o.control.addresses.Left(n) },
		Dial: func(dn.Node) (grpc.ClientConnInterface, error) { return nil, io.ErrClosedPipe }})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	addresses := NewAddresses(AddressesConfig{Table: o.table, View: o.machine.View, Ended: agents.Ended, Desktop: agents.Desktop, Log: log, DrainEnd: func() time.Time {
		return o.machine.View().Node(string(o.table.Self())).DrainEnd()
	}})
	o.announcer = Announcer{Calls: o.traffic, Addresses: addresses}
	o.control = New(Config{Table: o.table, Calls: o.traffic, Machine: o.machine, Agents: agents, Addresses: addresses, Version: "test", Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = agents.Run(ctx) })
	running.Go(func() { _ = o.control.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		patience.Done(t, "the end of agents and controller", running.Wait)
		if err := agents.Close(); err != nil {
			t.Error(err)
		}
		leftover.None(t, patience.Limit, leftover.But(o.control, "tlib_in_grace", "tlib_addresses"), leftover.But(agents, "reservations", "reservations_wanted"),
			leftover.But(o.traffic, "calls_own", "calls_known", "calls_up"), leftover.But(o.table, "dn_drops_untold"))
		if err := o.machine.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func nodeOf(id, name, where string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: name, Site: where, ClusterAddr: id + ":7002"}}}
}

// drainingNode is n1 as it drains, until a moment or as long as its clients stay.
func drainingNode(until time.Time) *configpb.Mutation {
	m := nodeOf("a", "n1", "dc1")
	m.GetPutNode().Draining = true
	if !until.IsZero() {
		m.GetPutNode().DrainUntilMs = uint64(until.UnixMilli())
	}
	return m
}

func putDN(d *configpb.DN) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

func pstnDN(number string, groups ...string) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: groups})
}

func sipDN(number string) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef"})
}

// member is a sip DN of the group sales.
func member(number string) *configpb.Mutation {
	d := sipDN(number)
	d.GetPutDn().Groups = []string{"sales"}
	return d
}

func deleteDN(number string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}}
}

func (o *office) write(m ...*configpb.Mutation) {
	o.t.Helper()
	o.command(&peerpb.Command{Version: 1, Mutations: m})
}

func (o *office) command(c *peerpb.Command) {
	o.t.Helper()
	if r := o.machine.ApplyCommand(c); r.Err != nil {
		o.t.Fatal(r.Err)
	}
}

// says makes the peer n2 say something of its DNs.
func (o *office) says(records ...dn.Record) {
	o.t.Helper()
	if o.peer == nil {
		c, err := o.table.Sync("b", 1, false)
		if err != nil {
			o.t.Fatal(err)
		}
		if err := c.Synced(1); err != nil || !o.table.SetHeard("b", true) {
			o.t.Fatal("n2 is not heard", err)
		}
		o.peer = c
	}
	if bad, err := o.peer.Apply(records, 2); bad > 0 || err != nil {
		o.t.Fatal(bad, err)
	}
}

// wire is a client's connection in memory.
type wire struct {
	o      *office
	ctx    context.Context //nolint:containedctx // a stream's, as in gRPC
	late   bool            // what follows from ctx learns of its end later than Recv does
	hangUp context.CancelFunc
	in     chan *tlibpb.ClientMessage
	closed chan struct{}
	ended  chan error
	// reading: the client reads what it gets.
	reading atomic.Bool
	link    *tlibpb.Event
	ref     uint64

	// gate holds up what is sent while it is locked.
	gate sync.Mutex

	mu      sync.Mutex
	changed chan struct{}
	events  []*tlibpb.Event
	seq     uint64
	callSeq uint64
	largest int // message, in events
	// placed are messages that end with a row, and say up to where all was told.
	placed int
}

func (w *wire) Context() context.Context {
	if w.late {
		return late{w.ctx}
	}
	return w.ctx
}

// late is a context whose children do not know yet that it has ended.
type late struct{ context.Context } //nolint:containedctx // it is one

func (late) Done() <-chan struct{} { return make(chan struct{}) }

func (w *wire) Recv() (*tlibpb.ClientMessage, error) {
	select {
	case m := <-w.in:
		return m, nil
	case <-w.closed:
		return nil, io.EOF
	case <-w.ctx.Done():
		return nil, status.FromContextError(w.ctx.Err()).Err()
	}
}

// received is a message as its client has it.
func received(m *tlibpb.ServerMessage) (*tlibpb.ServerMessage, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	m = &tlibpb.ServerMessage{}
	return m, proto.Unmarshal(b, m)
}

func (w *wire) Send(m *tlibpb.ServerMessage) error {
	if !w.reading.Load() {
		<-w.ctx.Done()
		return w.ctx.Err()
	}
	w.gate.Lock()
	defer w.gate.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	m, err := received(m)
	if err != nil {
		return err
	}
	w.events = append(w.events, m.GetEvents()...)
	at, err := feed.ParseCursor(m.GetCursor())
	if err != nil {
		w.o.t.Errorf("the cursor %x: %v", m.GetCursor(), err)
	}
	w.seq, w.largest = max(w.seq, at.DNs), max(w.largest, len(m.GetEvents()))
	w.callSeq = max(w.callSeq, at.Calls)
	if n := len(m.GetEvents()); n > 0 && m.GetEvents()[n-1].GetSnapshot() && len(m.GetCursor()) > 0 {
		w.placed++
	}
	close(w.changed)
	w.changed = make(chan struct{})
	return w.ctx.Err()
}

// wire connects a client that has not opened its session.
func (o *office) wire(p Port) *wire { return o.wireIn(context.Background(), p) }

// wireIn is wire with a connection that ends with the context too.
func (o *office) wireIn(ctx context.Context, p Port) *wire {
	behind, isLate := ctx.(late)
	if isLate {
		ctx = behind.Context
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &wire{o: o, ctx: ctx, late: isLate, hangUp: cancel, in: make(chan *tlibpb.ClientMessage), closed: make(chan struct{}), ended: make(chan error, 1), changed: make(chan struct{})}
	w.reading.Store(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		err := o.control.Serve(w, p)
		cancel() // as gRPC does when the handler returns
		w.ended <- err
	}()
	o.t.Cleanup(func() {
		cancel()
		patience.Receive(o.t, "the end of a session", served)
	})
	return w
}

// connect opens a session at a port.
func (o *office) connect(p Port, open *tlibpb.OpenSession) *wire {
	o.t.Helper()
	return o.connectIn(context.Background(), p, open)
}

// connectIn is connect with a connection that ends with the context too.
func (o *office) connectIn(ctx context.Context, p Port, open *tlibpb.OpenSession) *wire {
	o.t.Helper()
	w := o.wireIn(ctx, p)
	if open == nil {
		open = &tlibpb.OpenSession{}
	}
	open.ProtocolVersion = tlibpb.ProtocolVersion
	w.link = w.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: open}})
	if w.link.GetMessage() != tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED {
		o.t.Fatalf("the session begins with %v", w.link)
	}
	return w
}

func (w *wire) post(m *tlibpb.ClientMessage) uint64 {
	w.ref++
	m.ReferenceId = w.ref
	limit := time.NewTimer(patience.Limit)
	defer limit.Stop()
	select {
	case w.in <- m:
	case <-w.ctx.Done():
	case <-limit.C:
		w.o.t.Fatalf("waited %v in vain: the session takes %v", patience.Limit, m)
	}
	return w.ref
}

func (w *wire) ask(m *tlibpb.ClientMessage) (e *tlibpb.Event) {
	w.o.t.Helper()
	ref := w.post(m)
	w.wait(fmt.Sprint("the answer to ", m), func(x *tlibpb.Event) bool { e = x; return x.GetReferenceId() == ref })
	return e
}

// await polls until the condition holds.
func (o *office) await(what string, cond func() bool) {
	o.t.Helper()
	patience.Until(o.t, what, cond)
}

// wait waits for an event that is one. All events are asked about again whenever one more
// comes: is keeps nothing from one to the next.
func (w *wire) wait(what string, is func(*tlibpb.Event) bool) {
	w.o.t.Helper()
	timer := time.NewTimer(patience.Limit)
	defer timer.Stop()
	for {
		w.mu.Lock()
		ok, changed := slices.ContainsFunc(w.events, is), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			w.o.t.Fatalf("%s: did not come; heard %q", what, w.heard())
		}
	}
}

// messages are how many events the largest had, and how many within a snapshot had a place.
func (w *wire) messages() (largest, placed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.largest, w.placed
}

// seen is everything that the client was told since it last heard; it stays to be heard.
func (w *wire) seen() []*tlibpb.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events)
}

// heard is everything that the client was told since it last asked, in lines.
func (w *wire) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		out = append(out, line(e))
	}
	w.events = nil
	return out
}

// position is the newest that the client knows.
func (w *wire) position() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// hears waits for the last line, and wants to have heard exactly these.
func (w *wire) hears(want ...string) {
	w.o.t.Helper()
	w.wait(want[len(want)-1], func(e *tlibpb.Event) bool { return line(e) == want[len(want)-1] })
	if got := w.heard(); !slices.Equal(got, want) {
		w.o.t.Errorf("heard\n%q\nwant\n%q", got, want)
	}
}

// says wants a request's answer to be this line, and forgets what was heard up
// to it.
func (w *wire) says(want string, m *tlibpb.ClientMessage) {
	w.o.t.Helper()
	e := w.ask(m)
	if got := line(e); got != want {
		w.o.t.Errorf("%v:\n got %q\nwant %q", m, got, want)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = w.events[slices.Index(w.events, e)+1:]
}

// awaits waits for a line and forgets what was heard.
func (w *wire) awaits(want string) {
	w.o.t.Helper()
	w.wait(want, func(e *tlibpb.Event) bool { return line(e) == want })
	w.heard()
}

// line is an event in one line.
func line(e *tlibpb.Event) string {
	s := strings.TrimPrefix(e.GetMessage().String(), "MESSAGE_")
	if e.GetThisDn() != "" {
		s += " " + e.GetThisDn()
	}
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE:
		s += fmt.Sprintf(" %s %s", e.GetOwner(), e.GetReason().Word())
	case tlibpb.Message_MESSAGE_EVENT_REGISTERED, tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO:
		s += " " + e.GetStatus().GetState().Word()
	case tlibpb.Message_MESSAGE_EVENT_ERROR:
		s += " " + strings.TrimPrefix(e.GetError().GetCode().String(), "ERROR_CODE_")
	case tlibpb.Message_MESSAGE_EVENT_RINGING, tlibpb.Message_MESSAGE_EVENT_ESTABLISHED, tlibpb.Message_MESSAGE_EVENT_RELEASED, tlibpb.Message_MESSAGE_EVENT_ABANDONED:
		s += fmt.Sprintf(" %s %s %d", e.GetCall().GetOtherDn(), e.GetOwner(), e.GetEnd().GetSipStatus())
	case tlibpb.Message_MESSAGE_EVENT_QUEUED, tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST, tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, tlibpb.Message_MESSAGE_EVENT_DIVERTED:
		s += " " + cmp.Or(e.GetThirdPartyDn(), e.GetCall().GetOtherDn())
	case tlibpb.Message_MESSAGE_EVENT_NODE_DRAINING:
		s += map[bool]string{true: " undone", false: " draining"}[e.GetNodeDraining().GetUndone()]
	case tlibpb.Message_MESSAGE_EVENT_SITE_LOST, tlibpb.Message_MESSAGE_EVENT_SITE_BACK:
		s += fmt.Sprint(" ", e.GetSite(), " ", append(e.GetSiteLost().GetNodes(), e.GetSiteBack().GetNodes()...))
	case tlibpb.Message_MESSAGE_EVENT_AGENT_READY:
		s += " " + e.GetAgent().GetId() + " " + e.GetAgent().GetReasons()["site"]
	}
	if e.GetSnapshot() {
		s += " row"
	}
	if e.GetResumed() {
		s += " resumed"
	}
	return s
}

// cursor is a place in what this start of the node says.
func cursor(dns, calls uint64) []byte {
	return feed.Cursor{Incarnation: 1, DNs: dns, Calls: calls}.Bytes()
}

func registerAddress(n string, m tlibpb.AddressMode) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: n, Mode: m}}}
}

func unregisterAddress(n string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: n}}}
}

func monitorAll(m *tlibpb.MonitorAll) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: m}}
}

func agentLogin(n, id string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: n, AgentId: id}}}
}

func agentReady(n string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: n}}}
}

func agentNotReady(n string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: n}}}
}

func query(n string) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryAddress{QueryAddress: &tlibpb.QueryAddress{Dn: n}}}
}

const (
	shared  = tlibpb.AddressMode_ADDRESS_MODE_SHARED
	private = tlibpb.AddressMode_ADDRESS_MODE_PRIVATE
	watched = tlibpb.AddressMode_ADDRESS_MODE_MONITOR
)
