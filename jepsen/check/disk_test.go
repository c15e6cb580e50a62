package check

import (
	"fmt"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// frozen has the disk of n1, which leads, not answer from 20 s to 40 s; n2 leads soon.
func frozen() *run {
	r := newRun().fault(20, 40, "frozen-disk", history.Effect{Frozen: []string{"n1"}})
	return r.leads(21, "n1", 5).leads(22, "n2", 6).leads(22.5, "n2", 6)
}

func (r *run) leads(t float64, node string, term uint64) *run {
	return r.status(t, history.Status{Node: node, State: "leader", Term: term, Problems: []string{stalled}})
}

// answered has a phone register again and again, which takes each time that long.
func (r *run) answered(from, to, took float64) *run {
	for i, t := 0, from; t < to; i, t = i+1, t+0.1 {
		r.op(t, t+took, history.Op{Kind: history.Register, Node: "n1", Home: "n1", Key: "7", Arg: "b", Process: fmt.Sprint("phone", i)})
	}
	return r
}

func TestStalledDisk(t *testing.T) {
	writes := func(node string, o history.Outcome) *run {
		return frozen().op(30, 31, opOf(write("a", node, "1")).with(o, "Unavailable"))
	}
	says := func(t float64, problems ...string) *run {
		return frozen().status(t, history.Status{Node: "n1", State: "follower", Problems: problems})
	}
	expect(t, []sample{
		{"another leads, phones are answered", frozen().answered(21, 39, 0.28), nil},
		{"phones wait", frozen().answered(21, 39, 0.35), []ID{"S31"}},
		{"nobody else leads", newRun().fault(20, 40, "frozen-disk", history.Effect{Frozen: []string{"n1"}}).leads(21, "n1", 5).leads(24, "n1", 5), []ID{"S31"}},
		{"only for a moment", newRun().fault(20, 22, "frozen-disk", history.Effect{Frozen: []string{"n1"}}).leads(21, "n1", 5), nil},
		{"another node takes no write", writes("n3", history.Fail), []ID{"S31"}},
		{"the node itself takes no write", writes("n1", history.Fail), nil},
		{"status says so", says(30, stalled), nil},
		{"status says nothing", says(30), []ID{"S31"}},
		{"status says so for ever", says(60, stalled), []ID{"S31"}},
		{"registered meanwhile, lost with the process", frozen().registers(25, "n1", "7", "b", 0).down(30, 31, "n1").allSee(50, 60), nil},
	})
}

func TestOneState(t *testing.T) {
	state := func(t float64, node, recovery string, index uint64, digest string) *run {
		s := history.Status{State: "follower", DigestIndex: 7, Digest: "x"}
		s.Node = "n1"
		r := newRun().status(1, s)
		s.Node, s.Recovery, s.DigestIndex, s.Digest = node, recovery, index, digest
		return r.status(t, s)
	}
	expect(t, []sample{
		{"equal", state(2, "n2", "", 7, "x"), nil},
		{"another index", state(2, "n2", "", 8, "y"), nil},
		{"another state", state(2, "n2", "", 7, "y"), []ID{"S25"}},
		{"another state of the same node, later", state(60, "n1", "", 7, "y"), []ID{"S25"}},
		{"of a recovery", state(60, "n1", "2-ab", 7, "y"), nil},
	})
}
