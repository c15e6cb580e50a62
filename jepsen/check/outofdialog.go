package check

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// outOfDialog judges requests outside of calls: each goes to the phone of its DN,
// wherever that is in service, and is refused at once otherwise.
type outOfDialog struct {
	*model
	// arrived are the arrivals of each request, by its ID.
	arrived map[string][]*history.Op
}

func newOutOfDialog(m *model) outOfDialog {
	e := outOfDialog{m, map[string][]*history.Op{}}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.Arrival {
			e.arrived[op.Arg] = append(e.arrived[op.Arg], op)
		}
	}
	return e
}

// arrivals are those of the request.
func (e outOfDialog) arrivals(op *history.Op) []*history.Op {
	return e.arrived[strconv.FormatInt(op.ID, 10)]
}

// outOfDialogDelivered is the part of S13 that is about them.
func outOfDialogDelivered(m *model) ([]Finding, int) {
	e := newOutOfDialog(m)
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.OutOfDialog || op.Return == history.Never {
			continue
		}
		want, within, at := e.must(op)
		out = append(out, e.astray(op, want, at)...)
		if want == "" {
			continue
		}
		if looked++; e.answered(op, want) && op.Return-op.Invoke <= within {
			continue
		}
		out = append(out, Finding{
			Text: fmt.Sprintf("%s had a %s to DN %s, %s; the answer was %s after %v, not %s within %v",
				op.Node, op.From, op.Key, at, answerOf(op), round(op.Return-op.Invoke), want, within),
			Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: append(e.registrations(op), opEvent(op)),
		})
	}
	return out, looked
}

// astray: the request came to the phone of another DN, or to one although it had
// to be refused; or the answer was a phone's and it came to none.
func (e outOfDialog) astray(op *history.Op, want, why string) []Finding {
	arrivals := e.arrivals(op)
	text := ""
	for _, a := range arrivals {
		if a.Key != op.Key {
			text = fmt.Sprintf("%s had a %s to DN %s, which came to the phone of DN %s", op.Node, op.From, op.Key, a.Key)
		}
	}
	switch {
	case text != "":
	case want != "" && want != phone && len(arrivals) > 0:
		text = fmt.Sprintf("%s had a %s to DN %s, %s, which came to a phone of it, at %s", op.Node, op.From, op.Key, why, arrivals[0].Node)
	case op.Code == "501" && len(arrivals) == 0 && len(e.arrived) > 0: // nobody kept a record of them once
		text = fmt.Sprintf("%s had a %s to DN %s, which a phone answered with 501 that never got it", op.Node, op.From, op.Key)
	default:
		return nil
	}
	f := Finding{Text: text, Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: append(e.registrations(op), opEvent(op))}
	for _, a := range arrivals {
		f.Events = append(f.Events, opEvent(a))
	}
	return []Finding{f}
}

// phone is what must is answered by the DN's phone, or by the node to OPTIONS.
const phone = "the phone's answer"

// must is the answer that the request surely gets, "" when that is open, how
// long it may take, and why.
func (e outOfDialog) must(op *history.Op) (want string, within time.Duration, why string) {
	if !e.hears(op.Node, op.Node).cover(Span{minus(op.Invoke, e.b.Spread), op.Return}) || !e.signals(op.Node, op.Node).cover(Span{op.Invoke, op.Return}) {
		return "", 0, ""
	}
	t := e.truth[op.Key]
	s := Span{max(0, op.Invoke-e.b.Spread), op.Return}
	switch {
	case op.Arg == history.Nobody:
		return "404", e.refusing(), "which nobody configured"
	case t == nil:
		return "", 0, ""
	}
	for _, over := range t.out {
		if over.contains(s) && e.calm(op.Node, over.node, s) {
			return "480", e.refusing(), "whose last registration had ended"
		}
	}
	p := t.onePhone()
	if p == "" || !t.in[p].cover(s) || !e.calm(op.Node, p, s) || !e.signals(op.Node, p).cover(s) {
		return "", 0, ""
	}
	return phone, answerBound, "which was registered at " + p
}

// refusing is how long a node may take to refuse a request: it asks nobody.
func (m *model) refusing() time.Duration { return 2 * m.b.Local }

// onePhone is the node of a DN that one phone alone ever registered, in the
// node's own site; "" for others, of which an old phone may have to be tried
// first that is no more there.
func (t *truth) onePhone() string {
	if len(t.nodes) != 1 {
		return ""
	}
	for _, r := range t.regs {
		if r.session || r.Arg != t.regs[0].Arg || r.Home != "" && r.Home != r.Node {
			return ""
		}
	}
	return t.nodes[0]
}

func (e outOfDialog) answered(op *history.Op, want string) bool {
	if want != phone {
		return op.Code == want
	}
	return op.OK()
}

// registrations are the last ones before the request.
func (e outOfDialog) registrations(op *history.Op) []Event {
	var out []Event
	if t := e.truth[op.Key]; t != nil {
		for _, r := range t.regs {
			if r.Invoke <= op.Invoke {
				out = append(out[max(0, len(out)-1):], opEvent(r.Op))
			}
		}
	}
	return out
}
