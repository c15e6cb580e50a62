package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestStaleInSrv(t *testing.T) {
	// n1 loses n3 0.6 s after the cut of 20 s to 30 s and has it again soon after.
	owned := func() *run {
		return newRun().registers(1, "n3", "7", "b", 0).allSee(5, 19, in("7", "n3"))
	}
	pairCut := history.Effect{Cut: ways([]string{"n1"}, "n3")}
	expect(t, []sample{
		{"lost in time, back in time", owned().cutOff(20, 30).sees(20.5, "n1", in("7", "n3")).
			sees(20.7, "n1", oos("7", "n3", "peer-lost")).sees(29, "n1", oos("7", "n3", "peer-lost")).
			sees(30.3, "n1", in("7", "n3")).sees(32.5, "n1", in("7", "n3")), nil},
		{"back before the heal", owned().cutOff(20, 30).sees(29.9, "n1", in("7", "n3")), []ID{"S1"}},
		{"within the bound and after the begin of the heal all is open", owned().cutOff(20, 30).sees(20.9, "n1", in("7", "n3")).
			sees(30.01, "n1", in("7", "n3")).sees(31, "n1", oos("7", "n3", "peer-lost")), nil},
		{"a poll that began before the bound", owned().cutOff(20, 30).sees(21.045, "n1", in("7", "n3")), nil},
		{"a silent drop is never noticed", owned().cutOff(20, 30).sees(25, "n1", in("7", "n3")), []ID{"S1"}},
		{"the owner sees itself", owned().cutOff(20, 30).sees(25, "n3", in("7", "n3")), nil},
		{"gossip alone: only the links' port is cut", owned().fault(20, 30, "cut cluster port",
			history.Effect{CutPorts: ways([]string{"n1"}, "n3"), Ports: []string{"cluster"}}).sees(25, "n1", in("7", "n3")), []ID{"S1"}},
		{"gossip's port is cut, the link stands", owned().fault(20, 30, "cut gossip port",
			history.Effect{CutPorts: ways([]string{"n1"}, "n3"), Ports: []string{"gossip"}}).sees(25, "n1", in("7", "n3")), nil},
		{"gossip alone: only one pair is cut", owned().fault(20, 30, "cut pair", pairCut).sees(22, "n1", in("7", "n3")), []ID{"S1"}},
		{"a pair may take longer", owned().fault(20, 30, "cut pair", pairCut).sees(21.3, "n1", in("7", "n3")), nil},
		{"one way is enough", owned().fault(20, 30, "one-way", history.Effect{Cut: []history.Pair{{From: "n3", To: "n1"}}}).
			sees(25, "n1", in("7", "n3")), []ID{"S1"}},
		{"the other way is open", owned().fault(20, 30, "one-way", history.Effect{Cut: []history.Pair{{From: "n1", To: "n3"}}}).
			sees(25, "n1", in("7", "n3")), nil},
		{"a killed owner", owned().down(20, 30, "n3").sees(20.3, "n1", in("7", "n3")), []ID{"S1"}},
		{"a killed owner whose end a cut may have hidden", owned().cutOff(20, 30).down(20.1, 29, "n3").sees(20.5, "n1", in("7", "n3")), nil},
		{"a paused owner", owned().fault(20, 30, "pause", history.Effect{Paused: []string{"n3"}}).sees(26, "n1", in("7", "n3")), []ID{"S1"}},
		{"a short pause", owned().fault(20, 23, "pause", history.Effect{Paused: []string{"n3"}}).sees(22.9, "n1", in("7", "n3")), nil},
		{"wall clock in the deadline", owned().cutOff(20, 30).fault(19, 40, "clock", history.Effect{Clock: []string{"n1"}}).
			sees(22, "n1", in("7", "n3")), []ID{"S1"}},
		{"the list knows, the router does not", owned().cutOff(20, 30).sees(25, "n1", oos("7", "n3", "peer-lost")).
			op(25, 25.2, history.Op{Kind: history.Invite, Node: "n1", Key: "7", Code: "180"}), []ID{"S1"}},
		{"a call is answered 480", owned().cutOff(20, 30).
			op(25, 25.2, history.Op{Kind: history.Invite, Node: "n1", Key: "7", Code: "480"}), nil},
		{"on the stream too", owned().cutOff(20, 30).watches(15, "n1", 1, 1, in("7", "n3")).told(25, "n1", 2, in("7", "n3")), []ID{"S1"}},
		{"an unconfirmed cut proves nothing", func() *run {
			r := owned().cutOff(20, 30).sees(25, "n1", in("7", "n3"))
			r.h.Faults[0].Confirmed = history.Never
			return r
		}(), nil},
		{"an observer that was paused has its own time", owned().cutOff(20, 60).
			fault(20, 40, "pause", history.Effect{Paused: []string{"n1"}}).sees(40.1, "n1", in("7", "n3")), nil},
	})
}

func TestOwnImmune(t *testing.T) {
	owned := func() *run { return newRun().registers(1, "n3", "7", "b", 60).allSee(5, 19, in("7", "n3")) }
	expect(t, []sample{
		{"InSrv at home during the cut", owned().cutOff(20, 30).sees(25, "n3", in("7", "n3")), nil},
		{"OOS on loss of the quorum", owned().cutOff(20, 30).sees(25, "n3", oos("7", "n3", "admin")), []ID{"S2"}},
		{"not listed on loss of the leader", owned().cutOff(20, 30).sees(25, "n3"), []ID{"S2"}},
		{"a table read through Raft", func() *run {
			r := owned().cutOff(20, 30)
			r.h.Polls = append(r.h.Polls, history.Poll{Asked: at(25), Answered: at(27), Node: "n3", View: history.Table, Error: "deadline exceeded"})
			return r
		}(), []ID{"S2"}},
		{"its lifetime may be over", owned().sees(60, "n3", oos("7", "", "expired")), nil},
		{"it may not have been acknowledged", newRun().op(20, 25, history.Op{Kind: history.Register, Node: "n3", Key: "7", Outcome: history.Unknown}).
			sees(30, "n3").sees(40, "n3", in("7", "n3")), nil},
		{"it is being un-registered", owned().op(20, 22, history.Op{Kind: history.Unregister, Node: "n3", Key: "7", Arg: "b"}).
			sees(21, "n3", oos("7", "", "unregistered")), nil},
		{"it may be moving", owned().op(20, 22, history.Op{Kind: history.Register, Node: "n1", Key: "7", Arg: "c", Outcome: history.Unknown}).
			sees(21, "n3", in("7", "n1")).sees(60, "n3", in("7", "n3")), nil},
	})
}

func TestOneOwner(t *testing.T) {
	// The phone moves from n1 to n3 while n3 is cut off.
	moved := func() *run {
		return newRun().registers(1, "n1", "7", "b", 0).cutOff(20, 30).registers(25, "n3", "7", "c", 0)
	}
	streams := func(r *run) *run {
		return r.watches(10, "n1", 1, 5, in("7", "n1"))
	}
	expect(t, []sample{
		{"both during the cut, the newest after it", moved().sees(27, "n1", in("7", "n1")).sees(27, "n3", in("7", "n3")).
			allSee(33, 40, in("7", "n3")), nil},
		{"while it heals either is right", moved().sees(31, "n1", in("7", "n1")).sees(31, "n2", oos("7", "n1", "owner-moved")), nil},
		{"arrival order or the smaller claim wins", moved().allSee(33, 40, in("7", "n1")), []ID{"S3"}},
		{"both give up", moved().allSee(33, 40, oos("7", "", "")), []ID{"S2", "S3"}},
		{"neither gives up", moved().sees(35, "n1", in("7", "n1")).sees(35, "n3", in("7", "n3")), []ID{"S3"}},
		{"one visible change", streams(moved()).told(30.2, "n1", 6, in("7", "n3")), nil},
		{"two visible changes", streams(moved()).told(30.2, "n1", 6, oos("7", "", "owner-moved")).told(30.4, "n1", 7, in("7", "n3")), []ID{"S3"}},
		{"a wrong clock may let the older one win", moved().fault(24, 60, "clock", history.Effect{Clock: []string{"n1"}}).
			allSee(50, 55, in("7", "n1")), nil},
		{"but there is one owner even then", moved().fault(24, 60, "clock", history.Effect{Clock: []string{"n1"}}).
			sees(90, "n1", in("7", "n1")).sees(90, "n3", in("7", "n3")), []ID{"S3"}},
	})
}

func TestNoResurrection(t *testing.T) {
	ended := func() *run { return newRun().registers(1, "n1", "7", "b", 0) }
	expect(t, []sample{
		{"un-registered is OOS", ended().unregisters(20, "n1", "7", "b").allSee(21, 30, oos("7", "", "unregistered")), nil},
		{"the news may take a moment", ended().unregisters(20, "n1", "7", "b").sees(20.3, "n2", in("7", "n1")), nil},
		{"a snapshot merged without a sweep", ended().cutOff(15, 30).unregisters(20, "n1", "7", "b").
			sees(25, "n3", oos("7", "n1", "peer-lost")).sees(33, "n3", in("7", "n1")), []ID{"S4"}},
		{"an unanswered un-REGISTER leaves it open", ended().op(20, 25, history.Op{Kind: history.Unregister, Node: "n1", Key: "7", Arg: "b", Outcome: history.Unknown}).
			sees(30, "n2", in("7", "n1")).sees(40, "n2", oos("7", "", "unregistered")), nil},
		{"an un-REGISTER matched by DN only", ended().registers(20, "n1", "7", "c", 0).unregisters(30, "n1", "7", "b").
			allSee(31, 35, oos("7", "", "unregistered")), []ID{"S4"}},
		{"a cancelled expiry timer fires", newRun().registers(1, "n1", "7", "b", 30).registers(20, "n1", "7", "b", 60).
			allSee(32, 40, oos("7", "", "expired")), []ID{"S4"}},
		{"silence ends it in time", newRun().registers(1, "n1", "7", "b", 30).sees(30.5, "n1", in("7", "n1")).sees(31.5, "n1", oos("7", "", "expired")), nil},
		{"silence never ends it", newRun().registers(1, "n1", "7", "b", 30).sees(35, "n1", in("7", "n1")), []ID{"S4"}},
		{"the older node comes back after an un-REGISTER at the newer", ended().registers(20, "n2", "7", "c", 0).unregisters(30, "n2", "7", "c").
			allSee(31, 35, in("7", "n1")), []ID{"S4"}},
	})
}

func TestUnionOfTruth(t *testing.T) {
	expect(t, []sample{
		{"all see all", newRun().registers(1, "n1", "7", "b", 0).registers(2, "n2", "8", "b", 0).allSee(5, 9, in("7", "n1"), in("8", "n2")), nil},
		{"a delta lost on resume", newRun().registers(1, "n1", "7", "b", 0).cutOff(10, 20).registers(15, "n1", "8", "b", 0).
			sees(25, "n3", in("7", "n1")).sees(25, "n1", in("7", "n1"), in("8", "n1")), []ID{"S5"}},
		{"the end of the snapshot deletes nothing", newRun().registers(1, "n1", "7", "b", 0).cutOff(10, 20).unregisters(15, "n1", "7", "b").
			sees(25, "n3", in("7", "n1")), []ID{"S4"}},
		{"third-party state is relayed", newRun().registers(1, "n1", "7", "b", 0).sees(5, "n3", in("7", "n2")), []ID{"S3"}},
		{"a DN out of nowhere", newRun().registers(1, "n1", "7", "b", 0).sees(5, "n3", in("7", "n1"), in("99", "n2")), []ID{"S5"}},
		{"nobody knows, but all must agree", newRun().op(1, 5, history.Op{Kind: history.Register, Node: "n1", Key: "7", Outcome: history.Unknown}).
			op(6, 6.1, history.Op{Kind: history.Options, Node: "n1", Process: "client-7"}).
			sees(90, "n1", in("7", "n1")).sees(90, "n2", oos("7", "", "")), []ID{"S5"}},
	})
}

func TestSurvivesKill(t *testing.T) {
	killed := func() *run { return newRun().registers(1, "n3", "7", "b", 60).down(20, 25, "n3") }
	expect(t, []sample{
		{"it is back", killed().sees(25.1, "n3", in("7", "n3")).allSee(36, 40, in("7", "n3")), nil},
		{"200 before the write, or a store that was truncated", killed().sees(25.1, "n3"), []ID{"S7"}},
		{"the lifetime is stored relative", killed().sees(75, "n3", in("7", "n3")), []ID{"S7"}},
		{"an unanswered REGISTER may be lost", newRun().op(19, 21, history.Op{Kind: history.Register, Node: "n3", Key: "7", Outcome: history.Unknown}).
			down(20, 25, "n3").sees(26, "n3"), nil},
		{"a full disk keeps nothing", killed().fault(0.5, 22, "full disk", history.Effect{Full: []string{"n3"}}).sees(30, "n3"), nil},
		{"a lost disk keeps nothing", killed().fault(20, 24, "wipe", history.Effect{Wiped: []string{"n3"}}).sees(30, "n3"), nil},
	})
}
