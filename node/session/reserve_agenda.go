package session

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

// agenda holds one time for each alarm, the next one first. Guarded by Owner.mu.
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

// plan sets an alarm, with o.mu held.
func (o *Owner) plan(a alarm, due time.Time) {
	o.agenda.set(a, due)
	if o.agenda.heap[0].alarm == a {
		o.wakeAgenda()
	}
}

func (o *Owner) wakeAgenda() {
	select {
	case o.changed <- struct{}{}:
	default: // it was woken already
	}
}

// watchReservation plans the end of the DN's reservation, when this node keeps
// the DN. Calls may overlap; each change of the record is followed by one.
func (o *Owner) watchReservation(n dn.Number) {
	a := alarm{n: n, what: endReservation}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r, ok := o.kept(n); ok && r.Reserved.Holder != "" {
		o.plan(a, time.Now().Add(time.Duration(r.Reserved.Left)))
		return
	}
	o.agenda.drop(a)
}

// keepAgenda does what is due until the context ends.
func (o *Owner) keepAgenda(ctx context.Context) error {
	defer o.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-o.changed:
		case <-o.store.lost:
			o.storeAll()
		}
		if wait, any := o.doDue(); any {
			timer.Reset(wait)
		}
	}
}

// doDue does what is due and returns the time until the next alarm.
func (o *Owner) doDue() (time.Duration, bool) {
	o.mu.Lock()
	due := o.agenda.due(time.Now())
	o.mu.Unlock()
	for _, a := range due {
		switch a.what {
		case settleRound:
			o.settle(a.n)
		case endReservation:
			o.expire(a.n)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.agenda.heap) == 0 {
		return 0, false
	}
	return time.Until(o.agenda.heap[0].due), true
}

// storeAll brings everything in the store, and everything that this node
// keeps, to what the table says.
func (o *Owner) storeAll() {
	for _, n := range o.store.numbers() {
		o.sync(n)
	}
	o.table.Range("", func(s dn.Status) bool {
		if s.Keeper == o.table.Self() {
			o.sync(s.Number)
		}
		return true
	})
}
