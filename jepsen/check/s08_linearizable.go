package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// undecidedAfter limits the search for an order of one key's operations.
const undecidedAfter = 20 * time.Second

// register is the model of one key: a value, changed by writes and
// compare-and-set. An operation with an unknown outcome returns at the end of
// time, where it harms nobody; one that was refused because of the revision
// needs a value that differs.
func register(first string) porcupine.Model {
	return porcupine.Model{Init: func() any { return first }, Step: func(state, input, _ any) (bool, any) {
		op, value := input.(*history.Op), state.(string)
		switch {
		case op.Kind == history.Read:
			return op.Result == value, value
		case op.Kind == history.Write:
			return true, op.Arg
		case op.Outcome == history.Unknown && value != op.From, op.OK() && !op.Swapped:
			return op.Outcome == history.Unknown || value != op.From, value
		default:
			return value == op.From, op.Arg
		}
	}}
}

// linearizable is S8: for every key there is one order of its operations that
// explains all answers and agrees with their times.
func linearizable(m *model) ([]Finding, int) {
	return m.ordered(m.registerOps(), func(op *history.Op) string {
		return fmt.Sprintf("no order of the operations on %s explains this answer of %s: %s", op.Key, op.Node, opEvent(op).Text)
	})
}

// registerOps are the operations on each register that may have done or seen something.
func (m *model) registerOps() map[string][]*history.Op {
	keys := map[string][]*history.Op{}
	restores := m.restores
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if m.elsewhere(op) {
			continue
		}
		switch op.Kind {
		case history.Read:
			if op.OK() {
				keys[op.Key] = append(keys[op.Key], op)
			}
		case history.Write, history.Swap:
			if op.Outcome != history.Fail && !refusedRestored(op, restores) {
				keys[op.Key] = append(keys[op.Key], op)
			}
		}
	}
	for key := range keys {
		for _, r := range restores {
			keys[key] = append(keys[key], restored(r, key))
		}
		slices.SortStableFunc(keys[key], func(a, b *history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	}
	return keys
}

// refusedRestored is a compare-and-set that was refused although it knew the value,
// perhaps: a restore may have given the value another revision.
func refusedRestored(op *history.Op, restores []*history.Op) bool {
	return op.Kind == history.Swap && op.OK() && !op.Swapped &&
		slices.ContainsFunc(restores, func(r *history.Op) bool { return restored(r, op.Key).Arg == op.From })
}

// ordered looks for an order of each key's operations.
func (m *model) ordered(keys map[string][]*history.Op, say func(*history.Op) string) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, e := range m.eras(keys[key]) {
			looked += len(e.ops)
			switch e.decide(history.Never) {
			case porcupine.Unknown:
				m.undecided = append(m.undecided, key)
			case porcupine.Illegal:
				out = append(out, e.unordered(say))
			}
		}
	}
	return out, looked
}

// decide judges what of one key's operations had been seen by then, from a first value on.
func decide(first string, ops []*history.Op, by time.Duration) porcupine.CheckResult {
	var seen []porcupine.Operation
	clients := map[string]int{}
	for _, op := range ops {
		o, needed := within(op, ops, by)
		if !needed {
			continue
		}
		if _, known := clients[op.Process]; !known {
			clients[op.Process] = len(clients)
		}
		o.ClientId = clients[op.Process]
		seen = append(seen, o)
	}
	return porcupine.CheckOperationsTimeout(register(first), seen, undecidedAfter)
}

// within is the operation as it looked at that time: what had not returned has
// an unknown outcome. A read without an answer and a write that nobody can
// have noticed are not needed.
func within(op *history.Op, ops []*history.Op, by time.Duration) (porcupine.Operation, bool) {
	o := porcupine.Operation{Input: op, Call: int64(op.Invoke), Return: int64(op.Return)}
	if op.Invoke > by {
		return o, false
	}
	if op.OK() && op.Return <= by {
		return o, true
	}
	if op.Kind == history.Read {
		return o, false
	}
	open := *op
	open.Outcome, open.Swapped = history.Unknown, false
	o.Input, o.Return = &open, int64(history.Never)
	if len(op.Entries) > 0 { // what a restore brings back is no new value
		return o, true
	}
	noticed := false
	for _, other := range ops {
		if !other.OK() || other.Return > by || other.Return < op.Invoke {
			continue
		}
		switch {
		case other.Kind == history.Read && other.Result == op.Arg,
			other.Kind == history.Swap && other.Swapped && other.From == op.Arg:
			if op.Arg != "" { // values are unique, so it was done by then
				o.Return = min(o.Return, int64(other.Return))
			}
			noticed = true
		case other.Kind == history.Swap && !other.Swapped:
			noticed = true
		}
	}
	return o, noticed
}

// unordered finds the first answer that has no explanation.
func (e *era) unordered(say func(*history.Op) string) Finding {
	ops := e.ops
	returns := slices.DeleteFunc(slices.Clone(ops), func(op *history.Op) bool { return !op.OK() })
	slices.SortFunc(returns, func(a, b *history.Op) int { return cmp.Compare(a.Return, b.Return) })
	i := sort.Search(len(returns)-1, func(i int) bool { return e.decide(returns[i].Return) == porcupine.Illegal })
	culprit := returns[i]
	f := Finding{Text: say(culprit), Keys: []string{culprit.Key}, Nodes: []string{culprit.Node}, Events: []Event{opEvent(culprit)}}
	const context = 5
	shown := 0
	for _, op := range slices.Backward(ops) {
		writer := op.Kind != history.Read && (op.Arg == culprit.Result || op.Arg == culprit.From)
		if op == culprit || op.Invoke > culprit.Return || !writer && shown >= context {
			continue
		}
		if !writer {
			shown++
		}
		f.Events = append(f.Events, opEvent(op))
	}
	return f
}
