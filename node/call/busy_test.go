package call

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// A phone that has begun a call is busy at all nodes, and their clients hear that it dials
// and of the end; of a trunk's call that never rings they hear nothing.
func TestBusy_TheCallerIsFromTheFirstMoment(t *testing.T) {
	for kind, want := range map[Type]bool{Internal: true, Outbound: true, Inbound: false} {
		w := newWorld(t, 1, 2, 64)
		w.settle()
		a, b := w.nodes[0].table, w.nodes[1].table
		id, err := a.Begin(Info{Caller: "1001", Type: kind})
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
		if !a.Busy("1001") || b.Busy("1001") != want {
			t.Errorf("type %d: busy at its node %v, at the other %v, want %v", kind, a.Busy("1001"), b.Busy("1001"), want)
		}
		if n := len(a.Up()) + len(b.Up()) + a.Counts().Up + b.Counts().Up; n != map[bool]int{true: 4}[want] {
			t.Errorf("type %d: %d times clients see the call", kind, n)
		}
		a.End(id, 480, false)
		w.settle()
		heard := len(w.nodes[1].client.heard[id]) + len(w.nodes[0].client.heard[id])
		if a.Busy("1001") || b.Busy("1001") || heard != map[bool]int{true: 4}[want] {
			t.Errorf("type %d: after its end it is busy, or clients heard %v", kind, w.nodes[1].client.heard)
		}
	}
}

// A DN that this node delivers to is busy from there on, of its own call too.
func TestCarry_IsBusyAtOnce(t *testing.T) {
	w := newWorld(t, 1, 2, 64)
	w.settle()
	a, b := w.nodes[0].table, w.nodes[1].table
	id, _ := a.Begin(Info{Caller: "gw", Type: Inbound})
	own, far := a.Carry(id, "n0", "1001"), b.Carry(id, "n0", "1002")
	if !a.Busy("1001") || b.Busy("1001") || !b.Busy("1002") || a.Busy("1002") {
		t.Error("not busy where it is delivered")
	}
	w.settle()
	if b.Busy("1001") || !a.Busy("1002") {
		t.Error("of a leg peers hear what they can't know")
	}
	for range 2 { // the second time says nothing
		own.Dropped()
		far.Dropped()
		far.Over()
	}
	w.settle()
	if a.Busy("1001") || a.Busy("1002") || b.Busy("1002") || a.Held()["call_legs"]+b.Held()["call_legs"] != 0 {
		t.Error("a try that is over keeps a DN busy")
	}
	if _, up := a.Get(id); !up {
		t.Error("a try that is over ended the call")
	}
}

// A node that carries a call ends it for all who hear it, clients too, once.
func TestCarry_OverEndsTheCallForAll(t *testing.T) {
	w := newWorld(t, 1, 3, 64)
	w.settle()
	a, b := w.nodes[0].table, w.nodes[1].table
	id, _ := a.Begin(Info{Caller: "1001", Type: Internal})
	far := b.Carry(id, "n0", "1002")
	a.Ringing(id, "1002", "")
	a.Established(id, "1002")
	w.settle()
	w.cut[[2]int{0, 1}], w.cut[[2]int{1, 0}] = true, true
	far.Over()
	w.deliver(2, 1)
	for _, s := range w.nodes[1:] {
		w.read(s)
		if s.table.Busy("1001") || s.table.Busy("1002") || len(s.table.Up()) != 0 {
			t.Errorf("%s has the call yet", s.id)
		}
	}
	if !a.Busy("1002") {
		t.Error("who can't hear it has ended the call")
	}
	w.settle()
	for _, s := range w.nodes {
		if n := len(s.client.heard[id]); n != 6 { // one dials, it rings, both talk, both leave
			t.Errorf("the client of %s heard %q", s.id, s.client.heard[id])
		}
		if s.table.Busy("1001") || s.table.Held()["call_legs"]+s.table.Held()["calls_known"] != 0 {
			t.Errorf("%s: %v is left", s.id, s.table.Held())
		}
	}
}

// A call from outside is told of when it rings: that a snapshot before does not have it
// says nothing of its end, and its carrier's word counts.
func TestCarry_BeforeItsNodeTellsOfTheCall(t *testing.T) {
	tab := newTable("a")
	snapshot := func(seq uint64) *Copy {
		c, err := tab.Sync("p", 5, false)
		if err == nil {
			err = c.Synced(seq)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	snapshot(1)
	leg := tab.Carry(idOf(1), "p", "2")
	if n, err := snapshot(2).Apply([]*Event{eventOf(1)}, 3); n > 0 || err != nil || len(tab.Up()) != 1 {
		t.Fatal(n, err, tab.Up())
	}
	leg.Over()
	if tab.Busy("1") || tab.Busy("2") || len(tab.Up()) != 0 {
		t.Errorf("the call goes on: %+v", tab.Up())
	}
}

// carriedCall is a call of node 0 that node 1 carries, as all of three know.
func carriedCall(t *testing.T) (w *world, id ID, far *Leg) {
	t.Helper()
	w = newWorld(t, 1, 3, 64)
	w.settle()
	id, _ = w.nodes[0].table.Begin(Info{Caller: "1001", Type: Internal})
	far = w.nodes[1].table.Carry(id, "n0", "1002")
	w.nodes[0].table.Ringing(id, "1002", "")
	w.nodes[0].table.Established(id, "1002")
	w.settle()
	return w, id, far
}

// While the node that has a call can't hear that it is over, what it says of it
// counts for nobody who does.
func TestCarry_AStaleNodeBringsNothingBack(t *testing.T) {
	for name, again := range map[string]func(w *world){
		"goes on": func(w *world) { w.nodes[0].table.Ringing(w.nodes[0].own[0], "1003", "") },
		"not known before": func(w *world) {
			x := w.nodes[2]
			x.table = New(Config{Self: "n2", Incarnation: 2, Now: func() time.Time { return w.now }})
			delete(w.links, [2]int{2, 0})
			delete(w.links, [2]int{2, 1})
			w.deliver(2, 1)
			w.deliver(2, 1)
		},
		"in a snapshot": func(w *world) { delete(w.links, [2]int{2, 0}); w.nodes[2].table.nodes["n0"].fence.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			w, id, far := carriedCall(t)
			w.nodes[0].own = []ID{id}
			w.cut[[2]int{0, 1}], w.cut[[2]int{1, 0}] = true, true
			far.Over()
			w.deliver(2, 1)
			again(w)
			for range 5 {
				w.deliver(2, 0)
			}
			x := w.nodes[2].table
			if x.Busy("1001") || x.Busy("1002") || x.Busy("1003") || len(x.Up()) != 0 {
				t.Errorf("the call is back: %+v", x.Up())
			}
		})
	}
}

// A call whose node has died goes on while a carrier lives, and then ends once: as
// hung up when that says so, as lost with its node when that dies too.
func TestCarry_OutlivesTheNodeOfTheCall(t *testing.T) {
	for name, c := range map[string]struct {
		dies, ends func(w *world, far *Leg)
		cause      int
	}{
		"killed, then a BYE":    {func(w *world, _ *Leg) { w.nodes[2].table.Died("n0") }, func(_ *world, far *Leg) { far.Over() }, 0},
		"restarted, then a BYE": {func(w *world, _ *Leg) { w.nodes[2].table.Saw("n0", 9) }, func(_ *world, far *Leg) { far.Over() }, 0},
		"removed, then a BYE":   {func(w *world, _ *Leg) { w.nodes[2].table.Forget("n0") }, func(_ *world, far *Leg) { far.Over() }, 0},
		"the phone rang":        {func(w *world, _ *Leg) { w.nodes[2].table.Died("n0") }, func(_ *world, far *Leg) { far.Dropped() }, NodeLost},
		"the carrier dies too":  {func(w *world, _ *Leg) { w.nodes[2].table.Died("n0") }, func(w *world, _ *Leg) { w.nodes[2].table.Died("n1") }, NodeLost},
	} {
		t.Run(name, func(t *testing.T) {
			w, id, far := carriedCall(t)
			x := w.nodes[2].table
			w.cut[[2]int{2, 0}] = true
			c.dies(w, far)
			if !x.Busy("1001") || !x.Busy("1002") || len(x.Up()) != 1 {
				t.Fatal("the call ended with its node")
			}
			events := x.Tail()
			c.ends(w, far)
			w.deliver(2, 1)
			if x.Busy("1001") || x.Busy("1002") || len(x.Up()) != 0 || x.Held()["calls_known"]+x.Held()["call_legs"] != 0 {
				t.Errorf("after its end is left: %v", x.Held())
			}
			items := some(events)
			for _, it := range items {
				if it.Event.Call != id || it.Event.Kind != Released || it.Event.Cause != c.cause {
					t.Errorf("clients hear %+v", it.Event)
				}
			}
			if len(items) != 2 {
				t.Errorf("clients hear %d events, want the release of both", len(items))
			}
		})
	}
}

// What its node sent at the end of a call may have been lost in a cut: who carries the
// call hangs up when it is there a second later, whether a snapshot says so or an event;
// not when the phone has left by then, nor when the node has died.
func TestLeftAlone_ACarriedCallThatIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		ends func(w *world, far *Leg)
		want bool
	}{
		"by an event": {func(w *world, _ *Leg) { w.nodes[0].table.End(w.nodes[0].own[0], 0, false); w.settle() }, true},
		"by a snapshot": {func(w *world, _ *Leg) {
			w.nodes[0].table.End(w.nodes[0].own[0], 0, false)
			w.nodes[1].table.nodes["n0"].fence = feed.Fence{}
			delete(w.links, [2]int{1, 0})
			w.settle()
		}, true},
		"the phone has left": {func(w *world, far *Leg) {
			w.nodes[0].table.End(w.nodes[0].own[0], 0, false)
			w.settle()
			far.Dropped()
		}, false},
		"its node has died": {func(w *world, _ *Leg) { w.nodes[1].table.Died("n0") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, id, far := carriedCall(t)
				w.nodes[0].own = []ID{id}
				w.nodes[1].table.cfg.Now = time.Now
				c.ends(w, far)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				got, err := w.nodes[1].table.LeftAlone(ctx)
				if (err == nil) != c.want || c.want && (got != id || time.Since(began) != leaveAfter) {
					t.Errorf("%q after %v, %v", got, time.Since(began), err)
				}
			})
		})
	}
}

// A peer hears of a leg when it has lasted a while, also one that waits for something
// to read; of one that is over by then, nothing.
func TestCarry_PeersHearOfWhatLasts(t *testing.T) {
	for name, c := range map[string]struct {
		lasts time.Duration
		ends  func(*Leg)
		want  []Kind
	}{
		"a try in vain":      {carryAfter - 1, (*Leg).Dropped, nil},
		"a short call":       {carryAfter - 1, (*Leg).Over, []Kind{Over}},
		"one that goes on":   {carryAfter + 1, (*Leg).Dropped, []Kind{Carry, Dropped}},
		"one that was taken": {carryAfter + 1, (*Leg).Over, []Kind{Carry, Over}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				tab := New(Config{Self: "a", Incarnation: 1})
				s := tab.Follow(feed.Position{})
				ready(s)
				began := time.Now()
				time.AfterFunc(time.Second, func() {
					leg := tab.Carry(idOf(1), "p", "2")
					time.AfterFunc(c.lasts, func() { c.ends(leg) })
				})
				var got []Kind
				for len(got) < len(c.want) {
					items, err := s.Next(ctx, nil)
					if err != nil {
						t.Fatalf("heard %v: %v", got, err)
					}
					if got = append(got, items[0].Event.Kind); len(got) == 1 && time.Since(began) != time.Second+min(c.lasts, carryAfter) {
						t.Errorf("the first word comes after %v", time.Since(began))
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("heard %v, want %v", got, c.want)
				}
				if items, err := s.Next(ctx, nil); err == nil {
					t.Errorf("and %+v", items)
				}
			})
		})
	}
}

// A call whose try is over where it was delivered goes on when its node sends it elsewhere,
// whichever word comes first, and is over by that word when it was answered there.
func TestCarry_OverIsSaidOfOneDN(t *testing.T) {
	for name, c := range map[string]struct {
		cut      bool // the node of the call hears of it late, when it has gone on
		answered bool // there, as the node of the call believes
		up       int
	}{
		"its node knows":                     {up: 1},
		"its node hears of it late":          {cut: true, up: 1},
		"answered":                           {answered: true},
		"answered, and its node hears later": {answered: true, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 3, 64)
			w.settle()
			own, far := w.nodes[0].table, w.nodes[1].table
			id, _ := own.Begin(Info{Caller: "1001", Type: Internal})
			leg := far.Carry(id, "n0", "1002")
			own.Ringing(id, "1002", "")
			w.settle()
			if c.cut {
				w.cut[[2]int{0, 1}], w.cut[[2]int{1, 0}] = true, true
			}
			leg.Over()
			w.deliver(2, 1)
			if x := w.nodes[2].table; x.Busy("1001") || len(x.Up()) > 0 {
				t.Error("it is up where both words are heard:", x.Up())
			}
			if c.answered {
				own.Established(id, "1002")
			} else {
				own.Released(id, "1002", 480)
				own.Ringing(id, "1003", "")
			}
			w.settle()
			for _, s := range w.nodes {
				if got := s.table; len(got.Up()) != c.up || got.Busy("1001") != (c.up > 0) || got.Busy("1003") != (c.up > 0) || got.Busy("1002") {
					t.Errorf("at %s %+v are up", s.id, got.Up())
				}
			}
		})
	}
}

// TestCarry_WhoIsNotCarriedHasLeft: of a call whose node has died go on who called and the DNs to
// which another node delivers it.
func TestCarry_WhoIsNotCarriedHasLeft(t *testing.T) {
	w := newWorld(t, 1, 3, 64)
	w.settle()
	own := w.nodes[0].table
	id, _ := own.Begin(Info{Caller: "1001", Type: Internal})
	w.nodes[1].table.Carry(id, "n0", "1003")
	own.Ringing(id, "1002", "")
	own.Ringing(id, "1003", "")
	w.settle()
	for _, i := range []int{1, 2} {
		x := w.nodes[i].table
		x.Died("n0")
		if x.Busy("1002") || !x.Busy("1001") || !x.Busy("1003") {
			t.Errorf("at n%d busy are 1001 %v, 1002 %v, 1003 %v", i, x.Busy("1001"), x.Busy("1002"), x.Busy("1003"))
		}
	}
}
