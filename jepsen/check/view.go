package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// sighting is what a node said about a DN, true at some time in its Span.
type sighting struct {
	Span
	node string
	row  history.Row
	how  string
}

func (s sighting) event() Event {
	state := "OOS"
	if s.row.InSrv {
		state = "InSrv"
	}
	text := fmt.Sprintf("%s: DN %s %s", s.how, s.row.DN, state)
	if s.row.Owner != "" {
		text += ", owner " + s.row.Owner
	}
	if s.row.Reason != "" {
		text += ", " + s.row.Reason
	}
	return Event{At: s.From, To: s.To, Node: s.node, Text: text}
}

// kind of a contradiction.
type kind int

const (
	// missing: the DN is surely InSrv at want, and the node says otherwise.
	missing kind = iota
	// stale: InSrv although the owner cannot be heard.
	stale
	// undead: InSrv although it surely ended.
	undead
	// phantom: InSrv at a node where nobody ever registered it.
	phantom
)

// contradiction is a run of sightings of one DN at one node that the truth denies.
type contradiction struct {
	kind kind
	// statement that it breaks.
	statement ID
	first     sighting
	last      sighting
	times     int
	dns       []string
	// want is the node that owns the DN, by reg; for stale the one not heard.
	want    string
	reg     *registration
	silence *silence
	lie     *history.Fault
}

// contradictions goes through every poll and stream.
func contradictions(m *model) []contradiction {
	v := viewer{m: m}
	for i := range m.h.Polls {
		if p := &m.h.Polls[i]; p.Error == "" {
			v.poll(p)
		}
	}
	for i := range m.h.Items {
		if item := &m.h.Items[i]; item.Kind == history.Event {
			v.judge(m.heard(item))
		}
	}
	return acrossDNs(overTime(v.out, m.b.Converge), m.b.Converge)
}

// heard is an event of a stream as a sighting: it was so when it was sent, and
// a slow reader hears of it late.
func (m *model) heard(i *history.Item) sighting {
	return sighting{Span{i.At - m.b.Converge, i.At}, i.Node, i.Row, "stream"}
}

type viewer struct {
	m   *model
	out []contradiction
}

// poll judges each DN, also those that the poll does not list.
func (v *viewer) poll(p *history.Poll) {
	s := sighting{Span: Span{p.Asked, p.Answered}, node: p.Node, how: "ListDNs"}
	if p.View == history.Routable {
		s.how = "ListRoutable"
	}
	rows := p.Rows
	for _, dn := range v.m.dns {
		for len(rows) > 0 && rows[0].DN < dn {
			v.row(s, p.View, rows[0])
			rows = rows[1:]
		}
		if len(rows) > 0 && rows[0].DN == dn {
			v.row(s, p.View, rows[0])
			rows = rows[1:]
			continue
		}
		if p.View == history.Table || !v.m.unroutable[dn] {
			v.row(s, history.Table, history.Row{DN: dn})
		}
	}
	for _, row := range rows {
		v.row(s, p.View, row)
	}
}

func (v *viewer) row(s sighting, view history.View, row history.Row) {
	s.row = row
	s.row.InSrv = row.InSrv || view == history.Routable
	v.judge(s)
}

// named is the node that a row means: one that is off the roster has its id alone there,
// which begins with its name.
func (m *model) named(owner string, s Span) string {
	if name, _, id := strings.Cut(owner, "."); id && m.away[name].touch(s) {
		return name
	}
	return owner
}

// judge compares one sighting with the truth.
func (v *viewer) judge(s sighting) {
	m, t := v.m, v.m.truth[s.row.DN]
	s.row.Owner = m.named(s.row.Owner, s.Span)
	if t == nil {
		if s.row.InSrv && !m.dual[s.row.DN] {
			v.add(s, contradiction{kind: phantom, want: s.row.Owner, statement: "S5"})
		}
		return
	}
	before := Span{max(0, s.From-m.b.Spread), s.To}
	for _, p := range t.nodes {
		if q := m.deafSince(pair{From: p, To: s.node}, s.Span); q != nil && t.in[p].cover(s.Span) {
			m.looked["S1"]++
		}
		known := before
		if p == s.node {
			known = s.Span
		}
		if t.in[p].cover(known) && m.calm(s.node, p, s.Span) {
			v.mustBe(t, p, s)
			return
		}
	}
	if q := m.deafSince(pair{From: s.row.Owner, To: s.node}, s.Span); s.row.InSrv && q != nil {
		v.add(s, contradiction{kind: stale, want: s.row.Owner, statement: "S1", silence: q})
		return
	}
	v.mayBe(t, s, before)
}

// mustBe: the DN is surely InSrv and owned by p.
func (v *viewer) mustBe(t *truth, p string, s sighting) {
	r := t.latestOK(p, s.From)
	v.count(t, p, s, r)
	if s.row.InSrv && s.row.Owner == p {
		return
	}
	v.add(s, contradiction{kind: missing, want: p, reg: r, statement: v.m.classify(t, p, s, r)})
}

// mayBe: what is InSrv must have been registered there and not be over.
func (v *viewer) mayBe(t *truth, s sighting, before Span) {
	for _, e := range t.out {
		if !e.contains(before) || !v.m.calm(s.node, e.node, s.Span) {
			continue
		}
		v.m.looked["S4"]++
		if s.row.InSrv {
			v.add(s, contradiction{kind: undead, want: e.node, reg: e.last, statement: v.m.classifyEnd(e, s)})
			return
		}
	}
	if s.row.InSrv && !t.possible(s.row.Owner, s.To) {
		v.add(s, contradiction{kind: phantom, want: s.row.Owner, statement: "S5"})
	}
}

func (v *viewer) add(s sighting, c contradiction) {
	if c.lie = v.m.lie(s); c.lie != nil {
		c.statement = "S18"
	}
	c.first, c.last, c.times, c.dns = s, s, 1, []string{s.row.DN}
	v.out = append(v.out, c)
}

// overTime joins what one node says about one DN again and again. The
// statement is that of the most telling sighting.
func overTime(all []contradiction, gap time.Duration) []contradiction {
	type key struct {
		kind       kind
		node, want string
		dn         string
	}
	return join(all, gap, func(c contradiction) key { return key{c.kind, c.first.node, c.want, c.dns[0]} })
}

// acrossDNs joins what one node says about many DNs of one owner.
func acrossDNs(all []contradiction, gap time.Duration) []contradiction {
	type key struct {
		kind       kind
		node, want string
		statement  ID
	}
	return join(all, gap, func(c contradiction) key { return key{c.kind, c.first.node, c.want, c.statement} })
}

func join[K comparable](all []contradiction, gap time.Duration, of func(contradiction) K) []contradiction {
	slices.SortStableFunc(all, func(a, b contradiction) int { return cmp.Compare(a.first.From, b.first.From) })
	open := map[K]int{}
	var out []contradiction
	for _, c := range all {
		k := of(c)
		i, known := open[k]
		if !known || c.first.From > out[i].last.To+gap {
			open[k] = len(out)
			out = append(out, c)
			continue
		}
		o := &out[i]
		o.times += c.times
		o.dns = append(o.dns, c.dns...)
		if c.last.To > o.last.To {
			o.last = c.last
		}
		if telling(c.statement) < telling(o.statement) {
			o.statement, o.first, o.reg = c.statement, c.first, c.reg
		}
	}
	for i := range out {
		slices.Sort(out[i].dns)
		out[i].dns = slices.Compact(out[i].dns)
	}
	return out
}

// telling orders the statements that one sighting may break: a list of
// routable DNs gives no reason, so it tells less than the table.
func telling(id ID) int {
	return slices.Index([]ID{"S18", "S26", "S17", "S16", "S7", "S3", "S4", "S15", "S2", "S5"}, id)
}
