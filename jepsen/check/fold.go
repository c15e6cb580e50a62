package check

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// fold is the table that an observer builds from one stream, over time.
type fold struct {
	node string
	// from is when the table was whole, Never before; to is the last item.
	from, to time.Duration
	// complete: a DN that is not in rows does not exist.
	complete bool
	rows     map[string][]told
	// agents are told too.
	agents bool
	// doubt is while a later snapshot of the stream comes in.
	doubt []Span
}

// told is the state of a DN from a moment on.
type told struct {
	at  time.Duration
	row history.Row
}

// newFold begins a table with a snapshot.
func (f *follower) newFold(i *history.Item) {
	f.fold = &fold{node: i.Node, from: history.Never, to: i.At, complete: true, agents: i.Agents, rows: map[string][]told{}}
	f.folds = append(f.folds, f.fold)
}

// resumeFold goes on with the table of the stream before, when this one
// resumes where that one ended; else it knows only what comes.
func (f *follower) resumeFold(i *history.Item) {
	before := f.fold
	f.newFold(i)
	f.fold.from, f.fold.complete = i.At, false
	if before == nil || before.from == history.Never || before.node != i.Node || f.resumable != f.opened.Seq {
		return
	}
	f.fold.complete = before.complete
	for dn, rows := range before.rows {
		f.fold.rows[dn] = []told{{i.At, rows[len(rows)-1].row}}
	}
}

func (t *fold) set(i *history.Item) {
	t.to = i.At
	rows := t.rows[i.DN]
	now := told{i.At, i.Row}
	switch {
	case i.Kind == history.AgentEvent && len(rows) == 0 && !t.complete:
		return // what is not known of it, an agent's event does not tell
	case i.Kind == history.AgentEvent && len(rows) == 0:
		now.row = history.Row{DN: i.DN, Agent: i.Agent}
	case i.Kind == history.AgentEvent:
		now.row = rows[len(rows)-1].row
		now.row.Agent = i.Agent
	case !i.Snapshot && len(rows) > 0:
		now.row.Agent = rows[len(rows)-1].row.Agent
	}
	t.rows[i.DN] = append(rows, now)
}

// sweep ends a snapshot: what it did not mention is gone.
func (t *fold) sweep(i *history.Item, fresh map[string]bool, began time.Duration) {
	t.to = i.At
	for dn := range t.rows {
		if !fresh[dn] {
			t.rows[dn] = append(t.rows[dn], told{i.At, history.Row{DN: dn}})
		}
	}
	if t.from == history.Never {
		t.from = i.At
		return
	}
	t.doubt = append(t.doubt, Span{began, i.At})
}

// steady returns the state of the DN when it did not change in s.
func (t *fold) steady(dn string, s Span) (history.Row, bool) {
	rows := t.rows[dn]
	next := sort.Search(len(rows), func(i int) bool { return rows[i].at > s.From })
	switch {
	case next < len(rows) && rows[next].at <= s.To:
		return history.Row{}, false
	case next == 0:
		return history.Row{DN: dn}, t.complete && len(rows) == 0
	default:
		return rows[next-1].row, true
	}
}

// gaps compares the folded tables with what the node answered: a state that a
// poll saw must have been told on the stream soon after, or be the one told before.
func (m *model) gaps(folds []*fold) ([]Finding, int) {
	var out []Finding
	looked := 0
	for _, t := range folds {
		found := map[string]bool{}
		open := -1 // the finding that more DNs belong to
		for i := range m.h.Polls {
			p := &m.h.Polls[i]
			s := Span{p.Asked, p.Answered + m.b.Converge}
			if p.Node != t.node || p.View != history.Table || p.Error != "" || !t.speaks(m, s) {
				continue
			}
			for _, dn := range m.dns {
				was, ok := t.steady(dn, s)
				is := rowOf(p, dn)
				if looked++; !ok || found[dn] || t.agrees(is, was) {
					continue
				}
				found[dn] = true
				if open >= 0 && out[open].Window.To+m.b.Converge >= p.Asked {
					out[open].Keys = append(out[open].Keys, dn)
					out[open].Times++
					continue
				}
				open = len(out)
				out = append(out, m.gap(t, p, s, is, was))
			}
		}
	}
	return out, looked
}

// agrees tells whether what was told is what the node answers.
func (t *fold) agrees(is, was history.Row) bool {
	return is.InSrv == was.InSrv && (!is.InSrv || is.Owner == was.Owner) && (!t.agents || plainAgent(is.Agent) == plainAgent(was.Agent))
}

// plainAgent leaves out the request, which a snapshot does not tell.
func plainAgent(a string) string {
	if f := strings.Fields(a); len(f) > 2 {
		return f[0] + " " + f[1]
	}
	return a
}

// speaks tells whether the stream was there, whole and alive during s.
func (t *fold) speaks(m *model, s Span) bool {
	return t.from <= s.From && s.To <= t.to && !m.stopped[t.node].touch(s) && !union(t.doubt...).touch(s)
}

func (m *model) gap(t *fold, p *history.Poll, s Span, is, was history.Row) Finding {
	rows := t.rows[is.DN]
	before := Event{At: t.from, To: t.from, Node: t.node, Text: "stream: end of snapshot, without DN " + is.DN}
	for _, r := range rows {
		if r.at <= s.From {
			before = sighting{Span{r.at, r.at}, t.node, r.row, "stream"}.event()
		}
	}
	return Finding{
		Window: s, Times: 1,
		Text: fmt.Sprintf("%s answered that DN %s is %s and did not tell it on its stream, which went on to say %s",
			t.node, is.DN, inWords(is), inWords(was)),
		Nodes: []string{t.node}, Keys: []string{is.DN},
		Events: []Event{before,
			sighting{Span{p.Asked, p.Answered}, p.Node, is, "ListDNs"}.event(),
			{At: s.To, To: s.To, Node: t.node, Text: "stream: nothing about DN " + is.DN + " until here"}},
	}
}

func inWords(r history.Row) string {
	s := "OOS"
	if r.InSrv {
		s = "InSrv at " + r.Owner
	}
	if r.Agent != "" {
		s += " with its agent " + r.Agent
	}
	return s
}
