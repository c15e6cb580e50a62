package call

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// A resume at every distance around the log's length: it goes on without a gap
// as long as everything behind it is there, and begins anew one further.
func TestResume_AtTheEdgesOfTheLog(t *testing.T) {
	for _, size := range []int{8, 40} { // 40: the ring has grown twice
		for _, before := range []int{1, size - 1, size, size + 1, 3*size + 2} {
			for behind := range size + 4 {
				for _, own := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d of %d, %d before, own %v", behind, size, before, own), func(t *testing.T) {
						tab := New(Config{Self: "a", Incarnation: 7, History: size})
						happen(t, tab, 0, before)
						open := tab.Watch
						if own {
							open = tab.Follow
						}
						at := feed.Position{Incarnation: 7, Seq: open(feed.Position{}).Head()}
						happen(t, tab, before, behind)
						items := ready(open(at))
						if resumed := behind <= size; items[0].Resumed != resumed {
							t.Fatalf("resumed: %v, want %v", items[0].Resumed, resumed)
						} else if !resumed {
							checkRows(t, items[1:], before+behind)
							return
						}
						checkEvents(t, items[1:], at.Seq, before, behind)
					})
				}
			}
		}
	}
}

// happen has calls ring at one DN each: an event for each.
func happen(t *testing.T, tab *Table, from, n int) {
	t.Helper()
	for i := range n {
		if !tab.Ringing(begin(t, tab, "trunk1"), party(from+i), "") {
			t.Fatal("it does not ring")
		}
	}
}

// some is what one look at the stream finds.
func some(s *Stream) []Item {
	items, _ := s.take(nil)
	return items
}

// ready is what the stream has to say now.
func ready(s *Stream) (all []Item) {
	for {
		items := some(s)
		if len(items) == 0 {
			return all
		}
		all = append(all, items...)
	}
}

func checkRows(t *testing.T, items []Item, calls int) {
	t.Helper()
	for i, it := range items {
		if last := i == len(items)-1; last != (it.Kind == feed.EndOfSnapshot) || !last && it.Kind != feed.Row {
			t.Errorf("item %d: %+v", i, it)
		}
	}
	if len(items) != calls+1 {
		t.Errorf("%d items, want %d calls and their end", len(items), calls)
	}
}

func checkEvents(t *testing.T, items []Item, seq uint64, from, n int) {
	t.Helper()
	for i, it := range items {
		if it.Kind != feed.Change || it.Seq != seq+uint64(i)+1 || it.Event.ThisDN != party(from+i) {
			t.Errorf("item %d: %+v, want the event at %d of %s", i, it, seq+uint64(i)+1, party(from+i))
		}
	}
	if len(items) != n {
		t.Errorf("%d events, want %d", len(items), n)
	}
}

func TestResume_OfAnotherIncarnationOrPlaceBeginsAnew(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 7, History: 8})
	happen(t, tab, 0, 3)
	head := tab.Head()
	for name, from := range map[string]feed.Position{
		"an earlier incarnation": {Incarnation: 6, Seq: head}, "a later one": {Incarnation: 8, Seq: head},
		"one behind the head": {Incarnation: 7, Seq: head + 1}, "nothing": {Incarnation: 7}, "none": {},
	} {
		items := ready(tab.Watch(from))
		if items[0].Resumed || items[0].Seq != head {
			t.Errorf("%s: %+v", name, items[0])
		}
		checkRows(t, items[1:], 3)
	}
	if items := ready(tab.Watch(feed.Position{Incarnation: 7, Seq: head})); len(items) != 1 || !items[0].Resumed {
		t.Errorf("at the head: %+v", items)
	}
}

// A reader that lags by exactly the log's length misses nothing; one more, and
// it gets the calls that are up.
func TestStream_AtTheEdgesOfTheLog(t *testing.T) {
	const size = 8
	for behind := range size + 3 {
		tab := New(Config{Self: "a", Incarnation: 7, History: size})
		s := tab.Watch(feed.Position{})
		ready(s)
		from := s.Seq()
		happen(t, tab, 0, behind)
		items := ready(s)
		if behind <= size {
			checkEvents(t, items, from, 0, behind)
			continue
		}
		if items[0].Kind != feed.Started || items[0].Resumed {
			t.Errorf("%d behind: %+v", behind, items[0])
		}
		checkRows(t, items[1:], behind)
	}
}

func party(i int) dn.Number { return dn.Number(fmt.Sprint(1000 + i)) }

// Who begins to listen between a change of the user data and the next event is told of them.
func TestTable_UserDataOfASnapshotAreTheNewest(t *testing.T) {
	tab := newTable("a")
	id := begin(t, tab, "1")
	tab.Ringing(id, "2", "")
	if found, err := tab.Attach(id, map[string]string{"k": "v"}); !found || err != nil {
		t.Fatal(found, err)
	}
	for who, s := range map[string]*Stream{"a client": tab.Watch(feed.Position{}), "a peer": tab.Follow(feed.Position{})} {
		var rows []string
		for _, it := range ready(s) {
			if it.Kind == feed.Row {
				rows = append(rows, it.Call.UserData["k"])
			}
		}
		if !slices.Equal(rows, []string{"v"}) {
			t.Errorf("%s hears of calls with %q", who, rows)
		}
	}
}
