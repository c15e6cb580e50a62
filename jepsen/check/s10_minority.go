package check

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// minority is S10: a write at a node that surely has no quorum fails in time
// and never is ok; what failed is never seen; what needs no other node goes on.
func minority(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		var text string
		switch op.Kind {
		case history.Write, history.Swap, history.Add, history.Roster:
			if m.withoutQuorum(op) {
				looked++
				text = m.refusal(op)
			}
		case history.Register, history.Unregister, history.Options, history.Query:
			if m.local(op) {
				looked++
				text = m.delay(op)
			}
		}
		if text != "" {
			out = append(out, m.opFinding(op, text))
		}
	}
	more, n := m.failedButDone()
	return append(merge(out), more...), looked + n
}

// opFinding tells of one operation, with the faults around it.
func (m *model) opFinding(op *history.Op, text string) Finding {
	f := Finding{Text: text, Nodes: []string{op.Node}, Keys: []string{op.Key}, Events: []Event{opEvent(op)}}
	for _, fault := range m.active(Span{op.Invoke, op.Return}, m.nodes...) {
		f.Events = append(f.Events, faultEvents(fault, op.Return)...)
	}
	return f
}

// merge keeps the first of findings that differ in their operation only.
func merge(all []Finding) []Finding {
	var out []Finding
	at := map[string]int{}
	for _, f := range all {
		i, known := at[f.Text]
		if !known {
			at[f.Text] = len(out)
			f.Times = 1
			out = append(out, f)
			continue
		}
		out[i].Times++
		out[i].Keys = append(out[i].Keys, f.Keys...)
	}
	return out
}

// voters is how many nodes vote at most in one cluster.
const voters = 5

// withoutQuorum tells whether nobody whom the node possibly reaches can
// possibly reach a majority, all the time from the invocation until an answer is due.
func (m *model) withoutQuorum(op *history.Op) bool {
	s := Span{op.Invoke, min(op.Return, op.Invoke+m.b.WriteFails+m.b.Spread)}
	if s.To > m.h.End || m.stopped[op.Node].touch(s) || m.givenUp(s) {
		return false
	}
	members := m.members(s)
	majority := min(members, voters)/2 + 1
	for _, leader := range m.nodes {
		if leader != op.Node && !m.mayTalk(op.Node, leader, s) || m.surelyGone(leader, s) {
			continue
		}
		if m.followers(leader, s) >= majority {
			return false
		}
	}
	return true
}

// members is how many nodes surely vote, if any nodes do, during s: none that
// left or joined lately.
func (m *model) members(s Span) int {
	n := 0
	for _, node := range m.regular {
		if !m.away[node].touch(Span{s.From - m.b.ConvergeRestart, s.To}) {
			n++
		}
	}
	return n
}

// followers is how many nodes the leader possibly reaches, itself included.
func (m *model) followers(leader string, s Span) int {
	n := 1
	for _, node := range m.nodes {
		if node != leader && m.mayTalk(leader, node, s) && !m.away[node].cover(s) {
			n++
		}
	}
	return n
}

// surelyGone tells whether the node surely does not run during all of s.
func (m *model) surelyGone(node string, s Span) bool {
	var all []Span
	for i := range m.h.Faults {
		if f := &m.h.Faults[i]; gone(f, node) {
			all = append(all, sure(f))
		}
	}
	return union(all...).cover(s)
}

// gaveUp is the code of an operation that its client broke off.
const gaveUp = "Canceled"

// refusal says what was wrong with the answer to a write without a quorum.
func (m *model) refusal(op *history.Op) string {
	switch took := op.Return - op.Invoke; {
	case took > m.b.WriteFails+m.b.Spread:
		return fmt.Sprintf("%s did not refuse a %s within %v although it reached no majority", op.Node, op.Kind, m.b.WriteFails)
	case op.OK() && !(op.Kind == history.Swap && !op.Swapped):
		return fmt.Sprintf("%s acknowledged a %s although it reached no majority", op.Node, op.Kind)
	case !op.OK() && op.Code != "" && op.Code != "Unavailable" && op.Code != gaveUp:
		return fmt.Sprintf("%s refused a %s without a majority with %s instead of Unavailable", op.Node, op.Kind, op.Code)
	}
	return ""
}

// local tells whether the operation asked a running node over a way that no
// fault touched, while some fault was there.
func (m *model) local(op *history.Op) bool {
	s := Span{op.Invoke, op.Invoke + m.b.Local}
	if s.To > m.h.End || m.stopped[op.Node].touch(s) || m.away[op.Node].touch(s) || len(m.active(s, m.nodes...)) == 0 {
		return false
	}
	for _, f := range m.active(s, op.Node) {
		if slices.Contains(f.Effect.Busy, op.Node) || slices.Contains(f.Effect.Ports, "sip") {
			return false
		}
	}
	if op.Home == "" || op.Home == op.Node {
		return true
	}
	ways := []pair{{From: op.Home, To: op.Node}, {From: op.Node, To: op.Home}}
	for _, f := range m.active(s, op.Home) {
		for _, w := range ways {
			if slices.Contains(f.Effect.Cut, w) || slices.Contains(f.Effect.CutPorts, w) || slices.Contains(f.Effect.Unsteady, w) {
				return false
			}
		}
	}
	return true
}

// delay says what was wrong with the answer to what needs no other node.
func (m *model) delay(op *history.Op) string {
	switch {
	case op.Outcome == history.Unknown && op.Return-op.Invoke > m.b.Local: // sooner the client gave up itself
		return fmt.Sprintf("%s did not answer a request (%s) that needs no other node, during a fault", op.Node, op.Kind)
	case op.Return-op.Invoke > m.b.Local:
		return fmt.Sprintf("%s took more than %v for a request (%s) that needs no other node, during a fault", op.Node, m.b.Local, op.Kind)
	case m.sentAway(op):
		return ""
	case op.Outcome == history.Fail && len(op.Code) > 0 && (op.Code[0] == '5' || op.Code == "Unavailable"):
		return fmt.Sprintf("%s refused a request (%s) that needs no other node with %s, during a fault", op.Node, op.Kind, op.Code)
	}
	return ""
}

// failedButDone looks for writes that failed and can be seen all the same.
func (m *model) failedButDone() ([]Finding, int) {
	type value struct{ key, value string }
	failed := map[value]*history.Op{}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Outcome != history.Fail {
			continue
		}
		switch {
		case (op.Kind == history.Write || op.Kind == history.Swap) && op.Arg != "":
			failed[value{op.Key, op.Arg}] = op
		case op.Kind == history.Add:
			failed[value{op.Key, ""}] = op
		}
	}
	var out []Finding
	tell := func(op *history.Op, seen Event) {
		f := m.opFinding(op, fmt.Sprintf("%s said that it had not done a %s of %s, and it was done", op.Node, op.Kind, op.Key))
		f.Events = append(f.Events, seen)
		out = append(out, f)
	}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if was := failed[value{op.Key, op.Result}]; op.OK() && op.Kind == history.Read && op.Result != "" && was != nil {
			tell(was, opEvent(op))
		}
	}
	for _, d := range m.finals() {
		for _, e := range d.Entries {
			if was := failed[value{e.Key, e.Value}]; was != nil {
				tell(was, dumpEvent(d))
			} else if was := failed[value{e.Key, ""}]; was != nil && !m.added(e.Key) {
				tell(was, dumpEvent(d))
			}
		}
	}
	return merge(out), len(failed)
}

// added tells whether some Add of the element perhaps was done.
func (m *model) added(key string) bool {
	return slices.ContainsFunc(m.h.Ops, func(op history.Op) bool {
		return op.Kind == history.Add && op.Key == key && op.Outcome != history.Fail
	})
}
