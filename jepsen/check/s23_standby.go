package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// standby is S23: a DN of a phone that is registered at two nodes is in service at every
// node that hears one of them, and has a lost owner no longer than the bound allows; calls
// reach it there. While nothing breaks and both ways are there it has one owner at all
// nodes, whatever is refreshed.
func standby(m *model) ([]Finding, int) {
	j := &standbyJudge{m: m, phones: dualPhones(m)}
	for i := range m.h.Polls {
		p := &m.h.Polls[i]
		for _, row := range p.Rows {
			row.InSrv = row.InSrv || p.View == history.Routable
			j.sees(sighting{Span{p.Asked, p.Answered}, p.Node, row, "list"})
		}
	}
	for i := range m.h.Items {
		if item := &m.h.Items[i]; item.Kind == history.Event {
			j.sees(m.heard(item))
		}
	}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.CallWay && op.Return != history.Never {
			j.calls(op)
		}
	}
	return merge(j.out), j.looked
}

// dualPhone is what is sure of a phone with two ways.
type dualPhone struct {
	nodes []string
	// there is when a registration surely is at a node, perhaps when it perhaps is.
	there, perhaps map[string]spans
	// owners is what was seen of it first in each stretch in which its owner must stay.
	owners map[Span]sighting
}

func dualPhones(m *model) map[string]*dualPhone {
	all := map[string]*dualPhone{}
	sure, may := map[[2]string][]Span{}, map[[2]string][]Span{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.RegisterWay || op.Outcome == history.Fail {
			continue
		}
		if all[op.Key] == nil {
			all[op.Key] = &dualPhone{there: map[string]spans{}, perhaps: map[string]spans{}, owners: map[Span]sighting{}}
		}
		k := [2]string{op.Key, op.Node}
		s, p := m.wayLasts(op)
		sure[k], may[k] = append(sure[k], s), append(may[k], p)
	}
	for k, s := range sure {
		d := all[k[0]]
		d.nodes = append(d.nodes, k[1])
		d.there[k[1]], d.perhaps[k[1]] = union(s...), union(may[k]...)
	}
	for _, d := range all {
		slices.Sort(d.nodes)
	}
	return all
}

// wayLasts is for how long a registration surely and perhaps is there: until it is taken
// back, is over, or may be lost with its node's disk.
func (m *model) wayLasts(op *history.Op) (sure, perhaps Span) {
	r := &registration{Op: op, latest: m.latest(op)}
	end := plus(op.Invoke, op.Expires)
	sure, perhaps = Span{op.Return, min(end-m.b.Expiry, m.forgets(r))}, Span{op.Invoke, history.Never}
	if !op.OK() {
		sure = Span{0, -1}
	}
	for i := range m.h.Ops {
		u := &m.h.Ops[i]
		if u.Kind != history.UnregisterWay || u.Key != op.Key || u.Node != op.Node || u.Outcome == history.Fail || u.Done() < op.Invoke {
			continue
		}
		sure.To = min(sure.To, u.Invoke)
		if u.OK() && u.Invoke > r.latest && !m.unwritten(&registration{Op: u, latest: u.Return}) {
			perhaps.To = min(perhaps.To, u.Return)
		}
	}
	for _, f := range m.active(Span{op.Invoke, sure.To}, op.Node) {
		if slices.Contains(f.Effect.Drained, op.Node) {
			sure.To = min(sure.To, f.Inject) // a drain may end it
		}
	}
	return sure, perhaps
}

type standbyJudge struct {
	m      *model
	phones map[string]*dualPhone
	out    []Finding
	looked int
}

func (j *standbyJudge) found(s sighting, text string, args ...any) {
	f := Finding{Text: fmt.Sprintf(text, args...), Nodes: []string{s.node}, Keys: []string{s.row.DN}, Events: []Event{s.event()}}
	for _, fault := range j.m.active(Span{max(0, minus(s.From, j.m.b.ConvergeRestart)), s.To}, j.m.nodes...) {
		f.Events = append(f.Events, faultEvents(fault, s.To)...)
	}
	j.out = append(j.out, f)
}

// sees judges what a node says of the DN.
func (j *standbyJudge) sees(s sighting) {
	d := j.phones[s.row.DN]
	if d == nil {
		return
	}
	s.row.Owner = j.m.named(s.row.Owner, s.Span)
	way := j.hears(d, s.node, s.Span)
	if way == "" {
		return
	}
	j.looked++
	lost := j.m.deafSince(pair{From: s.row.Owner, To: s.node}, s.Span)
	switch {
	case !s.row.InSrv:
		j.found(s, "%s had DN %s out of service although it heard %s, where its phone was registered", s.node, s.row.DN, way)
	case !d.perhaps[s.row.Owner].touch(s.wider(j.m.b.Spread + j.m.b.Converge)):
		j.found(s, "%s had DN %s at %q, where its phone was not registered", s.node, s.row.DN, s.row.Owner)
	case lost != nil:
		j.found(s, "%s had DN %s at %s %v after it could last hear that; the bound is %v, and it heard %s", s.node, s.row.DN, s.row.Owner, round(s.From-lost.From), lost.bound, way)
	default:
		j.stays(d, s)
	}
}

// hears is a node at which the phone surely is registered and which x surely hears.
func (j *standbyJudge) hears(d *dualPhone, x string, s Span) string {
	for _, p := range d.nodes {
		if d.there[p].cover(Span{max(0, s.From-j.m.b.Spread), s.To}) && j.m.calm(x, p, s) {
			return p
		}
	}
	return ""
}

// stays judges that the owner is the same at all nodes, at all times, while both ways are
// there and nothing breaks.
func (j *standbyJudge) stays(d *dualPhone, s sighting) {
	if len(d.nodes) != 2 {
		return
	}
	for _, quiet := range j.m.allCalm().both(j.m.phonesReached()).both(d.there[d.nodes[0]]).both(d.there[d.nodes[1]]) {
		if !(Span{plus(quiet.From, j.m.b.Spread), quiet.To}).contains(s.Span) {
			continue
		}
		first, known := d.owners[quiet]
		if !known {
			d.owners[quiet] = s
		} else if first.row.Owner != s.row.Owner {
			j.found(s, "%s had DN %s at %s, and %s had it at %s, while both ways were there and nothing broke", s.node, s.row.DN, s.row.Owner, first.node, first.row.Owner)
		}
	}
}

// phonesReached is when nothing keeps phones from nodes: a call that its phone does not answer
// has the DN go by the other way.
func (m *model) phonesReached() spans {
	var cut []Span
	for i := range m.h.Faults {
		if f := &m.h.Faults[i]; slices.Contains(f.Effect.Ports, "sip") {
			cut = append(cut, possible(f).wider(m.b.Spread))
		}
	}
	return union(cut...).rest()
}

// calls judges a call: it is answered when the caller's node hears one of the ways and has
// surely noticed of the other one that it doesn't.
func (j *standbyJudge) calls(op *history.Op) {
	d, s := j.phones[op.Key], Span{op.Invoke, op.Return}
	if d == nil || !j.onlyCuts(op.Node, s) {
		return
	}
	way := j.hears(d, op.Node, s)
	for _, p := range d.nodes {
		switch {
		case j.m.calm(op.Node, p, s) && j.onlyCuts(p, s), j.m.deafSince(pair{From: p, To: op.Node}, s) != nil:
		default:
			return // it may go by a way that is just lost, or was just told of
		}
	}
	if way == "" {
		return
	}
	if j.looked++; !op.OK() {
		f := Finding{
			Text:  fmt.Sprintf("a call by way of %s to DN %s was not answered (%s) although its phone was registered at %s, which %s heard", op.Node, op.Key, answerOf(op), way, op.Node),
			Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: []Event{opEvent(op)},
		}
		for _, fault := range j.m.active(s, j.m.nodes...) {
			f.Events = append(f.Events, faultEvents(fault, s.To)...)
		}
		j.out = append(j.out, f)
	}
}

// onlyCuts tells whether nothing but whole cuts, deaths and pauses concerns the node: it
// serves phones then.
func (j *standbyJudge) onlyCuts(node string, s Span) bool {
	return !slices.ContainsFunc(j.m.active(s, node), func(f *history.Fault) bool {
		e := &f.Effect
		for _, nodes := range [][]string{e.Clock, e.Full, e.Frozen, e.Parked, e.Lost, e.Wiped, e.Busy, e.Drained} {
			if slices.Contains(nodes, node) {
				return true
			}
		}
		return len(e.Ports) > 0 || len(e.Unsteady) > 0
	})
}
