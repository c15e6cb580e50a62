// Package history keeps the last of what a node's clients were told: changes of DNs and
// their agents, what happened to calls, and the node's verdicts on its peers. It is memory
// only, bounded in events and bytes, and knows no network; the tables tell it what they tell
// their readers, and the API reads it.
package history

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Kind of an event.
type Kind uint8

// The kinds. Each is kept by itself: many events of one push out none of another.
const (
	// State: a DN's state or owner.
	State Kind = iota
	// Agent: the agent at a DN.
	Agent
	// Use: whether a DN takes a call: its calls, reservations, do not disturb, cool-down.
	Use
	// Call: something happened to a party of a call.
	Call
	// Link: the node hears a peer, or does so no more.
	Link
	// Kinds is how many there are.
	Kinds
)

var kindNames = [Kinds]string{"state", "agent", "use", "call", "link"}

func (k Kind) String() string {
	if k < Kinds {
		return kindNames[k]
	}
	return "unknown"
}

// Event is something that a node told its clients. It holds no data that clients attached
// to calls.
type Event struct {
	Kind Kind
	// Seq is its position among those of its Kind: how many were told before it.
	Seq uint64
	// At is when this node saw it, by its clock, ns since the epoch.
	At int64
	// By is the node whose word it is, which tells the same: the owner of the DN, or that
	// of the call. This node itself, for what it found out by itself.
	By dn.Node
	// DN that it is about; of a call the party's; "" of a Link.
	DN dn.Number
	// Change of State, Agent and Use.
	Change dn.Past
	// Call of a Call: its Kind, Call, ThisDN, Role, OtherDN, Time, Cause, Why and Move are
	// kept, and of its Info the numbers.
	Call call.Event
	// Peer of a Link, whether it is heard, and why not.
	Peer  dn.Node
	Heard bool
	Why   string
}

// Defaults of a Config.
const (
	DefaultEvents = 100_000
	DefaultBytes  = 64 << 20
)

// Config of a Store.
type Config struct {
	// Self is this node.
	Self dn.Node
	// Events is how many of each Kind are kept at least; 0: DefaultEvents.
	Events int
	// Bytes is how much memory all events have at most, of which each Kind may use an equal
	// part; 0: DefaultBytes. Where both bounds are in the way of each other this one counts.
	Bytes int
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Age is how long the store has been there, by a clock that nobody sets; nil: as the
	// monotonic clock says.
	Age func() time.Duration
}

// Store keeps events. What tells it something never waits for who reads it: both take a
// lock for moments.
type Store struct {
	cfg Config
	// id is when it was made, by which its positions are told from those of other stores.
	id uint64

	mu    sync.Mutex
	rings [Kinds]ring
	names names
	buf   []byte
}

// New makes a store that has seen nothing.
func New(cfg Config) *Store {
	if cfg.Events == 0 {
		cfg.Events = DefaultEvents
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = DefaultBytes
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Age == nil {
		made := time.Now()
		cfg.Age = func() time.Duration { return time.Since(made) }
	}
	began := cfg.Now().UnixNano()
	s := &Store{cfg: cfg, id: uint64(began), names: names{of: map[dn.Node]uint64{}}}
	for k := range s.rings {
		s.rings[k] = ring{events: cfg.Events, bytes: cfg.Bytes / int(Kinds), since: began}
	}
	return s
}

// ID tells this store from all that its node had before: a Position is void in another one.
// It is never 0.
func (s *Store) ID() uint64 { return s.id }

// DN takes what clients are told of a DN; it waits for nothing (dn.Config.Told).
func (s *Store) DN(n dn.Number, c dn.Past) {
	k := State
	switch c.What {
	case dn.AgentChange:
		k = Agent
	case dn.UseChange:
		k = Use
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.begin(k, c.At, c.By, n)
	s.add(k, c.At, s.names.change(b, &c))
}

// CallEvent takes what clients are told of a call; it waits for nothing (call.Config.Told).
func (s *Store) CallEvent(e *call.Event) {
	if e.Kind == call.Local || e.Kind == call.UserEvent || e.Kind == call.DataChanged {
		return
	}
	at := e.Time
	if e.Node != s.cfg.Self {
		at = s.cfg.Now().UnixNano()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.begin(Call, at, e.Node, e.ThisDN)
	s.add(Call, at, s.names.call(b, e))
}

// Link takes the verdict on a peer, and why it is not heard.
func (s *Store) Link(peer dn.Node, heard bool, why string) {
	at := s.cfg.Now().UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.begin(Link, at, s.cfg.Self, "")
	s.add(Link, at, s.names.link(b, peer, heard, why))
}

// begin is the head of an event, in the store's buffer.
func (s *Store) begin(k Kind, at int64, by dn.Node, n dn.Number) []byte {
	return s.names.head(s.buf[:0], k, at, by, n)
}

func (s *Store) add(k Kind, at int64, b []byte) {
	s.buf = b
	s.rings[k].add(at, s.cfg.Age, b)
}

// Held is what a store has of a Kind.
type Held struct {
	Events, Bytes int
	// Since: all that happened since then is there, ns since the epoch, by this node's clock
	// as it is set now. The clock that was ahead then, and was set back, is not believed.
	Since int64
	// Oldest is when the oldest event of those that are kept happened; 0: there is none.
	Oldest int64
}

// Held tells what is kept of each Kind.
func (s *Store) Held() (all [Kinds]Held) {
	now, age := s.cfg.Now().UnixNano(), s.cfg.Age()
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.rings {
		r := &s.rings[k]
		all[k] = Held{r.count, r.size, min(r.since, now-int64(age-r.sinceAge)), r.oldest()}
	}
	return all
}
