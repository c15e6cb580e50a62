package dn

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sipcluster/sipcluster/node/feed"
)

func numbered(i int) Number { return Number(fmt.Sprintf("%05d", i)) }

// drain reads what the stream has to say now.
func drain(t *testing.T, s *Stream) []Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var all []Item
	for {
		items, err := s.Next(ctx, nil)
		if err != nil {
			return all
		}
		all = append(all, items...)
	}
}

// picture folds a stream into the table that it describes.
type picture map[Number]Status

func (p picture) fold(t rapid.TB, items []Item) {
	t.Helper()
	fresh := picture(nil)
	last := uint64(0)
	for _, it := range items {
		switch it.Kind {
		case feed.Started:
			if !it.Resumed {
				fresh = picture{}
			}
			continue
		case feed.Row:
			fresh[it.Status.Number] = it.Status
		case feed.EndOfSnapshot:
			clear(p)
			for n, s := range fresh {
				p[n] = s
			}
			fresh = nil
		case feed.Change:
			if it.Seq <= last {
				t.Fatalf("position %d after %d", it.Seq, last)
			}
			p[it.Status.Number] = it.Status
		}
		last = max(last, it.Seq)
	}
}

func (p picture) check(t rapid.TB, tab *Table) {
	t.Helper()
	tab.Range("", func(s Status) bool {
		got, ok := p[s.Number]
		got.Version, s.Version = Version{}, Version{} // a refresh is silent
		if got.State != s.State || s.State == InSrv && got != s || !ok && s.State == InSrv {
			t.Fatalf("the stream says %+v, the table %+v", got, s)
		}
		return true
	})
	for n, s := range p {
		if got, _ := tab.Get(n); got.State != s.State {
			t.Fatalf("the stream says %+v, the table %+v", s, got)
		}
	}
}

func TestWatch_FoldsToTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1, History: 64})
		r := rand.New(rand.NewPCG(1, 2))
		claims := map[Number]int64{}
		s := tab.Watch(feed.Position{})
		p := picture{}
		for range 300 {
			for range r.IntN(100) { // often more than the history
				n := numbered(r.IntN(50))
				switch r.IntN(3) {
				case 0:
					tab.End(n, claims[n], Expired)
				case 1:
					tab.Remove(n, Deleted)
				default:
					claims[n] = tab.Register(n, Registered).ClaimTime
				}
			}
			p.fold(t, drain(t, s))
			p.check(t, tab)
		}
	})
}

func TestWatch_ResumesWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 7, History: 64})
		tab.Register("1", Registered)
		s := tab.Watch(feed.Position{})
		drain(t, s)
		at := feed.Position{Incarnation: 7, Seq: s.Seq()}
		tab.Register("2", Registered)
		tab.Register("3", Registered)
		items := drain(t, tab.Watch(at))
		if len(items) != 3 || !items[0].Resumed || items[1].Status.Number != "2" || items[2].Status.Number != "3" {
			t.Errorf("resumed with %+v", items)
		}
		for name, from := range map[string]feed.Position{
			"another incarnation": {Incarnation: 6, Seq: at.Seq}, "the future": {Incarnation: 7, Seq: 1000}, "nothing": {Incarnation: 7},
		} {
			if items := drain(t, tab.Watch(from)); items[0].Resumed || items[len(items)-1].Kind != feed.EndOfSnapshot || len(items) != 5 {
				t.Errorf("resuming from %s: %+v", name, items)
			}
		}
	})
}

// A snapshot of some DNs has their rows and no others, however many chunks they are, and
// the changes of all DNs.
func TestWatch_ASnapshotOfSomeDNs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 4 * chunkSize
		tab := New(Config{Self: "a", Incarnation: 7})
		for i := range all {
			tab.Register(numbered(i), Registered)
		}
		every := func(from, to, step int) (list []Number) {
			for i := from; i < to; i += step {
				list = append(list, numbered(i))
			}
			slices.Sort(list)
			return list
		}
		among := func(list []Number) func(*Stream) {
			return func(s *Stream) {
				s.Among(func(after Number) iter.Seq[Number] {
					i, found := slices.BinarySearch(list, after)
					if found {
						i++
					}
					return slices.Values(list[i:])
				})
			}
		}
		sorted := every(0, all, 1)
		for name, c := range map[string]struct {
			narrow func(*Stream)
			want   []Number
		}{
			"none": {among(nil), nil}, "one": {among(sorted[7:8]), sorted[7:8]}, "half": {among(every(0, all, 2)), every(0, all, 2)}, "all": {among(sorted), sorted},
			"unknown ones": {among([]Number{"x", "y"}), nil},
			"a chunk":      {among(sorted[:chunkSize]), sorted[:chunkSize]},
			"between":      {func(s *Stream) { s.Between(sorted[5], func(n Number) bool { return n > sorted[20] }) }, sorted[6 : 6+chunkSize]},
		} {
			s := tab.Watch(feed.Position{})
			c.narrow(s)
			var rows []Number
			items := drain(t, s)
			for _, it := range items {
				if it.Kind == feed.Row {
					rows = append(rows, it.Status.Number)
				}
			}
			if !slices.Equal(rows, c.want) || items[len(items)-1].Kind != feed.EndOfSnapshot {
				t.Errorf("%s: %d rows, want %d", name, len(rows), len(c.want))
			}
			tab.End(sorted[3], tab.Register(sorted[3], Registered).ClaimTime, Expired)
			if items := drain(t, s); len(items) != 1 || items[0].Status.Number != sorted[3] {
				t.Errorf("%s: then %+v", name, items)
			}
		}
	})
}

func TestWatch_RefreshIsSilentForClientsButReachesPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		first := tab.Register("1", Registered)
		clients, peers := tab.Watch(feed.Position{}), tab.Follow(feed.Position{})
		drain(t, clients)
		drain(t, peers)
		second := tab.Register("1", Registered)
		if second.ClaimTime <= first.ClaimTime || second.Since != first.Since {
			t.Errorf("refresh %+v after %+v", second, first)
		}
		if items := drain(t, clients); len(items) != 0 {
			t.Errorf("clients heard %+v", items)
		}
		if items := drain(t, peers); len(items) != 1 || items[0].Record != second {
			t.Errorf("peers heard %+v", items)
		}
	})
}

func TestFollow_AVisibleChangeDoesNotWaitForRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		tab.Register("1", Registered)
		s := tab.Follow(feed.Position{})
		drain(t, s)
		began := time.Now()
		tab.Register("1", Registered)
		tab.Register("2", Registered)
		items, err := s.Next(t.Context(), nil)
		if err != nil || len(items) != 2 || time.Since(began) != 0 {
			t.Errorf("after %v: %+v %v", time.Since(began), items, err)
		}
		tab.Register("1", Registered)
		if items, _ = s.Next(t.Context(), nil); len(items) != 1 || time.Since(began) != 100*time.Millisecond {
			t.Errorf("the refresh came after %v: %+v", time.Since(began), items)
		}
	})
}

func TestFollow_AVisibleChangeEndsTheWaitOfARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		tab.Register("1", Registered)
		s := tab.Follow(feed.Position{})
		drain(t, s)
		began := time.Now()
		tab.Register("1", Registered)
		time.AfterFunc(LazyDelay/4, func() { tab.Register("2", Registered) })
		items, err := s.Next(t.Context(), nil)
		if err != nil || len(items) != 2 || time.Since(began) != LazyDelay/4 {
			t.Errorf("after %v: %+v %v", time.Since(began), items, err)
		}
	})
}

// copyOf feeds a peer's records to a table and has it heard.
func copyOf(t *testing.T, tab *Table, peer Node, incarnation uint64, records ...Record) *Copy {
	t.Helper()
	c, err := tab.Sync(peer, incarnation, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(records, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Synced(1); err != nil {
		t.Fatal(err)
	}
	if !tab.SetHeard(peer, true) {
		t.Fatal("a whole copy is not heard")
	}
	return c
}

func TestTable_PeerDownTakesItsDNsOutOfServiceAndOnlyThose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		tab.Register("own", Registered)
		copyOf(t, tab, "b", 1, Record{Number: "theirs", ClaimTime: 5, State: InSrv, Reason: Registered}, Record{Number: "gone", ClaimTime: 6})
		s := tab.Watch(feed.Position{})
		drain(t, s)
		for range 3 {
			tab.SetHeard("b", false)
			items := drain(t, s)
			if len(items) != 1 || items[0].Status.Number != "theirs" || items[0].Status.Reason != PeerLost || items[0].Status.Owner != "b" {
				t.Fatalf("the loss told %+v", items)
			}
			if c := tab.Counts(); c.InSrv != 1 || c.Owned != 1 {
				t.Fatalf("counts %+v", c)
			}
			tab.SetHeard("b", true)
			now := time.Now().UnixNano()
			if items := drain(t, s); len(items) != 1 || items[0].Status.State != InSrv || items[0].Status.Reason != Registered || items[0].Status.Since != now {
				t.Fatalf("the return told %+v", items)
			}
		}
	})
}

func TestTable_NotHeardBeforeTheSnapshotEnded(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	c, _ := tab.Sync("b", 1, false)
	_, _ = c.Apply([]Record{{Number: "1", ClaimTime: 5, State: InSrv}}, 0)
	if tab.SetHeard("b", true) || tab.Counts().InSrv != 0 {
		t.Error("heard in the middle of its snapshot")
	}
}

func TestTable_SnapshotReplacesWhatItDoesNotMention(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv}, Record{Number: "2", ClaimTime: 5, State: InSrv})
	copyOf(t, tab, "b", 2, Record{Number: "2", ClaimTime: 4, State: InSrv})
	if _, known := tab.Get("1"); known {
		t.Error("1 is still known")
	}
	if s, _ := tab.Get("2"); s.State != InSrv {
		t.Errorf("2 is %+v", s)
	}
}

// A sync that broke off mentioned some; the next one has to mention them again.
func TestTable_SnapshotAfterABrokenOneReplacesToo(t *testing.T) {
	for broken := range 3 {
		tab := New(Config{Self: "a", Incarnation: 1})
		copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv}, Record{Number: "2", ClaimTime: 5, State: InSrv}, Record{Number: "3", ClaimTime: 5, State: InSrv})
		for range broken {
			c, _ := tab.Sync("b", 2, false)
			_, _ = c.Apply([]Record{{Number: "2", ClaimTime: 5, State: InSrv}}, 0)
		}
		copyOf(t, tab, "b", 2, Record{Number: "3", ClaimTime: 5, State: InSrv})
		if c := tab.Counts(); c.Known != 1 || c.InSrv != 1 {
			t.Errorf("after %d broken syncs: %+v", broken, c)
		}
	}
}

func TestCopy_OlderFeedsAndIncarnationsAreFenced(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	old := copyOf(t, tab, "b", 2)
	copyOf(t, tab, "b", 2)
	if _, err := old.Apply([]Record{{Number: "1", ClaimTime: 5, State: InSrv}}, 9); !errors.Is(err, feed.ErrFenced) {
		t.Errorf("an older link wrote: %v", err)
	}
	if _, err := tab.Sync("b", 1, false); err == nil {
		t.Error("an older incarnation was taken")
	}
	tab.Saw("b", 3)
	if tab.Heard("b") {
		t.Error("heard although a newer incarnation was seen")
	}
	if _, err := tab.Sync("a", 9, false); err == nil {
		t.Error("a peer may write this node's table")
	}
}

func TestTable_MoveShowsNoOOS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "c", Incarnation: 1})
		b := copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv})
		a := copyOf(t, tab, "a", 1)
		s := tab.Watch(feed.Position{})
		drain(t, s)
		// A's greater claim, then B takes its record back.
		_, _ = a.Apply([]Record{{Number: "1", ClaimTime: 9, State: InSrv}}, 2)
		_, _ = b.Apply([]Record{{Number: "1", Gone: true}}, 2)
		items := drain(t, s)
		if len(items) != 1 || items[0].Status.Owner != "a" || items[0].Status.Reason != OwnerMoved || items[0].Status.State != InSrv {
			t.Errorf("the move told %+v", items)
		}
	})
}

// During a cut the phone moved to A. Its claim comes here with A's sync,
// before A can be heard.
func TestTable_MoveDuringACutShowsOneChange(t *testing.T) {
	for name, from := range map[string]func(*testing.T, *Table){
		"from here": func(_ *testing.T, tab *Table) { tab.Register("1", Registered) },
		"from a third one": func(t *testing.T, tab *Table) {
			copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: 5, State: InSrv})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tab := New(Config{Self: "c", Incarnation: 1})
				from(t, tab)
				s := tab.Watch(feed.Position{})
				drain(t, s)
				a, err := tab.Sync("a", 1, false)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = a.Apply([]Record{{Number: "1", ClaimTime: time.Now().UnixNano(), State: InSrv}}, 0)
				_ = a.Synced(1)
				if items := drain(t, s); len(items) != 0 {
					t.Fatalf("before A is heard: %+v", items)
				}
				tab.SetHeard("a", true)
				if items := drain(t, s); len(items) != 1 || items[0].Status.Owner != "a" || items[0].Status.Reason != OwnerMoved {
					t.Errorf("the move told %+v", items)
				}
			})
		})
	}
}

func TestTable_BrokenSyncIsNoMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "c", Incarnation: 1})
		tab.Register("1", Registered)
		s := tab.Watch(feed.Position{})
		drain(t, s)
		a, _ := tab.Sync("a", 1, false)
		_, _ = a.Apply([]Record{{Number: "1", ClaimTime: time.Now().Add(time.Second).UnixNano(), State: InSrv}}, 0)
		a.Close()
		items := drain(t, s)
		if len(items) != 1 || items[0].Status.State != OOS || items[0].Status.Owner != "a" || items[0].Status.Reason != PeerLost {
			t.Errorf("the phone went to a node that can't be heard, and the stream told %+v", items)
		}
	})
}

func TestTable_GreaterClaimDropsTheOwnRegistrationSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		mine := tab.Register("1", Registered)
		peers := tab.Follow(feed.Position{})
		drain(t, peers)
		began := time.Now()
		copyOf(t, tab, "b", 1, Record{Number: "1", ClaimTime: mine.ClaimTime + 1, State: InSrv})
		got, err := tab.Superseded().Next(t.Context())
		if err != nil || len(got) != 1 || got[0] != (Superseding{Number: "1", ClaimTime: mine.ClaimTime + 1}) {
			t.Fatalf("superseded %+v %v", got, err)
		}
		if _, ok := tab.End("1", mine.ClaimTime, Expired); ok {
			t.Error("the old registration's expiry still counts")
		}
		items, err := peers.Next(t.Context(), nil)
		if err != nil || len(items) != 1 || !items[0].Record.Gone || time.Since(began) != 250*time.Millisecond {
			t.Errorf("peers heard %+v after %v (%v)", items, time.Since(began), err)
		}
		if s, _ := tab.Get("1"); s.Owner != "b" || s.State != InSrv {
			t.Errorf("%+v", s)
		}
	})
}

func TestTable_FloorIsNotReused(t *testing.T) {
	floor := time.Now().Add(time.Hour).UnixNano()
	tab := New(Config{Self: "a", Incarnation: 1, Floor: floor})
	if r := tab.Register("1", Registered); r.ClaimTime <= floor {
		t.Errorf("claim %d at or below the floor %d", r.ClaimTime, floor)
	}
}

func BenchmarkRegisterRefresh(b *testing.B) {
	tab := New(Config{Self: "a", Incarnation: 1})
	for i := range 100_000 {
		tab.Register(numbered(i), Registered)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tab.Register(Number("00042"), Registered)
	}
}

// TestWatch_ADNThatIsHeldIsLostWithWhoHadIt: it moved, its new owner's sync is under way, and
// who had it has taken its own word back. When that node is lost, clients hear that the DN is
// out of service; they do not wait for the sync, which may never end.
func TestWatch_ADNThatIsHeldIsLostWithWhoHadIt(t *testing.T) {
	for name, lose := range map[string]func(*Table){
		"is lost": func(tab *Table) { tab.SetHeard("a", false) }, "is removed": func(tab *Table) { tab.Forget("a") },
		"began anew": func(tab *Table) { tab.Saw("a", 2) },
	} {
		t.Run(name, func(t *testing.T) { heldAndLost(t, lose) })
	}
}

func heldAndLost(t *testing.T, lose func(*Table)) {
	t.Helper()
	tab := New(Config{Self: "x", Incarnation: 1})
	row := func(c *Copy, r Record, seq uint64) {
		t.Helper()
		if _, err := c.Apply([]Record{r}, seq); err != nil {
			t.Fatal(err)
		}
	}
	sync := func(peer Node) *Copy {
		c, err := tab.Sync(peer, 1, false)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := sync("a"), sync("b")
	row(a, Record{Number: "1", ClaimTime: 5, State: InSrv, Reason: Registered}, 0)
	if err := a.Synced(1); err != nil {
		t.Fatal(err)
	}
	tab.SetHeard("a", true)
	clients := tab.Watch(feed.Position{})
	unread(clients)
	row(b, Record{Number: "1", ClaimTime: 9, State: InSrv, Reason: Registered}, 0)
	row(a, Record{Number: "1", Gone: true}, 2)
	if got := unread(clients); len(got) > 0 {
		t.Errorf("told before its new owner is heard: %+v", got)
	}
	lose(tab)
	got := unread(clients)
	if len(got) != 1 || got[0].Status.State != OOS || got[0].Status.Owner != "b" {
		t.Errorf("told %+v, want one change: out of service at b", got)
	}
}
