package dn

import (
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// dropDelay is how long the end of a registration that lost to a peer's claim
// is kept from the peers: they hear of the greater claim from its owner, and
// must not see the DN out of service before that arrives.
const dropDelay = 250 * time.Millisecond

type drop struct {
	e    *entry
	late *record // of e then
	due  time.Time
}

// Copy is the right to write the copy of one peer's table: what one link
// holds while it lasts. The next Sync for the same peer takes it away.
type Copy struct {
	t    *Table
	node uint8
	o    *origin
	feed feed.Feed
	// claims are Claims.
	claims []int64
	// named are the ranges of Digests.
	named []Digest
}

// Position tells how far the copy of a peer's table reaches, to resume from; zeros
// when it is not complete.
func (t *Table) Position(id Node) feed.Position {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, o := t.find(id); o != nil {
		return o.fence.Position()
	}
	return feed.Position{}
}

// Sync begins to feed the copy of a peer's table: a snapshot, or with resumed
// only what changed since Position. ErrStale: a newer incarnation was seen.
// A new incarnation is not heard before its snapshot ended.
func (t *Table) Sync(id Node, incarnation uint64, resumed bool) (*Copy, error) {
	t.mu.Lock()
	node, o, err := t.peer(id)
	if err != nil {
		t.mu.Unlock()
		return nil, err
	}
	lost := o.heard && o.fence.Incarnation() < incarnation
	f, err := o.fence.Begin(incarnation, resumed)
	if err != nil {
		t.mu.Unlock()
		return nil, fmt.Errorf("DNs of node %s: %w", id, err)
	}
	o.syncing = true
	again := f.Full && o.partial
	if f.Full && !again {
		o.partial, o.mark = true, !o.mark
	}
	t.mu.Unlock()
	c := &Copy{t: t, node: node, o: o, feed: f}
	if lost {
		t.SetHeard(id, false)
	}
	if again {
		c.unmark()
	}
	return c, nil
}

// unmark takes back what a full sync that broke off has mentioned: this one may not.
func (c *Copy) unmark() {
	_ = c.t.walk(func(e *entry) error {
		if err := c.feed.Check(); err != nil {
			return err // so will be who asked for this one
		}
		if r := e.by(c.node); r != nil {
			r.traits = traitsOf(!c.o.mark, r.traits.spoken())
		}
		return nil
	})
}

// Saw notes that an incarnation of the peer exists; an older one no longer counts.
func (t *Table) Saw(id Node, incarnation uint64) {
	t.mu.Lock()
	node, o := t.find(id)
	newer := o != nil && node != 0 && o.fence.Saw(incarnation)
	broken := newer && o.syncing && !o.heard // else SetHeard tells of it
	if newer {
		o.syncing = false
	}
	t.mu.Unlock()
	if newer {
		t.SetHeard(id, false)
	}
	if broken {
		t.retell(node)
	}
}

// Close gives the right back: what a sync that broke off has brought counts as
// said by a node that can't be heard.
func (c *Copy) Close() {
	c.t.mu.Lock()
	broken := c.feed.Check() == nil && c.o.syncing
	if broken {
		c.o.syncing = false
	}
	c.t.mu.Unlock()
	if broken {
		c.t.retell(c.node)
	}
}

// retell brings the visible stream up to date with all that a node has said: first of the
// DNs that it owns, which it finds at once, then of those at which it stands by, and of those
// that clients were told it has, though it said since that it has not: see held.
func (t *Table) retell(node uint8) {
	say := func(e *entry) error { // never fails
		t.settleOwner(e)
		t.tell(e, NoReason)
		return nil
	}
	t.mu.RLock()
	o := t.nodes[node]
	t.mu.RUnlock()
	if o != nil { // else it was forgotten meanwhile
		_ = t.walkOver(o.owns, say)
		_ = t.walkOver(o.beside, say)
	}
}

// Current returns ErrFenced when the copy has a newer feed.
func (c *Copy) Current() error {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	return c.feed.Check()
}

// Apply takes a batch of the peer's records, in the peer's order. seq is the
// position behind it, 0 within a snapshot. It returns how many were no
// records: they change nothing. ErrFenced: this copy has a newer feed.
func (c *Copy) Apply(batch []Record, seq uint64) (rejected int, err error) {
	t := c.t
	c.claims = c.claims[:0]
	for len(batch) > 0 {
		n := min(len(batch), chunkSize)
		bad, err := c.applyChunk(batch[:n])
		rejected += bad
		if err != nil {
			return rejected, err
		}
		batch = batch[n:]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejected += uint64(rejected)
	if seq == 0 {
		return rejected, c.feed.Check()
	}
	return rejected, c.feed.Reached(seq)
}

// Claims are the claims of the registrations, refreshes too, that the last Apply brought, by
// the peer's clock at the time, in ns since the epoch; greater where one had to exceed that
// of a clock that is ahead. They are good until the next Apply.
func (c *Copy) Claims() []int64 { return c.claims }

func (c *Copy) applyChunk(batch []Record) (rejected int, err error) {
	now := c.t.cfg.Now()
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	if err := c.feed.Check(); err != nil {
		return 0, err
	}
	for i := range batch {
		r := &batch[i]
		if !ValidNumber(string(r.Number)) || !r.Gone && !r.sound() {
			rejected++
			continue
		}
		c.apply(r, now)
	}
	return rejected, nil
}

// sound tells whether a peer may say that.
func (r *Record) sound() bool {
	return r.ClaimTime > 0 && r.ClaimTime <= maxClaimTime && r.State <= InSrv && r.Reason < reasons &&
		(r.Way.Line == 0 || r.Since <= maxClaimTime && r.Floor <= r.ClaimTime) && r.Said <= maxClaimTime && r.sane() &&
		r.Agent.Check() == nil && r.Reserved.sound()
}

func (c *Copy) apply(r *Record, now time.Time) {
	t := c.t
	if r.Gone {
		if e := t.entries[r.Number]; e != nil {
			t.unset(e, c.node, r.Reason)
			if r.Reason == Deleted {
				t.superseded.deleted(r.Number)
			}
		}
		return
	}
	e := t.entry(r.Number)
	rec := record{claim: r.ClaimTime, since: r.Since, seq: r.Seq, node: c.node, state: r.State, reason: r.Reason, way: r.Way, floor: r.Floor, traits: traitsOf(c.o.mark, r.Spoken)}
	var was record
	if old := e.by(c.node); old != nil {
		was, rec.x = *old, old.x
	}
	if rec.claim > was.claim && rec.state == InSrv && rec.since <= rec.claim { // see TakeBack
		c.claims = append(c.claims, rec.claim)
	}
	rec.x = t.extra(r, rec.x)
	t.set(e, rec)
	mine := e.by(0)
	if mine != nil && !mine.beside(&rec) && rec.x != was.x && !rec.bereaved() && t.claim(&rec).Less(t.claim(mine)) && t.takePast(e, &was, &rec) {
		return
	}
	switch {
	case mine == nil:
		t.noteDesk(e.number, &rec, &was, nil)
	case !t.void(e, mine):
		if mine.way.Line != 0 {
			t.mirror(e, rec.x)
		}
	default:
		t.noteDesk(e.number, &rec, &was, mine)
		c.supersede(e, mine, now)
	}
}

// supersede drops this node's registration, which a later one has taken the DN from.
func (c *Copy) supersede(e *entry, mine *record, now time.Time) {
	t := c.t
	t.superseded.add(Superseding{Number: e.number, ClaimTime: t.latest(e).claim})
	t.endDropped() // also when nobody follows
	last := *mine
	e.late = &last
	e.drop(0)
	t.noteSeats(e, last.x, nil)
	t.settleOwner(e)
	t.tell(e, NoReason)
	t.dropped = append(t.dropped, drop{e, e.late, now.Add(dropDelay)})
	if len(t.dropped) == 1 {
		t.journals[own].idle.Wake() // the readers watch the time
	}
}

// takePast takes what another node said last of the agent while it had the DN, of which the
// registration here did not know: it was made before that word came. A login that it did not
// know stays.
func (t *Table) takePast(e *entry, was, rec *record) bool {
	if was.claim != 0 {
		return t.takeLate(e, was.x, rec.x)
	}
	mine, last := *e.by(0), rec.x.with(e.by(0).x)
	if last == nil || rec.x.at() <= mine.x.at() || last.agent != nil && last.agent.Login < mine.x.agentOf().login() {
		return false
	}
	x := *last
	x.desks = mine.x.seats()
	if x.agent == nil && mine.x != nil { // it did not know who was there
		x.agent, x.ends = mine.x.agent, mine.x.ends
	}
	mine.seq++
	mine.x = &x
	t.set(e, mine)
	t.journals[own].add(e, placeOwn, true)
	return true
}

// takeLate takes what the node that had the DN before said of it just before
// it heard that the DN went here, under the claim that this node knew or a refresh's:
// it was done there, and goes along, unless what
// it had said earlier was changed here. A reservation that has ended here stays so.
func (t *Table) takeLate(e *entry, was, x *extra) bool {
	mine := *e.by(0)
	if !mine.x.took(was) {
		was, x = was.free(), x.free()
		if mine.x.agentOf() != was.agentOf() || mine.x.agentOf() == x.agentOf() || mine.x != nil && mine.x.holds != nil {
			return false
		}
	}
	mine.seq++
	mine.x = x
	t.set(e, mine)
	t.journals[own].add(e, placeOwn, true)
	return true
}

// endDropped tells the peers of the drops that are due, and returns how long
// the next one has, negative when there is none.
func (t *Table) endDropped() time.Duration {
	now := t.cfg.Now()
	for n := 0; len(t.dropped) > 0; n++ {
		if n == chunkSize {
			return 0 // the rest is due yet
		}
		d := t.dropped[0]
		if wait := d.due.Sub(now); wait > 0 {
			return min(wait, dropDelay)
		}
		t.dropped = t.dropped[1:]
		if d.e.late != d.late {
			continue // it was registered here again, or its end was told
		}
		t.sayFarewell(d.e, now.UnixNano())
	}
	t.dropped = nil
	return -1
}

// Synced ends a sync: after a full one, what the peer did not mention is gone. seq is the
// position of the copy now. The peer can be heard from here on.
func (c *Copy) Synced(seq uint64) error {
	t := c.t
	if c.feed.Full {
		if err := c.sweep(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := c.feed.Synced(seq); err != nil {
		return err
	}
	c.o.partial = false
	if c.o.heard {
		c.o.syncing = false
	}
	return nil
}

// sweep removes the records that the sync did not mention.
func (c *Copy) sweep() error {
	return c.t.walk(func(e *entry) error {
		if err := c.feed.Check(); err != nil {
			return err
		}
		if r := e.by(c.node); r != nil && r.traits.mark() != c.o.mark {
			c.t.unset(e, c.node, Unregistered)
		}
		return nil
	})
}

// walk visits all entries, holding the write lock for a chunk at a time.
func (t *Table) walk(visit func(*entry) error) error { return t.walkOver(t.order, visit) }

// walkOver is walk for the entries of an order.
func (t *Table) walkOver(o order, visit func(*entry) error) error {
	chunk := make([]*entry, 0, chunkSize)
	for after, more := Number(""), true; more; {
		var err error
		if after, more, err = t.walkChunk(o, chunk, after, visit); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) walkChunk(o order, chunk []*entry, after Number, visit func(*entry) error) (last Number, more bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, more = o.behind(after, chunkSize, func(e *entry) { chunk = append(chunk, e) })
	for _, e := range chunk {
		if err := visit(e); err != nil {
			return last, false, err
		}
	}
	return last, more, nil
}

// Heard tells whether the peer's word counts here.
func (t *Table) Heard(id Node) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, o := t.find(id)
	return o != nil && o.heard
}

// Lost tells whether a node that was heard is not heard any more.
func (t *Table) Lost(id Node) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, o := t.find(id)
	return o != nil && !o.heard && o.lostAt != 0
}

// SetHeard says whether the peer can be heard. The answers of Get, Range and
// Counts change at once, whatever the number of its DNs; the visible stream
// follows in chunks, before SetHeard returns. A peer whose copy is not
// complete can't be heard; then SetHeard returns false.
func (t *Table) SetHeard(id Node, heard bool) bool {
	now := t.cfg.Now().UnixNano()
	t.mu.Lock()
	node, o := t.find(id)
	if o == nil || node == 0 || heard && !o.fence.Whole() {
		t.mu.Unlock()
		return false
	}
	changed := o.heard != heard
	o.heard = heard
	if heard {
		o.syncing = false
	}
	if changed && !heard {
		o.lostAt, o.lostClock = now, t.clock()
	}
	t.mu.Unlock()
	if changed {
		t.retell(node)
	}
	return true
}

// Forget drops all that a node said: it is no longer of the cluster.
func (t *Table) Forget(id Node) {
	t.mu.Lock()
	node, o := t.find(id)
	if o == nil || node == 0 {
		t.mu.Unlock()
		return
	}
	o.fence.Reset()
	o.heard = false
	t.mu.Unlock()
	_ = t.walk(func(e *entry) error { // visit never fails
		if t.unset(e, node, Admin); e.toldAt(node) { // see held
			t.tell(e, Admin)
		}
		return nil
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nodes[node] == o {
		t.nodes[node] = nil
	}
}
