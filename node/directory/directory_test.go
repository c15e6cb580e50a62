package directory

import (
	"errors"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func entry(addr string) *configpb.Node {
	return &configpb.Node{Id: "x", Name: "nx", ClusterAddr: addr, GossipAddr: addr + "g"}
}

func process(addr string, instance, up uint64) *peerpb.Presence {
	return &peerpb.Presence{Node: entry(addr), Instance: instance, UpMs: up}
}

func TestAt_TheNewestWord(t *testing.T) {
	d := New()
	roster := entry("old:1")
	if got := d.At(roster); got.GetClusterAddr() != "old:1" {
		t.Error("before it said anything:", got)
	}
	if !d.Take(process("new:1", 1, 1), roster) {
		t.Error("it has moved")
	}
	if d.Take(process("new:1", 1, 2), roster) {
		t.Error("it has not moved again")
	}
	if got := d.At(roster); got.GetClusterAddr() != "new:1" || got.GetGossipAddr() != "new:1g" || got.GetName() != "nx" {
		t.Error("it said where it is:", got)
	}
	d.Hint("x", "elsewhere:1")
	if got := d.At(roster); got.GetClusterAddr() != "new:1" {
		t.Error("what others say counts for nothing:", got)
	}
	if got := d.Candidates(roster); !slices.Equal(got, []string{"new:1", "elsewhere:1", "old:1"}) {
		t.Error(got)
	}
	if got := d.At(entry("mended:1")); got.GetClusterAddr() != "mended:1" {
		t.Error("the roster has changed since:", got)
	}
	d.Keep(func(string) bool { return false })
	if got := d.At(roster); got.GetClusterAddr() != "old:1" || d.Words() != nil {
		t.Error("it is off the roster:", got)
	}
}

func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		name    string
		known   *peerpb.Presence
		comes   *peerpb.Presence
		answers map[string]*peerpb.Presence
		refused string // the address named
	}{
		{"the first word", nil, process("old:1", 1, 10), nil, ""},
		{"again", process("old:1", 1, 10), process("old:1", 1, 20), nil, ""},
		{"a restart at the same address", process("old:1", 1, 10), process("old:1", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 2, 1)}, ""},
		{"a move, nobody answers any more", process("old:1", 1, 10), process("new:1", 2, 1), nil, ""},
		{"a move, another node has the address", process("old:1", 1, 10), process("new:1", 2, 1), map[string]*peerpb.Presence{"old:1": {Node: &configpb.Node{Id: "y"}, UpMs: 99}}, ""},
		{"a clone", process("old:1", 1, 10), process("new:1", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 1, 10)}, "old:1"},
		{"a clone at a node that knows the roster alone", nil, process("new:1", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 1, 10)}, "old:1"},
		{"the first one again, after its clone was taken for a restart", process("new:1", 2, 1), process("old:1", 1, 10), map[string]*peerpb.Presence{"new:1": process("", 2, 1)}, ""},
		{"itself by another address", process("old:1", 1, 10), process("new:1", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 2, 1)}, ""},
		{"a link says no address: a restart", process("old:1", 1, 10), process("", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 2, 1)}, ""},
		{"a link says no address: a clone", process("old:1", 1, 10), process("", 2, 1), map[string]*peerpb.Presence{"old:1": process("", 1, 10)}, "old:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, roster := New(), entry("old:1")
			if c.known != nil {
				d.Take(c.known, roster)
			}
			err := d.Admit(c.comes, roster, func(addr string) *peerpb.Presence { return c.answers[addr] })
			second := (*Second)(nil)
			if errors.As(err, &second); (err != nil) != (c.refused != "") || second != nil && second.Addr != c.refused {
				t.Fatal(err)
			}
		})
	}
}

func TestStands(t *testing.T) {
	at := func(id string, log uint64, leaderless bool) *peerpb.Presence {
		return &peerpb.Presence{Node: &configpb.Node{Id: id}, LastLog: log, Leaderless: leaderless}
	}
	for _, c := range []struct {
		name   string
		me     *peerpb.Presence
		others []*peerpb.Presence
		want   bool
	}{
		{"the first of equals", at("a", 5, true), []*peerpb.Presence{at("b", 5, true)}, true},
		{"the second of equals", at("b", 5, true), []*peerpb.Presence{at("a", 5, true)}, false},
		{"the longest log", at("b", 6, true), []*peerpb.Presence{at("a", 5, true), at("c", 5, true)}, true},
		{"a minority", at("a", 5, true), []*peerpb.Presence{at("x", 1, true)}, false},
		{"one knows a leader", at("a", 5, true), []*peerpb.Presence{at("b", 5, false)}, false},
		{"it knows a leader itself", at("a", 5, false), []*peerpb.Presence{at("b", 5, true)}, false},
		{"no voter", at("x", 9, true), []*peerpb.Presence{at("a", 5, true), at("b", 5, true)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Stands(c.me, c.others, []string{"a", "b", "c"}); got != c.want {
				t.Error(got)
			}
		})
	}
}
