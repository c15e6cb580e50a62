// Package directory is what a node knows of where the others are: the newest word of
// each about itself, which is newer than the roster after a node has moved, and which
// of two processes is the node. Only what a node says of itself counts; what others
// say of it is a hint where to ask. It is pure: who asks whom is decided by package node.
package directory

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Second says that another process of the same node answers, which began before.
type Second struct {
	// Name of the node, and the cluster port of its first process.
	Name, Addr string
	// Up is how long that has run.
	Up time.Duration
}

func (s *Second) Error() string {
	return fmt.Sprintf("another process of node %s runs already, at %s, for %v: is this data directory a copy?", s.Name, s.Addr, s.Up.Round(time.Second))
}

// Directory of a node. Its methods may be called by anyone.
type Directory struct {
	mu    sync.Mutex
	words map[string]word
	hints map[string]string
	// doubts are addresses that nodes claim, and at which they did not answer.
	doubts map[string]string
	// strays follow another recovery of the cluster.
	strays map[string]stray
}

type stray struct {
	lineage string
	at      time.Time
}

// word is what a node said of itself, and where the roster had it then: once the
// roster says something else, that is newer.
type word struct {
	said   *peerpb.Presence
	roster string
	at     time.Time
}

// New makes an empty Directory.
func New() *Directory {
	return &Directory{words: map[string]word{}, hints: map[string]string{}, doubts: map[string]string{}, strays: map[string]stray{}}
}

// Take notes what a node of the roster said of itself; moved tells whether it is
// somewhere else than was known.
func (d *Directory) Take(p *peerpb.Presence, roster *configpb.Node) (moved bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := p.GetNode().GetId()
	before := d.at(roster)
	d.words[id] = word{proto.CloneOf(p), roster.GetClusterAddr(), time.Now()}
	delete(d.hints, id)
	delete(d.doubts, id)
	after := d.at(roster)
	return before.GetClusterAddr() != after.GetClusterAddr() || before.GetGossipAddr() != after.GetGossipAddr()
}

// At is a node's entry of the roster with the addresses that it has at present.
func (d *Directory) At(roster *configpb.Node) *configpb.Node {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at(roster)
}

// at is called with the lock held.
func (d *Directory) at(roster *configpb.Node) *configpb.Node {
	w, known := d.words[roster.GetId()]
	said := w.said.GetNode()
	if !known || said.GetClusterAddr() == "" || w.roster != roster.GetClusterAddr() {
		return roster
	}
	n := proto.CloneOf(roster)
	n.SipAddr, n.DefaultAddr, n.TcAddr, n.HttpAddr = said.GetSipAddr(), said.GetDefaultAddr(), said.GetTcAddr(), said.GetHttpAddr()
	n.ClusterAddr, n.GossipAddr = said.GetClusterAddr(), said.GetGossipAddr()
	return n
}

// Known is the process that is the node, as it said itself; nil when it has said nothing.
func (d *Directory) Known(id string) *peerpb.Presence {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.words[id].said
}

// Hint notes where others say that a node is.
func (d *Directory) Hint(id, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hints[id] = addr
}

// Doubt notes that a node claims an address at which it does not answer, until it is
// taken at its word again.
func (d *Directory) Doubt(id, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doubts[id] = addr
}

// Doubted are the nodes that claim such an address, by id.
func (d *Directory) Doubted() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.doubts)
}

// Stray notes that a node follows another recovery of the cluster.
func (d *Directory) Stray(id, lineage string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strays[id] = stray{lineage, time.Now()}
}

// Strays are the nodes that have said so since then, and what they follow, by id.
func (d *Directory) Strays(since time.Time) map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]string{}
	for id, s := range d.strays {
		if s.at.After(since) {
			all[id] = s.lineage
		}
	}
	return all
}

// Keep forgets all nodes but those of the roster.
func (d *Directory) Keep(on func(id string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.words, func(id string, _ word) bool { return !on(id) })
	maps.DeleteFunc(d.hints, func(id, _ string) bool { return !on(id) })
	maps.DeleteFunc(d.doubts, func(id, _ string) bool { return !on(id) })
	maps.DeleteFunc(d.strays, func(id string, _ stray) bool { return !on(id) })
}

// Candidates are the addresses at which a node may be, the likeliest first.
func (d *Directory) Candidates(roster *configpb.Node) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, a := range []string{d.at(roster).GetClusterAddr(), d.hints[roster.GetId()], roster.GetClusterAddr()} {
		if a != "" && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// Words are where the nodes have said that they are.
func (d *Directory) Words() (all []*peerpb.Whereabouts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(d.words)) {
		if addr := d.words[id].said.GetNode().GetClusterAddr(); addr != "" {
			all = append(all, &peerpb.Whereabouts{Node: id, Addr: addr})
		}
	}
	return all
}

// Admit decides whether a process that comes is the node: a *Second when another one
// answers that began before. ask returns who is at an address, nil when nobody
// answers; it is not called for the address at which the process itself is. An
// address of "" is not known.
func (d *Directory) Admit(p *peerpb.Presence, roster *configpb.Node, ask func(addr string) *peerpb.Presence) error {
	if known := d.Known(roster.GetId()); known != nil && known.GetInstance() == p.GetInstance() {
		return nil
	}
	for _, addr := range d.Candidates(roster) {
		if addr == p.GetNode().GetClusterAddr() {
			continue
		}
		there := ask(addr)
		switch {
		case there.GetNode().GetId() != roster.GetId() || there.GetInstance() == p.GetInstance():
		case Before(there, p):
			return &Second{Name: roster.GetName(), Addr: addr, Up: time.Duration(there.GetUpMs()) * time.Millisecond}
		}
	}
	return nil
}

// Before tells which of two processes of one node is the first. They say for how long
// they run, so no clock counts.
func Before(a, b *peerpb.Presence) bool {
	if a.GetUpMs() != b.GetUpMs() {
		return a.GetUpMs() > b.GetUpMs()
	}
	return a.GetInstance() < b.GetInstance()
}

// Since are those who have said something lately.
func (d *Directory) Since(t time.Time) (all []*peerpb.Presence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(d.words)) {
		if w := d.words[id]; w.at.After(t) {
			all = append(all, w.said)
		}
	}
	return all
}

// Stands tells whether a process may ask for votes at once, without waiting for a
// leader that can't come: a majority of the voters has met, none of them knows a
// leader, and its log goes furthest; among equals the smallest id stands, so that
// they don't split the votes.
func Stands(me *peerpb.Presence, others []*peerpb.Presence, voters []string) bool {
	id := me.GetNode().GetId()
	if !me.GetLeaderless() || !slices.Contains(voters, id) {
		return false
	}
	met := 1
	for _, o := range others {
		other := o.GetNode().GetId()
		if other == id || !slices.Contains(voters, other) {
			continue
		}
		met++
		if !o.GetLeaderless() || o.GetLastLog() > me.GetLastLog() || o.GetLastLog() == me.GetLastLog() && other < id {
			return false
		}
	}
	return met > len(voters)/2
}
