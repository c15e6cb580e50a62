package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// looks is what the node shows from one time to another, each 200 ms.
func (r *run) looks(from, to float64, node string, busy, free []string) *run {
	for t := from; t < to; t += 0.2 {
		r.h.Holds = append(r.h.Holds, history.Holds{Asked: at(t), Answered: at(t + 0.01), Node: node, Busy: busy, Free: free})
	}
	return r
}

// roams registers the telephone at the node, where it is one of several.
func (r *run) roams(t float64, node, dn string) *run {
	return r.op(t, t+0.1, history.Op{Kind: history.Enrol, Node: node, Home: node, Key: dn, Arg: history.Roaming, Process: "device-" + node})
}

// bye is a BYE of a telephone, answered or not.
func (r *run) bye(t float64, id, dn string, o history.Outcome, code string) *run {
	return r.op(t, t+0.1, history.Op{Kind: history.Within, Node: home(dn), Home: home(dn), From: "BYE", Key: dn, Arg: id, Outcome: o, Code: code})
}

func TestBusyIsCalls(t *testing.T) {
	both, roaming, none := []string{"301", "302"}, []string{"301", "362"}, []string(nil)
	cut := func(r *run, inject, heal float64) *run {
		return r.fault(inject, heal, "cut", history.Effect{Cut: ways([]string{"n2"}, "n1", "n3")})
	}
	cutAt := func(inject, heal float64, r *run) *run {
		return r.fault(inject, heal, "cut", history.Effect{Cut: ways([]string{"n3"}, "n1", "n2")})
	}
	called := func() *run { return newRun().enrols().allSee(5, 6).dials(20, "c", "301", "302") }
	up := func() *run { return called().talks(20.4, 30, "c", "301", "302") }
	silent := func(transport, code string, o history.Outcome) *run {
		r := newRun().enrols().allSee(5, 6).roams(2, "n2", "362").dials(20, "c", "301", "362")
		r.op(20.4, 40, history.Op{Kind: history.Talk, Node: "n2", Home: "n2", From: "301", Key: "362", Arg: "c", Process: "rc"})
		r.op(24, 24, history.Op{Kind: history.Silence, Node: "n2", Home: "n2", Key: "362", Arg: "c", From: transport})
		return r.bye(30, "c", "301", o, code)
	}
	outside := func() *run {
		r := newRun().enrols().allSee(5, 6).op(2, 2.1, history.Op{Kind: history.Enrol, Node: "n2", Home: "n2", Key: "902", From: "372", Arg: history.Trunk})
		r.op(20, 20.3, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "390", Arg: "c", Code: "200"})
		r.op(20.1, 20.35, history.Op{Kind: history.Ring, Node: "n2", Home: "n2", From: "301", Key: "902", Arg: "c", Code: "200", Process: "rc"})
		return r.talks(20.4, 30, "c", "301", "902")
	}
	expect(t, []sample{
		{"busy in a call and free behind it", up().looks(21, 30, "n3", both, none).looks(31.6, 40, "n3", none, both), nil},
		{"free in a call", up().looks(21, 30, "n3", []string{"301"}, []string{"302"}), []ID{"S21"}},
		{"busy behind it", up().looks(31.6, 40, "n3", []string{"302"}, []string{"301"}), []ID{"S21"}},
		{"busy before any call", up().looks(15, 16, "n1", []string{"302"}, none), []ID{"S21"}},
		{"busy for a moment behind it", up().looks(30, 31.2, "n3", both, none), nil},
		{"free where it went", up().roams(22, "n3", "302").looks(23, 30, "n3", []string{"301"}, []string{"302"}), []ID{"S21"}},
		{"out of service and therefore not busy", up().looks(23, 30, "n3", []string{"301"}, none), nil},
		{"the other side is gone: busy", silent("", "200", history.OK).looks(31.6, 36, "n1", roaming, none), []ID{"S21"}},
		{"the other side is gone: free", silent("", "200", history.OK).looks(31.6, 36, "n1", none, roaming), nil},
		{"the other side's connection is gone, and nobody hangs up", silent("tcp", "", history.Unknown).looks(31.6, 36, "n1", roaming, none), []ID{"S21"}},
		{"another telephone has come in its place, and nobody hangs up", silent("tcp", "", history.Unknown).roams(25, "n3", "362").looks(29.6, 34, "n1", []string{"301"}, none), []ID{"S21"}},
		{"it was not reached in time", cutAt(27, 29, silent("tcp", "", history.Unknown).roams(25, "n3", "362")).looks(29.6, 32, "n1", []string{"301"}, none), nil},
		{"it was not reached for long", cutAt(27, 29, silent("tcp", "", history.Unknown).roams(25, "n3", "362")).looks(33, 34, "n1", []string{"301"}, none), []ID{"S21"}},
		{"it was lost too", silent("tcp", "", history.Unknown).roams(25, "n3", "362").op(26, 26, history.Op{Kind: history.Silence, Node: "n3", Home: "n3", Key: "362", Arg: "d"}).looks(29.6, 32, "n1", []string{"301"}, none), nil},
		{"nobody was heard to hang up", silent("", "", history.Unknown).looks(31.6, 36, "n1", roaming, none), nil},
		{"a challenge ended nothing", silent("", "401", history.Fail).looks(31.6, 36, "n1", roaming, none), nil},
		{"a refused BYE ended it", silent("", "481", history.Fail).looks(31.6, 36, "n1", roaming, none), []ID{"S21"}},
		{"a BYE in a cut: free on its side", cut(up(), 25, 40).looks(31.6, 39, "n3", none, both), nil},
		{"a BYE in a cut: busy on its side", cut(up(), 25, 40).looks(31.6, 39, "n3", both, none), []ID{"S21"}},
		{"a BYE in a cut: busy on the other side", cut(up(), 25, 40).looks(31.6, 39, "n2", both, none), nil},
		{"a BYE in a cut: busy on the other side behind the heal", cut(up(), 25, 40).looks(43, 45, "n2", both, none), []ID{"S21"}},
		{"refused", called().op(20, 21, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "303", Arg: "d", Code: "486", Outcome: history.Fail}).
			looks(23, 24, "n3", []string{"303"}, none), []ID{"S21"}},
		{"an agent with a telephone elsewhere, in a call", outside().looks(21, 30, "n3", []string{"301", "372"}, none).looks(31.6, 33, "n3", none, []string{"372"}), nil},
		{"an agent with a telephone elsewhere, free in a call", outside().looks(21, 30, "n3", []string{"301"}, []string{"372"}), []ID{"S21"}},
		{"an agent with a telephone elsewhere, busy behind it", outside().looks(31.6, 33, "n3", []string{"372"}, none), []ID{"S21"}},
		{"all nodes of the call have died", called().op(20.4, 40, history.Op{Kind: history.Talk, Node: "n2", Home: "n2", From: "301", Key: "302", Arg: "c", Process: "rc"}).
			down(25, 26, "n1", "n2").looks(37, 39, "n3", both, none), []ID{"S21"}},
	})
}

func TestNobodyRings(t *testing.T) {
	rings := func(from, to float64) *run {
		return newRun().enrols().allSee(5, 6).
			op(from, to, history.Op{Kind: history.Ring, Node: "n2", Home: "n2", From: "301", Key: "302", Arg: "c", Code: "487", Outcome: history.Fail, Process: "rc"})
	}
	dial := func(r *run, to float64, o history.Outcome, code string) *run {
		return r.op(20, to, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "302", Arg: "c", Code: code, Outcome: o})
	}
	cut := history.Effect{Cut: ways([]string{"n1"}, "n2", "n3")}
	expect(t, []sample{
		{"given up", dial(rings(20.1, 24), 24, history.Fail, "487"), nil},
		{"given up, and rings on", dial(rings(20.1, 28), 24, history.Fail, "487"), []ID{"S22"}},
		{"lost, and not known yet", dial(rings(20.1, 23.4), 22.5, history.Fail, "480").fault(21, 40, "cut", cut), nil},
		{"lost, and rings on", dial(rings(20.1, 29), 22.5, history.Fail, "480").fault(21, 40, "cut", cut), []ID{"S22"}},
		{"the link was back soon", dial(rings(20.1, 24), 24, history.Fail, "487").fault(21, 21.8, "cut", cut), nil},
		{"the caller's node has died", dial(rings(20.1, 30), 29, history.Unknown, "").down(21, 31, "n1"), []ID{"S22"}},
		{"the caller's node has died, and was back at once", dial(rings(20.1, 40), 29, history.Unknown, "").down(21, 21.01, "n1"), []ID{"S22"}},
		{"an answer that nobody asked for any more", dial(rings(20.1, 23), 22.5, history.Fail, "480").fault(21, 40, "cut", cut).
			op(23, 30, history.Op{Kind: history.Talk, Node: "n2", Home: "n2", From: "301", Key: "302", Arg: "c", Process: "rc"}), []ID{"S22"}},
	})
}

func TestAnswerable(t *testing.T) {
	silent := func(calls bool) *run {
		r := newRun().enrols().allSee(5, 6)
		r.op(18, 18.1, history.Op{Kind: history.Enrol, Node: "n2", Home: "n2", Key: "362", Arg: history.Roaming, Process: "telephone-362/device1"})
		r.dials(20, "c", "301", "362").talks(20.4, 26, "c", "301", "362")
		r.op(24, 24, history.Op{Kind: history.Silence, Node: "n2", Home: "n2", Key: "362", Arg: "c", Process: "telephone-362/device1/silence"})
		if calls {
			r.op(28, 37, history.Op{Kind: history.Dial, Node: "n3", Home: "n3", From: "303", Key: "362", Arg: "d", Code: "487", Outcome: history.Fail})
		}
		return r.op(35, 35.1, history.Op{Kind: history.Enrol, Node: "n1", Home: "n1", Key: "362", Arg: history.Roaming, Process: "telephone-362/device2"})
	}
	deaf := func() *run {
		r := newRun().enrols().allSee(5, 6)
		r.op(18, 18.1, history.Op{Kind: history.Enrol, Node: "n2", Home: "n2", Key: "382", Arg: history.Roaming, Process: "telephone-382/device0"})
		r.op(24, 24, history.Op{Kind: history.Silence, Node: "n2", Home: "n2", Key: "382", Process: "telephone-382/device0/silence"})
		r.op(25, 28.5, history.Op{Kind: history.Dial, Node: "n3", Home: "n3", From: "303", Key: "382", Arg: "d", Code: "487", Outcome: history.Fail})
		return r.op(32, 32.1, history.Op{Kind: history.Enrol, Node: "n2", Home: "n2", Key: "382", Arg: history.Roaming, Process: "telephone-382/device0"})
	}
	it, out := []string{"382"}, func(r *run, from, to float64, node string) *run {
		for t := from; t < to; t += 0.2 {
			r.h.Holds = append(r.h.Holds, history.Holds{Asked: at(t), Answered: at(t + 0.01), Node: node, Out: []string{"382"}})
		}
		return r
	}
	shown := []string{"362"}
	expect(t, []sample{
		{"not routable", silent(true).looks(30.6, 34, "n1", shown, nil), nil},
		{"routable elsewhere", silent(true).looks(30.6, 34, "n1", nil, shown), []ID{"S20"}},
		{"not known yet", silent(true).looks(29, 30, "n1", nil, shown), nil},
		{"nobody has called", silent(false).looks(30.6, 34, "n1", nil, shown), nil},
		{"registered anew", silent(true).looks(35.2, 36, "n1", nil, shown), nil},
		{"nobody hears its owner", silent(true).fault(31, 34, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2", "n3")}).looks(31.1, 34, "n1", nil, shown), nil},
		{"silent outside of a call", deaf().looks(19, 24, "n1", nil, it).looks(24, 27, "n3", nil, it).looks(28, 31, "n1", nil, nil).looks(33, 40, "n1", nil, it), nil},
		{"it gets the next call too", deaf().looks(28, 31, "n1", nil, it), []ID{"S20"}},
		{"out of service for one call", out(deaf(), 28, 31, "n1"), []ID{"S20"}},
		{"it speaks, and nobody hears it", deaf().looks(33, 40, "n1", nil, nil), []ID{"S20"}},
		{"out of service where its owner is lost", out(deaf().fault(27, 31.5, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2", "n3")}), 27.1, 31, "n1"), nil},
		{"not known yet that it speaks", deaf().looks(32.2, 32.4, "n1", nil, nil), nil},
	})
}
