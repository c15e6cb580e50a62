package watch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// rows are the DNs of a board as a node's streams and answers leave them.
type rows struct {
	req *tcpb.WatchRequest

	mu   sync.Mutex
	node string
	// of DNs; stale ones wait for the end of a snapshot: those that it does not have are
	// no more.
	of    map[string]*tcpb.DNEvent
	stale map[string]bool
	// told are the DNs of which a stream told since the last list was asked for.
	told  map[string]bool
	calls *parties
	// status is what the node said last of itself and its peers, nil before.
	status *tcpb.StatusResponse
	// away says why there is no connection; "" when there is one.
	away string
	// whole snapshots that have ended: after each the DNs are listed that no stream tells of.
	whole int
	// version grows with each change.
	version int
	// sorted are the numbers in order, nil when that has to be done anew.
	sorted []string
}

func newRows(req *tcpb.WatchRequest) *rows {
	return &rows{req: req, of: map[string]*tcpb.DNEvent{}, stale: map[string]bool{}, told: map[string]bool{}, calls: newParties()}
}

// changed locks, and counts what the caller changes.
func (r *rows) changed() func() {
	r.mu.Lock()
	r.version++
	return r.mu.Unlock
}

// Started implements client.View.
func (r *rows) Started(s *tcpb.WatchStarted) {
	defer r.changed()()
	r.node = s.Node
	if !s.Resumed {
		for dn := range r.of {
			r.stale[dn] = true
		}
	}
}

// Event implements client.View.
func (r *rows) Event(e *tcpb.DNEvent) error {
	defer r.changed()()
	delete(r.stale, e.Dn)
	r.told[e.Dn] = true
	if leaves(r.req, r.node, e) {
		r.remove(e.Dn)
		return nil
	}
	r.put(e)
	return nil
}

// EndOfSnapshot implements client.View.
func (r *rows) EndOfSnapshot(uint64) error {
	defer r.changed()()
	for dn := range r.stale {
		r.remove(dn)
	}
	clear(r.stale)
	r.whole++
	return nil
}

// Lost implements client.View.
func (r *rows) Lost(err error) { r.setAway(clean(err) + "; reconnecting") }

// Found implements client.View.
func (r *rows) Found() { r.setAway("") }

func (r *rows) setAway(why string) {
	defer r.changed()()
	r.away = why
}

func (r *rows) call(e *tlibpb.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls.take(e)) > 0 {
		r.version++
	}
	return nil
}

func (r *rows) put(e *tcpb.DNEvent) {
	if r.of[e.Dn] == nil {
		r.sorted = nil
	}
	r.of[e.Dn] = e
}

func (r *rows) remove(dn string) {
	delete(r.of, dn)
	r.sorted = nil
}

// listing begins a list of all DNs of the filter.
func (r *rows) listing() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.told)
}

// listed are all DNs of the filter: a stream says nothing of one that nobody ever
// registered, and nothing when such a one is deleted. Of what a stream told of since the
// list was begun, that is newer.
func (r *rows) listed(all []*tcpb.DNStatus) {
	defer r.changed()()
	has := make(map[string]bool, len(all))
	for _, d := range all {
		has[d.Dn] = true
		if e := (&tcpb.DNEvent{Dn: d.Dn, State: view.OOS}); r.of[d.Dn] == nil && d.Since == nil && !r.told[d.Dn] && !leaves(r.req, r.node, e) {
			r.put(e)
		}
	}
	for dn := range r.of {
		if !has[dn] && !r.told[dn] {
			r.remove(dn)
		}
	}
}

func (r *rows) setStatus(s *tcpb.StatusResponse) {
	defer r.changed()()
	r.status = s
}

// lost are the peers that the node doesn't hear.
func (r *rows) lost() (all []*tcpb.PeerStatus) {
	for _, p := range r.status.GetPeers() {
		if !p.GetReachable() {
			all = append(all, p)
		}
	}
	return all
}

// ordered are the DNs that pass, in an order; what is out of service first while a peer is
// lost, when the order is that of numbers.
func (r *rows) ordered(o order, passes func(*tcpb.DNEvent) bool) []string {
	if r.sorted == nil {
		r.sorted = slices.Sorted(maps.Keys(r.of))
	}
	shown := make([]string, 0, len(r.sorted))
	for _, dn := range r.sorted {
		if passes(r.of[dn]) {
			shown = append(shown, dn)
		}
	}
	by := orders[o.by].compare
	if by == nil && len(r.lost()) > 0 {
		by = byState
	}
	if by != nil {
		slices.SortStableFunc(shown, func(a, b string) int { return by(r, r.of[a], r.of[b]) })
	}
	if o.reversed {
		slices.Reverse(shown)
	}
	return shown
}

// order is one of orders, or its reverse.
type order struct {
	by       int
	reversed bool
}

// orders are those one can choose, by what the columns are called.
var orders = []struct {
	name    string
	compare func(r *rows, a, b *tcpb.DNEvent) int
}{
	{"DN", nil},
	{"STATE", byState},
	{"FOR", func(_ *rows, a, b *tcpb.DNEvent) int { return later(a, b) }},
	{"OWNER", func(_ *rows, a, b *tcpb.DNEvent) int {
		return cmp.Or(cmp.Compare(a.GetSite(), b.GetSite()), cmp.Compare(a.GetOwner(), b.GetOwner()))
	}},
	{"AGENT", func(_ *rows, a, b *tcpb.DNEvent) int {
		return cmp.Or(-cmp.Compare(a.GetAgent().GetState(), b.GetAgent().GetState()), strings.Compare(a.GetAgent().GetId(), b.GetAgent().GetId()))
	}},
	{"CALL", func(r *rows, a, b *tcpb.DNEvent) int {
		return cmp.Or(-cmp.Compare(len(r.calls.up[a.GetDn()]), len(r.calls.up[b.GetDn()])), later(a, b))
	}},
}

// byState has what is out of service first, and of that what changed last.
func byState(_ *rows, a, b *tcpb.DNEvent) int {
	if a.GetState() != b.GetState() {
		return cmp.Compare(a.GetState(), b.GetState())
	}
	if a.GetState() == view.InSrv {
		return 0
	}
	return later(a, b)
}

// later has what changed last first.
func later(a, b *tcpb.DNEvent) int {
	return -when(a).Compare(when(b))
}

// when is zero for what nobody ever registered.
func when(e *tcpb.DNEvent) time.Time {
	if e.GetTime() == nil {
		return time.Time{}
	}
	return e.GetTime().AsTime()
}

// counts are what the head says of all DNs.
type counts struct{ all, in, ready, routable, calls int }

func (r *rows) count() counts {
	c := counts{all: len(r.of), calls: len(r.calls.calls)}
	for _, e := range r.of {
		if e.GetState() == view.InSrv {
			c.in++
			if e.GetAgent().GetState() == tcpb.AgentState_AGENT_STATE_READY {
				c.ready++
			}
		}
		if e.GetRoutable() {
			c.routable++
		}
	}
	return c
}
