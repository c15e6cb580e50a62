package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

func TestRefusal(t *testing.T) {
	view := twoNodes(t)
	in := func(n dn.Number, change func(*dn.Status)) dn.Status {
		s := dn.Status{Number: n, State: dn.InSrv}
		change(&s)
		return s
	}
	agent := func(state dn.AgentState) func(*dn.Status) {
		return func(s *dn.Status) { s.Agent = &dn.Agent{ID: "7", State: state} }
	}
	for name, c := range map[string]struct {
		status dn.Status
		code   tlibpb.ErrorCode
	}{
		"free":                {in("1000", func(*dn.Status) {}), 0},
		"agent ready":         {in("1100", agent(dn.Ready)), 0},
		"out of service":      {in("1000", func(s *dn.Status) { s.State = dn.OOS }), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"does not answer":     {in("1000", func(s *dn.Status) { s.Reason = dn.Unresponsive }), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"busy":                {in("1000", func(s *dn.Status) { s.Busy = true }), tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
		"reserved":            {in("1000", func(s *dn.Status) { s.Reserved = true }), tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
		"nobody logged in":    {in("1100", func(*dn.Status) {}), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"agent logged out":    {in("1100", agent(dn.LoggedOut)), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"agent not ready":     {in("1000", agent(dn.NotReady)), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"disabled":            {in("1200", func(*dn.Status) {}), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"busy out of service": {in("1000", func(s *dn.Status) { s.State, s.Busy = dn.OOS, true }), tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
	} {
		if e := Unavailable(&c.status, view.DN(string(c.status.Number)), view); e == nil && c.code != 0 || e != nil && e.Code != c.code {
			t.Errorf("%s: %v, want %v", name, e, c.code)
		}
	}
}

// The highest priority wins, among equals the first, whoever leaves meanwhile.
func TestPick_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		priorities := rapid.SliceOf(rapid.Uint32Range(0, 4)).Draw(t, "priorities")
		var bids []*bid
		for i, p := range priorities {
			b := &bid{Reservation: Reservation{Holder: fmt.Sprint(i), Priority: p}}
			if rapid.Bool().Draw(t, "left") {
				b.turn.Store(left)
			}
			bids = append(bids, b)
		}
		best := pick(bids)
		older := true
		for _, b := range bids {
			switch {
			case b == best:
				older = false
				if b.turn.Load() != picked {
					t.Fatal("the winner can still leave")
				}
			case b.turn.Load() == left:
			case best == nil:
				t.Fatal("nobody won")
			case b.Priority > best.Priority, older && b.Priority == best.Priority:
				t.Fatalf("%s lost to %s", b.Holder, best.Holder)
			}
		}
	})
}

func TestAgenda_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, want := newAgenda(), map[alarm]int{}
		at := func(s int) time.Time { return time.Unix(int64(s), 0) }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				a, due := alarm{n: dn.Number(rapid.StringMatching("[0-9]").Draw(t, "n"))}, rapid.IntRange(0, 50).Draw(t, "due")
				g.set(a, at(due))
				want[a] = due
			},
			"drop": func(t *rapid.T) {
				a := alarm{n: dn.Number(rapid.StringMatching("[0-9]").Draw(t, "n"))}
				g.drop(a)
				delete(want, a)
			},
			"due": func(t *rapid.T) {
				now := rapid.IntRange(0, 50).Draw(t, "now")
				last := -1
				for _, a := range g.due(at(now)) {
					due, ok := want[a]
					if !ok || due > now || due < last {
						t.Fatalf("%v is due at %d, now %d, last %d", a, due, now, last)
					}
					last = due
					delete(want, a)
				}
				for a, due := range want {
					if due <= now {
						t.Fatalf("%v is forgotten", a)
					}
				}
			},
			"": func(t *rapid.T) {
				if len(g.heap) != len(want) || len(g.known) != len(want) {
					t.Fatalf("%d alarms, %d known, want %d", len(g.heap), len(g.known), len(want))
				}
			},
		})
	})
}

// bubble runs a test of time: a node with the DN 1000 in service.
func bubble(t *testing.T, test func(t *testing.T, a *node)) {
	t.Helper()
	dir, view := t.TempDir(), twoNodes(t)
	synctest.Test(t, func(t *testing.T) {
		a := openNode(t, "a", dir, view).run(t)
		a.table.Register("1000", dn.Registered)
		test(t, a)
	})
}

// outcomes of requests that are made now, in order.
func (k *node) ask(t *testing.T, requests ...Reservation) []chan error {
	var out []chan error
	for _, r := range requests {
		c := make(chan error, 1)
		out = append(out, c)
		go func() { c <- k.agents.Reserve(t.Context(), "1000", r) }()
		synctest.Wait() // each is in the round before the next one
	}
	return out
}

func TestReserve_HighestPriorityWinsAfterTheCollection(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		began := time.Now()
		first := a.ask(t, Reservation{Holder: "low", Duration: time.Minute, Priority: 1})
		<-time.After(60 * time.Millisecond)
		more := a.ask(t, Reservation{Holder: "old", Duration: time.Minute, Priority: 2}, Reservation{Holder: "young", Duration: time.Minute, Priority: 2})
		if err := patience.Receive(t, "the answer to the reservation", more[0]); err != nil {
			t.Errorf("the winner got %v", err)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("collected for %v from the first", took)
		}
		for _, c := range []chan error{first[0], more[1]} {
			if err := patience.Receive(t, "the answer to the reservation", c); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED || err.Error() != "DN 1000 is reserved for another client" {
				t.Errorf("a loser got %v", err)
			}
		}
		if s, _ := a.table.Get("1000"); !s.Reserved {
			t.Error("it is not reserved")
		}
	})
}

func TestReserve_ReservedDNIsRefusedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		if err := patience.Receive(t, "the answer to the reservation", a.ask(t, Reservation{Holder: "r1", Duration: time.Minute})[0]); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Minute}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("it got %v", err)
		}
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
	})
}

// The reservation ends in time, everybody hears it, and another one can follow.
func TestReserve_EndsInTime(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		if err := patience.Receive(t, "the answer to the reservation", a.ask(t, Reservation{Holder: "r1", Duration: 30 * time.Second})[0]); err != nil {
			t.Fatal(err)
		}
		granted := time.Now()
		s := a.table.Watch(feed.Position{Incarnation: a.table.Incarnation(), Seq: a.table.Watch(feed.Position{}).Head()})
		for ended := false; !ended; {
			items, err := s.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				ended = ended || it.Kind == feed.Change && it.What == dn.UseChange && !it.Status.Reserved
			}
		}
		if held := time.Since(granted); held < 30*time.Second || held > 30*time.Second+time.Millisecond {
			t.Errorf("told after %v", held)
		}
		if err := patience.Receive(t, "the answer to the reservation", a.ask(t, Reservation{Holder: "r2", Duration: time.Second})[0]); err != nil {
			t.Error(err)
		}
	})
}

func TestReserve_OnlyTheHolderTakesItBack(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		cancel := func(holder string) tlibpb.ErrorCode {
			return codeOf(t, a.agents.Reserve(t.Context(), "1000", Reservation{Holder: holder}))
		}
		if c := cancel("r1"); c != tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE {
			t.Errorf("nothing is reserved: %v", c)
		}
		if err := patience.Receive(t, "the answer to the reservation", a.ask(t, Reservation{Holder: "r1", Duration: time.Minute})[0]); err != nil {
			t.Fatal(err)
		}
		if c := cancel("r2"); c != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("another's: %v", c)
		}
		if c := cancel("r1"); c != 0 {
			t.Errorf("its own: %v", c)
		}
		if s, _ := a.table.Get("1000"); s.Reserved || len(a.agents.schedule.agenda.heap) != 0 {
			t.Errorf("still reserved, or %d alarms", len(a.agents.schedule.agenda.heap))
		}
	})
}

func TestReserve_CallerWhoLeftIsLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() {
			gone <- a.agents.Reserve(ctx, "1000", Reservation{Holder: "gone", Duration: time.Minute, Priority: 9})
		}()
		synctest.Wait()
		stays := a.ask(t, Reservation{Holder: "stays", Duration: time.Minute})
		leave()
		if err := patience.Receive(t, "the end of the request that was given up", gone); !errors.Is(err, context.Canceled) {
			t.Errorf("it got %v", err)
		}
		if err := patience.Receive(t, "the answer to the reservation", stays[0]); err != nil {
			t.Errorf("the other got %v", err)
		}
		if r, _ := a.table.Own("1000"); r.Reserved.Holder != "stays" {
			t.Errorf("reserved for %q", r.Reserved.Holder)
		}
	})
}

// A caller leaves when it has won already and nobody has told it yet: nobody
// has the DN then.
func TestReserve_WinnerWhoLeftGivesItBack(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- a.agents.Reserve(ctx, "1000", Reservation{Holder: "gone", Duration: time.Minute}) }()
		synctest.Wait()
		a.agents.schedule.mu.Lock()
		b := a.agents.schedule.rounds["1000"].bids[0]
		delete(a.agents.schedule.rounds, "1000")
		a.agents.schedule.mu.Unlock()
		b.turn.Store(picked)
		won := a.agents.grant("1000", b.Reservation)
		leave()
		synctest.Wait()
		b.answer <- won
		if err := patience.Receive(t, "the end of the request that was given up", gone); won.refused != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("won %v, told %v", won.refused, err)
		}
		if r, _ := a.table.Own("1000"); r.Reserved.Holder != "" {
			t.Errorf("reserved for %q", r.Reserved.Holder)
		}
	})
}

// What happens to the DN while requests are collected decides about all.
func TestReserve_DNChangesWhileCollecting(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, a *node)
		code   tlibpb.ErrorCode
	}{
		"out of service": {func(_ *testing.T, a *node) {
			r, _ := a.table.Own("1000")
			a.table.End("1000", r.ClaimTime, dn.Unregistered)
		}, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"moved": {func(t *testing.T, a *node) {
			r, _ := a.table.Own("1000")
			c, err := a.table.Sync("b", 1, false)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Apply([]dn.Record{{Number: "1000", ClaimTime: r.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered}}, 1)
			_ = c.Synced(1)
			a.table.SetHeard("b", true)
		}, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"deleted":    {func(_ *testing.T, a *node) { a.table.Remove("1000", dn.Deleted) }, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"busy":       {func(_ *testing.T, a *node) { a.inCalls.Store(dn.Number("1000"), true) }, tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
		"refreshed":  {func(_ *testing.T, a *node) { a.table.Register("1000", dn.Registered) }, 0},
		"node stops": {func(_ *testing.T, a *node) { a.stop() }, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"agent breaks": {func(t *testing.T, a *node) {
			a.does(t, "1000", Change{Request: login, AgentID: "7"})
			a.does(t, "1000", Change{Request: notReady})
		}, tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, a *node) {
				out := a.ask(t, Reservation{Holder: "r1", Duration: time.Minute, Priority: 5}, Reservation{Holder: "r2", Duration: time.Minute})
				c.change(t, a)
				if err := patience.Receive(t, "the answer to the reservation", out[0]); codeOf(t, err) != c.code {
					t.Errorf("the first got %v", err)
				}
				if err := patience.Receive(t, "the answer to the reservation", out[1]); codeOf(t, err) != c.code && c.code != 0 {
					t.Errorf("the second got %v", err)
				}
			})
		})
	}
}

func TestReserve_IsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, a *node) {
		var many []Reservation
		for i := range maxBids - 1 {
			many = append(many, Reservation{Holder: fmt.Sprint(i), Duration: time.Minute})
		}
		out := a.ask(t, many...)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- a.agents.Reserve(ctx, "1000", Reservation{Holder: "gone", Duration: time.Minute}) }()
		synctest.Wait()
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "x", Duration: time.Minute, Priority: 9}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED || !strings.Contains(err.Error(), "64") {
			t.Errorf("one too many got %v", err)
		}
		leave()
		if err := patience.Receive(t, "the end of the request that was given up", gone); !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		out = append(out, a.ask(t, Reservation{Holder: "in the place of the one who left", Duration: time.Minute})...)
		for i, c := range out {
			if err := patience.Receive(t, "the answer to the reservation", c); i == 0 && err != nil {
				t.Errorf("the first got %v", err)
			} else if i > 0 && !strings.Contains(err.Error(), "another client") {
				t.Errorf("number %d got %v", i, err)
			}
		}
		a.agents.schedule.mu.Lock()
		for i := range maxRounds {
			a.agents.schedule.rounds[dn.Number(fmt.Sprint("x", i))] = &round{}
		}
		a.agents.schedule.mu.Unlock()
		a.table.Register("1001", dn.Registered)
		if err := a.agents.Reserve(t.Context(), "1001", Reservation{Holder: "x", Duration: time.Minute}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR {
			t.Errorf("a DN too many got %v", err)
		}
	})
}

func TestReserve_ChecksTheRequest(t *testing.T) {
	a := newNode(t, "a", twoNodes(t))
	for name, r := range map[string]Reservation{
		"no holder": {Duration: 1e9}, "too long": {Holder: "r", Duration: time.Hour + 1e6}, "negative": {Holder: "r", Duration: -1e9}, "no whole ms": {Holder: "r", Duration: 1},
	} {
		if err := a.agents.Reserve(t.Context(), "1000", r); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE {
			t.Errorf("%s: %v", name, err)
		}
	}
}
