package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// boundedNoise is S15: no DN is lost without a fault, and k faults between a
// node and an owner give at most k OOS and k InSrv events of each of its DNs.
func boundedNoise(m *model) ([]Finding, int) {
	out := m.broken("S15", func(c *contradiction) string {
		return fmt.Sprintf("%s lost %s of %s although nothing was between the two", c.first.node, dnWord(c.dns), c.want)
	})
	looked := m.looked["S15"]
	for _, observer := range m.observers() {
		found, n := m.noise(observer)
		out, looked = append(out, merge(found)...), looked+n
	}
	return out, looked
}

// noise counts an observer's events of DNs that nobody moved.
func (m *model) noise(observer string) ([]Finding, int) {
	told := map[string][]*history.Item{}
	for _, i := range m.streams[observer] {
		if i.Kind == history.Event && !i.Snapshot {
			told[i.DN] = append(told[i.DN], i)
		}
	}
	var out []Finding
	looked := 0
	for _, dn := range m.dns {
		t, items := m.truth[dn], told[dn]
		if len(t.nodes) != 1 || len(items) == 0 || items[0].Node == t.nodes[0] {
			continue // moved, or the owner's own events
		}
		owner := t.nodes[0]
		for _, s := range t.in[owner] {
			s.From += m.b.Spread + m.b.Converge
			looked++
			out = append(out, m.tooMany(items, owner, s)...)
		}
	}
	return out, looked
}

// tooMany compares the events within s with the faults.
func (m *model) tooMany(items []*history.Item, owner string, s Span) []Finding {
	node := items[0].Node
	faults, counted := m.between(node, owner, s)
	if !counted {
		return nil
	}
	f := Finding{Nodes: []string{node, owner}, Keys: []string{items[0].DN}}
	oos, in := 0, 0
	for _, i := range items {
		if !s.contains(Span{i.At, i.At}) {
			continue
		}
		if f.Events = append(f.Events, itemEvent(i)); i.InSrv {
			in++
		} else {
			oos++
		}
	}
	if oos <= len(faults) && in <= len(faults) {
		return nil
	}
	f.Text = fmt.Sprintf("%s told %d OOS and %d InSrv events of a DN of %s where %d faults can explain at most one of each",
		node, oos, in, owner, len(faults))
	for _, fault := range faults {
		if fault != nil {
			f.Events = append(f.Events, faultEvents(fault, f.Events[len(f.Events)-1].At)...)
		}
	}
	return []Finding{f}
}

// between are the faults that may have come between the two, with what is left
// of them, in s; not counted when one of them is no single cut. A start of a
// process that belongs to no fault is nil.
func (m *model) between(x, y string, s Span) (faults []*history.Fault, counted bool) {
	if m.away[x].touch(s) || m.away[y].touch(s) {
		return nil, false // a node that joins learns all anew
	}
	ways := []pair{{From: x, To: y}, {From: y, To: x}}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		e := &f.Effect
		if !(Span{f.Inject, plus(f.Healed, m.b.ConvergeRestart)}).overlaps(s) {
			continue
		}
		if e.Loss == 0 || e.Loss > smallLoss {
			if slices.Contains(e.Unsteady, ways[0]) || slices.Contains(e.Unsteady, ways[1]) {
				return nil, false
			}
		}
		if deaf(e, ways[0]) || deaf(e, ways[1]) || gone(f, x) || gone(f, y) {
			faults = append(faults, f)
		}
	}
	shaken := 0
	for _, sh := range m.shaken[ways[0]] {
		if sh.overlaps(s) {
			shaken++
		}
	}
	for len(faults) < shaken {
		faults = append(faults, nil)
	}
	return faults, true
}
