package membership

import (
	"context"
	"net"
	"sync"
	"time"
)

// asks is how often a doubted node is asked, probeWait after each other, until it counts as
// dead: one lost packet, or a few, are no death.
const asks = 6

// Doubt has a node asked at once and again and again until it answers or is held dead,
// which takes 0.3 s. It is for whoever heard nothing of the node on other ways, and may be
// called all the time.
func (g *Gossip) Doubt(id NodeID) {
	select {
	case g.doubts <- id:
	default: // it is asked already, or somebody doubts it again soon
	}
}

// ask asks one node in a goroutine, one at a time.
func (g *Gossip) ask(ctx context.Context, wg *sync.WaitGroup, id NodeID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.peers[id]; !known || g.asking[id] || id == g.cfg.ID {
		return
	}
	g.asking[id] = true
	wg.Go(func() {
		answers, over := g.answers(ctx, id)
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.asking, id)
		if m := g.members[id]; over && m != nil {
			g.asked(m, answers)
		}
	})
}

// asked has the opinion follow what a node that was asked did. It needs g.mu.
func (g *Gossip) asked(m *member, answers bool) {
	was := m.Alive
	switch {
	case answers && m.listed:
		m.Alive, m.silent = true, false
	case !answers && time.Since(g.stalled) >= stallDoubt:
		m.Alive, m.silent = false, true
	}
	if m.Alive != was {
		g.notify(m.ID)
	}
}

// answers tells whether the node answers; over is false when that could not be found out.
func (g *Gossip) answers(ctx context.Context, id NodeID) (answers, over bool) {
	tick := time.NewTicker(probeWait)
	defer tick.Stop()
	for missed := 0; missed < asks; missed++ {
		list, addr := g.running(), g.address(id)
		if list == nil || addr == nil {
			return false, false
		}
		began := time.Now()
		if _, err := list.Ping(string(id), addr); err == nil {
			return true, true
		}
		if time.Since(began) > 2*probeWait {
			missed = -1 // this process stood still, and perhaps no answer had its time
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, false
		}
	}
	return false, true
}

// address is where the roster has the node's gossip, nil when that is nowhere.
func (g *Gossip) address(id NodeID) net.Addr {
	g.mu.Lock()
	addr := g.peers[id]
	g.mu.Unlock()
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil
	}
	return to
}

// silent lists the nodes that did not answer, although memberlist holds them alive.
func (g *Gossip) silent() []NodeID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []NodeID
	for id, m := range g.members {
		if m.silent && m.listed {
			ids = append(ids, id)
		}
	}
	return ids
}
