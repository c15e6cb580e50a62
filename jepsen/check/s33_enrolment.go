package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// enrolBound is how long it takes to register at a carrier that takes it, and to take a
	// contact back, once it is known whose turn it is.
	enrolBound = 4 * time.Second
	// carrierBack is how long a carrier has to take registrations until a node that it has
	// refused, or that did not reach it, has asked it again.
	carrierBack = 18 * time.Second
	// enrolLooks is how often the carrier's book is looked at.
	enrolLooks = 500 * time.Millisecond
)

// enrolments is S33: of the nodes that hear each other one registers at a carrier, and its
// contact is there alone.
func enrolments(m *model) ([]Finding, int) {
	asked := map[string][]*history.Op{}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.CarrierEnrol && op.Node != "" {
			asked[op.Key] = append(asked[op.Key], op)
		}
	}
	var out []Finding
	looked := 0
	for _, all := range asked {
		two, n := m.twoRegister(all)
		out, looked = append(out, two...), looked+n
		none, n := m.books(all)
		out, looked = append(out, none...), looked+n
	}
	return merge(out), looked
}

// twoRegister: two nodes that hear each other all the time both register.
func (m *model) twoRegister(all []*history.Op) (out []Finding, looked int) {
	last := map[string]*history.Op{}
	for _, op := range all {
		if op.Expires == 0 {
			continue
		}
		for node, before := range last {
			s := Span{minus(before.Invoke, m.b.Spread), op.Return}
			if node == op.Node || !m.calm(node, op.Node, s) || m.anyDrains(s) {
				continue
			}
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s and %s, which heard each other, both registered at the carrier of %s", node, op.Node, op.Key),
				Nodes: []string{node, op.Node}, Keys: []string{op.Key}, Window: s, Events: []Event{opEvent(before), opEvent(op)},
			})
		}
		looked++
		last[op.Node] = op
	}
	return out, looked
}

// anyDrains tells whether some node perhaps drains, so that its turn passes on.
func (m *model) anyDrains(s Span) bool {
	return slices.ContainsFunc(m.h.Faults, func(f history.Fault) bool { return len(f.Effect.Drained) > 0 && possible(&f).overlaps(s) })
}

// books looks at what the carrier knows, again and again.
func (m *model) books(all []*history.Op) (out []Finding, looked int) {
	key := all[0].Key
	var turns []*history.Op
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.CarrierTurn && op.Key == key {
			turns = append(turns, op)
		}
	}
	groups := subsets(m.nodes)
	for t := carrierBack; t < m.h.End; t += enrolLooks {
		s := Span{t - enrolBound, t}
		turn := turnAt(turns, Span{t - carrierBack, t})
		if turn == nil || turn.Arg != history.TakesAll || m.anyDrains(s) {
			continue
		}
		book := bookAt(all, t)
		for _, g := range groups {
			if !m.apart(g, s) {
				continue
			}
			looked++
			if f := m.bookOf(g, book, s); f != nil {
				f.Keys, f.Window = []string{key}, s
				out = append(out, *f)
			}
		}
	}
	return out, looked
}

// bookAt is the last registration of each node that the carrier still has.
func bookAt(all []*history.Op, t time.Duration) map[string]*history.Op {
	book := map[string]*history.Op{}
	for _, op := range all {
		if op.Return > t {
			break
		}
		if delete(book, op.Node); op.Expires > 0 {
			book[op.Node] = op
		}
	}
	for node, op := range book {
		if op.Return+op.Expires < t {
			delete(book, node)
		}
	}
	return book
}

// bookOf is what is wrong with the book for nodes that hear each other and nobody else.
func (m *model) bookOf(g []string, book map[string]*history.Op, s Span) *Finding {
	var has []*history.Op
	for _, n := range g {
		// What a process that ended has registered stays until it expires.
		if op := book[n]; op != nil && !m.stopped[n].touch(Span{op.Invoke, s.To}) {
			has = append(has, op)
		}
	}
	f := &Finding{Nodes: g}
	switch {
	case len(has) > 1:
		f.Text = fmt.Sprintf("%s and %s, which heard each other, both were registered at the carrier", has[0].Node, has[1].Node)
		f.Events = []Event{opEvent(has[0]), opEvent(has[1])}
	case slices.ContainsFunc(g, func(n string) bool { return book[n] != nil }):
		return nil
	default:
		f.Text = fmt.Sprintf("none of %v, which heard each other and nobody else, was registered at the carrier", g)
		f.Events = []Event{{At: s.From, To: s.To, Node: g[0], Text: "the carrier has no contact of theirs"}}
	}
	return f
}

// apart tells whether these nodes surely hear each other and none of the others, all the
// time, and their SIP ports are reached.
func (m *model) apart(g []string, s Span) bool {
	for _, x := range g {
		if !m.signals(x, x).cover(s) {
			return false
		}
		for _, y := range m.nodes {
			switch in := slices.Contains(g, y); {
			case in && !m.calm(x, y, s), !in && m.deafSince(pair{From: y, To: x}, s) == nil:
				return false
			}
		}
	}
	return true
}

// subsets are all that have a member.
func subsets(all []string) (out [][]string) {
	for bits := 1; bits < 1<<len(all); bits++ {
		var g []string
		for i, n := range all {
			if bits&(1<<i) != 0 {
				g = append(g, n)
			}
		}
		out = append(out, g)
	}
	return out
}
