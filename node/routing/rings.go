package routing

import (
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// ring is a try at another node's DN.
type ring struct {
	// sent is nil until it was.
	sent invite.Stopper
	// node is where it rings.
	node dn.Node
	// lost: that node was.
	lost bool
}

// rings are the tries at other nodes' DNs, which are given up when the DN's
// owner is lost.
type rings struct {
	mu sync.Mutex
	at map[dn.Number][]*ring
}

func newRings() *rings { return &rings{at: map[dn.Number][]*ring{}} }

// watch begins a try at a DN.
func (r *rings) watch(n dn.Number, node dn.Node) *ring {
	x := &ring{node: node}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at[n] = append(r.at[n], x)
	return x
}

// sent notes what to stop when the owner is lost.
func (r *rings) sent(x *ring, s invite.Stopper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.sent = s
}

// lose gives up what rings at a DN by a node that is lost.
func (r *rings) lose(n dn.Number, lost func(dn.Node) bool) {
	var stop []invite.Stopper
	r.mu.Lock()
	for _, x := range r.at[n] {
		if !lost(x.node) {
			continue
		}
		if x.lost = true; x.sent != nil {
			stop = append(stop, x.sent)
		}
	}
	r.mu.Unlock()
	for _, s := range stop {
		s.Abandon()
	}
}

// unwatch ends watch; true when the owner was lost.
func (r *rings) unwatch(n dn.Number, x *ring) (lost bool) {
	if x == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := slices.DeleteFunc(r.at[n], func(other *ring) bool { return other == x })
	if r.at[n] = rest; len(rest) == 0 {
		delete(r.at, n)
	}
	return x.lost
}
