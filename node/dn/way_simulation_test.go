package dn

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// pairWorld is a world in which each DN has a phone with two flows, that it
// registers at two nodes, and sometimes another phone that takes the DN from it.
type pairWorld struct {
	*world
	phones map[Number]*simPhone
	// told is what each node's clients know.
	watchers []*simWatcher
	crashed  bool
}

type simPhone struct {
	flows [2]simFlow
	// other is the phone that took the DN, while it is the newest.
	other struct {
		node         int
		claim        int64
		newest, ends bool
	}
	// taken: ever by another phone. loose: a node that alone knew that a registration was
	// over, and had itself lost the DN, was killed: that registration may be back.
	taken, loose bool
	agent        *Agent
	amended      bool
}

// simFlow is one of a phone's registrations.
type simFlow struct {
	on   bool
	node int
}

// simWatcher is a client at a node.
type simWatcher struct {
	table  *Table
	stream *Stream
	state  map[Number]State
}

func newPairWorld(seed uint64, n int, skew time.Duration) *pairWorld {
	w := &pairWorld{world: newWorld(seed, n, skew), phones: map[Number]*simPhone{}}
	for i := range 4 {
		w.phones[Number(fmt.Sprint(1000+i))] = &simPhone{}
	}
	w.watchers = make([]*simWatcher, n)
	return w
}

func way(flow int) Way { return Way{Line: 7, Flow: uint16(flow + 1)} }

// refresh registers a flow at a node: where it is, or it moves there.
func (w *pairWorld) refresh(t *testing.T, seed uint64, n Number, flow, i int) {
	p, s := w.phones[n], w.nodes[i]
	f, g := &p.flows[flow], &p.flows[1-flow]
	if g.on && g.node == i {
		return // different nodes
	}
	before, known := s.table.Get(n)
	still := f.on && f.node == i && known && before.State == InSrv && before.Owner != s.id && s.table.Heard(before.Owner)
	if own, ok := s.table.Own(n); !ok || own.State != InSrv || own.Way != way(flow) || own.Reason == Unresponsive {
		still = false
	}
	r := s.table.RegisterWay(n, Registered, way(flow))
	s.store[n] = r
	s.held[n] = append(s.held[n], r.ClaimTime)
	if after, _ := s.table.Get(n); still && (after.Owner != before.Owner || after.Reason != before.Reason || after.Since != before.Since) {
		t.Fatalf("seed %d: a refresh of DN %s at its standby %s made %+v of %+v", seed, n, s.id, after, before)
	}
	*f = simFlow{on: true, node: i}
	p.other.newest = false
}

// take is another phone's registration.
func (w *pairWorld) take(n Number, i int) {
	p, s := w.phones[n], w.nodes[i]
	r := s.table.Register(n, Registered)
	s.store[n] = r
	s.held[n] = append(s.held[n], r.ClaimTime)
	p.other.node, p.other.claim, p.other.newest, p.other.ends, p.taken = i, r.ClaimTime, true, false, true
	p.flows = [2]simFlow{}
}

// kill ends a node's process, and what it still had to say of DNs that it had lost.
func (w *pairWorld) kill(i int) {
	w.crashed = true
	for n, e := range w.nodes[i].table.entries {
		if e.late != nil {
			w.phones[n].loose = true
		}
	}
	w.crash(i)
}

// end is an un-REGISTER or expiry of some binding that the node ever had.
func (w *pairWorld) end(i int, n Number) {
	p, s := w.phones[n], w.nodes[i]
	if len(s.held[n]) == 0 {
		return
	}
	claim := s.held[n][w.r.IntN(len(s.held[n]))]
	r, ok := s.table.End(n, claim, Unregistered)
	if !ok {
		return
	}
	s.store[n] = r
	for j := range p.flows {
		if f := &p.flows[j]; r.Way == way(j) && f.on && f.node == i {
			f.on = false
		}
	}
	if r.Way.Line == 0 && p.other.node == i && p.other.claim == claim {
		p.other.ends = true
	}
}

func (w *pairWorld) amend(i int, n Number) {
	s := w.nodes[i]
	r, ok := s.table.Own(n)
	if !ok || s.table.MaxClaim() == 0 {
		return
	}
	r.Agent = &Agent{ID: fmt.Sprint(n, "-", w.r.IntN(9)), State: AgentState(w.r.IntN(int(agentStates))), Since: w.now.UnixNano()}
	r.Reserved = Reservation{Holder: fmt.Sprint(w.r.IntN(2)), Left: int64(w.r.IntN(3)) * int64(time.Second)}
	if r, ok = s.table.Amend(r); ok {
		s.store[n] = r
		w.phones[n].agent, w.phones[n].amended = r.Agent, true
	}
}

func (w *pairWorld) step(t *testing.T, seed uint64) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j, n, flow := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)), w.number(), w.r.IntN(2)
	switch x := w.r.IntN(40); {
	case x < 8:
		if f := w.phones[n].flows[flow]; f.on {
			i = f.node
		}
		w.refresh(t, seed, n, flow, i)
	case x < 10:
		w.refresh(t, seed, n, flow, i)
	case x < 11:
		w.take(n, i)
	case x < 14:
		w.end(i, n)
	case x < 16 && i != j:
		w.toggle(i, j)
	case x < 17:
		if w.r.IntN(3) == 0 {
			w.kill(i)
		}
	case x < 19:
		w.amend(i, n)
	case x < 20:
		w.answers(i, n)
	default:
		w.deliver(t, i, j)
	}
	w.watch(t, seed)
}

// watch reads what each node tells its clients: none hears that a DN is out of
// service while the node hears one that has it.
func (w *pairWorld) watch(t *testing.T, seed uint64) {
	for i, s := range w.nodes {
		x := w.watchers[i]
		if x == nil || x.table != s.table {
			x = &simWatcher{s.table, s.table.Watch(feed.Position{}), map[Number]State{}}
			w.watchers[i] = x
		}
		for range 4 {
			items, _ := x.stream.take(nil)
			for _, it := range items {
				n := it.Status.Number
				if it.Kind == feed.Change && it.What == OwnerChange && x.state[n] != InSrv {
					t.Fatalf("seed %d: %s said that DN %s has another owner, and not that it is in service", seed, s.id, n)
				}
				if it.Kind == feed.Row || it.What == StateChange {
					x.state[n] = it.Status.State
				}
			}
		}
		for n, state := range x.state {
			if got, _ := s.table.Get(n); got.State == InSrv && got.Owner != s.table.nodes[s.table.entries[n].told.owner].id {
				t.Fatalf("seed %d: %s has DN %s at %s and told of %s", seed, s.id, n, got.Owner, s.table.nodes[s.table.entries[n].told.owner].id)
			}
			if r := s.table.heardWay(n); state == OOS && r != nil {
				t.Fatalf("seed %d: %s said that DN %s is out of service, but it hears %s", seed, s.id, n, s.table.nodes[r.node].id)
			}
		}
	}
}

// heardWay is a registration that counts, of a node that is heard.
func (t *Table) heardWay(n Number) *record {
	e := t.entries[n]
	if e == nil {
		return nil
	}
	for i := range e.recs {
		if r := &e.recs[i]; r.state == InSrv && t.nodes[r.node].heard && !t.void(e, r) {
			return r
		}
	}
	return nil
}

// check compares what all nodes say with one another and with what the phones did.
func (w *pairWorld) check(t *testing.T, seed uint64, skewed bool) {
	t.Helper()
	for n, p := range w.phones {
		first, _ := w.nodes[0].table.Get(n)
		for _, s := range w.nodes[1:] {
			got, _ := s.table.Get(n)
			if got.State != first.State || got.Owner != first.Owner || got.Standby != first.Standby || got.silent() != first.silent() || got.Keeper != first.Keeper {
				t.Fatalf("seed %d: DN %s is %+v on %s but %+v on %s", seed, n, got, s.id, first, w.nodes[0].id)
			}
			if !got.Agent.Equal(first.Agent) || got.Reserved != first.Reserved || got.Version != first.Version {
				t.Fatalf("seed %d: DN %s: agent %+v on %s but %+v on %s", seed, n, got, s.id, first, w.nodes[0].id)
			}
		}
		if !skewed {
			w.checkPhone(t, seed, p, &first)
		}
	}
	for _, s := range w.nodes {
		checkCounts(t, s.table)
	}
}

func (w *pairWorld) checkPhone(t *testing.T, seed uint64, p *simPhone, got *Status) {
	t.Helper()
	var at []Node
	for _, f := range p.flows {
		if f.on {
			at = append(at, w.nodes[f.node].id)
		}
	}
	if p.other.newest && !p.other.ends {
		at = []Node{w.nodes[p.other.node].id}
	}
	if !p.loose && (got.State == InSrv) != (len(at) > 0) || got.State == OOS && len(at) > 0 || !p.loose && got.State == InSrv && !slices.Contains(at, got.Owner) {
		t.Fatalf("seed %d: DN %s is %v at %q, its phone is registered at %v", seed, got.Number, got.State, got.Owner, at)
	}
	if !p.loose && (len(at) == 2) != (got.Standby != "") {
		t.Fatalf("seed %d: DN %s has the standby %q, its phone is registered at %v", seed, got.Number, got.Standby, at)
	}
	if p.amended && !p.taken && !w.crashed && !got.Agent.Equal(p.agent) {
		t.Fatalf("seed %d: DN %s: the agent is %+v, said last was %+v", seed, got.Number, got.Agent, p.agent)
	}
}

// calm has phones refresh where they are: nobody hears anything of it.
func (w *pairWorld) calm(t *testing.T, seed uint64) {
	heads := make([]uint64, len(w.nodes))
	for i, s := range w.nodes {
		heads[i] = s.table.Head()
	}
	for range 30 {
		w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
		n, flow := w.number(), w.r.IntN(2)
		f := w.phones[n].flows[flow]
		if own, ok := w.nodes[f.node].table.Own(n); f.on && ok && own.State == InSrv && own.Way == way(flow) && own.Reason == Registered {
			w.refresh(t, seed, n, flow, f.node)
		}
		w.deliver(t, w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)))
	}
	for i, s := range w.nodes {
		stream := s.table.Watch(feed.Position{Incarnation: s.inc, Seq: heads[i]})
		for range 4 {
			items, _ := stream.take(nil)
			for _, it := range items {
				if it.Kind == feed.Change && it.What != UseChange || it.Kind == feed.Row { // a reservation ends by itself
					t.Fatalf("seed %d: a refresh is news on %s: %+v", seed, s.id, it)
				}
			}
		}
	}
}

// part cuts some links when all is quiet: each node has the owner that its place among
// those gives it that it hears, and two that hear the same have the same.
func (w *pairWorld) part(t *testing.T, seed uint64) {
	for range w.r.IntN(5) {
		if a, b := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)); a != b {
			w.toggle(a, b)
		}
	}
	w.quiet(t)
	w.watch(t, seed)
	for n := range w.phones {
		for _, s := range w.nodes {
			got, _ := s.table.Get(n)
			if want := w.owner(s, n); got.State == InSrv && got.Owner != want || got.State == OOS && want != "" {
				t.Fatalf("seed %d: DN %s is %v at %q on %s, which hears it at %q", seed, n, got.State, got.Owner, s.id, want)
			}
		}
	}
}

// owner is the one of the registrations that a node hears: told apart by what their nodes say.
func (w *pairWorld) owner(x *simNode, n Number) (best Node) {
	var b Record
	for _, s := range w.nodes {
		r, ok := s.table.Own(n)
		if !ok || r.State != InSrv || s != x && !x.table.Heard(s.id) {
			continue
		}
		silent, other := r.Reason == Unresponsive, b.Reason == Unresponsive
		if best == "" || silent != other && other || silent == other && (r.Since < b.Since || r.Since == b.Since && s.id < best) {
			best, b = s.id, r
		}
	}
	return best
}

// quiet delivers all that the links let through.
func (w *pairWorld) quiet(t *testing.T) {
	for range 12 {
		w.now = w.now.Add(time.Second)
		for a := range w.nodes {
			for b := range w.nodes {
				w.deliver(t, a, b)
			}
		}
	}
}

// Two ways to one phone: cuts, crashes, moves, un-REGISTERs, other phones.
func TestTable_TwoWaysToOnePhone(t *testing.T) { simulatePairs(t, 0) }

// The same with clocks that are wrong by up to 50 s.
func TestTable_TwoWaysToOnePhoneWithWrongClocks(t *testing.T) { simulatePairs(t, 50*time.Second) }

func simulatePairs(t *testing.T, skew time.Duration) {
	runs := uint64(2_000)
	if testing.Short() {
		runs = 500
	}
	for seed := range runs {
		w := newPairWorld(seed, 2+int(seed%3), skew)
		for range 80 {
			w.step(t, seed)
		}
		clear(w.cut)
		w.quiet(t)
		w.watch(t, seed)
		w.check(t, seed, skew > 0)
		w.calm(t, seed)
		w.part(t, seed)
		clear(w.cut)
		w.quiet(t)
		w.watch(t, seed)
		w.check(t, seed, skew > 0)
	}
}
