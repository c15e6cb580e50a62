package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// classify says which statement is broken when s should show the DN InSrv at
// p, by registration r.
func (m *model) classify(t *truth, p string, s sighting, r *registration) ID {
	other := s.row.Owner != "" && s.row.Owner != p
	ended := s.row.Reason == "expired" || s.row.Reason == "unregistered" || s.row.Reason == "desktop-lost" && r.session
	switch {
	case !other && m.drained(p, r, s) && !m.restarted(p, r, s.From):
		return "S26"
	case m.onlyClock(Span{r.Return, s.To}, s, p):
		return "S17"
	case other && m.cameBack(t, s, s.row.Owner):
		return "S16"
	case other:
		return "S3"
	case s.node == p && m.restarted(p, r, s.From):
		return "S7"
	case ended:
		return "S4"
	case s.node == p:
		return "S2"
	case s.row.Reason == "peer-lost":
		return "S15"
	case len(t.nodes) > 1:
		return "S3"
	default:
		return "S5"
	}
}

// classifyEnd says which statement is broken when the DN is still InSrv: a
// lifetime may have been lengthened by a wrong clock or by a restart.
func (m *model) classifyEnd(e ended, s sighting) ID {
	byTime := e.last.Expires > 0 && e.last.end == e.last.latest+e.last.Expires+m.b.Expiry
	switch {
	case byTime && m.clockActive(Span{e.last.Invoke, s.To}, s.node, e.node):
		return "S17"
	case byTime && m.restarted(e.node, e.last, s.From):
		return "S7"
	default:
		return "S4"
	}
}

// count notes which statements the sighting tries.
func (v *viewer) count(t *truth, p string, s sighting, r *registration) {
	looked := v.m.looked
	if v.m.drained(p, r, s) {
		looked["S26"]++
	}
	if s.node != p {
		looked["S5"]++
		looked["S15"]++
	} else if looked["S2"]++; v.m.restarted(p, r, s.From) {
		looked["S7"]++
	}
	if len(t.nodes) > 1 {
		looked["S3"]++
		for _, o := range t.nodes {
			if o != p && v.m.cameBack(t, s, o) {
				looked["S16"]++
			}
		}
	}
	if s.From >= v.m.clockWrong && v.m.clockActive(Span{r.Return, s.To}, s.node, p) {
		looked["S17"]++
	}
}

// clockActive tells whether a clock of these nodes was perhaps wrong.
func (m *model) clockActive(s Span, nodes ...string) bool {
	return slices.ContainsFunc(m.active(s, nodes...), func(f *history.Fault) bool { return len(f.Effect.Clock) > 0 })
}

// onlyClock tells whether a wrong clock is the only fault near.
func (m *model) onlyClock(since Span, s sighting, p string) bool {
	if since.To < m.clockWrong || !m.clockActive(since, s.node, p) {
		return false
	}
	near := Span{max(0, s.From-m.b.ConvergeRestart), s.To}
	return !slices.ContainsFunc(m.active(near, s.node, p), func(f *history.Fault) bool { return len(f.Effect.Clock) == 0 })
}

// cameBack tells whether the node was paused or restarted after its last
// registration of the DN and before the sighting.
func (m *model) cameBack(t *truth, s sighting, node string) bool {
	since := time.Duration(0)
	if r := t.latestOK(node, s.From); r != nil {
		since = r.Return
	}
	return slices.ContainsFunc(m.active(Span{since, s.To}, node), func(f *history.Fault) bool { return gone(f, node) })
}

// restarted tells whether the node's process was down since the registration.
func (m *model) restarted(node string, r *registration, by time.Duration) bool {
	return slices.ContainsFunc(m.active(Span{r.Return, by}, node), func(f *history.Fault) bool {
		return slices.Contains(f.Effect.Down, node)
	})
}

// lie returns the fault whose lie the sighting repeats.
func (m *model) lie(s sighting) *history.Fault {
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if s.To >= f.Inject && slices.ContainsFunc(f.Effect.Lies, func(l history.Row) bool {
			return l.DN == s.row.DN && l.InSrv == s.row.InSrv && l.Owner == s.row.Owner
		}) {
			return f
		}
	}
	return nil
}

// broken makes findings of the contradictions of one statement.
func (m *model) broken(id ID, say func(c *contradiction) string) []Finding {
	var out []Finding
	for i := range m.odd {
		c := &m.odd[i]
		if c.statement != id {
			continue
		}
		f := Finding{Text: say(c), Keys: c.dns, Nodes: []string{c.first.node}, Times: c.times}
		if c.want != "" {
			f.Nodes = append(f.Nodes, c.want)
		}
		f.Events = m.story(c)
		out = append(out, f)
	}
	return out
}

// story is the smallest window: the registration, the faults near, what the
// node said first and last.
func (m *model) story(c *contradiction) []Event {
	events := []Event{c.first.event()}
	if c.last.From > c.first.To {
		events = append(events, c.last.event())
	}
	if c.reg != nil {
		events = append(events, opEvent(c.reg.Op))
	}
	near := Span{max(0, c.first.From-m.b.ConvergeRestart), c.first.To}
	if c.kind == missing && c.statement != "S15" {
		near.From = min(near.From, c.reg.Return)
	}
	faults := m.active(near, c.first.node, c.want)
	if c.silence != nil {
		faults = []*history.Fault{c.silence.fault}
	}
	const most = 3
	faults = faults[max(0, len(faults)-most):]
	if c.lie != nil && !slices.Contains(faults, c.lie) {
		faults = append(faults, c.lie)
	}
	for _, f := range faults {
		events = append(events, faultEvents(f, c.last.To)...)
	}
	return events
}

func opEvent(op *history.Op) Event {
	text := string(op.Kind)
	switch op.Kind {
	case history.Register, history.Unregister:
		text = fmt.Sprintf("%s DN %s, binding %s", strings.ToUpper(string(op.Kind)), op.Key, op.Arg)
		if op.Expires > 0 {
			text += fmt.Sprintf(", for %v", op.Expires)
		}
	case history.RegisterAddress, history.UnregisterAddress, history.RegisterFlow, history.UnregisterFlow, history.HangUp, history.Reserve, history.Release, history.Agent, history.Person:
		text = sessionText(op)
	case history.Enrol, history.Dial, history.Ring, history.Talk, history.Within, history.Route, history.OutOfDialog, history.Arrival:
		text = callText(op)
	case history.Swap:
		text = fmt.Sprintf("swap %s from %q to %q", op.Key, op.From, op.Arg)
		if op.OK() && !op.Swapped {
			text += ", refused"
		}
	case history.Write, history.Roster:
		text = fmt.Sprintf("%s %s = %q", op.Kind, op.Key, op.Arg)
	case history.Read:
		text = fmt.Sprintf("read %s = %q", op.Key, op.Result)
	default:
		text += " " + op.Key
	}
	answer := string(op.Outcome)
	if op.Code != "" {
		answer += ", " + op.Code
	}
	text += fmt.Sprintf(": %s (%s)", answer, op.Process)
	to := op.Return
	if to == history.Never {
		to = op.Invoke
	}
	return Event{At: op.Invoke, To: to, Node: op.Node, Text: text}
}

// faultEvents are the phases of a fault until then.
func faultEvents(f *history.Fault, until time.Duration) []Event {
	name := f.Nemesis
	if f.Params != "" {
		name += " " + f.Params
	}
	var out []Event
	for _, p := range []struct {
		at   time.Duration
		what string
	}{{f.Inject, "begins"}, {f.Confirmed, "confirmed"}, {f.Heal, "heal begins"}, {f.Healed, "healed"}} {
		if p.at <= until && p.at != history.Never {
			out = append(out, Event{At: p.at, To: p.at, Text: fmt.Sprintf("fault %s: %s", name, p.what)})
		}
	}
	return out
}

// dnWord is "DN 2001" or "12 DNs (2001, ...)".
func dnWord(dns []string) string {
	if len(dns) == 1 {
		return "DN " + dns[0]
	}
	return fmt.Sprintf("%d DNs (%s, ...)", len(dns), dns[0])
}
