package check

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/history/historytest"
)

func TestAll_FindsNothingInCleanRuns(t *testing.T) {
	for seed := range uint64(20) {
		v := All(historytest.Clean(seed, 150*time.Second), history.Bounds{})
		if v.Result != Passed {
			t.Errorf("seed %d is %s: %q", seed, v.Result, v.Reasons)
			for _, f := range v.Findings {
				t.Log(f)
			}
		}
	}
}

func TestAll_LooksAtEverythingInACleanRun(t *testing.T) {
	v := All(historytest.Clean(1, 150*time.Second), history.Bounds{})
	for _, c := range v.Checked {
		if c.Looked == 0 && !slices.Contains([]ID{"S12", "S13", "S17", "S18", "S19", "S20", "S21", "S23", "S26", "S28", "S29", "S30", "S31", "S32", "S33", "S34"}, c.Statement) { // no such faults, no routers and no calls in it
			t.Errorf("%s was not tried", c.Statement)
		}
	}
	for _, what := range []What{Detection, Convergence, Restart} {
		if !slices.ContainsFunc(v.Measures, func(m Measure) bool { return m.What == what }) {
			t.Errorf("%s was not measured", what)
		}
	}
}

// corruption is one thing put wrong in a clean run.
type corruption struct {
	name string
	// put changes the history; m is the model of it as it was.
	put func(h *history.History, m *model)
	// want must be found; also may be, because it follows.
	want ID
	also []ID
}

func corruptions() []corruption {
	return []corruption{
		{"a stale row during a cut", staleRow, "S1", []ID{"S6"}},
		{"an own DN lost during a cut", ownLost, "S2", []ID{"S6"}},
		{"an old owner after the heal", oldOwner, "S3", []ID{"S6"}},
		{"a row of what ended", undeadRow, "S4", []ID{"S6"}},
		{"a row that is missing", missingRow, "S5", []ID{"S6"}},
		{"a row out of nowhere", phantomRow, "S5", nil},
		{"an event twice", eventTwice, "S6", []ID{"S15"}},
		{"an event left out", eventLeftOut, "S6", []ID{"S15"}},
		{"a registration lost by a restart", lostByRestart, "S7", []ID{"S6"}},
		{"a stale read", staleRead, "S8", nil},
		{"an element lost", elementLost, "S9", nil},
		{"a digest that differs", digestDiffers, "S9", nil},
		{"another state at the same index", stateDiffers, "S25", nil},
		{"a minority's write acknowledged", minorityWrites, "S10", []ID{"S8", "S9"}},
		{"a second leader", secondLeader, "S11", nil},
		{"a peer not heard in quiet", peerNotHeard, "S14", nil},
		{"a loss without a fault", lossWithoutFault, "S15", []ID{"S6"}},
		{"an old incarnation", oldIncarnation, "S16", []ID{"S6"}},
		{"a request for a lost owner's DN that is sent on", sentToTheLost, "S1", []ID{"S13"}},
		{"a request for a DN out of service that a phone answers", sentToTheDead, "S13", nil},
		{"a request for a phone in service that is refused", outOfDialogRefused, "S13", nil},
		{"a call to a phone that all list in service and that does not ring", sampleUnheard, "S35", nil},
		{"a call to a phone that all list in service that rings at another DN", sampleElsewhere, "S35", nil},
		{"a call to a DN that all list out of service that rings", sampleOfTheDead, "S35", nil},
		{"a call to a DN that all list out of service that nobody refuses", sampleUnanswered, "S35", nil},
		{"a request for nobody that is sent somewhere", sentForNobody, "S13", nil},
		{"a request that had to be refused and came to a phone", cameThough480, "S13", nil},
		{"a request for a lost owner's DN that came to a phone", cameToTheLost, "S1", nil},
		{"a request that came to another DN's phone", cameToAnother, "S13", nil},
		{"a phone's answer to what came to no phone", cameToNobody, "S13", nil},
		{"a second holder", secondHolder, "S19", nil},
		{"a call to another one's agent", strangersCall, "S19", nil},
		{"a reservation from a side that does not hear the owner", reservedAcross, "S19", nil},
		{"a reservation that does not end", endlessHold, "S22", nil},
		{"a reservation that does not end on the other side of a cut", endlessHoldAcross, "S22", nil},
		{"a second process of a node beside the first", secondProcess, "S24", nil},
		{"a write that less than a majority of the voters decided", fewVotersDecide, "S24", []ID{"S8", "S9", "S10"}},
		{"an object that is gone", objectGone, "S9", nil},
		{"an object that differs", objectDiffers, "S9", nil},
	}
}

func TestAll_FindsWhatWasPutWrong(t *testing.T) {
	for _, c := range corruptions() {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2) {
				h := historytest.Clean(seed, 150*time.Second)
				c.put(h, newModel(h, h.Bounds))
				v := All(h, h.Bounds)
				got := broken(v)
				if !slices.Contains(got, c.want) {
					t.Errorf("seed %d: found %v, want %s", seed, got, c.want)
				}
				for _, id := range got {
					if id != c.want && !slices.Contains(c.also, id) {
						t.Errorf("seed %d: found %s, which does not follow", seed, id)
					}
				}
				if t.Failed() {
					for _, f := range v.Findings {
						t.Log(f)
					}
				}
			}
		})
	}
}

// change sets a row in all polls of the node from a time on, for a while;
// a row without a reason, owner and state is left out.
func change(h *history.History, node string, s Span, row history.Row) {
	for i := range h.Polls {
		p := &h.Polls[i]
		if p.Node != node || p.Error != "" || !s.contains(Span{p.Asked, p.Answered}) {
			continue
		}
		p.Rows = slices.DeleteFunc(slices.Clone(p.Rows), func(r history.Row) bool { return r.DN == row.DN })
		if row != (history.Row{DN: row.DN}) {
			p.Rows = append(p.Rows, row)
		}
		slices.SortFunc(p.Rows, func(a, b history.Row) int { return cmp.Compare(a.DN, b.DN) })
	}
}

// place is where something can be put wrong.
type place struct {
	Span
	dn, node, owner string
}

// somewhere returns the first DN, node and owner where the DN surely is the
// owner's for a while and ok holds.
func (m *model) somewhere(ok func(t *truth, p place) bool) place {
	for _, dn := range slices.Sorted(maps.Keys(m.truth)) {
		t := m.truth[dn]
		for _, owner := range t.nodes {
			for _, in := range t.in[owner] {
				for from := in.From + 2*time.Second; from+2*time.Second < in.To; from += time.Second {
					for _, node := range m.nodes {
						p := place{Span{from, from + time.Second}, dn, node, owner}
						if ok(t, p) {
							return p
						}
					}
				}
			}
		}
	}
	panic("the clean run has no such place")
}

func (m *model) calmAt(p place) bool {
	return p.node != p.owner && m.calm(p.node, p.owner, Span{p.From - 5*time.Second, p.To})
}

func staleRow(h *history.History, m *model) {
	p := m.somewhere(func(_ *truth, p place) bool { return m.deafSince(pair{From: p.owner, To: p.node}, p.Span) != nil })
	change(h, p.node, p.Span, in(p.dn, p.owner))
}

func ownLost(h *history.History, m *model) {
	p := m.somewhere(func(t *truth, p place) bool {
		return p.node == p.owner && !m.stopped[p.node].touch(p.Span) && len(m.active(p.Span, p.node)) > 0 &&
			!m.restarted(p.node, t.latestOK(p.owner, p.From), p.To)
	})
	change(h, p.node, p.Span, oos(p.dn, p.owner, "peer-lost"))
}

func oldOwner(h *history.History, m *model) {
	var old string
	p := m.somewhere(func(t *truth, p place) bool {
		for _, o := range t.nodes {
			if o != p.owner && m.calmAt(p) && t.possible(o, p.From-5*time.Second) && !m.cameBack(t, sighting{Span: p.Span}, o) {
				old = o
				return true
			}
		}
		return false
	})
	change(h, p.node, p.Span, in(p.dn, old))
}

func undeadRow(h *history.History, m *model) {
	for _, dn := range slices.Sorted(maps.Keys(m.truth)) {
		for _, e := range m.truth[dn].out {
			s := Span{e.From + 2*time.Second, min(e.To, e.From+3*time.Second)}
			if s.To-s.From >= time.Second/2 && s.To < h.End && m.calm("n1", e.node, s) && m.calm("n2", e.node, s) && !m.restarted(e.node, e.last, s.To) {
				change(h, "n2", s, in(dn, e.node))
				return
			}
		}
	}
	panic("nothing ended")
}

func missingRow(h *history.History, m *model) {
	p := m.somewhere(func(t *truth, p place) bool { return len(t.nodes) == 1 && m.calmAt(p) })
	change(h, p.node, p.Span, history.Row{DN: p.dn})
}

func phantomRow(h *history.History, _ *model) {
	change(h, "n1", Span{50 * time.Second, 51 * time.Second}, in("9999", "n2"))
}

// event returns the index of a change on n1's stream in the middle of the run.
func event(h *history.History, from time.Duration) int {
	return slices.IndexFunc(h.Items, func(i history.Item) bool {
		return i.Kind == history.Event && !i.Snapshot && i.Node == "n1" && i.At > from
	})
}

func eventTwice(h *history.History, _ *model) {
	i := event(h, 30*time.Second)
	h.Items = slices.Insert(h.Items, i, h.Items[i])
}

func eventLeftOut(h *history.History, _ *model) {
	last := map[string]int{}
	for i, item := range h.Items {
		if item.Kind == history.Event && item.Node == "n1" {
			last[item.DN] = i
		}
	}
	for _, dn := range slices.Sorted(maps.Keys(last)) {
		if i := last[dn]; !h.Items[i].Snapshot {
			h.Items = slices.Delete(h.Items, i, i+1)
			return
		}
	}
}

func lostByRestart(h *history.History, m *model) {
	p := m.somewhere(func(t *truth, p place) bool {
		return p.node == p.owner && !m.stopped[p.node].touch(p.Span) && m.restarted(p.node, t.latestOK(p.owner, p.From), p.From)
	})
	change(h, p.node, p.Span, history.Row{DN: p.dn})
}

func staleRead(h *history.History, _ *model) {
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == history.Read && op.OK() && op.Result != "" && op.Invoke > 60*time.Second {
			op.Result = ""
			return
		}
	}
}

func elementLost(h *history.History, _ *model) {
	d := final(h)
	d.Entries = slices.DeleteFunc(slices.Clone(d.Entries), func(e history.Entry) bool { return e.Value == "" && e.Key == d.Entries[0].Key })
}

func digestDiffers(h *history.History, _ *model) { final(h).Digest = "another" }

func stateDiffers(h *history.History, _ *model) { h.Statuses[len(h.Statuses)-1].Digest = "another" }

func minorityWrites(h *history.History, m *model) {
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == history.Add && m.withoutQuorum(op) {
			op.Outcome = history.OK
			for j := range h.Dumps {
				h.Dumps[j].Entries = append(h.Dumps[j].Entries, history.Entry{Key: op.Key})
			}
			return
		}
	}
	panic("no minority wrote")
}

func secondLeader(h *history.History, m *model) {
	for _, leaders := range m.leaders() {
		for i := range h.Statuses {
			if s := &h.Statuses[i]; s.Term == leaders[0].Term {
				s.State = "leader"
			}
		}
		return
	}
}

func peerNotHeard(h *history.History, _ *model) {
	s := &h.Statuses[len(h.Statuses)-1]
	s.Peers = slices.Clone(s.Peers)
	s.Peers[0].Heard = false
}

func lossWithoutFault(h *history.History, m *model) {
	p := m.somewhere(func(t *truth, p place) bool { return m.calmAt(p) })
	change(h, p.node, p.Span, oos(p.dn, p.owner, "peer-lost"))
}

func oldIncarnation(h *history.History, _ *model) {
	for i := range slices.Backward(h.Items) {
		if item := &h.Items[i]; item.Kind == history.Started && item.Incarnation > 1 {
			item.Incarnation = 0
			return
		}
	}
}
