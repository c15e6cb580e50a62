package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// calledAsAgreed is S35: that all nodes agree on a DN says nothing of its phone. In quiet a
// call to one that every node lists in service comes to the phone that registered it, by
// whatever node, and one to a DN that every node lists out of service comes to nobody and is
// refused at once.
func calledAsAgreed(m *model) (out []Finding, looked int) {
	e := newOutOfDialog(m)
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Sample || op.Return == history.Never || op.Code == "503" && op.Later {
			continue
		}
		row, polls := m.agreed(op)
		if polls == nil {
			continue
		}
		text := ""
		switch arrivals := e.arrivals(op); {
		case !row.InSrv && (len(arrivals) > 0 || op.Code != "480" || op.Return-op.Invoke > m.refusing()):
			text = fmt.Sprintf("%s had a call to DN %s, which every node listed out of service; it came to %d phones, and the answer was %s after %v",
				op.Node, op.Key, len(arrivals), answerOf(op), round(op.Return-op.Invoke))
		case !row.InSrv:
		case row.Reason == "unresponsive" || !m.held(op, row.Owner) || !m.signals(op.Node, row.Owner).cover(Span{op.Invoke, op.Return}):
			continue // nobody knows of a phone that is there
		case !came(arrivals, op):
			text = fmt.Sprintf("%s had a call to DN %s, which every node listed in service at %s; it did not come to the phone that is registered there, and the answer was %s",
				op.Node, op.Key, row.Owner, answerOf(op))
		}
		looked++
		if text == "" {
			continue
		}
		f := Finding{Text: text, Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: append(e.registrations(op), opEvent(op))}
		for _, a := range e.arrivals(op) {
			f.Events = append(f.Events, opEvent(a))
		}
		for _, p := range polls {
			f.Events = append(f.Events, sighting{Span{p.Asked, p.Answered}, p.Node, rowOf(p, op.Key), "ListDNs"}.event())
		}
		out = append(out, f)
	}
	return out, looked
}

// came tells whether a call came to a phone of the DN, and to that of no other one.
func came(arrivals []*history.Op, op *history.Op) bool {
	for _, a := range arrivals {
		if a.Key != op.Key {
			return false
		}
	}
	return len(arrivals) > 0
}

// agreed is what every node lists of the DN that is called, in quiet, before and after the
// call; polls are the lists, nil when they do not agree, or one of them is missing.
func (m *model) agreed(op *history.Op) (row history.Row, polls []*history.Poll) {
	calm := m.allCalm()
	i := calm.find(op.Invoke)
	if i == len(calm) || !calm[i].contains(Span{minus(op.Invoke, m.b.Spread), op.Return}) {
		return row, nil
	}
	before, after := map[string]*history.Poll{}, map[string]*history.Poll{}
	for j := range m.h.Polls {
		p := &m.h.Polls[j]
		switch {
		case p.View != history.Table || p.Error != "" || p.Asked < calm[i].From+m.b.Spread || p.Answered > calm[i].To:
		case p.Answered <= op.Invoke:
			before[p.Node] = p
		case p.Asked >= op.Return && after[p.Node] == nil:
			after[p.Node] = p
		}
	}
	for _, n := range m.regular {
		for _, p := range []*history.Poll{before[n], after[n]} {
			if p == nil {
				return row, nil
			}
			r := rowOf(p, op.Key)
			if len(polls) > 0 && (r.InSrv != row.InSrv || r.InSrv && r.Owner != row.Owner) {
				return row, nil
			}
			row, polls = r, append(polls, p)
		}
	}
	return row, polls
}

// held tells whether a phone that registered the called DN at a node is surely there still.
func (m *model) held(call *history.Op, node string) bool {
	there := map[string]time.Duration{} // by binding: until when
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch {
		case op.Key != call.Key || op.Invoke > call.Invoke:
		case op.Kind == history.Register && op.OK() && op.Node == node:
			there[op.Arg] = op.Invoke + op.Expires
		case op.Kind == history.Unregister && op.Arg == "*" && op.Outcome != history.Fail:
			clear(there)
		case op.Kind == history.Unregister && op.Outcome != history.Fail, op.Kind == history.Gone:
			delete(there, op.Arg)
		}
	}
	for _, until := range there {
		if until > call.Return {
			return true
		}
	}
	return false
}
