package call

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// Copy is the right to write the copy of one peer's calls: what one link holds
// while it lasts. The next Sync for the same peer takes it away.
type Copy struct {
	t    *Table
	o    *origin
	feed feed.Feed
}

// Position tells how far the copy of a peer's calls reaches, to resume from;
// zeros when it is not complete.
func (t *Table) Position(id dn.Node) feed.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o := t.nodes[id]; o != nil {
		return o.fence.Position()
	}
	return feed.Position{}
}

// Sync begins to feed the copy of a peer's calls: a snapshot, or with resumed
// only what happened since Position. ErrStale: a newer incarnation was seen. The
// calls of an older incarnation are over.
func (t *Table) Sync(id dn.Node, incarnation uint64, resumed bool) (*Copy, error) {
	t.Saw(id, incarnation)
	t.mu.Lock()
	defer t.mu.Unlock()
	o, err := t.peer(id)
	if err != nil {
		return nil, err
	}
	f, err := o.fence.Begin(incarnation, resumed)
	if err != nil {
		return nil, fmt.Errorf("calls of node %s: %w", id, err)
	}
	return &Copy{t: t, o: o, feed: f}, nil
}

// Current returns ErrFenced when the copy has a newer feed.
func (c *Copy) Current() error {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	return c.feed.Check()
}

// Apply takes events of the peer, in the peer's order. seq is the position
// behind them. It returns how many were refused: they change nothing.
func (c *Copy) Apply(events []*Event, seq uint64) (refused int, err error) {
	t := c.t
	defer t.flushOvers()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := c.feed.Check(); err != nil {
		return 0, err
	}
	for _, ev := range events {
		if !c.apply(ev) {
			refused++
		}
	}
	t.refused += uint64(refused)
	return refused, c.feed.Reached(seq)
}

func (c *Copy) apply(ev *Event) bool {
	t := c.t
	if ev.Kind == Carry || ev.Kind == Dropped || ev.Kind == Over {
		return c.legEvent(ev)
	}
	if ev.Kind == UserEvent {
		return c.userEvent(ev)
	}
	if !ev.sound() {
		return false
	}
	ev.Node = c.o.id
	e := t.calls[ev.Call]
	if e != nil {
		return e.o == c.o && t.happen(e, ev)
	}
	if ev.Info == nil || c.o.n >= MaxCalls {
		return false
	}
	began := newCall(ev.Call, c.o.id, ev.Info)
	e = t.add(c.o, began, began)
	if !t.happen(e, ev) {
		t.drop(e)
		return false
	}
	return true
}

// Snapshot takes calls that are up at the peer, and tells what changed of them.
// It returns how many were refused.
func (c *Copy) Snapshot(calls []*Call) (refused int, err error) {
	t := c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := c.feed.Check(); err != nil {
		return 0, err
	}
	for _, row := range calls {
		if !c.row(row) {
			refused++
		}
	}
	t.refused += uint64(refused)
	return refused, nil
}

func (c *Copy) row(row *Call) bool {
	t := c.t
	if !row.sound() {
		return false
	}
	row.Node = c.o.id
	e := t.calls[row.ID]
	fresh := e == nil
	switch {
	case e == nil && c.o.n >= MaxCalls, e != nil && e.o != c.o:
		return false
	case e == nil:
		e = t.add(c.o, newCall(row.ID, c.o.id, row.Info), row)
	}
	e.round, e.incarnation, e.lost = c.o.fence.Round(), c.o.fence.Incarnation(), false
	t.appear(e, e.call, row, fresh)
	t.put(e, row)
	return true
}

// appear tells what leads from a call as it was known to what it is. fresh: it was not.
func (t *Table) appear(e *entry, was, is *Call, fresh bool) {
	changes := was.changes(is, t.now())
	phones := is.Type == Internal || is.Type == Outbound
	if dials := is.Parties[0].State == StateDialing; len(is.Parties) > 1 || !dials || phones {
		if fresh && dials && phones {
			changes = append([]*Event{is.event(Dialing, &is.Parties[0], is.Parties[0].Since, 0)}, changes...)
		}
		t.show(e)
	}
	for i, ev := range changes {
		ev.Fresh = i == 0
		t.tell(e, ev)
		t.left(e, ev)
	}
}

// Synced ends a snapshot: the peer's calls that it did not mention are over.
// seq is the position of the copy now.
func (c *Copy) Synced(seq uint64) error {
	t := c.t
	defer t.flushOvers()
	t.mu.Lock()
	err := c.feed.Check()
	round := c.o.fence.Round()
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if c.feed.Full {
		t.release(c.o, round, 0)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := c.feed.Synced(seq); err != nil {
		return err
	}
	if c.feed.Full {
		t.endLegs(c.o, round)
		t.settleLegs(c.o, round)
	}
	return nil
}

// Died ends a peer's calls, but for those that another node carries, which go on
// without it: its process is no more. What feeds the copy now has to begin again with a
// snapshot.
func (t *Table) Died(id dn.Node) {
	t.end(id, func(f *feed.Fence) bool { f.Reset(); return true })
}

// Saw notes that an incarnation of the peer exists: the calls of an older one
// are over.
func (t *Table) Saw(id dn.Node, incarnation uint64) {
	t.end(id, func(f *feed.Fence) bool { return f.Saw(incarnation) })
}

// end ends a peer's calls when its copy began anew by that.
func (t *Table) end(id dn.Node, anew func(*feed.Fence) bool) {
	t.mu.Lock()
	o := t.nodes[id]
	known := o != nil && o.fence.Incarnation() > 0
	if o == nil || o == t.self || !anew(&o.fence) {
		t.mu.Unlock()
		return
	}
	round := o.fence.Round()
	t.mu.Unlock()
	t.release(o, round, NodeLost)
	if known && t.cfg.Gone != nil {
		t.cfg.Gone(id)
	}
}

// Forget ends a peer's calls: it is no longer of the cluster.
func (t *Table) Forget(id dn.Node) {
	t.Died(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.nodes[id]
	if o == nil || o == t.self {
		return
	}
	t.settleLegs(o, o.fence.Round()) // Died has begun another feed
	if o.forgotten = true; o.n == 0 {
		delete(t.nodes, id)
	}
}

// release ends those of a peer's calls that no snapshot from a round on has mentioned,
// holding the lock for some at a time. What others carry goes on when the peer is no more.
func (t *Table) release(o *origin, round uint64, cause int) {
	if cause == NodeLost {
		t.mu.Lock()
		t.endLegs(o, round)
		t.mu.Unlock()
	}
	for end := -1; end != 0; {
		end = t.releaseChunk(o, end, round, cause)
	}
}

// releaseChunk is release for the calls in front of a place, as chunk has them.
func (t *Table) releaseChunk(o *origin, end int, round uint64, cause int) (from int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end < 0 || end > len(o.up) {
		end = len(o.up)
	}
	from = max(end-chunkSize, 0)
	for _, c := range slices.Clone(o.up[from:end]) {
		e := t.calls[c.ID]
		switch {
		case e == nil || e.o != o || e.round >= round:
		case cause == NodeLost:
			if e.lost = true; e.over || !t.carried(e) {
				t.endCall(e, cause)
			} else {
				t.releaseUncarried(e)
			}
		case e.lost && e.incarnation != o.fence.Incarnation(): // it goes on without its node
		default:
			t.endCall(e, cause)
		}
	}
	return from
}

// releaseUncarried has the DNs leave a call whose node is no more that nobody delivers it
// to: they were there, or have left since the node was heard.
func (t *Table) releaseUncarried(e *entry) {
	for _, p := range e.call.Parties {
		if p.Role == Called && !slices.ContainsFunc(t.legs[e.call.ID], func(l *leg) bool { return !l.Over && l.Of == e.o.id && l.DN == p.DN }) {
			t.happen(e, e.call.event(Released, &p, t.now(), NodeLost))
		}
	}
}
