package consensus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/node/disk"
)

// A call into the file system that does not come back can't be ended, and the loop of
// Raft waits in it: a leader that is stuck there goes on being one, since its
// heartbeats are sent by others. So its disks are watched from beside. When one stalls
// the leader asks a follower to stand for election, as it would when it hands over,
// and has no transport any more until the disk answers: neither it nor anybody else
// takes it for the leader meanwhile. A disk of which nobody wants anything would not be
// noticed before the next write, which it would hold up: so something is written each
// second.

const (
	// stallLook is how often the disks are looked at.
	stallLook = 200 * time.Millisecond
	// pulseEach is how often a node with nothing to write asks its disk for a sign.
	pulseEach = time.Second
	// pulseFile is beside the log.
	pulseFile = "pulse"
	// successorTime is how long one follower may take to hear that it shall stand.
	successorTime = 500 * time.Millisecond
)

// Disconnect ends all connections of the group for good, for a process that ends while
// Close would wait for the disk.
func (g *Group) Disconnect() {
	if g.Err() == nil {
		_ = g.transport.Close()
	}
	_ = g.conns.close()
}

// disks are the files of the plane.
type disks struct{ log, snapshots *disk.Watch }

func newDisks() disks {
	return disks{disk.NewWatch("raft.db"), disk.NewWatch("raft snapshots")}
}

// Disks are what the plane's stores have under way; that of the Machine is its own.
func (g *Group) Disks() []*disk.Watch { return []*disk.Watch{g.disks.log, g.disks.snapshots} }

// Stalled is why nothing gets on in the plane, nil while all is well.
func (g *Group) Stalled() error { return cmp.Or(g.disks.log.Stalled(), g.machine.Disk().Stalled()) }

// leads tells whether this node leads and can. A parked one doesn't see what was
// acknowledged.
func (g *Group) leads() bool {
	return g.Err() == nil && g.raft.State() == raft.Leader && !g.transport.paused.Load() && g.machine.Parked() == nil
}

// beat writes to the disk, unless the last time has not come back; a write that fails is
// a sign, too.
func (g *Group) beat() {
	if !g.beating.CompareAndSwap(false, true) {
		return
	}
	go func() { // ends when the disk answers
		defer g.beating.Store(false)
		_ = g.disks.log.Do(func() error {
			_, err := g.pulse.WriteAt([]byte{0}, 0)
			return errors.Join(err, g.pulse.Sync())
		})
	}()
}

// watchDisks takes the lead away from this node while its disk stalls.
func (g *Group) watchDisks(ctx context.Context) error {
	tick, pulse := beat.New(stallLook), beat.New(pulseEach)
	defer tick.Stop()
	defer pulse.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pulse.C:
			pulse.Again()
			g.beat()
		case <-tick.C:
			tick.Again()
		}
		stalled, paused := g.Stalled(), g.transport.paused.Load()
		switch {
		case stalled != nil && !paused && g.raft.State() == raft.Leader:
			g.log.Warn("the disk of the leader does not answer: another node shall lead", "err", stalled)
			g.giveUp()
		case stalled == nil && paused:
			g.log.Info("the disk answers again")
			g.transport.pause(false)
			g.changed()
		}
	}
}

// giveUp has another voter stand for election, and ends the transport.
func (g *Group) giveUp() {
	g.transport.paused.Store(true) // from now on nobody here takes it for the leader
	for _, s := range g.successors() {
		if err := g.standFor(s); err == nil {
			break
		}
	}
	g.transport.pause(true)
	g.changed()
}

// changed wakes those who wait for another leader.
func (g *Group) changed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.leader)
	g.leader = make(chan struct{})
}

// successors are the other voters that answered lately, those first whose logs reach
// furthest.
func (g *Group) successors() (all []raft.Server) {
	reach := func(s raft.Server) uint64 { return g.transport.reached(s.ID, g.cfg.Election) }
	f := g.raft.GetConfiguration() // waits for nobody
	for _, s := range f.Configuration().Servers {
		if s.Suffrage == raft.Voter && s.ID != raft.ServerID(g.cfg.Self.GetId()) && reach(s) > 0 {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b raft.Server) int { return cmp.Compare(reach(b), reach(a)) })
	return all
}

// standFor asks one to stand for election, past Raft's own loop, which is stuck.
func (g *Group) standFor(s raft.Server) error {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(g.cfg.Self.GetId()), Addr: []byte(g.transport.LocalAddr())}
	answered := make(chan error, 1)
	go func() { // ends with the transport
		answered <- g.transport.NetworkTransport.TimeoutNow(s.ID, meant(s.ID, s.Address), &raft.TimeoutNowRequest{RPCHeader: header}, &raft.TimeoutNowResponse{})
	}()
	limit := time.NewTimer(successorTime)
	defer limit.Stop()
	select {
	case err := <-answered:
		return err
	case <-limit.C:
		return fmt.Errorf("node %s does not answer", s.ID)
	}
}
