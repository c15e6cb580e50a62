package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Where a majority was lost for good, the configuration goes on from one survivor's
// copy: what was acknowledged up to the revision that it knew is there, what came later
// may be missing. A node that was recovered too, and then accepts another's recovery,
// wrote a line of its own meanwhile, of which nothing is left.

// aside is when a node wrote a line that it set aside later.
func (m *model) aside(node string) spans {
	var out []Span
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch last := len(out) - 1; {
		case op.Node != node:
		case op.Kind == history.Recover && op.Arg == history.Mistaken:
			out = append(out, Span{op.Invoke, history.Never})
		case op.Kind == history.Accept && last >= 0:
			out[last].To = min(out[last].To, op.Invoke)
		}
	}
	return union(out...)
}

// elsewhere tells whether the operation was one of a line that was set aside.
func (m *model) elsewhere(op *history.Op) bool {
	return m.asides[op.Node].touch(Span{op.Invoke, op.Invoke})
}

// lines finds the recoveries by which the configuration went on, and the restores into
// that which perhaps were done.
func (m *model) lines() {
	m.asides = map[string]spans{}
	for _, n := range m.nodes {
		m.asides[n] = m.aside(n)
	}
	for i := range m.h.Ops {
		switch op := &m.h.Ops[i]; {
		case m.elsewhere(op):
		case op.Kind == history.Recover:
			m.recoveries = append(m.recoveries, op)
		case op.Kind == history.Restore && op.Outcome != history.Fail:
			m.restores = append(m.restores, op)
		}
	}
}

// mayMiss tells whether what the operation wrote was perhaps lost with a majority.
func (m *model) mayMiss(op *history.Op) bool {
	return slices.ContainsFunc(m.recoveries, func(r *history.Op) bool { return op.Invoke < r.Invoke && op.Revision > r.Revision })
}

// givenUp tells whether a majority was perhaps lost for good in s, so that fewer nodes
// than else may decide.
func (m *model) givenUp(s Span) bool {
	return slices.ContainsFunc(m.active(s, m.nodes...), func(f *history.Fault) bool { return len(f.Effect.Lost) > 0 })
}

// era is what was done to one register between two recoveries.
type era struct {
	ops []*history.Op
	// first are the values that it may have had at its begin.
	first []string
}

// eras of a register's operations.
func (m *model) eras(ops []*history.Op) []*era {
	out := []*era{{first: []string{""}, ops: ops}}
	for _, r := range m.recoveries {
		e := out[len(out)-1]
		next := &era{}
		all := e.ops
		e.ops = nil
		for _, op := range all {
			if op.Invoke < r.Invoke {
				e.ops = append(e.ops, op)
			} else {
				next.ops = append(next.ops, op)
			}
		}
		next.first = e.left(r.Revision)
		out = append(out, next)
	}
	return out
}

// left are the values that a survivor may have had who knew all up to that revision:
// that of the last write it knew, and those of writes that perhaps were done.
func (e *era) left(known uint64) []string {
	var last *history.Op
	var open []string
	for _, op := range e.ops {
		switch {
		case op.Kind == history.Read || op.OK() && (op.Revision == 0 || op.Revision > known):
		case op.Outcome == history.Unknown:
			open = append(open, op.Arg)
		case last == nil || op.Revision > last.Revision:
			last = op
		}
	}
	if last == nil {
		return append(open, e.first...)
	}
	return append(open, last.Arg)
}

// decide judges what had been seen by then.
func (e *era) decide(by time.Duration) porcupine.CheckResult {
	result := porcupine.Illegal
	for _, first := range e.first {
		switch decide(first, e.ops, by) {
		case porcupine.Ok:
			return porcupine.Ok
		case porcupine.Unknown:
			result = porcupine.Unknown
		}
	}
	return result
}

// restored is a restore as what it is to one register: a write.
func restored(op *history.Op, key string) *history.Op {
	w := *op
	w.Kind, w.Key = history.Write, key
	w.Arg, _ = entry(op, key)
	return &w
}

// entry is the value that a restore gives to a key, if any.
func entry(op *history.Op, key string) (string, bool) {
	i, found := slices.BinarySearchFunc(op.Entries, key, func(e history.Entry, k string) int { return cmp.Compare(e.Key, k) })
	if !found {
		return "", false
	}
	return op.Entries[i].Value, true
}

func hasEntry(op *history.Op, key string) bool {
	_, has := entry(op, key)
	return has
}

// mayBeTaken tells whether a restore perhaps took an element of the set away.
func (m *model) mayBeTaken(op *history.Op) bool {
	return slices.ContainsFunc(m.restores, func(r *history.Op) bool { return r.Return >= op.Invoke && !hasEntry(r, op.Key) })
}

// taken tells whether an element surely is not there any more: a restore took it away,
// or it is of a line that was set aside.
func (m *model) taken(op *history.Op) bool {
	if m.elsewhere(op) {
		return true
	}
	gone := false
	for _, r := range m.restores {
		switch has := hasEntry(r, op.Key); {
		case has && r.Return >= op.Invoke:
			return false
		case !has && r.OK() && op.OK() && op.Return < r.Invoke:
			gone = true
		}
	}
	return gone
}
