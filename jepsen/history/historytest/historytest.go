// Package historytest makes histories without a cluster: a small model of one
// that does everything right, with phones, writers, observers and faults, as
// material for tests of the checkers and of the report.
package historytest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// tick is the step of the model.
const tick = 50 * time.Millisecond

// model is the cluster with its world.
type model struct {
	h      *history.History
	rng    *rand.Rand
	now    time.Duration
	nodes  []*node
	cut    map[history.Pair]bool
	phones []*phone
	later  []action
	claim  int64
	lastID int64
	values map[string]string
	wrote  int
	leader string
	term   uint64
	index  uint64
}

// action is something that happens at its time.
type action struct {
	at time.Duration
	do func()
}

// Clean is a run of that length, at least 100 s, in which everything is as it
// must be: three nodes, several kinds of faults, then quiet. Equal seeds give equal runs.
func Clean(seed uint64, length time.Duration) *history.History {
	m := &model{
		h:   &history.History{Header: history.Header{Version: history.Version, Scenario: "model", Seed: seed, Bounds: history.Bounds{}.WithDefaults()}},
		rng: rand.New(rand.NewPCG(seed, 1)), cut: map[history.Pair]bool{}, values: map[string]string{}, term: 2, claim: 1,
	}
	m.h.Repeat = fmt.Sprintf("make jepsen SCENARIO=model SEED=%d", seed)
	m.h.Began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for i := range 3 {
		m.addNode(fmt.Sprintf("n%d", i+1), fmt.Sprintf("dc%d", i+1))
	}
	for i := range 12 {
		m.phones = append(m.phones, &phone{dn: fmt.Sprint(2001 + i), node: m.nodes[i%3]})
	}
	m.plan(length)
	e := m.addEdges(seed)
	for m.now = 0; m.now <= length; m.now += tick {
		m.step(length)
		e.step(m.now > length-20*time.Second)
	}
	e.order()
	m.finish(length)
	return m.h
}

func (m *model) step(length time.Duration) {
	for i := 0; i < len(m.later); i++ {
		if m.later[i].at <= m.now {
			m.later[i].do()
			m.later = slices.Delete(m.later, i, i+1)
			i--
		}
	}
	quiet := m.now > length-20*time.Second
	if !quiet {
		m.traffic()
	}
	for _, x := range m.nodes {
		x.expire(m)
		x.listen(m)
	}
	for _, x := range m.nodes {
		x.giveUp()
		x.tell(m)
	}
	m.elect()
	m.observe()
}

// after plans an action.
func (m *model) after(d time.Duration, do func()) {
	m.later = append(m.later, action{m.now + d, do})
}

// finish reads everything at the end and brings the record in order.
func (m *model) finish(length time.Duration) {
	for _, x := range m.nodes {
		d := history.Dump{Asked: length, Answered: length + tick, Node: x.name, Final: true, Index: m.index, Digest: fmt.Sprint("digest-", m.index), Objects: m.objects()}
		for k, v := range m.values {
			d.Entries = append(d.Entries, history.Entry{Key: k, Value: v})
		}
		slices.SortFunc(d.Entries, func(a, b history.Entry) int { return cmp.Compare(a.Key, b.Key) })
		m.h.Dumps = append(m.h.Dumps, d)
	}
	m.h.End = length + tick
	slices.SortStableFunc(m.h.Ops, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	slices.SortStableFunc(m.h.Polls, func(a, b history.Poll) int { return cmp.Compare(a.Asked, b.Asked) })
}
