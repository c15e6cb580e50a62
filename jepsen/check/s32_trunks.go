package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// trunkBound is how long a node may take to notice that a carrier's address fell silent, or
// answers again: it asks each second, and waits 4 s.
const trunkBound = 7 * time.Second

// trunksTell is S32: a trunk is in service at a node that hears its site while somebody
// answers there, and out of service while nobody does.
func trunksTell(m *model) ([]Finding, int) {
	turns, looks := map[string][]*history.Op{}, []*history.Op{}
	for i := range m.h.Ops {
		switch op := &m.h.Ops[i]; op.Kind {
		case history.CarrierTurn:
			turns[op.Key] = append(turns[op.Key], op)
		case history.TrunkLook:
			looks = append(looks, op)
		}
	}
	var out []Finding
	looked := 0
	for _, op := range looks {
		turn := turnAt(turns[op.Key], Span{minus(op.Invoke, trunkBound), op.Return})
		if turn == nil || !op.OK() || !m.signals(op.Node, turn.Node).cover(Span{minus(op.Invoke, trunkBound), op.Return}) {
			continue
		}
		looked++
		want := history.Unreached
		if turn.Arg == history.TakesNoCall || turn.Arg == history.TakesAll {
			want = history.Reached
		}
		if op.Result != want {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s said of trunk %s that it is %s, whose only address %s since %v", op.Node, op.Key, op.Result, turn.Arg, round(turn.Return)),
				Nodes: []string{op.Node, turn.Node}, Keys: []string{op.Key}, Window: Span{turn.Return, op.Return}, Events: []Event{opEvent(turn), opEvent(op)},
			})
		}
	}
	return merge(out), looked
}

// turnAt is what a carrier did all the time; nil when it has changed, or that is not known.
func turnAt(turns []*history.Op, s Span) *history.Op {
	for i, t := range turns {
		if t.OK() && t.Return <= s.From && (i+1 == len(turns) || turns[i+1].Invoke > s.To) {
			return t
		}
	}
	return nil
}
