package check

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// oneOwner is S3: the convergence bound after a heal each DN has one owner
// everywhere, that of the newest registration, and each observer saw at most
// one visible change of it.
func oneOwner(m *model) ([]Finding, int) {
	out := m.broken("S3", func(c *contradiction) string {
		return fmt.Sprintf("%s did not show %s as InSrv at %s, where the newest registration was acknowledged",
			c.first.node, dnWord(c.dns), c.want)
	})
	differ, looked := m.tables(func(a, b history.Row) bool { return a.InSrv && b.InSrv && a.Owner != b.Owner },
		"in quiet two nodes showed different owners of DN %s")
	out = append(out, differ...)
	for i := range m.h.Faults {
		if f := &m.h.Faults[i]; m.plainCut(f) {
			found, n := m.visibleChanges(f)
			out, looked = append(out, found...), looked+n
		}
	}
	return out, looked + m.looked["S3"]
}

// plainCut tells whether the fault is a cut that lasted long enough to be
// noticed by everybody, alone in its time.
func (m *model) plainCut(f *history.Fault) bool {
	if len(f.Effect.Cut) == 0 || len(f.Effect.Unsteady) > 0 || f.Healed == history.Never || f.Confirmed == history.Never ||
		f.Heal-f.Confirmed < m.b.LossPair+m.b.Converge {
		return false
	}
	around := Span{max(0, f.Inject-m.b.ConvergeRestart), f.Healed + m.b.Converge}
	return len(m.active(around, m.nodes...)) == 1
}

// visibleChanges counts what each observer was told of each DN while the cut healed.
func (m *model) visibleChanges(f *history.Fault) ([]Finding, int) {
	var out []Finding
	looked := 0
	s := Span{f.Heal, f.Healed + m.b.Converge + m.b.Local}
	for _, observer := range m.observers() {
		told := map[string][]*history.Item{}
		for _, i := range m.streams[observer] {
			if i.Kind == history.Event && !i.Snapshot && s.From <= i.At && i.At <= s.To {
				told[i.DN] = append(told[i.DN], i)
			}
		}
		for dn, items := range told {
			t := m.truth[dn]
			if t == nil || m.mayChange(t, s.wider(m.b.Spread)) || m.regained(f, t, items[0].Node) > 1 {
				continue
			}
			looked++
			if len(items) > 1 {
				out = append(out, m.flap(f, items))
			}
		}
	}
	return out, looked
}

func (m *model) flap(f *history.Fault, items []*history.Item) Finding {
	first := items[0]
	out := Finding{
		Text:  fmt.Sprintf("%s told its clients %d changes of DN %s while one cut healed; at most one was needed", first.Node, len(items), first.DN),
		Nodes: []string{first.Node}, Keys: []string{first.DN}, Events: faultEvents(f, history.Never),
	}
	for _, i := range items {
		out.Events = append(out.Events, itemEvent(i))
	}
	return out
}

// regained is with how many nodes that perhaps have a claim on the DN the
// observer is connected again.
func (m *model) regained(f *history.Fault, t *truth, observer string) int {
	n := 0
	for _, node := range t.nodes {
		if node != observer && (deaf(&f.Effect, pair{From: node, To: observer}) || deaf(&f.Effect, pair{From: observer, To: node})) {
			n++
		}
	}
	return n
}

// mayChange tells whether a client or the end of a lifetime may have changed
// the DN in s.
func (m *model) mayChange(t *truth, s Span) bool {
	for _, r := range t.regs {
		if (Span{r.Invoke, r.latest}).overlaps(s) || r.session && (Span{m.forgets(r), r.end}).overlaps(s) {
			return true
		}
		if r.Expires > 0 && (Span{r.Invoke + r.Expires - m.b.Expiry, r.end}).overlaps(s) {
			return true
		}
	}
	for _, u := range t.unreg {
		if (Span{u.Invoke, u.latest}).overlaps(s) {
			return true
		}
	}
	return false
}

// round is for people.
func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
