package node

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/node/directory"
)

// seekEach is how often a node looks for those whom it doesn't hear, seekMost when that
// has been in vain for a while.
const seekEach, seekMost = 250 * time.Millisecond, time.Second

// candidates are the addresses at which the wanted nodes may be: those of the roster
// that are not heard, and of --join, whose names are looked up each time.
func (n *Node) candidates(ctx context.Context, wanted func(id string) bool) (addrs []string) {
	seen := map[string]bool{n.self().GetClusterAddr(): true}
	add := func(a string) {
		if !seen[a] {
			seen[a] = true
			addrs = append(addrs, a)
		}
	}
	for _, node := range n.machine.View().Nodes() {
		if node.GetId() == n.id.ID || !wanted(node.GetId()) {
			continue
		}
		for _, a := range n.directory.Candidates(node) {
			add(a)
		}
	}
	for _, a := range n.cfg.Join {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		if net.ParseIP(host) != nil {
			add(a)
			continue
		}
		found, _ := net.DefaultResolver.LookupHost(ctx, host) // a name that is unknown now may be known later
		for _, ip := range found {
			add(net.JoinHostPort(ip, port))
		}
	}
	return addrs
}

// lost are the nodes that are not heard, or all while nobody leads and while the roster
// has this node elsewhere: then they may have to hear again where it is.
func (n *Node) lost() map[string]bool {
	lost, all := map[string]bool{}, n.group.Status().Leader == "" || n.misplaced()
	for _, p := range n.mesh.Status() {
		if !p.Heard || all {
			lost[string(p.ID)] = true
		}
	}
	return lost
}

// misplaced tells whether the roster has this node at other addresses than it has. The
// word that others have of it may be older than that entry, and count for nothing: of two
// nodes whose entries should be each other's the leader would believe neither.
func (n *Node) misplaced() bool {
	present := n.machine.View().Node(n.id.ID)
	return present != nil && !slices.Equal(addressesOf(present), addressesOf(n.own()))
}

// seek looks for the nodes that are not heard wherever they may be, until the context
// ends. It ends with a *directory.Second when it finds the first process of this node.
func (n *Node) seek(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	asks := asking{under: map[string]bool{}, second: make(chan error, 1)}
	var before map[string]bool
	for pause := seekEach; ; {
		timer, all := time.NewTimer(beat.Near(pause)), false
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case err := <-asks.second:
			timer.Stop()
			return err
		case <-n.told: // this node has moved: all shall hear of it from itself
			timer.Stop()
			all = true
		case <-timer.C:
		}
		lost := n.lost()
		if pause = min(2*pause, seekMost); !maps.Equal(lost, before) {
			before, pause = lost, seekEach
		}
		if len(lost) == 0 && !all {
			continue
		}
		n.stand(ctx)
		limited, cancel := context.WithTimeout(ctx, seekEach)
		for _, a := range n.candidates(limited, func(id string) bool { return all || lost[id] }) {
			asks.begin(&wg, a, func() error { return n.meet(ctx, a) })
		}
		cancel()
	}
}

// stand has this node ask for votes when those who have met know no leader. Who waits
// for one that can't come loses two seconds and more.
func (n *Node) stand(ctx context.Context) {
	me := n.presence()
	if !me.GetLeaderless() {
		return
	}
	voters, err := n.group.Voters(ctx)
	if err == nil && directory.Stands(me, n.directory.Since(time.Now().Add(-metLately)), voters) {
		n.group.Stand()
	}
}

// asking are the addresses that are asked at present, each once at a time.
type asking struct {
	mu     sync.Mutex
	under  map[string]bool
	second chan error // what ends the node
}

func (a *asking) begin(wg *sync.WaitGroup, addr string, ask func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.under[addr] {
		return
	}
	a.under[addr] = true
	wg.Go(func() {
		err := ask()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.under, addr)
		if second := (*directory.Second)(nil); errors.As(err, &second) {
			select {
			case a.second <- second:
			default:
			}
		}
	})
}
