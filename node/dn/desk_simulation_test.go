package dn

import (
	"fmt"
	"testing"
	"time"
)

// deskWorld is a world in which clients register the DNs of phones that move, at any node, and
// nodes tell the keepers what they can.
type deskWorld struct {
	*world
	// seats are what clients have registered at each node, left what the keepers still have
	// to hear of the end of.
	seats, left []map[Number]Desk
	// newest is the last registration of each DN, unless it has ended since.
	newest map[Number]simSeat
	// greatest claim of each DN's.
	greatest map[Number]Claim
}

type simSeat struct {
	Desk
	// sure: it has the greatest claim of all until then.
	sure bool
}

func newDeskWorld(seed uint64, n int, skew time.Duration) *deskWorld {
	w := &deskWorld{world: newWorld(seed, n, skew), newest: map[Number]simSeat{}, greatest: map[Number]Claim{}}
	for range n {
		w.seats, w.left = append(w.seats, map[Number]Desk{}), append(w.left, map[Number]Desk{})
	}
	return w
}

// seat is a client that registers a DN at a node.
func (w *deskWorld) seat(i int, n Number) {
	s := w.nodes[i]
	d := Desk{Node: s.id, Incarnation: s.inc, Claim: s.table.SeatClaim(n), Private: w.r.IntN(2) == 0}
	sure := w.greatest[n].Less(d.claim())
	if w.newest[n] = (simSeat{d, sure}); sure {
		w.greatest[n] = d.claim()
	}
	w.seats[i][n] = d
	delete(w.left[i], n)
}

// leave is the end of the clients of a DN at a node.
func (w *deskWorld) leave(i int, n Number) {
	d, ok := w.seats[i][n]
	if !ok {
		return
	}
	if w.newest[n].Desk == d {
		delete(w.newest, n)
	}
	delete(w.seats[i], n)
	w.left[i][n] = d
}

// tell has a node tell the DN's keeper of its clients, if it can and has to.
func (w *deskWorld) tell(i int, n Number) {
	st, _ := w.nodes[i].table.Get(n)
	for j, k := range w.nodes {
		if k.id != st.Keeper || j != i && (w.cut[[2]int{i, j}] || w.cut[[2]int{j, i}]) {
			continue
		}
		here, _ := k.table.Get(n)
		r, ok := k.table.Own(n)
		if !ok || here.Keeper != k.id {
			return
		}
		mine, there := w.seats[i][n]
		gone, left := w.left[i][n]
		switch known, _ := st.Seat(w.nodes[i].id); {
		case there && known != mine:
			r.Desks = Seated(r.Desks, mine)
		case left:
			r.Desks = Left(r.Desks, gone.Node, gone.Claim)
			delete(w.left[i], n)
		default:
			return
		}
		if r, ok = k.table.Amend(r); ok {
			k.store[n] = r
		}
	}
}

// follow does at a node what its table says.
func (w *deskWorld) follow(i int) {
	s := w.nodes[i]
	for n := range s.table.desks.set {
		st, _ := s.table.Get(n)
		mine, there := w.seats[i][n]
		if _, ended := st.Ends(mine); there && ended {
			delete(w.seats[i], n)
			there = false
		}
		if known, ok := st.Seat(s.id); !there && ok && known.Incarnation == s.inc {
			w.left[i][n] = known
		}
	}
	clear(s.table.desks.set)
}

func (w *deskWorld) step(t *testing.T) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j, n := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)), w.number()
	switch w.r.IntN(24) {
	case 0, 1:
		w.register(i, n)
	case 2:
		if i != j {
			w.toggle(i, j)
		}
	case 3:
		if w.r.IntN(4) == 0 {
			clear(w.seats[i])
			clear(w.left[i])
			w.crash(i)
		}
	case 4, 5, 6, 7, 8:
		w.seat(i, n)
	case 9, 10:
		w.leave(i, n)
	case 11, 12, 13, 14:
		w.tell(i, n)
	default:
		w.deliver(t, i, j)
	}
	w.react()
}

// react has each node do what its table says, and its store follow it.
func (w *deskWorld) react() {
	for i, s := range w.nodes {
		w.follow(i)
		for n := range s.store {
			if r, ok := s.table.Own(n); ok {
				s.store[n] = r
			}
		}
	}
}

// settleDesks heals everything, until nothing is left to say.
func (w *deskWorld) settleDesks(t *testing.T) {
	for range 8 {
		w.settle(t)
		w.react()
		for i := range w.nodes {
			for k := range 4 {
				w.tell(i, Number(fmt.Sprint(1000+k)))
			}
		}
	}
	w.settle(t)
	w.react()
}

// check: who has registered a DN knows of nobody who excludes that, the newest one is among
// them, and the keepers know all of them.
func (w *deskWorld) check(t *testing.T, seed uint64, skewed bool) {
	t.Helper()
	for n := range w.truth {
		st, _ := w.nodes[0].table.Get(n)
		for i, s := range w.nodes {
			mine, there := w.seats[i][n]
			for j := range w.nodes {
				if o, ok := w.seats[j][n]; there && ok && o.Excludes(mine) {
					t.Fatalf("seed %d: DN %s is registered as %+v and as %+v", seed, n, mine, o)
				}
			}
			known, ok := st.Seat(s.id)
			if ok = ok && known.Incarnation == s.inc; ok != there || ok && known != mine {
				t.Fatalf("seed %d: the keeper of %s knows of %+v, %v: it is %+v, %v", seed, n, known, ok, mine, there)
			}
		}
		last := w.newest[n]
		for i, s := range w.nodes {
			if s.id == last.Node && last.Incarnation == s.inc && (!skewed || last.sure) && w.seats[i][n] != last.Desk {
				t.Fatalf("seed %d: the newest registration of %s, %+v, has ended: keeper says %+v", seed, n, last, st.Desks)
			}
		}
	}
	for _, s := range w.nodes {
		s.checkSeats(t, seed)
	}
}

// checkSeats finds anew what the table keeps of which DNs clients have registered.
func (s *simNode) checkSeats(t *testing.T, seed uint64) {
	t.Helper()
	listed := map[Number]bool{}
	s.table.Seats(func(st Status) bool { listed[st.Number] = true; return true })
	for n, e := range s.table.entries {
		said := false
		for i := range e.recs {
			said = said || e.recs[i].x.seats() != nil
		}
		if said != listed[n] || said != e.seated {
			t.Fatalf("seed %d: %s lists %s: %v, %v, it is said: %v", seed, s.id, n, listed[n], e.seated, said)
		}
		delete(listed, n)
	}
	if len(listed) > 0 {
		t.Fatalf("seed %d: %s lists %v", seed, s.id, listed)
	}
}

// Cuts, crashes, phones that move: of the registrations by clients those are left that the
// newest ones don't exclude, at all nodes.
func TestDesk_TheNewestPrivateOneHolds(t *testing.T) { simulateDesks(t, 0) }

// The same with clocks that are wrong by up to 50 s.
func TestDesk_TheNewestPrivateOneHoldsWithWrongClocks(t *testing.T) {
	simulateDesks(t, 50*time.Second)
}

func simulateDesks(t *testing.T, skew time.Duration) {
	runs := uint64(1_500)
	if testing.Short() {
		runs = 600
	}
	judged := 0
	for seed := range runs {
		w := newDeskWorld(seed, 2+int(seed%3), skew)
		for range 80 {
			w.step(t)
		}
		w.settleDesks(t)
		w.check(t, seed, skew > 0)
		for _, l := range w.newest {
			if l.Incarnation != 0 && (skew == 0 || l.sure) {
				judged++
			}
		}
	}
	if judged < int(runs)/4 {
		t.Errorf("only %d newest registrations could be judged", judged)
	}
}
