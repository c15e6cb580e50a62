package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// leadership is S11: one leader a term; a minority follower that is healed
// deposes nobody.
func leadership(m *model) ([]Finding, int) {
	leaders := m.leaders()
	var out []Finding
	for _, term := range slices.SortedFunc(maps.Keys(leaders), func(a, b reign) int {
		return cmp.Or(cmp.Compare(a.recovery, b.recovery), cmp.Compare(a.term, b.term))
	}) {
		var f Finding
		for _, s := range leaders[term] {
			f.Nodes = append(f.Nodes, s.Node)
			f.Events = append(f.Events, statusEvent(s))
		}
		if len(f.Nodes) > 1 {
			f.Text = fmt.Sprintf("%d nodes led in term %d", len(f.Nodes), term.term)
			out = append(out, f)
		}
	}
	looked := len(leaders)
	for i := range m.h.Faults {
		if f, tried := m.deposed(&m.h.Faults[i]); tried {
			looked++
			if f != nil {
				out = append(out, *f)
			}
		}
	}
	return out, looked
}

// reign is a term. Each recovery of a lost majority begins to count anew.
type reign struct {
	recovery string
	term     uint64
}

// leaders is by term who surely led in it: a node that said so twice in a row,
// because state and term are not read at one moment.
func (m *model) leaders() map[reign][]*history.Status {
	out := map[reign][]*history.Status{}
	last := map[string]*history.Status{}
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		if s.Error != "" {
			continue
		}
		before := last[s.Node]
		last[s.Node] = s
		if s.State != "leader" || before == nil || before.State != "leader" || before.Term != s.Term {
			continue
		}
		in := reign{s.Recovery, s.Term}
		if !slices.ContainsFunc(out[in], func(o *history.Status) bool { return o.Node == s.Node }) {
			out[in] = append(out[in], s)
		}
	}
	return out
}

// deposed looks at a cut: while it lasted, nodes that reached no majority must
// not have counted up their term, and thereby have ended the leader's after the heal.
func (m *model) deposed(f *history.Fault) (*Finding, bool) {
	s := sure(f)
	if len(f.Effect.Cut) == 0 || s.empty() || f.Healed == history.Never {
		return nil, false
	}
	if len(m.active(Span{f.Inject, plus(f.Healed, m.b.Converge)}, m.nodes...)) > 1 {
		return nil, false
	}
	after := Span{f.Heal, plus(f.Healed, m.b.Failover)} // the next election of the healed one may take a while
	for i := range m.h.Faults {
		if next := &m.h.Faults[i]; next.Inject > f.Healed {
			after.To = min(after.To, next.Inject)
		}
	}
	var alone, leader *history.Status // greatest term of the cut-off, of the leader
	for i := range m.h.Statuses {
		st := &m.h.Statuses[i]
		if st.Error != "" || !s.contains(Span{st.Asked, st.Answered}) {
			continue
		}
		if m.followers(st.Node, s) < min(m.members(s), voters)/2+1 {
			if alone == nil || st.Term > alone.Term {
				alone = st
			}
		} else if st.State == "leader" {
			leader = st
		}
	}
	if alone == nil || leader == nil {
		return nil, false
	}
	if alone.Term <= leader.Term {
		return nil, true
	}
	for i := range m.h.Statuses {
		st := &m.h.Statuses[i]
		if st.Error == "" && st.Node == leader.Node && after.contains(Span{st.Asked, st.Answered}) && st.Term >= alone.Term {
			return &Finding{
				Text:   fmt.Sprintf("%s counted up to term %d while it was cut off and deposed the leader %s after the heal", alone.Node, alone.Term, leader.Node),
				Nodes:  []string{alone.Node, leader.Node},
				Events: append(faultEvents(f, after.To), statusEvent(leader), statusEvent(alone), statusEvent(st)),
			}, true
		}
	}
	return nil, true
}

func statusEvent(s *history.Status) Event {
	e := Event{At: s.Asked, To: s.Answered, Node: s.Node, Text: fmt.Sprintf("%s, term %d, index %d, leader %q", s.State, s.Term, s.Applied, s.Leader)}
	for _, p := range s.Peers {
		if !p.Heard {
			e.Text += fmt.Sprintf(", does not hear %s (%s)", p.Node, p.Reason)
		}
	}
	if s.Error != "" {
		e.Text = "status: " + s.Error
	}
	return e
}
