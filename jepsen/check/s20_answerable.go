package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// firstWord is how long a phone may take for its first response to an INVITE.
const firstWord = 2 * time.Second

// answerable is S20: a DN whose phone said nothing to an INVITE is routable at no node that
// hears its owner, until the phone registers anew. Then it is, and never was it out of service.
func answerable(m *model) ([]Finding, int) {
	calls := m.calls()
	out := once{said: map[string]int{}}
	looked := 0
	for i := range m.h.Ops {
		q := &m.h.Ops[i]
		if q.Kind != history.Silence {
			continue
		}
		vain := m.unanswered(calls, q)
		for k := range m.h.Holds {
			look := &m.h.Holds[k]
			s := Span{look.Asked, look.Answered}
			if vain.contains(s) && m.calm(q.Node, look.Node, s) {
				looked++
				if slices.Contains(look.Free, q.Key) {
					out.add(fmt.Sprint(q.ID, look.Node), func() Finding {
						return m.answers(q, look, "as routable, whose phone at %s had not said a word to a call")
					})
				}
			}
		}
	}
	looked += m.speaks(&out)
	return out.all, looked
}

// answers is a finding about a telephone that fell silent, or registered.
func (m *model) answers(op *history.Op, look *history.Holds, as string) Finding {
	return Finding{
		Text:  fmt.Sprintf("%s showed DN %s "+as, look.Node, op.Key, op.Node),
		Nodes: []string{look.Node, op.Node}, Keys: []string{op.Key}, Times: 1,
		Events: []Event{opEvent(op), {At: look.Asked, To: look.Answered, Node: look.Node, Text: "ListDNs: DN " + op.Key}},
	}
}

// speaks judges telephones that fall silent where they stay: behind a registration
// each is routable, or in a call, until it is silent again, and in service also then.
func (m *model) speaks(out *once) (looked int) {
	type standing struct{ enrolled, last *history.Op }
	now := map[string]standing{} // the registration, and that or the silence behind it
	silent := map[string]bool{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		silent[op.Key] = silent[op.Key] || op.Kind == history.Silence && op.Arg == ""
	}
	next := 0
	for k := range m.h.Holds {
		look := &m.h.Holds[k]
		for ; next < len(m.h.Ops) && m.h.Ops[next].Invoke <= look.Answered; next++ {
			op := &m.h.Ops[next]
			switch was := now[op.Key]; {
			case !silent[op.Key]:
			case op.Kind == history.Silence && was.enrolled != nil:
				now[op.Key] = standing{was.enrolled, op}
			case op.Kind == history.Enrol && op.Outcome != history.Fail:
				now[op.Key] = standing{op, op}
			}
		}
		for dn, is := range now {
			op, s := is.last, Span{minus(look.Asked, m.b.Spread), look.Answered}
			if op.Return > s.From || !is.enrolled.OK() || !m.stays(is.enrolled, look.Node, s) {
				continue
			}
			looked++
			switch shown := slices.Contains(look.Free, dn) || slices.Contains(look.Busy, dn) || slices.Contains(look.DNs, dn); {
			case slices.Contains(look.Out, dn):
				out.add(fmt.Sprint("out", op.ID, look.Node), func() Finding { return m.answers(op, look, "as out of service, which was registered at %s") })
			case op.Kind == history.Enrol && !shown:
				out.add(fmt.Sprint("dumb", op.ID, look.Node), func() Finding { return m.answers(op, look, "as not routable, whose phone had registered at %s since") })
			}
		}
	}
	return looked
}

// stays tells whether the telephone surely is as it was at the operation, as the node
// must know.
func (m *model) stays(op *history.Op, node string, s Span) bool {
	since := Span{op.Return, s.To}
	return m.calm(op.Node, node, s) && m.signals(op.Node, node).cover(s) && !m.stopped[op.Node].touch(since) && s.To < m.clockWrong
}

// unanswered is the time in which everybody must know that the telephone does not
// answer: behind a call to it, until it registers with another device. None when
// the silent one was not where it was registered, or another one rang.
func (m *model) unanswered(calls []*phoneCall, q *history.Op) Span {
	since, until := history.Never, m.h.End
	last := ""
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch {
		case op.Key != q.Key:
		case op.Kind == history.Enrol && op.Invoke < q.Invoke:
			if op.Outcome != history.Fail {
				last = op.Process
			}
		case op.Kind == history.Enrol:
			until = min(until, op.Invoke)
		case op.Kind == history.Ring && op.Invoke > q.Invoke:
			until = min(until, op.Invoke)
		}
	}
	if last == "" || !strings.HasPrefix(q.Process, last+"/") {
		return Span{0, -1}
	}
	for _, c := range calls {
		if d := c.dial; d.Key == q.Key && d.Invoke > q.Return && d.Invoke < until {
			at := d.Invoke + firstWord + m.b.Spread
			if m.signals(d.Node, q.Node).cover(Span{minus(q.Invoke, m.b.Spread), at}) && d.Return >= d.Invoke+firstWord {
				since = min(since, at)
			}
		}
	}
	return Span{since, until}
}
