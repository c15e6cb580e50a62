package session

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/routing"
)

// lobby is an office whose routing tells its sessions: calls wait at the routing
// point 9001, whose agents are sales, for a router's word without end.
type lobby struct {
	*office
	r *routing.Engine
}

func newLobby(t *testing.T) *lobby {
	t.Helper()
	return newLobbyIn(t, newOffice(t))
}

func newLobbyIn(t *testing.T, o *office) *lobby {
	t.Helper()
	l := &lobby{office: o}
	l.write(
		putDN(&configpb.DN{Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TimeoutMs: 600_000}}),
		member("1003"),
	)
	agents := l.control.cfg.Agents
	l.r = routing.New(routing.Config{Table: l.table, Calls: l.traffic, View: l.machine.View, Agents: agents, Announcer: l.announcer, Log: slog.New(slog.DiscardHandler)})
	l.control.cfg.Router = l.r
	l.control.addresses.cfg.RouterLeft = l.r.RouterLeft
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the routing", done)
		leftover.AtOnce(t, l.r, agents)
	})
	return l
}

// arrives is a call at 9001, which ends with the test or by what is returned.
func (l *lobby) arrives(number string) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	in := &caller{number: number, ctx: ctx}
	go func() { defer close(over); in.serve(l.r) }()
	end := sync.OnceFunc(func() {
		cancel()
		patience.Receive(l.t, "the end of a call", over)
	})
	l.t.Cleanup(end)
	return end
}

// caller is a call at 9001, whose caller gives up when ctx ends. The agent 1003
// takes it at once; elsewhere it rings.
type caller struct {
	number string
	ctx    context.Context //nolint:containedctx // ends when the caller gives up
	beside sync.WaitGroup
}

// serve has the routing serve the call, and returns when it goes on no more.
func (c *caller) serve(r *routing.Engine) {
	r.Arrive(c)
	patience.Ended("the call is served", c.beside.Wait)
}

func (c *caller) Called() string { return "9001" }
func (c *caller) Named(string)   {}
func (c *caller) Origin() invite.Origin {
	return invite.Origin{Trunk: true, DN: "gw1", Number: c.number}
}
func (c *caller) GaveUp() bool               { return c.ctx.Err() != nil }
func (*caller) Ring()                        {}
func (*caller) Tell(int, string)             {}
func (*caller) Reject(int, string)           {}
func (*caller) Later(string, time.Duration)  {}
func (c *caller) Go(f func(context.Context)) { c.beside.Go(func() { f(c.ctx) }) }

func (c *caller) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	progress(180)
	if t.Deliver == "1003" {
		done(invite.Outcome{Answered: true, Follow: func(f invite.Follower) { context.AfterFunc(c.ctx, func() { f.Over(0) }) }})
		return stopper(func() {})
	}
	tried, stop := context.WithCancel(c.ctx)
	c.beside.Go(func() {
		<-tried.Done()
		done(invite.Outcome{Code: 487, Reason: "Request Terminated"})
	})
	return stopper(stop)
}

// stopper is an invite.Stopper.
type stopper func()

func (s stopper) Stop()    { s() }
func (s stopper) Abandon() { s() }

// waits is the call of that number, once it waits for a router's word or, when
// asked is false, for an agent.
func (l *lobby) waits(number string, asked bool) (id call.ID) {
	l.t.Helper()
	l.await("the call of "+number, func() bool {
		calls, _ := l.r.Waiting("9001")
		i := slices.IndexFunc(calls, func(w routing.Waiting) bool { return w.Call.ANI == number && w.Asked == asked })
		if i >= 0 {
			id = calls[i].Call.ID
		}
		return i >= 0
	})
	return id
}

// router is a session that has registered 9001 and hears of these numbers alone
// that a router is asked, in order.
func (l *lobby) router(mode tlibpb.AddressMode, numbers ...string) *wire {
	l.t.Helper()
	w := l.connect(DefaultPort, nil)
	w.heard()
	w.post(registerAddress("9001", mode))
	want := []string{"EVENT_REGISTERED 9001 InSrv"}
	for _, n := range numbers {
		want = append(want, "EVENT_QUEUED 9001 "+n+" row", "EVENT_ROUTE_REQUEST 9001 "+n+" row")
	}
	w.hears(want...)
	return w
}

// hearsNothing proves it by an answer that comes behind everything else.
func (w *wire) hearsNothing() {
	w.o.t.Helper()
	w.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryServer{}})
	if got := w.heard(); !slices.Equal(got, []string{"EVENT_SERVER_INFO"}) {
		w.o.t.Errorf("heard %q", got)
	}
}

func (w *wire) routes(id call.ID, to string) {
	m := toDN(to)
	m.GetRouteCall().ConnId = string(id)
	w.post(m)
}

func TestWaiting_CallsAreRepeatedToARouterThatRegisters(t *testing.T) {
	l := newLobby(t)
	l.table.Register("1003", dn.Registered)
	first := l.router(shared)
	l.arrives("+1")
	first.hears("EVENT_QUEUED 9001 +1", "EVENT_ROUTE_REQUEST 9001 +1")
	l.arrives("+2")
	first.hears("EVENT_QUEUED 9001 +2", "EVENT_ROUTE_REQUEST 9001 +2")
	second := l.router(shared, "+1", "+2")
	first.hearsNothing()
	second.routes(l.waits("+1", true), "1003")
	for _, w := range []*wire{first, second} {
		w.hears("EVENT_ROUTE_USED 9001 1003", "EVENT_DIVERTED 9001 1003")
	}
	third := l.router(watched, "+2") // one that only monitors too
	for _, w := range []*wire{first, second, third} {
		w.hearsNothing()
	}
	second.post(registerAddress("9001", private)) // refused: nothing is repeated
	second.hears("EVENT_ERROR 9001 RESOURCE_SEIZED")
	third.post(registerAddress("9001", watched)) // again
	third.hears("EVENT_REGISTERED 9001 InSrv", "EVENT_QUEUED 9001 +2 row", "EVENT_ROUTE_REQUEST 9001 +2 row")
	third.hearsNothing()
}

func TestWaiting_RowsSayWhatTheEventsDid(t *testing.T) {
	l := newLobby(t)
	l.router(shared)
	l.arrives("+1")
	id := l.waits("+1", true)
	w := l.connect(DefaultPort, nil)
	w.ask(registerAddress("9001", shared))
	var row *tlibpb.Event
	w.wait("the row", func(e *tlibpb.Event) bool {
		row = e
		return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST
	})
	if row.GetCall().GetConnId() != string(id) || row.GetCall().GetAni() != "+1" || row.GetCall().GetDnis() != "9001" || row.GetOwner() != "n1" || row.GetSite() != "dc1" ||
		row.GetTime() == nil || row.GetCallSeq() != 0 || row.GetReferenceId() != 0 || row.GetCall().GetCallType() != tlibpb.CallType_CALL_TYPE_INBOUND {
		t.Errorf("the row is %v", row)
	}
}

// A call came while no router was there, and no agent: the router that comes
// takes it out of the built-in strategy's queue.
func TestWaiting_RouterTakesWhatTheBuiltInStrategyHas(t *testing.T) {
	l := newLobby(t)
	leave := l.arrives("+1")
	id := l.waits("+1", true)
	w := l.router(shared, "+1")
	l.table.Register("1001", dn.Registered)
	w.routes(id, "1001") // whose phone rings
	w.hears("EVENT_ROUTE_USED 9001 1001", "EVENT_DIVERTED 9001 1001")
	leave()
	l.await("an empty queue", func() bool {
		held := l.r.Held()
		return held["routing_queues"] == 0 && held["routing_visits"] == 0
	})
}

// The built-in strategy has an agent at the moment of the router's word: the
// router's counts, and the agent is given back.
func TestWaiting_RouterAndBuiltInStrategyAtOnce(t *testing.T) {
	for range 20 {
		l := newLobby(t)
		leave := l.arrives("+1")
		id := l.waits("+1", true)
		w := l.router(shared, "+1")
		go l.table.Register("1003", dn.Registered)
		m := routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Reject{Reject: 603}})
		m.GetRouteCall().ConnId = string(id)
		switch e := w.ask(m); e.GetMessage() {
		case tlibpb.Message_MESSAGE_EVENT_ROUTE_USED:
			leave()
			if st, _ := l.table.Get("1003"); st.Reserved {
				t.Error("the agent is reserved for a call that was rejected")
			}
		case tlibpb.Message_MESSAGE_EVENT_ERROR: // the agent has the call
			w.wait("the agent's call", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DIVERTED })
		default:
			t.Errorf("answered by %v", e)
		}
	}
}

// Where a router's word came, the call waits for an agent: nobody is asked again.
func TestWaiting_ARequestThatWasAnsweredIsNotRepeated(t *testing.T) {
	l := newLobby(t)
	first := l.router(shared)
	l.arrives("+1")
	first.hears("EVENT_QUEUED 9001 +1", "EVENT_ROUTE_REQUEST 9001 +1")
	m := routeCall(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Group{Group: "sales"}})
	m.GetRouteCall().ConnId = string(l.waits("+1", true))
	first.post(m)
	l.waits("+1", false)
	second := l.connect(DefaultPort, nil)
	second.heard()
	second.post(registerAddress("9001", shared))
	second.hears("EVENT_REGISTERED 9001 InSrv", "EVENT_QUEUED 9001 +1 row")
	second.hearsNothing()
}

func TestWaiting_CallsAreInASnapshotOfTheDefaultPort(t *testing.T) {
	l := newLobby(t)
	l.router(shared)
	leave := l.arrives("+1")
	l.waits("+1", true)
	w, stat := l.connect(DefaultPort, nil), l.connect(TCport, nil)
	w.heard()
	stat.heard()
	w.post(monitorAll(calls()))
	w.hears("EVENT_QUEUED 9001 +1 row", "EVENT_ROUTE_REQUEST 9001 +1 row", "END_OF_SNAPSHOT")
	stat.ask(registerAddress("9001", watched))
	stat.heard()
	stat.post(monitorAll(calls()))
	stat.hears("END_OF_SNAPSHOT")
	stat.hearsNothing()
	leave()
	w.awaits("EVENT_ABANDONED 9001 +1 n1 487")
}

// A router that read too slowly begins anew, and is told of what waits.
func TestWaiting_CallsAreToldToWhoBeginsAnew(t *testing.T) {
	l := newLobby(t)
	w := l.router(shared)
	l.arrives("+1")
	w.hears("EVENT_QUEUED 9001 +1", "EVENT_ROUTE_REQUEST 9001 +1")
	w.gate.Lock()
	for range 2000 {
		l.traffic.End(begin(t, l.traffic, "2002"), 487, true)
	}
	w.gate.Unlock()
	w.post(monitorAll(calls())) // a word that gets it to read on
	w.wait("the row", func(e *tlibpb.Event) bool { return line(e) == "EVENT_ROUTE_REQUEST 9001 +1 row" })
}

// A session that is resumed without a place in the log of calls missed what came
// meanwhile.
func TestWaiting_CallsAreToldToWhoResumesWithoutAPlace(t *testing.T) {
	l := newLobby(t)
	l.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
	l.table.Register("1001", dn.Registered)
	w := l.router(shared)
	seq, _ := w.awaitPlace()
	w.hangUp()
	if err := patience.Receive(t, "the end of the session", w.ended); err == nil {
		t.Error("a lost connection ended in good order")
	}
	l.arrives("+1")
	l.waits("+1", true)
	again := l.connect(DefaultPort, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken(), ResumeCursor: cursor(seq, 0)})
	again.hears("EVENT_LINK_CONNECTED resumed", "EVENT_QUEUED 9001 +1 row", "EVENT_ROUTE_REQUEST 9001 +1 row")
}

// tally follows which calls wait, as a router does.
type tally struct {
	w       *wire
	waiting map[string]bool
	// monitors: it may hear of calls by rows that it knows.
	monitors bool
}

func (l *lobby) tally(monitors bool) *tally {
	return &tally{l.connect(DefaultPort, nil), map[string]bool{}, monitors}
}

func (y *tally) follow() {
	y.w.mu.Lock()
	defer y.w.mu.Unlock()
	for _, e := range y.w.events {
		switch e.GetMessage() {
		case tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST:
			if y.waiting[e.GetCall().GetAni()] && !(y.monitors && e.GetSnapshot()) {
				y.w.o.t.Errorf("asked twice: %s", line(e))
			}
			y.waiting[e.GetCall().GetAni()] = true
		case tlibpb.Message_MESSAGE_EVENT_ABANDONED:
			delete(y.waiting, e.GetCall().GetAni())
		}
	}
	y.w.events = nil
}

// knows waits until the router knows which calls wait.
func (y *tally) knows(l *lobby) {
	l.t.Helper()
	l.await("what a router knows", func() bool {
		y.follow()
		calls, _ := l.r.Waiting("9001")
		return len(calls) == len(y.waiting) && !slices.ContainsFunc(calls, func(w routing.Waiting) bool { return !y.waiting[w.Call.ANI] })
	})
}

// Routers register while calls come and go: each is asked once about each call,
// whatever comes first, and knows in the end which of them wait.
func TestWaiting_ExactlyOnceInARace(t *testing.T) {
	l := newLobby(t)
	l.router(shared)
	var all []*tally
	var last func()
	for i := range 24 {
		y := l.tally(i%3 == 0)
		var together sync.WaitGroup
		number, leave := fmt.Sprintf("+%d", i), last
		together.Go(func() { last = l.arrives(number) })
		together.Go(func() {
			if leave != nil && i%2 == 0 {
				leave()
			}
		})
		if y.monitors {
			y.w.ask(monitorAll(calls()))
		}
		y.w.ask(registerAddress("9001", shared))
		patience.Ended("the caller who leaves is gone", together.Wait)
		l.waits(number, true)
		all = append(all, y)
		for _, y := range all {
			y.knows(l)
		}
	}
}

// Who monitors calls, and is behind when it registers, hears everything in order.
func TestWaiting_RowsComeInOrderWithWhatIsMonitored(t *testing.T) {
	l := newLobby(t)
	l.router(shared)
	for i := range 12 {
		number := func(what string) string { return fmt.Sprint("+", i, what) }
		y := l.tally(true)
		y.w.ask(monitorAll(calls()))
		first := l.arrives(number("1"))
		l.waits(number("1"), true)
		y.knows(l)
		y.w.gate.Lock()
		second := l.arrives(number("2")) // which the session is about to say
		l.waits(number("2"), true)
		first()
		third := l.arrives(number("3"))
		l.waits(number("3"), true)
		posted := make(chan struct{})
		go func() { defer close(posted); y.w.post(registerAddress("9001", shared)) }()
		y.w.gate.Unlock()
		patience.Receive(t, "the end of the request", posted)
		y.knows(l)
		second()
		third()
		y.w.hangUp()
	}
}
