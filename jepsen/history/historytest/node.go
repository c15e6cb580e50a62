package historytest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// How fast the model is.
const (
	noticesCut  = 650 * time.Millisecond
	noticesHung = 3 * time.Second
	linksAgain  = 300 * time.Millisecond
)

// record is what an owner says about a DN.
type record struct {
	claim int64
	// until is the end of each binding's lifetime; never changed once shared.
	until  map[string]time.Duration
	reason string
}

// with is the record with a binding set, or taken when until is 0.
func (r record) with(binding string, until time.Duration, reason string) record {
	r.until, r.reason = maps.Clone(r.until), reason
	if r.until == nil {
		r.until = map[string]time.Duration{}
	}
	if r.until[binding] = until; until == 0 {
		delete(r.until, binding)
	}
	return r
}

// node is one server of the model.
type node struct {
	name        string
	up, paused  bool
	incarnation uint64
	seq         uint64
	own         map[string]record
	peers       map[string]*peer
	view        map[string]history.Row
	stream      int
}

// peer is what a node has of another one.
type peer struct {
	copy    map[string]record
	heard   bool
	changed time.Duration // when the way opened or broke
	open    bool
}

func (m *model) addNode(name, site string) {
	x := &node{name: name, up: true, incarnation: 1, own: map[string]record{}, peers: map[string]*peer{}, view: map[string]history.Row{}}
	for _, other := range m.nodes {
		x.peers[other.name], other.peers[name] = &peer{}, &peer{}
	}
	m.nodes = append(m.nodes, x)
	m.h.Nodes = append(m.h.Nodes, history.Node{Name: name, Site: site})
	m.h.Lives = append(m.h.Lives, history.Life{Node: name, Kind: history.Launched}, history.Life{Node: name, Kind: history.Ready})
	x.watch(m)
}

func (m *model) node(name string) *node {
	return m.nodes[slices.IndexFunc(m.nodes, func(n *node) bool { return n.name == name })]
}

func (x *node) runs() bool { return x.up && !x.paused }

// talk tells whether packets go both ways and both run.
func (m *model) talk(x, p *node) bool {
	return x.runs() && p.runs() && !m.cut[history.Pair{From: x.name, To: p.name}] && !m.cut[history.Pair{From: p.name, To: x.name}]
}

func (x *node) expire(m *model) {
	for dn, r := range x.own {
		for binding, until := range r.until {
			if x.runs() && until <= m.now {
				x.own[dn] = x.own[dn].with(binding, 0, "expired")
			}
		}
	}
}

// listen brings the copies of the peers' tables up to date.
func (x *node) listen(m *model) {
	if !x.runs() {
		return
	}
	for name, p := range x.peers {
		owner := m.node(name)
		if open := m.talk(x, owner); open != p.open {
			p.open, p.changed = open, m.now
		}
		lasted := m.now - p.changed
		switch {
		case p.open && (p.heard || lasted >= linksAgain || m.now < time.Second):
			p.heard, p.copy = true, maps.Clone(owner.own)
		case !p.open && (!owner.up || lasted >= noticesHung || lasted >= noticesCut && !owner.paused):
			p.heard = false
		}
	}
}

// giveUp drops own registrations for which a newer claim was heard of.
func (x *node) giveUp() {
	for dn, r := range x.own {
		for _, p := range x.peers {
			if p.copy[dn].claim > r.claim && x.runs() {
				delete(x.own, dn)
			}
		}
	}
}

// row is the DN as the node sees it.
func (x *node) row(dn string) history.Row {
	best, owner, heard := x.own[dn], x.name, true
	for name, p := range x.peers {
		if r := p.copy[dn]; r.claim > best.claim {
			best, owner, heard = r, name, p.heard
		}
	}
	switch {
	case best.claim == 0:
		return history.Row{DN: dn}
	case len(best.until) == 0:
		return history.Row{DN: dn, Reason: best.reason}
	case !heard:
		return history.Row{DN: dn, Owner: owner, Reason: "peer-lost"}
	default:
		return history.Row{DN: dn, InSrv: true, Owner: owner, Reason: "registered"}
	}
}

// tell works out the visible changes and sends them to the observer.
func (x *node) tell(m *model) {
	if !x.runs() {
		return
	}
	for _, ph := range m.phones {
		row := x.row(ph.dn)
		if was := x.view[ph.dn]; was.InSrv != row.InSrv || was.Owner != row.Owner {
			x.seq++
			m.item(x, history.Item{Kind: history.Event, Seq: x.seq, Row: row})
		}
		x.view[ph.dn] = row
	}
}

func (m *model) item(x *node, i history.Item) {
	i.At, i.Node, i.Observer, i.Stream = m.now+4*time.Millisecond, x.name, "stat-"+x.name, x.stream
	m.h.Items = append(m.h.Items, i)
}

// watch opens the observer's stream.
func (x *node) watch(m *model) {
	x.stream++
	m.item(x, history.Item{Kind: history.Opened})
	m.item(x, history.Item{Kind: history.Started, Incarnation: x.incarnation})
	for _, row := range x.table() {
		m.item(x, history.Item{Kind: history.Event, Snapshot: true, Row: row})
	}
	m.item(x, history.Item{Kind: history.EndOfSnapshot, Seq: x.seq})
}

// table is the view, ordered by DN.
func (x *node) table() []history.Row {
	return slices.SortedFunc(maps.Values(x.view), func(a, b history.Row) int { return cmp.Compare(a.DN, b.DN) })
}
