package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// phoneCall is one call as its telephones saw it.
type phoneCall struct {
	dial *history.Op
	// rings and talks at called telephones, in order.
	rings, talks []*history.Op
	// within are the requests within it.
	within []*history.Op
	// silences are the parties that were lost in it.
	silences []*history.Op
}

// calls are the run's, ordered by their begin.
func (m *model) calls() []*phoneCall {
	byID := map[string]*phoneCall{}
	var out []*phoneCall
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind == history.Dial {
			c := &phoneCall{dial: op}
			if out = append(out, c); op.Arg != "" {
				byID[op.Arg] = c
			}
		}
	}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		c := byID[op.Arg]
		if c == nil || op.Arg == "" {
			continue
		}
		switch op.Kind {
		case history.Ring:
			c.rings = append(c.rings, op)
		case history.Talk:
			c.talks = append(c.talks, op)
		case history.Within:
			c.within = append(c.within, op)
		case history.Silence:
			c.silences = append(c.silences, op)
		}
	}
	return out
}

// up is when the call surely is up for both: from the answer's arrival until one of them
// begins to hang up, or the grace of one's connection may be over.
func (m *model) up(c *phoneCall) Span {
	if !c.dial.OK() || len(c.talks) != 1 {
		return Span{0, -1}
	}
	s := Span{max(c.dial.Return, c.talks[0].Invoke), min(m.h.End, c.talks[0].Return)}
	for _, w := range c.within {
		if w.From == "BYE" {
			s.To = min(s.To, w.Invoke)
		}
	}
	for _, q := range c.silences {
		if q.From != "" {
			s.To = min(s.To, q.Invoke+m.b.FlowGrace-m.b.Spread)
		}
	}
	return s
}

// over is when the node of the caller surely knows that the call is over; Never
// when nobody can tell. A node to which nobody answers a BYE answers it itself: then
// the caller's hears of it when it hears that node.
func (m *model) over(c *phoneCall) time.Duration {
	if c.dial.Outcome == history.Fail {
		return c.dial.Return
	}
	at := history.Never
	for _, w := range c.within {
		if w.From == "BYE" && w.OK() {
			at = min(at, m.heardAt(c.dial.Node, w))
		}
	}
	return at
}

// heardAt is when the node surely hears of what another one did by the operation's end.
func (m *model) heardAt(node string, op *history.Op) time.Duration {
	for _, s := range m.hears(node, op.Node) {
		if at := max(s.From, op.Return); at <= s.To {
			if m.stopped[op.Node].touch(Span{op.Invoke, at}) {
				break
			}
			return at
		}
	}
	return history.Never
}

// story is the call up to then, for people.
func (c *phoneCall) story(until time.Duration) []Event {
	out := []Event{opEvent(c.dial)}
	for _, ops := range [][]*history.Op{c.rings, c.talks, c.within, c.silences} {
		for _, op := range ops {
			if op.Invoke <= until {
				out = append(out, opEvent(op))
			}
		}
	}
	for i := range out {
		out[i].To = min(out[i].To, until)
	}
	return out
}

// callText is an operation of a telephone for people.
func callText(op *history.Op) string {
	switch op.Kind {
	case history.Enrol:
		return "the telephone " + op.Key + " registers"
	case history.Dial:
		return fmt.Sprintf("%s calls %s", op.From, op.Key)
	case history.Ring:
		return fmt.Sprintf("the call of %s rings at %s", op.From, op.Key)
	case history.Talk:
		return fmt.Sprintf("%s talks to %s", op.Key, op.From)
	case history.Silence:
		return op.Key + " says nothing any more"
	case history.Route:
		return fmt.Sprintf("the router %s sends call %s to %s", op.Arg, op.Result, op.Key)
	case history.OutOfDialog:
		return fmt.Sprintf("%s to DN %s", op.From, op.Key)
	case history.Arrival:
		return fmt.Sprintf("%s arrives at the phone of DN %s", op.From, op.Key)
	default:
		return fmt.Sprintf("%s of %s", op.From, op.Key)
	}
}

// homes are the nodes of the telephones that stay where they are.
func (m *model) homes() map[string]string {
	out := map[string]string{}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.Enrol && op.Arg != history.Roaming {
			out[op.Key] = op.Node
		}
	}
	return out
}

// signals is the time in which requests of a call surely pass between the
// telephones of the two nodes.
func (m *model) signals(x, y string) spans {
	var bad []Span
	for _, n := range []string{x, y} {
		for _, s := range slices.Concat(m.stopped[n], m.away[n]) {
			bad = append(bad, Span{s.From, plus(s.To, m.settling(s))})
		}
	}
	if x != y {
		bad = slices.Concat(bad, m.shaken[pair{From: x, To: y}], m.shaken[pair{From: y, To: x}])
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		e := &f.Effect
		if (touches(e, x) || touches(e, y)) && (slices.Contains(e.Ports, "sip") || len(e.Busy) > 0 || len(e.Wiped) > 0) {
			bad = append(bad, Span{f.Inject, plus(f.Healed, m.b.ConvergeRestart)})
		}
	}
	return union(bad...).rest()
}

// settling is how long after that end of a node's absence its calls may fail; not
// at all when it was there before the clients were.
func (m *model) settling(absence Span) time.Duration {
	if absence.From == 0 && len(m.h.Ops) > 0 && absence.To < m.h.Ops[0].Invoke {
		return 0
	}
	return m.b.Restart
}

// shown is a call as one observer was told of it within one session.
type shown struct {
	Span
	id, caller string
	// origin has the call, node told of it.
	origin, node string
	// talks is when it was shown as established.
	talks    Span
	up       map[string]bool // DNs in it
	from, to *history.Item
}

// watched is one session of an observer of calls.
type watched struct {
	Span // from the end of the snapshot on
	node string
	all  []*shown
}

// watches are the sessions of all observers of calls that became whole.
func (m *model) watches() []*watched {
	var out []*watched
	for _, observer := range m.observers() {
		var w *watched
		open := map[string]*shown{}
		for _, i := range m.streams[observer] {
			switch i.Kind {
			case history.CallsOpened:
				w, open = &watched{Span: Span{history.Never, m.h.End}, node: i.Node}, map[string]*shown{}
			case history.CallsWhole:
				if w != nil && w.From == history.Never {
					w.From = i.At
					out = append(out, w)
				}
			case history.CallsClosed:
				if w != nil {
					w.close(i.At)
				}
			case history.CallTold:
				if w != nil {
					w.take(open, i)
				}
			}
		}
	}
	return out
}

func (w *watched) close(at time.Duration) {
	w.To = at
	for _, s := range w.all {
		s.To, s.talks.To = min(s.To, at), min(s.talks.To, at)
	}
}

// take follows an event.
func (w *watched) take(open map[string]*shown, i *history.Item) {
	c := i.Call
	s := open[c.ID]
	if over := c.State == "released" || c.State == "abandoned"; over {
		if s == nil {
			return
		}
		if delete(s.up, i.DN); len(s.up) == 0 {
			s.To, s.to = i.At, i
			s.talks.To = i.At
			delete(open, c.ID)
		}
		return
	}
	if s == nil {
		s = &shown{Span: Span{i.At, history.Never}, id: c.ID, caller: c.Caller, origin: i.Owner, node: i.Node, up: map[string]bool{}, from: i, talks: Span{history.Never, history.Never}}
		open[c.ID] = s
		w.all = append(w.all, s)
	}
	s.up[i.DN] = true
	if c.State == "established" {
		s.talks.From = min(s.talks.From, i.At)
	}
}

// firstSeen is when anybody was first told of each call.
func firstSeen(all []*watched) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, w := range all {
		for _, s := range w.all {
			if at, seen := out[s.id]; !seen || s.From < at {
				out[s.id] = s.From
			}
		}
	}
	return out
}

// byCaller are the calls of each telephone.
func byCaller(all []*phoneCall) map[string][]*phoneCall {
	out := map[string][]*phoneCall{}
	for _, c := range all {
		out[c.dial.From] = append(out[c.dial.From], c)
	}
	for _, dn := range slices.Collect(maps.Keys(out)) {
		slices.SortFunc(out[dn], func(a, b *phoneCall) int { return cmp.Compare(a.dial.Invoke, b.dial.Invoke) })
	}
	return out
}
