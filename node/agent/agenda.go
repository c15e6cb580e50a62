package agent

import (
	"container/heap"
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// alarm is something to be done about a DN at a time.
type alarm struct {
	n    dn.Number
	what task
}

type task uint8

const (
	// settleRound: the requests for the DN were collected.
	settleRound task = iota
	// endReservation: its time is over.
	endReservation
)

// agenda holds one time for each alarm, the next one first. Guarded by Registry.mu.
type agenda struct {
	heap  []*entry
	known map[alarm]*entry
}

type entry struct {
	alarm
	due time.Time
	at  int // index in the heap
}

func newAgenda() agenda { return agenda{known: map[alarm]*entry{}} }

// set plans an alarm, or changes its time.
func (g *agenda) set(a alarm, due time.Time) {
	if e := g.known[a]; e != nil {
		e.due = due
		heap.Fix(g, e.at)
		return
	}
	e := &entry{alarm: a, due: due}
	g.known[a] = e
	heap.Push(g, e)
}

func (g *agenda) drop(a alarm) {
	if e := g.known[a]; e != nil {
		heap.Remove(g, e.at)
		delete(g.known, a)
	}
}

// due takes what is due out.
func (g *agenda) due(now time.Time) (out []alarm) {
	for len(g.heap) > 0 && !g.heap[0].due.After(now) {
		a := g.heap[0].alarm
		g.drop(a)
		out = append(out, a)
	}
	return out
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (g *agenda) Len() int           { return len(g.heap) }
func (g *agenda) Less(i, j int) bool { return g.heap[i].due.Before(g.heap[j].due) }
func (g *agenda) Swap(i, j int) {
	g.heap[i], g.heap[j] = g.heap[j], g.heap[i]
	g.heap[i].at, g.heap[j].at = i, j
}

func (g *agenda) Push(x any) {
	e := x.(*entry)
	e.at = len(g.heap)
	g.heap = append(g.heap, e)
}

func (g *agenda) Pop() any {
	last := len(g.heap) - 1
	e := g.heap[last]
	g.heap[last] = nil
	g.heap = g.heap[:last]
	return e
}

// plan sets an alarm, with reg.mu held.
func (reg *Registry) plan(a alarm, due time.Time) {
	reg.agenda.set(a, due)
	if reg.agenda.heap[0].alarm == a {
		reg.wakeAgenda()
	}
}

func (reg *Registry) wakeAgenda() {
	select {
	case reg.changed <- struct{}{}:
	default: // it was woken already
	}
}

// watchReservation plans the end of the DN's reservation, when this node keeps
// the DN. Calls may overlap; each change of the record is followed by one.
func (reg *Registry) watchReservation(n dn.Number) {
	a := alarm{n: n, what: endReservation}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if r, ok := reg.kept(n); ok && r.Reserved.Holder != "" {
		reg.plan(a, time.Now().Add(time.Duration(r.Reserved.Left)))
		return
	}
	reg.agenda.drop(a)
}

// keepAgenda does what is due until the context ends.
func (reg *Registry) keepAgenda(ctx context.Context) error {
	defer reg.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-reg.changed:
		case <-reg.store.lost:
			reg.storeAll()
		}
		if wait, any := reg.doDue(); any {
			timer.Reset(wait)
		}
	}
}

// doDue does what is due and returns the time until the next alarm.
func (reg *Registry) doDue() (time.Duration, bool) {
	reg.mu.Lock()
	due := reg.agenda.due(time.Now())
	reg.mu.Unlock()
	for _, a := range due {
		switch a.what {
		case settleRound:
			reg.settle(a.n)
		case endReservation:
			reg.expire(a.n)
		}
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if len(reg.agenda.heap) == 0 {
		return 0, false
	}
	return time.Until(reg.agenda.heap[0].due), true
}

// storeAll brings everything in the store, and everything that this node
// keeps, to what the table says.
func (reg *Registry) storeAll() {
	for _, n := range reg.store.numbers() {
		reg.sync(n)
	}
	reg.table.Range("", func(s dn.Status) bool {
		if s.Keeper == reg.table.Self() {
			reg.sync(s.Number)
		}
		return true
	})
}
