package dn

// Way is one of the ways to a phone that registers at several nodes: the line
// is the phone, the flow which of its registrations (RFC 5626). The zero Way is
// that of a phone of which a node has the one registration.
//
// A way beside another one takes nothing from it. Where several are heard, the
// one that has been in service for the longest time, without falling silent,
// owns the DN; the others stand by. So a refresh, which keeps that time, changes
// no owner; a node that doesn't hear the owner has the next one, and all that hear the same
// nodes agree.
type Way struct {
	Line uint32
	Flow uint16
}

// Pair is the line of a DN whose registrations are all of one phone, which says
// nothing by which they would be told apart for sure: two count, the newest.
const Pair uint32 = 1

// beside tells whether two registrations of a DN don't exclude each other.
func (r *record) beside(o *record) bool {
	return r.way.Line != 0 && r.way.Line == o.way.Line && r.way.Flow != o.way.Flow
}

// void tells whether a later registration has taken the DN from a node's one. What took
// it does so for good, though another one took it from that in turn: farewells count.
// They say nothing against who has no ways.
func (t *Table) void(e *entry, r *record) bool {
	ways := 0
	for o := range e.words {
		past := o == e.late || o.farewell()
		switch {
		case o == r || !t.claim(r).Less(t.claim(o)) || past && r.way.Line == 0:
		case !r.beside(o) || r.claim < o.floor:
			return true
		case !past && o.state == InSrv:
			ways++
		}
	}
	return r.way.Line == Pair && ways > 1
}

// words are all records of the entry, and what this node has still to say of one that it lost.
func (e *entry) words(yield func(*record) bool) {
	if e.late != nil && !yield(e.late) {
		return
	}
	for i := range e.recs {
		if !yield(&e.recs[i]) {
			return
		}
	}
}

// floor is the claim up to which a registration of this way puts an end to all others: what
// stood against another phone stands against its ways too, and this node's next word must
// not bring back what the last one ended.
func (e *entry) floor(w Way) (f int64) {
	for r := range e.words {
		if f = max(f, r.floor); r.way.Line != w.Line || r.node == 0 && r.way.Flow != w.Flow && w.Line != Pair {
			f = max(f, r.claim)
		}
	}
	return f
}

// covered tells whether another record takes the DN from all that r does, so that r need
// not be remembered for that.
func (t *Table) covered(e *entry, r *record) bool {
	for o := range e.words {
		if t.claim(r).Less(t.claim(o)) && (o.way.Line == 0 || o.floor >= r.claim || o.way == r.way && o.floor >= r.floor) {
			return true
		}
	}
	return false
}

// lead is the way by which the DN is reached when b has the greatest claim: b
// itself unless it has others beside it. A pure function of the records and of who
// is heard.
func (t *Table) lead(e *entry, b *record) *record {
	if b.way.Line == 0 || len(e.recs) == 1 {
		return b
	}
	if w := t.foremost(e, nil); w != nil {
		return w
	}
	return b
}

// foremost is the way in service that comes before all others but one; nil when
// there is none.
func (t *Table) foremost(e *entry, but *record) (w *record) {
	for i := range e.recs {
		r := &e.recs[i]
		if r != but && r.state == InSrv && (w == nil || t.before(r, w)) && !t.void(e, r) {
			w = r
		}
	}
	return w
}

// before orders ways in service.
func (t *Table) before(r, w *record) bool {
	x, y := t.nodes[r.node], t.nodes[w.node]
	switch {
	case x.heard != y.heard:
		return x.heard
	case (r.reason == Unresponsive) != (w.reason == Unresponsive):
		return w.reason == Unresponsive
	case r.since != w.since:
		return r.since < w.since
	}
	return x.id < y.id
}

// standby is the way that the DN would have without its owner; nil when there is
// none that is heard.
func (t *Table) standby(e *entry, owner uint8) *record {
	if len(e.recs) < 2 {
		return nil
	}
	w := e.by(owner)
	if w == nil || w.way.Line == 0 {
		return nil
	}
	if w = t.foremost(e, w); w == nil || !t.nodes[w.node].heard {
		return nil
	}
	return w
}

// keeper is the record whose node decides about the agent: that of the greatest
// claim, farewells included, or the way in service that owns the DN.
func (t *Table) keeper(e *entry) *record {
	l := t.latest(e)
	if l == nil {
		return nil
	}
	return t.lead(e, l)
}

// said is who says last what is said beside the state: the keeper k, or where
// the DN has ways whoever spoke last.
func (t *Table) said(e *entry, k *record) *record {
	if k.way.Line == 0 {
		return k
	}
	for i := range e.recs {
		if r := &e.recs[i]; r.x.at() > k.x.at() {
			k = r
		}
	}
	return k
}

// mirror, when a peer has said something beside the state, has this node's way say of the
// agent what was said last of all, and of a reservation what the keeper says: whoever loses
// the keeper knows both. Nothing is said again that others have said.
func (t *Table) mirror(e *entry, heard *extra) {
	mine, k := e.by(0), t.keeper(e)
	x := t.said(e, k).x
	if heard.at() > x.at() {
		x = heard // of a farewell
	}
	x = x.with(mine.x)
	if k != mine && t.nodes[k.node].heard {
		x = x.with(k.x)
	}
	if x.took(mine.x) {
		return
	}
	turned := *mine
	turned.seq++
	turned.x = x
	t.set(e, turned)
	t.journals[own].add(e, placeOwn, true)
}
