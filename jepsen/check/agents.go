package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// agentTruth is what was asked about the agent of one DN.
type agentTruth struct {
	dn  string
	ops []*registration // ordered by invocation, those that surely failed left out
}

// agents compares what the tables say of agents with the last acknowledged
// request: it stays while the owner can't be heard, goes along with a move and
// survives the owner's end; who was ready is not when his desktop is lost. Returned are the findings of one statement: S7
// where the owner was started again since, otherwise S5.
func (m *model) agents(id ID) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, a := range m.agentTruths() {
		for i := range m.h.Polls {
			p := &m.h.Polls[i]
			if p.View != history.Table || p.Error != "" {
				continue
			}
			last, owner := m.lastAgent(a, p)
			if last == nil {
				continue
			}
			statement := ID("S5")
			if m.restarted(owner, last, p.Asked) {
				statement = "S7"
			}
			row := rowOf(p, a.dn)
			if statement != id {
				continue
			}
			one, other := m.agentAt(m.truth[a.dn], last, p)
			if looked++; row.Agent != one && row.Agent != other {
				out = append(out, Finding{
					Text:  fmt.Sprintf("%s showed the agent at DN %s as %q although it was acknowledged to be %q, and is %q by now", p.Node, a.dn, row.Agent, last.Arg, one),
					Nodes: []string{p.Node, last.Node}, Keys: []string{a.dn},
					Events: m.agentStory(a, last, p, row),
				})
			}
		}
	}
	if id == "S5" {
		differ, n := m.agentsDiffer()
		out, looked = append(out, differ...), looked+n
	}
	return merge(out), looked
}

// agentsDiffer compares the last tables of the nodes, whatever is true.
func (m *model) agentsDiffer() ([]Finding, int) {
	last, seen := m.lastTables()
	if len(last) < 2 {
		return nil, 0
	}
	var out []Finding
	looked := 0
	for _, a := range m.agentTruths() {
		open := slices.ContainsFunc(a.ops, func(o *registration) bool { return (Span{o.Invoke, o.latest}).overlaps(seen.wider(m.b.Spread)) })
		if open || m.mayChange(m.truth[a.dn], seen.wider(m.b.Spread)) {
			continue
		}
		for _, p := range last[1:] {
			looked++
			x, y := rowOf(last[0], a.dn), rowOf(p, a.dn)
			if x.Agent == y.Agent {
				continue
			}
			f := Finding{Text: fmt.Sprintf("in quiet two nodes showed different agents at DN %s", a.dn), Keys: []string{a.dn}, Nodes: []string{last[0].Node, p.Node}}
			for _, q := range []*history.Poll{last[0], p} {
				f.Events = append(f.Events, Event{At: q.Asked, To: q.Answered, Node: q.Node, Text: "ListDNs: DN " + a.dn + " with its agent " + rowOf(q, a.dn).Agent})
			}
			out = append(out, f)
		}
	}
	return out, looked
}

func (m *model) agentStory(a agentTruth, last *registration, p *history.Poll, row history.Row) []Event {
	events := []Event{opEvent(last.Op), {At: p.Asked, To: p.Answered, Node: p.Node,
		Text: fmt.Sprintf("ListDNs: DN %s %s, %s, agent %q", a.dn, inWords(history.Row{InSrv: row.InSrv, Owner: row.Owner}), row.Reason, row.Agent)}}
	for _, r := range m.truth[a.dn].regs {
		if r.Invoke >= last.Invoke && r.Invoke <= p.Answered {
			events = append(events, opEvent(r.Op))
		}
	}
	for _, f := range m.active(Span{last.Invoke, p.Answered}, m.nodes...) {
		events = append(events, faultEvents(f, p.Answered)...)
	}
	return events
}

func (m *model) agentTruths() []agentTruth {
	byDN := map[string]*agentTruth{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Agent || op.Outcome == history.Fail || m.truth[op.Key] == nil {
			continue
		}
		if byDN[op.Key] == nil {
			byDN[op.Key] = &agentTruth{dn: op.Key}
		}
		byDN[op.Key].ops = append(byDN[op.Key].ops, &registration{Op: op, latest: m.latest(op)})
	}
	var out []agentTruth
	for _, dn := range m.dns {
		if a := byDN[dn]; a != nil {
			out = append(out, *a)
		}
	}
	return out
}

// lastAgent returns the request that the poll surely has to show and the node
// that keeps the DN by then; nil when something speaks against it.
func (m *model) lastAgent(a agentTruth, p *history.Poll) (*registration, string) {
	s := Span{p.Asked, p.Answered}
	var last *registration
	for _, o := range a.ops {
		if o.OK() && o.Return <= s.From-m.b.Spread {
			last = o
		}
	}
	if last == nil || m.agentsAtRisk(Span{last.Invoke, s.To}) {
		return nil, ""
	}
	for _, o := range a.ops {
		if o != last && o.Invoke <= s.To && o.latest >= last.Invoke {
			return nil, ""
		}
	}
	said := Span{last.Invoke, last.Return + m.b.Spread}
	first := m.truth[a.dn].owner(said)
	owner := m.moved(m.truth[a.dn], last, first, s)
	if owner == "" || !m.knows(p.Node, first, owner, said, s) {
		return nil, ""
	}
	return last, owner
}

// agentsAtRisk tells whether a fault may lose what a node stored, or a false
// peer or a wrong clock disturb it.
func (m *model) agentsAtRisk(s Span) bool {
	if s.To >= m.clockWrong {
		return true
	}
	return slices.ContainsFunc(m.active(s.wider(m.b.ConvergeRestart), m.nodes...), func(f *history.Fault) bool {
		e := &f.Effect
		return len(e.Full) > 0 || len(e.Wiped) > 0 || len(e.Lies) > 0
	}) || slices.ContainsFunc(m.nodes, func(n string) bool { return m.away[n].touch(s) })
}

// owner is the node that surely owns the DN in s.
func (t *truth) owner(s Span) string {
	for node, in := range t.in {
		if in.cover(s) {
			return node
		}
	}
	return ""
}

// moved is the node to which the DN went since; "" when that is open or the
// next owner may not have known of the agent. It knows by the first owner, also
// when it hears none of those between, unless it or that one was started again.
func (m *model) moved(t *truth, last *registration, owner string, s Span) string {
	first := owner
	for _, r := range t.regs {
		switch {
		case owner == "" || r.Invoke > s.To:
			return owner
		case r.latest < last.Invoke || r.Node == owner:
		case !r.OK() || r.latest >= s.From-m.b.Spread, !m.calm(r.Node, first, Span{last.Invoke, last.Return + m.b.Spread}):
			return ""
		case !m.calm(r.Node, owner, Span{max(0, r.Invoke-m.b.Spread), r.Invoke}) && !m.remembers(r.Node, first, owner, Span{last.Invoke, r.latest}):
			return ""
		default:
			owner = r.Node
		}
	}
	return owner
}

// knows tells whether the node surely was told: by the present owner, or by
// that of then.
func (m *model) knows(node, first, owner string, said, now Span) bool {
	return m.calm(node, owner, Span{max(0, now.From-m.b.Spread), now.To}) ||
		m.calm(node, first, said) && m.remembers(node, first, owner, Span{said.From, now.To})
}

// remembers tells whether the node surely still knows what the first owner
// told it, if it hears nothing of the present one: they ran since. An owner that
// is started again has stored what it keeps, and no more.
func (m *model) remembers(node, first, owner string, since Span) bool {
	return !m.stopped[node].touch(since) && (owner == first || !m.stopped[first].touch(since))
}
