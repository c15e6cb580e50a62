package call

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

const (
	// MaxCalls of one node at a time.
	MaxCalls = 100_000
	// chunkSize is how many calls are ended under one hold of the lock.
	chunkSize = 256
)

// ErrFull says that MaxCalls is reached.
var ErrFull = errors.New("too many calls")

// Config of a Table.
type Config struct {
	// Self is this node.
	Self dn.Node
	// Incarnation of this process: greater than at every earlier start.
	Incarnation uint64
	// History is how many events a log keeps; 0 means feed.DefaultHistory.
	History int
	// Over is told of a call of this node that is over, as a peer says that carries
	// it, and of one that this node carries, as its own node says; it has to hang up
	// to whoever is in it yet. It is called from whatever feeds the peer's copy; nil: nobody is.
	Over func(ID)
	// Gone is told of a peer whose process is no more, perhaps again and again: it ended,
	// a newer one was seen, or it left the cluster. It must not wait; nil: nobody is told.
	Gone func(dn.Node)
	// TalkEnds is told of a called DN whose call has ended, an answered one, with when it
	// did, before anybody can read that here. It must not wait nor call the table; nil:
	// nobody is told.
	TalkEnds func(n dn.Number, at int64)
	// Dials is told of a phone that has begun a call, before anybody can read that here. It
	// must not wait nor call the table; nil: nobody is told.
	Dials func(c *Call)
	// Record is told of all that happens to this node's own calls, each event and then the
	// end, of those too of which nobody else is told. It must not wait nor call the table;
	// nil: nobody is told.
	Record func(Note)
	// Told is told of each event that clients are told of, in order. It must not wait nor
	// call the table; nil: nobody is told.
	Told func(*Event)
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
}

// Note is an event of an own call, or its end.
type Note struct {
	Call ID
	// Event that happened; nil: the call is over, and nothing more happens to it.
	Event *Event
}

// Table is the call plane of one node. All methods may be called at any time
// from any goroutine; none waits for a reader or for I/O.
type Table struct {
	cfg Config

	mu    sync.Mutex
	ids   ids
	calls map[ID]*entry
	nodes map[dn.Node]*origin
	self  *origin
	// visible are the events that clients are told, own those that peers are.
	visible, own eventLog
	refused      uint64
	// legs are what nodes say of others' calls that they carry.
	legs map[ID][]*leg
	// fresh are own legs of which the peers were not told yet, the first due first.
	fresh []*leg
	// overs are calls that are over, and Config.Over is to hear of.
	overs []ID
	// leaving are legs whose phones have to go, the first first; leaves tells of them.
	leaving []leaving
	leaves  wake.Signal
	uses    *uses
	// heirs are the calls by which others go on, by those.
	heirs map[ID][]*entry
}

// entry is a call that is known here. Guarded by Table.mu.
type entry struct {
	call *Call
	o    *origin
	// at is its place in o.up, -1 while nobody was told of it.
	at int
	// shown: clients were told of it.
	shown bool
	// over: it is, as a node says that carries it; its own node may still say otherwise.
	over bool
	// lost: its node is no more, and another one carries it.
	lost bool
	// incarnation of its node.
	incarnation uint64
	// round is that of the peer's fence in which it was mentioned last.
	round uint64
	// handed over: who is left in it is so as long as it goes on by another one.
	handed bool
	// told is the Info that the peers know.
	told *Info
	// why is what is known of the last cause.
	why string
}

// origin is a node that has calls. Guarded by Table.mu.
type origin struct {
	id dn.Node
	// fence of the copy of its calls.
	fence feed.Fence
	// up are its calls that others were told of; n counts the rest too. shown are
	// those that clients see.
	up       []*Call
	n, shown int
	// legs counts the calls of others that it carries.
	legs int
	// forgotten: it goes with the last call of its that others carry.
	forgotten bool
}

// New makes a table without calls.
func New(cfg Config) *Table {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.History == 0 {
		cfg.History = feed.DefaultHistory
	}
	t := &Table{
		cfg: cfg, ids: newIDs(cfg.Self, cfg.Incarnation), calls: map[ID]*entry{},
		self:    &origin{id: cfg.Self},
		visible: newLog(cfg.History), own: newLog(cfg.History),
		legs: map[ID][]*leg{}, uses: newUses(), leaves: wake.New(), heirs: map[ID][]*entry{},
	}
	t.nodes = map[dn.Node]*origin{cfg.Self: t.self}
	return t
}

// Self is this node's id.
func (t *Table) Self() dn.Node { return t.cfg.Self }

// Incarnation of this node.
func (t *Table) Incarnation() uint64 { return t.cfg.Incarnation }

// Get returns a call that is up at any node, or waits at this one.
func (t *Table) Get(id ID) (*Call, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.calls[id]; e != nil {
		return e.call, true
	}
	return nil, false
}

// Up are the calls that clients were told of, of all nodes, and those that wait.
func (t *Table) Up() []*Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up()
}

func (t *Table) up() (out []*Call) {
	for _, o := range t.nodes {
		out = append(out, t.shown(o.up)...)
	}
	return out
}

func (e *entry) visible() bool { return e.shown && !e.over }

// Counts of a table.
type Counts struct {
	// Own calls, those included that nobody was told of; Up are those of all
	// nodes that were told.
	Own, Up int
	// Refused counts events and calls of peers that were not taken.
	Refused uint64
}

// Counts of this moment.
func (t *Table) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := Counts{Own: t.self.n, Refused: t.refused}
	for _, o := range t.nodes {
		c.Up += o.shown
	}
	return c
}

// By counts the calls that are up by a node: those that it has, and those that it
// delivers for others.
func (t *Table) By(id dn.Node) (n int) {
	for end := -1; end != 0; {
		var some int
		some, end = t.upIn(id, end)
		n += some
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.nodes[id]
	if o == nil || o.legs == 0 {
		return n
	}
	for _, legs := range walk.Map(&t.mu, t.legs) {
		if slices.ContainsFunc(legs, func(l *leg) bool { return l.carrier == o && !l.Over }) {
			n++
		}
	}
	return n
}

// upIn counts those that a node has in front of a place, as chunk has them.
func (t *Table) upIn(id dn.Node, end int) (n, from int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	some, from := t.someUp(id, end)
	for _, c := range some {
		if e := t.calls[c.ID]; !e.over && !e.lost {
			n++
		}
	}
	return n, from
}

// happen does an event of the entry's call, and tells it. False: it does not fit.
func (t *Table) happen(e *entry, ev *Event) bool {
	next, ok := e.call.after(ev)
	if !ok {
		return false
	}
	ev.Info, ev.Fresh = next.Info, e.told != next.Info
	if ev.Cause != 0 && ev.Why == "" {
		ev.Why = e.why
	}
	if ev.Kind == Ringing || ev.Kind == Established || ev.Kind == Dialing {
		t.show(e)
	}
	t.tell(e, ev)
	t.left(e, ev)
	t.put(e, next)
	return true
}

// show makes clients see the call.
func (t *Table) show(e *entry) {
	if !e.shown && !e.over {
		e.shown = true
		e.o.shown++
	}
}

// hide ends that.
func (t *Table) hide(e *entry) {
	if e.visible() {
		e.o.shown--
	}
	e.shown = false
}

func (t *Table) tell(e *entry, ev *Event) {
	t.see(e, ev)
	if e.o == t.self {
		t.own.add(ev)
		t.note(ev.Call, ev)
	}
}

func (t *Table) note(id ID, ev *Event) {
	if t.cfg.Record != nil {
		t.cfg.Record(Note{id, ev})
	}
}

// tellEnd tells clients that the call is over.
func (t *Table) tellEnd(e *entry, cause int) {
	for _, ev := range e.call.endings(t.now(), cause, false) {
		t.see(e, ev)
	}
}

// see tells clients of an event of a call as that was before.
func (t *Table) see(e *entry, ev *Event) {
	if !e.visible() && (!ev.Kind.Waiting() || e.over) {
		return
	}
	if len(t.heirs) > 0 {
		for _, ev := range t.retell(e, ev) {
			t.publish(e, ev)
		}
		return
	}
	t.publish(e, ev)
}

// publish tells clients of one event of a call as that was before.
func (t *Table) publish(e *entry, ev *Event) {
	if ev.Kind == Released && ev.Role == Called && t.cfg.TalkEnds != nil {
		if p := e.call.Party(ev.ThisDN, Called); p != nil && p.State == StateEstablished {
			t.cfg.TalkEnds(ev.ThisDN, ev.Time)
		}
	}
	if ev.Kind == Dialing && t.cfg.Dials != nil {
		t.cfg.Dials(e.call)
	}
	if t.cfg.Told != nil {
		t.cfg.Told(ev)
	}
	t.visible.add(ev)
}

// endCall ends a call that is up.
func (t *Table) endCall(e *entry, cause int) {
	for _, ev := range e.call.endings(t.now(), cause, false) {
		t.happen(e, ev)
	}
}

// flushOvers tells of calls that are over. The caller holds no lock.
func (t *Table) flushOvers() {
	t.mu.Lock()
	overs := t.overs
	t.overs = nil
	t.mu.Unlock()
	if t.cfg.Over == nil {
		return
	}
	for _, id := range overs {
		t.cfg.Over(id)
	}
}

// put makes next what the entry's call is now; others know of it from here on.
func (t *Table) put(e *entry, next *Call) {
	if !e.over {
		t.uses.move(e.call.ID, e.call.Parties, next.Parties)
	}
	e.call, e.told = next, next.Info
	switch {
	case len(next.Parties) == 0:
		t.drop(e)
		return
	case e.at < 0:
		e.at = len(e.o.up)
		e.o.up = append(e.o.up, next)
	default:
		e.o.up[e.at] = next
	}
	t.consider(e)
	t.vacated(e)
}

// drop forgets a call.
func (t *Table) drop(e *entry) {
	o := e.o
	if o == t.self {
		t.note(e.call.ID, nil)
	}
	if e.at >= 0 {
		last := len(o.up) - 1
		o.up[e.at] = o.up[last]
		t.calls[o.up[last].ID].at = e.at
		o.up[last] = nil
		o.up = o.up[:last]
		e.at = -1
	}
	if !e.over {
		t.uses.move(e.call.ID, e.call.Parties, nil)
	}
	t.hide(e)
	o.n--
	delete(t.calls, e.call.ID)
	t.disinherit(e)
	t.bury(e.call.ID, o, !e.lost)
	if o.forgotten && o.n == 0 {
		delete(t.nodes, o.id)
	}
}

// add takes a call of a node in, that is as it says.
func (t *Table) add(o *origin, c, as *Call) *entry {
	e := &entry{call: c, o: o, at: -1, round: o.fence.Round(), incarnation: o.fence.Incarnation(), over: t.overruled(as, o, StateDialing)}
	t.calls[c.ID] = e
	t.inherit(e)
	o.n++
	if !e.over {
		t.uses.move(c.ID, nil, c.Parties)
	}
	for _, l := range t.legs[c.ID] {
		l.done = l.done && l.Of != o.id
	}
	return e
}

// peer finds or makes a peer's.
func (t *Table) peer(id dn.Node) (*origin, error) {
	o := t.nodes[id]
	switch {
	case o == t.self:
		return nil, fmt.Errorf("%w: node %s is this one", feed.ErrStale, id)
	case o != nil:
		o.forgotten = false
		return o, nil
	case len(t.nodes) >= feed.MaxNodes:
		return nil, fmt.Errorf("node %.40q: %w (%d)", id, feed.ErrTooManyNodes, feed.MaxNodes)
	}
	o = &origin{id: id}
	t.nodes[id] = o
	return o, nil
}
