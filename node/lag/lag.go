// Package lag is how far each node is behind the configuration: in entries and in time,
// by what every node says on its links of how far it has applied. It is what one node
// knows, asks nobody and decides nothing. Called by package node.
package lag

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Lag of a node; zero when it has all that this one has heard of.
type Lag struct {
	// Entries that it has not applied.
	Entries uint64
	// For is how long this node has known of the first of them.
	For time.Duration
}

// Board is what a node knows of all. Its methods may be called by anyone.
type Board struct {
	self   dn.Node
	own    func() uint64
	leader func() dn.Node

	mu    sync.Mutex
	told  map[dn.Node]uint64
	front front
}

// New makes the board of a node: own is how far it has applied itself, leader is whom
// it knows to lead, by id. Beside its own word the leader's alone says what there is to
// have.
func New(self dn.Node, own func() uint64, leader func() dn.Node) *Board {
	return &Board{self: self, own: own, leader: leader, told: map[dn.Node]uint64{}}
}

// Told notes how far another node has applied.
func (b *Board) Told(id dn.Node, applied uint64) {
	own, leader := b.own(), b.leader()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told[id] = applied
	b.front.reach(max(own, b.told[leader]), time.Now())
}

// Keep forgets all nodes but those of the roster.
func (b *Board) Keep(on func(id dn.Node) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.told, func(id dn.Node, _ uint64) bool { return !on(id) })
}

// Of is how far a node is behind; false when it has never said how far it is. Of one
// that is silent it counts from what it said last.
func (b *Board) Of(id dn.Node) (Lag, bool) {
	own, leader := b.own(), b.leader()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.front.reach(max(own, b.told[leader]), now)
	at, known := b.told[id]
	if id == b.self {
		at, known = own, true
	}
	if !known {
		return Lag{}, false
	}
	return b.front.behind(at, now), true
}

// maxMarks bounds what a front remembers.
const maxMarks = 128

// front is when the configuration had reached which index: the newer, the finer, so
// that a time is told to about a tenth of it.
type front struct{ marks []mark }

type mark struct {
	index uint64
	at    time.Time
}

// reach notes that the front is at an index now. One that is smaller than before takes
// back what was known of more.
func (f *front) reach(index uint64, now time.Time) {
	for len(f.marks) > 0 && f.marks[len(f.marks)-1].index > index {
		f.marks = f.marks[:len(f.marks)-1]
	}
	if n := len(f.marks); n > 0 && f.marks[n-1].index == index {
		return
	}
	if len(f.marks) == maxMarks {
		f.thin(now)
	}
	f.marks = append(f.marks, mark{index, now})
}

// thin drops the mark that is missed least: that with the smallest gap for its age.
func (f *front) thin(now time.Time) {
	least, at := math.Inf(1), 1
	for i := 1; i < len(f.marks)-1; i++ {
		gap := f.marks[i+1].at.Sub(f.marks[i-1].at).Seconds() / max(now.Sub(f.marks[i].at).Seconds(), 1e-3)
		if gap < least {
			least, at = gap, i
		}
	}
	f.marks = slices.Delete(f.marks, at, at+1)
}

// behind is the lag of who has applied so far.
func (f *front) behind(applied uint64, now time.Time) Lag {
	for _, m := range f.marks {
		if m.index > applied {
			return Lag{Entries: f.marks[len(f.marks)-1].index - applied, For: now.Sub(m.at)}
		}
	}
	return Lag{}
}
