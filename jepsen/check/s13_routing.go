package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// answerBound is how long a call to a DN whose owner is lost may stay open.
	answerBound = 5 * time.Second
	// overloaded is the reason phrase of a node to which more comes than it serves.
	overloaded = "Service Unavailable"
	// someRefused of a node's calls, and refusedShare of them (one in so many), may be refused
	// for that; more are no exception any more.
	someRefused, refusedShare = 3, 10
)

// routed is S13: a call rings at one telephone at a time, that of the number
// that was dialled; nobody but one answers it; and when the DN's owner is lost
// the caller is told soon.
func routed(m *model) ([]Finding, int) {
	homes := m.homes()
	var out []Finding
	looked := 0
	for _, c := range m.calls() {
		looked += 1 + len(c.rings)
		out = append(out, m.rangTwice(c)...)
		out = append(out, m.answeredTwice(c)...)
		home := homes[c.dial.Key]
		if home == "" {
			continue
		}
		out = append(out, c.rangElsewhere()...)
		out = append(out, m.intoTheVoid(c, home)...)
		out = append(out, m.refusedInPeace(c, home)...)
	}
	return append(out, m.refusesMany()...), looked
}

// tooMuch tells whether a call was refused by a node to which more came than it serves:
// it says when to call again (RFC 3261 §21.5.4), which no telephone here does.
func tooMuch(op *history.Op) bool {
	return op.Code == "503" && op.Later && strings.HasSuffix(op.Error, overloaded)
}

// refusesMany: a node calls itself overloaded all the time.
func (m *model) refusesMany() (out []Finding) {
	all, refused := map[string]int{}, map[string][]*history.Op{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Dial || op.Code == "" {
			continue
		}
		if all[op.Node]++; tooMuch(op) {
			refused[op.Node] = append(refused[op.Node], op)
		}
	}
	for _, node := range m.nodes {
		if n := len(refused[node]); n > someRefused && n*refusedShare > all[node] {
			first, last := refused[node][0], refused[node][n-1]
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s refused %d of %d calls as too many", node, n, all[node]),
				Nodes: []string{node}, Window: Span{first.Invoke, last.Return}, Times: n, Events: []Event{opEvent(first), opEvent(last)},
			})
		}
	}
	return out
}

// rangTwice: two telephones ring at a time, and nothing kept the first one from
// hearing that it is no more called.
func (m *model) rangTwice(c *phoneCall) []Finding {
	for i, a := range c.rings {
		for _, b := range c.rings[i+1:] {
			until := min(a.Return, b.Return)
			s := Span{b.Invoke, until}
			if a.Code == "486" || b.Code == "486" || a.Key == b.Key && a.Outcome == history.Unknown || s.To-s.From <= m.b.Spread {
				continue
			}
			if m.signals(c.dial.Node, a.Node).cover(Span{minus(a.Invoke, m.b.Spread), until}) {
				return []Finding{{
					Text:  fmt.Sprintf("a call of %s rang at %s and at %s at a time, for %v", c.dial.From, a.Key, b.Key, round(s.To-s.From)),
					Nodes: []string{c.dial.Node, a.Node, b.Node}, Keys: []string{a.Key, b.Key}, Window: s,
					Events: []Event{opEvent(c.dial), opEvent(a), opEvent(b)},
				}}
			}
		}
	}
	return nil
}

// answeredTwice: two telephones are in the call, for longer than it takes to tell
// one of them that it came too late.
func (m *model) answeredTwice(c *phoneCall) []Finding {
	for i, a := range c.talks {
		for _, b := range c.talks[i+1:] {
			s := Span{max(a.Invoke, b.Invoke), min(a.Return, b.Return)}
			if s.To-s.From > m.b.Local {
				return []Finding{{
					Text:  fmt.Sprintf("%s and %s both answered a call of %s, and were in it for %v", a.Key, b.Key, c.dial.From, round(s.To-s.From)),
					Nodes: []string{c.dial.Node, a.Node, b.Node}, Keys: []string{a.Key, b.Key}, Window: s,
					Events: []Event{opEvent(c.dial), opEvent(a), opEvent(b)},
				}}
			}
		}
	}
	return nil
}

func (c *phoneCall) rangElsewhere() []Finding {
	for _, r := range c.rings {
		if r.Key != c.dial.Key {
			return []Finding{{
				Text:  fmt.Sprintf("a call of %s to %s rang at %s", c.dial.From, c.dial.Key, r.Key),
				Nodes: []string{c.dial.Node, r.Node}, Keys: []string{c.dial.Key, r.Key}, Events: []Event{opEvent(c.dial), opEvent(r)},
			}}
		}
	}
	return nil
}

// intoTheVoid: the DN's owner is lost, before the call or while it rings, and
// the caller is told nothing.
func (m *model) intoTheVoid(c *phoneCall, home string) []Finding {
	op := c.dial
	if op.Arg == "" || op.Node == home {
		return nil
	}
	for _, q := range m.silent[pair{From: home, To: op.Node}] {
		deadline := max(op.Invoke, q.From) + max(answerBound, q.bound+m.b.Local)
		if op.Invoke > plus(q.From, q.bound) { // the node knows it
			deadline = op.Invoke + m.b.Local
		}
		s := Span{op.Invoke, deadline}
		if q.To < deadline || op.Return <= deadline || !m.hears(op.Node, op.Node).cover(s) || !m.signals(op.Node, op.Node).cover(s) {
			continue
		}
		return []Finding{{
			Text: fmt.Sprintf("the owner of %s was lost for %s, whose call of %s to it was neither answered nor refused within %v",
				op.Key, op.Node, op.From, round(deadline-max(op.Invoke, q.From))),
			Nodes: []string{op.Node, home}, Keys: []string{op.From, op.Key}, Window: Span{max(op.Invoke, q.From), op.Return},
			Events: append(faultEvents(q.fault, op.Return), c.story(op.Return)...),
		}}
	}
	return nil
}

// refusedInPeace: a call to a telephone that is registered where its node hears
// the caller's is refused by somebody else.
func (m *model) refusedInPeace(c *phoneCall, home string) []Finding {
	op := c.dial
	if op.OK() || op.Code == "486" || op.Code == "487" || op.Return == history.Never {
		return nil
	}
	if op.Code == "" && op.Return < op.Invoke+answerBound {
		return nil // the caller did not wait for an answer: the run ended
	}
	if m.sentAway(op) || tooMuch(op) && len(c.rings) == 0 {
		return nil
	}
	s := Span{minus(op.Invoke, m.b.Local), op.Return}
	known := s // to the caller's node
	if len(c.rings) > 0 {
		known.From = c.rings[0].Invoke
	}
	if !m.signals(op.Node, home).cover(s) || !m.enrolled(op.Key, home, known) || !m.enrolled(op.From, op.Node, Span{op.Invoke, op.Return}) {
		return nil
	}
	return []Finding{{
		Text:  fmt.Sprintf("a call of %s to %s, whose telephone was registered, got %s", op.From, op.Key, answerOf(op)),
		Nodes: []string{op.Node, home}, Keys: []string{op.From, op.Key}, Window: Span{op.Invoke, op.Return}, Events: c.story(op.Return),
	}}
}

// enrolled tells whether the telephone surely is registered all the time: it is
// since the node last started, or lost its store.
func (m *model) enrolled(dn, node string, s Span) bool {
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind == history.Enrol && op.Key == dn && op.OK() && op.Return < s.From && !m.stopped[node].touch(Span{op.Return, s.To}) {
			return true
		}
	}
	return false
}
