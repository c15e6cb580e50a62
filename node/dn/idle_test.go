package dn

import (
	"fmt"
	"testing"
	"time"
)

// checkIdle compares whose turn it is in each group with what a look at all DNs finds.
func (c *counting) checkIdle(seed uint64) {
	c.t.Helper()
	for _, g := range []string{"a", "b"} {
		but := c.number()
		choice := Choice{
			Media: Media(c.r.IntN(3)), Ready: c.r.IntN(3) == 0,
			Here: func(n Node) bool { return n != "b" },
			May:  func(s *Status) bool { return c.of[s.Number] == Served && s.Number != but },
		}
		got, found := c.tab.LongestIdle(g, choice)
		want := c.walkIdle(g, choice)
		if found != (want != nil) || found && got.Number != want.Number {
			c.t.Fatalf("seed %d: group %s: it is the turn of %+v, a walk finds %+v", seed, g, got, want)
		}
	}
}

// walkIdle is LongestIdle by a look at all DNs.
func (c *counting) walkIdle(group string, choice Choice) (best *turn) {
	c.tab.Range("", func(s Status) bool {
		in := false
		for _, g := range c.in[s.Number] {
			in = in || g == group
		}
		if !in || !s.Routable(choice.Ready) || !choice.May(&s) {
			return true
		}
		x := &turn{Status: s, fit: choice.Media.Fits(s.Media), here: choice.Here(s.Owner), key: key{idle: s.Since, level: c.level(s.Number, group), calls: s.Taken}}
		if x.idle = max(x.idle, c.used[s.Number]); s.Agent != nil {
			x.idle = max(x.idle, s.Agent.Since)
		}
		if best == nil || x.before(best) {
			best = x
		}
		return true
	})
	return best
}

func (c *counting) level(n Number, group string) uint32 { return c.levels[n] * uint32(len(c.in[n])) }

// Whatever happens, and before or after the order is made, it is that DN's turn that a walk
// over all finds.
func TestLongestIdle_IsThatOfAWalk(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 6
	}
	for seed := range uint64(rounds) {
		c := newCounting(t, seed+1000)
		c.takes = 1 + int(seed%2)
		for i := range 400 {
			c.step()
			c.use()
			if i > int(seed) {
				c.checkIdle(seed)
			}
		}
	}
}

// use is what only the order of those who are idle goes by.
func (c *counting) use() {
	n := c.number()
	switch c.r.IntN(6) {
	case 0:
		if c.tab.Used(n); c.tab.entries[n] != nil {
			c.used[n] = c.now.UnixNano()
		}
	case 1:
		c.levels[n] = uint32(c.r.IntN(3))
		c.calls[n] = int32(c.r.IntN(2))
		c.tab.Touch(map[Number]struct{}{n: {}})
	case 2:
		c.tab.Speaks(n, Media(1<<c.r.IntN(2)))
	}
}

// crowd is a table with a group of all its DNs, registered here and at a peer by turns. It
// counts in looked how often a DN's status is made.
func crowd(t testing.TB, n int) (tab *Table, looked *int) {
	now := time.Unix(1e9, 0)
	looked = new(int)
	groups := []string{"all"}
	tab = New(Config{Self: "a", Incarnation: 1, Now: func() time.Time { now = now.Add(time.Microsecond); return now }, Configured: func(Number) (Class, []string) { return Served, groups },
		Uses: func(Number) Uses { *looked++; return Uses{} }})
	peer, err := tab.Sync("b", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []Record
	for i := range n {
		if number := Number(fmt.Sprintf("1%07d", i)); i%2 == 0 {
			tab.Register(number, Registered)
		} else {
			theirs = append(theirs, Record{Number: number, ClaimTime: now.UnixNano(), State: InSrv, Reason: Registered, Since: now.UnixNano()})
		}
	}
	if _, err := peer.Apply(theirs, 0); err != nil {
		t.Fatal(err)
	}
	if err := peer.Synced(1); err != nil || !tab.SetHeard("b", true) {
		t.Fatal("the peer is not heard", err)
	}
	return tab, looked
}

// Who is idle for the longest time is found by a look at a few DNs, also when the agents at
// the head have just been taken, when nobody is logged in where that is asked, and when half
// of the group is reserved.
func TestLongestIdle_LooksAtFewOfALargeGroup(t *testing.T) {
	const agents, most = 4_000, 10
	tab, looked := crowd(t, agents)
	anybody := Choice{Here: func(n Node) bool { return n == "a" }, May: func(*Status) bool { return true }}
	ready := anybody
	ready.Ready = true
	tab.LongestIdle("all", anybody) // makes the order
	turn := func(what string, c Choice, owner Node) Number {
		before := *looked
		s, found := tab.LongestIdle("all", c)
		if found != (owner != "") || s.Owner != owner || *looked-before > most {
			t.Fatalf("%s: %+v after a look at %d DNs", what, s, *looked-before)
		}
		return s.Number
	}
	for range agents {
		tab.Used(turn("a turn", anybody, "a"))
	}
	turn("nobody is logged in", ready, "")
	for range agents / 2 {
		r, _ := tab.Own(turn("those here are being reserved", anybody, "a"))
		r.Reserved = Reservation{Holder: "h", Left: int64(time.Hour)}
		tab.Amend(r)
	}
	turn("those here have been reserved", anybody, "b")
}

func BenchmarkTable_LongestIdle(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		tab, _ := crowd(b, n)
		ask(tab)
		b.Run(fmt.Sprint(n, "/a turn"), func(b *testing.B) {
			for b.Loop() {
				ask(tab)
			}
		})
		b.Run(fmt.Sprint(n, "/each called"), func(b *testing.B) {
			for b.Loop() {
				tab.Used(ask(tab).Number)
			}
		})
	}
}

func TestLongestIdle_Order(t *testing.T) {
	var order []turn
	for _, x := range []struct {
		n     Number
		fit   Fit
		here  bool
		level uint32
		calls int32
		idle  int64
	}{
		{"9", Together, false, 0, 9, 40}, {"8", 0, true, 9, 0, 30}, {"5", 0, true, 0, 0, 10}, {"6", 0, true, 0, 0, 20}, {"7", 0, true, 0, 0, 20},
		{"4", 0, true, 0, 1, 5}, {"3", 0, false, 5, 0, 9}, {"1", 0, false, 0, 0, 1}, {"2", 0, false, 0, 0, 2},
	} {
		order = append(order, turn{Status{Number: x.n}, x.fit, x.here, key{x.idle, x.level, x.calls}})
	}
	for i, a := range order {
		for k, b := range order {
			if a.before(&b) != (i < k) {
				t.Errorf("%+v before %+v: %v", a, b, a.before(&b))
			}
		}
	}
}

// Nothing is kept of the DNs that are no more.
func TestLongestIdle_ForgetsTheDNsThatAreNoMore(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1, Configured: func(Number) (Class, []string) { return Served, []string{"all"} }})
	anybody := Choice{Here: func(Node) bool { return true }, May: func(*Status) bool { return true }}
	for i := range 100 {
		n := Number(fmt.Sprint("9", i))
		tab.Register(n, Registered)
		if s, _ := tab.LongestIdle("all", anybody); s.Number != n {
			t.Fatalf("%+v", s)
		}
		tab.Used(n)
		tab.Remove(n, Deleted)
	}
	tab.Used("1001") // nobody's
	if len(tab.ranks)+len(tab.used) != 0 {
		t.Errorf("%d orders and %d uses are kept", len(tab.ranks), len(tab.used))
	}
}
