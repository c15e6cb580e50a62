package check

import (
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// model is what all statements share: the history with what was derived from it.
type model struct {
	*reach
	// answered is every acknowledged request by who asked whom, in order.
	answered map[client][]*history.Op
	// deaths are the times at which a node's process surely was gone, in order.
	deaths map[string][]time.Duration
	// hungUp is when a gateway's session was over for its client.
	hungUp map[string]time.Duration
	// roams are the acknowledged registrations of telephones that go from node to node.
	roams map[string][]*history.Op
	// unroutable are DNs that may be in service and not routable: somebody
	// reserved them or changed their agent.
	unroutable map[string]bool
	// dual are the phones with two ways.
	dual map[string]bool
	// trunk are the numbers of telephones outside.
	trunk map[string]bool
	// home is the node of each telephone that stays where it is.
	home map[string]string
	// clockWrong is when a clock was first set wrong; from then on nobody can
	// tell which of two nodes' claims is greater.
	clockWrong time.Duration
	truth      map[string]*truth
	dns        []string // of truth, in order
	// streams are the items of each observer, in order.
	streams map[string][]*history.Item
	// odd is everything that a node said and the truth denies.
	odd []contradiction
	// asides are by node when it wrote a configuration that it set aside later.
	asides map[string]spans
	// recoveries of a lost majority, and restores of backups, in order.
	recoveries, restores []*history.Op
	// undecided are the keys whose order of operations took too long to find.
	undecided []string
	// looked counts the sightings that a statement could judge.
	looked map[ID]int
}

type client struct{ process, node string }

func newModel(h *history.History, b history.Bounds) *model {
	m := &model{
		reach: newReach(h, b), answered: map[client][]*history.Op{}, deaths: map[string][]time.Duration{},
		streams:    map[string][]*history.Item{},
		hungUp:     map[string]time.Duration{},
		unroutable: map[string]bool{}, roams: map[string][]*history.Op{}, trunk: map[string]bool{}, dual: map[string]bool{},
		clockWrong: history.Never, looked: map[ID]int{},
	}
	m.index()
	m.lines()
	m.home = m.homes()
	m.truth = truths(m)
	m.dns = slices.Sorted(maps.Keys(m.truth))
	m.odd = contradictions(m)
	return m
}

// index fills in what is derived from single entries.
func (m *model) index() {
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind == history.HangUp {
			m.hungUp[op.Arg] = op.Invoke
		} else if op.OK() {
			c := client{op.Process, op.Node}
			m.answered[c] = append(m.answered[c], op)
		}
	}
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind == history.Reserve || op.Kind == history.Agent || op.Kind == history.Person {
			m.unroutable[op.Key] = true
		}
		if op.Kind == history.Enrol && op.Arg == history.Roaming && op.OK() {
			m.roams[op.Key] = append(m.roams[op.Key], op)
		}
		if op.Kind == history.RegisterWay {
			m.dual[op.Key] = true
		}
		if op.Kind == history.Enrol && op.Arg == history.Trunk {
			m.trunk[op.Key] = true
		}
	}
	for i := range m.h.Items {
		item := &m.h.Items[i]
		m.streams[item.Observer] = append(m.streams[item.Observer], item)
	}
	for _, l := range m.h.Lives {
		if l.Kind == history.Exited {
			m.deaths[l.Node] = append(m.deaths[l.Node], l.At)
		}
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if len(f.Effect.Clock) > 0 {
			m.clockWrong = min(m.clockWrong, f.Inject)
		}
		for _, node := range f.Effect.Down {
			if f.Confirmed != history.Never {
				m.deaths[node] = append(m.deaths[node], f.Confirmed)
			}
		}
	}
	for _, d := range m.deaths {
		slices.Sort(d)
	}
}

// observers in order of their names.
func (m *model) observers() []string { return slices.Sorted(maps.Keys(m.streams)) }

// active returns the faults of which something may be there in s and that
// concern one of the nodes.
func (m *model) active(s Span, nodes ...string) []*history.Fault {
	var out []*history.Fault
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if possible(f).overlaps(s) && slices.ContainsFunc(nodes, func(n string) bool { return touches(&f.Effect, n) }) {
			out = append(out, f)
		}
	}
	return out
}

// touches tells whether the effect names the node.
func touches(e *history.Effect, node string) bool {
	for _, nodes := range [][]string{e.Down, e.Paused, e.Clock, e.Full, e.Frozen, e.Parked, e.Lost, e.Wiped, e.Busy, e.Drained} {
		if slices.Contains(nodes, node) {
			return true
		}
	}
	for _, pairs := range [][]history.Pair{e.Cut, e.CutPorts, e.Unsteady} {
		if slices.ContainsFunc(pairs, func(p history.Pair) bool { return p.From == node || p.To == node }) {
			return true
		}
	}
	return false
}
