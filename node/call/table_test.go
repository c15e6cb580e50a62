package call

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

func newTable(self dn.Node) *Table { return New(Config{Self: self, Incarnation: 1}) }

// told is what a new reader of the stream is told, in lines.
func told(s *Stream) (out []string) {
	for {
		items := some(s)
		for _, it := range items {
			switch it.Kind {
			case feed.Row:
				out = append(out, "row "+picture(it.Call))
			case feed.Change:
				out = append(out, fmt.Sprint([]string{"ringing", "established", "released", "abandoned", "dialing", "carry", "dropped", "over", "data", "local", "held", "retrieved"}[it.Event.Kind], " ", it.Event.ThisDN, " ", it.Event.OtherDN, " ", it.Event.Cause))
			}
		}
		if len(items) == 0 {
			return out
		}
	}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told\n%q\nwant\n%q", got, want)
	}
}

func begin(t *testing.T, tab *Table, caller dn.Number) ID {
	t.Helper()
	id, err := tab.Begin(Info{Caller: caller, Type: Inbound, ANI: "+4930", DNIS: "9000"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTable_TellsACallFromItsFirstRinging(t *testing.T) {
	tab := newTable("a")
	w := tab.Watch(feed.Position{})
	id := begin(t, tab, "trunk1")
	expect(t, told(w))
	tab.Ringing(id, "1001", "")
	tab.Released(id, "1001", 486)
	tab.Ringing(id, "1002", "")
	tab.Established(id, "1002")
	tab.End(id, 0, false)
	expect(t, told(w), "ringing 1001 +4930 0", "released 1001 +4930 486", "ringing 1002 +4930 0", "established 1002 +4930 0",
		"established trunk1 1002 0", "released trunk1 1002 0", "released 1002 +4930 0")
	if c := tab.Counts(); c.Own != 0 || c.Up != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTable_WhoHoldsACall: each party by itself, while it talks; who comes later sees it.
func TestTable_WhoHoldsACall(t *testing.T) {
	tab := newTable("a")
	w := tab.Watch(feed.Position{})
	id := begin(t, tab, "trunk1")
	tab.Ringing(id, "1001", "")
	tab.Ringing(id, "1002", "")
	for _, r := range []Role{Caller, Called} {
		if tab.Hold(id, r, "1001", true) {
			t.Errorf("party %d holds what it is not in", r)
		}
	}
	tab.Established(id, "1001")
	told(w)
	for _, c := range []struct {
		r     Role
		n     dn.Number
		holds bool
		want  bool
	}{
		{Called, "1001", false, false}, {Called, "1001", true, true}, {Called, "1001", true, false}, {Called, "1002", true, false}, {Called, "1003", true, false},
		{Caller, "", true, true}, {Called, "1001", false, true}, {Called, "1001", true, true}, {Caller, "", false, true},
	} {
		if got := tab.Hold(id, c.r, c.n, c.holds); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	expect(t, told(w), "held 1001 +4930 0", "held trunk1 1001 0", "retrieved 1001 +4930 0", "held 1001 +4930 0", "retrieved trunk1 1001 0")
	c, _ := tab.Get(id)
	var rows []string
	for i := range c.Parties {
		for _, e := range c.Rows(&c.Parties[i]) {
			rows = append(rows, fmt.Sprint(e.Kind, " ", e.ThisDN))
		}
	}
	expect(t, rows, fmt.Sprint(Established, " trunk1"), fmt.Sprint(Established, " 1001"), fmt.Sprint(Held, " 1001"), fmt.Sprint(Ringing, " 1002"))
	tab.Released(id, "1001", 0)
	tab.Established(id, "1001")
	if c, _ := tab.Get(id); c.Party("1001", Called).HeldSince != 0 {
		t.Error("who came back holds the call as it did before")
	}
}

func TestTable_CallerGivesUpWhileItRings(t *testing.T) {
	tab := newTable("a")
	w := tab.Watch(feed.Position{})
	expect(t, told(w))
	id := begin(t, tab, "trunk1")
	tab.Ringing(id, "1001", "")
	tab.End(id, 487, true)
	expect(t, told(w), "ringing 1001 +4930 0", "released trunk1 9000 487", "abandoned 1001 +4930 487")
	never := begin(t, tab, "trunk1")
	tab.End(never, 487, true)
	expect(t, told(w))
}

func TestTable_ACallToANumberOutsideHasACallerOnly(t *testing.T) {
	tab := newTable("a")
	w := tab.Watch(feed.Position{})
	expect(t, told(w))
	id := begin(t, tab, "1001")
	if !tab.Established(id, "") || tab.Established(id, "") {
		t.Error("it is established once")
	}
	tab.End(id, 0, false)
	expect(t, told(w), "established 1001 9000 0", "released 1001 9000 0")
}

func TestTable_RefusesWhatDoesNotFit(t *testing.T) {
	tab := newTable("a")
	id, over := begin(t, tab, "1"), begin(t, tab, "1")
	tab.Ringing(id, "2", "")
	tab.End(over, 0, false)
	for what, done := range map[string]bool{
		"a call that is none":  tab.Ringing("0123456789abcdef", "2", ""),
		"a DN that rings":      tab.Ringing(id, "2", ""),
		"a DN that is none":    tab.Ringing(id, "not a number", "") || tab.Established(id, "not a number"),
		"one that isn't there": tab.Released(id, "3", 0) || tab.Abandoned(id, "3"),
		"a call that is over":  tab.End(over, 0, false),
	} {
		if done {
			t.Errorf("%s was taken", what)
		}
	}
	if _, err := tab.Begin(Info{Caller: "not a number"}); !errors.Is(err, dn.ErrNumber) {
		t.Error(err)
	}
	if _, err := tab.Begin(Info{Caller: "1", UserData: map[string]string{"k": strings.Repeat("x", MaxUserDataBytes)}}); err == nil {
		t.Error("too much user data was taken")
	}
}

func TestTable_NumbersOfStrangersAreMadeFit(t *testing.T) {
	tab := newTable("a")
	id, err := tab.Begin(Info{Caller: "1", ANI: "a\xff\x00b\n" + strings.Repeat("é", 200), DNIS: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := tab.Get(id); !c.sound() || c.ANI != "ab"+strings.Repeat("é", 63) {
		t.Errorf("%q", c.ANI)
	}
}

func TestTable_UserDataGoWithTheNextEvent(t *testing.T) {
	a, b := newTable("a"), newTable("b")
	id := begin(t, a, "1")
	a.Ringing(id, "2", "")
	if found, err := a.Attach(id, map[string]string{"k": "v", "x": "y"}, "x"); !found || err != nil {
		t.Fatal(found, err)
	}
	if _, err := a.Attach(id, map[string]string{"": "v"}); err == nil {
		t.Error("an empty key was taken")
	}
	a.Established(id, "2")
	c, err := b.Sync("a", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	var fresh []bool
	s := a.Follow(feed.Position{Incarnation: 1, Seq: 1}) // the beginning
	some(s)
	for _, it := range some(s) {
		e := *it.Event
		if fresh = append(fresh, e.Fresh); !e.Fresh {
			e.Info = nil
		}
		if n, err := c.Apply([]*Event{&e}, it.Seq); n > 0 || err != nil {
			t.Error(n, err)
		}
	}
	if got, _ := b.Get(id); len(got.UserData) != 1 || got.UserData["k"] != "v" || got.Node != "a" {
		t.Errorf("%+v", got.Info)
	}
	if want := []bool{true, true, false}; !slices.Equal(fresh, want) {
		t.Errorf("fresh %v, want %v", fresh, want)
	}
}

// fed is a table with a call of peer "p" at which 2 rings.
func fed(t *testing.T) (*Table, *Copy, *Call) {
	t.Helper()
	tab := newTable("a")
	c, err := tab.Sync("p", 5, false)
	if err != nil {
		t.Fatal(err)
	}
	call := newCall("00000000000000aa", "p", &Info{Caller: "1", Began: 1})
	call.Parties = append(call.Parties, Party{DN: "2", Role: Called, State: StateRinging, Since: 2})
	if n, err := c.Snapshot([]*Call{call}); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := c.Synced(7); err != nil {
		t.Fatal(err)
	}
	return tab, c, call
}

func TestCopy_RefusesAndCountsWhatNoPeerMaySay(t *testing.T) {
	tab, c, up := fed(t)
	own := begin(t, tab, "1")
	tab.Ringing(own, "3", "")
	q, err := tab.Sync("q", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	good := Event{Kind: Ringing, Call: "00000000000000bb", ThisDN: "5", Role: Called, Time: 9, Info: up.Info}
	broken := func(f func(*Event)) *Event { e := good; f(&e); return &e }
	events := []*Event{
		broken(func(e *Event) { e.Call = "00000000000000BB" }),
		broken(func(e *Event) { e.Call = own }),
		broken(func(e *Event) { e.Call = up.ID }),
		broken(func(e *Event) { e.Kind = Local }),
		broken(func(e *Event) { e.Kind = Released }),
		broken(func(e *Event) { e.Role = 9 }),
		broken(func(e *Event) { e.Role = Caller }),
		broken(func(e *Event) { e.ThisDN = "" }),
		broken(func(e *Event) { e.Time = -1 }),
		broken(func(e *Event) { e.Time = maxTime + 1 }),
		broken(func(e *Event) { e.Cause = 1000 }),
		broken(func(e *Event) { e.Info = nil }),
		broken(func(e *Event) { e.OtherDN = "a\nb" }),
		broken(func(e *Event) { e.Info = &Info{Caller: "1", Began: 1, Type: 9} }),
		broken(func(e *Event) { e.Info = &Info{Caller: "", Began: 1} }),
		broken(func(e *Event) { e.Info = &Info{Caller: "1", Began: 1, UserData: map[string]string{"": ""}} }),
	}
	if n, err := q.Apply(events, 2); n != len(events) || err != nil {
		t.Errorf("refused %d of %d: %v", n, len(events), err)
	}
	row := func(f func(*Call)) *Call {
		c := newCall("00000000000000cc", "q", up.Info)
		f(c)
		return c
	}
	rows := []*Call{
		{}, row(func(c *Call) { c.ID = own }), row(func(c *Call) { c.ID = up.ID }), row(func(c *Call) { c.Parties = nil }),
		row(func(c *Call) { c.Parties[0].DN = "7" }), row(func(c *Call) { c.Parties[0].State = 9 }),
		row(func(c *Call) { c.Parties = append(c.Parties, c.Parties[0]) }),
		row(func(c *Call) { c.Parties = append(c.Parties, Party{DN: "2", Role: Called, Since: 1}) }),
	}
	if n, err := q.Snapshot(rows); n != len(rows) || err != nil {
		t.Errorf("refused %d of %d rows: %v", n, len(rows), err)
	}
	if got := tab.Counts(); got.Refused != uint64(len(events)+len(rows)) || got.Up != 2 {
		t.Errorf("%+v", got)
	}
	if n, err := c.Apply([]*Event{broken(func(*Event) {})}, 8); n > 0 || err != nil {
		t.Error(n, err)
	}
}

func TestTable_AKilledNodesCallsAreReleasedAndACutsAreNot(t *testing.T) {
	tab, c, up := fed(t)
	w := tab.Tail()
	tab.Died("p")
	expect(t, told(w), "released 1  1", "released 2  1")
	if c.Current() != feed.ErrFenced || tab.Position("p") != (feed.Position{}) { //nolint:errorlint // it is never wrapped
		t.Error("a false alarm would not be noticed")
	}
	again, err := tab.Sync("p", 5, false)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := again.Snapshot([]*Call{up}); n > 0 || err != nil {
		t.Fatal(n, err)
	}
	expect(t, told(w), "ringing 2  0")
	tab.Saw("p", 6)
	expect(t, told(w), "released 1  1", "released 2  1")
	if _, err := tab.Sync("p", 5, false); !errors.Is(err, feed.ErrStale) {
		t.Error(err)
	}
	tab.Forget("p")
	if len(tab.nodes) != 1 || len(tab.calls) != 0 {
		t.Error("something is left")
	}
}

func TestStream_WhoFallsOutOfTheLogGetsTheCallsThatAreUp(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1, History: 4})
	w := tab.Watch(feed.Position{})
	expect(t, told(w))
	var ids []ID
	for range 3 {
		ids = append(ids, begin(t, tab, "1"))
		tab.Ringing(ids[len(ids)-1], "2", "")
	}
	tab.End(ids[0], 0, true)
	slices.Sort(ids[1:])
	expect(t, told(w), "row 1/0=0 2/1=1", "row 1/0=0 2/1=1")
	if got := some(tab.Watch(feed.Position{Incarnation: 1, Seq: w.Seq()})); len(got) != 1 || !got[0].Resumed {
		t.Errorf("%+v", got)
	}
}

func TestLog_IsBoundedInBytesToo(t *testing.T) {
	tab := newTable("a")
	big := map[string]string{"k": strings.Repeat("x", 16000)}
	for range 3 * maxLogBytes / 16000 {
		tab.Tell(big, 16000)
	}
	if n := tab.visible.head - tab.visible.tail; tab.visible.bytes > maxLogBytes || n < 1000 || n > maxLogBytes/16000 {
		t.Errorf("%d bytes in %d events", tab.visible.bytes, n)
	}
}

func TestIDs_OfNodesAndIncarnationsDiffer(t *testing.T) {
	seen := map[ID]bool{}
	for _, self := range []dn.Node{"a", "b", "c"} {
		for inc := range uint64(20) {
			s := newIDs(self, inc)
			for range 500 {
				id := s.take()
				if seen[id] || !id.Valid() {
					t.Fatalf("%s comes twice, or is none", id)
				}
				seen[id] = true
			}
		}
	}
}

// A node that begins anew has none of its old calls, whatever it says of a
// place to go on from.
func TestCopy_ANewIncarnationBeginsWithoutCalls(t *testing.T) {
	tab, _, _ := fed(t)
	w := tab.Tail()
	if _, err := tab.Sync("p", 6, true); !errors.Is(err, feed.ErrFenced) {
		t.Errorf("resumed: %v", err)
	}
	expect(t, told(w), "released 1  1", "released 2  1")
	c, err := tab.Sync("p", 6, false)
	if err != nil {
		t.Fatal(err)
	}
	if tab.Position("p") != (feed.Position{}) {
		t.Error("it is whole before anything came")
	}
	if err := c.Synced(3); err != nil || tab.Position("p") != (feed.Position{Incarnation: 6, Seq: 3}) {
		t.Error(err, tab.Position("p"))
	}
}

// A DN that was released behind a cut and rings again is not taken for the same.
func TestCopy_ASnapshotTellsWhatChangedMeanwhile(t *testing.T) {
	tab, _, up := fed(t)
	for _, x := range []struct {
		change func(*Call)
		want   []string
	}{
		{func(*Call) {}, nil},
		{func(c *Call) { c.Parties[1].Since = 9 }, []string{"released 2  0", "ringing 2  0"}},
		{func(c *Call) { c.Parties[1].State, c.Parties[1].Since = StateEstablished, 10 }, []string{"established 2  0"}},
		{func(c *Call) { c.Parties[1].DN = "3" }, []string{"released 2  0", "established 3  0"}},
	} {
		w := tab.Tail()
		c, err := tab.Sync("p", 5, false)
		if err != nil {
			t.Fatal(err)
		}
		row := *up
		row.Parties = slices.Clone(up.Parties)
		x.change(&row)
		up = &row
		if n, err := c.Snapshot([]*Call{&row}); n > 0 || err != nil {
			t.Fatal(n, err)
		}
		expect(t, told(w), x.want...)
		if err := c.Synced(8); err != nil {
			t.Fatal(err)
		}
		expect(t, told(w))
	}
}

// BenchmarkTable_Call is what a call costs the node that has it.
func BenchmarkTable_Call(b *testing.B) {
	tab := newTable("a")
	b.ReportAllocs()
	for b.Loop() {
		id, err := tab.Begin(Info{Caller: "trunk1", ANI: "+4930", DNIS: "9000"})
		if err != nil {
			b.Fatal(err)
		}
		tab.Ringing(id, "1001", "")
		tab.Established(id, "1001")
		tab.End(id, 0, false)
	}
}

// BenchmarkTable_Up is what a call that is up costs: 100,000 of them in bytes each.
func BenchmarkTable_Up(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		tab := New(Config{Self: "a", Incarnation: 1, History: 1})
		for i := range MaxCalls {
			id, err := tab.Begin(Info{Caller: "trunk1", ANI: fmt.Sprint("+4930", i), DNIS: "9000"})
			if err != nil || !tab.Ringing(id, dn.Number(fmt.Sprint(i)), "") || !tab.Established(id, dn.Number(fmt.Sprint(i))) {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/MaxCalls, "B/call")
		runtime.KeepAlive(tab)
	}
}
