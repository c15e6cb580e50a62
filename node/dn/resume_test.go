package dn

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/sipcluster/sipcluster/node/feed"
)

// A resume at every distance around the journal's length: it goes on without a
// gap as long as everything behind it is there, and begins anew one further.
func TestResume_AtTheEdgesOfTheJournal(t *testing.T) {
	const size, incarnation = 8, 7
	for _, wrapped := range []int{0, 1, size - 1, size, size + 1, 3*size + 2} { // changes before
		for _, known := range []int{3, size + 5} {
			for behind := range known + size + 4 {
				for _, kind := range []string{"visible", "own"} {
					t.Run(fmt.Sprintf("%s, %d DNs, %d before, %d behind", kind, known, wrapped, behind), func(t *testing.T) {
						tab := New(Config{Self: "a", Incarnation: incarnation, History: size})
						change := changing(tab, known)
						for range wrapped {
							change()
						}
						open := map[string]func(feed.Position) *Stream{"visible": tab.Watch, "own": tab.Follow}[kind]
						at := feed.Position{Incarnation: incarnation, Seq: open(feed.Position{}).Head()}
						var want []Number
						for range behind {
							n := change()
							want = append(slices.DeleteFunc(want, func(m Number) bool { return m == n }), n)
						}
						items := unread(open(at))
						if resumed := behind <= max(size, known); items[0].Resumed != resumed {
							t.Fatalf("resumed: %v, want %v", items[0].Resumed, resumed)
						} else if !resumed {
							checkSnapshot(t, items, known)
							return
						}
						checkChanges(t, items[1:], at.Seq+uint64(behind-len(want)), want)
					})
				}
			}
		}
	}
}

// changing registers so many DNs, and returns what changes the next of them each time: its
// phone answers no more, or again.
func changing(tab *Table, known int) func() Number {
	claims := make([]int64, known)
	for i := range claims {
		claims[i] = tab.Register(numbered(i), Registered).ClaimTime
	}
	next := 0
	return func() Number {
		i, answers := next%known, next/known%2 == 1
		next++
		tab.Answers(numbered(i), claims[i], answers)
		return numbered(i)
	}
}

func numberOf(it Item) Number { return max(it.Status.Number, it.Record.Number) }

// checkChanges wants these changes in this order, and each position once.
func checkChanges(t *testing.T, items []Item, seq uint64, want []Number) {
	t.Helper()
	var got []Number
	for _, it := range items {
		if it.Kind == feed.EndOfSnapshot {
			continue
		}
		if seq++; it.Kind != feed.Change || it.Seq != seq {
			t.Errorf("item %+v, want the change at %d", it, seq)
		}
		got = append(got, numberOf(it))
	}
	if !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// checkSnapshot wants a snapshot of so many rows with an end.
func checkSnapshot(t *testing.T, items []Item, rows int) {
	t.Helper()
	seen := map[Number]bool{}
	for _, it := range items {
		if it.Kind == feed.Row {
			seen[numberOf(it)] = true
		}
	}
	if len(seen) != rows || items[len(items)-1].Kind != feed.EndOfSnapshot {
		t.Errorf("%d rows, want %d, and the last item %+v", len(seen), rows, items[len(items)-1])
	}
}

// Who falls behind after a snapshot gets another one, as whole as the first.
func TestResume_WhoFallsBehindBeginsAnew(t *testing.T) {
	const size = 8
	for _, kind := range []string{"visible", "own"} {
		tab := New(Config{Self: "a", Incarnation: 1, History: size})
		s := map[string]func(feed.Position) *Stream{"visible": tab.Watch, "own": tab.Follow}[kind](feed.Position{})
		for i := range 3 {
			for n := range size + 1 {
				r := tab.Register(Number(fmt.Sprint(9-i, n)), Registered) // in front of those that were read last
				for answers := range 2 * (i + 1) {
					tab.Answers(r.Number, r.ClaimTime, answers%2 == 1)
				}
			}
			items := unread(s)
			if items[0].Kind != feed.Started || items[0].Resumed {
				t.Fatalf("%s: it begins with %+v", kind, items[0])
			}
			checkSnapshot(t, items, (i+1)*(size+1))
		}
	}
}

// A word on all DNs, however many there are, is told as changes to who reads then: a
// snapshot would tell of all others, too.
func TestResume_AWordOnAllDNs(t *testing.T) {
	const size = 8
	tab := New(Config{Self: "a", Incarnation: 1, History: size})
	c, err := tab.Sync("b", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	batch := make([]Record, 3*journalBlock)
	for i := range batch {
		batch[i] = Record{Number: numbered(i), ClaimTime: int64(i + 1), State: InSrv, Reason: Registered}
	}
	if _, err = c.Apply(batch, 0); err == nil {
		err = c.Synced(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := tab.Watch(feed.Position{})
	checkSnapshot(t, unread(s), len(batch))
	for _, heard := range []bool{true, false, true} {
		tab.SetHeard("b", heard)
		items := unread(s)
		if len(items) != len(batch) || items[0].Kind != feed.Change {
			t.Fatalf("heard: %v: %d items, which begin with %+v, want a change of each of %d DNs", heard, len(items), items[0], len(batch))
		}
	}
	if kept := len(tab.journals[visible].blocks); kept > len(batch)/size+2 {
		t.Errorf("%d blocks of changes are kept of %d DNs", kept, len(batch))
	}
}

// Whatever is done, and wherever a reader resumes: it knows the table
// afterwards, or was told that it gets a snapshot.
func TestResume_FoldsToTheTableFromAnywhere(t *testing.T) {
	const size = 16
	rapid.Check(t, func(t *rapid.T) {
		tab := New(Config{Self: "a", Incarnation: 1, History: size})
		claims := map[Number]int64{}
		live := tab.Watch(feed.Position{})
		known := map[uint64]picture{} // what a reader knew at each position
		p := picture{}
		for range rapid.IntRange(1, 4*size).Draw(t, "changes") {
			n := numbered(rapid.IntRange(0, 9).Draw(t, "number"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				tab.End(n, claims[n], Expired)
			case 1:
				tab.Remove(n, Deleted)
			default:
				claims[n] = tab.Register(n, Registered).ClaimTime
			}
			p.fold(t, unread(live))
			known[live.Seq()] = p.clone()
		}
		for seq, was := range known {
			s := tab.Watch(feed.Position{Incarnation: 1, Seq: seq})
			items := unread(s)
			if resumed := tab.Head()-seq <= max(size, uint64(tab.order.tree.Len())); items[0].Resumed != (resumed && seq > 0) {
				t.Fatalf("from %d of %d: resumed: %v", seq, tab.Head(), items[0].Resumed)
			}
			was.fold(t, items)
			was.check(t, tab)
		}
	})
}

// unread reads what a stream has to say without waiting.
func unread(s *Stream) []Item {
	var all []Item
	for {
		items, wait := s.take(nil)
		if len(items) == 0 && wait != 0 {
			return all
		}
		all = append(all, items...)
	}
}

func (p picture) clone() picture {
	c := picture{}
	for n, s := range p {
		c[n] = s
	}
	return c
}

// TestStream_AnOwnerIsNotToldOfBehindAnEnd: a reader that is late hears of what an entry is
// now, and not of an owner whom it got before it went out of service, however often it did.
func TestStream_AnOwnerIsNotToldOfBehindAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := New(Config{Self: "a", Incarnation: 1})
		r := tab.Register("1", Registered)
		late := tab.Watch(feed.Position{})
		drain(t, late)
		tab.mu.Lock()
		tab.say(tab.entries["1"], placeOwner)
		tab.mu.Unlock()
		for range 2 {
			tab.End("1", r.ClaimTime, Expired)
			r = tab.Register("1", Registered)
		}
		for _, it := range drain(t, late) {
			if it.What == What(placeOwner) {
				t.Errorf("told of %+v", it)
			}
		}
	})
}
