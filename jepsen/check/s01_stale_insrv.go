package check

import (
	"cmp"
	"fmt"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// staleInSrv is S1: a node that surely cannot hear the owner must not list its
// DNs as InSrv from the loss bound on until the heal, and must answer a call
// or another request to them with 480 at once.
func staleInSrv(m *model) ([]Finding, int) {
	out := m.broken("S1", func(c *contradiction) string {
		return fmt.Sprintf("%s listed %s of %s as InSrv %v after it could last hear %s; the bound is %v",
			c.first.node, dnWord(c.dns), c.want, round(c.last.From-c.silence.From), c.want, c.silence.bound)
	})
	calls, outOfDialog := 0, newOutOfDialog(m)
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Invite && op.Kind != history.OutOfDialog || op.Return == history.Never {
			continue
		}
		q, within := m.ownerNotHeard(op), m.b.Local
		if op.Kind == history.OutOfDialog { // a DN that moved in the cut may have a phone at each side
			q, within = m.ownerLost(op), m.refusing()
		}
		if q == nil {
			continue
		}
		calls++
		if op.Code != "480" || op.Return-op.Invoke > within || len(outOfDialog.arrivals(op)) > 0 {
			f := Finding{
				Text: fmt.Sprintf("%s could not hear the owner of DN %s, and answered %s to it with %q after %v instead of 480 at once",
					op.Node, op.Key, cmp.Or(op.From, "a call"), op.Code, round(op.Return-op.Invoke)),
				Nodes: []string{op.Node}, Keys: []string{op.Key},
				Events: append(faultEvents(q.fault, op.Return), opEvent(op)),
			}
			for _, a := range outOfDialog.arrivals(op) {
				f.Events = append(f.Events, opEvent(a))
			}
			out = append(out, f)
		}
	}
	return out, m.looked["S1"] + calls
}

// ownerNotHeard returns the silence when the called DN's owner is sure and the
// asked node must have noticed that it does not hear it.
func (m *model) ownerNotHeard(op *history.Op) *silence {
	t := m.truth[op.Key]
	if t == nil {
		return nil
	}
	s := Span{op.Invoke, op.Return}
	for _, p := range t.nodes {
		if q := m.deafSince(pair{From: p, To: op.Node}, s); q != nil && t.in[p].cover(s) {
			return q
		}
	}
	return nil
}
