package tcontroller

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Peer is another node of the cluster.
type Peer struct {
	ID dn.Node
	// Name for people.
	Name string
	// Addr of its cluster port, host:port.
	Addr string
}

// Config of a Mesh.
type Config struct {
	ClusterID string
	Table     *dn.Table
	Calls     *call.Table
	// Dial opens a connection to the peer's cluster port for gRPC, where only that
	// peer is. An error that wraps ECONNREFUSED means that no process listens there.
	Dial func(ctx context.Context, peer dn.Node, addr string) (net.Conn, error)
	// LinkTimeout is how long a broken link's peer may be silent while redials
	// fail and gossip still holds it alive; 0 means 750 ms. With the kernel's
	// notice of a silent cut it bounds the loss of a cut between just two nodes.
	LinkTimeout time.Duration
	// Rejoin is called when gossip holds a peer dead whose link is fresh.
	Rejoin func(dn.Node)
	// Doubt is called when nothing came from a peer for doubtAfter, or its link ended: gossip
	// asks it then. It must not wait; nil for nobody.
	Doubt func(dn.Node)
	// Refused is called when a peer answers that this node is not on the roster,
	// as of an index of the configuration.
	Refused func(index uint64)
	// Heard is told when a peer is heard or lost; nil for nobody. It must not wait.
	Heard func(peer dn.Node, heard bool, reason string)
	// Applied is told up to which index a peer has applied the configuration, with each
	// ping of it and each answer to one; nil for nobody. It must not wait.
	Applied func(peer dn.Node, index uint64)
	// Passes is told at which trunks a peer passes its turn to register on, when a link to it
	// begins and when that is other than before; nil for nobody. It must not wait.
	Passes func(peer dn.Node, trunks []dn.Number)
	// Propagated is told how long it took from when a peer accepted a registration until it
	// was applied here, by the clocks of both and what is known of their difference; nil for
	// nobody. It must not wait.
	Propagated func(peer dn.Node, took time.Duration)
	// Index is the one up to which this node has applied the configuration, for its pings
	// to tell; nil: they don't.
	Index func() uint64
	// Process says which process of the node this is, and how long it has run, ms; nil:
	// it says nothing of that.
	Process func() (instance, up uint64)
	Log     *slog.Logger
}

// Mesh follows every peer of this node.
type Mesh struct {
	cfg  Config
	wake wake.Signal

	mu        sync.Mutex
	peers     []Peer // wanted
	followers map[dn.Node]*follower
	gossip    map[dn.Node]gossip
}

// gossip is the other witness's word.
type gossip struct {
	dead        bool
	incarnation uint64
	addr        string
}

// NewMesh makes a mesh without peers.
func NewMesh(cfg Config) *Mesh {
	if cfg.LinkTimeout == 0 {
		cfg.LinkTimeout = 750 * time.Millisecond
	}
	if cfg.Doubt == nil {
		cfg.Doubt = func(dn.Node) {}
	}
	if cfg.Propagated == nil {
		cfg.Propagated = func(dn.Node, time.Duration) {}
	}
	if cfg.Passes == nil {
		cfg.Passes = func(dn.Node, []dn.Number) {}
	}
	if cfg.Index == nil {
		cfg.Index = func() uint64 { return 0 }
	}
	return &Mesh{cfg: cfg, wake: wake.New(), followers: map[dn.Node]*follower{}, gossip: map[dn.Node]gossip{}}
}

// SetPeers says whom to follow. The copy of a peer that is no longer there is dropped.
func (m *Mesh) SetPeers(peers []Peer) {
	m.mu.Lock()
	m.peers = append(m.peers[:0:0], peers...)
	m.mu.Unlock()
	m.wake.Send()
}

// Gossip tells what gossip holds of a peer: dead or alive, in which
// incarnation, and where it announces its cluster port ("" for unknown).
func (m *Mesh) Gossip(id dn.Node, alive bool, incarnation uint64, addr string) {
	m.mu.Lock()
	g := gossip{dead: !alive, incarnation: incarnation, addr: addr}
	m.gossip[id] = g
	if g.dead && !slices.ContainsFunc(m.peers, func(p Peer) bool { return p.ID == id }) {
		delete(m.gossip, id) // it was removed: nobody asks any more
	}
	f := m.followers[id]
	m.mu.Unlock()
	if f != nil {
		f.setGossip(g)
	}
}

// Pinged notes a sign of life of a peer: a ping on the link that it has to this node, with
// the index that it told.
func (m *Mesh) Pinged(id dn.Node, applied uint64) {
	m.mu.Lock()
	f := m.followers[id]
	m.mu.Unlock()
	if f == nil {
		return
	}
	f.sign()
	if applied > 0 && m.cfg.Applied != nil {
		m.cfg.Applied(id, applied)
	}
}

// Run follows the peers until the context ends.
func (m *Mesh) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		m.reconcile(ctx, &wg)
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
	}
}

// reconcile starts and stops followers until they are those wanted.
func (m *Mesh) reconcile(ctx context.Context, wg *sync.WaitGroup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := map[dn.Node]bool{}
	for _, p := range m.peers {
		wanted[p.ID] = true
		if f := m.followers[p.ID]; f != nil {
			f.setPeer(p)
			continue
		}
		fctx, cancel := context.WithCancel(ctx)
		f := newFollower(&m.cfg, p, m.gossip[p.ID], cancel)
		m.followers[p.ID] = f
		wg.Go(func() { f.run(fctx) })
	}
	for id, f := range m.followers {
		if !wanted[id] {
			f.cancel()
			delete(m.followers, id)
			delete(m.gossip, id)
			wg.Go(func() {
				<-f.done
				m.cfg.Table.Forget(id)
				m.cfg.Calls.Forget(id)
			})
		}
	}
}

// PeerStatus is how this node sees a peer.
type PeerStatus struct {
	Peer
	// Heard: the peer's DNs count here. Reason says why not, and Since is when
	// that last changed.
	Heard  bool
	Reason string
	Since  time.Time
	// Delay of the link by which this node follows the peer, and what waits in
	// the kernel on that link now.
	Delay
	Socket
	// GossipAlive is the other witness.
	GossipAlive bool
	// Vetoes counts gossip verdicts that a fresh link overruled.
	Vetoes uint64
	// Losses counts how often the peer was lost; LossesBy the same by the reason of the
	// verdict, of which there are six.
	Losses   uint64
	LossesBy map[string]uint64
}

// Connecting tells whether this process has never heard the peer.
func (p *PeerStatus) Connecting() bool { return p.Reason == connecting }

// Delay is what the pings of a link tell, the last one unless it says
// otherwise; 0 before the first answer. It stays when the link ends.
type Delay struct {
	// RTT is the round trip.
	RTT time.Duration
	// ToPeer and FromPeer are its two ways: estimates that are off by at most
	// half the fastest of the last 64 round trips, and never negative. What a
	// ping or its answer waits behind on the link is part of its way.
	ToPeer, FromPeer time.Duration
	// Skew is the peer's wall clock minus ours, from that fastest round trip.
	Skew time.Duration
	// LastAnswer is when the answer came.
	LastAnswer time.Time
}

// Status of all peers, ordered by name.
func (m *Mesh) Status() []PeerStatus {
	m.mu.Lock()
	followers := slices.Collect(maps.Values(m.followers))
	m.mu.Unlock()
	out := make([]PeerStatus, 0, len(followers))
	for _, f := range followers {
		out = append(out, f.status())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}
