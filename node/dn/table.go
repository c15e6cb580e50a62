package dn

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/feed"
)

// maxClaimTime is the first of the year 2200: no clock is that wrong, and a
// claim beyond would leave the others no room for greater ones. A claim that is
// merely ahead counts; the next registration anywhere exceeds it.
const maxClaimTime = 7_258_118_400_000_000_000

// chunkSize is how many entries are visited under one hold of the lock at most, firstChunk how
// many at first: who wants few DNs pays for few.
const chunkSize, firstChunk = 512, 16

// Table is the availability plane of one node. All methods may be called at
// any time from any goroutine; none waits for I/O.
type Table struct {
	cfg Config

	mu      sync.RWMutex
	entries map[Number]*entry
	order   order
	// seated are those that clients have registered beside a phone.
	seated order
	free   free
	// ranks are the orders of groups that were asked for, and used when this node last sent
	// a call to an entry, ns since the epoch.
	ranks map[string]*ranks
	used  map[*entry]int64
	// known counts the entries.
	known [classes]int
	// unreached are the trunks that this node does not reach.
	unreached int
	// nodes[0] is this node; a nil slot is free.
	nodes    []*origin
	journals [journals]journal
	logins   logins
	maxClaim int64
	// seatClaim is the last one for clients at a phone's DN.
	seatClaim int64
	// dropped are own records that lost to a peer's claim and whose end is not
	// told to the peers yet.
	dropped    []drop
	superseded Superseded
	desks      Superseded
	rejected   uint64
	// began is the zero of clock.
	began time.Time
}

// origin is a node as the source of records. Guarded by Table.mu.
type origin struct {
	id Node
	// fence of the copy of its table.
	fence feed.Fence
	// heard: its word counts. Always true for this node.
	heard bool
	// lostAt is when it was lost, ns since the epoch; lostClock the same by the
	// table's clock.
	lostAt, lostClock int64
	tally             [classes]tally
	// owns are the DNs that it counts among its own; beside, of a peer, are the others of
	// which it has said something, or that clients were told it has: see list.
	owns, beside order
	// syncing: a link is bringing the copy up to date, and the node is not heard yet.
	syncing bool
	// mark changes with every full sync; partial says that the last one has
	// not ended, or broke off.
	mark, partial bool
}

// New makes an empty table.
func New(cfg Config) *Table {
	cfg = cfg.whole()
	t := &Table{cfg: cfg, entries: map[Number]*entry{}, order: newOrder(), seated: newOrder(), free: newFree(), ranks: map[string]*ranks{}, used: map[*entry]int64{}, logins: newLogins(), maxClaim: cfg.Floor, began: cfg.Now()}
	t.nodes = []*origin{{id: cfg.Self, heard: true, owns: newOrder(), beside: newOrder()}}
	t.journals = [journals]journal{visible: newJournal(cfg.History, t.order), own: newJournal(cfg.History, t.nodes[0].owns)}
	t.superseded, t.desks.wake = newSuperseded(), wake.New()
	return t
}

// clock is ns since the table was made; no step of the wall clock changes it.
func (t *Table) clock() int64 { return int64(t.cfg.Now().Sub(t.began)) }

// Incarnation of this node.
func (t *Table) Incarnation() uint64 { return t.cfg.Incarnation }

// Self is this node's id.
func (t *Table) Self() Node { return t.cfg.Self }

// MaxClaim is the greatest claim time issued or accepted, ns since the epoch.
func (t *Table) MaxClaim() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.maxClaim
}

// maxSurpassed leaves room for the claims that exceed what others know.
const maxSurpassed = maxClaimTime - int64(10*365*24*time.Hour)

// Surpass has the registrations that begin from now on exceed a claim that another node
// knows, on whichever DN: this node's clock may have been set back while it was down, and
// a phone may come back to it before it hears where that has been meanwhile.
func (t *Table) Surpass(claim int64) {
	if claim > maxSurpassed {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cfg.Floor, t.maxClaim = max(t.cfg.Floor, claim), max(t.maxClaim, claim)
}

// Rejected counts records of peers that were not taken: a number that is none,
// a claim of no time.
func (t *Table) Rejected() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rejected
}

// Register takes a new claim on the DN for this node and puts it in service.
// A refresh takes a new claim too; clients don't hear of it, peers do. The
// agent and a reservation go along from the node that had the DN before.
func (t *Table) Register(n Number, r Reason) Record { return t.RegisterWay(n, r, Way{}) }

// RegisterWay is Register for a phone that may have other ways at other nodes: it takes
// nothing from those.
func (t *Table) RegisterWay(n Number, r Reason, w Way) Record { return t.RegisterPhone(n, r, w, 0) }

// RegisterPhone is RegisterWay for phones that usually speak such media; 0: nobody knows.
func (t *Table) RegisterPhone(n Number, r Reason, w Way, usual Media) Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.register(n, r, w, func(e *entry, rec *record) {
		s := Spoken{Usual: usual}
		if old := e.by(0); old != nil && old.state == InSrv {
			s = s.again(old.traits.spoken())
		}
		rec.traits = traitsOf(rec.traits.mark(), s)
	})
}

// register is RegisterWay with mu held; amend may change the record before it counts.
func (t *Table) register(n Number, r Reason, w Way, amend func(*entry, *record)) Record {
	now := t.cfg.Now().UnixNano()
	e := t.entry(n)
	rec := record{claim: max(now, e.maxClaim()+1, t.cfg.Floor+1), since: now, state: InSrv, reason: r, way: w, traits: traitsOf(t.nodes[0].mark, Spoken{})}
	if w.Line != 0 {
		rec.since, rec.floor = rec.claim, e.floor(w) // behind the ways that are known
	}
	refresh := false
	if old := e.by(0); old != nil && old.state == InSrv && (w.Line == 0 || old.way.Line == w.Line) {
		rec.since, refresh = old.since, old.reason != Unresponsive
	}
	if k := t.keeper(e); k != nil {
		rec.x = t.said(e, k).x.with(k.x)
		if e.late != nil && e.late.x.at() > rec.x.at() { // the DN was away for a moment
			rec.x = e.late.x.with(k.x)
		}
		if t.reservation(k) == nil {
			rec.x = rec.x.free()
		}
	}
	if amend != nil {
		amend(e, &rec)
	}
	t.set(e, rec)
	t.journals[own].add(e, placeOwn, !refresh)
	return t.export(e)
}

// End puts the DN out of service under the claim that it was registered with.
// It changes nothing and returns false when this node holds no registration of
// exactly that claim: an old binding's end never takes a newer one down.
func (t *Table) End(n Number, claimTime int64, r Reason) (Record, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turn(n, claimTime, InSrv, OOS, r, nil)
}

// turn changes the state of an own record of exactly that claim, under that claim, and by
// amend what is said beside it, with mu held.
func (t *Table) turn(n Number, claimTime int64, from, to State, r Reason, amend func(*extra) *extra) (Record, bool) {
	now := t.cfg.Now().UnixNano()
	e := t.entries[n]
	if e == nil {
		return Record{}, false
	}
	rec := e.by(0)
	if rec == nil || rec.claim != claimTime || rec.state != from {
		return Record{}, false
	}
	turned := *rec
	turned.state, turned.reason, turned.since = to, r, now
	if turned.way.Line != 0 && to == InSrv {
		turned.since = max(now, e.maxClaim()+1)
	}
	turned.seq++
	if amend != nil {
		turned.x = amend(turned.x)
	}
	t.set(e, turned)
	t.journals[own].add(e, placeOwn, true)
	return t.export(e), true
}

// Answers says of a DN that is registered with exactly that claim whether its phone
// answers. False changes nothing: this node holds no such registration. A way that falls
// silent goes behind the others, so that it takes the DN from none when it speaks.
func (t *Table) Answers(n Number, claimTime int64, answers bool) (Record, bool) {
	now := t.cfg.Now().UnixNano()
	reason := Registered
	if !answers {
		reason = Unresponsive
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[n]
	if e == nil {
		return Record{}, false
	}
	rec := e.by(0)
	if rec == nil || rec.claim != claimTime || rec.state != InSrv {
		return Record{}, false
	}
	if rec.reason != reason {
		said := *rec
		said.reason = reason
		said.seq++
		if said.way.Line != 0 && !answers {
			said.since = max(now, e.maxClaim()+1)
		}
		t.set(e, said)
		t.journals[own].add(e, placeOwn, true)
	}
	return t.export(e), true
}

// Resume puts the DN back in service under the claim that End ended. It changes
// nothing and returns false when this node has no such record any more: whoever
// registered it elsewhere meanwhile keeps it.
func (t *Table) Resume(n Number, claimTime int64, r Reason) (Record, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turn(n, claimTime, OOS, InSrv, r, nil)
}

// Expect makes room for so many DNs beside those that are known, so that none of them
// waits for the others to be moved.
func (t *Table) Expect(more int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries := make(map[Number]*entry, len(t.entries)+more)
	maps.Copy(entries, t.entries)
	t.entries = entries
}

// Restore puts back a record that this node wrote in an earlier incarnation.
// Call it before the table is used by others.
func (t *Table) Restore(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restore(t.entry(r.Number), &r)
}

// PutBack is Restore for a DN that this node has no record of; otherwise it is false, and
// nothing changes.
func (t *Table) PutBack(r Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entry(r.Number)
	if e.by(0) != nil {
		return false
	}
	t.restore(e, &r)
	return true
}

func (t *Table) restore(e *entry, r *Record) {
	rec := record{claim: r.ClaimTime, since: r.Since, seq: r.Seq, state: r.State, reason: r.Reason, way: r.Way, floor: r.Floor, traits: traitsOf(false, r.Spoken)}
	if old := e.by(0); old != nil {
		rec.x = old.x
	}
	x := t.extra(r, nil)
	if r.Agent == nil {
		x = x.free()
	}
	if x != nil {
		rec.x = x
	}
	t.set(e, rec)
	t.journals[own].add(e, placeOwn, true)
}

// Remove takes this node's word of the DN back, because the DN is no more.
func (t *Table) Remove(n Number, r Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[n]
	if e == nil || e.by(0) == nil && e.late == nil {
		return
	}
	e.late, e.gone = nil, r
	t.unset(e, 0, r)
	t.journals[own].add(e, placeOwn, true)
}

// Own returns this node's record of the DN.
func (t *Table) Own(n Number) (Record, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[n]
	if e == nil || e.by(0) == nil {
		return Record{}, false
	}
	return t.export(e), true
}

// Unclaimed tells whether nobody says anything of the DN, but perhaps of the agent who was
// there: so it is when each node that had it has taken its word back (Remove), and not when
// the DN's registration has ended, or its node is lost.
func (t *Table) Unclaimed(n Number) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[n]
	return e == nil || t.greatest(e, false) == nil
}

// export is this node's record of an entry as others see it.
func (t *Table) export(e *entry) Record {
	r := e.by(0)
	if r == nil {
		r = e.late
	}
	if r == nil || r.local() {
		return Record{Number: e.number, Gone: true, Reason: e.gone}
	}
	return t.record(e, r)
}

// record is what a node says of an entry as others see it.
func (t *Table) record(e *entry, r *record) Record {
	out := Record{Number: e.number, ClaimTime: r.claim, Seq: r.seq, State: r.state, Reason: r.reason, Since: r.since, Way: r.way, Floor: r.floor, Spoken: r.traits.spoken()}
	if r.x != nil {
		r.x.say(&out, t.clock())
	}
	return out
}

func (t *Table) entry(n Number) *entry {
	e := t.entries[n]
	if e == nil {
		class, groups := t.cfg.Configured(n)
		e = &entry{number: n, share: share{class: class}, grouped: len(groups) > 0}
		t.known[e.share.class]++
		t.entries[n] = e
		t.order.add(e)
	}
	return e
}

// set stores a record and tells what became visible by it.
func (t *Table) set(e *entry, r record) {
	t.maxClaim = max(t.maxClaim, r.claim)
	was := e.put(r)
	if r.node == 0 {
		e.gone = NoReason
	}
	t.voidFarewells(e)
	t.noteSeats(e, was, r.x)
	t.settleOwner(e)
	t.tell(e, NoReason)
	t.list(e, r.node)
}

// unset removes a node's record; an entry without records is forgotten.
func (t *Table) unset(e *entry, node uint8, r Reason) {
	was, dropped := e.drop(node)
	if !dropped {
		return
	}
	t.voidFarewells(e)
	t.noteSeats(e, was, nil)
	t.settleOwner(e)
	t.tell(e, r)
	t.list(e, node)
	if len(e.recs) == 0 {
		if o := t.nodes[e.told.owner]; o != nil && e.told.owner != 0 {
			o.beside.drop(e)
		}
		t.order.drop(e)
		t.known[e.share.class]--
		delete(t.entries, e.number)
		delete(t.used, e)
	}
}

// peer finds or makes the slot of a peer.
func (t *Table) peer(id Node) (uint8, *origin, error) {
	free := len(t.nodes)
	for i, o := range t.nodes {
		switch {
		case o == nil:
			free = min(free, i)
		case o.id == id && i == 0:
			return 0, nil, fmt.Errorf("%w: node %s is this one", feed.ErrStale, id)
		case o.id == id:
			return uint8(i), o, nil
		}
	}
	if free >= feed.MaxNodes {
		return 0, nil, fmt.Errorf("node %.40q: %w (%d)", id, feed.ErrTooManyNodes, feed.MaxNodes)
	}
	o := &origin{id: id, owns: newOrder(), beside: newOrder()}
	if free == len(t.nodes) {
		t.nodes = append(t.nodes, nil)
	}
	t.nodes[free] = o
	return uint8(free), o, nil
}

// find returns the slot of a node that is known.
func (t *Table) find(id Node) (uint8, *origin) {
	for i, o := range t.nodes {
		if o != nil && o.id == id {
			return uint8(i), o
		}
	}
	return 0, nil
}
