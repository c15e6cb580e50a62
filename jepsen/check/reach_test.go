package check

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestSpans(t *testing.T) {
	s := union(Span{5, 7}, Span{1, 2}, Span{3, 4}, Span{9, 8}, Span{20, history.Never})
	if want := (spans{{1, 7}, {20, history.Never}}); !slices.Equal(s, want) {
		t.Errorf("union is %v, want %v", s, want)
	}
	if rest := s.rest(); !slices.Equal(rest, spans{{0, 0}, {8, 19}}) {
		t.Errorf("rest is %v", rest)
	}
	if !s.cover(Span{2, 6}) || s.cover(Span{6, 8}) || !s.touch(Span{6, 8}) || s.touch(Span{8, 19}) {
		t.Errorf("cover or touch of %v is wrong", s)
	}
	if both := s.both(spans{{6, 30}}); !slices.Equal(both, spans{{6, 7}, {20, 30}}) {
		t.Errorf("both is %v", both)
	}
}

// joining is a run in which n4 joins at 20 s and is removed and killed at 60 s.
func joining() *run {
	r := newRun()
	r.h.Nodes = append(r.h.Nodes, history.Node{Name: "n4"})
	for _, n := range []string{"n1", "n2", "n3"} {
		r.h.Lives = append(r.h.Lives, history.Life{Node: n, Kind: history.Launched}, history.Life{At: at(1), Node: n, Kind: history.Ready})
	}
	for _, l := range []history.Life{
		{At: at(20), Kind: history.Launched}, {At: at(22), Kind: history.Ready}, {At: at(61), Kind: history.Killed}, {At: at(61), Kind: history.Exited},
	} {
		l.Node = "n4"
		r.h.Lives = append(r.h.Lives, l)
	}
	return r.op(20, 22, history.Op{Kind: history.Roster, Key: "n4", Arg: "join", Node: "n4"}).
		op(60, 60.5, history.Op{Kind: history.Roster, Key: "n4", Arg: "remove", Node: "n1"})
}

func TestNodesThatJoinAndLeave(t *testing.T) {
	owned := func() *run { return joining().registers(15, "n1", "7", "b", 0) }
	expect(t, []sample{
		{"a new node needs a moment", owned().sees(23, "n4").sees(35, "n4", in("7", "n1")), nil},
		{"and then knows all", owned().sees(40, "n4"), []ID{"S5"}},
		{"a node that joins is told all", owned().watches(22.2, "n4", 1, 0).told(22.5, "n4", 1, in("7", "n1")).told(40, "n4", 2, in("7", "n1")), nil},
		{"a node that was removed", owned().sees(60.8, "n4").sees(70, "n1", in("7", "n1")), nil},
		{"and its DNs", joining().registers(40, "n4", "8", "b", 0).sees(50, "n1", in("8", "n4")).sees(70, "n1"), nil},
		{"nobody knows whether it votes yet", joining().fault(25, 35, "cut", history.Effect{Cut: ways([]string{"n1", "n2"}, "n3", "n4")}).
			op(28, 28.1, write("a", "n1", "1")), nil},
		{"the writes of the others", owned().op(50, 52, opOf(write("a", "n1", "1")).with(history.Fail, "Unavailable")), []ID{"S14"}},
	})
}

func TestSaw_ASpareNodeNeedNotBeSeen(t *testing.T) {
	r := joining().registers(15, "n1", "7", "b", 0).allSee(30, 31, in("7", "n1"))
	r.h.Polls = slices.DeleteFunc(r.h.Polls, func(p history.Poll) bool { return p.Node == "n4" })
	if v := r.verdict(); v.Result != Passed {
		t.Errorf("result is %s: %q, %v", v.Result, v.Reasons, v.Findings)
	}
}

func TestFencing_ANodeThatLostItsDataMayBeginAnew(t *testing.T) {
	r := newRun().registers(1, "n1", "7", "b", 0).watches(5, "n3", 7, 2, in("7", "n1")).
		fault(10, 12, "lost disk", history.Effect{Down: []string{"n3"}, Wiped: []string{"n3"}}).
		watches(30, "n3", 1, 2, in("7", "n1"))
	if v := r.verdict(); len(v.Findings) > 0 {
		t.Errorf("findings are %v", v.Findings)
	}
}
