package dn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// counted are the counts that a walk over all DNs finds.
func counted(tab *Table, class func(Number) Class) (by [classes]Counts) {
	tab.Range("", func(s Status) bool {
		c := &by[class(s.Number)]
		c.Known++
		if s.State != InSrv {
			return true
		}
		c.InSrv++
		if s.Owner == tab.Self() {
			c.Owned++
		}
		if s.Standby != "" {
			c.Backed++
		}
		return true
	})
	return by
}

// Whatever happens to DNs, the counts are what a walk over all of them finds.
func TestCounts_AreThoseOfAWalk(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for seed := range uint64(rounds) {
		c := newCounting(t, seed)
		for range 500 {
			c.step()
			c.checkFree(seed)
			want := counted(c.tab, c.class)
			for k := range classes {
				if got := c.tab.Counts(k); got != want[k] {
					t.Fatalf("seed %d: class %d has %+v, a walk finds %+v", seed, k, got, want[k])
				}
			}
			c.checkOwned(seed)
		}
	}
}

// checkOwned wants the DNs of each node to be as many as are counted, and those in service
// to be the ones that a walk over all finds there.
func (c *counting) checkOwned(seed uint64) {
	c.t.Helper()
	for _, id := range []Node{"a", "b", "c"} {
		var has, want []Number
		all := 0
		c.tab.OwnedDNs(id, "", func(s Status) bool {
			if all++; s.State == InSrv && s.Owner == id {
				has = append(has, s.Number)
			}
			return true
		})
		c.tab.Range("", func(s Status) bool {
			if s.State == InSrv && s.Owner == id {
				want = append(want, s.Number)
			}
			return true
		})
		if !slices.Equal(has, want) || all != c.tab.OwnedBy(id) {
			c.t.Fatalf("seed %d: node %s has %v of %d, a walk finds %v, counted are %d", seed, id, has, all, want, c.tab.OwnedBy(id))
		}
	}
}

// counting is a table with two peers and a configuration that changes.
type counting struct {
	t      *testing.T
	r      *rand.Rand
	tab    *Table
	now    time.Time
	of     map[Number]Class
	in     map[Number][]string
	busy   map[Number]bool
	claims map[Number]int64
	copies map[Node]*Copy
	seq    uint64
	// What only the order of who is idle goes by.
	takes  int
	levels map[Number]uint32
	calls  map[Number]int32
	used   map[Number]int64
}

func newCounting(t *testing.T, seed uint64) *counting {
	c := &counting{t: t, r: rand.New(rand.NewPCG(seed, 15)), now: time.Unix(1e9, 0), of: map[Number]Class{}, in: map[Number][]string{}, busy: map[Number]bool{}, claims: map[Number]int64{}, copies: map[Node]*Copy{},
		takes: 1, levels: map[Number]uint32{}, calls: map[Number]int32{}, used: map[Number]int64{}}
	c.tab = New(Config{Self: "a", Incarnation: 1, Now: func() time.Time { return c.now }, Configured: c.configured, Level: c.level,
		Busy: func(n Number) bool { return c.busy[n] }, Uses: func(n Number) Uses { return Uses{Calls: c.calls[n]} }, Takes: func(Number) int { return c.takes }})
	for _, p := range []Node{"b", "c"} {
		c.sync(p)
	}
	return c
}

func (c *counting) class(n Number) Class { return c.of[n] }

func (c *counting) groups(n Number) []string { return c.in[n] }

func (c *counting) configured(n Number) (Class, []string) { return c.class(n), c.groups(n) }

func (c *counting) number() Number { return Number(fmt.Sprint(1000 + c.r.IntN(20))) }

func (c *counting) way() Way {
	return [...]Way{{}, {Line: 7, Flow: uint16(1 + c.r.IntN(3))}, {Line: Pair, Flow: uint16(1 + c.r.IntN(3))}}[c.r.IntN(3)]
}

func (c *counting) sync(p Node) {
	c.seq++
	link, err := c.tab.Sync(p, c.seq, false)
	if err == nil {
		err = link.Synced(c.seq)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.copies[p] = link
	c.tab.SetHeard(p, true)
}

func (c *counting) step() {
	c.now = c.now.Add(time.Duration(1+c.r.IntN(400)) * time.Millisecond)
	n, p := c.number(), [...]Node{"b", "c"}[c.r.IntN(2)]
	switch c.r.IntN(11) {
	case 0, 1:
		c.claims[n] = c.tab.RegisterWay(n, Registered, c.way()).ClaimTime
	case 2:
		c.tab.End(n, c.claims[n], Expired)
	case 3, 4, 5:
		c.says(p, n)
	case 6:
		c.tab.SetHeard(p, c.r.IntN(3) > 0)
	case 7:
		c.of[n] = [...]Class{Served, Served, Served, Stray, Shut}[c.r.IntN(5)]
		c.in[n] = [...][]string{nil, {"a"}, {"b", "a"}, {"b"}}[c.r.IntN(4)]
		c.busy[n] = c.r.IntN(4) == 0
		c.tab.Touch(map[Number]struct{}{n: {}})
	case 8, 9:
		if r, own := c.tab.Own(n); own {
			c.beside(&r)
			c.tab.Amend(r)
		}
	case 10:
		switch c.r.IntN(4) {
		case 0:
			c.tab.Forget(p)
			c.sync(p)
		case 1:
			c.sync(p)
		case 2:
			c.tab.Remove(n, Deleted)
		default:
			c.tab.Answers(n, c.claims[n], c.r.IntN(2) == 0)
		}
	}
}

// beside is what an owner may say beside the state.
func (c *counting) beside(r *Record) {
	r.Said, r.DoNotDisturb, r.CoolLeft, r.Reserved = c.now.UnixNano(), c.r.IntN(5) == 0, 0, Reservation{}
	if c.r.IntN(4) == 0 {
		r.CoolLeft = int64(c.r.IntN(3e9))
	}
	if c.r.IntN(4) == 0 {
		r.Reserved = Reservation{Holder: "h", Left: int64(c.r.IntN(3e9))}
	}
	if c.r.IntN(2) == 0 {
		r.Agent = &Agent{ID: fmt.Sprint("agent", c.r.IntN(12)), State: AgentState(c.r.IntN(int(agentStates))), Since: c.now.UnixNano(), Login: c.now.UnixNano()}
	}
}

// says is a word of a peer, new or old.
func (c *counting) says(p Node, n Number) {
	c.seq++
	at := c.now.UnixNano() - int64(c.r.IntN(1e9))
	r := Record{Number: n, ClaimTime: at, State: State(c.r.IntN(2)), Reason: Registered, Since: at, Way: c.way(), Gone: c.r.IntN(8) == 0, Spoken: Spoken{Said: Media(c.r.IntN(3))}}
	c.beside(&r)
	if _, err := c.copies[p].Apply([]Record{r}, c.seq); err != nil {
		c.t.Fatal(err)
	}
}

// checkFree compares the DNs of each group that a call can be sent to with a walk over all.
func (c *counting) checkFree(seed uint64) {
	c.t.Helper()
	for _, g := range []string{"a", "b"} {
		var got, want []Number
		after := c.number()
		c.tab.Free(g, after, func(s Status) bool { got = append(got, s.Number); return true })
		c.tab.Range(after, func(s Status) bool {
			if slices.Contains(c.in[s.Number], g) && c.of[s.Number] == Served && s.Routable(false) {
				want = append(want, s.Number)
			}
			return true
		})
		if !slices.Equal(got, want) {
			c.t.Fatalf("seed %d: free in %s behind %s are %v, a walk finds %v", seed, g, after, got, want)
		}
	}
}
