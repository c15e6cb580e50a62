package dn

import (
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/internal/walk"
)

// free finds the DNs of a group that a call may be sent to, without looking at the others.
// It follows from the entries alone (place), and is kept wherever an entry is told. What
// comes and goes without a word is not in it: who is heard, and the times by which a
// reservation or a cool-down ends; so whoever reads it asks each DN's status.
// Guarded by Table.mu.
type free struct {
	teams  map[string]*team
	places map[*entry]place
}

// team is the DNs of a group by number: of each node those that it alone has, and apart
// those that others have too, or had when it was told of them. So a node that is lost, or
// heard again, takes all of its own along at once.
type team struct {
	of    map[uint8]order
	apart order
	n     int
}

// place is where an entry stands.
type place struct {
	groups []string
	node   uint8
	apart  bool
}

func newFree() free { return free{teams: map[string]*team{}, places: map[*entry]place{}} }

// place is where the entry belongs; false for nowhere.
func (t *Table) place(e *entry) (p place, ok bool) {
	v := &e.told
	if e.share.holder == 0 || e.share.class != Served || v.busy || v.dnd || v.agent.in() && v.agent.State != Ready || v.agent.Left() {
		return place{}, false
	}
	ways := 0
	for i := range e.recs {
		if e.recs[i].state == InSrv {
			ways++
		}
	}
	p.node = e.share.holder - 1
	p.apart = ways > 1 || v.state == InSrv && v.owner != p.node
	return p, true
}

// renewal says what of an entry may be another since its place was settled.
type renewal uint8

const (
	// justTold: what it was told as, which holds at this moment.
	justTold renewal = iota
	// asTime: besides, what time and the nodes that are heard make of that.
	asTime
	// configured: besides, its groups and its levels in them.
	configured
)

// settlePlace puts the entry where it belongs.
func (t *Table) settlePlace(e *entry, changed renewal) {
	if !e.grouped {
		return
	}
	is, ok := t.place(e)
	if was, listed := t.free.places[e]; ok && listed {
		is.groups = was.groups
	} else if ok {
		_, is.groups = t.cfg.Configured(e.number)
	}
	t.move(e, is, changed)
}

// regroup is settlePlace when the groups are those now.
func (t *Table) regroup(e *entry, groups []string) {
	e.grouped = len(groups) > 0
	is, ok := t.place(e)
	if ok {
		is.groups = groups
	}
	t.move(e, is, configured)
}

// move puts the entry into a place; one without groups is none.
func (t *Table) move(e *entry, is place, changed renewal) {
	was := t.free.places[e]
	if was.node != is.node || was.apart != is.apart || !slices.Equal(was.groups, is.groups) {
		for _, g := range was.groups {
			t.free.drop(g, was, e)
		}
		for _, g := range is.groups {
			t.free.add(g, is, e)
		}
		if len(is.groups) > 0 {
			t.free.places[e] = is
		} else {
			delete(t.free.places, e)
		}
	}
	t.rerank(e, was.groups, is, changed)
}

func (f *free) add(group string, p place, e *entry) {
	m := f.teams[group]
	if m == nil {
		m = &team{of: map[uint8]order{}, apart: newOrder()}
		f.teams[group] = m
	}
	m.n++
	if p.apart {
		m.apart.add(e)
		return
	}
	if _, found := m.of[p.node]; !found {
		m.of[p.node] = newOrder()
	}
	m.of[p.node].add(e)
}

func (f *free) drop(group string, p place, e *entry) {
	m := f.teams[group]
	if m.n--; m.n == 0 {
		delete(f.teams, group)
		return
	}
	if p.apart {
		m.apart.drop(e)
		return
	}
	m.of[p.node].drop(e)
}

// freeChunk is how many entries of each node are visited under one hold of the lock, fewer
// when there are many nodes.
const freeChunk = 128

// Free calls fn for the DNs of a group that a call can be sent to now, as far as this table
// knows, behind a number, in order, until it returns false. It costs what it finds, however
// many DNs there are.
func (t *Table) Free(group string, after Number, fn func(Status) bool) {
	var buf []Status
	for more := true; more; {
		buf, after, more = t.freeBehind(buf[:0], group, after)
		for i := range buf {
			if !fn(buf[i]) {
				return
			}
		}
	}
}

func (t *Table) freeBehind(buf []Status, group string, after Number) ([]Status, Number, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m := t.free.teams[group]
	if m == nil {
		return buf, "", false
	}
	all, last, more := t.chunk(m, after, func(node uint8) bool { return t.nodes[node].heard })
	for _, e := range all {
		if s := t.status(e, t.current(e)); s.Routable(false) {
			buf = append(buf, s)
		}
	}
	return buf, last, more
}

// chunk is the team's next entries behind a number, in order: of the nodes that a function
// names, and those apart.
func (t *Table) chunk(m *team, after Number, of func(node uint8) bool) (all []*entry, last Number, more bool) {
	size := min(freeChunk, walk.Most/(len(m.of)+1))
	visit := func(o order) {
		end, rest := o.behind(after, size, func(e *entry) { all = append(all, e) })
		if rest && (!more || end < last) {
			last, more = end, true
		}
	}
	visit(m.apart)
	for node, o := range m.of {
		if of(node) {
			visit(o)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return strings.Compare(string(a.number), string(b.number)) })
	if more {
		all = slices.DeleteFunc(all, func(e *entry) bool { return e.number > last })
	}
	return all, last, more
}
