package dn

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// world is a cluster of tables with links that can be cut, clocks that can be
// wrong and nodes that can crash; no goroutine, no real time.
type world struct {
	r     *rand.Rand
	now   time.Time
	nodes []*simNode
	links map[[2]int]*simLink // follower, publisher
	cut   map[[2]int]bool
	// truth: the newest registration of each DN, and whether it was ended.
	truth map[Number]simTruth
	// anew: links begin with a snapshot, whatever is remembered; same are the ranges of DNs
	// that were not told of again.
	anew bool
	same int
}

type simTruth struct {
	node  int
	claim int64
	inSrv bool
	// silent: the phone does not answer.
	silent bool
	// sure: the node knew of every registration before this one; then it wins
	// whatever the clocks say.
	sure bool
}

type simNode struct {
	id    Node
	inc   uint64
	skew  time.Duration
	table *Table
	// store is what survives a crash; held the claims of bindings, old ones too.
	store map[Number]Record
	held  map[Number][]int64
}

type simLink struct {
	stream *Stream
	copy   *Copy
}

func newWorld(seed uint64, n int, skew time.Duration) *world {
	w := &world{
		r: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), links: map[[2]int]*simLink{},
		cut: map[[2]int]bool{}, truth: map[Number]simTruth{},
	}
	for i := range n {
		s := &simNode{id: Node(fmt.Sprint("n", i)), store: map[Number]Record{}, held: map[Number][]int64{}}
		if skew > 0 {
			s.skew = time.Duration(w.r.Int64N(int64(2*skew))) - skew
		}
		w.nodes = append(w.nodes, s)
		w.start(s)
	}
	return w
}

func (w *world) start(s *simNode) {
	s.inc++
	s.table = New(Config{Self: s.id, Incarnation: s.inc, History: 16, Now: func() time.Time { return w.now.Add(s.skew) }})
	for _, r := range s.store {
		s.table.Restore(r)
	}
}

func (w *world) number() Number { return Number(fmt.Sprint(1000 + w.r.IntN(4))) }

func (w *world) register(i int, n Number) {
	s := w.nodes[i]
	sure := s.maxClaim(n) == w.maxClaim(n)
	r := s.table.Register(n, Registered)
	s.store[n] = r
	s.held[n] = append(s.held[n], r.ClaimTime)
	w.truth[n] = simTruth{node: i, claim: r.ClaimTime, inSrv: true, sure: sure}
}

func (s *simNode) maxClaim(n Number) int64 {
	if e := s.table.entries[n]; e != nil {
		return e.maxClaim()
	}
	return 0
}

func (w *world) maxClaim(n Number) (m int64) {
	for _, s := range w.nodes {
		m = max(m, s.maxClaim(n))
	}
	return m
}

// end is an un-REGISTER or expiry of some binding that the node ever had.
func (w *world) end(i int, n Number) {
	s := w.nodes[i]
	if len(s.held[n]) == 0 {
		return
	}
	claim := s.held[n][w.r.IntN(len(s.held[n]))]
	r, ok := s.table.End(n, claim, Unregistered)
	if !ok {
		return
	}
	s.store[n] = r
	if t := w.truth[n]; t.node == i && t.claim == claim {
		t.inSrv = false
		w.truth[n] = t
	}
}

// answers is a phone that falls silent or speaks again, as told by some binding
// that the node ever had.
func (w *world) answers(i int, n Number) {
	s := w.nodes[i]
	if len(s.held[n]) == 0 {
		return
	}
	claim, answers := s.held[n][w.r.IntN(len(s.held[n]))], w.r.IntN(2) == 0
	r, ok := s.table.Answers(n, claim, answers)
	if !ok {
		return
	}
	s.store[n] = r
	if t := w.truth[n]; t.node == i && t.claim == claim {
		t.silent = !answers
		w.truth[n] = t
	}
}

// amend is an agent at the DN who says something.
func (w *world) amend(i int, n Number) {
	s := w.nodes[i]
	if r, ok := s.table.Own(n); ok {
		r.Agent = &Agent{ID: fmt.Sprint(w.r.IntN(9)), State: AgentState(w.r.IntN(int(agentStates))), Since: w.now.UnixNano()}
		r.Reserved = Reservation{Holder: fmt.Sprint(w.r.IntN(2)), Left: int64(w.r.IntN(3)) * int64(time.Second)}
		if r.Agent.State == Ready { // of a DN that takes several calls
			r.Reserved = r.Reserved.With(Reservation{Holder: "several", Left: int64(2 * time.Second)})
		}
		if r, ok = s.table.Amend(r); ok {
			s.store[n] = r
		}
	}
}

func (w *world) crash(i int) {
	for k := range w.links {
		if k[0] == i || k[1] == i {
			delete(w.links, k)
		}
	}
	for j, o := range w.nodes {
		if j != i {
			o.table.SetHeard(w.nodes[i].id, false)
		}
	}
	w.start(w.nodes[i])
}

func (w *world) toggle(a, b int) {
	w.cut[[2]int{a, b}] = !w.cut[[2]int{a, b}]
	if w.cut[[2]int{a, b}] {
		delete(w.links, [2]int{a, b})
		w.nodes[a].table.SetHeard(w.nodes[b].id, false)
	}
}

// deliver moves what one link has to say, connecting it first where needed.
func (w *world) deliver(t *testing.T, a, b int) {
	if a == b || w.cut[[2]int{a, b}] {
		return
	}
	f, o := w.nodes[a], w.nodes[b]
	l := w.links[[2]int{a, b}]
	if l == nil {
		from := f.table.Position(o.id)
		if w.anew {
			from = feed.Position{}
		}
		l = &simLink{stream: o.table.Follow(from)}
		w.links[[2]int{a, b}] = l
	}
	items, _ := l.stream.take(nil)
	for _, it := range items {
		var err error
		switch it.Kind {
		case feed.Started:
			if l.copy, err = f.table.Sync(o.id, o.inc, it.Resumed); err == nil && !it.Resumed && w.r.IntN(4) > 0 {
				err = l.stream.Compare(l.copy.Digests(1 + w.r.IntN(3)))
			}
		case Same:
			w.same++
			err = l.copy.Same(it.Record.Number)
		case feed.EndOfSnapshot:
			err = l.copy.Synced(it.Seq)
			f.table.SetHeard(o.id, true)
		default:
			_, err = l.copy.Apply([]Record{it.Record}, it.Seq)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.obey(a)
}

// obey drops what was superseded, as the registrar does.
func (w *world) obey(i int) {
	s := w.nodes[i]
	for n, x := range s.table.superseded.set {
		if s.store[n].ClaimTime <= x.ClaimTime {
			delete(s.store, n)
		}
	}
	clear(s.table.superseded.set)
}

func (s *Status) silent() bool { return s.State == InSrv && s.Reason == Unresponsive }

func (w *world) step(t *testing.T) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j, n := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes)), w.number()
	switch w.r.IntN(20) {
	case 0, 1, 2, 3:
		w.register(i, n)
	case 4, 5:
		w.end(i, n)
	case 6:
		if i != j {
			w.toggle(i, j)
		}
	case 7:
		if w.r.IntN(4) == 0 {
			w.crash(i)
		}
	case 8, 9:
		w.amend(i, n)
	case 10:
		w.answers(i, n)
	default:
		w.deliver(t, i, j)
	}
}

// settle heals everything and delivers until nothing is left to say.
func (w *world) settle(t *testing.T) {
	clear(w.cut)
	for range 12 {
		w.now = w.now.Add(time.Second)
		for a := range w.nodes {
			for b := range w.nodes {
				w.deliver(t, a, b)
			}
		}
	}
}

// again tells everything anew to nodes that know it, but for what changes meanwhile.
func (w *world) again(t *testing.T) {
	clear(w.links)
	w.anew = true
	for range w.r.IntN(8) {
		w.now = w.now.Add(time.Millisecond)
		switch i, n := w.r.IntN(len(w.nodes)), w.number(); w.r.IntN(4) {
		case 0:
			w.register(i, n)
		case 1:
			w.amend(i, n)
		default:
			w.deliver(t, i, w.r.IntN(len(w.nodes)))
		}
	}
	w.settle(t)
	w.anew = false
}

func (w *world) check(t *testing.T, seed uint64, skewed bool) {
	t.Helper()
	for n, truth := range w.truth {
		first, _ := w.nodes[0].table.Get(n)
		for _, s := range w.nodes[1:] {
			if got, _ := s.table.Get(n); got.State != first.State || got.Owner != first.Owner || got.silent() != first.silent() {
				t.Fatalf("seed %d: DN %s is %v (%v) at %q on %s but %v (%v) at %q on %s", seed, n, got.State, got.Reason, got.Owner, s.id, first.State, first.Reason, first.Owner, w.nodes[0].id)
			}
			if got, _ := s.table.Get(n); !got.Agent.Equal(first.Agent) || got.Reserved != first.Reserved || got.Holds != first.Holds || got.Version != first.Version {
				t.Fatalf("seed %d: DN %s: agent %+v on %s but %+v on %s", seed, n, got.Agent, s.id, first.Agent, w.nodes[0].id)
			}
		}
		if skewed && !truth.sure {
			continue
		}
		want := OOS
		if truth.inSrv {
			want = InSrv
		}
		if first.State != want || want == InSrv && first.Owner != w.nodes[truth.node].id {
			t.Fatalf("seed %d: DN %s is %v at %q, the phones left it %v at %s", seed, n, first.State, first.Owner, want, w.nodes[truth.node].id)
		}
		if want == InSrv && first.silent() != truth.silent {
			t.Fatalf("seed %d: DN %s is %v, its phone is silent: %v", seed, n, first.Reason, truth.silent)
		}
	}
	for _, s := range w.nodes {
		checkCounts(t, s.table)
	}
}

// checkCounts recounts what Counts keeps up to date.
func checkCounts(t *testing.T, tab *Table) {
	t.Helper()
	var want Counts
	tab.Range("", func(s Status) bool {
		want.Known++
		if s.State == InSrv {
			want.InSrv++
			if s.Owner == tab.Self() {
				want.Owned++
			}
			if s.Standby != "" {
				want.Backed++
			}
		}
		return true
	})
	if got := tab.Counts(); got != want {
		t.Fatalf("%s counts %+v, has %+v", tab.Self(), got, want)
	}
	checkLists(t, tab)
}

// checkLists finds by looking at all what retell finds by a peer's lists.
func checkLists(t *testing.T, tab *Table) {
	t.Helper()
	tab.mu.RLock()
	defer tab.mu.RUnlock()
	for i, o := range tab.nodes {
		if o == nil {
			continue
		}
		owned, beside := 0, 0
		for _, e := range tab.entries {
			switch {
			case e.share.holder == uint8(i)+1:
				owned++
				if !o.owns.tree.Has(e) || o.beside.tree.Len() > 0 && o.beside.tree.Has(e) {
					t.Fatalf("%s: DN %s is of %s, and not in its list alone", tab.Self(), e.number, o.id)
				}
			case i != 0 && (e.by(uint8(i)) != nil || e.toldAt(uint8(i))):
				beside++
				if !o.beside.tree.Has(e) {
					t.Fatalf("%s: %s has said something of DN %s: it is not in its list", tab.Self(), o.id, e.number)
				}
			}
		}
		if o.owns.tree.Len() != owned || i != 0 && o.beside.tree.Len() != beside {
			t.Fatalf("%s: the lists of %s have %d and %d DNs, and should have %d and %d", tab.Self(), o.id, o.owns.tree.Len(), o.beside.tree.Len(), owned, beside)
		}
	}
}

// Any order of delivery, cuts, crashes: one owner, the newest registration.
func TestTable_ConvergesToTheNewestRegistration(t *testing.T) {
	simulate(t, 0)
}

// Clocks wrong by up to 50 s: still one owner, the same everywhere.
func TestTable_ConvergesWithWrongClocks(t *testing.T) {
	simulate(t, 50*time.Second)
}

func simulate(t *testing.T, skew time.Duration) {
	runs := uint64(10_000)
	if testing.Short() {
		runs = 1_000
	}
	same := 0
	defer func() {
		if t.Logf("%d ranges were the same", same); same < int(runs) {
			t.Errorf("of %d runs, %d ranges were the same", runs, same)
		}
	}()
	for seed := range runs {
		w := newWorld(seed, 2+int(seed%3), skew)
		for range 60 {
			w.step(t)
		}
		w.settle(t)
		w.check(t, seed, skew > 0)
		w.checkFarewells(t, seed)
		w.again(t)
		w.check(t, seed, skew > 0)
		same += w.same
		w.leave(t, seed)
	}
}
