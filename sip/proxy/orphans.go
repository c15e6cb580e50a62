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
	// lost are the peers that are.
	lost map[dn.Node]*loss
}

// loss is the wait for a peer that is lost.
type loss struct {
	// One of them is closed at most: the peer is heard again, or its process is no more.
	back, gone chan struct{}
	// over: the wait has ended, or gone is closed.
	over bool
}

func newOrphans(h *hanger, t *tasks) *orphans {
	return &orphans{machine: h.machine, shards: h.shards, tasks: t, hanger: h, lost: map[dn.Node]*loss{}}
}

// heard notes whether a peer is. What rings here for a lost one ends after the option
// orphan_ring_ms, unless it is back by then. It does not wait.
func (o *orphans) heard(peer dn.Node, is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.lost[peer]
	switch {
	case is && l != nil:
		if delete(o.lost, peer); !l.over {
			close(l.back)
		}
	case !is && l == nil:
		l = &loss{back: make(chan struct{}), gone: make(chan struct{})}
		o.lost[peer] = l
		wait := time.Duration(o.machine.View().Options().GetOrphanRingMs()) * time.Millisecond
		if !o.tasks.spawn(func() { o.wait(peer, l, wait) }) {
			delete(o.lost, peer)
		}
	}
}

// gone has what rings here for a peer end at once: the process that called is no more. What
// another one calls after that is its own.
func (o *orphans) gone(peer dn.Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch l := o.lost[peer]; {
	case l == nil:
		o.tasks.spawn(func() { o.end(peer) })
	case !l.over:
		l.over = true
		close(l.gone)
	}
}

// wait waits for the peer, and then ends its calls that ring yet.
func (o *orphans) wait(peer dn.Node, l *loss, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-l.gone:
	case <-t.C:
	case <-o.tasks.ctx.Done():
		return
	case <-l.back:
		if wait > 0 {
			return
		}
	}
	o.mu.Lock()
	l.over = true
	o.mu.Unlock()
	o.end(peer)
}

// end ends the peer's calls that ring.
func (o *orphans) end(peer dn.Node) {
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
