package dn

import "slices"

// A farewell is the last word of a node about a DN that went on at another
// one: out of service, owner moved, with the agent as it was. A peer that hears
// this node and not the new owner knows the agent by it alone, and takes the
// agent along when the DN moves on to it. It says nothing of the state while
// any other record does, and it is void for who has a greater claim; so once
// everybody has heard of the new owner, only its writer has it, one a DN at most.
//
// Of a DN with ways it says besides what the registration had taken the DN from, until
// each way has been registered anew by who knew of that: a way that was left while its
// node was cut off does not come back because the node that it went to has lost the DN.

// farewell tells whether the record is one. No owner says that of a DN that is
// registered with it.
func (r *record) farewell() bool { return r.state == OOS && r.reason == OwnerMoved }

// sayFarewell has e.late say what remains to be said under a claim that lost.
func (t *Table) sayFarewell(e *entry, now int64) {
	r := e.late
	e.late = nil
	if f := (&record{claim: r.claim, floor: r.floor, seq: r.seq + 1, since: now, way: r.way, state: OOS, reason: OwnerMoved, x: r.x}); r.x.free() != nil || !t.covered(e, f) {
		e.late = f
	}
	t.settleOwner(e)
	t.tell(e, NoReason)
	t.journals[own].add(e, placeOwn, true)
}

// voidFarewells drops the farewells of peers that a greater claim makes void,
// and this node's own one when no greater claim is left: the DN was deleted, or
// its owner belongs to the cluster no more, and the agent went with it.
func (t *Table) voidFarewells(e *entry) {
	l := t.latest(e)
	if len(e.recs) > 1 {
		last := l.node
		var gone []uint8
		e.recs = slices.DeleteFunc(e.recs, func(r record) bool {
			void := r.farewell() && r.node != last && t.covered(e, &r)
			if void {
				gone = append(gone, r.node)
			}
			return void
		})
		for _, node := range gone {
			t.list(e, node)
		}
		for i := range e.recs {
			if r := &e.recs[i]; r.farewell() && r.node != last {
				r.x = nil // of the agent it says nothing any more
			}
		}
		l = t.latest(e)
	}
	switch {
	case e.late == nil:
	case e.by(0) != nil:
		e.late = nil
	case l == nil || !t.claim(e.late).Less(t.claim(l)), e.late.farewell() && e.late.x.free() == nil && t.covered(e, e.late):
		e.late = nil
		t.journals[own].add(e, placeOwn, true)
	}
}
