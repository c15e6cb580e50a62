package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// saw returns why the run saw too little for a verdict.
func saw(m *model) []string {
	h := m.h
	var why []string
	missing := func(got, want int, what string) {
		if got < want {
			why = append(why, fmt.Sprintf("%d %s, want at least %d", got, what, want))
		}
	}
	ok, unknown := m.outcomes()
	total := 0
	for _, n := range ok {
		total += n
	}
	missing(total, 1, "acknowledged operations")
	for _, e := range h.Expect.OK {
		missing(ok[e.Kind], e.Count, "acknowledged operations of kind "+string(e.Kind))
	}
	seen := sawKinds(m)
	for _, s := range sights(h.Expect.Seen) {
		missing(seen[s], h.Expect.Seen[s], string(s))
	}
	missing(unknown, h.Expect.Unknown, "operations with an unknown outcome")
	missing(max(0, len(m.leaders())-1), h.Expect.LeaderChanges, "changes of the leader")
	missing(m.confirmed(), h.Expect.Faults, "confirmed faults")
	polls, items := m.observed()
	for _, n := range m.regular {
		missing(polls[n], max(1, m.share(n, h.Expect.Polls)), "answered polls of "+n)
		missing(items[n], m.share(n, h.Expect.Items), "items of a stream of "+n)
	}
	why = append(why, m.unsureFaults()...)
	if len(m.undecided) > 0 {
		why = append(why, fmt.Sprintf("the order of the operations on %v could not be found in %v", m.undecided, undecidedAfter))
	}
	for _, s := range h.Stalls {
		why = append(why, fmt.Sprintf("the machine that ran the suite stood still from %s to %s", Clock(s.From), Clock(s.To)))
	}
	if h.Torn {
		why = append(why, "the record breaks off: its writer was killed")
	}
	return why
}

// observed counts the answered polls and the items of streams of each node.
func (m *model) observed() (polls, items map[string]int) {
	polls, items = map[string]int{}, map[string]int{}
	for i := range m.h.Polls {
		if m.h.Polls[i].Error == "" {
			polls[m.h.Polls[i].Node]++
		}
	}
	for i := range m.h.Items {
		if k := m.h.Items[i].Kind; k != history.Opened && k != history.Closed {
			items[m.h.Items[i].Node]++
		}
	}
	return polls, items
}

// share is the part of what is expected of a node that fits the time in which
// it surely ran.
func (m *model) share(node string, want int) int {
	ran := time.Duration(0)
	for _, s := range m.stopped[node].rest() {
		ran += max(0, min(s.To, m.h.End)-s.From)
	}
	return int(float64(want) * float64(ran) / float64(max(1, m.h.End)))
}

func (m *model) outcomes() (ok map[history.Kind]int, unknown int) {
	ok = map[history.Kind]int{}
	for i := range m.h.Ops {
		switch op := &m.h.Ops[i]; op.Outcome {
		case history.OK:
			ok[op.Kind]++
		case history.Unknown:
			unknown++
		}
	}
	return ok, unknown
}

func (m *model) confirmed() int {
	n := 0
	for i := range m.h.Faults {
		if m.h.Faults[i].Confirmed != history.Never {
			n++
		}
	}
	return n
}

// unsureFaults are those that no prober confirmed, or that did not heal, and a
// run that ended before its last fault can have been digested.
func (m *model) unsureFaults() []string {
	var why []string
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		if f.Confirmed == history.Never {
			why = append(why, fmt.Sprintf("the fault %s %s of %s was not confirmed", f.Nemesis, f.Params, Clock(f.Inject)))
		}
		if f.Healed == history.Never {
			why = append(why, fmt.Sprintf("the fault %s %s of %s did not heal", f.Nemesis, f.Params, Clock(f.Inject)))
		}
	}
	if _, seen := m.lastTables(); len(m.h.Faults) > 0 && len(why) == 0 && seen.To == 0 {
		why = append(why, "no table was read in quiet at the end: the run ended before the convergence bound after its last fault")
	}
	return why
}
