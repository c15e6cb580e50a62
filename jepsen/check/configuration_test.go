package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Operations on the register k.
func write(process, node, value string) history.Op {
	return history.Op{Process: process, Kind: history.Write, Node: node, Key: "k", Arg: value}
}

func read(process, node, value string) history.Op {
	return history.Op{Process: process, Kind: history.Read, Node: node, Key: "k", Result: value}
}

func swap(process, node, from, to string, swapped bool) history.Op {
	return history.Op{Process: process, Kind: history.Swap, Node: node, Key: "k", From: from, Arg: to, Swapped: swapped}
}

func (o opOf) with(outcome history.Outcome, code string) history.Op {
	op := history.Op(o)
	op.Outcome, op.Code = outcome, code
	return op
}

type opOf history.Op

// troubled is a run in which a write may fail at any time.
func troubled() *run {
	return newRun().fault(0.1, 99, "loss", history.Effect{Unsteady: ways([]string{"n2"}, "n3"), Loss: 20})
}

func TestLinearizable(t *testing.T) {
	unknown := func(op history.Op) history.Op { return opOf(op).with(history.Unknown, "DeadlineExceeded") }
	expect(t, []sample{
		{"overlapping writes and reads", newRun().op(1, 4, write("a", "n1", "1")).op(2, 3, write("b", "n2", "2")).
			op(3.5, 3.6, read("c", "n3", "2")).op(5, 6, read("c", "n3", "1")), nil},
		{"an unknown write that shows late", troubled().op(1, 2, unknown(write("a", "n1", "1"))).op(3, 4, read("b", "n2", "")).
			op(5, 6, read("b", "n2", "1")), nil},
		{"an unknown write that never shows", troubled().op(1, 2, unknown(write("a", "n1", "1"))).op(3, 4, write("b", "n2", "2")).
			op(5, 6, read("b", "n2", "2")), nil},
		{"an unknown write explains a refusal", troubled().op(1, 2, write("a", "n1", "1")).op(3, 4, unknown(write("b", "n1", "2"))).
			op(5, 6, swap("a", "n2", "1", "3", false)), nil},
		{"many unknown writes", func() *run {
			r := troubled()
			for i := range 200 {
				r.op(1+float64(i)/10, 2+float64(i)/10, unknown(write("a", "n1", string(rune('A'+i)))))
			}
			return r.op(50, 51, read("b", "n2", ""))
		}(), nil},
		{"a local read passed off as linearizable", newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, read("b", "n2", "")), []ID{"S8"}},
		{"a retry of a write with an unknown outcome", newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, write("b", "n2", "2")).
			op(5, 6, read("c", "n3", "2")).op(7, 8, read("c", "n3", "1")), []ID{"S8"}},
		{"a swap of what was not there", newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, write("a", "n1", "2")).
			op(5, 6, swap("b", "n2", "1", "3", true)), []ID{"S8"}},
		{"a swap refused without a reason", newRun().op(1, 2, write("a", "n1", "1")).op(5, 6, swap("b", "n2", "1", "3", false)), []ID{"S8"}},
	})
}

func TestLinearizable_ShowsTheFirstAnswerThatHasNoExplanation(t *testing.T) {
	r := newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, read("b", "n2", "")).op(5, 6, read("b", "n2", "1")).op(7, 8, read("b", "n2", ""))
	f := r.verdict().Findings
	if len(f) != 1 || f[0].Window != (Span{at(1), at(4)}) {
		t.Errorf("findings are %v, want one from 1 s to 4 s", f)
	}
}

func TestConfigurationSurvives(t *testing.T) {
	add := func(key string) history.Op { return history.Op{Process: "a", Kind: history.Add, Node: "n1", Key: key} }
	has := func(node string, index uint64, digest string, keys ...string) history.Dump {
		d := history.Dump{Node: node, Index: index, Digest: digest}
		for _, k := range keys {
			d.Entries = append(d.Entries, history.Entry{Key: k})
		}
		return d
	}
	value := func(v string) history.Dump {
		return history.Dump{Node: "n2", Index: 9, Digest: "x", Entries: []history.Entry{{Key: "k", Value: v}}}
	}
	expect(t, []sample{
		{"all is there", newRun().op(1, 2, add("e1")).dump(90, has("n1", 5, "x", "e1")).dump(90, has("n2", 5, "x", "e1")), nil},
		{"acknowledged at append", newRun().op(1, 2, add("e1")).op(3, 4, add("e2")).dump(90, has("n1", 5, "x", "e1")), []ID{"S9"}},
		{"an unknown add may be missing or there", troubled().op(1, 2, opOf(add("e1")).with(history.Unknown, "")).
			op(1, 2, opOf(add("e2")).with(history.Unknown, "")).op(1, 2, add("e3")).dump(90, has("n1", 5, "x", "e1", "e3")), nil},
		{"the snapshot omits the last batch", newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, write("a", "n1", "2")).dump(90, value("1")), []ID{"S9"}},
		{"the last value", newRun().op(1, 2, write("a", "n1", "1")).op(3, 4, write("a", "n1", "2")).dump(90, value("2")), nil},
		{"equal index, different state", newRun().op(1, 2, add("e1")).dump(90, has("n1", 5, "x", "e1")).dump(90, has("n2", 5, "y", "e1")), []ID{"S9"}},
	})
}

func TestMinority(t *testing.T) {
	cut := func() *run { return newRun().registers(1, "n1", "7", "b", 0).cutOff(20, 40) }
	fails := func(invoke, back float64, outcome history.Outcome, code string) *run {
		return cut().op(invoke, back, opOf(write("a", "n3", "1")).with(outcome, code))
	}
	expect(t, []sample{
		{"refused in time", fails(25, 26.5, history.Fail, "Unavailable"), nil},
		{"unknown in time", fails(25, 26.5, history.Unknown, "Unavailable"), nil},
		{"the majority writes", cut().op(25, 25.1, write("a", "n1", "1")), nil},
		{"the write hangs", fails(25, 30, history.Unknown, "DeadlineExceeded"), []ID{"S10"}},
		{"queued and acknowledged later", fails(25, 41, history.OK, ""), []ID{"S10"}},
		{"acknowledged without a majority", fails(25, 25.1, history.OK, ""), []ID{"S10"}},
		{"it overlaps the heal", fails(39, 41, history.OK, ""), nil},
		{"refused, and done", fails(25, 26, history.Fail, "Unavailable").op(50, 50.1, read("b", "n1", "1")), []ID{"S8", "S10"}},
		{"REGISTER waits for Raft", cut().op(25, 28, history.Op{Kind: history.Register, Node: "n3", Key: "8", Arg: "b", Home: "n3"}), []ID{"S10"}},
		{"OPTIONS is not answered", cut().op(25, 30, history.Op{Kind: history.Options, Node: "n3", Home: "n3", Outcome: history.Unknown}), []ID{"S10"}},
		{"a client that gave up", cut().op(25, 25.2, history.Op{Kind: history.Options, Node: "n3", Home: "n3", Outcome: history.Unknown}), nil},
		{"a phone beyond the cut", cut().op(25, 30, history.Op{Kind: history.Register, Node: "n3", Key: "8", Home: "n1", Outcome: history.Unknown}), nil},
		{"a node that is down", newRun().registers(1, "n1", "7", "b", 0).down(20, 40, "n3").
			op(25, 30, history.Op{Kind: history.Options, Node: "n3", Outcome: history.Unknown}), nil},
	})
}

func TestLeadership(t *testing.T) {
	lead := func(node string, term uint64) history.Status {
		return history.Status{Node: node, State: "leader", Term: term}
	}
	calm := func() *run { return newRun().registers(1, "n1", "7", "b", 0) }
	expect(t, []sample{
		{"one after the other", calm().status(5, lead("n1", 2)).status(6, lead("n1", 2)).status(7, lead("n2", 3)).status(8, lead("n2", 3)), nil},
		{"state and term are not read at once", calm().status(5, lead("n1", 2)).status(6, lead("n1", 2)).status(7, lead("n1", 3)).
			status(7, lead("n2", 3)).status(8, lead("n2", 3)), nil},
		{"two in one term", calm().status(5, lead("n1", 2)).status(6, lead("n1", 2)).status(5, lead("n2", 2)).status(6, lead("n2", 2)), []ID{"S11"}},
		{"pre-vote is off", calm().cutOff(20, 40).status(30, lead("n1", 2)).status(30, history.Status{Node: "n3", State: "candidate", Term: 9}).
			status(41, history.Status{Node: "n1", State: "follower", Term: 10}), []ID{"S11"}},
		{"it is elected only seconds after the heal", calm().cutOff(20, 40).status(30, lead("n1", 2)).status(30, history.Status{Node: "n3", State: "candidate", Term: 9}).
			status(46, history.Status{Node: "n1", State: "follower", Term: 10}), []ID{"S11"}},
		{"the next fault may depose the leader", calm().cutOff(20, 40).status(30, lead("n1", 2)).status(30, history.Status{Node: "n3", State: "candidate", Term: 9}).
			down(44, 50, "n1").status(46, history.Status{Node: "n1", State: "follower", Term: 10}), nil},
		{"a healed follower deposes nobody", calm().cutOff(20, 40).status(30, lead("n1", 2)).status(30, history.Status{Node: "n3", State: "candidate", Term: 2}).
			status(41, lead("n1", 2)), nil},
	})
}

func TestLiveness(t *testing.T) {
	healed := func() *run { return newRun().registers(1, "n1", "7", "b", 0).cutOff(20, 30) }
	hears := func(heard bool) history.Status {
		return history.Status{Node: "n1", State: "leader", Term: 2, Peers: []history.Peer{{Node: "n3", Heard: heard, Reason: "cut"}}}
	}
	expect(t, []sample{
		{"heard again", healed().status(25, hears(false)).status(31, hears(false)).status(33, hears(true)), nil},
		{"no loop that rejoins", healed().status(40, hears(false)), []ID{"S14"}},
		{"writes succeed again", healed().op(50, 50.1, write("a", "n3", "1")), nil},
		{"writes fail for ever", healed().op(50, 52, opOf(write("a", "n3", "1")).with(history.Fail, "Unavailable")), []ID{"S14"}},
		{"the client gave up", healed().op(50, 50.2, opOf(write("a", "n3", "1")).with(history.Unknown, "Canceled")), nil},
		{"an election may take its time", healed().op(35, 37, opOf(write("a", "n3", "1")).with(history.Fail, "Unavailable")), nil},
		{"a crash", func() *run {
			r := healed()
			r.h.Lives = []history.Life{{Node: "n2", Kind: history.Ready}, {At: at(50), Node: "n2", Kind: history.Exited, Error: "exit status 2"}}
			return r
		}(), []ID{"S14"}},
	})
}

func TestSaw(t *testing.T) {
	full := func() *run {
		return newRun().registers(1, "n1", "7", "b", 0).cutOff(20, 30).allSee(5, 6, in("7", "n1")).allSee(40, 45, in("7", "n1"))
	}
	change := func(edit func(*history.History)) *run {
		r := full()
		edit(&r.h)
		return r
	}
	for _, c := range []struct {
		name string
		run  *run
		want Result
	}{
		{"it saw all", full(), Passed},
		{"no operation", change(func(h *history.History) { h.Ops = nil; h.Polls = nil }), Invalid},
		{"too few", change(func(h *history.History) { h.Expect.OK = []history.AtLeast{{Kind: history.Register, Count: 2}} }), Invalid},
		{"no unknown outcome", change(func(h *history.History) { h.Expect.Unknown = 1 }), Invalid},
		{"no leader change", change(func(h *history.History) { h.Expect.LeaderChanges = 1 }), Invalid},
		{"an unconfirmed cut", change(func(h *history.History) { h.Faults[0].Confirmed = history.Never }), Invalid},
		{"no heal", change(func(h *history.History) { h.Faults[0].Healed = history.Never }), Invalid},
		{"a node that was not polled", change(func(h *history.History) { h.Nodes = append(h.Nodes, history.Node{Name: "n4"}) }), Invalid},
		{"no quiet at the end", change(func(h *history.History) { h.End = at(31); h.Polls = h.Polls[:3] }), Invalid},
		{"torn", change(func(h *history.History) { h.Torn = true }), Invalid},
		{"a finding counts all the same", change(func(h *history.History) {
			h.Torn = true
			h.Polls = append(h.Polls, history.Poll{Asked: at(90), Answered: at(90), Node: "n2", View: history.Table})
		}), Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v := c.run.verdict(); v.Result != c.want {
				t.Errorf("result is %s, reasons %q, findings %v; want %s", v.Result, v.Reasons, v.Findings, c.want)
			}
		})
	}
}

func TestMeasures(t *testing.T) {
	r := newRun().registers(1, "n3", "7", "b", 0).allSee(5, 19, in("7", "n3")).cutOff(20, 30).
		sees(20.5, "n1", in("7", "n3")).sees(20.75, "n1", oos("7", "n3", "peer-lost")).
		sees(30.2, "n1", oos("7", "n3", "peer-lost")).sees(30.5, "n1", in("7", "n3"))
	want := map[What]float64{Detection: 0.76, Convergence: 0.51}
	for _, m := range r.verdict().Measures {
		if m.Observer == "n1" && m.Took != at(want[m.What]) {
			t.Errorf("%s took %v, want %v s", m.What, m.Took, want[m.What])
		}
		delete(want, m.What)
	}
	if len(want) > 0 {
		t.Errorf("not measured: %v", want)
	}
}
