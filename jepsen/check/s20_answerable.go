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
// hears its owner, until the phone registers anew.
func answerable(m *model) ([]Finding, int) {
	calls := m.calls()
	out := once{said: map[string]int{}}
	looked := 0
	for _, c := range calls {
		for _, q := range c.silences {
			since, until := m.unanswered(calls, q)
			if since >= until {
				continue
			}
			for i := range m.h.Holds {
				look := &m.h.Holds[i]
				s := Span{look.Asked, look.Answered}
				if !(Span{since, until}).contains(s) || !m.calm(q.Node, look.Node, s) {
					continue
				}
				looked++
				if slices.Contains(look.Free, q.Key) {
					out.add(fmt.Sprint(q.ID, look.Node), func() Finding {
						return Finding{
							Text:  fmt.Sprintf("%s showed DN %s as routable, whose phone at %s had not said a word to a call", look.Node, q.Key, q.Node),
							Nodes: []string{look.Node, q.Node}, Keys: []string{q.Key}, Times: 1,
							Events: []Event{opEvent(q), {At: look.Asked, To: look.Answered, Node: look.Node, Text: "ListDNs: " + q.Key + " is routable"}},
						}
					})
				}
			}
		}
	}
	return out.all, looked
}

// unanswered is the time in which everybody must know that the telephone does not
// answer: behind a call to it, until it registers with another device. None when
// the silent one was not where it was registered, or another one rang.
func (m *model) unanswered(calls []*phoneCall, q *history.Op) (since, until time.Duration) {
	since, until = history.Never, m.h.End
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
		return 0, 0
	}
	for _, c := range calls {
		if d := c.dial; d.Key == q.Key && d.Invoke > q.Return && d.Invoke < until {
			at := d.Invoke + firstWord + m.b.Spread
			if m.signals(d.Node, q.Node).cover(Span{minus(q.Invoke, m.b.Spread), at}) && d.Return >= d.Invoke+firstWord {
				since = min(since, at)
			}
		}
	}
	return since, until
}
