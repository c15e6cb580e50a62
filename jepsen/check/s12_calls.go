package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// callsSurvive is S12: a call whose signalling does not cross a fault works, its
// requests are answered; a node that hears the call's node shows it while it is
// up, and no more when it is over.
func callsSurvive(m *model) ([]Finding, int) {
	calls, watches := m.calls(), m.watches()
	out, looked := m.callsWork(calls)
	lost, n := m.byesArrive(calls)
	out, looked = append(out, lost...), looked+n
	dangling, n := m.callsEnd(calls, watches)
	out, looked = append(out, dangling...), looked+n
	missing, n := m.callsShown(calls, watches)
	return append(out, missing...), looked + n
}

// callsWork judges the requests within calls.
func (m *model) callsWork(calls []*phoneCall) ([]Finding, int) {
	var out []Finding
	looked := 0
	homes := m.homes()
	for _, c := range calls {
		if !c.dial.OK() || len(c.talks) != 1 || homes[c.dial.From] == "" || homes[c.talks[0].Key] == "" {
			continue
		}
		x, y := c.dial.Node, c.talks[0].Node
		signals := m.signals(x, y)
		for _, w := range c.within {
			if !signals.cover(Span{c.talks[0].Invoke, w.Return}) && !signals.cover(Span{minus(w.Invoke, m.b.Spread), w.Return}) {
				continue
			}
			if looked++; !w.OK() && !c.crossed(w) {
				out = append(out, Finding{
					Text: fmt.Sprintf("%s within the call of %s to %s was not answered (%s) although nothing kept %s from %s",
						w.From, c.dial.From, c.talks[0].Key, answerOf(w), x, y),
					Nodes: []string{x, y}, Keys: []string{c.dial.From, c.talks[0].Key},
					Window: Span{w.Invoke, w.Return}, Events: []Event{opEvent(c.dial), opEvent(c.talks[0]), opEvent(w)},
				})
			}
		}
	}
	return out, looked
}

// crossed tells whether the request met the end of the call, by the other side's BYE.
func (c *phoneCall) crossed(w *history.Op) bool {
	return w.Code == "481" && slices.ContainsFunc(c.within, func(o *history.Op) bool {
		return o.From == "BYE" && o.Key != w.Key && o.Invoke <= w.Return
	})
}

func answerOf(op *history.Op) string {
	if op.Code != "" {
		return op.Code + " " + op.Error
	}
	return "nothing came"
}

// callsEnd looks for calls that are shown although they are over.
func (m *model) callsEnd(calls []*phoneCall, watches []*watched) ([]Finding, int) {
	of, first := byCaller(calls), firstSeen(watches)
	var out []Finding
	looked := 0
	for _, w := range watches {
		for _, s := range w.all {
			if of[s.caller] == nil {
				continue
			}
			looked++
			over, last := m.overAt(of[s.caller], s, first[s.id])
			if over == history.Never {
				continue
			}
			bad := m.stale(s, over)
			if bad.empty() {
				continue
			}
			f := Finding{
				Text:  fmt.Sprintf("%s showed a call of %s at %s %v after it was over", s.node, s.caller, s.origin, round(bad.To-over)),
				Nodes: []string{s.node, s.origin}, Keys: []string{s.caller}, Window: Span{over, bad.To},
				Events: append(last.story(bad.To), s.event(), Event{At: bad.To, To: bad.To, Node: s.node, Text: "still shows call " + s.id}),
			}
			out = append(out, f)
		}
	}
	return out, looked
}

func (s *shown) event() Event {
	return Event{At: s.From, To: s.From, Node: s.node, Text: fmt.Sprintf("call %s of %s at %s: %s", s.id, s.caller, s.origin, s.from.Call.State)}
}

// overAt is when the call that is shown surely was over at its node. It is one
// of those that its caller had placed when anybody first heard of it.
func (m *model) overAt(placed []*phoneCall, s *shown, first time.Duration) (time.Duration, *phoneCall) {
	over := time.Duration(0)
	var last *phoneCall
	for _, c := range placed {
		if c.dial.Invoke > first {
			break
		}
		end := m.over(c)
		carried := len(c.talks) > 0 && c.talks[0].Node != s.origin // it goes on without its node
		if i := slices.IndexFunc(m.deaths[s.origin], func(at time.Duration) bool { return at >= first }); i >= 0 && !carried {
			end = min(end, m.deaths[s.origin][i])
		}
		if over, last = max(over, end), c; over == history.Never {
			return over, c
		}
	}
	if last == nil {
		return history.Never, nil
	}
	return over, last
}

// stale is the first stretch, longer than a change takes, in which the call is
// shown although it is over and the node hears the call's.
func (m *model) stale(s *shown, over time.Duration) Span {
	late := Span{max(s.From, plus(over, m.b.Spread)), min(s.To, m.h.End)}
	hears := m.hears(s.node, s.origin)
	for _, q := range m.silent[pair{From: s.origin, To: s.node}] { // a killed node's
		if slices.Contains(q.fault.Effect.Down, s.origin) && q.fault.Confirmed <= over+m.b.Converge && !m.cutNear(s, q) {
			hears = append(slices.Clone(hears), Span{plus(max(q.From, over), m.b.LossHung), q.To})
		}
	}
	for _, q := range hears {
		if bad := late.common(q); bad.To-bad.From > m.b.Spread {
			return bad
		}
	}
	return Span{0, -1}
}

// cutNear tells whether the nodes were perhaps cut from each other too, so that
// nobody can tell a death from a cut.
func (m *model) cutNear(s *shown, q silence) bool {
	near := Span{minus(q.fault.Inject, m.b.ConvergeRestart), q.To}
	return m.cut[pair{From: s.origin, To: s.node}].touch(near) || m.cut[pair{From: s.node, To: s.origin}].touch(near)
}

// hears is when a node surely knows everything that another one tells.
func (m *model) hears(x, y string) spans {
	if x != y {
		return m.shaken[pair{From: y, To: x}].rest().both(m.shaken[pair{From: x, To: y}].rest())
	}
	var bad []Span
	for _, s := range slices.Concat(m.stopped[x], m.away[x]) {
		bad = append(bad, Span{s.From, plus(s.To, m.b.Restart)})
	}
	return union(bad...).rest()
}

// callsShown looks for calls that are up and not shown.
func (m *model) callsShown(calls []*phoneCall, watches []*watched) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, c := range calls {
		up := m.up(c)
		if up.empty() {
			continue
		}
		up = Span{plus(up.From, m.b.Spread), min(up.To, m.restart(c.dial))}
		for _, w := range watches {
			must := spans{up.common(Span{plus(w.From, m.b.Spread), w.To})}.both(m.hears(w.node, c.dial.Node))
			if len(must) == 0 {
				continue
			}
			looked++
			bad := w.gap(c, must, m.b.Spread)
			if bad.empty() {
				continue
			}
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s did not show the call of %s to %s at %s for %v although it was up", w.node, c.dial.From, c.dial.Key, c.dial.Node, round(bad.To-bad.From)),
				Nodes: []string{w.node, c.dial.Node}, Keys: []string{c.dial.From, c.talks[0].Key}, Window: bad,
				Events: append(c.story(bad.To), Event{At: bad.From, To: bad.To, Node: w.node, Text: "the call is not shown"}),
			})
		}
	}
	return out, looked
}

// restart is when the node's process may first have ended since the call began.
func (m *model) restart(op *history.Op) time.Duration {
	at := history.Never
	for _, l := range m.h.Lives {
		if l.Node == op.Node && l.At >= op.Invoke && l.Kind != history.Stopped && l.Kind != history.Resumed {
			at = min(at, l.At)
		}
	}
	for i := range m.h.Faults {
		if f := &m.h.Faults[i]; slices.Contains(f.Effect.Down, op.Node) && f.Inject >= op.Invoke {
			at = min(at, f.Inject)
		}
	}
	return at
}

// gap is the first stretch of the spans, longer than the bound, in which the
// session does not show the call as established.
func (w *watched) gap(c *phoneCall, must spans, bound time.Duration) Span {
	var there []Span
	for _, s := range w.all {
		if s.caller == c.dial.From && s.origin == c.dial.Node {
			there = append(there, s.talks)
		}
	}
	for _, bad := range must.both(union(there...).rest()) {
		if bad.To-bad.From > bound {
			return bad
		}
	}
	return Span{0, -1}
}
