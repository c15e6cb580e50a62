package dn

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// TestDigest_WhateverARecordSaysCounts: but for how long something lasts still.
func TestDigest_WhateverARecordSaysCounts(t *testing.T) {
	base := func() Record {
		return Record{Number: "1", ClaimTime: 2, Seq: 3, State: InSrv, Reason: Registered, Since: 4, Agent: &Agent{ID: "a", State: Ready, Mode: 1, Since: 5, Login: 6, Reasons: []KeyValue{{"k", "v"}}},
			Way: Way{Line: 7, Flow: 8}, Floor: 9, Spoken: Spoken{Said: RTP, Usual: SRTP}, Said: 10, Desks: &Desks{{Node: "n", Incarnation: 11, Claim: 12}}}
	}
	sum := func(r Record) [16]byte {
		s := newSummer()
		s.add(&r)
		return s.sum()
	}
	changes := map[string]func(*Record){
		"Number": func(r *Record) { r.Number = "2" }, "ClaimTime": func(r *Record) { r.ClaimTime++ }, "Seq": func(r *Record) { r.Seq++ },
		"State": func(r *Record) { r.State = OOS }, "Reason": func(r *Record) { r.Reason = Unresponsive }, "Since": func(r *Record) { r.Since++ },
		"Agent": func(r *Record) { r.Agent = nil }, "Reserved": func(r *Record) { r.Reserved = Reservation{Holder: "h", Left: 1} },
		"Way": func(r *Record) { r.Way.Flow++ }, "Floor": func(r *Record) { r.Floor++ }, "Spoken": func(r *Record) { r.Spoken.Said = DTLS },
		"Said": func(r *Record) { r.Said++ }, "DoNotDisturb": func(r *Record) { r.DoNotDisturb = true }, "CoolLeft": func(r *Record) { r.CoolLeft = 1 },
		"Desks": func(r *Record) { r.Desks = nil }, "AgentLeft": func(r *Record) { r.AgentLeft = 1 },
		"Agent.ID": func(r *Record) { r.Agent.ID = "b" }, "Agent.State": func(r *Record) { r.Agent.State = NotReady }, "Agent.Mode": func(r *Record) { r.Agent.Mode++ },
		"Agent.Since": func(r *Record) { r.Agent.Since++ }, "Agent.Login": func(r *Record) { r.Agent.Login++ }, "Agent.Reasons": func(r *Record) { r.Agent.Reasons[0].Value = "w" },
		"Way.Line": func(r *Record) { r.Way.Line++ }, "Spoken.Usual": func(r *Record) { r.Spoken.Usual = DTLS },
		"Desk.Node": func(r *Record) { (*r.Desks)[0].Node = "m" }, "Desk.Incarnation": func(r *Record) { (*r.Desks)[0].Incarnation++ },
		"Desk.Claim": func(r *Record) { (*r.Desks)[0].Claim++ }, "Desk.Private": func(r *Record) { (*r.Desks)[0].Private = true },
	}
	for name, change := range changes {
		r := base()
		if change(&r); sum(r) == sum(base()) {
			t.Errorf("%s does not count", name)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Record]()) {
		if changes[f.Name] == nil && f.Name != "Gone" { // such a record is not summed up
			t.Errorf("%s is not tried", f.Name)
		}
	}
	lasting, later := base(), base()
	lasting.Reserved, lasting.CoolLeft, lasting.AgentLeft = Reservation{Holder: "h", Left: 5}, 5, 5
	later.Reserved, later.CoolLeft, later.AgentLeft = Reservation{Holder: "h", Left: 4}, 4, 4
	if sum(lasting) != sum(later) {
		t.Error("the time that is left counts")
	}
}

// compared are the items of a snapshot that is compared with what a copy has, and the copy then.
func compared(t *testing.T, from, to *Table, each int) (items []Item) {
	t.Helper()
	s := from.Follow(feed.Position{})
	var c *Copy
	for {
		some, wait := s.take(nil)
		if len(some) == 0 && wait != 0 {
			return items
		}
		for _, it := range some {
			var err error
			switch it.Kind {
			case feed.Started:
				if c, err = to.Sync(from.Self(), from.Incarnation(), false); err == nil {
					err = s.Compare(c.Digests(each))
				}
			case Same:
				err = c.Same(it.Record.Number)
			case feed.EndOfSnapshot:
				err = c.Synced(it.Seq)
				to.SetHeard(from.Self(), true)
			default:
				_, err = c.Apply([]Record{it.Record}, it.Seq)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		items = append(items, some...)
	}
}

// TestCompare_TellsWhatIsOtherAndWhatLasts: of 1,000 DNs the ranges with one that changed, that
// is new or is gone, and of the other ranges the DNs that are reserved.
func TestCompare_TellsWhatIsOtherAndWhatLasts(t *testing.T) {
	const each, known = 100, 1000
	now := time.Unix(1e9, 0)
	clock := func() time.Time { return now }
	a, b := New(Config{Self: "a", Incarnation: 1, Now: clock}), New(Config{Self: "b", Incarnation: 1, Now: clock})
	number := func(i int) Number { return Number(fmt.Sprint(10_000 + 2*i)) }
	for i := range known {
		a.Register(number(i), Registered)
		b.Register(number(i)+"5", Registered) // between them
	}
	compared(t, a, b, each)
	reserve := func(i int, left time.Duration) {
		r, _ := a.Own(number(i))
		r.Reserved = Reservation{Holder: "x", Left: int64(left)}
		if _, ok := a.Amend(r); !ok {
			t.Fatal("not reserved")
		}
	}
	reserve(750, time.Minute)
	compared(t, a, b, each)
	now = now.Add(10 * time.Second)
	a.Register(number(150), Registered)     // a refresh
	a.Register(number(320)+"7", Registered) // a new one, in the fourth range
	a.Remove(number(550), Deleted)
	a.Register("99999", Registered) // behind all that is known
	kinds := map[feed.Kind]int{}
	rows := map[Number]bool{}
	for _, it := range compared(t, a, b, each) {
		kinds[it.Kind]++
		if it.Kind == feed.Row {
			rows[it.Record.Number] = true
		}
	}
	if kinds[Same] != 7 || len(rows) != each+(each+1)+(each-1)+2 || !rows[number(750)] || !rows["99999"] {
		t.Errorf("told %v, of %d DNs; of the one that is reserved: %v", kinds, len(rows), rows[number(750)])
	}
	checkCounts(t, b)
	if got, want := b.Counts().InSrv, known+known+1; got != want {
		t.Errorf("%d DNs are in service at b, want %d", got, want)
	}
	if st, _ := b.Get(number(750)); !st.Reserved || st.ReservedUntil != now.Add(50*time.Second).UnixNano() {
		t.Errorf("the reservation: %+v", st)
	}
	if n := len(compared(t, a, b, each)); n > 15 {
		t.Errorf("%d items to one that knows all", n)
	}
}

// TestCompare_WhatCannotBe: ranges out of order, too many, and ones that nobody named.
func TestCompare_WhatCannotBe(t *testing.T) {
	tab := New(Config{Self: "a", Incarnation: 1})
	for name, with := range map[string][]Digest{
		"out of order": {{Last: "2"}, {Last: "1"}}, "twice": {{Last: "1"}, {Last: "1"}}, "too many": make([]Digest, MaxDigests+1),
	} {
		if name == "too many" {
			for i := range with {
				with[i].Last = numbered(i)
			}
		}
		if err := tab.Follow(feed.Position{}).Compare(with); !errors.Is(err, ErrDigests) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := tab.Sync("b", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply([]Record{{Number: "1", ClaimTime: 1, State: InSrv}}, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Same("1"); !errors.Is(err, ErrDigests) {
		t.Errorf("a range that was not named: %v", err)
	}
	c.Digests(1)
	if err := errors.Join(c.Same("1")); err != nil {
		t.Error(err)
	}
	if err := c.Same("2"); !errors.Is(err, ErrDigests) {
		t.Errorf("another one: %v", err)
	}
	if _, err := tab.Sync("b", 2, false); err != nil {
		t.Fatal(err)
	}
	if err := c.Same("1"); !errors.Is(err, feed.ErrFenced) {
		t.Errorf("behind a newer feed: %v", err)
	}
}
