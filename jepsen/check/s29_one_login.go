package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// oneLogin is S29: an agent is logged in at one DN. No node ever shows a person at two; one
// that hears where he has logged in last shows him there and nowhere else, after a heal
// too; and whom he left, nobody gets.
func oneLogin(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, p := range m.persons() {
		for _, part := range []func(*person) ([]Finding, int){m.shownTwice, m.shownElsewhere, m.reservedTwice} {
			found, n := part(p)
			out, looked = append(out, found...), looked+n
		}
	}
	return merge(out), looked
}

// person is what was asked about one agent.
type person struct {
	id    string
	desks []string
	ops   []*registration // ordered by invocation, those that surely failed left out
}

// persons in the order of their ids.
func (m *model) persons() []*person {
	var all []*person
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Person {
			continue
		}
		j := slices.IndexFunc(all, func(p *person) bool { return p.id == op.From })
		if j < 0 {
			j, all = len(all), append(all, &person{id: op.From})
		}
		p := all[j]
		if !slices.Contains(p.desks, op.Key) {
			p.desks = append(p.desks, op.Key)
		}
		if op.Outcome != history.Fail {
			p.ops = append(p.ops, &registration{Op: op, latest: m.latest(op)})
		}
	}
	return all
}

// isIn tells whether what a table says of an agent is that the person is logged in.
func (p *person) isIn(agent string) bool {
	words := strings.Fields(agent)
	return len(words) > 1 && words[1] == p.id && words[0] != "logged-out"
}

// shown are the desks at which a poll has the person logged in.
func (p *person) shown(poll *history.Poll) (at []history.Row) {
	for _, dn := range p.desks {
		if row := rowOf(poll, dn); p.isIn(row.Agent) {
			at = append(at, row)
		}
	}
	return at
}

// shownTwice finds two tables of a node, one after the other, that both have a person at
// the same two desks: between them he was at both.
func (m *model) shownTwice(p *person) (out []Finding, looked int) {
	last := map[string]*history.Poll{}
	for i := range m.h.Polls {
		poll := &m.h.Polls[i]
		if poll.View != history.Table || poll.Error != "" {
			continue
		}
		before := last[poll.Node]
		last[poll.Node] = poll
		if before == nil || before.Answered > poll.Asked {
			continue
		}
		looked++
		is := p.shown(poll)
		is = slices.DeleteFunc(is, func(r history.Row) bool { return rowOf(before, r.DN).Agent != r.Agent })
		if len(is) < 2 || m.agentsAtRisk(Span{before.Asked, poll.Answered}) {
			continue
		}
		out = append(out, Finding{
			Text: fmt.Sprintf("%s showed agent %s logged in at DN %s and at DN %s", poll.Node, p.id, is[0].DN, is[1].DN), Nodes: []string{poll.Node},
			Keys: []string{is[0].DN, is[1].DN}, Events: append(tableEvents(before, is), tableEvents(poll, is)...),
		})
	}
	return out, looked
}

func tableEvents(p *history.Poll, rows []history.Row) (out []Event) {
	for _, r := range rows {
		out = append(out, Event{At: p.Asked, To: p.Answered, Node: p.Node, Text: fmt.Sprintf("ListDNs: DN %s with its agent %q", r.DN, rowOf(p, r.DN).Agent)})
	}
	return out
}

// lastLogin is the login by which the person surely is logged in during all of s; nil when
// something speaks against it, or there is none.
func (m *model) lastLogin(p *person, s Span) (last *registration) {
	for _, o := range p.ops {
		if o.OK() && o.Return <= s.From-m.b.Spread && strings.HasPrefix(o.Arg, "logged-in") {
			last = o
		}
	}
	if last == nil || m.agentsAtRisk(Span{last.Invoke, s.To}) {
		return nil
	}
	for _, o := range p.ops {
		if o != last && o.Invoke <= s.To && o.latest >= last.Invoke && !strings.HasPrefix(o.Arg, "ready") {
			return nil
		}
	}
	return last
}

// shownElsewhere finds tables of nodes that hear where a person logged in last and don't
// have him there alone.
func (m *model) shownElsewhere(p *person) (out []Finding, looked int) {
	for i := range m.h.Polls {
		poll := &m.h.Polls[i]
		s := Span{poll.Asked, poll.Answered}
		if poll.View != history.Table || poll.Error != "" {
			continue
		}
		last := m.lastLogin(p, s)
		if last == nil || !m.calm(poll.Node, last.Node, Span{max(0, s.From-m.b.Spread), s.To}) {
			continue
		}
		looked++
		at := p.shown(poll)
		if len(at) == 1 && at[0].DN == last.Key {
			continue
		}
		f := Finding{
			Text:  fmt.Sprintf("%s did not show agent %s at DN %s alone, where he logged in last", poll.Node, p.id, last.Key),
			Nodes: []string{poll.Node, last.Node}, Keys: []string{last.Key},
			Events: append([]Event{opEvent(last.Op)}, tableEvents(poll, append([]history.Row{{DN: last.Key}}, at...))...),
		}
		for _, o := range p.ops {
			if o.Invoke < last.Invoke && o.Invoke+m.b.ConvergeRestart > last.Invoke {
				f.Events = append(f.Events, opEvent(o.Op))
			}
		}
		for _, fault := range m.active(Span{last.Invoke, s.To}, m.nodes...) {
			f.Events = append(f.Events, faultEvents(fault, s.To)...)
		}
		out = append(out, f)
	}
	return out, looked
}

// reservedTwice finds reservations of a DN that its agent left by a login at another one,
// of which the DN's node surely knew.
func (m *model) reservedTwice(p *person) (out []Finding, looked int) {
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Reserve || !slices.Contains(p.desks, op.Key) || op.Outcome == history.Unknown {
			continue
		}
		s := Span{op.Invoke, op.Return}
		last := m.lastLogin(p, s)
		if last == nil || last.Key == op.Key || !m.left(p, op.Key, last) || !m.calm(last.Node, op.Node, Span{max(0, s.From-m.b.Spread), s.To}) {
			continue
		}
		if looked++; op.OK() {
			out = append(out, Finding{
				Text:  fmt.Sprintf("agent %s was reserved at DN %s, which he had left for DN %s", p.id, op.Key, last.Key),
				Nodes: []string{op.Node, last.Node}, Keys: []string{op.Key, last.Key}, Events: []Event{opEvent(last.Op), opEvent(op)},
			})
		}
	}
	return out, looked
}

// left tells whether the person surely was logged in at a desk until a login at another one.
func (m *model) left(p *person, dn string, by *registration) bool {
	in := false
	for _, o := range p.ops {
		if o.Invoke >= by.Invoke {
			break
		}
		if !o.OK() || o.latest >= by.Invoke {
			return false
		}
		if o.Key == dn {
			in = !strings.HasPrefix(o.Arg, "logged-out")
		}
	}
	return in
}
