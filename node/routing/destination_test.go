package routing

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// visits is a call at 9001 that a router is asked about.
func (x *exchange) visits(t *testing.T, in *script) (id call.ID, over func()) {
	t.Helper()
	x.routers.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	in.called, in.origin = "9001", trunk
	go func() { defer close(done); in.serve(ctx, x.r) }()
	end := func() { cancel(); patience.Receive(t, "the end of the call", done) }
	t.Cleanup(end)
	return patience.Receive(t, "the router is asked", x.asked), end
}

func TestRouteCall_WhatARouteMayBe(t *testing.T) {
	x := newExchange(t)
	x.write(pstnDN("2009"))
	for _, c := range []struct {
		route Route
		want  string
	}{
		{Route{}, "INVALID_ATTRIBUTE"},
		{Route{UserData: map[string]string{"k": "v"}, Holder: "h"}, "INVALID_ATTRIBUTE"},
		{Route{DN: "1003"}, ""},
		{Route{DN: "2009"}, ""},
		{Route{DN: "9001"}, "INVALID_ATTRIBUTE"},
		{Route{DN: "gw1"}, "INVALID_ATTRIBUTE"},
		{Route{DN: "4711"}, "NOT_CONFIGURED"},
		{Route{Group: "sales"}, ""},
		{Route{Group: "nobody"}, "NOT_CONFIGURED"},
		{Route{External: "+1555"}, ""},
		{Route{Reject: 399}, "INVALID_ATTRIBUTE"},
		{Route{Reject: 400}, ""},
		{Route{Reject: 699}, ""},
		{Route{Reject: 700}, "INVALID_ATTRIBUTE"},
		{Route{Reject: -1}, "INVALID_ATTRIBUTE"},
		{Route{DN: "1003", External: "+1555"}, "INVALID_ATTRIBUTE"},
		{Route{Group: "sales", Reject: 486}, "INVALID_ATTRIBUTE"},
		{Route{External: "+1555", Reject: 486}, "INVALID_ATTRIBUTE"},
	} {
		got := ""
		if err := x.r.check(c.route); err != nil {
			got = strings.TrimPrefix(err.Code.String(), "ERROR_CODE_")
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.route, got, c.want)
		}
	}
}

// TestRouteCall_WhereTheCallGoes: each kind of route, what is told of it, and
// what the call carries then.
func TestRouteCall_WhereTheCallGoes(t *testing.T) {
	leaves := func(to, party, number string) []string {
		return []string{"local ROUTE_USED 9001 " + to, "local DIVERTED 9001 " + to, "RINGING " + party + " +15550001", "ESTABLISHED " + party + " +15550001",
			"ESTABLISHED gw1 " + number, "RELEASED gw1 " + number, "RELEASED " + party + " +15550001"}
	}
	for name, c := range map[string]struct {
		route Route
		tries string
		told  []string
	}{
		"a DN":        {Route{DN: "1003"}, "1003", leaves("1003", "1003", "1003")},
		"a pstn DN":   {Route{DN: "2001"}, "+15551234567 at gw3", leaves("2001", "2001", "2001")},
		"a group":     {Route{Group: "sales"}, "1003", leaves("1003", "1003", "1003")},
		"outside":     {Route{External: "+15559"}, "+15559 at gw3", leaves("+15559", "gw3", "gw3")},
		"by a prefix": {Route{External: "+19"}, "+19 at gw1", leaves("+19", "gw1", "gw1")},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t)
			x.table.Register("1003", dn.Registered)
			x.table.Register("2001", dn.Registered)
			rings := make(chan map[string]string, 1)
			var id call.ID
			in := &script{answers: map[string]invite.Outcome{c.tries: isUp(func(f invite.Follower) {
				up, _ := x.calls.Get(id)
				rings <- maps.Clone(up.UserData)
				f.Over(0)
			})}}
			id, over := x.visits(t, in)
			route := c.route
			route.UserData = map[string]string{"a": "1", "b": "2"}
			if err := x.r.RouteCall(string(id), route); err != nil {
				t.Fatal(err)
			}
			data := patience.Receive(t, "what the call carries", rings)
			over()
			if !maps.Equal(data, route.UserData) || strings.Join(in.tries, ";") != c.tries || in.rejected != 0 {
				t.Errorf("tried %q with %v, rejected %d", in.tries, data, in.rejected)
			}
			x.tells(append([]string{"local QUEUED 9001", "local ROUTE_REQUEST 9001"}, c.told...)...)
			for _, n := range []dn.Number{"1003", "2001"} {
				if st, _ := x.table.Get(n); st.Reserved {
					t.Errorf("%s is reserved still", n)
				}
			}
		})
	}
}

// TestRouteCall_WhereNoTrunkGoes leaves the call where it is, and says so.
func TestRouteCall_WhereNoTrunkGoes(t *testing.T) {
	for name, route := range map[string]Route{
		"no trunk":    {External: "+49"},
		"no overflow": {External: "+49", Overflow: []Route{{External: "0049"}}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t)
			id, over := x.visits(t, &script{})
			if err := x.r.RouteCall(string(id), route); err != nil {
				t.Fatal(err)
			}
			patience.Receive(t, "the router is asked", x.asked)
			over()
			x.tells("local QUEUED 9001", "local ROUTE_REQUEST 9001", "local ROUTE_REQUEST 9001", "local ABANDONED 9001")
		})
	}
}

// TestRouteCall_ComesBack: what was in vain is noted, by whatever code, and the router
// asked again; the call is refused when it says so.
func TestRouteCall_ComesBack(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	x.table.Register("1004", dn.Registered)
	in := &script{answers: map[string]invite.Outcome{"1003": {Code: 599}, "+15559 at gw3": {Code: 404}, "1004": {Code: 600}}}
	id, over := x.visits(t, in)
	for i, c := range []struct {
		route Route
		data  map[string]string
		tried []dn.Number
	}{
		{Route{DN: "1003", UserData: map[string]string{"a": "1", "b": "2"}}, map[string]string{"a": "1", "b": "2"}, []dn.Number{"1003"}},
		{Route{External: "+49"}, map[string]string{"a": "1", "b": "2"}, []dn.Number{"1003"}}, // no trunk for it
		{Route{External: "+15559", UserData: map[string]string{"a": "", "c": "3"}}, map[string]string{"b": "2", "c": "3"}, []dn.Number{"1003"}},
		{Route{DN: "1004"}, map[string]string{"b": "2", "c": "3"}, []dn.Number{"1003", "1004"}},
	} {
		if err := x.r.RouteCall(string(id), c.route); err != nil {
			t.Fatal(i, err)
		}
		if patience.Receive(t, "the router is asked", x.asked) != id {
			t.Fatal("another call")
		}
		waiting, _ := x.r.Waiting("9001")
		elsewhere, _ := x.r.Waiting("9000")
		if len(waiting) != 1 || len(elsewhere) != 0 {
			t.Fatalf("step %d: %d calls wait, %d at 9000", i, len(waiting), len(elsewhere))
		}
		w := waiting[0]
		if !slices.Equal(dnsOf(w.Tried), c.tried) || !maps.Equal(w.Call.UserData, c.data) || !w.Asked || w.Message != tlibpb.Message_MESSAGE_EVENT_QUEUED || w.RP != "9001" || w.Since.IsZero() {
			t.Errorf("step %d: %+v with %v", i, w, w.Call.UserData)
		}
	}
	if err := x.r.RouteCall(string(id), Route{Reject: 603}); err != nil {
		t.Fatal(err)
	}
	x.await("the refusal", func() bool { calls, _ := x.r.Waiting(""); return len(calls) == 0 })
	over()
	if in.rejected != 603 {
		t.Errorf("rejected with %d", in.rejected)
	}
}

func TestWaiting_NotWhileItRingsElsewhere(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	in := &script{rings: make(chan string)}
	id, over := x.visits(t, in)
	if calls, at := x.r.Waiting(""); len(calls) != 1 || calls[0].Call.ID != id || at != x.calls.Head() {
		t.Errorf("%d calls wait, as of %d", len(calls), at)
	}
	if err := x.r.RouteCall(string(id), Route{DN: "1003"}); err != nil {
		t.Fatal(err)
	}
	patience.Receive(t, "the phone rings", in.rings)
	if calls, _ := x.r.Waiting(""); len(calls) != 0 {
		t.Errorf("%d calls wait", len(calls))
	}
	if err := x.r.RouteCall(string(id), Route{DN: "1003"}); err == nil {
		t.Error("it is routed once more while it rings")
	}
	if st, _ := x.table.Get("1003"); !st.Reserved {
		t.Error("it rings at a DN that is not reserved")
	}
	over()
	if len(x.r.visits.of) != 0 || len(x.r.queues.of) != 0 || len(x.r.rings.at) != 0 {
		t.Errorf("left: %d visits, %d queues, %d ringing", len(x.r.visits.of), len(x.r.queues.of), len(x.r.rings.at))
	}
}

func TestRouting_DisabledDNsTakeNoCall(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	x.table.Register("2001", dn.Registered)
	for _, n := range []string{"1003", "2001", "9001", "gw1", "gw2", "gw3"} {
		d := x.machine.View().DN(n)
		again := &configpb.DN{Number: n, Kind: d.GetKind(), Ha1: d.GetHa1(), External: d.GetExternal(), RoutingPoint: d.GetRoutingPoint(), Trunk: d.GetTrunk(), Disabled: true}
		x.write(putDN(again))
	}
	for called, want := range map[string]int{"1003": 403, "2001": 403, "9001": 403, "+15559": 404} {
		in := &script{called: called, origin: invite.Origin{DN: "1004"}}
		in.serve(t.Context(), x.r)
		if in.rejected != want || len(in.tries) != 0 {
			t.Errorf("%s: %d, tried %q; want %d", called, in.rejected, in.tries, want)
		}
		x.await("the caller is free", func() bool { st, _ := x.table.Get("1004"); return !st.Busy })
	}
}

// TestRouting_TrunksAreTriedWhileTheCallerWaits: and only those that may help.
func TestRouting_TrunksAreTriedWhileTheCallerWaits(t *testing.T) {
	for name, c := range map[string]struct {
		first  invite.Outcome
		leaves bool
		tries  int
		code   int
	}{
		"one that can't, then the next":   {invite.Outcome{Code: 503, Retry: true}, false, 2, 486},
		"an answer of the other side":     {invite.Outcome{Code: 486}, false, 1, 486},
		"the caller has left already":     {invite.Outcome{Code: 503, Retry: true}, true, 0, 404},
		"an answer is final whatever":     {invite.Outcome{Code: 404}, false, 1, 404},
		"it says why the last one failed": {invite.Outcome{Code: 500, Retry: true}, false, 2, 486},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in := &script{called: "+19", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{
				"+19 at gw1": c.first, "+19 at gw2": {Code: 486},
			}}
			if c.leaves {
				cancel()
			}
			in.serve(ctx, x.r)
			if len(in.tries) != c.tries || in.rejected != c.code {
				t.Errorf("tried %q, answered %d", in.tries, in.rejected)
			}
		})
	}
}

// TestRouting_WhoCallsIsBusyUntilItIsOver: of a call that was answered, until
// that ends.
func TestRouting_WhoCallsIsBusyUntilItIsOver(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	x.table.Register("1004", dn.Registered)
	var up invite.Follower
	in := &script{called: "1003", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"1003": isUp(func(f invite.Follower) { up = f })}}
	in.serve(t.Context(), x.r)
	busy := func() bool { st, _ := x.table.Get("1004"); return st.Busy }
	x.await("the caller is busy", busy)
	x.tells("RINGING 1003 1004", "ESTABLISHED 1003 1004", "ESTABLISHED 1004 1003")
	if c := x.calls.Counts(); c.Own != 1 {
		t.Errorf("%+v", c)
	}
	up.Held(true, true)
	up.Held(true, true)
	x.tells("HELD 1003 1004")
	up.Held(false, true)
	up.Held(true, false)
	x.tells("HELD 1004 1003", "RETRIEVED 1003 1004")
	up.Over(0)
	x.await("the caller is free", func() bool { return !busy() })
	x.tells("RELEASED 1004 1003", "RELEASED 1003 1004")
}

func TestStrategy_WhoIsIdleTheLongest(t *testing.T) {
	none := func(dn.Number) bool { return false }
	pick := func(x *exchange, skip func(dn.Number) bool) string {
		n, found := x.r.longestIdle("sales", 0, skip)
		return fmt.Sprint(n, " ", found)
	}
	for name, c := range map[string]struct {
		happens func(*exchange)
		want    string
	}{
		"nobody is in service": {func(*exchange) {}, " false"},
		"who registered first": {func(x *exchange) { x.table.Register("1004", dn.Registered); x.table.Register("1003", dn.Registered) }, "1004 true"},
		"who had a call is last": {func(x *exchange) {
			x.table.Register("1004", dn.Registered)
			x.table.Register("1003", dn.Registered)
			in := &script{called: "1004", origin: trunk, answers: map[string]invite.Outcome{"1004": {Code: 486}}}
			in.serve(context.Background(), x.r)
		}, "1003 true"},
		"who had a call is last, though ready before": {func(x *exchange) {
			x.inState("1004", ready)
			x.inState("1003", ready)
			x.table.Used("1004")
		}, "1003 true"},
		"who became ready is last": {func(x *exchange) {
			x.inState("1004", ready)
			x.table.Register("1003", dn.Registered)
			x.inState("1004", notReady, ready)
		}, "1003 true"},
		"who is not ready takes none":  {func(x *exchange) { x.inState("1004", notReady); x.table.Register("1003", dn.Registered) }, "1003 true"},
		"own site first":               {func(x *exchange) { x.says(lease("1004")); x.table.Register("1003", dn.Registered) }, "1003 true"},
		"another site when need be":    {func(x *exchange) { x.says(lease("1004")) }, "1004 true"},
		"not whose node is lost":       {func(x *exchange) { x.says(lease("1004")); x.table.SetHeard("b", false) }, " false"},
		"not who is reserved":          {func(x *exchange) { x.table.Register("1003", dn.Registered); x.reserve(t, "1003") }, " false"},
		"the group's members and none": {func(x *exchange) { x.table.Register("1001", dn.Registered); x.table.Register("2002", dn.Registered) }, "2002 true"},
	} {
		x := newExchange(t)
		if c.happens(x); pick(x, none) != c.want {
			t.Errorf("%s: %s, want %s", name, pick(x, none), c.want)
		}
		if got := pick(x, func(dn.Number) bool { return true }); got != " false" {
			t.Errorf("%s: %s is picked though it is to be skipped", name, got)
		}
	}
}

func (x *exchange) reserve(t *testing.T, n dn.Number) {
	if err := x.agents.Reserve(t.Context(), n, agent.Reservation{Holder: "h", Duration: time.Minute, AtOnce: true}); err != nil {
		x.office.t.Error(err)
	}
	t.Cleanup(func() {
		_ = x.agents.Reserve(context.Background(), n, agent.Reservation{Holder: "h", AtOnce: true})
	})
}

const (
	login    = peerpb.AgentRequest_AGENT_REQUEST_LOGIN
	ready    = peerpb.AgentRequest_AGENT_REQUEST_READY
	notReady = peerpb.AgentRequest_AGENT_REQUEST_NOT_READY
)

// inState has an agent log in at a DN of this node and go through states.
func (x *exchange) inState(n dn.Number, requests ...peerpb.AgentRequest) {
	x.office.t.Helper()
	if st, _ := x.table.Get(n); st.State != dn.InSrv {
		x.table.Register(n, dn.Registered)
		requests = append([]peerpb.AgentRequest{login}, requests...)
	}
	for _, r := range requests {
		c := agent.Change{Request: r}
		if r == login {
			c.AgentID = "7"
		}
		if _, err := x.agents.SetAgent(context.Background(), n, c); err != nil {
			x.office.t.Error(err)
		}
	}
}

// TestQueue_WakesTheFirst: and whoever is behind, when that has left.
func TestQueue_WakesTheFirst(t *testing.T) {
	x := newExchange(t)
	woken := func(w *waiter) bool {
		select {
		case <-w.wake:
			return true
		default:
			return false
		}
	}
	var all []*waiter
	for range 4 {
		w, ok := x.r.queues.enqueue("sales", 0)
		if all = append(all, w); !ok {
			t.Fatal("no room")
		}
	}
	x.r.queues.dequeue("sales", all[2]) // gives up
	woken(all[0])
	x.r.queues.dequeue("sales", all[0])
	if woken(all[0]) || !woken(all[1]) || woken(all[2]) || woken(all[3]) || !x.r.queues.first("sales", all[1]) || x.r.queues.first("sales", all[3]) {
		t.Error("the second is not the first now")
	}
	x.r.queues.dequeue("sales", all[1])
	if !woken(all[3]) {
		t.Error("the last was not woken")
	}
	x.r.queues.dequeue("sales", all[3])
	if len(x.r.queues.of) != 0 {
		t.Error("an empty queue is kept")
	}
	x.r.queues.of["sales"] = make([]*waiter, x.r.queues.places-1)
	for i := range x.r.queues.of["sales"] {
		x.r.queues.of["sales"][i] = &waiter{wake: wake.New()}
	}
	if _, ok := x.r.queues.enqueue("sales", 0); !ok {
		t.Error("no room for the last one")
	}
	in := &script{called: "9001", origin: trunk}
	in.serve(t.Context(), x.r)
	if in.rejected != 503 {
		t.Errorf("one too many is answered %d", in.rejected)
	}
	delete(x.r.queues.of, "sales")
}
