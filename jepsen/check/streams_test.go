package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestStreams(t *testing.T) {
	begun := func() *run { return newRun().registers(1, "n1", "7", "b", 0).watches(5, "n1", 3, 10, in("7", "n1")) }
	resume := func(seq uint64) *run {
		r := begun().told(10, "n1", 11, oos("7", "", "unregistered")).unregisters(9.9, "n1", "7", "b")
		r.item(20, "n1", history.Item{Kind: history.Closed})
		return r.item(21, "n1", history.Item{Kind: history.Opened, Incarnation: 3, Seq: seq})
	}
	expect(t, []sample{
		{"numbers grow, with holes", begun().told(10, "n1", 11, oos("7", "", "unregistered")).told(12, "n1", 15, in("7", "n1")).
			unregisters(9.9, "n1", "7", "b").registers(11.9, "n1", "7", "c", 0).beats("n1", 15, 13, 14).sees(16, "n1", in("7", "n1")), nil},
		{"a duplicate, or re-sent after a reconnect", begun().told(10, "n1", 10, in("7", "n1")), []ID{"S6"}},
		{"two senders on one stream", begun().unregisters(9, "n1", "7", "b").told(10, "n1", 12, oos("7", "", "unregistered")).
			told(10, "n1", 11, in("7", "n1")), []ID{"S6"}},
		{"an event dropped", begun().unregisters(20, "n1", "7", "b").beats("n1", 12, 21, 24, 27, 30).
			sees(25, "n1", oos("7", "", "unregistered")), []ID{"S6"}},
		{"an event that comes late", begun().unregisters(20, "n1", "7", "b").beats("n1", 10, 20).
			sees(20.5, "n1", oos("7", "", "unregistered")).told(20.9, "n1", 12, oos("7", "", "unregistered")).beats("n1", 12, 24, 27), nil},
		{"a stream that ends tells nothing", begun().unregisters(20, "n1", "7", "b").item(19, "n1", history.Item{Kind: history.Closed}).
			sees(25, "n1", oos("7", "", "unregistered")), nil},
		{"resumed behind the last one", resume(11).item(21.1, "n1", history.Item{Kind: history.Started, Incarnation: 3, Resumed: true}).
			registers(20.5, "n1", "7", "c", 0).told(21.2, "n1", 12, in("7", "n1")), nil},
		{"resumed earlier", resume(11).item(21.1, "n1", history.Item{Kind: history.Started, Incarnation: 3, Resumed: true}).
			told(21.2, "n1", 11, oos("7", "", "unregistered")), []ID{"S6"}},
		{"an event lost between two streams", resume(11).item(21.1, "n1", history.Item{Kind: history.Started, Incarnation: 3, Resumed: true}).
			registers(20.5, "n1", "7", "c", 0).sees(25, "n1", in("7", "n1")).beats("n1", 12, 26, 28), []ID{"S6"}},
		{"resumed in another life", resume(11).item(21.1, "n1", history.Item{Kind: history.Started, Incarnation: 4, Resumed: true}), []ID{"S6"}},
		{"a change within the snapshot", newRun().registers(1, "n1", "7", "b", 0).item(5, "n1", history.Item{Kind: history.Opened}).
			item(5, "n1", history.Item{Kind: history.Started, Incarnation: 1}).told(5.1, "n1", 3, in("7", "n1")).
			item(5.2, "n1", history.Item{Kind: history.EndOfSnapshot, Seq: 4}), []ID{"S6"}},
		{"a snapshot that never ends", newRun().registers(1, "n1", "7", "b", 0).item(5, "n1", history.Item{Kind: history.Opened}).
			item(5, "n1", history.Item{Kind: history.Started, Incarnation: 1}), []ID{"S6"}},
		{"a second snapshot for a slow reader", begun().item(20, "n1", history.Item{Kind: history.Started, Incarnation: 3}).
			item(20.1, "n1", history.Item{Kind: history.Event, Snapshot: true, Row: oos("7", "", "unregistered")}).
			item(20.2, "n1", history.Item{Kind: history.EndOfSnapshot, Seq: 40}).unregisters(19, "n1", "7", "b").
			beats("n1", 40, 25, 30).sees(22, "n1", oos("7", "", "unregistered")), nil},
	})
}

func TestBoundedNoise(t *testing.T) {
	owned := func() *run {
		return newRun().registers(1, "n3", "7", "b", 0).watches(5, "n1", 1, 10, in("7", "n3"))
	}
	lost := oos("7", "n3", "peer-lost")
	expect(t, []sample{
		{"one of each a cut", owned().cutOff(20, 30).told(20.7, "n1", 11, lost).told(30.3, "n1", 12, in("7", "n3")).
			cutOff(50, 60).told(50.7, "n1", 13, lost).told(60.3, "n1", 14, in("7", "n3")), nil},
		{"gossip and link both announce", owned().cutOff(20, 30).told(20.6, "n1", 11, lost).told(20.8, "n1", 12, lost).
			told(30.3, "n1", 13, in("7", "n3")), []ID{"S15"}},
		{"InSrv before the end of the snapshot", owned().cutOff(20, 30).told(20.6, "n1", 11, lost).told(30.2, "n1", 12, in("7", "n3")).
			told(30.3, "n1", 13, lost).told(30.4, "n1", 14, in("7", "n3")), []ID{"S3", "S15"}},
		{"lost without a fault", owned().sees(50, "n1", lost), []ID{"S15"}},
		{"lost at 5 % packet loss", owned().fault(40, 60, "loss", history.Effect{Unsteady: ways([]string{"n1"}, "n3"), Loss: 5}).
			told(50, "n1", 11, lost).told(50.5, "n1", 12, in("7", "n3")), []ID{"S15"}},
		{"lost at 20 % packet loss", owned().fault(40, 60, "loss", history.Effect{Unsteady: ways([]string{"n1"}, "n3"), Loss: 20}).
			told(50, "n1", 11, lost).told(50.5, "n1", 12, in("7", "n3")), nil},
		{"a fault of others is no reason", owned().fault(40, 60, "cut", history.Effect{Cut: ways([]string{"n2"}, "n1", "n3")}).
			sees(50, "n1", lost), []ID{"S15"}},
		{"a refresh is silent", owned().registers(30, "n3", "7", "b", 0).told(30.1, "n1", 11, in("7", "n3")), []ID{"S15"}},
	})
}

func TestFencing(t *testing.T) {
	taken := func() *run {
		return newRun().registers(1, "n3", "7", "b", 0).fault(20, 40, "pause", history.Effect{Paused: []string{"n3"}}).
			registers(30, "n1", "7", "c", 0)
	}
	expect(t, []sample{
		{"what was taken over stays", taken().sees(35, "n2", in("7", "n1")).sees(40.2, "n2", in("7", "n1")).allSee(51, 55, in("7", "n1")), nil},
		{"the resumed node itself needs a moment", taken().sees(40.2, "n3", in("7", "n3")), nil},
		{"a node brings it back after SIGSTOP", taken().sees(40.3, "n2", in("7", "n3")), []ID{"S16"}},
		{"incarnations grow", newRun().registers(1, "n1", "7", "b", 0).watches(5, "n1", 1, 2, in("7", "n1")).watches(20, "n1", 2, 2, in("7", "n1")), nil},
		{"an old incarnation speaks", newRun().registers(1, "n1", "7", "b", 0).watches(5, "n1", 2, 2, in("7", "n1")).watches(20, "n1", 1, 2, in("7", "n1")), []ID{"S16"}},
	})
}

func TestWrongClock(t *testing.T) {
	wrong := func() *run {
		return newRun().registers(1, "n3", "7", "b", 60).fault(20, 80, "clock", history.Effect{Clock: []string{"n3"}})
	}
	expect(t, []sample{
		{"nothing changes", wrong().allSee(21, 59, in("7", "n3")).sees(63, "n3", oos("7", "", "expired")), nil},
		{"a step forward ends registrations", wrong().allSee(21, 30, oos("7", "", "expired")), []ID{"S17"}},
		{"a step back keeps them", wrong().sees(63, "n3", in("7", "n3")), []ID{"S17"}},
		{"a step breaks the view of a peer", wrong().sees(40, "n1", oos("7", "n3", "peer-lost")), []ID{"S17"}},
	})
}

func TestAuthority(t *testing.T) {
	lied := func(row history.Row) *run {
		return newRun().registers(1, "n1", "7", "b", 0).fault(20, 30, "false peer", history.Effect{Lies: []history.Row{row}})
	}
	count := func(n uint64) *uint64 { return &n }
	expect(t, []sample{
		{"nobody believes it, somebody counts it", lied(in("7", "n3")).allSee(21, 30, in("7", "n1")).
			status(10, history.Status{Node: "n1", Refused: count(0)}).status(40, history.Status{Node: "n1", Refused: count(1)}).
			status(10, history.Status{Node: "n2", Refused: count(0)}).status(40, history.Status{Node: "n2", Refused: count(0)}), nil},
		{"nobody counts it", lied(in("7", "n3")).status(10, history.Status{Node: "n1", Refused: count(0)}).
			status(40, history.Status{Node: "n1", Refused: count(0)}), []ID{"S18"}},
		{"believed about a DN of another one", lied(in("7", "n3")).sees(25, "n2", in("7", "n3")), []ID{"S18"}},
		{"believed about a DN of nobody", lied(in("99", "n3")).sees(25, "n2", in("7", "n1"), in("99", "n3")), []ID{"S18"}},
		{"believed that it is OOS", lied(oos("7", "n3", "")).sees(25, "n2", oos("7", "n3", "unregistered")), []ID{"S18"}},
	})
}
