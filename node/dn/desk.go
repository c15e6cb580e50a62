package dn

import (
	"slices"
	"time"
)

// MaxDesks of one DN that its keeper knows: the newest.
const MaxDesks = 8

// Desk is a registration of a DN by clients of a node, to more than monitor it. Of a DN that
// clients have in service it is the record of its node; of a phone's the DN's keeper says
// which there are.
type Desk struct {
	Node Node
	// Incarnation of the node: with the process its clients are gone.
	Incarnation uint64
	// Claim is the time of the registration: later than all that its node knew of at the
	// DN, ns since the epoch (hybrid logical clock).
	Claim int64
	// Private: it has the DN for itself alone.
	Private bool
}

// Desks are registrations of one DN, newest first; nil is none. Immutable.
type Desks []Desk

// All of them.
func (d *Desks) All() Desks {
	if d == nil {
		return nil
	}
	return *d
}

// Equal compares them.
func (d *Desks) Equal(o *Desks) bool { return d == o || slices.Equal(d.All(), o.All()) }

// Sound tells whether a record may say that.
func (d *Desks) Sound() bool {
	return d == nil || 0 < len(*d) && len(*d) <= MaxDesks && !slices.ContainsFunc(d.All(), func(x Desk) bool { return !x.sound() })
}

// Excludes tells whether one registration of a DN puts an end to another one: where one of
// the two is private, the later one to the earlier.
func (d Desk) Excludes(o Desk) bool {
	return d.Node != o.Node && (d.Private || o.Private) && o.claim().Less(d.claim())
}

func (d Desk) claim() Claim { return Claim{Time: d.Claim, Node: d.Node} }

// sound tells whether a node may say that.
func (d Desk) sound() bool {
	return d.Node != "" && len(d.Node) <= MaxHolder && 0 < d.Claim && d.Claim <= maxClaimTime
}

// Seated are the registrations of a DN, newest first, when one more is known: a node has one,
// its last. None of those that are left excludes another, and the newest of all is among them.
func Seated(all *Desks, d Desk) *Desks {
	for _, o := range all.All() {
		if o.Node == d.Node && d.Claim <= o.Claim || o.Excludes(d) {
			return all
		}
	}
	left := Desks{d}
	for _, o := range all.All() {
		if o.Node != d.Node && !d.Excludes(o) {
			left = append(left, o)
		}
	}
	slices.SortFunc(left, func(a, b Desk) int {
		if a.claim().Less(b.claim()) {
			return 1
		}
		return -1 // no two are equal
	})
	left = left[:min(len(left), MaxDesks)]
	return &left
}

// Left are the registrations of a DN when that of a node has ended, or an earlier one of it.
func Left(all *Desks, node Node, claim int64) *Desks {
	left := slices.DeleteFunc(slices.Clone(all.All()), func(o Desk) bool { return o.Node == node && o.Claim <= claim })
	switch len(left) {
	case 0:
		return nil
	case len(all.All()):
		return all
	}
	return &left
}

// DeskWay is the way of a registration by a client, which has no line.
func DeskWay(private bool) Way {
	if private {
		return Way{Flow: 2}
	}
	return Way{Flow: 1}
}

// desk tells whether a client registered the DN.
func (w Way) desk() bool { return w == DeskWay(false) || w.private() }

func (w Way) private() bool { return w == DeskWay(true) }

// Registrations are those by clients that this node knows of: of a DN that they have in
// service the one that has it.
func (s *Status) Registrations() []Desk {
	if s.desk {
		return []Desk{{Node: s.Keeper, Claim: s.Version.Claim.Time, Private: s.Private}}
	}
	return s.Desks.All()
}

// Ends finds a registration that puts an end to one that this node has of the DN.
func (s *Status) Ends(mine Desk) (by Desk, ended bool) {
	for _, d := range s.Registrations() {
		if d.Excludes(mine) {
			return d, true
		}
	}
	return Desk{}, false
}

// Seat is what the keeper of a phone's DN says of the clients of a node; false for nothing.
func (s *Status) Seat(node Node) (Desk, bool) {
	for _, d := range s.Desks.All() {
		if d.Node == node {
			return d, true
		}
	}
	return Desk{}, false
}

// SeatClaim is the claim of a registration of a phone's DN by a client of this node: later
// than all before.
func (t *Table) SeatClaim(n Number) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	claim := max(t.cfg.Now().UnixNano(), t.cfg.Floor+1, t.seatClaim+1)
	if e := t.entries[n]; e != nil {
		for i := range e.recs {
			for _, d := range e.recs[i].x.seats().All() {
				claim = max(claim, d.Claim+1)
			}
		}
	}
	t.seatClaim, t.maxClaim = claim, max(t.maxClaim, claim)
	return claim
}

// Away tells for how long a node has been lost by which clients had registered a DN, or its
// process gone; false when it is there.
func (t *Table) Away(d Desk) (time.Duration, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, o := t.find(d.Node)
	switch {
	case o == nil:
		return time.Duration(t.clock()), true
	case o == t.nodes[0] && d.Incarnation == t.cfg.Incarnation, o != t.nodes[0] && o.heard && o.fence.Incarnation() == d.Incarnation:
		return 0, false
	}
	return time.Duration(t.clock() - o.lostClock), true
}

// Desks hands over the DNs of which a registration by clients may have ended another one, or
// has been forgotten. It has a single reader.
func (t *Table) Desks() *Superseded { return &t.desks }

// Seats calls fn for the DNs of phones that clients have registered too, as far as their
// keepers say, until it returns false.
func (t *Table) Seats(fn func(Status) bool) {
	t.visit(t.seated, "", fn)
}

// noteSeats follows what a record says of a phone's DN, which said was before.
func (t *Table) noteSeats(e *entry, was, is *extra) {
	if was.seats() == nil && is.seats() == nil && !e.seated {
		return
	}
	if is.seats() == nil || !is.seats().Equal(was.seats()) {
		t.desks.add(Superseding{Number: e.number})
	}
	e.seated = slices.ContainsFunc(e.recs, func(r record) bool { return r.x.seats() != nil })
	if e.seated {
		t.seated.add(e)
	} else {
		t.seated.drop(e)
	}
}

// seats are the registrations by clients of a phone's DN.
func (x *extra) seats() *Desks {
	if x == nil {
		return nil
	}
	return x.desks
}

// noteDesk notes what a peer's record means to registrations by clients of this node;
// was is its record before, mine what this node loses by it, nil for nothing.
func (t *Table) noteDesk(n Number, rec, was, mine *record) {
	if mine != nil && mine.way.desk() || rec.way.private() && rec.claim != was.claim {
		t.desks.add(Superseding{Number: n, ClaimTime: rec.claim})
	}
}
