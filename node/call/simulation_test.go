package call

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// world is a cluster of tables with links that can be cut and nodes that can
// crash, and with a client at each; no goroutine, no real time.
type world struct {
	t       *testing.T
	seed    uint64
	r       *rand.Rand
	now     time.Time
	history int
	nodes   []*simNode
	links   map[[2]int]*simLink // follower, publisher
	cut     map[[2]int]bool
}

type simNode struct {
	id     dn.Node
	inc    uint64
	table  *Table
	own    []ID
	client *observer
	// said is what was told of each own call, in order.
	said map[ID][]string
}

type simLink struct {
	stream *Stream
	copy   *Copy
}

// observer is a client that believes what it is told, and that each event comes
// once and in order.
type observer struct {
	stream *Stream
	calls  map[ID]map[string]State // by DN and role
	rows   map[ID]bool             // in a snapshot
	heard  map[ID][]string
}

func newWorld(t *testing.T, seed uint64, n, history int) *world {
	w := &world{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), history: history, links: map[[2]int]*simLink{}, cut: map[[2]int]bool{}}
	for i := range n {
		s := &simNode{id: dn.Node(fmt.Sprint("n", i))}
		w.nodes = append(w.nodes, s)
		w.start(s)
	}
	return w
}

func (w *world) start(s *simNode) {
	s.inc++
	s.table = New(Config{
		Self: s.id, Incarnation: s.inc, History: w.history, Now: func() time.Time { return w.now },
		Over: func(id ID) { s.table.End(id, 0, false) },
	})
	s.own, s.said = nil, map[ID][]string{}
	s.client = &observer{stream: s.table.Watch(feed.Position{}), calls: map[ID]map[string]State{}, heard: map[ID][]string{}}
}

func partyKey(n dn.Number, r Role) string { return fmt.Sprint(n, "/", r) }

// told: clients were told of the call that an own event is about.
func (t *Table) told(e *Event) bool {
	for seq := t.visible.head; seq > t.visible.tail; seq-- {
		if *t.visible.place(seq) == e {
			return true
		}
	}
	return false
}

func queueKey(rp dn.Number, group string) string { return fmt.Sprint("q", rp, "/", group) }

func word(e *Event) string { return fmt.Sprint(e.Kind, " ", partyKey(e.ThisDN, e.Role)) }

// act does something to a call of a node.
func (w *world) act(s *simNode) {
	if len(s.own) == 0 || w.r.IntN(5) == 0 {
		caller := dn.Number(fmt.Sprint(w.r.IntN(9)))
		if id, err := s.table.Begin(Info{Caller: caller, Type: Internal, ANI: "77", UserData: map[string]string{"a": "b"}}); err == nil {
			s.own = append(s.own, id)
			s.said[id] = append(s.said[id], fmt.Sprint(Dialing, " ", partyKey(caller, Caller)))
		}
	}
	i, n := w.r.IntN(len(s.own)), dn.Number(fmt.Sprint(w.r.IntN(4)))
	id := s.own[i]
	before := s.table.own.head
	rp := dn.Number(fmt.Sprint("90", w.r.IntN(2)))
	switch w.r.IntN(14) {
	case 11, 12, 13:
		s.table.Hold(id, Role(w.r.IntN(2)), n, w.r.IntN(2) == 0)
	case 8, 9:
		s.table.Waits(id, rp, []string{"", "sales"}[w.r.IntN(2)])
	case 10:
		s.table.Left(id, []string{"", "1"}[w.r.IntN(2)], 0)
	case 0, 1, 2:
		s.table.Ringing(id, n, "")
	case 3, 4:
		s.table.Established(id, n)
	case 5:
		s.table.Released(id, n, 486)
	case 6:
		s.table.Abandoned(id, n)
	case 7:
		s.table.End(id, 0, w.r.IntN(2) == 0)
		s.own = slices.Delete(s.own, i, i+1)
	}
	for seq := max(before, s.table.own.tail) + 1; seq <= s.table.own.head; seq++ {
		if e := *s.table.own.place(seq); e.Kind != Dialing && s.table.told(e) { // that is said above
			s.said[id] = append(s.said[id], word(e))
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
		if j != i && !w.cut[[2]int{j, i}] && w.r.IntN(2) == 0 {
			o.table.Died(w.nodes[i].id)
		}
	}
	w.start(w.nodes[i])
}

// deliver moves what one link has to say, connecting it first where needed.
func (w *world) deliver(a, b int) {
	if a == b || w.cut[[2]int{a, b}] {
		return
	}
	f, o := w.nodes[a], w.nodes[b]
	l := w.links[[2]int{a, b}]
	if l == nil {
		l = &simLink{stream: o.table.Follow(f.table.Position(o.id))}
		w.links[[2]int{a, b}] = l
	}
	if l.copy != nil && l.copy.Current() != nil { // found out by the next pong
		delete(w.links, [2]int{a, b})
		return
	}
	for _, it := range some(l.stream) {
		var err error
		var refused int
		switch it.Kind {
		case feed.Started:
			l.copy, err = f.table.Sync(o.id, o.inc, it.Resumed)
		case feed.Row:
			c := *it.Call
			refused, err = l.copy.Snapshot([]*Call{&c})
		case LegRow:
			refused, err = l.copy.Carrying([]Carried{*it.Leg})
		case feed.EndOfSnapshot:
			err = l.copy.Synced(it.Seq)
		case feed.Change:
			e := *it.Event
			if !e.Fresh {
				e.Info = nil
			}
			refused, err = l.copy.Apply([]*Event{&e}, it.Seq)
		}
		if err == feed.ErrFenced { //nolint:errorlint // it is never wrapped
			delete(w.links, [2]int{a, b})
			return
		}
		if err != nil || refused > 0 {
			w.t.Fatalf("seed %d: %s refuses %d of %s: %v", w.seed, f.id, refused, o.id, err)
		}
	}
}

// read lets the client of a node read.
func (w *world) read(s *simNode) {
	for _, it := range some(s.client.stream) {
		if err := s.client.take(&it); err != nil {
			w.t.Fatalf("seed %d: at %s: %v", w.seed, s.id, err)
		}
	}
}

func (o *observer) take(it *Item) error {
	switch it.Kind {
	case feed.Started:
		if !it.Resumed {
			o.rows = map[ID]bool{}
		}
	case feed.Row:
		o.rows[it.Call.ID] = true
		o.calls[it.Call.ID] = map[string]State{}
		for _, p := range it.Call.Parties {
			o.calls[it.Call.ID][partyKey(p.DN, p.Role)] = p.shown()
		}
		if q := it.Call.Queue; q != nil {
			o.calls[it.Call.ID][queueKey(q.RP, q.Group)] = 0
		}
	case feed.EndOfSnapshot:
		maps.DeleteFunc(o.calls, func(id ID, _ map[string]State) bool { return !o.rows[id] })
	case feed.Change:
		return o.event(it.Event)
	}
	return nil
}

func (o *observer) event(e *Event) error {
	o.heard[e.Call] = append(o.heard[e.Call], word(e))
	c := o.calls[e.Call]
	if c == nil {
		c = map[string]State{partyKey(e.Caller, Caller): StateDialing}
		o.calls[e.Call] = c
	}
	k := partyKey(e.ThisDN, e.Role)
	s, in := c[k]
	ok := true
	switch e.Kind {
	case Waits, Left, Chosen:
		at := len(c)
		maps.DeleteFunc(c, func(k string, _ State) bool { return strings.HasPrefix(k, "q") })
		if ok = (len(c) < at) != (e.Kind == Waits); e.Kind != Left {
			c[queueKey(e.ThisDN, e.OtherDN)] = 0
		}
	case Ringing:
		ok, c[k] = !in, StateRinging
	case Established:
		ok, c[k] = !in || s < StateEstablished, StateEstablished
	case Held:
		ok, c[k] = s == StateEstablished, holding
	case Retrieved:
		ok, c[k] = s == holding, StateEstablished
	case Released:
		ok = in
		delete(c, k)
	case Abandoned:
		ok = in && s == StateRinging
		delete(c, k)
	}
	if len(c) == 0 {
		delete(o.calls, e.Call)
	}
	if !ok {
		return fmt.Errorf("event %s of %s out of order: heard %q", word(e), e.Call, o.heard[e.Call])
	}
	return nil
}

func (w *world) step(crashes bool) {
	w.now = w.now.Add(time.Duration(1+w.r.IntN(300)) * time.Millisecond)
	i, j := w.r.IntN(len(w.nodes)), w.r.IntN(len(w.nodes))
	switch w.r.IntN(24) {
	case 0:
		if k := [2]int{i, j}; i != j {
			w.cut[k] = !w.cut[k]
			delete(w.links, k)
		}
	case 1:
		if crashes && w.r.IntN(4) == 0 {
			w.crash(i)
		}
	case 2:
		if crashes && i != j && w.r.IntN(3) == 0 { // a false alarm
			w.nodes[i].table.Died(w.nodes[j].id)
		}
	case 3:
		if crashes {
			w.nodes[i].table.Saw(w.nodes[j].id, w.nodes[j].inc)
		}
	case 4, 5, 6, 7, 8, 9, 10:
		w.act(w.nodes[i])
	case 11, 12, 13:
		w.read(w.nodes[i])
	default:
		w.deliver(i, j)
	}
}

// settle heals everything and delivers until nothing is left to say, also of what the
// peers are told some time later.
func (w *world) settle() {
	clear(w.cut)
	w.now = w.now.Add(carryAfter)
	for range 20 {
		for a := range w.nodes {
			for b := range w.nodes {
				w.deliver(a, b)
			}
			w.read(w.nodes[a])
		}
	}
}

// holding is, in a picture, a party that holds the call.
const holding = states

func (p *Party) shown() State {
	if p.HeldSince != 0 {
		return holding
	}
	return p.State
}

func picture(c *Call) string {
	var parts []string
	for _, p := range c.Parties {
		parts = append(parts, fmt.Sprint(partyKey(p.DN, p.Role), "=", p.shown()))
	}
	if q := c.Queue; q != nil {
		parts = append(parts, queueKey(q.RP, q.Group)+"=0")
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// waiting: only the caller is there, who dials; no event tells that.
func waiting(picture string) bool {
	return strings.HasSuffix(picture, "/0=0") && !strings.Contains(picture, " ")
}

// check wants every table and every client to see the union of the nodes' truth.
func (w *world) check() {
	truth := map[ID]string{}
	for _, s := range w.nodes {
		for _, id := range s.own {
			if e := s.table.calls[id]; e != nil && e.at >= 0 {
				truth[id] = picture(e.call)
			}
		}
	}
	for _, s := range w.nodes {
		got := map[ID]string{}
		for id, e := range s.table.calls {
			if e.at >= 0 {
				got[id] = picture(e.call)
			}
		}
		if !maps.Equal(got, truth) {
			w.t.Fatalf("seed %d: %s has %v, the nodes %v", w.seed, s.id, got, truth)
		}
		told := maps.Clone(truth)
		maps.DeleteFunc(told, func(_ ID, p string) bool { return waiting(p) })
		clear(got)
		for _, c := range s.table.Up() {
			if p := picture(c); !waiting(p) {
				got[c.ID] = p
			}
		}
		if !maps.Equal(got, told) {
			w.t.Fatalf("seed %d: clients of %s may see %v, the nodes have %v", w.seed, s.id, got, told)
		}
		clear(got)
		for id, c := range s.client.calls {
			call := &Call{}
			for k, st := range c {
				n, group, _ := strings.Cut(k, "/")
				if rp, waits := strings.CutPrefix(n, "q"); waits {
					call.Queue = &Queue{RP: dn.Number(rp), Group: group}
					continue
				}
				role := Called
				if strings.HasSuffix(k, "/0") {
					role = Caller
				}
				call.Parties = append(call.Parties, Party{DN: dn.Number(n), Role: role, State: st})
			}
			if p := picture(call); !waiting(p) {
				got[id] = p
			}
		}
		if !maps.Equal(got, told) {
			w.t.Fatalf("seed %d: the client of %s sees %v, the nodes have %v", w.seed, s.id, got, told)
		}
		w.checkCounts(s)
	}
}

func (w *world) checkCounts(s *simNode) {
	n := 0
	for id, e := range s.table.calls {
		if e.call.ID != id || e.at >= 0 && e.o.up[e.at] != e.call {
			w.t.Fatalf("seed %d: %s has lost its place for %s", w.seed, s.id, id)
		}
		if e.o == s.table.self {
			n++
		}
	}
	if c := s.table.Counts(); c.Own != n || n != len(s.own) || c.Refused > 0 {
		w.t.Fatalf("seed %d: %s counts %+v, has %d, was given %d", w.seed, s.id, c, n, len(s.own))
	}
}

// Cuts, crashes, restarts, false alarms, slow readers: in the end all see all
// calls, and nobody heard of one what could not be.
func TestTable_ConvergesToTheUnion(t *testing.T) {
	runs := uint64(3000)
	if testing.Short() {
		runs = 300
	}
	for seed := range runs {
		w := newWorld(t, seed, 2+int(seed%3), 4+int(seed%5)*8)
		for range 120 {
			w.step(true)
		}
		w.settle()
		w.check()
	}
}

// As long as nobody falls out of a log, cuts cost no event: every client hears
// each one once, in the order in which it was said.
func TestTable_EveryEventOnceAndInOrder(t *testing.T) {
	for seed := range uint64(500) {
		w := newWorld(t, seed, 3, 1<<12)
		for range 10 { // before anything happens all are told that nothing did
			w.settle()
		}
		for range 200 {
			w.step(false)
		}
		w.settle()
		w.check()
		for _, s := range w.nodes {
			for id, said := range s.said {
				for _, o := range w.nodes {
					if got := o.client.heard[id]; !slices.Equal(got, said) {
						t.Fatalf("seed %d: of %s at %s was said %q, at %s heard %q", seed, id, s.id, said, o.id, got)
					}
				}
			}
		}
	}
}
