package call

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// MaxCalls of one node at a time.
	MaxCalls = 100_000
	// MaxNodes that a table holds calls of, its own included.
	MaxNodes = 255
	// DefaultHistory is how many events a reader may lag behind before it gets
	// the calls that are up instead.
	DefaultHistory = 1 << 16
	// chunkSize is how many calls are ended under one hold of the lock.
	chunkSize = 256
)

var (
	// ErrFull says that MaxCalls is reached.
	ErrFull = errors.New("too many calls")
	// ErrStale says that a newer incarnation of the node is known.
	ErrStale = errors.New("stale incarnation")
	// ErrFenced says that a newer link feeds the copy, or that its node died.
	ErrFenced = errors.New("the copy of the calls has a newer feed")
	// ErrTooManyNodes says that MaxNodes is reached.
	ErrTooManyNodes = errors.New("too many nodes")
)

// Config of a Table.
type Config struct {
	// Self is this node.
	Self dn.Node
	// Incarnation of this process: greater than at every earlier start.
	Incarnation uint64
	// History is how many events a log keeps; 0 means DefaultHistory.
	History int
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
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
}

// entry is a call that is known here. Guarded by Table.mu.
type entry struct {
	call *Call
	o    *origin
	// at is its place in o.up, -1 while nobody was told of it.
	at int
	// gen is that of the sync that mentioned it last.
	gen uint64
	// told is the Info that the peers know.
	told *Info
}

// origin is a node that has calls. Guarded by Table.mu.
type origin struct {
	id          dn.Node
	incarnation uint64
	// up are its calls that others were told of; n counts the rest too.
	up []*Call
	n  int
	// feed numbers the links that fed the copy; only the newest may.
	feed uint64
	// gen counts snapshots; what an older one mentioned last is over.
	gen uint64
	// seq is the position of the copy in the node's log; whole says that the
	// copy is complete up to there.
	seq   uint64
	whole bool
}

// New makes a table without calls.
func New(cfg Config) *Table {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.History == 0 {
		cfg.History = DefaultHistory
	}
	t := &Table{
		cfg: cfg, ids: newIDs(cfg.Self, cfg.Incarnation), calls: map[ID]*entry{},
		self:    &origin{id: cfg.Self, incarnation: cfg.Incarnation},
		visible: newLog(cfg.History), own: newLog(cfg.History),
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

// Up are the calls that others were told of, of all nodes.
func (t *Table) Up() []*Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up(nil)
}

// up are the calls of a node, of all when nil.
func (t *Table) up(of *origin) []*Call {
	var out []*Call
	for _, o := range t.nodes {
		if of == nil || o == of {
			out = append(out, o.up...)
		}
	}
	return out
}

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
		c.Up += len(o.up)
	}
	return c
}

// happen does an event of the entry's call, and tells it. False: it does not fit.
func (t *Table) happen(e *entry, ev *Event) bool {
	next, ok := e.call.after(ev)
	if !ok {
		return false
	}
	ev.Info, ev.Fresh = next.Info, e.told != next.Info
	t.put(e, next)
	t.tell(e.o, ev)
	return true
}

func (t *Table) tell(o *origin, ev *Event) {
	t.visible.add(ev)
	if o == t.self {
		t.own.add(ev)
	}
}

// put makes next what the entry's call is now; others know of it from here on.
func (t *Table) put(e *entry, next *Call) {
	e.call, e.told = next, next.Info
	switch {
	case len(next.Parties) == 0:
		t.drop(e)
	case e.at < 0:
		e.at = len(e.o.up)
		e.o.up = append(e.o.up, next)
	default:
		e.o.up[e.at] = next
	}
}

// drop forgets a call.
func (t *Table) drop(e *entry) {
	o := e.o
	if e.at >= 0 {
		last := len(o.up) - 1
		o.up[e.at] = o.up[last]
		t.calls[o.up[last].ID].at = e.at
		o.up[last] = nil
		o.up = o.up[:last]
		e.at = -1
	}
	o.n--
	delete(t.calls, e.call.ID)
}

// add takes a call of a node in.
func (t *Table) add(o *origin, c *Call) *entry {
	e := &entry{call: c, o: o, at: -1, gen: o.gen}
	t.calls[c.ID] = e
	o.n++
	return e
}

// origin finds or makes a node's.
func (t *Table) origin(id dn.Node) (*origin, error) {
	if o := t.nodes[id]; o != nil {
		return o, nil
	}
	if len(t.nodes) >= MaxNodes {
		return nil, fmt.Errorf("node %.40q: %w (%d)", id, ErrTooManyNodes, MaxNodes)
	}
	o := &origin{id: id}
	t.nodes[id] = o
	return o, nil
}
