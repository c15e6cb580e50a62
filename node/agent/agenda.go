package agent

import (
	"container/heap"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
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
	// endReservation: its time is over, or its lease.
	endReservation
	// endInView: the owner is lost, and nobody renews its reservation.
	endInView
	// endCool: nobody answered lately, and that is over.
	endCool
	// endState: the agent's state lasts no longer.
	endState
	// endDesktop: the agent's desktop has not come back since the node was started.
	endDesktop
)

// agenda holds one time for each alarm, the next one first. Guarded by schedule.mu.
// It is a heap because it is small and its times are exact: one goroutine sleeps
// until the next of them. A wheel, as the SIP planes have, would round them to
// its ticks and wake up for each.
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

// due takes what is due out, in pieces when that is much: the rest is due yet.
func (g *agenda) due(now time.Time) (out []alarm) {
	for len(g.heap) > 0 && len(out) < walk.Most && !g.heap[0].due.After(now) {
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
