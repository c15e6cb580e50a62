package check

import (
	"fmt"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// unionOfTruth is S5: while a node hears the owners and all is told, its table
// is what the phones were told, and all tables are equal in quiet.
func unionOfTruth(m *model) ([]Finding, int) {
	out := m.broken("S5", func(c *contradiction) string {
		if c.kind == phantom {
			return fmt.Sprintf("%s showed %s as InSrv at %q, where nobody ever registered it", c.first.node, dnWord(c.dns), c.want)
		}
		return fmt.Sprintf("%s did not show %s as InSrv although it heard %s, where the registration was acknowledged", c.first.node, dnWord(c.dns), c.want)
	})
	differ, looked := m.tables(func(a, b history.Row) bool { return a.InSrv != b.InSrv },
		"in quiet DN %s was InSrv at one node and OOS at another one")
	agents, n := m.agents("S5")
	out, looked = append(out, agents...), looked+n
	return append(out, differ...), looked + m.looked["S5"]
}

// tables compares the last tables of all nodes at the end of the run, if it
// ended in quiet, for DNs of which the clients cannot tell the state.
func (m *model) tables(differ func(a, b history.Row) bool, text string) ([]Finding, int) {
	last, seen := m.lastTables()
	if len(last) < 2 {
		return nil, 0
	}
	var out []Finding
	looked := 0
	for _, dn := range m.dns {
		t := m.truth[dn]
		if m.mayChange(t, seen.wider(m.b.Spread)) || m.settled(t, seen) {
			continue
		}
		for _, p := range last[1:] {
			looked++
			a, b := rowOf(last[0], dn), rowOf(p, dn)
			if !differ(a, b) {
				continue
			}
			f := Finding{Text: fmt.Sprintf(text, dn), Keys: []string{dn}, Nodes: []string{last[0].Node, p.Node}}
			for _, q := range []*history.Poll{last[0], p} {
				f.Events = append(f.Events, sighting{Span{q.Asked, q.Answered}, q.Node, rowOf(q, dn), "ListDNs"}.event())
			}
			out = append(out, f)
		}
	}
	return out, looked
}

// settled tells whether the truth itself says what the DN must be.
func (m *model) settled(t *truth, s Span) bool {
	for _, in := range t.in {
		if in.cover(s) {
			return true
		}
	}
	for _, e := range t.out {
		if e.contains(s) {
			return true
		}
	}
	return false
}

// lastTables are the last tables of the running nodes within the quiet at the
// end of the run, and the time that they span.
func (m *model) lastTables() ([]*history.Poll, Span) {
	calm := m.allCalm()
	i := calm.find(m.h.End)
	if i == len(calm) {
		return nil, Span{}
	}
	byNode := map[string]*history.Poll{}
	for j := range m.h.Polls {
		if p := &m.h.Polls[j]; p.View == history.Table && p.Error == "" && p.Asked >= calm[i].From+m.b.Spread {
			byNode[p.Node] = p
		}
	}
	var out []*history.Poll
	seen := Span{history.Never, 0}
	for _, n := range m.regular {
		if p := byNode[n]; p != nil {
			out = append(out, p)
			seen = Span{min(seen.From, p.Asked), max(seen.To, p.Answered)}
		}
	}
	return out, seen
}

func rowOf(p *history.Poll, dn string) history.Row {
	for _, r := range p.Rows {
		if r.DN == dn {
			return r
		}
	}
	return history.Row{DN: dn}
}
