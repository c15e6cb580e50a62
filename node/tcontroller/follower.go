package tcontroller

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

// follower keeps the link to one peer and judges whether the peer is heard.
// run is the judge; a second goroutine, keep, owns the link.
type follower struct {
	id     dn.Node
	cfg    *Config
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}
	// judge wakes the judge, redial the one that keeps the link.
	judge, redial wake.Signal
	// down is said of the link, tooFar of gossip.
	down, tooFar *lasting.Fault

	mu     sync.Mutex
	peer   Peer
	gossip gossip
	link   linkState
	// signed is when the peer pinged this node.
	signed time.Time
	st     PeerStatus
	// trip is that of trips.far.
	trip time.Duration
	// vetoed: the present gossip verdict has been counted as overruled.
	vetoed bool
}

// linkState is what keep knows of the link. Guarded by follower.mu.
type linkState struct {
	up, synced, refused, bye bool
	// lastFrame is when anything arrived; downAt when the link ended.
	lastFrame, downAt time.Time
	// conn below the link, nil while there is none.
	conn net.Conn
}

// connecting is why a peer is not heard that never was.
const connecting = "connecting"

func newFollower(cfg *Config, p Peer, g gossip, cancel context.CancelFunc) *follower {
	log := cfg.Log.With("peer", p.Name)
	return &follower{
		id: p.ID, cfg: cfg, peer: p, gossip: g, cancel: cancel, done: make(chan struct{}),
		log: log, judge: wake.New(), redial: wake.New(), down: lasting.New(log, slog.LevelInfo, "link is down", "link is up again"),
		tooFar: lasting.New(log, slog.LevelInfo, "the peer is too far for gossip: the link alone says whether it is heard", "the peer is near: gossip's word counts again"),
		st:     PeerStatus{Reason: connecting, Since: time.Now()},
	}
}

func (f *follower) setPeer(p Peer) {
	f.mu.Lock()
	moved := f.peer.Addr != p.Addr
	f.peer = p
	f.mu.Unlock()
	if moved {
		f.redial.Send()
	}
}

func (f *follower) setGossip(g gossip) {
	f.mu.Lock()
	back := f.gossip.dead && !g.dead
	f.gossip = g
	f.vetoed = false
	f.mu.Unlock()
	if g.incarnation > 0 && !g.dead {
		f.cfg.Table.Saw(f.id, g.incarnation)
		f.cfg.Calls.Saw(f.id, g.incarnation)
	}
	if back {
		f.redial.Send()
	}
	f.judge.Send()
}

// address to dial: what gossip heard from the node itself is newer than the roster.
func (f *follower) address() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gossip.addr != "" && !f.gossip.dead {
		return f.gossip.addr
	}
	return f.peer.Addr
}

// change alters the link's state and lets the judge see it.
func (f *follower) change(fn func(*linkState)) {
	f.mu.Lock()
	fn(&f.link)
	f.mu.Unlock()
	f.judge.Send()
}

// sign notes that something came from the peer elsewhere than on this link. While the link
// is down that is none: the peer may be there, but nothing gets to it.
func (f *follower) sign() {
	f.mu.Lock()
	up := f.link.up
	f.signed = time.Now()
	f.mu.Unlock()
	if up {
		f.frame()
	}
}

// frame notes that something arrived. The judge has to see what ends a silence
// for which the peer may have been lost.
func (f *follower) frame() {
	now := time.Now()
	f.mu.Lock()
	silence := now.Sub(f.link.lastFrame)
	f.link.lastFrame = now
	f.mu.Unlock()
	if silence >= hungAfter {
		f.judge.Send()
	}
}

func (f *follower) measured(d Delay, trip time.Duration) {
	f.mu.Lock()
	f.st.Delay, f.trip = d, trip
	f.mu.Unlock()
	if trip > gossipReach {
		f.tooFar.Met("rtt_ms", trip.Milliseconds())
	} else {
		f.tooFar.Over()
	}
}

// distance is the round trip to the peer, as far as it was measured.
func (f *follower) distance() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trip
}

// enough tells whether one ping of some needs an answer only: the peer is near, and pings
// this node itself.
func (f *follower) enough() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st.Delay.RTT <= gossipReach && time.Since(f.signed) < 3*pingEvery
}

// doubt has gossip ask a near peer whose link is down or silent.
func (f *follower) doubt() {
	f.mu.Lock()
	silent := f.trip <= gossipReach && (!f.link.up || time.Since(f.link.lastFrame) > doubtAfter)
	f.mu.Unlock()
	if silent {
		f.cfg.Doubt(f.id)
	}
}

// deaf ends the link to a far peer whose machine says nothing any more. A near one's link is
// ended by the kernel.
func (f *follower) deaf() bool {
	f.mu.Lock()
	conn, trip := f.link.conn, f.trip
	f.mu.Unlock()
	if trip <= gossipReach || !unacknowledged(conn, userTimeout(trip)) {
		return false
	}
	_ = conn.Close()
	return true
}

// run judges until the context ends.
func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.keep(ctx) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-f.judge:
		case <-timer.C:
			if late := time.Since(due); late > stoodStill {
				// This process stood still, not the peer: what it sent comes first.
				due = time.Now().Add(redialGrace)
				timer.Reset(redialGrace)
				continue
			}
		}
		if after := f.decide(); after > 0 {
			due = time.Now().Add(after)
			timer.Reset(after)
		} else {
			timer.Stop()
		}
	}
}

// decide comes to a verdict and has the table follow it.
func (f *follower) decide() (after time.Duration) {
	f.mu.Lock()
	e := f.evidence(time.Now())
	heard, reason, after := e.verdict()
	veto := heard && e.up && e.gossipDead && !f.vetoed
	if veto {
		f.vetoed = true
		f.st.Vetoes++
	}
	changed := heard != f.st.Heard || heard != e.heard
	f.mu.Unlock()
	if veto {
		f.log.Warn("gossip lost the peer but its link is fresh: still heard", "silence_ms", e.silence.Milliseconds())
		f.cfg.Rejoin(f.id)
	}
	if changed {
		f.announce(heard, reason, e)
	}
	if e.died() {
		f.cfg.Calls.Died(f.id) // its DNs are out of service, and its calls over
	}
	return after
}

func (f *follower) evidence(now time.Time) evidence {
	e := f.weigh(f.gossip.dead)
	e.up, e.synced, e.refused, e.bye = f.link.up, f.link.synced, f.link.refused, f.link.bye
	e.heard, e.silence = f.cfg.Table.Heard(f.id), now.Sub(f.link.lastFrame)
	if !e.up {
		e.down = now.Sub(f.link.downAt)
	}
	return e
}

// weigh is the evidence as far as it depends on where the peer is.
func (f *follower) weigh(gossipDead bool) evidence {
	return evidence{gossipDead: gossipDead && f.trip <= gossipReach, linkTimeout: silence(f.cfg.LinkTimeout, f.trip)}
}

func (f *follower) announce(heard bool, reason string, e evidence) {
	if !f.cfg.Table.SetHeard(f.id, heard) && heard {
		return // its copy is no longer whole: the next end of a sync decides again
	}
	if !heard && reason == "" {
		reason = "restarted" // the table itself stopped hearing an older incarnation
	}
	f.mu.Lock()
	f.st.Heard, f.st.Reason, f.st.Since = heard, reason, time.Now()
	if !heard {
		f.st.Losses++
		if f.st.LossesBy == nil {
			f.st.LossesBy = map[string]uint64{}
		}
		f.st.LossesBy[reason]++
	}
	f.mu.Unlock()
	if f.cfg.Heard != nil {
		f.cfg.Heard(f.id, heard, reason)
	}
	if heard {
		f.log.Info("peer is heard: its DNs count here", "owned", f.cfg.Table.OwnedBy(f.id))
		return
	}
	f.log.Warn("peer is lost: its DNs are out of service here", "reason", reason, "silence_ms", e.silence.Milliseconds(), "gossip_dead", e.gossipDead, "owned", f.cfg.Table.OwnedBy(f.id))
}

// status asks the kernel, with the lock released.
func (f *follower) status() PeerStatus {
	f.mu.Lock()
	s, conn := f.st, f.link.conn
	s.Peer, s.GossipAlive, s.LossesBy = f.peer, !f.gossip.dead, maps.Clone(f.st.LossesBy)
	f.mu.Unlock()
	s.Socket = socketOf(conn)
	return s
}
