package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// fencing is S16: nothing of an old incarnation counts once a newer one was
// seen, a node that was paused brings no DN back that was taken over, and one
// that was removed from the cluster does not serve.
func fencing(m *model) ([]Finding, int) {
	out := m.broken("S16", func(c *contradiction) string {
		return fmt.Sprintf("%s brought %s back to %s, which had been away while %s took over",
			c.first.node, dnWord(c.dns), c.first.row.Owner, c.want)
	})
	looked := m.looked["S16"]
	found, n := m.incarnations()
	out, looked = append(out, found...), looked+n
	found, n = m.removedServe()
	out, looked = append(out, found...), looked+n
	found, n = m.removedEnds()
	return append(out, found...), looked + n
}

// incarnations go up with every start of a node's process.
func (m *model) incarnations() ([]Finding, int) {
	var out []Finding
	looked := 0
	newest := map[string]*history.Item{} // greatest incarnation seen of each node
	opened := map[string]*history.Item{}
	for i := range m.h.Items {
		item := &m.h.Items[i]
		if item.Kind == history.Opened {
			opened[item.Observer] = item
		}
		if item.Kind != history.Started {
			continue
		}
		looked++
		was, asked := newest[item.Node], opened[item.Observer]
		if was != nil && m.wiped(item.Node, Span{was.At, item.At}) {
			was = nil // it has forgotten who it was
		}
		if text := m.spokeAgain(was, asked, item); text != "" {
			out = append(out, Finding{Text: text, Nodes: []string{item.Node}, Events: []Event{itemEvent(was), itemEvent(asked), itemEvent(item)}})
		}
		if was == nil || item.Incarnation > was.Incarnation {
			newest[item.Node] = item
		}
	}
	return merge(out), looked
}

// spokeAgain says what is wrong with the incarnation of a stream that was
// asked for after the node had been seen in another one.
func (m *model) spokeAgain(was, asked, item *history.Item) string {
	switch {
	case was == nil || asked == nil || asked.At <= was.At:
		return ""
	case item.Incarnation < was.Incarnation:
		return fmt.Sprintf("%s spoke as incarnation %d after it had been seen as %d", item.Node, item.Incarnation, was.Incarnation)
	case item.Incarnation == was.Incarnation && m.launched(item.Node, Span{was.At + 1, asked.At}) != history.Never:
		return fmt.Sprintf("%s was started again and spoke as incarnation %d as before", item.Node, item.Incarnation)
	}
	return ""
}

// launched is when the node's process was last started in s; Never when it was not.
func (m *model) launched(node string, s Span) time.Duration {
	at := history.Never
	for _, l := range m.h.Lives {
		if l.Node == node && l.Kind == history.Launched && s.From <= l.At && l.At <= s.To {
			at = l.At
		}
	}
	return at
}

// wiped tells whether the node's data were perhaps lost.
func (m *model) wiped(node string, s Span) bool {
	return slices.ContainsFunc(m.active(s, node), func(f *history.Fault) bool {
		return slices.Contains(f.Effect.Wiped, node)
	})
}

// removal is the time in which a node surely is off the roster.
type removal struct {
	Span
	node string
	op   *history.Op
}

func (m *model) removals() []removal {
	var out []removal
	for i := range m.h.Ops {
		op := &m.h.Ops[i]
		if op.Kind != history.Roster {
			continue
		}
		for j := range out {
			if r := &out[j]; r.node == op.Key && op.Arg == "join" && op.Invoke >= r.op.Invoke {
				r.To = min(r.To, op.Invoke)
			}
		}
		if op.Arg == "remove" && op.OK() {
			out = append(out, removal{Span{op.Return, history.Never}, op.Key, op})
		}
	}
	return out
}

// removedServe are removed nodes that still answer although they reach the
// others, who know better.
func (m *model) removedServe() ([]Finding, int) {
	var out []Finding
	looked := 0
	all := m.removals()
	for i := range m.h.Statuses {
		s := &m.h.Statuses[i]
		for _, r := range all {
			since := r.From
			if at := m.launched(s.Node, Span{r.From, s.Asked}); at != history.Never {
				since = at
			}
			if r.node != s.Node || s.Error != "" || s.Answered > r.To || s.Asked < since || m.alone(s.Node, Span{since, s.Answered}) {
				continue
			}
			if looked++; s.Asked > since+m.b.ConvergeRestart {
				out = append(out, Finding{
					Text: fmt.Sprintf("%s was removed from the cluster and goes on serving", s.Node), Nodes: []string{s.Node},
					Events: []Event{opEvent(r.op), statusEvent(s)},
				})
			}
		}
	}
	return merge(out), looked
}

// alone tells whether something may keep the node from some other one in s.
func (m *model) alone(node string, s Span) bool {
	return slices.ContainsFunc(m.regular, func(o string) bool {
		return o != node && (m.stopped[o].touch(s) || m.cut[pair{From: o, To: node}].touch(s) || m.cut[pair{From: node, To: o}].touch(s))
	})
}

// removedEnds looks at how the process of a removed node ended by itself: not
// as if all were well, and with a word on why.
func (m *model) removedEnds() ([]Finding, int) {
	var out []Finding
	looked := 0
	all := m.removals()
	for _, l := range m.h.Lives {
		for _, r := range all {
			if l.Kind != history.Exited || l.Error == "" || l.Node != r.node || !r.contains(Span{l.At, l.At}) {
				continue
			}
			looked++
			if strings.HasPrefix(l.Error, "exit code 0") || !strings.Contains(l.Error, "removed") {
				out = append(out, Finding{
					Text: fmt.Sprintf("%s was removed from the cluster and ended without saying so", l.Node), Nodes: []string{l.Node},
					Events: []Event{opEvent(r.op), {At: l.At, To: l.At, Node: l.Node, Text: "exited: " + l.Error}},
				})
			}
		}
	}
	return out, looked
}
