package history

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// clock is a wall clock that the test sets: it shows ns and is ahead by a skew.
type clock struct{ ns, skew int64 }

func (c *clock) now() time.Time     { return time.Unix(0, c.ns+c.skew) }
func (c *clock) age() time.Duration { return time.Duration(c.ns - 1e18) }

// some makes events of all kinds, with all that they may hold.
func some(r *rand.Rand, s *Store, c *clock) Event {
	by := []dn.Node{"self", "b", "c"}[r.IntN(3)]
	number := dn.Number(fmt.Sprint(1000 + r.IntN(20)))
	switch r.IntN(5) {
	case 0:
		e := Event{Kind: Link, At: c.ns, By: "self", Peer: by, Heard: r.IntN(2) == 0, Why: "cut"}
		s.Link(e.Peer, e.Heard, e.Why)
		return e
	case 1:
		e := call.Event{Kind: call.Kind(r.IntN(4)), Call: call.ID(fmt.Sprint("call", r.IntN(9))), Node: by, ThisDN: number, OtherDN: "+15550100", Time: c.ns - int64(r.IntN(3)), Cause: r.IntN(600), Why: strings.Repeat("x", r.IntN(200))}
		if r.IntN(2) == 0 {
			e.Role, e.Info = call.Called, &call.Info{Type: call.Inbound, Caller: "trunk", ANI: "+1", DNIS: "2"}
		}
		at := c.ns
		if by == "self" {
			at = e.Time
		}
		s.CallEvent(&e)
		return Event{Kind: Call, At: at, By: by, DN: number, Call: e}
	}
	p := dn.Past{At: c.ns, By: by, What: dn.What(r.IntN(4)), State: dn.State(r.IntN(2)), Reason: dn.Reason(r.IntN(10)), Owner: []dn.Node{"", "b"}[r.IntN(2)], Since: r.Int64(), Busy: r.IntN(2) == 0, Reserved: r.IntN(2) == 0, DoNotDisturb: r.IntN(2) == 0, CoolingDown: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		p.Agent = &dn.Agent{ID: "7001", State: dn.Ready, Mode: 2, Since: r.Int64()}
		for i := range r.IntN(dn.MaxReasons + 1) {
			p.Agent.Reasons = append(p.Agent.Reasons, dn.KeyValue{Key: fmt.Sprint("k", i), Value: strings.Repeat("v", r.IntN(dn.MaxReasonValue))})
		}
	}
	s.DN(number, p)
	return Event{Kind: map[dn.What]Kind{dn.AgentChange: Agent, dn.UseChange: Use}[p.What], At: c.ns, By: by, DN: number, Change: p}
}

// heard is what a store tells, in full.
func heard(s *Store, q Query) (all []Event) {
	s.Read(&q, func(e *Event) bool { all = append(all, *e); return true })
	return all
}

// What is kept are the last events of each kind, as they were told, by time: compared with a
// model that keeps everything. Of each kind there are as many as asked for, and at most those
// of a block more; and what a store says of since when it has everything is so.
func TestStore_KeepsTheLastOfEachKind(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 16))
		c := &clock{ns: 1e18}
		s := New(Config{Self: "self", Events: 200, Now: c.now, Age: c.age})
		var model [Kinds][]Event
		for range 12_000 {
			c.ns += int64(1 + r.IntN(1000))
			e := some(r, s, c)
			model[e.Kind] = append(model[e.Kind], e)
		}
		if first := New(Config{Now: c.now, Age: c.age}).Held(); first[0].Oldest != 0 {
			t.Fatalf("of nothing the oldest is of %d", first[0].Oldest)
		}
		held := s.Held()
		for k := range Kinds {
			q := Query{}
			for other := range Kinds {
				q.Without[other] = other != k
			}
			got := heard(s, q)
			slices.SortStableFunc(model[k], func(a, b Event) int { return 0 })
			if len(got) != held[k].Events || len(got) < 200 || len(got) > len(model[k]) {
				t.Fatalf("seed %d: %d events of kind %v, held %d of %d", seed, len(got), k, held[k].Events, len(model[k]))
			}
			want := model[k][len(model[k])-len(got):]
			if held[k].Oldest != want[0].At {
				t.Fatalf("seed %d: the oldest of kind %v is of %d, not of %d", seed, k, held[k].Oldest, want[0].At)
			}
			for i := range got {
				want[i].Seq = uint64(len(model[k]) - len(got) + i)
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("seed %d: kind %v, event %d\n%+v, want\n%+v", seed, k, i, got[i], want[i])
				}
			}
			for _, e := range model[k][:len(model[k])-len(got)] {
				if e.At >= held[k].Since {
					t.Fatalf("seed %d: of kind %v all is there since %d, but an event of %d is gone", seed, k, held[k].Since, e.At)
				}
			}
		}
	}
}

// Events of all kinds come in the order of their times, within the times asked for, of the
// DN asked for, and without the kinds that are not wanted.
func TestStore_ReadsWhatIsAskedFor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := &clock{ns: 1e18}
	s := New(Config{Self: "self", Now: c.now, Age: c.age})
	var all []Event
	var told [Kinds]uint64
	for range 5000 {
		c.ns += int64(10 + r.IntN(1000))
		e := some(r, s, c)
		e.Seq = told[e.Kind]
		told[e.Kind]++
		all = append(all, e)
	}
	for range 200 {
		q := Query{From: 1e18 + r.Int64N(c.ns-1e18), DN: []dn.Number{"", "1007"}[r.IntN(2)]}
		if q.Until = q.From + r.Int64N(2e6); r.IntN(4) == 0 {
			q.Until = 0
		}
		q.Without[r.IntN(int(Kinds))] = true
		var told func(*Event) bool
		if r.IntN(2) == 0 {
			told = func(e *Event) bool { return e.By == "b" }
		}
		q.Told = told
		want := slices.DeleteFunc(slices.Clone(all), func(e Event) bool {
			return e.At < q.From || q.Until > 0 && e.At > q.Until || q.Without[e.Kind] || q.DN != "" && e.DN != q.DN || told != nil && e.By != "b"
		})
		if got := heard(s, q); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v: %d events, want %d", q, len(got), len(want))
		}
	}
}

// Who goes on from the position where he stopped, by as much as he likes each time, gets what
// is told meanwhile whole, each event once, in the order in which those of its kind were told,
// whatever was dropped before it and however the clock was set; and so does who reads the last
// ones first.
func TestStore_IsReadByPositions(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 17))
		c := &clock{ns: 1e18}
		s := New(Config{Self: "self", Events: 300, Now: c.now, Age: c.age})
		var next, head Position
		tell := func(n int) {
			for range n {
				c.ns += r.Int64N(2000) - 900
				head[some(r, s, c).Kind]++
			}
		}
		tell(r.IntN(3000))
		for next != head {
			most, n := 1+r.IntN(400), 0
			span := s.Read(&Query{Begin: next}, func(e *Event) bool {
				if n++; n > most {
					return false
				}
				if e.Seq != next[e.Kind] && next[e.Kind] >= s.firstOf(e.Kind) {
					t.Fatalf("seed %d: of kind %v came %d, want %d", seed, e.Kind, e.Seq, next[e.Kind])
				}
				next[e.Kind] = e.Seq + 1
				return true
			})
			for k := range next {
				next[k] = max(next[k], span.First[k])
			}
			if span.Next != next {
				t.Fatalf("seed %d: it goes on with %v, and %v was told", seed, span.Next, next)
			}
			if r.IntN(3) == 0 {
				tell(r.IntN(100))
			}
		}
		for end := head; ; {
			var last []Event
			span := s.Read(&Query{End: &end}, func(e *Event) bool { last = append(last, *e); return true })
			if span.Next != end {
				t.Fatalf("seed %d: until %v was read, and it goes on with %v", seed, end, span.Next)
			}
			if len(last) == 0 {
				break
			}
			for i := len(last) - 1; i >= max(0, len(last)-97); i-- {
				if k := last[i].Kind; last[i].Seq+1 != end[k] {
					t.Fatalf("seed %d: of kind %v came %d before %d", seed, k, last[i].Seq, end[k])
				}
				end[last[i].Kind]--
			}
		}
	}
}

// firstOf is the position of the oldest event of a kind.
func (s *Store) firstOf(k Kind) uint64 {
	return s.Read(&Query{}, func(*Event) bool { return false }).First[k]
}

// What a store says of since when it has everything is by the clock as it is set now: what a
// clock that was ahead said at the start, or when events were dropped, counts no more.
func TestStore_SinceFollowsTheClock(t *testing.T) {
	const hour = int64(time.Hour)
	for _, events := range []int{100_000, 500} { // nothing is dropped, most is
		c := &clock{ns: 1e18, skew: hour}
		s := New(Config{Self: "self", Events: events, Now: c.now, Age: c.age})
		var real []int64
		for i := range 5000 {
			c.ns += int64(time.Second)
			real = append(real, c.ns)
			s.Link("b", i%2 == 0, "cut")
		}
		held := s.Held()[Link]
		first := int64(1e18)
		if held.Events < len(real) {
			first = real[len(real)-held.Events-1] + 1
		}
		if held.Since != first+hour {
			t.Errorf("%d events: since %d, want %d", events, held.Since, first+hour)
		}
		c.skew = 0
		if got := s.Held()[Link].Since; got < first-int64(time.Second) || got > first+int64(time.Second) {
			t.Errorf("%d events: the clock was set back, and since is %d ns from what it was", events, got-first)
		}
		c.skew = 2 * hour // a machine that slept looks like that
		if got := s.Held()[Link].Since; got != held.Since {
			t.Errorf("%d events: the clock was set forward, and since went by %d ns", events, got-held.Since)
		}
	}
}

// Bytes bound what is kept too, and count what is kept.
func TestStore_IsBoundedInBytes(t *testing.T) {
	c := &clock{ns: 1e18}
	s := New(Config{Self: "self", Bytes: 5 * 64 << 10, Now: c.now, Age: c.age})
	for i := range 100_000 {
		c.ns++
		s.Link("b", i%2 == 0, "cut")
	}
	h := s.Held()[Link]
	if h.Bytes > 64<<10 || h.Events < 1000 || h.Events == 100_000 || h.Since <= 1e18 || len(heard(s, Query{})) != h.Events {
		t.Errorf("%+v", h)
	}
}

// The last changes of a DN are those of it alone, the newest last.
func TestStore_PastOfADN(t *testing.T) {
	s := New(Config{Self: "self"})
	for i := range 1000 {
		s.DN(dn.Number(fmt.Sprint(1001+i%2)), dn.Past{At: int64(i), By: "self", What: dn.What(i / 2 % 4)})
	}
	s.CallEvent(&call.Event{Kind: call.Ringing, Node: "self", ThisDN: "1001", Time: 2000})
	got := s.Past("1001", 3)
	if len(got) != 3 || got[0].At != 994 || got[2].At != 998 || len(s.Past("1001", 5000)) != 500 || len(s.Past("4711", 5)) != 0 {
		t.Errorf("%+v", got)
	}
}

// What clients attach to calls is not kept, and neither is what tells of nothing else.
func TestStore_KeepsNoDataOfCalls(t *testing.T) {
	s := New(Config{Self: "self"})
	secret := map[string]string{"pin": "1234"}
	for _, k := range []call.Kind{call.UserEvent, call.DataChanged, call.Local, call.Ringing} {
		s.CallEvent(&call.Event{Kind: k, Node: "self", ThisDN: "1001", Data: secret, Info: &call.Info{UserData: secret}})
	}
	if got := heard(s, Query{}); len(got) != 1 || got[0].Call.Data != nil || got[0].Call.UserData != nil {
		t.Errorf("%+v", got)
	}
}

// Who reads gets whole events, in order, while others tell new ones.
func TestStore_IsReadWhileItIsTold(t *testing.T) {
	const writers, each = 4, 2000
	s := New(Config{Self: "self"})
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				s.Link(dn.Node(fmt.Sprint("n", w)), true, fmt.Sprint(i))
			}
		})
	}
	for range 50 {
		next := map[dn.Node]int{}
		s.Read(&Query{}, func(e *Event) bool {
			if e.Why != fmt.Sprint(next[e.Peer]) {
				t.Errorf("of %s came %s, want %d", e.Peer, e.Why, next[e.Peer])
			}
			next[e.Peer]++
			return true
		})
	}
	all.Wait()
	if got := s.Held()[Link].Events; got != writers*each {
		t.Errorf("%d events, want %d", got, writers*each)
	}
}

func BenchmarkStore_DN(b *testing.B) {
	s := New(Config{Self: "self"})
	p := dn.Past{By: "self", Owner: "self", State: dn.InSrv, Reason: dn.Registered, Since: 1e18}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.At = int64(i)
		s.DN("1001", p)
	}
}

func BenchmarkStore_CallEvent(b *testing.B) {
	s := New(Config{Self: "self"})
	e := &call.Event{Kind: call.Ringing, Call: "0123456789abcdef", Node: "self", ThisDN: "1001", OtherDN: "+15550100", Info: &call.Info{Caller: "trunk", ANI: "+15550100", DNIS: "4000"}}
	b.ReportAllocs()
	for b.Loop() {
		s.CallEvent(e)
	}
}

// The last changes of a DN among all that is kept: what dn why asks for.
func BenchmarkStore_Past(b *testing.B) {
	s := New(Config{Self: "self"})
	for i := range 3 * DefaultEvents {
		s.DN(dn.Number(fmt.Sprint(10_000+i%20_000)), dn.Past{By: "self", What: dn.What(i % 3)})
	}
	for b.Loop() {
		s.Past("10007", 50)
	}
}
