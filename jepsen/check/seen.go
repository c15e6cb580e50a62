package check

import (
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// pastTimerB is how long a call rings that would have met timer B of RFC 3261, 32 s.
const pastTimerB = 35 * time.Second

// sawKinds counts what the run saw of the kinds of history.Expect.Seen.
func sawKinds(m *model) map[history.Sight]int {
	seen := map[history.Sight]int{}
	count := func(s history.Sight, is bool) {
		if is {
			seen[s]++
		}
	}
	calls := m.calls()
	at := map[string]string{} // where roaming telephones are registered
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch op.Kind {
		case history.OutOfDialog:
			count(history.Delivered, op.OK() && op.From == "MESSAGE")
			count(history.Refused, op.Code == "480" || op.Code == "404")
		case history.RegisterFlow:
			for transport, sight := range map[string]history.Sight{"tcp-": history.TCPFlows, "tls-": history.TLSFlows, "ws-": history.WSFlows} {
				count(sight, op.OK() && len(op.Arg) > len(transport) && op.Arg[:len(transport)] == transport)
			}
		case history.Ring:
			count(history.LongRings, op.OK() && op.Return-op.Invoke >= pastTimerB)
		case history.Dial:
			count(history.TrunkIn, op.OK() && m.trunk[op.From])
			count(history.TrunkOut, op.OK() && m.trunk[op.Key])
			count(history.StrangeWays, op.OK() && at[op.From] != "" && at[op.From] != op.Node)
		case history.Enrol:
			if op.Arg == history.Roaming && op.OK() {
				at[op.Key] = op.Node
			}
		case history.Silence:
			count(history.Silences, op.Arg != "")
			count(history.Vain, !m.unanswered(calls, op).empty())
		case history.Route:
			count(history.Routes, op.OK())
			count(history.RoutesRefused, op.Outcome == history.Fail)
		}
	}
	m.sawCalls(calls, count)
	for _, p := range m.persons() {
		desk := ""
		for _, o := range p.ops {
			if o.OK() && strings.HasPrefix(o.Arg, "logged-in") {
				count(history.TakeOvers, desk != "" && desk != o.Key)
				desk = o.Key
			}
		}
	}
	seen[history.Restores] = m.snapshots()
	seen[history.LooksAtHolds] = len(m.h.Holds)
	m.sawMembers(count)
	return seen
}

// sawCalls counts what happened while calls were up.
func (m *model) sawCalls(calls []*phoneCall, count func(history.Sight, bool)) {
	agents := m.outside()
	for _, c := range calls {
		up := m.up(c)
		if up.empty() {
			continue
		}
		count(history.PSTNCalls, agents[c.talks[0].Key] != "")
		for _, dn := range []string{c.dial.From, c.talks[0].Key} {
			for _, op := range m.roams[dn] {
				count(history.MovedInCall, up.contains(Span{op.Invoke, op.Return}) && op.Node != c.nodeOf(dn))
			}
		}
	}
}

// sawMembers counts what happened to who belongs to the cluster.
func (m *model) sawMembers(count func(history.Sight, bool)) {
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		count(history.SecondStarts, op.Kind == history.Clone && op.Outcome != history.Unknown)
		count(history.Removals, op.Kind == history.Roster && op.Arg == "remove" && op.OK())
	}
	for i := range m.h.Faults {
		f := &m.h.Faults[i]
		count(history.Moves, len(f.Effect.Moved) > 0 && f.Healed != history.Never)
	}
	for _, c := range m.comebacks() {
		count(history.Comebacks, c.first != nil)
	}
	for _, l := range m.h.Lives {
		if l.Kind == history.Stopping {
			for range m.duringHandOver(l) {
				count(history.HandOvers, true)
			}
		}
	}
}

// snapshots counts the snapshots that nodes took from others or from their disks.
func (m *model) snapshots() int {
	last, n := map[string]uint64{}, 0
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		if s.Error != "" {
			continue
		}
		if s.Restores > last[s.Node] {
			n += int(s.Restores - last[s.Node])
		}
		last[s.Node] = s.Restores
	}
	return n
}

// sights in the order in which they are told.
func sights(expect map[history.Sight]int) []history.Sight {
	var out []history.Sight
	for s := range expect {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
