package call

import (
	"context"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Carried is what a node says of a call that it delivers to a DN for the node
// that has the call. It outlives that node: then it alone knows when the call
// is over.
type Carried struct {
	Call ID
	// Of is the node that has the call.
	Of dn.Node
	DN dn.Number
	// Over: the call is at that DN, as one of its sides has told the node that carries it,
	// whatever the node that has the call says, which may be cut off. The call is over by
	// that as long as its own node says that the DN has part in it: it may have given up
	// the DN meanwhile, and gone on to another one.
	Over bool
}

func (c *Carried) sound() bool {
	return c.Call.Valid() && c.Of != "" && len(c.Of) <= 255 && dn.ValidNumber(string(c.DN))
}

// leg is a Carried of a node. Guarded by Table.mu.
type leg struct {
	Carried
	carrier *origin
	// kept: it is in Table.legs, which calls of this node are not.
	kept bool
	// told: the peers were told of it, or need not be any more; otherwise they are when it is due.
	told bool
	due  time.Time
	// done: the node that has the call has said itself that it is over.
	done bool
	// round is that of the carrier's fence in which it was mentioned last; of an own one that
	// of the copy of the node that has the call, when it began.
	round uint64
}

// Leg is a call that this node delivers to a DN. Its methods may be called at any
// time from any goroutine; the first call counts.
type Leg struct {
	t *Table
	l *leg
}

// carryAfter is for how long the peers are not told of a leg. The node that has the call
// tells them when it rings; they need the carrier's word when they lose that node. So of a
// try that soon is over they hear nothing.
const carryAfter = 200 * time.Millisecond

// Carry notes that this node delivers a call to a DN, which is busy from here on:
// a call of another node, whose peers hear of it if it lasts, or one of its own.
func (t *Table) Carry(id ID, of dn.Node, n dn.Number) *Leg {
	x := &struct { // one piece of memory
		Leg
		leg
	}{Leg{t: t}, leg{Carried: Carried{Call: id, Of: of, DN: n}, carrier: t.self}}
	l := &x.leg
	x.l = l
	l.kept = of != t.cfg.Self && l.sound()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.uses.one(id, n, 1)
	if !l.kept {
		return &x.Leg
	}
	if o := t.nodes[of]; o != nil {
		l.round = o.fence.Round()
	}
	now := t.cfg.Now()
	t.tellLegs(now)
	l.due = now.Add(carryAfter)
	if old := t.findLeg(t.self, id, n); old != nil && old.Over { // it comes again, and that has to be known
		t.dropLeg(old)
		l.due = now
	}
	t.legs[id] = append(t.legs[id], l)
	t.self.legs++
	if e := t.calls[id]; e != nil && e.o.id == of {
		t.consider(e)
	}
	if t.fresh = append(t.fresh, l); len(t.fresh) == 1 {
		t.own.idle.Wake() // its readers wait for that time
	}
	return &x.Leg
}

// tellLegs tells the peers of the legs that are due, and returns how long it is until the
// next one will be; negative when there is none.
func (t *Table) tellLegs(now time.Time) time.Duration {
	for len(t.fresh) > 0 {
		l := t.fresh[0]
		if wait := l.due.Sub(now); wait > 0 && !l.told {
			return wait
		}
		if t.fresh[0], t.fresh = nil, t.fresh[1:]; !l.told {
			l.told = true
			t.own.add(t.legEvent(Carry, &l.Carried))
		}
	}
	return -1
}

// tellAllLegs tells the peers of all legs: some peer is told of what there is.
func (t *Table) tellAllLegs() {
	if n := len(t.fresh); n > 0 {
		t.tellLegs(t.fresh[n-1].due)
	}
}

// Dropped says that the call has left this node: the DN did not take it, or it is
// over and the node that has it knows.
func (x *Leg) Dropped() { x.end(Dropped) }

// Over says that the call is over, whether the node that has it hears of that or not.
func (x *Leg) Over() { x.end(Over) }

func (x *Leg) end(k Kind) {
	t := x.t
	t.mu.Lock()
	defer t.mu.Unlock()
	l := x.l
	x.l = nil
	switch {
	case l == nil:
	case !l.kept:
		t.uses.one(l.Call, l.DN, -1)
	default:
		if l.done {
			k = Dropped
		}
		if l.told || k == Over {
			t.own.add(t.legEvent(k, &l.Carried))
		}
		l.told = true
		t.endLeg(l, k == Over)
	}
}

func (t *Table) legEvent(k Kind, c *Carried) *Event {
	return &Event{Kind: k, Call: c.Call, Node: t.cfg.Self, ThisDN: c.DN, Role: Called, Of: c.Of, Time: t.now()}
}

// endLeg ends a leg. With over the call is over there, and the carrier's word of it stays
// until the node that has the call says so too. A call of this node is over by that when it
// was answered there: otherwise its try there fails. What a peer that lives says of its own
// call from there on is followed, and told to nobody, until that makes it go on.
func (t *Table) endLeg(l *leg, over bool) {
	if !l.Over {
		t.uses.one(l.Call, l.DN, -1)
	}
	cause := NodeLost
	if over {
		l.Over, cause = true, 0
	} else {
		t.dropLeg(l)
	}
	e := t.calls[l.Call]
	switch {
	case e == nil || e.o.id != l.Of:
	case e.o == t.self:
		t.answeredAndOver(e)
	case !e.lost:
		t.consider(e)
	case !t.carried(e):
		t.endCall(e, cause)
	default:
		t.releaseUncarried(e)
	}
}

// dropLeg forgets a leg. That a call is over is taken back for the peers as well.
func (t *Table) dropLeg(l *leg) {
	rest := slices.DeleteFunc(t.legs[l.Call], func(x *leg) bool { return x == l })
	if t.legs[l.Call] = rest; len(rest) == 0 {
		delete(t.legs, l.Call)
	}
	l.carrier.legs--
	if l.Over && l.carrier == t.self {
		t.own.add(t.legEvent(Dropped, &l.Carried))
	}
}

// carried tells whether a node that lives carries the call.
func (t *Table) carried(e *entry) bool {
	return slices.ContainsFunc(t.legs[e.call.ID], func(l *leg) bool { return !l.Over && l.Of == e.o.id })
}

// overruled tells whether the node by which a call of o goes to a DN that has part in it, in
// that state at least, has said that it is over there, and nobody carries it there now. What
// another node says is of a try before, which is over for o too, whatever comes later.
func (t *Table) overruled(c *Call, o *origin, state State) bool {
	legs := t.legs[c.ID]
	return slices.ContainsFunc(legs, func(l *leg) bool {
		if !l.Over || l.Of != o.id {
			return false
		}
		p := c.Party(l.DN, Called)
		return p != nil && p.State >= state && (p.At == "" || p.At == l.carrier.id) && !slices.ContainsFunc(legs, func(x *leg) bool { return !x.Over && x.Of == o.id && x.DN == l.DN })
	})
}

// answeredAndOver ends a call of this node that is over where it was answered.
func (t *Table) answeredAndOver(e *entry) {
	if t.overruled(e.call, e.o, StateEstablished) {
		t.overs = append(t.overs, e.call.ID)
	}
}

// consider hides a peer's call that is over by a carrier's word, and shows one again that
// is not by what its own node says now.
func (t *Table) consider(e *entry) {
	over := len(t.legs) > 0 && t.overruled(e.call, e.o, StateDialing)
	switch {
	case over == e.over, e.o == t.self, e.lost:
	case over:
		t.tellEnd(e, 0)
		t.uses.move(e.call.ID, e.call.Parties, nil)
		t.hide(e)
		e.over = true
		t.vacated(e)
	default:
		e.over = false
		t.uses.move(e.call.ID, nil, e.call.Parties)
		t.appear(e, newCall(e.call.ID, e.call.Node, e.call.Info), e.call, true)
	}
}

// left forgets that a call is over at a DN of which its own node says that it has left it.
func (t *Table) left(e *entry, ev *Event) {
	if len(t.legs) == 0 || ev.Role != Called || ev.Kind != Released && ev.Kind != Abandoned {
		return
	}
	for _, l := range slices.Clone(t.legs[e.call.ID]) {
		if l.Over && l.Of == e.o.id && l.DN == ev.ThisDN {
			t.dropLeg(l)
		}
	}
}

// bury notes that the node that has the call says that it is over, or with said false
// knows nothing of it: nobody else needs to say so any more.
func (t *Table) bury(id ID, o *origin, said bool) {
	for _, l := range slices.Clone(t.legs[id]) {
		switch {
		case l.Of != o.id:
		case l.Over:
			t.dropLeg(l)
		default:
			if said && l.carrier == t.self && !l.done {
				t.leaving = append(t.leaving, leaving{l, t.cfg.Now().Add(leaveAfter)})
				t.leaves.Send()
			}
			l.done = true
		}
	}
}

// leaveAfter is how long a phone here may take to leave a call that its node says is
// over: ordinary BYEs pass within that.
const leaveAfter = time.Second

// leaving is an own leg whose call is over, and when the phone has to be gone.
type leaving struct {
	l   *leg
	due time.Time
}

// LeftAlone waits for a call that this node carries still although its own node has said
// some time ago that it is over: what that sent was lost, in a cut perhaps. The phone
// here has to be told. It has one reader; the error is the context's.
func (t *Table) LeftAlone(ctx context.Context) (ID, error) {
	for {
		l, wait := t.nextLeaving()
		switch {
		case l != nil && wait <= 0:
			return l.Call, nil
		case l == nil:
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-t.leaves:
			}
		default:
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return "", ctx.Err()
			case <-timer.C:
			}
		}
	}
}

// nextLeaving is the first leg that is there still, and how long it has; one that has no
// time left is taken.
func (t *Table) nextLeaving() (*leg, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.leaving) > 0 {
		x := t.leaving[0]
		wait := x.due.Sub(t.cfg.Now())
		there := x.l.done && slices.Contains(t.legs[x.l.Call], x.l)
		if there && wait > 0 {
			return x.l, wait
		}
		if t.leaving = t.leaving[1:]; there {
			return x.l, 0
		}
	}
	return nil, 0
}

// settleLegs takes back what this node said of calls that their node does not have,
// as all that it has is known now, by a feed that began after the call did.
func (t *Table) settleLegs(o *origin, round uint64) {
	for id, legs := range walk.Map(&t.mu, t.legs) {
		if t.calls[id] == nil && slices.ContainsFunc(legs, func(l *leg) bool { return l.Of == o.id && l.carrier == t.self && l.round < round }) {
			t.bury(id, o, false)
		}
	}
}

// endLegs ends those of a carrier that no snapshot from a round on has mentioned: it is
// not known how they ended, so the calls' own nodes' words count.
func (t *Table) endLegs(carrier *origin, round uint64) {
	for _, legs := range walk.Map(&t.mu, t.legs) {
		for _, l := range slices.Clone(legs) {
			if l.carrier == carrier && l.round < round {
				t.endLeg(l, false)
			}
		}
	}
}

// findLeg is what a carrier says of a call and DN; nil for nothing.
func (t *Table) findLeg(carrier *origin, id ID, n dn.Number) *leg {
	for _, l := range t.legs[id] {
		if l.carrier == carrier && l.DN == n {
			return l
		}
	}
	return nil
}

// says takes what a peer says of a call that it carries. False: it is refused.
func (c *Copy) says(x *Carried) bool {
	t := c.t
	if !x.sound() || x.Of == c.o.id {
		return false
	}
	l := t.findLeg(c.o, x.Call, x.DN)
	if l == nil {
		if c.o.legs >= MaxCalls {
			return false
		}
		l = &leg{Carried: *x, carrier: c.o, round: c.o.fence.Round()}
		l.Over = false
		t.legs[x.Call] = append(t.legs[x.Call], l)
		c.o.legs++
		t.uses.one(x.Call, x.DN, 1)
	}
	l.round = c.o.fence.Round()
	if x.Over {
		t.endLeg(l, true)
		return true
	}
	if l.Over { // it comes again
		l.Over = false
		t.uses.one(l.Call, l.DN, 1)
	}
	if e := t.calls[l.Call]; e != nil && e.o.id == l.Of {
		t.consider(e)
	}
	return true
}

// legEvent takes an event about a leg of the peer's.
func (c *Copy) legEvent(ev *Event) bool {
	x := &Carried{Call: ev.Call, Of: ev.Of, DN: ev.ThisDN, Over: ev.Kind == Over}
	if ev.Kind != Dropped {
		return c.says(x)
	}
	if l := c.t.findLeg(c.o, ev.Call, ev.ThisDN); l != nil {
		c.t.endLeg(l, false)
	}
	return x.sound()
}

// Carrying takes what a snapshot of the peer says of the calls that it carries. It
// returns how many were refused.
func (c *Copy) Carrying(list []Carried) (refused int, err error) {
	t := c.t
	defer t.flushOvers()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := c.feed.Check(); err != nil {
		return 0, err
	}
	for i := range list {
		if !c.says(&list[i]) {
			refused++
		}
	}
	t.refused += uint64(refused)
	return refused, nil
}

// carrying is what this node says of calls of others.
func (t *Table) carrying() []*Carried {
	out := make([]*Carried, 0, t.self.legs)
	for _, legs := range t.legs {
		for _, l := range legs {
			if l.carrier == t.self {
				c := l.Carried
				out = append(out, &c)
			}
		}
	}
	return out
}
