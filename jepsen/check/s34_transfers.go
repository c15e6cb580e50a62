package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// claimBound is how long a phone may be shown as busy that was to call another one and did
// not, behind the end of its calls.
const claimBound = 4 * time.Second

// transfers is S34: where no fault lies between its three phones a transfer works, whoever
// has left is free, and nobody is in a call that its phones have ended.
func transfers(m *model) ([]Finding, int) {
	var out []Finding
	looked := 0
	homes := m.homes()
	var over []*history.Op
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		switch op.Kind {
		case history.Transfer, history.Transferred:
			f, n := m.transferWorks(op, homes)
			out, looked = append(out, f...), looked+n
		case history.TransferOver:
			over = append(over, op)
		}
	}
	left, n := m.transfersLeft(over)
	return append(out, left...), looked + n
}

// transferWorks wants it to work in peace.
func (m *model) transferWorks(op *history.Op, homes map[string]string) ([]Finding, int) {
	s := Span{minus(op.Invoke, m.b.Spread), op.Return}
	at := []string{homes[op.From], homes[op.Arg], homes[op.Key]}
	for i, dn := range []string{op.From, op.Arg, op.Key} {
		if at[i] == "" || !m.enrolled(dn, at[i], s) {
			return nil, 0
		}
	}
	for _, x := range at {
		for _, y := range at {
			if !m.signals(x, y).cover(s) {
				return nil, 0
			}
		}
	}
	if op.OK() || op.Return == history.Never || tooMuch(op) {
		return nil, 1
	}
	return []Finding{{
		Text:  fmt.Sprintf("%s was to have %s call %s, which nothing kept it from: %s", op.From, op.Arg, op.Key, op.Error),
		Nodes: at, Keys: []string{op.From, op.Arg, op.Key}, Window: s, Events: []Event{opEvent(op)},
	}}, 1
}

// transfersLeft looks for phones that are busy when all of their calls are over.
func (m *model) transfersLeft(over []*history.Op) ([]Finding, int) {
	out := once{said: map[string]int{}}
	looked := 0
	for i := range m.h.Ops {
		look := &m.h.Ops[i]
		if look.Kind != history.BusyLook || !look.OK() {
			continue
		}
		looked++
		for _, dn := range strings.Fields(look.Result) {
			last, at := m.leftBy(over, dn, Span{look.Invoke, look.Return})
			if last == nil || !m.heardOf(look, last, at) {
				continue
			}
			out.add(fmt.Sprint(dn, last.ID, look.Node), func() Finding {
				return Finding{
					Text:  fmt.Sprintf("%s showed %s as busy %v after its transfer was over for it", look.Node, dn, round(look.Invoke-at)),
					Nodes: []string{look.Node, last.Node}, Keys: []string{dn}, Times: 1, Events: []Event{opEvent(last), opEvent(look)},
				}
			})
		}
	}
	return out.all, looked
}

// leftBy is the transfer that is surely over for the DN in s, and since when; nil when none
// is, or one of before may not have come to its end.
func (m *model) leftBy(over []*history.Op, dn string, s Span) (last *history.Op, at time.Duration) {
	for _, op := range over {
		if op.From != dn && op.Arg != dn && op.Key != dn {
			continue
		}
		if op.Invoke > s.To {
			break
		}
		if op.Return > s.From || !op.OK() {
			return nil, 0
		}
		last, at = op, op.Return
	}
	return last, at
}

// heardOf tells whether the node of the look must know that the transfer is over.
func (m *model) heardOf(look, last *history.Op, at time.Duration) bool {
	s := Span{minus(look.Invoke, claimBound+m.b.Spread), look.Return}
	if at > s.From {
		return false
	}
	for _, n := range m.nodes {
		if !m.hears(look.Node, n).cover(s) || m.stopped[n].touch(Span{last.Invoke, at}) {
			return false
		}
	}
	return true
}
