package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func (r *run) life(t float64, node string, k history.LifeKind, why string) *run {
	r.h.Lives = append(r.h.Lives, history.Life{At: at(t), Node: node, Kind: k, Error: why})
	return r
}

// allRun is a run whose processes are known.
func allRun() *run {
	r := newRun().registers(1, "n1", "7", "b", 0)
	for _, n := range r.h.Nodes {
		r.life(0, n.Name, history.Launched, "").life(0.1, n.Name, history.Ready, "")
	}
	return r
}

// removed is a run in which n3 is killed and taken off the roster.
func removed() *run {
	return allRun().fault(20, 60, "removed", history.Effect{Down: []string{"n3"}, Wiped: []string{"n3"}}).
		life(20, "n3", history.Killed, "").life(20, "n3", history.Exited, "").
		op(20.5, 20.6, history.Op{Kind: history.Roster, Node: "n1", Key: "n3", Arg: "remove"})
}

func TestFencing_IncarnationsGoUp(t *testing.T) {
	again := func(incarnation uint64) *run {
		return allRun().watches(2, "n3", 5, 1).down(20, 30, "n3").
			life(20, "n3", history.Killed, "").life(20, "n3", history.Exited, "").
			life(30, "n3", history.Launched, "").life(30.5, "n3", history.Ready, "").
			watches(31, "n3", incarnation, 1)
	}
	expect(t, []sample{
		{"a new one after a start", again(6), nil},
		{"the same one after a start", again(5), []ID{"S16"}},
		{"an old one after a start", again(4), []ID{"S16"}},
		{"the same process is asked again", allRun().watches(2, "n3", 5, 1).watches(31, "n3", 5, 1), nil},
	})
}

func TestFencing_RemovedNodesEnd(t *testing.T) {
	back := func() *run { return removed().life(50, "n3", history.Launched, "") }
	serves := history.Status{Node: "n3", State: "follower"}
	clear := "exit code 1: sipcluster: this node was removed from the cluster: to take part again, join with a fresh data directory"
	expect(t, []sample{
		{"it ends and says why", back().status(51, serves).life(52, "n3", history.Exited, clear), nil},
		{"it goes on serving", back().status(51, serves).status(65, serves), []ID{"S16"}},
		{"it ends as if all were well", back().life(52, "n3", history.Exited, "exit code 0: this node was removed"), []ID{"S16"}},
		{"it ends without a word on it", back().life(52, "n3", history.Exited, "exit code 2: something failed"), []ID{"S16"}},
		{"it joined again", back().life(52, "n3", history.Exited, clear).
			op(53, 54, history.Op{Kind: history.Roster, Node: "n3", Key: "n3", Arg: "join"}).status(80, serves), nil},
		{"nobody can tell it", back().fault(45, 90, "cut", history.Effect{Cut: ways([]string{"n3"}, "n1", "n2")}).status(65, serves), nil},
	})
}
