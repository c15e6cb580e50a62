package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// endBound is how long after a BYE its call may keep a DN busy, askBound how long a phone
// is waited for that has registered in the place of one that was lost in a call.
const (
	endBound = time.Second
	askBound = 4 * time.Second
)

// busyIsCalls is S21: at each node a DN is busy exactly while a call is up with it as a
// party, as its telephones say, wherever it is registered and whichever nodes have part.
func busyIsCalls(m *model) ([]Finding, int) {
	b := m.newBusy()
	out := once{said: map[string]int{}}
	looked := 0
	for i := range m.h.Holds {
		look := &m.h.Holds[i]
		s := Span{look.Asked, look.Answered}
		for _, dn := range look.Free {
			c, n := b.must(dn, look.Node, s)
			if looked += n; c != nil {
				out.add(fmt.Sprint("free", c.dial.ID, dn, look.Node), func() Finding { return b.found(look, dn, "as free while it was in a call", c) })
			}
		}
		for _, dn := range look.Busy {
			looked++
			if last, may := b.may(dn, look.Node, s); !may {
				out.add(fmt.Sprintf("busy %p %s %s", last, dn, look.Node), func() Finding { return b.found(look, dn, "as busy when no call could be at it", last) })
			}
		}
	}
	return out.all, looked
}

// once are findings that many looks show, each told by the first of them.
type once struct {
	all  []Finding
	said map[string]int
}

func (o *once) add(key string, first func() Finding) {
	if at, told := o.said[key]; told {
		o.all[at].Times++
		return
	}
	o.said[key] = len(o.all)
	o.all = append(o.all, first())
}

// busy is who has part in which calls.
type busy struct {
	*model
	// of are the calls that a DN has or may have a part in, in order.
	of map[string][]*phoneCall
	// agent is whose telephone a number outside is.
	agent map[string]string
	// silent are the DNs' telephones that went silent, in a call or not.
	silent map[string][]*history.Op
	calm   spans // everybody hears everybody
}

func (m *model) newBusy() *busy {
	b := &busy{model: m, of: map[string][]*phoneCall{}, agent: m.outside(), silent: map[string][]*history.Op{}, calm: m.allCalm()}
	known := map[string]bool{}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.Enrol && op.Arg != history.Trunk {
			known[op.Key] = true
		} else if op.Kind == history.Silence {
			b.silent[op.Key] = append(b.silent[op.Key], op)
		}
	}
	for _, dn := range b.agent {
		known[dn] = true
	}
	for _, c := range m.calls() {
		parties := []string{c.dial.From, c.dial.Key}
		for _, r := range c.rings {
			parties = append(parties, b.party(r.Key))
		}
		if !known[c.dial.Key] && !m.trunk[c.dial.Key] { // a routing point: it may try anybody
			parties = append(parties, slices.Collect(maps.Keys(known))...)
		}
		slices.Sort(parties)
		for _, dn := range slices.Compact(parties) {
			if known[dn] {
				b.of[dn] = append(b.of[dn], c)
			}
		}
	}
	return b
}

// outside are the agents' DNs by the numbers of their telephones elsewhere.
func (m *model) outside() map[string]string {
	out := map[string]string{}
	for i := range m.h.Ops {
		if op := &m.h.Ops[i]; op.Kind == history.Enrol && op.Arg == history.Trunk && op.From != "" {
			out[op.Key] = op.From
		}
	}
	return out
}

// party is the DN for which a telephone rings.
func (b *busy) party(number string) string {
	if dn := b.agent[number]; dn != "" {
		return dn
	}
	return number
}

// nodeOf is the node by way of which a party of an answered call talks.
func (c *phoneCall) nodeOf(dn string) string {
	if c.dial.From == dn {
		return c.dial.Node
	}
	return c.talks[0].Node
}

// must returns a call that is up with the DN, as the node must know, and how many
// calls it looked at. The node knows it when it hears the node of the caller, or that
// which delivers the call to the DN of the called one.
func (b *busy) must(dn, node string, s Span) (*phoneCall, int) {
	looked := 0
	for _, c := range b.of[dn] {
		if c.dial.Invoke > s.From {
			break
		}
		up := b.up(c)
		if up.empty() || c.dial.From != dn && b.party(c.talks[0].Key) != dn {
			continue
		}
		for _, op := range []*history.Op{c.dial, c.talks[0]} {
			if op.Kind == history.Talk && (dn == c.dial.From || b.agent[op.Key] != "") {
				continue // it says that of whom it delivers the call to; a trunk's may be another one
			}
			sure := Span{plus(up.From, b.b.Spread), min(up.To, b.restart(op))}
			if !sure.contains(s) || !b.hears(node, op.Node).cover(Span{minus(s.From, b.b.Spread), s.To}) {
				continue
			}
			return c, looked + 1
		}
	}
	return nil, looked
}

// may tells whether any call may be at the DN, as far as the node must know;
// otherwise the one that was there last.
func (b *busy) may(dn, node string, s Span) (last *phoneCall, may bool) {
	for _, c := range b.of[dn] {
		if c.dial.Invoke > s.To {
			break
		}
		if !b.over(c, dn, node, s) {
			return c, true
		}
		if dn == c.dial.From || dn == c.dial.Key || slices.ContainsFunc(c.rings, func(r *history.Op) bool { return b.party(r.Key) == dn }) {
			last = c
		}
	}
	return last, false
}

// over tells whether the node must know that the call is over for the DN.
func (b *busy) over(c *phoneCall, dn, node string, s Span) bool {
	knows := func(by string, since, at time.Duration) bool {
		return s.From >= at && !b.stopped[by].touch(Span{since, s.To}) && b.hears(node, by).cover(s)
	}
	for _, w := range c.within {
		if w.From != "BYE" || w.Outcome == history.Unknown || w.Code == "401" || w.Code == "407" {
			continue
		}
		at := w.Return
		if b.signals(w.Node, w.Node).cover(Span{w.Invoke, w.Return}) {
			at = w.Invoke
		}
		if knows(w.Node, w.Invoke, at+endBound+b.b.Spread) {
			return true
		}
	}
	for _, q := range c.silences {
		if q.From != "" && knows(q.Node, q.Invoke, q.Return+b.lostBound(q)) {
			return true
		}
	}
	if c.dial.Outcome == history.Fail {
		at := plus(c.dial.Return, b.b.Spread+endBound)
		if dn == c.dial.From && knows(c.dial.Node, c.dial.Return, at) || s.From >= at && b.calm.cover(s) {
			return true
		}
	}
	talks := len(c.talks) > 0 && b.party(c.talks[0].Key) == dn
	if c.dial.OK() && dn != c.dial.From && len(c.talks) == 1 && !talks { // it went elsewhere
		return s.From >= c.dial.Return+b.b.Spread+endBound && b.calm.cover(s)
	}
	return b.allDied(c, node, s)
}

// lostBound is how long a call may keep a DN busy of which a party lost its connection: the
// telephone that has registered since in its place is asked for the call, which may not
// answer, or not be reached.
func (b *busy) lostBound(q *history.Op) time.Duration {
	bound := b.b.FlowGrace + endBound + b.b.Spread
	asked := Span{q.Return, q.Return + bound}
	for _, other := range b.silent[q.Key] {
		if other != q && asked.contains(Span{other.Invoke, other.Invoke}) {
			return bound + askBound
		}
	}
	for _, op := range b.roams[q.Key] {
		if asked.contains(Span{op.Invoke, op.Invoke}) && !b.signals(q.Node, op.Node).cover(asked) {
			return bound + askBound
		}
	}
	return bound
}

// allDied tells whether all nodes that have had to do with the call have ended since,
// and the node knows it.
func (b *busy) allDied(c *phoneCall, node string, s Span) bool {
	died := func(n string) bool {
		return slices.ContainsFunc(b.deaths[n], func(at time.Duration) bool { return at > c.dial.Invoke && at < s.From })
	}
	if len(c.rings) == 0 || !died(c.dial.Node) {
		return false
	}
	for _, r := range c.rings {
		if !died(r.Node) || !b.hears(node, r.Node).cover(s) {
			return false
		}
	}
	return b.hears(node, c.dial.Node).cover(s)
}

func (b *busy) found(look *history.Holds, dn, as string, c *phoneCall) Finding {
	f := Finding{
		Text: fmt.Sprintf("%s showed DN %s %s", look.Node, dn, as), Nodes: []string{look.Node}, Keys: []string{dn}, Times: 1,
		Events: []Event{{At: look.Asked, To: look.Answered, Node: look.Node, Text: "ListDNs: " + dn}},
	}
	if c != nil {
		f.Events = append(f.Events, c.story(look.Answered)...)
		f.Nodes = append(f.Nodes, c.dial.Node)
		for _, r := range c.rings {
			f.Nodes = append(f.Nodes, r.Node)
		}
	}
	for _, op := range b.roams[dn] {
		if op.Invoke <= look.Answered && c != nil && op.Return >= c.dial.Invoke {
			f.Events = append(f.Events, opEvent(op))
		}
	}
	return f
}
