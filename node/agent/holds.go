package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// renewEvery is how often the keepers hear what this node's holders still want:
	// twice within a lease.
	renewEvery = time.Second
	// renewTimeout is how long such a message may take.
	renewTimeout = time.Second
)

// hold is what a session or a call of this node has reserved, here or at another node.
type hold struct {
	n      dn.Number
	holder string
}

// holds are this node's, each until when its keeper granted it.
type holds struct {
	mu sync.Mutex
	of map[hold]time.Time
	// givenBack are to be told at once.
	givenBack []hold
	// asking are the nodes that have not answered the last message.
	asking map[dn.Node]bool
	// ticking: they are renewed each second, which began starts.
	ticking      bool
	began, ended wake.Signal
}

func newHolds() *holds {
	return &holds{of: map[hold]time.Time{}, asking: map[dn.Node]bool{}, began: wake.New(), ended: wake.New()}
}

func (hs *holds) add(h hold, until time.Time) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.of[h] = until
	if !hs.ticking {
		hs.ticking = true
		hs.began.Send()
	}
}

func (hs *holds) drop(h hold) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	delete(hs.of, h)
}

// over drops one that its keeper knows nothing of, unless it was granted anew since.
func (hs *holds) over(h hold, until time.Time) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.of[h].Equal(until) {
		delete(hs.of, h)
	}
}

// wanted are those whose time is not over. When there are none the ticks end.
func (hs *holds) wanted(now time.Time) map[hold]time.Time {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	all := make(map[hold]time.Time, len(hs.of))
	for h, until := range walk.Map(&hs.mu, hs.of) {
		if until.After(now) {
			all[h] = until
		} else {
			delete(hs.of, h)
		}
	}
	hs.ticking = len(hs.of) > 0
	return all
}

func (hs *holds) takeGivenBack() []hold {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	all := hs.givenBack
	hs.givenBack = nil
	return all
}

// begin is false while a node has not answered yet.
func (hs *holds) begin(node dn.Node) bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.asking[node] {
		return false
	}
	hs.asking[node] = true
	return true
}

func (hs *holds) end(node dn.Node) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	delete(hs.asking, node)
}

// Until tells until when a holder of this node has the DN, as its keeper said last;
// zero for one that has it not.
func (reg *Registry) Until(n dn.Number, holder string) time.Time {
	reg.holds.mu.Lock()
	defer reg.holds.mu.Unlock()
	return reg.holds.of[hold{n, holder}]
}

// Ended says that a holder of this node is no more: what it has reserved is given back,
// and not renewed where that is not heard. It waits for nothing.
func (reg *Registry) Ended(holder string) {
	reg.holds.mu.Lock()
	defer reg.holds.mu.Unlock()
	for h := range walk.Map(&reg.holds.mu, reg.holds.of) {
		if h.holder == holder {
			delete(reg.holds.of, h)
			reg.holds.givenBack = append(reg.holds.givenBack, h)
			reg.holds.ended.Send()
		}
	}
}

// keepHolds renews what this node's holders have, while there is something, until the
// context ends.
func (reg *Registry) keepHolds(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	tick := time.NewTimer(renewEvery)
	defer tick.Stop()
	tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reg.holds.ended:
			reg.tellGivenBack(ctx, &asking)
		case <-reg.holds.began:
			tick.Reset(renewEvery)
		case <-tick.C:
			if reg.renew(ctx, &asking) {
				tick.Reset(renewEvery)
			}
		}
	}
}

// renew renews everything at its keepers; false when there is nothing.
func (reg *Registry) renew(ctx context.Context, asking *sync.WaitGroup) bool {
	all := reg.holds.wanted(time.Now())
	for keeper, list := range reg.byKeeper(all) {
		if keeper == reg.table.Self() {
			reg.drop(all, list, reg.renewHere(list))
			continue
		}
		if !reg.holds.begin(keeper) {
			continue
		}
		asking.Go(func() {
			defer reg.holds.end(keeper)
			for part := range slices.Chunk(list, dn.MaxLeases) {
				reg.drop(all, part, reg.tell(ctx, keeper, &peerpb.RenewRequest{Wanted: leasesOf(part)}).GetOver())
			}
		})
	}
	return len(all) > 0
}

// drop drops those of a list that are over.
func (reg *Registry) drop(all map[hold]time.Time, list []hold, over []uint32) {
	for _, i := range over {
		if i < uint32(len(list)) {
			reg.holds.over(list[i], all[list[i]])
		}
	}
}

// tellGivenBack tells the keepers what ended with its holder.
func (reg *Registry) tellGivenBack(ctx context.Context, asking *sync.WaitGroup) {
	all := map[hold]time.Time{}
	for _, h := range reg.holds.takeGivenBack() {
		all[h] = time.Time{}
	}
	for keeper, list := range reg.byKeeper(all) {
		asking.Go(func() {
			if keeper == reg.table.Self() {
				for _, h := range list {
					reg.giveBackHere(h)
				}
				return
			}
			for part := range slices.Chunk(list, dn.MaxLeases) {
				reg.tell(ctx, keeper, &peerpb.RenewRequest{GivenBack: leasesOf(part)})
			}
		})
	}
}

// byKeeper sorts them by the nodes that keep their DNs, this one and those that are heard.
func (reg *Registry) byKeeper(all map[hold]time.Time) map[dn.Node][]hold {
	lists := map[dn.Node][]hold{}
	for h := range all {
		s, _ := reg.table.Get(h.n)
		if s.Keeper == reg.table.Self() || reg.table.Heard(s.Keeper) {
			lists[s.Keeper] = append(lists[s.Keeper], h)
		}
	}
	return lists
}

// tell sends a message to a keeper. What does not arrive comes again, or ends by itself.
func (reg *Registry) tell(ctx context.Context, keeper dn.Node, m *peerpb.RenewRequest) *peerpb.RenewResponse {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	conn, err := reg.keepers.dial(keeper)
	if err == nil {
		err = standing(ctx, conn)
	}
	var answer *peerpb.RenewResponse
	if err == nil {
		answer, err = peerpb.NewAgentsClient(conn).Renew(ctx, m)
	}
	if err != nil {
		reg.log.Debug("reservations were not renewed at a node", "peer", reg.keepers.name(keeper), "err", err)
	}
	return answer
}
