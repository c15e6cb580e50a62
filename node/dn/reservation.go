package dn

import "iter"

// Reservation of a DN for a session or a call, at most for the time that it asked for.
// Whether its holder still wants it, the owner knows by a lease, and ends it otherwise. A DN
// that takes several calls may have several.
type Reservation struct {
	// Holder is who has it; "" is nobody, and then there is no other.
	Holder string
	// Left is how long it still holds, as of the moment that it is read.
	Left int64 // ns
	// Next is another one; nil for none. Immutable.
	Next *Reservation
}

// MaxReservations of one DN.
const MaxReservations = 100

// All of them, with their holders.
func (r Reservation) All() iter.Seq[Reservation] {
	return func(yield func(Reservation) bool) {
		for x := &r; x != nil && x.Holder != ""; x = x.Next {
			if !yield(Reservation{Holder: x.Holder, Left: x.Left}) {
				return
			}
		}
	}
}

// Len is how many there are.
func (r Reservation) Len() (n int) {
	for range r.All() {
		n++
	}
	return n
}

// Of finds the one of a holder.
func (r Reservation) Of(holder string) (x Reservation, has bool) {
	for x := range r.All() {
		if x.Holder == holder {
			return x, true
		}
	}
	return Reservation{}, false
}

// Keep are those of which keep is true.
func (r Reservation) Keep(keep func(Reservation) bool) (kept Reservation) {
	for x := range r.All() {
		if keep(x) {
			kept = kept.With(x)
		}
	}
	return kept
}

// Without are all but that of a holder.
func (r Reservation) Without(holder string) Reservation {
	return r.Keep(func(x Reservation) bool { return x.Holder != holder })
}

// With are all and one more, behind them, or instead of the one that its holder has.
func (r Reservation) With(x Reservation) Reservation {
	x.Next = nil
	switch {
	case r.Holder == "":
		return x
	case r.Holder == x.Holder:
		r.Left = x.Left
	case r.Next == nil:
		r.Next = &x
	default:
		next := r.Next.With(x)
		r.Next = &next
	}
	return r
}

// sound tells whether a record may say that.
func (r Reservation) sound() bool {
	for x := range r.All() {
		if len(x.Holder) > MaxHolder || x.Left < 0 || x.Left > MaxReserved {
			return false
		}
	}
	return r.Len() <= MaxReservations && (r.Holder != "" || r.Next == nil)
}

// hold is a Reservation as it is kept, until a time of the table's clock. Immutable.
type hold struct {
	holder string
	until  int64
	next   *hold
}

// holdsOf makes those of what a record says.
func holdsOf(r Reservation, now int64) (first *hold) {
	last := &first
	for x := range r.All() {
		*last = &hold{holder: x.Holder, until: now + x.Left}
		last = &(*last).next
	}
	return first
}

// all of them that hold at a time.
func (h *hold) all(now int64) iter.Seq[*hold] {
	return func(yield func(*hold) bool) {
		for ; h != nil; h = h.next {
			if now < h.until && !yield(h) {
				return
			}
		}
	}
}

// say is what a record says of them.
func (h *hold) say(now int64) (r Reservation) {
	for x := range h.all(now) {
		r = r.With(Reservation{Holder: x.holder, Left: x.until - now})
	}
	return r
}

// same compares them, but for how long the word of them was under way.
func (h *hold) same(o *hold) bool {
	for ; h != nil && o != nil; h, o = h.next, o.next {
		if h.holder != o.holder || !near(h.until, o.until) {
			return false
		}
	}
	return h == o
}

// news tells whether there are more or fewer, or one lasts for longer. Who has it is none: the
// DN stays reserved.
func (h *hold) news(o *hold) bool {
	for ; h != nil && o != nil; h, o = h.next, o.next {
		if h.holder == o.holder && !near(h.until, o.until) {
			return true
		}
	}
	return h != o
}

// live counts the reservations of an entry that hold, of which x is told.
func (t *Table) live(e *entry, x *extra) (n uint8) {
	if x == nil || t.reservation(t.keeper(e)) == nil {
		return 0
	}
	for range x.holds.all(t.clock()) {
		n++
	}
	return n
}

// reserved fills in who has the DN reserved.
func (t *Table) reserved(s *Status, x *extra) {
	now := t.clock()
	for h := range x.holds.all(now) {
		if s.Holds++; !s.Reserved {
			s.Reserved, s.ReservedBy, s.ReservedUntil = true, h.holder, t.cfg.Now().UnixNano()+h.until-now
		}
		if !t.cfg.At(s.Number, h.holder) {
			s.Taken++
		}
	}
	s.Room = int(s.Taken) < t.cfg.Takes(s.Number)
}

// Reservations of a DN, each for how long still.
func (t *Table) Reservations(n Number) Reservation {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[n]
	if e == nil {
		return Reservation{}
	}
	k := t.keeper(e)
	if k == nil || t.effective(e).hold == nil || t.reservation(k) == nil {
		return Reservation{}
	}
	return k.x.holds.say(t.clock())
}
