package routing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// stage is where visits are told; they are gathered in the log of calls.
type stage struct {
	calls   *call.Table
	log     *call.Stream
	tried   []dn.Number // of the last route request
	routers atomic.Bool
	asked   chan call.ID // route requests
}

func (s *stage) Announce(v Visit) {
	s.calls.Tell(v, 0)
	if v.Message == tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST {
		s.tried = dnsOf(v.Tried)
		s.asked <- v.Call.ID
	}
}

func dnsOf(tries []Try) (all []dn.Number) {
	for i := range tries {
		all = append(all, tries[i].DN)
	}
	return all
}

func (s *stage) Routers(dn.Number) bool { return s.routers.Load() }

// heard is what was told since it was asked last, in lines.
func (s *stage) heard(ctx context.Context) (told []string) {
	for s.log.Seq() < s.calls.Head() {
		items, err := s.log.Next(ctx, nil)
		if err != nil {
			return told
		}
		for _, it := range items {
			if e := it.Event; e == nil {
				continue
			} else if v, local := e.Local.(Visit); local {
				name := strings.TrimPrefix(v.Message.String(), "MESSAGE_EVENT_")
				told = append(told, strings.TrimSpace(fmt.Sprintf("local %s %s %s", name, v.RP, v.To)))
			} else if !e.Kind.Waiting() && e.Kind != call.Dialing { // node/call tells that
				kind := map[call.Kind]string{call.Ringing: "RINGING", call.Established: "ESTABLISHED", call.Released: "RELEASED", call.Abandoned: "ABANDONED",
					call.Held: "HELD", call.Retrieved: "RETRIEVED"}[e.Kind]
				told = append(told, fmt.Sprintf("%s %s %s", kind, e.ThisDN, e.OtherDN))
			}
		}
	}
	return told
}

// script is a call whose targets answer as written.
type script struct {
	called   string
	origin   invite.Origin
	answers  map[string]invite.Outcome // by target
	rings    chan string               // a target that rings until its try ends
	told     chan string               // what the caller is told of its wait; nil: nobody asks
	tries    []string
	rejected int
	later    time.Duration
	rang     bool

	caller context.Context //nolint:containedctx // ends when the caller gives up
	beside sync.WaitGroup
}

// serve has the routing serve the call, and returns when nothing goes on beside
// any more. The caller gives up when ctx ends.
func (s *script) serve(ctx context.Context, r *Engine) {
	s.caller = ctx
	r.Arrive(s)
	patience.Ended("the call is served", s.beside.Wait)
}

func (s *script) Called() string        { return s.called }
func (s *script) Origin() invite.Origin { return s.origin }
func (s *script) GaveUp() bool          { return s.caller.Err() != nil }
func (s *script) Ring()                 { s.rang = true }
func (s *script) Tell(code int, reason string) {
	select {
	case s.told <- fmt.Sprint(code, " ", reason):
	default: // nobody asks
	}
}
func (s *script) Reject(code int, _ string) {
	if s.rejected == 0 {
		s.rejected = code
	}
}

func (s *script) Named(string) {}

func (s *script) Later(_ string, after time.Duration) {
	s.Reject(503, "")
	s.later = after
}

func (s *script) Go(f func(context.Context)) { s.beside.Go(func() { f(s.caller) }) }

// halt is a Stopper.
type halt struct {
	once sync.Once
	c    chan struct{}
}

func (h *halt) Stop() { h.once.Do(func() { close(h.c) }) }

// Abandon implements invite.Stopper.
func (h *halt) Abandon() { h.Stop() }

func (s *script) Send(t invite.Target, progress func(int), done func(invite.Outcome)) invite.Stopper {
	name := string(t.Deliver) + string(t.DN) + t.Number
	if at := string(t.Node) + string(t.Trunk); at != "" {
		name += " at " + at
	}
	s.tries = append(s.tries, name)
	stop := &halt{c: make(chan struct{})}
	out, known := s.answers[name]
	if !known {
		s.beside.Go(func() {
			progress(180)
			if s.rings != nil {
				s.rings <- name
			}
			select {
			case <-s.caller.Done():
			case <-stop.c:
			}
			done(invite.Outcome{Code: 487, Reason: "Request Terminated"})
		})
		return stop
	}
	if out.Answered || out.Code == 486 {
		progress(180)
	}
	done(out)
	return stop
}

// overAtOnce is a call that is over at once.
func overAtOnce() invite.Outcome {
	return isUp(func(f invite.Follower) { f.Over(0) })
}

// isUp is a call that was answered; then is given who follows it.
func isUp(then func(invite.Follower)) invite.Outcome {
	return invite.Outcome{Answered: true, Follow: then}
}

// exchange is an office with routing.
type exchange struct {
	*office
	*stage
	r *Engine
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	x := &exchange{office: newOffice(t), stage: &stage{asked: make(chan call.ID, 8)}}
	x.write(
		putDN(&configpb.DN{Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TimeoutMs: 1000}}),
		putDN(&configpb.DN{Number: "gw1", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.1:5060", Prefix: "+1"}}),
		putDN(&configpb.DN{Number: "gw2", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.2:5060", Prefix: "+1", Priority: 5}}),
		putDN(&configpb.DN{Number: "gw3", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.3:5060", Prefix: "+1555"}}),
		member("1003"), member("1004"),
	)
	n2 := nodeOf("b", "n2", "dc2")
	n2.GetPutNode().SipAddr = "192.0.2.20:5060"
	x.write(n2)
	x.calls = x.traffic
	x.log = x.calls.Tail()
	x.r = New(Config{Table: x.table, Calls: x.calls, View: x.machine.View, Agents: x.agents, Announcer: x.stage, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = x.r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the routing", done)
		leftover.AtOnce(t, x.r, leftover.But(x.calls, "calls_known"), x.agents)
	})
	return x
}

func (x *exchange) tells(want ...string) {
	x.office.t.Helper()
	if got := x.stage.heard(x.office.t.Context()); !slices.Equal(got, want) {
		x.office.t.Errorf("told\n%q\nwant\n%q", got, want)
	}
}

var trunk = invite.Origin{Trunk: true, DN: "gw1", Number: "+15550001"}

func TestRouting_OfACallToADN(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1001", dn.Registered)
	x.says(lease("1003"))
	for _, c := range []struct {
		called string
		origin invite.Origin
		answer invite.Outcome
		tries  string
		code   int
		told   []string
	}{
		{"1001", invite.Origin{DN: "1004"}, overAtOnce(), "1001", 0, []string{"RINGING 1001 1004", "ESTABLISHED 1001 1004", "ESTABLISHED 1004 1001", "RELEASED 1004 1001", "RELEASED 1001 1004"}},
		{"1001", trunk, overAtOnce(), "1001", 0, []string{"RINGING 1001 +15550001", "ESTABLISHED 1001 +15550001", "ESTABLISHED gw1 1001", "RELEASED gw1 1001", "RELEASED 1001 +15550001"}},
		{"1003", trunk, overAtOnce(), "1003 at b", 0, []string{"RINGING 1003 +15550001", "ESTABLISHED 1003 +15550001", "ESTABLISHED gw1 1003", "RELEASED gw1 1003", "RELEASED 1003 +15550001"}},
		{"1001", trunk, invite.Outcome{Code: 486}, "1001", 486, []string{"RINGING 1001 +15550001", "RELEASED 1001 +15550001", "RELEASED gw1 1001"}},
		{"1004", trunk, invite.Outcome{}, "", 480, nil},
		{"2001", trunk, invite.Outcome{}, "", 480, nil},
		{"1234", trunk, invite.Outcome{}, "", 404, nil},
		{"gw1", trunk, invite.Outcome{}, "", 404, nil},
		{"+15551234", trunk, invite.Outcome{}, "", 404, nil},
		{"+15551234", invite.Origin{DN: "1004"}, overAtOnce(), "+15551234 at gw3", 0, []string{"RINGING gw3 1004", "ESTABLISHED gw3 1004", "ESTABLISHED 1004 gw3", "RELEASED 1004 gw3", "RELEASED gw3 1004"}},
	} {
		in := &script{called: c.called, origin: c.origin, answers: map[string]invite.Outcome{c.tries: c.answer}}
		in.serve(t.Context(), x.r)
		if strings.Join(in.tries, ";") != c.tries || in.rejected != c.code {
			t.Errorf("%s: tried %q, answered %d; want %q, %d", c.called, in.tries, in.rejected, c.tries, c.code)
		}
		x.tells(c.told...)
	}
}

// TestRouting_DeniesNothingByAConfigurationThatMayBeBehind: callers are told to come again;
// what the tables say, and what is there, is as ever.
func TestRouting_DeniesNothingByAConfigurationThatMayBeBehind(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1001", dn.Registered)
	behind := true
	x.r.behind = func() bool { return behind }
	for _, c := range []struct {
		called    string
		origin    invite.Origin
		then, now int
	}{
		{"1234", trunk, 503, 404},
		{"+15551234", trunk, 503, 404},
		{"1001", trunk, 486, 486},
		{"1004", trunk, 480, 480},
	} {
		for is, want := range map[bool]int{true: c.then, false: c.now} {
			behind = is
			in := &script{called: c.called, origin: c.origin, answers: map[string]invite.Outcome{"1001": {Code: 486}}}
			in.serve(t.Context(), x.r)
			if in.rejected != want || (want == 503) != (in.later > 0) {
				t.Errorf("%s, perhaps behind %v: answered %d, again after %v; want %d", c.called, is, in.rejected, in.later, want)
			}
		}
	}
}

// A PSTN agent's calls leave by the trunks, and are told of the agent's DN.
func TestRouting_OfACallToAPSTNAgent(t *testing.T) {
	x := newExchange(t)
	x.table.Register("2001", dn.Registered)
	in := &script{called: "2001", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{
		"+15551234567 at gw3": {Code: 503, Retry: true},
		"+15551234567 at gw1": {Code: 503, Retry: true},
		"+15551234567 at gw2": overAtOnce(),
	}}
	in.serve(t.Context(), x.r)
	if want := []string{"+15551234567 at gw3", "+15551234567 at gw1", "+15551234567 at gw2"}; !slices.Equal(in.tries, want) {
		t.Errorf("tried %q, want %q", in.tries, want)
	}
	x.tells("RINGING 2001 1004", "ESTABLISHED 2001 1004", "ESTABLISHED 1004 2001", "RELEASED 1004 2001", "RELEASED 2001 1004")
}

// Without a router the agent who is idle for the longest time gets the call;
// one who doesn't take it, by whatever code, is not tried again at once.
func TestRoutingPoint_BuiltInStrategy(t *testing.T) {
	for _, code := range []int{404, 486, 500, 600, 603, 606} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			x := newExchange(t)
			x.table.Register("1004", dn.Registered)
			x.table.Register("1003", dn.Registered)
			in := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1004": {Code: code}, "1003": overAtOnce()}}
			in.serve(t.Context(), x.r)
			if want := []string{"1004", "1003"}; !slices.Equal(in.tries, want) || !in.rang || in.rejected != 0 {
				t.Errorf("tried %q, refused by %d, want %q, by nobody", in.tries, in.rejected, want)
			}
			for _, n := range []dn.Number{"1003", "1004"} {
				if st, _ := x.table.Get(n); st.Reserved {
					t.Errorf("the reservation of %s is still there", n)
				}
			}
		})
	}
}

// Nobody is sent to himself, and who calls is busy.
func TestRoutingPoint_CallerIsNoAgent(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	x.table.Register("1004", dn.Registered)
	in := &script{called: "9001", origin: invite.Origin{DN: "1003"}, rings: make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); in.serve(ctx, x.r) }()
	if rings := patience.Receive(t, "the phone rings", in.rings); rings != "1004" {
		t.Errorf("%s rings", rings)
	}
	busy := func() bool { st, _ := x.table.Get("1003"); return st.Busy }
	x.await("the caller is busy", busy)
	cancel()
	patience.Receive(t, "the end of the call", done)
	x.await("the caller is free", func() bool { return !busy() })
}

// An agent who did not answer is rung again after a while, when there is nobody else.
func TestRoutingPoint_TriesAgainAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		in := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": {Code: 408}}}
		in.serve(ctx, x.r)
		if len(in.tries) != 2 {
			t.Errorf("tried %q", in.tries)
		}
	})
}

func TestRoutingPoint_RouterDecides(t *testing.T) {
	x := newExchange(t)
	x.routers.Store(true)
	x.table.Register("1003", dn.Registered)
	x.table.Register("1004", dn.Registered)
	in := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": {Code: 486}, "1004": overAtOnce()}}
	done := make(chan struct{})
	go func() { defer close(done); in.serve(t.Context(), x.r) }()
	conn := patience.Receive(t, "the router is asked", x.asked)
	if err := x.r.RouteCall(string(conn), Route{DN: "1003", UserData: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	patience.Receive(t, "the router is asked", x.asked) // it was busy
	for want, route := range map[string]Route{
		"INVALID_ATTRIBUTE": {DN: "1003", Group: "sales"}, "NOT_CONFIGURED": {DN: "77"},
	} {
		if err := x.r.RouteCall(string(conn), route); err == nil || strings.TrimPrefix(err.Code.String(), "ERROR_CODE_") != want {
			t.Errorf("%+v: %v", route, err)
		}
	}
	if err := x.r.RouteCall("0000000000000000", Route{DN: "1004"}); err == nil {
		t.Error("a call that does not exist is routed")
	}
	if err := x.r.RouteCall(string(conn), Route{DN: "1004"}); err != nil {
		t.Fatal(err)
	}
	patience.Receive(t, "the end of the call", done)
	x.tells("local QUEUED 9001", "local ROUTE_REQUEST 9001", "local ROUTE_USED 9001 1003", "local DIVERTED 9001 1003",
		"RINGING 1003 +15550001", "RELEASED 1003 +15550001",
		"local QUEUED 9001", "local ROUTE_REQUEST 9001", "local ROUTE_USED 9001 1004", "local DIVERTED 9001 1004",
		"RINGING 1004 +15550001", "ESTABLISHED 1004 +15550001", "ESTABLISHED gw1 1004", "RELEASED gw1 1004", "RELEASED 1004 +15550001")
	if !slices.Equal(x.tried, []dn.Number{"1003"}) {
		t.Errorf("what was tried: %v", x.tried)
	}
	if err := x.r.RouteCall(string(conn), Route{DN: "1004"}); err == nil {
		t.Error("a call that is over is routed")
	}
}

func TestRoutingPoint_SilentRouterIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.routers.Store(true)
		x.table.Register("1003", dn.Registered)
		in := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": overAtOnce()}}
		began := time.Now()
		in.serve(t.Context(), x.r)
		if took := time.Since(began); took != time.Second || !slices.Equal(in.tries, []string{"1003"}) {
			t.Errorf("after %v: tried %q", took, in.tries)
		}
	})
}

func TestRoutingPoint_RejectedByTheRouter(t *testing.T) {
	x := newExchange(t)
	x.routers.Store(true)
	in := &script{called: "9001", origin: trunk}
	done := make(chan struct{})
	go func() { defer close(done); in.serve(t.Context(), x.r) }()
	if err := x.r.RouteCall(string(patience.Receive(t, "the router is asked", x.asked)), Route{Reject: 603}); err != nil {
		t.Fatal(err)
	}
	patience.Receive(t, "the end of the call", done)
	if in.rejected != 603 {
		t.Errorf("answered %d", in.rejected)
	}
}

// Nobody takes the call: the caller gives up, or has waited long enough.
func TestRoutingPoint_NobodyTakesIt(t *testing.T) {
	for _, patience := range []time.Duration{time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			x := newExchange(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			in := &script{called: "9001", origin: trunk, caller: ctx}
			x.r.Arrive(in)
			in.beside.Wait() // however long that is in a bubble
			x.tells("local QUEUED 9001", "local ABANDONED 9001")
		})
	}
}

func TestRoutingPoint_CallerGivesUpWhileItRings(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	ctx, cancel := context.WithCancel(t.Context())
	in := &script{called: "9001", origin: invite.Origin{DN: "1004"}, rings: make(chan string)}
	done := make(chan struct{})
	go func() { defer close(done); in.serve(ctx, x.r) }()
	patience.Receive(t, "the phone rings", in.rings)
	cancel()
	patience.Receive(t, "the end of the call", done)
	x.tells("local QUEUED 9001", "local ROUTE_USED 9001 1003", "local DIVERTED 9001 1003", "RINGING 1003 1004",
		"RELEASED 1004 9001", "ABANDONED 1003 1004")
}

// The owner of the DN that rings is lost: the call is back at once.
func TestRoutingPoint_OwnerLostWhileItRings(t *testing.T) {
	x := newExchange(t)
	x.says(lease("1003"))
	in := &script{called: "9001", origin: trunk, rings: make(chan string), answers: map[string]invite.Outcome{"1004": overAtOnce()}}
	done := make(chan struct{})
	id, _ := x.calls.Begin(call.Info{Caller: in.origin.DN, Type: call.Inbound, ANI: in.origin.Number, DNIS: in.called})
	defer x.calls.End(id, 0, false)
	go func() {
		defer close(done)
		in.caller = t.Context()
		j := &journey{r: x.r, in: in, id: id}
		(&stay{journey: j}).back(t.Context(), "1003", 0, x.r.dial(t.Context(), in, x.machine.View().DN("1003"), configpb.DefaultRingTimeout, j))
	}()
	patience.Receive(t, "the phone rings", in.rings)
	x.table.SetHeard("b", false)
	patience.Receive(t, "the end of the call", done)
	x.tells("RINGING 1003 +15550001", "RELEASED 1003 +15550001")
}

// One agent, two calls: the second one waits for its turn.
func TestRoutingPoint_CallsWaitForAnAgent(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	first := &script{called: "9001", origin: trunk, rings: make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); first.serve(ctx, x.r) }()
	patience.Receive(t, "the phone rings", first.rings)
	second := &script{called: "9001", origin: trunk, answers: map[string]invite.Outcome{"1003": overAtOnce()}}
	served := make(chan struct{})
	go func() { defer close(served); second.serve(t.Context(), x.r) }()
	cancel()
	patience.Receive(t, "the end of the call", done)
	patience.Receive(t, "the end of the call", served)
	if !slices.Equal(second.tries, []string{"1003"}) || second.rejected != 0 {
		t.Errorf("the second call tried %q, answered %d", second.tries, second.rejected)
	}
}
