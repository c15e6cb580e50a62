package check

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// first is the first operation of which that holds.
func first(h *history.History, is func(*history.Op) bool) *history.Op {
	for i := range h.Ops {
		if is(&h.Ops[i]) {
			return &h.Ops[i]
		}
	}
	panic("the clean run has no such operation")
}

// answersOtherwise finds the first request outside of calls of which the code and the
// answer that it must get are these, and changes its outcome.
func answersOtherwise(h *history.History, m *model, code string, is func(want string, op *history.Op) bool, o history.Outcome, instead string) {
	op := first(h, func(op *history.Op) bool {
		if op.Kind != history.OutOfDialog || op.Code != code {
			return false
		}
		want, _, _ := newOutOfDialog(m).must(op)
		return is(want, op)
	})
	op.Outcome, op.Code = o, instead
}

func sentToTheLost(h *history.History, m *model) {
	answersOtherwise(h, m, "480", func(_ string, op *history.Op) bool { return m.ownerLost(op) != nil }, history.Unknown, "")
}

func sentToTheDead(h *history.History, m *model) {
	answersOtherwise(h, m, "480", func(want string, _ *history.Op) bool { return want == "480" }, history.OK, "501")
}

func outOfDialogRefused(h *history.History, m *model) {
	answersOtherwise(h, m, "501", func(want string, op *history.Op) bool { return want == phone }, history.Fail, "480")
}

// arrives lets the request come to a phone of the DN, whatever the answer was.
func arrives(h *history.History, op *history.Op, dn string) {
	h.Ops = append(h.Ops, history.Op{
		ID: op.ID + 1_000_000, Kind: history.Arrival, Process: "phone/arrivals", Node: op.Node, Home: op.Node, Key: dn,
		From: op.From, Arg: strconv.FormatInt(op.ID, 10), Invoke: op.Invoke, Return: op.Invoke, Outcome: history.OK,
	})
}

func cameThough480(h *history.History, m *model) {
	op := first(h, func(op *history.Op) bool {
		want, _, _ := newOutOfDialog(m).must(op)
		return op.Kind == history.OutOfDialog && want == "480"
	})
	arrives(h, op, op.Key)
}

func cameToTheLost(h *history.History, m *model) {
	op := first(h, func(op *history.Op) bool {
		return op.Kind == history.OutOfDialog && op.Return != history.Never && m.ownerLost(op) != nil
	})
	arrives(h, op, op.Key)
}

func cameToAnother(h *history.History, _ *model) {
	arrives(h, first(h, func(op *history.Op) bool { return op.Kind == history.OutOfDialog && op.Code == "501" }), "none")
}

func cameToNobody(h *history.History, _ *model) {
	op := first(h, func(op *history.Op) bool { return op.Kind == history.Arrival })
	h.Ops = slices.DeleteFunc(h.Ops, func(o history.Op) bool { return o.Kind == history.Arrival && o.Arg == op.Arg })
}

// sampled is the first call in quiet to a DN of which all nodes say that.
func sampled(h *history.History, m *model, inSrv bool) *history.Op {
	return first(h, func(op *history.Op) bool {
		if op.Kind != history.Sample {
			return false
		}
		row, polls := m.agreed(op)
		return polls != nil && row.InSrv == inSrv && (!inSrv || m.held(op, row.Owner))
	})
}

func sampleUnheard(h *history.History, m *model) {
	id := strconv.FormatInt(sampled(h, m, true).ID, 10)
	h.Ops = slices.DeleteFunc(h.Ops, func(o history.Op) bool { return o.Kind == history.Arrival && o.Arg == id })
}

func sampleElsewhere(h *history.History, m *model) { arrives(h, sampled(h, m, true), "none") }

func sampleOfTheDead(h *history.History, m *model) {
	op := sampled(h, m, false)
	arrives(h, op, op.Key)
}

func sampleUnanswered(h *history.History, m *model) {
	op := sampled(h, m, false)
	op.Outcome, op.Code = history.Unknown, ""
}

func sentForNobody(h *history.History, m *model) {
	answersOtherwise(h, m, "404", func(want string, _ *history.Op) bool { return want == "404" }, history.Fail, "480")
}

// taken is the first request for an agent that was refused because another
// one surely held it.
func taken(h *history.History, m *model, k history.Kind) *history.Op {
	hs := newHolders(m)
	return first(h, func(op *history.Op) bool {
		return op.Kind == k && op.Code == "RESOURCE_SEIZED" && slices.ContainsFunc(hs.held(op.Key), func(a holding) bool {
			return a.contains(Span{op.Invoke, op.Return}) && !hs.mayLose(hs.home[op.Key], a.op.Invoke, op.Return)
		})
	})
}

func secondHolder(h *history.History, m *model) { taken(h, m, history.Reserve).Outcome = history.OK }

func strangersCall(h *history.History, m *model) { taken(h, m, history.Route).Outcome = history.OK }

func reservedAcross(h *history.History, m *model) {
	hs := newHolders(m)
	first(h, func(op *history.Op) bool {
		return op.Kind == history.Reserve && op.Outcome == history.Fail &&
			m.deafSince(pair{From: hs.home[op.Key], To: op.Node}, Span{op.Invoke, op.Return}) != nil
	}).Outcome = history.OK
}

// hold shows a DN as reserved in the first look where nobody can hold it.
func hold(h *history.History, m *model, is func(home string, look *history.Holds) bool) {
	hs := newHolders(m)
	for i := range h.Holds {
		look := &h.Holds[i]
		if m.stopped[look.Node].touch(Span{look.Asked - m.b.Restart, look.Answered}) {
			continue
		}
		for dn, home := range hs.home {
			if end, last := hs.over(dn, look.Node, Span{look.Asked, look.Answered}); last != nil && end < look.Asked && is(home, look) {
				look.DNs = append(slices.Clone(look.DNs), dn)
				return
			}
		}
	}
	panic("every look finds somebody who may hold the DN")
}

func endlessHold(h *history.History, m *model) {
	hold(h, m, func(home string, look *history.Holds) bool { return look.Asked > h.End-10*time.Second })
}

func endlessHoldAcross(h *history.History, m *model) {
	hold(h, m, func(home string, look *history.Holds) bool {
		return m.deafSince(pair{From: home, To: look.Node}, Span{look.Asked, look.Answered}) != nil
	})
}

// final is the second final read.
func final(h *history.History) *history.Dump {
	i := slices.IndexFunc(h.Dumps, func(d history.Dump) bool { return d.Final })
	d := &h.Dumps[i+1]
	d.Objects = slices.Clone(d.Objects)
	return d
}

func objectGone(h *history.History, _ *model) {
	d := final(h)
	d.Objects = slices.DeleteFunc(d.Objects, func(e history.Entry) bool { return e.Key == "dn/trunk" })
}

func objectDiffers(h *history.History, _ *model) { final(h).Objects[0].Value = "other" }

// connects is an acknowledged REGISTER over a connection of its own.
func (r *run) connects(t float64, node, dn, flow string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.RegisterFlow, Process: flow, Home: node, Node: node, Key: dn, Arg: flow})
}

func TestFlows(t *testing.T) {
	two := func() *run {
		return newRun().connects(1, "n1", "7", "tcp-1").connects(2, "n1", "7", "ws-1").allSee(5, 9, in("7", "n1"))
	}
	takesBack := func(r *run, t float64, flow string) *run {
		return r.op(t, t+0.01, history.Op{Kind: history.UnregisterFlow, Process: flow, Home: "n1", Node: "n1", Key: "7", Arg: flow})
	}
	expect(t, []sample{
		{"one of two is taken back", takesBack(two(), 20, "tcp-1").allSee(21, 22, in("7", "n1")), nil},
		{"the un-REGISTER of one takes all", takesBack(two(), 20, "tcp-1").sees(21, "n1", oos("7", "", "unregistered")), []ID{"S4"}},
		{"one of two connections ends", two().hangsUp(20, "n1", "7", "ws-1").allSee(24, 25, in("7", "n1")), nil},
		{"the end of one connection takes all", two().hangsUp(20, "n1", "7", "ws-1").sees(24, "n1", oos("7", "", "expired")), []ID{"S4"}},
		{"both end", takesBack(two(), 20, "tcp-1").hangsUp(21, "n1", "7", "ws-1").sees(25, "n1", oos("7", "", "expired")), nil},
		{"both end and nobody notices", takesBack(two(), 20, "tcp-1").hangsUp(21, "n1", "7", "ws-1").sees(25, "n1", in("7", "n1")), []ID{"S4"}},
		{"a killed node's connections are gone", two().down(20, 22, "n1").sees(23, "n1", oos("7", "", "expired")), nil},
	})
}

func TestBindings_OfAFullDisk(t *testing.T) {
	full := func() *run {
		r := newRun().registers(1, "n1", "7", "b", 0).allSee(5, 9, in("7", "n1"))
		return r.fault(20, 40, "full-disk-kill", history.Effect{Full: []string{"n1"}}).down(35, 36, "n1")
	}
	expect(t, []sample{
		{"from before it", full().sees(50, "n1", in("7", "n1")), nil},
		{"lost although from before it", full().sees(50, "n1", oos("7", "", "expired")), []ID{"S7"}},
		{"lost, from while it was full", full().registers(25, "n1", "8", "b", 0).sees(50, "n1", in("7", "n1"), oos("8", "", "expired")), nil},
		{"taken back while it was full, and there again", full().unregisters(25, "n1", "7", "b").sees(50, "n1", in("7", "n1")), nil},
		{"taken back after it, and there again", full().unregisters(50, "n1", "7", "b").sees(53, "n1", in("7", "n1")), []ID{"S4"}},
	})
}

func TestCalls_ThatRingForLong(t *testing.T) {
	rings := func(r *run, from, to float64, code string, o history.Outcome) *run {
		r.op(from, to, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "311", Arg: "c", Code: code, Outcome: o})
		return r.op(from+0.1, to, history.Op{Kind: history.Ring, Node: "n1", Home: "n1", From: "301", Key: "311", Arg: "c", Code: code, Outcome: o, Process: "r"})
	}
	stand := func() *run {
		return newRun().enrols().op(1, 1.1, history.Op{Kind: history.Enrol, Node: "n1", Home: "n1", Key: "311"}).allSee(5, 6)
	}
	early := func() *run { // its REGISTER is under way when the call begins
		return newRun().enrols().op(19.98, 20.05, history.Op{Kind: history.Enrol, Node: "n1", Home: "n1", Key: "311"}).allSee(5, 6)
	}
	expect(t, []sample{
		{"answered after 40 s", rings(stand(), 20, 60, "200", history.OK), nil},
		{"ended by timer B", rings(stand(), 20, 52, "408", history.Fail), []ID{"S13"}},
		{"ended by timer B, the first call of a telephone", rings(early(), 20, 52, "408", history.Fail), []ID{"S13"}},
		{"beside a cut", rings(stand().cutOff(30, 40), 20, 52, "408", history.Fail), []ID{"S13"}},
		{"its node was killed", rings(stand().down(30, 32, "n1"), 20, 52, "", history.Unknown), nil},
	})
}

// TestSaw_AsksForEachKind: a run that saw nothing of a kind says nothing.
func TestSaw_AsksForEachKind(t *testing.T) {
	seen := newRun().enrols().connects(1, "n1", "7", "tcp-1").connects(1, "n1", "7", "ws-1").connects(1, "n1", "7", "tls-1").allSee(5, 99, in("7", "n1"))
	outOfDialog := func(code string, o history.Outcome) {
		seen.op(10, 10.1, history.Op{Kind: history.OutOfDialog, From: "MESSAGE", Node: "n1", Home: "n1", Key: "8", Code: code, Outcome: o})
	}
	outOfDialog("501", history.OK)
	outOfDialog("480", history.Fail)
	seen.op(1, 1.1, history.Op{Kind: history.Enrol, Node: "n1", Home: "n1", Key: "9001", Arg: history.Trunk})
	for _, ends := range [][2]string{{"9001", "301"}, {"301", "9001"}} {
		seen.op(20, 20.1, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: ends[0], Key: ends[1], Code: "200"})
	}
	seen.op(20, 56, history.Op{Kind: history.Ring, Node: "n1", Home: "n1", From: "301", Key: "302", Code: "200"})
	for _, o := range []history.Outcome{history.OK, history.Fail} {
		seen.op(60, 60.1, history.Op{Kind: history.Route, Node: "n1", Home: "n1", Key: "301", Arg: "r", Outcome: o})
	}
	seen.status(50, history.Status{Node: "n1", Restores: 1})
	seen.h.Holds = []history.Holds{{Asked: at(3), Answered: at(3.1), Node: "n1"}}
	kinds := []history.Sight{
		history.Delivered, history.Refused, history.TCPFlows, history.TLSFlows, history.WSFlows, history.LongRings,
		history.TrunkIn, history.TrunkOut, history.Routes, history.RoutesRefused, history.Restores, history.LooksAtHolds,
	}
	for _, k := range kinds {
		for count, want := range map[int]bool{1: false, 3: true} {
			seen.h.Expect.Seen = map[history.Sight]int{k: count}
			reasons := seen.verdict().Reasons
			if got := slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(r, string(k)) }); got != want {
				t.Errorf("%d %s wanted: too few %v, want %v: %q", count, k, got, want, reasons)
			}
		}
	}
}
