package check

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// configurationSurvives is S9: each acknowledged write is in the final reads
// of every node, and nodes with an equal index have an equal state.
func configurationSurvives(m *model) ([]Finding, int) {
	out, looked := m.lostElements()
	more, n := m.takenElements()
	out, looked = append(out, more...), looked+n
	more, n = m.lostValues()
	out, looked = append(out, more...), looked+n
	more, n = m.digests()
	return append(out, more...), looked + n
}

// finals are the answered final reads.
func (m *model) finals() []*history.Dump {
	var out []*history.Dump
	for i := range m.h.Dumps {
		if d := &m.h.Dumps[i]; d.Final && d.Error == "" {
			out = append(out, d)
		}
	}
	return out
}

func (m *model) lostElements() ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, d := range m.finals() {
		lost := Finding{Nodes: []string{d.Node}, Events: []Event{dumpEvent(d)}}
		there := map[string]bool{}
		for _, e := range d.Entries {
			there[e.Key] = true
		}
		for i := range m.h.Ops {
			op := &m.h.Ops[i]
			if op.Kind != history.Add || !op.OK() || op.Return >= d.Asked || m.elsewhere(op) || m.mayMiss(op) || m.mayBeTaken(op) {
				continue
			}
			if looked++; !there[op.Key] {
				if len(lost.Keys) == 0 {
					lost.Events = append(lost.Events, opEvent(op))
				}
				lost.Keys = append(lost.Keys, op.Key)
			}
		}
		if lost.Times = len(lost.Keys); lost.Times > 0 {
			lost.Text = fmt.Sprintf("%d acknowledged writes are not in the final read of %s, the first of them %s", lost.Times, d.Node, lost.Keys[0])
			out = append(out, lost)
		}
	}
	return out, looked
}

// lostValues treats the final reads as reads of each register, where the
// operations themselves were in order.
// takenElements are those that a restore took away, or that are of a line which was set
// aside, and that are there all the same.
func (m *model) takenElements() (out []Finding, looked int) {
	if len(m.restores)+len(m.recoveries) == 0 {
		return nil, 0
	}
	for _, d := range m.finals() {
		there := map[string]bool{}
		for _, e := range d.Entries {
			there[e.Key] = true
		}
		for i := range m.h.Ops {
			op := &m.h.Ops[i]
			if op.Kind != history.Add || !m.taken(op) {
				continue
			}
			if looked++; there[op.Key] {
				out = append(out, Finding{
					Text:  "the final read of " + d.Node + " has what a restore took away, or what was set aside",
					Nodes: []string{d.Node, op.Node}, Keys: []string{op.Key}, Events: []Event{opEvent(op), dumpEvent(d)},
				})
			}
		}
	}
	return merge(out), looked
}

func (m *model) lostValues() ([]Finding, int) {
	keys := m.registerOps()
	for key, ops := range keys {
		if slices.ContainsFunc(m.eras(ops), func(e *era) bool { return e.decide(history.Never) != porcupine.Ok }) {
			delete(keys, key) // S8 tells of it
		}
	}
	for _, d := range m.finals() {
		values := map[string]string{}
		for _, e := range d.Entries {
			values[e.Key] = e.Value
		}
		for key := range keys {
			keys[key] = append(keys[key], &history.Op{
				Process: "final read of " + d.Node, Kind: history.Read, Node: d.Node, Key: key, Result: values[key],
				Invoke: d.Asked, Return: d.Answered, Outcome: history.OK,
			})
		}
	}
	return m.ordered(keys, func(op *history.Op) string {
		return fmt.Sprintf("the final read of %s has %s = %q, which no order of the acknowledged writes explains", op.Node, op.Key, op.Result)
	})
}

func (m *model) digests() ([]Finding, int) {
	var out []Finding
	byIndex := map[uint64]*history.Dump{}
	looked := 0
	for i := range m.h.Dumps {
		d := &m.h.Dumps[i]
		if d.Error != "" || d.Digest == "" {
			continue
		}
		first := byIndex[d.Index]
		if first == nil {
			byIndex[d.Index] = d
			continue
		}
		if looked++; first.Digest != d.Digest {
			out = append(out, Finding{
				Text:  fmt.Sprintf("%s and %s have applied the same log up to %d and have different states", first.Node, d.Node, d.Index),
				Nodes: []string{first.Node, d.Node}, Keys: difference(first, d), Events: []Event{dumpEvent(first), dumpEvent(d)},
			})
		}
	}
	return out, looked
}

// difference names some of the keys that differ.
func difference(a, b *history.Dump) []string {
	var out []string
	for _, pair := range [][2]*history.Dump{{a, b}, {b, a}} {
		for _, e := range pair[0].Entries {
			if !slices.Contains(pair[1].Entries, e) && len(out) < 20 {
				out = append(out, e.Key)
			}
		}
	}
	return out
}

func dumpEvent(d *history.Dump) Event {
	return Event{At: d.Asked, To: d.Answered, Node: d.Node,
		Text: fmt.Sprintf("configuration at index %d: %d objects, digest %.12s", d.Index, len(d.Entries), d.Digest)}
}
