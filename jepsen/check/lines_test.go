package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// lostMajority is a run in which n1 went on alone at 50 s, with all up to revision 10.
func lostMajority(r *run) *run {
	return r.fault(48, 60, "majority-lost", history.Effect{Down: []string{"n2", "n3"}, Lost: []string{"n2", "n3"}}).
		op(50, 51, history.Op{Process: "operator", Kind: history.Recover, Node: "n1", Key: "2-ab", Revision: 10})
}

// at gives an operation its revision.
func (o opOf) at(revision uint64) history.Op {
	op := history.Op(o)
	op.Revision = revision
	return op
}

func TestRecovery_BoundsWhatMayBeMissing(t *testing.T) {
	add := func(key string) opOf {
		return opOf(history.Op{Process: "a", Kind: history.Add, Node: "n1", Key: key})
	}
	end := func(keys ...string) history.Dump {
		d := history.Dump{Node: "n1", Index: 9, Digest: "x"}
		for _, k := range keys {
			d.Entries = append(d.Entries, history.Entry{Key: k})
		}
		return d
	}
	written := func(last uint64) *run {
		return lostMajority(newRun().op(1, 2, opOf(write("k", "n2", "1")).at(5)).op(3, 4, opOf(write("k", "n2", "2")).at(last)))
	}
	aside := func() *run {
		return lostMajority(newRun()).op(52, 53, history.Op{Process: "operator", Kind: history.Recover, Node: "n2", Key: "2-cd", Arg: history.Mistaken, Revision: 10}).
			op(54, 55, opOf(history.Op{Process: "a", Kind: history.Add, Node: "n2", Key: "e"}).at(1_000_011)).
			op(57, 58, history.Op{Process: "operator", Kind: history.Accept, Node: "n2", Key: "2-ab"})
	}
	expect(t, []sample{
		{"what the survivor knew", lostMajority(newRun().op(1, 2, add("e").at(10))).dump(90, end("e")), nil},
		{"it is lost", lostMajority(newRun().op(1, 2, add("e").at(10))).dump(90, end()), []ID{"S9"}},
		{"what it did not know", lostMajority(newRun().op(1, 2, add("e").at(11))).dump(90, end()), nil},
		{"what came later", lostMajority(newRun()).op(70, 71, add("e").at(1_000_011)).dump(90, end()), []ID{"S9"}},
		{"a value that it knew", written(9).op(70, 71, read("k", "n1", "2")), nil},
		{"a value that it did not know", written(11).op(70, 71, read("k", "n1", "1")), nil},
		{"a value that it did not know is there", written(11).op(70, 71, read("k", "n1", "2")), []ID{"S8"}},
		{"a value from before", written(9).op(70, 71, read("k", "n1", "1")), []ID{"S8"}},
		{"what was set aside is gone", aside().dump(90, end()), nil},
		{"what came behind it", aside().op(57.5, 59, opOf(history.Op{Process: "a", Kind: history.Add, Node: "n2", Key: "f"}).at(1_000_012)).dump(90, end("f")), nil},
		{"what came behind it is gone", aside().op(57.5, 59, opOf(history.Op{Process: "a", Kind: history.Add, Node: "n2", Key: "f"}).at(1_000_012)).dump(90, end()), []ID{"S9"}},
		{"what was set aside is there", aside().dump(90, end("e")), []ID{"S9"}},
	})
}

func TestRestore_IsAWriteOfAll(t *testing.T) {
	add := func(key string) history.Op { return history.Op{Process: "a", Kind: history.Add, Node: "n1", Key: key} }
	restore := func(o history.Outcome, entries ...history.Entry) history.Op {
		return history.Op{Process: "operator", Kind: history.Restore, Node: "n2", Outcome: o, Revision: 20, Entries: entries}
	}
	one := history.Entry{Key: "k", Value: "1"}
	written := func() *run { return newRun().op(1, 2, write("k", "n1", "1")).op(3, 4, write("k", "n1", "2")) }
	end := func(nodes string, keys ...string) history.Dump {
		d := history.Dump{Node: "n1", Index: 9, Digest: "x", Objects: []history.Entry{{Key: "node/1", Value: nodes}}}
		for _, k := range keys {
			d.Entries = append(d.Entries, history.Entry{Key: k})
		}
		return d
	}
	swap := history.Op{Process: "b", Kind: history.Swap, Node: "n1", Key: "k", From: "1", Arg: "9"}
	begin := func() *run {
		r := newRun().dump(0, end("a"))
		r.h.Dumps[0].Final = false
		return r
	}
	expect(t, []sample{
		{"the old value is back", written().op(10, 11, restore(history.OK, one)).op(20, 21, read("k", "n1", "1")), nil},
		{"the new value stays", written().op(10, 11, restore(history.OK, one)).op(20, 21, read("k", "n1", "2")), []ID{"S8"}},
		{"it was perhaps done", written().op(10, 11, restore(history.Unknown, one)).op(20, 21, read("k", "n1", "2")).op(30, 31, read("k", "n1", "1")), nil},
		{"it was not done", written().op(10, 11, restore(history.Fail, one)).op(20, 21, read("k", "n1", "1")), []ID{"S8"}},
		{"a value without backup is gone", written().op(10, 11, restore(history.OK)).op(20, 21, read("k", "n1", "")), nil},
		{"another revision than before", written().op(10, 11, restore(history.OK, one)).op(20, 21, swap), nil},
		{"elements come and go", newRun().op(1, 2, add("e")).op(3, 4, add("f")).op(10, 11, restore(history.OK, history.Entry{Key: "e"})).
			op(20, 21, add("g")).dump(90, end("a", "e", "g")), nil},
		{"an element of the backup is lost", newRun().op(1, 2, add("e")).op(10, 11, restore(history.OK, history.Entry{Key: "e"})).dump(90, end("a")), []ID{"S9"}},
		{"an element stays", newRun().op(1, 2, add("e")).op(10, 11, restore(history.OK)).dump(90, end("a", "e")), []ID{"S9"}},
		{"the nodes stay", begin().op(10, 11, restore(history.OK)).dump(90, end("a")), nil},
		{"other nodes", begin().op(10, 11, restore(history.OK)).dump(90, end("b")), []ID{"S9"}},
	})
}
