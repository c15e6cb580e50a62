package routing

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/invite"
)

// followed is what was told of visits since the log was read last.
func (x *exchange) followed(t *testing.T) (told []Visit) {
	t.Helper()
	for x.log.Seq() < x.calls.Head() {
		items, err := x.log.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Kind == feed.Change && it.Event.Local != nil {
				told = append(told, it.Event.Local.(Visit))
			}
		}
	}
	return told
}

// asksForWords has a call wait for routers, of whom as many are asked as want.
func (x *exchange) asksForWords(t *testing.T, answers map[string]invite.Outcome) (in *script, id call.ID, end func()) {
	t.Helper()
	x.routers.Store(true)
	in, over, caller := x.asks(t, answers)
	id = <-x.asked
	go func() {
		for {
			select {
			case <-x.asked:
			case <-over:
				return
			}
		}
	}()
	return in, id, func() { caller(); <-over; synctest.Wait() }
}

// brief is what was told, in words: the message, where to, whom it answers, and the code of
// a refusal or the cause.
func brief(told []Visit) (out []string) {
	for _, v := range told {
		s := strings.TrimPrefix(v.Message.String(), "MESSAGE_EVENT_") + " " + v.To
		if v.Answers != 0 {
			s += fmt.Sprintf(" answers %d", v.Answers)
		}
		if v.Cause != 0 {
			s += fmt.Sprintf(" by %d", v.Cause)
		}
		out = append(out, strings.Join(strings.Fields(s), " "))
	}
	return out
}

// TestRouteCall_VainWordsKeepTheCall: however many they are, the call has entered its
// routing point once and is there, and each word is answered.
func TestRouteCall_VainWordsKeepTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		_, id, end := x.asksForWords(t, map[string]invite.Outcome{"1003": overAtOnce()})
		var told, want []string
		for i := range 40 {
			for x.r.RouteCall(string(id), Route{DN: "1001", Holder: "r", Request: uint64(i + 1)}) != nil {
				<-time.After(10 * time.Millisecond) // of the bubble: until the router is asked again
			}
			synctest.Wait()
			told = append(told, slices.DeleteFunc(brief(x.followed(t)), func(s string) bool { return s == "ROUTE_REQUEST" })...)
			want = append(want, fmt.Sprintf("ERROR answers %d", i+1))
		}
		if want = append([]string{"QUEUED"}, want...); !slices.Equal(told, want) {
			t.Errorf("told\n%q\nwant\n%q", told, want)
		}
		if w, _ := x.r.Waiting("9001"); len(w) != 1 || len(w[0].Tried) > maxTried {
			t.Errorf("%d calls wait", len(w))
		}
		end()
		if told := brief(x.followed(t)); !slices.Equal(told, []string{"ABANDONED by 487"}) && !slices.Equal(told, []string{"ROUTE_REQUEST", "ABANDONED by 487"}) {
			t.Errorf("told %q at the end", told)
		}
	})
}

// TestRouteCall_ToAGroup: while the call waits for an agent, who sent it there may say
// otherwise; when nobody comes in time it goes where it may overflow to.
func TestRouteCall_ToAGroup(t *testing.T) {
	for name, c := range map[string]struct {
		first Route
		then  func(t *testing.T, x *exchange, id string)
		want  []string
	}{
		"replaced": {Route{Group: "sales"}, func(t *testing.T, x *exchange, id string) {
			if x.r.RouteCall(id, Route{DN: "1001", Holder: "other", Request: 9}) == nil {
				t.Error("another router changes what it did not say")
			}
			if err := x.r.RouteCall(id, Route{DN: "1001", Holder: "r", Request: 2}); err != nil {
				t.Error(err)
			}
		}, []string{"ERROR answers 1", "ROUTE_USED 1001 answers 2", "DIVERTED 1001"}},
		"withdrawn": {Route{Group: "sales"}, func(t *testing.T, x *exchange, id string) {
			if err := x.r.RouteCall(id, Route{Withdraw: true, Holder: "r", Request: 2}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if x.r.RouteCall(id, Route{Withdraw: true, Holder: "r", Request: 3}) == nil {
				t.Error("there is nothing to withdraw any more")
			}
			if err := x.r.RouteCall(id, Route{Reject: 486, Holder: "other", Request: 4}); err != nil {
				t.Error(err)
			}
		}, []string{"ERROR answers 1", "ROUTE_WITHDRAWN answers 2", "ROUTE_REQUEST", "ROUTE_USED answers 4", "ABANDONED by 486"}},
		"by another one when the router is gone": {Route{Group: "sales"}, func(t *testing.T, x *exchange, id string) {
			x.r.RouterLeft("r")
			if err := x.r.RouteCall(id, Route{DN: "1001", Holder: "other", Request: 2}); err != nil {
				t.Error(err)
			}
		}, []string{"ERROR answers 1", "ROUTE_USED 1001 answers 2", "DIVERTED 1001"}},
		"in time": {Route{Group: "sales", Timeout: 20 * time.Second}, func(_ *testing.T, x *exchange, _ string) {
			time.AfterFunc(19*time.Second, func() { x.table.Register("1003", dn.Registered) })
		}, []string{"ROUTE_USED 1003 answers 1", "DIVERTED 1003"}},
		"not in time": {Route{Group: "sales", Timeout: 20 * time.Second}, func(_ *testing.T, x *exchange, _ string) {
			x.routers.Store(false) // the built-in strategy goes on
			time.AfterFunc(21*time.Second, func() { x.table.Register("1003", dn.Registered) })
		}, []string{"ERROR answers 1", "ROUTE_USED 1003", "DIVERTED 1003"}},
		"overflows": {Route{Group: "sales", Timeout: 20 * time.Second, Overflow: []Route{{DN: "1004"}, {DN: "1001"}}}, func(_ *testing.T, x *exchange, _ string) {
			time.AfterFunc(21*time.Second, func() { x.table.Register("1003", dn.Registered) })
		}, []string{"ROUTE_USED 1001 answers 1", "DIVERTED 1001"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t)
				x.table.Register("1001", dn.Registered)
				_, id, end := x.asksForWords(t, map[string]invite.Outcome{"1001": overAtOnce(), "1003": overAtOnce()})
				c.first.Holder, c.first.Request = "r", 1
				if err := x.r.RouteCall(string(id), c.first); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				c.then(t, x, string(id))
				timer := time.NewTimer(time.Minute)
				<-timer.C
				end()
				if told, want := brief(x.followed(t)), append([]string{"QUEUED", "ROUTE_REQUEST"}, c.want...); !slices.Equal(told, want) {
					t.Errorf("told\n%q\nwant\n%q", told, want)
				}
			})
		})
	}
}

// TestRoutingPoint_TheLastRouterIsGone: the built-in strategy takes over at once, not
// when the router's time is over.
func TestRoutingPoint_TheLastRouterIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.table.Register("1003", dn.Registered)
		in, _, end := x.asksForWords(t, map[string]invite.Outcome{"1003": overAtOnce()})
		x.r.RouterLeft("another") // one is left
		synctest.Wait()
		if len(in.tries) != 0 {
			t.Errorf("sent to %q while a router has time", in.tries)
		}
		x.routers.Store(false)
		x.r.RouterLeft("r")
		synctest.Wait()
		if !slices.Equal(in.tries, []string{"1003"}) {
			t.Errorf("sent to %q", in.tries)
		}
		end()
	})
}

// TestRouteCall_EveryRequestIsAnsweredOnce: whatever routers say and when, each word that
// was taken has one answer, and each time that a call enters a routing point it leaves once.
func TestRouteCall_EveryRequestIsAnsweredOnce(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 10
	}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) { randomWords(t, rand.New(rand.NewPCG(seed, 1)), seed) })
	}
}

func randomWords(t *testing.T, r *rand.Rand, seed uint64) {
	x := newExchange(t)
	_, id, end := x.asksForWords(t, map[string]invite.Outcome{"1001": {Code: 486}, "1003": {Code: 480}, "1004": overAtOnce(), "+15559 at gw3": {Code: 503, Retry: true}})
	taken := map[uint64]bool{}
	places := []Route{{DN: "1001"}, {DN: "1003"}, {Group: "sales"}, {Group: "sales", Timeout: time.Second, Overflow: []Route{{DN: "1001"}, {Group: "sales"}}},
		{External: "+15559"}, {Withdraw: true}, {Withdraw: true}, {Reject: 486}}
	for i := range uint64(12) {
		w := places[r.IntN(len(places))]
		w.Holder, w.Request = []string{"r", "q"}[r.IntN(2)], i+1
		switch r.IntN(8) {
		case 0:
			x.r.RouterLeft(w.Holder)
		case 1:
			x.table.Register(dn.Number([]string{"1001", "1003"}[r.IntN(2)]), dn.Registered)
		case 2:
			if seed%3 == 0 {
				x.table.Register("1004", dn.Registered)
			}
		}
		if x.r.RouteCall(string(id), w) == nil {
			taken[w.Request] = true
		}
		if r.IntN(3) > 0 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(2500))*time.Millisecond)
			<-ctx.Done()
			cancel()
		}
		synctest.Wait()
		c, _ := x.calls.Get(id)
		if w, _ := x.r.Waiting("9001"); c != nil && (len(w) == 1) != (c.Queue != nil) {
			t.Fatalf("seed %d: %d calls wait here, the call plane says %v", seed, len(w), c.Queue)
		}
	}
	end()
	inside := false
	for _, v := range x.followed(t) {
		if v.Answers != 0 {
			if !taken[v.Answers] {
				t.Fatalf("seed %d: request %d is answered again, or was refused", seed, v.Answers)
			}
			delete(taken, v.Answers)
		}
		switch v.Message {
		case tlibpb.Message_MESSAGE_EVENT_QUEUED:
			if inside {
				t.Fatalf("seed %d: entered twice", seed)
			}
			inside = true
		case tlibpb.Message_MESSAGE_EVENT_DIVERTED, tlibpb.Message_MESSAGE_EVENT_ABANDONED:
			if !inside {
				t.Fatalf("seed %d: left twice", seed)
			}
			inside = false
		}
	}
	if inside || len(taken) > 0 {
		t.Fatalf("seed %d: is still there: %v; not answered: %v", seed, inside, taken)
	}
}
