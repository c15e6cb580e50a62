package proxy

import (
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// peerLost is why a phone no longer rings for a caller whose node can't be heard.
const peerLost = `SIP;cause=480;text="The caller's node is lost"`

// orphans end what rings here for callers of peers that are lost.
type orphans struct {
	machine *fsm.Machine
	shards  *shards
	tasks   *tasks
	hanger  *hanger

	mu sync.Mutex
	// lost are the peers that are, and what ends the wait for each.
	lost map[dn.Node]chan struct{}
}

func newOrphans(h *hanger, t *tasks) *orphans {
	return &orphans{machine: h.machine, shards: h.shards, tasks: t, hanger: h, lost: map[dn.Node]chan struct{}{}}
}

// heard notes whether a peer is. What rings here for a lost one ends after the option
// orphan_ring_ms, unless it is back by then. It does not wait.
func (o *orphans) heard(peer dn.Node, is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if back := o.lost[peer]; back != nil {
		if is {
			delete(o.lost, peer)
			close(back)
		}
		return
	}
	if is {
		return
	}
	back := make(chan struct{})
	o.lost[peer] = back
	wait := time.Duration(o.machine.View().Options().GetOrphanRingMs()) * time.Millisecond
	if !o.tasks.spawn(func() { o.end(peer, back, wait) }) {
		delete(o.lost, peer)
	}
}

// end waits, and ends the peer's calls that ring yet.
func (o *orphans) end(peer dn.Node, back <-chan struct{}, wait time.Duration) {
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-back:
			return
		case <-o.tasks.ctx.Done():
			return
		case <-t.C:
		}
	}
	for _, sh := range o.shards.list {
		sh.Lock()
		for _, user := range sh.Users() {
			if c, ok := user.(*Call); ok && c.origin.kind == fromPeer && c.origin.node == peer {
				c.orphaned()
			}
		}
		sh.Unlock()
	}
	o.hanger.orphaned(peer)
}
