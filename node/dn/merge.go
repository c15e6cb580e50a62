package dn

import (
	"slices"

	"github.com/sipcluster/sipcluster/node/feed"
)

// Status is a DN as this node sees it.
type Status struct {
	Number Number
	State  State
	// Owner is the node at which the DN is registered, "" when nobody has it.
	// With State OOS it is an owner that can't be heard from here.
	Owner Node
	// Standby is the node that would have the DN if the owner were lost now; "" is none.
	Standby Node
	// Previous had it before the last OwnerChange, in an item of a stream.
	Previous Node
	Reason   Reason
	// Since is when State began, ns since the epoch; 0 for never registered.
	Since int64
	// Agent at the DN, also while it is out of service; nil when nobody ever
	// logged in there.
	Agent *Agent
	// Busy: as many calls that this node knows of are at the DN as it takes.
	Busy bool
	// Uses are the calls that are at the DN now.
	Uses Uses
	// Reserved for a client: for ReservedBy until ReservedUntil, ns since the epoch, at most.
	// Of several reservations these are the first one's. Room: it takes a call more than
	// those that it has and is reserved for.
	Reserved, Room bool
	ReservedBy     string
	ReservedUntil  int64
	// Holds is how many reservations there are, Taken how many calls the DN has and is
	// reserved for: a call that rings there under its reservation once.
	Holds, Taken int32
	// DoNotDisturb: it takes no calls.
	DoNotDisturb bool
	// CoolUntil is until when no call is sent to it because nobody answered, AgentUntil when
	// the agent's state ends by itself, ns since the epoch; 0 for none.
	CoolUntil, AgentUntil int64
	// Media of its phones, 0 when nothing tells; while it has an owner.
	Media Media
	// Keeper is the node whose word about the agent this is: the owner, or the
	// last one that was heard of while the DN is out of service.
	Keeper Node
	// Version of the keeper's word.
	Version Version
	// Private: a client had registered the DN with it for itself alone.
	Private bool
	// Desks are the registrations by clients of a phone's DN.
	Desks *Desks
	// desk: clients have registered the DN, and no phone.
	desk bool
}

// Uses of a DN.
type Uses struct {
	// Calls that are at the DN, and those of them in which it talks.
	Calls, Talks int32
}

// Routable tells whether a call can be sent to the DN now, as far as its state
// goes; loginRequired when an agent must be logged in and ready for it.
func (s *Status) Routable(loginRequired bool) bool {
	if s.State != InSrv || s.Reason == Unresponsive || s.Busy || s.Reserved && !s.Room || s.DoNotDisturb || s.CoolUntil != 0 {
		return false
	}
	return s.AgentReady(loginRequired)
}

// AgentReady tells whether the agent at the DN, or that there is none, lets calls come.
func (s *Status) AgentReady(loginRequired bool) bool {
	if s.Agent == nil || s.Agent.State == LoggedOut {
		return !loginRequired && !s.Agent.Left()
	}
	return s.Agent.State == Ready
}

// Version orders what nodes say about one DN.
type Version struct {
	Claim Claim
	Seq   uint32
}

// Less tells whether v was said before w, or lost to it.
func (v Version) Less(w Version) bool {
	return v.Claim.Less(w.Claim) || v.Claim == w.Claim && v.Seq < w.Seq
}

// best is the record that says the state: that of the greatest claim over all
// tables, lost peers' included, or the way that leads where it has others beside it; a
// farewell only where there is nothing else; nil when there is none. A pure function of
// the records, and for ways of who is heard: whatever the order of delivery, the answer
// is the same.
func (t *Table) best(e *entry) *record {
	if b := t.greatest(e, false); b != nil {
		if w := t.lead(e, b); w != b || b.way.Line == 0 || !t.void(e, b) {
			return w
		}
	}
	return t.latest(e)
}

// latest is the record of the greatest claim of all: its word about the agent counts.
func (t *Table) latest(e *entry) *record { return t.greatest(e, true) }

func (t *Table) greatest(e *entry, farewells bool) *record {
	var b *record
	for i := range e.recs {
		r := &e.recs[i]
		if !farewells && r.farewell() {
			continue
		}
		if b == nil || t.claim(b).Less(t.claim(r)) {
			b = r
		}
	}
	return b
}

// held: the greatest claim has just come with a sync that is still under way.
// Its node will be heard at the end of it; until then what was told stays,
// so that a DN that moved during a cut shows one change, not an OOS between.
func (t *Table) held(e *entry, o *origin, node uint8) bool {
	was := e.told
	return o.syncing && was.state == InSrv && was.owner != node && t.nodes[was.owner] != nil && t.nodes[was.owner].heard
}

func (t *Table) claim(r *record) Claim {
	return Claim{Time: r.claim, Node: t.nodes[r.node].id}
}

// effective is what holds for the entry at this moment.
func (t *Table) effective(e *entry) told {
	b := t.best(e)
	if b == nil {
		return told{}
	}
	v := told{since: b.since, reason: b.reason}
	switch {
	case b.local():
		v.state = b.state
		return v
	case b.state == OOS:
	case t.nodes[b.node].heard:
		v.owner, v.owned, v.state = b.node, true, InSrv
	case t.held(e, t.nodes[b.node], b.node):
		v = e.told
		v.agent = t.present(e, v.agent)
		v.busy = t.cfg.Busy(e.number)
		return v
	default:
		v.owner, v.owned, v.since, v.reason = b.node, true, t.nodes[b.node].lostAt, PeerLost
	}
	if k := t.keeper(e); k.x != nil || k.way.Line != 0 {
		x := t.said(e, k).x
		v.agent, v.hold = t.present(e, x.agentOf()), t.reservation(k)
		if v.agent != x.agentOf() {
			v.hold = nil // of who is elsewhere
		}
		v.dnd, v.cool = x.undisturbed(), t.cooling(x)
	}
	v.busy = t.cfg.Busy(e.number)
	return v
}

// tell puts the entry into the visible stream when its state changed, or its
// owner while in service. reason is said of a DN whose last record is gone.
func (t *Table) tell(e *entry, reason Reason) {
	was, is := e.told, t.effective(e)
	if len(e.recs) == 0 {
		is.reason, is.since = reason, t.cfg.Now().UnixNano()
	}
	moved := was.state == InSrv && is.state == InSrv && was.owner != is.owner
	switched := moved && e.by(is.owner).way.Line != 0
	switch {
	case moved:
		is.move()
		if switched {
			is.since, is.from = was.since, was.owner+1 // it was in service all the time
		}
	case was.state == InSrv && is.state == InSrv: // a refresh, or the phone fell silent or spoke
		is.stay(was)
	case was.reason == PeerLost && is.state == InSrv:
		is.since = max(is.since, t.cfg.Now().UnixNano()) // here it was out of service until now
	}
	e.told = is
	if was.owned != is.owned || was.owner != is.owner {
		t.list(e, was.owner)
		t.list(e, is.owner)
	}
	switch {
	case switched:
		t.say(e, placeOwner)
	case moved || was.state != is.state:
		t.sayBy(e, placeState, t.finder(e, was))
		// What was told of the owner before is not told behind this: no position in the ring.
		e.seq[placeOwner] = uint32(t.journals[visible].head) + 1<<31
	}
	if !was.agent.Equal(is.agent) {
		t.say(e, placeAgent)
	}
	calls, held := e.noteCalls(t.cfg.Uses(e.number)), e.noteHolds(t.live(e, is.hold))
	turned := !moved && was.state == is.state && was.silent() != is.silent()
	ended := is.hold != nil && !was.hold.reserved(t.clock()) // by its time: who looked since saw none
	if was.busy != is.busy || !was.hold.sameHold(is.hold) || held || ended || turned || calls || was.dnd != is.dnd || was.cool != is.cool {
		t.say(e, placeUse)
	}
	t.settlePlace(e, justTold)
	t.leave(e)
	t.settleLogin(e, was.agent)
}

// finder is the node that found out why the state changed, where that is no news of the one
// that has the DN: the owner is heard again, of whose DN clients were told before, or the last
// record is gone. "" for news.
func (t *Table) finder(e *entry, was told) Node {
	known := e.seq[placeState] != 0
	switch {
	case was.reason == PeerLost && e.told.state == InSrv && known:
		return t.cfg.Self
	case len(e.recs) == 0 && was.owned && t.nodes[was.owner] != nil:
		return t.nodes[was.owner].id
	}
	return ""
}

// silent tells whether the DN is in service with a phone that does not answer.
func (v *told) silent() bool { return v.state == InSrv && v.reason == Unresponsive }

// move and stay give the reason of what is in service as it was before, at
// another node or the same; that the phone does not answer is said in any case.
func (v *told) move() {
	if !v.silent() {
		v.reason = OwnerMoved
	}
}

func (v *told) stay(was told) {
	v.since, v.from = was.since, was.from
	if !v.silent() && !was.silent() {
		v.reason = was.reason
	}
}

func (t *Table) status(e *entry, v told) Status {
	s := Status{Number: e.number, State: v.state, Reason: v.reason, Since: v.since, Agent: v.agent, Busy: v.busy, Uses: t.cfg.Uses(e.number)}
	s.Taken = s.Uses.Calls
	if k := t.keeper(e); k != nil {
		s.Keeper, s.Version = t.nodes[k.node].id, Version{Claim: t.claim(k), Seq: k.seq}
		s.desk, s.Private = k.way.desk(), k.way.private()
		if v.hold != nil && t.reservation(k) != nil { // time ends it too, when the owner can't
			t.reserved(&s, k.x)
		}
		t.ends(&s, t.said(e, k).x)
	}
	if v.from > 0 && t.nodes[v.from-1] != nil {
		s.Previous = t.nodes[v.from-1].id
	}
	if v.owned && t.nodes[v.owner] != nil {
		s.Owner = t.nodes[v.owner].id
		if w := e.by(v.owner); w != nil {
			s.Media = w.traits.spoken().Media()
		}
		if w := t.standby(e, v.owner); w != nil {
			s.Standby = t.nodes[w.node].id
		}
	}
	return s
}

// ends fills in what an owner says beside the agent, and until when.
func (t *Table) ends(s *Status, x *extra) {
	if x == nil {
		return
	}
	s.DoNotDisturb, s.Desks = x.dnd, x.seats()
	if t.cooling(x) {
		s.CoolUntil = t.cfg.Now().UnixNano() + x.cool - t.clock()
	}
	if x.ends > 0 && !s.Agent.Left() {
		s.AgentUntil = t.cfg.Now().UnixNano() + x.ends - t.clock()
	}
}

// Get returns a DN's status; false when nobody ever registered it.
func (t *Table) Get(n Number) (Status, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[n]
	if e == nil {
		return Status{Number: n}, false
	}
	return t.status(e, t.current(e)), true
}

// current is effective, with the words of the stream where both agree.
func (t *Table) current(e *entry) told {
	v := t.effective(e)
	if v.state == e.told.state && v.owner == e.told.owner && v.silent() == e.told.silent() {
		v.since, v.reason = e.told.since, e.told.reason
	}
	return v
}

// Range calls fn for all known DNs behind a number, in order, until it returns
// false. It takes the lock for a chunk at a time, not while fn runs: a DN that
// changes meanwhile is seen as it was or as it is.
func (t *Table) Range(after Number, fn func(Status) bool) { t.visit(t.order, after, fn) }

func (t *Table) visit(o order, after Number, fn func(Status) bool) {
	var buf []Status
	for n, more := firstChunk, true; more; n = min(4*n, chunkSize) {
		buf, after, more = t.statuses(slices.Grow(buf[:0], n), o, after, n)
		for _, s := range buf {
			if !fn(s) {
				return
			}
		}
	}
}

func (t *Table) statuses(buf []Status, o order, after Number, n int) ([]Status, Number, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	after, more := o.behind(after, n, func(e *entry) { buf = append(buf, t.status(e, t.current(e))) })
	return buf, after, more
}

// Touch tells of DNs of which Config.Busy, Config.Uses, or time, may say something else now.
func (t *Table) Touch(numbers map[Number]struct{}) {
	var room [8]Number
	chunk := room[:0]
	for n := range numbers {
		if chunk = append(chunk, n); len(chunk) == chunkSize {
			t.touch(chunk).Wake()
			chunk = chunk[:0]
		}
	}
	t.touch(chunk).Wake()
}

// touch returns the readers to wake, who could do nothing while it has the lock.
func (t *Table) touch(numbers []Number) feed.Waiters {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := &t.journals[visible]
	sleepers, head := j.idle, j.head
	j.idle = nil
	for _, n := range numbers {
		e := t.entries[n]
		if e == nil || len(e.recs) == 0 {
			continue
		}
		t.classify(e)
		switch busy, calls := t.cfg.Busy(n), e.noteCalls(t.cfg.Uses(n)); {
		case e.told.hold != nil && t.live(e, e.told.hold) != e.holds, e.told.cool && !t.cooling(t.said(e, t.keeper(e)).x):
			t.tell(e, NoReason)
		case e.told.busy != busy || calls:
			e.told.busy = busy
			t.settlePlace(e, asTime)
			t.say(e, placeUse)
		}
	}
	if j.head == head {
		j.idle = sleepers
		return nil
	}
	j.idle = feed.Waiters{}
	return sleepers
}
