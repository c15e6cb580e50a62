// Package membership detects lost and returning nodes by gossip (SWIM, by
// memberlist). It knows nothing of DNs, links or configuration: it is told
// who should be there, and tells who is. It costs next to nothing while all is well, so
// it takes some seconds to see by itself that a node is dead; somebody who has a doubt
// (Doubt) knows within a third of a second whether the node answers this one.
package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/wake"
)

// NodeID is a node's id in the roster, not its name.
type NodeID string

// Config of a Gossip.
type Config struct {
	// ID of this node.
	ID NodeID
	// Bind is the host:port to listen at, udp and tcp; the host is an IP address.
	Bind string
	// Advertise is what others are told, host:port; empty means Bind.
	Advertise string
	// Cluster keeps the gossip of different clusters apart.
	Cluster string
	// Keys encrypt the gossip (AES, 16, 24 or 32 bytes): all are understood, the first
	// one is used. None means in clear.
	Keys [][]byte
	// Incarnation of this process; ClusterAddr is where it takes links. Both are told to the others.
	Incarnation uint64
	ClusterAddr string
	// Allow refuses traffic to an address when it returns false; nil allows all.
	Allow func(addr string) bool
	Log   *slog.Logger
}

// Member is another node as gossip sees it.
type Member struct {
	ID NodeID
	// Alive is false once gossip holds the node dead or it has left.
	Alive bool
	// Incarnation and ClusterAddr as the node announced them last.
	Incarnation uint64
	ClusterAddr string
}

// member is a Member and memberlist's own verdict, which is not always believed.
type member struct {
	Member
	listed bool
	// silent: the node did not answer when it was asked.
	silent bool
}

const (
	rejoinEvery = time.Second
	stallTick   = 500 * time.Millisecond
	// gossipEach is how often there is gossip, if there is any; memberlist looks at moments of
	// its own, and most of the time for nothing. leaveWithin bounds how long who leaves stays to
	// say so: two times, for a packet may be lost.
	gossipEach  = 200 * time.Millisecond
	leaveWithin = 2*gossipEach + 50*time.Millisecond
	// After a stall of this process its own verdicts are no evidence for a while.
	stallLength = time.Second
	stallDoubt  = time.Second
	// probeWait is how long a probe waits for the answer of the node itself.
	probeWait = 50 * time.Millisecond
)

// Gossip takes part in the cluster's gossip.
type Gossip struct {
	wake   wake.Signal
	poke   chan NodeID
	doubts chan NodeID

	moves sync.Mutex // held by Move
	mu    sync.Mutex
	cfg   Config
	list  *memberlist.Memberlist
	ring  *memberlist.Keyring // nil: in clear
	// generation of list: what one of before still says is not heard.
	generation int
	// ended: Run is over, and with it the list.
	ended   bool
	members map[NodeID]*member
	changed map[NodeID]bool
	peers   map[NodeID]string // gossip addresses of the roster
	joining map[NodeID]bool
	asking  map[NodeID]bool
	stalled time.Time
	doubted uint64
}

// New binds the gossip port and answers others from then on. An error names the
// address and what to do.
func New(cfg Config) (*Gossip, error) {
	g := newGossip(cfg)
	mc, err := g.settings()
	if err != nil {
		return nil, err
	}
	if g.list, err = memberlist.Create(mc); err != nil {
		return nil, fmt.Errorf("gossip at %s: %w", cfg.Bind, err)
	}
	return g, nil
}

// Move has the others reach this node at other addresses from now on. memberlist takes
// none while it runs: it starts anew, and everybody is asked to take it in.
func (g *Gossip) Move(advertise, clusterAddr string) {
	g.moves.Lock()
	defer g.moves.Unlock()
	g.mu.Lock()
	g.cfg.Advertise, g.cfg.ClusterAddr = advertise, clusterAddr
	before := g.list
	g.list = nil
	for _, m := range g.members {
		m.listed = false
	}
	g.mu.Unlock()
	if before != nil { // the others take the address of one that has left
		g.left(before)
	}
	g.reopen()
}

// reopen starts memberlist, unless it runs or is over. It needs g.moves.
func (g *Gossip) reopen() {
	g.mu.Lock()
	runs := g.list != nil || g.ended
	if g.ring != nil {
		g.cfg.Keys = g.ring.GetKeys()
	}
	g.mu.Unlock()
	if runs {
		return
	}
	mc, err := g.settings()
	var list *memberlist.Memberlist
	if err == nil {
		list, err = memberlist.Create(mc)
	}
	if err != nil {
		g.cfg.Log.Warn("gossip can't start at its new address, to be tried again", "addr", g.cfg.Advertise, "err", err)
		return
	}
	g.mu.Lock()
	g.list = list
	g.mu.Unlock()
	for _, id := range g.absent() {
		g.Rejoin(id)
	}
}

// running is memberlist, nil while it is being started anew.
func (g *Gossip) running() *memberlist.Memberlist {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.list
}

func newGossip(cfg Config) *Gossip {
	return &Gossip{
		cfg: cfg, wake: wake.New(), poke: make(chan NodeID, 64), doubts: make(chan NodeID, 64),
		members: map[NodeID]*member{}, changed: map[NodeID]bool{}, peers: map[NodeID]string{}, joining: map[NodeID]bool{}, asking: map[NodeID]bool{},
	}
}

// settings are tuned for little work while all is well: about two packets a second.
func (g *Gossip) settings() (*memberlist.Config, error) {
	bind, err := netip.ParseAddrPort(g.cfg.Bind)
	if err != nil {
		return nil, fmt.Errorf("gossip address %q: want IP:PORT", g.cfg.Bind)
	}
	advertise := bind
	if g.cfg.Advertise != "" {
		if advertise, err = netip.ParseAddrPort(g.cfg.Advertise); err != nil {
			return nil, fmt.Errorf("advertised gossip address %q: want IP:PORT", g.cfg.Advertise)
		}
	}
	mc := memberlist.DefaultLANConfig()
	mc.Name = string(g.cfg.ID)
	mc.BindAddr, mc.BindPort = bind.Addr().String(), int(bind.Port())
	mc.AdvertiseAddr, mc.AdvertisePort = advertise.Addr().String(), int(advertise.Port())
	mc.ProbeInterval, mc.ProbeTimeout = 500*time.Millisecond, probeWait
	mc.SuspicionMult, mc.SuspicionMaxTimeoutMult, mc.AwarenessMaxMultiplier = 4, 1, 1
	mc.GossipInterval, mc.PushPullInterval, mc.TCPTimeout = gossipEach, 30*time.Second, time.Second
	mc.IndirectChecks, mc.EnableCompression = 3, false
	mc.DeadNodeReclaimTime = 100 * time.Millisecond
	mc.Label = g.cfg.Cluster
	if len(g.cfg.Keys) > 0 {
		if mc.Keyring, err = memberlist.NewKeyring(g.cfg.Keys, g.cfg.Keys[0]); err != nil {
			return nil, fmt.Errorf("keys of the gossip: %w", err)
		}
		g.ring = mc.Keyring
	}
	g.mu.Lock()
	g.generation++
	mc.Delegate, mc.Events = meta{g.cfg.Incarnation, g.cfg.ClusterAddr}, events{g, g.generation}
	g.mu.Unlock()
	mc.LogOutput = newLogWriter(g.cfg.Log)
	mc.Transport, err = newTransport(bind, g.cfg.Allow, mc)
	return mc, err
}

// SetPeers says which nodes belong to the cluster, with their gossip addresses.
// Run keeps trying to reach each that is not alive: memberlist itself gives up.
func (g *Gossip) SetPeers(peers map[NodeID]string) {
	g.mu.Lock()
	g.peers = peers
	g.mu.Unlock()
	for id := range peers {
		g.Rejoin(id)
	}
}

// SetKeys changes the keys of a gossip that has some: the first one is used from now
// on, and those that are not among them are not understood any more.
func (g *Gossip) SetKeys(keys [][]byte) {
	g.moves.Lock() // or it would start anew with the keys of before
	defer g.moves.Unlock()
	if g.ring == nil || len(keys) == 0 {
		return
	}
	var errs []error
	for _, k := range keys {
		errs = append(errs, g.ring.AddKey(k))
	}
	errs = append(errs, g.ring.UseKey(keys[0]))
	for _, k := range g.ring.GetKeys() {
		if !slices.ContainsFunc(keys, func(wanted []byte) bool { return bytes.Equal(wanted, k) }) {
			errs = append(errs, g.ring.RemoveKey(k))
		}
	}
	if err := errors.Join(errs...); err != nil {
		g.cfg.Log.Warn("keys of the gossip", "err", err)
	}
}

// Rejoin tries to reach a node at once.
func (g *Gossip) Rejoin(id NodeID) {
	select {
	case g.poke <- id:
	default: // the loop gets to it within a second
	}
}

// Next waits for changes and returns the present state of each node that
// changed. One reader. The error is the context's.
func (g *Gossip) Next(ctx context.Context) ([]Member, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-g.wake:
		}
		g.mu.Lock()
		out := make([]Member, 0, len(g.changed))
		for id := range g.changed {
			out = append(out, g.members[id].Member)
		}
		clear(g.changed)
		g.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
	}
}

// Doubted counts verdicts that were not believed because this process had stalled.
func (g *Gossip) Doubted() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.doubted
}

// Run keeps the membership whole until the context ends, then says goodbye and
// closes the port.
func (g *Gossip) Run(ctx context.Context) error {
	var joins sync.WaitGroup
	defer joins.Wait()
	defer g.close()
	rejoin, tick := beat.New(rejoinEvery), beat.New(stallTick)
	defer rejoin.Stop()
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
			last = g.looked(last)
		case id := <-g.poke:
			g.join(&joins, id)
		case id := <-g.doubts:
			g.ask(ctx, &joins, id)
		case <-rejoin.C:
			rejoin.Again()
			g.moves.Lock()
			g.reopen()
			g.moves.Unlock()
			for _, id := range g.absent() {
				g.join(&joins, id)
			}
			for _, id := range g.silent() {
				g.ask(ctx, &joins, id)
			}
		}
	}
}

func (g *Gossip) close() {
	g.moves.Lock()
	defer g.moves.Unlock()
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	if g.list == nil {
		return
	}
	g.left(g.list)
}

func (g *Gossip) left(list *memberlist.Memberlist) {
	if err := errors.Join(list.Leave(leaveWithin), list.Shutdown()); err != nil {
		g.cfg.Log.Debug("gossip closed", "err", err)
	}
}

// looked is called each stallTick, and last when it was called before.
func (g *Gossip) looked(last time.Time) time.Time {
	now := time.Now()
	if d := now.Sub(last); d > stallLength {
		g.sawStall(now, d)
	}
	return now
}

func (g *Gossip) sawStall(now time.Time, d time.Duration) {
	g.mu.Lock()
	g.stalled = now
	g.mu.Unlock()
	g.cfg.Log.Warn("process was stalled; rechecking peers before believing gossip", "ms", d.Milliseconds())
}

// absent lists the nodes of the roster that are not alive.
func (g *Gossip) absent() []NodeID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []NodeID
	for id := range g.peers {
		if m := g.members[id]; id != g.cfg.ID && (m == nil || !m.listed) {
			ids = append(ids, id)
		}
	}
	return ids
}

// join tries one node, in a goroutine since it may block for seconds.
func (g *Gossip) join(wg *sync.WaitGroup, id NodeID) {
	g.mu.Lock()
	addr, known := g.peers[id]
	busy := g.joining[id]
	if known && !busy && id != g.cfg.ID {
		g.joining[id] = true
	}
	g.mu.Unlock()
	if !known || busy || id == g.cfg.ID {
		return
	}
	wg.Go(func() {
		if list := g.running(); list != nil {
			if _, err := list.Join([]string{string(id) + "/" + addr}); err != nil {
				g.failed(id)
			}
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.joining, id)
	})
}

// failed tells of a verdict that was doubted, once a join failed too.
func (g *Gossip) failed(id NodeID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[id]
	if m == nil || m.listed || !m.Alive || time.Since(g.stalled) < stallDoubt {
		return
	}
	m.Alive = false
	g.notify(id)
}

// notify needs g.mu.
func (g *Gossip) notify(id NodeID) {
	g.changed[id] = true
	g.wake.Send()
}

// Alive is gossip's opinion of a node; known is false when it has none.
func (g *Gossip) Alive(id NodeID) (alive, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[id]
	return m != nil && m.Alive, m != nil
}
