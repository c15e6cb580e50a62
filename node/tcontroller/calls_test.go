package tcontroller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// begin makes a call of a site, which rings at a DN.
func (s *site) begin(t *testing.T, at dn.Number, data map[string]string) call.ID {
	t.Helper()
	id, err := s.calls.Begin(call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4930", DNIS: "9000", UserData: data})
	if err != nil || !s.calls.Ringing(id, at, "") {
		t.Fatal("no call", err)
	}
	return id
}

// sees tells what a site knows of a call.
func (s *site) sees(id call.ID) string {
	c, up := s.calls.Get(id)
	if !up {
		return "over"
	}
	var out []string
	for _, p := range c.Parties {
		out = append(out, fmt.Sprint(p.DN, "=", p.State))
	}
	return fmt.Sprintf("%s: %s (%s %s %v)", c.Node, strings.Join(out, " "), c.ANI, c.DNIS, c.UserData)
}

// hears reads what clients of the site are told, until the last one.
func hears(t *testing.T, s *call.Stream, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	var got []string
	for len(got) < len(want) {
		items, err := s.Next(ctx, nil)
		if err != nil {
			t.Fatalf("heard %q, waited for %q: %v", got, want, err)
		}
		for _, it := range items {
			if it.Kind == feed.Change {
				got = append(got, fmt.Sprint(it.Event.Kind, " ", it.Event.ThisDN, " ", it.Event.Cause))
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func TestCalls_PeersHearEveryEventInOrder(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	before := a.begin(t, "1001", map[string]string{"k": "v"})
	b.follow(t, a)
	want := "a: trunk1=0 1001=1 (+4930 9000 map[k:v])"
	await(t, "the snapshot", func() bool { return b.sees(before) == want })
	w := b.calls.Tail()
	id := a.begin(t, "1002", nil)
	a.calls.Established(id, "1002")
	a.calls.Established(before, "1001")
	a.calls.End(id, 0, false)
	hears(t, w, "0 1002 0", "1 1002 0", "1 trunk1 0", "1 1001 0", "1 trunk1 0", "2 trunk1 0", "2 1002 0")
	if got := b.sees(before); got != "a: trunk1=2 1001=2 (+4930 9000 map[k:v])" {
		t.Error(got)
	}
}

// What happens behind a cut is told afterwards, each event once; what is up
// stays up meanwhile.
func TestCalls_ACutKeepsThem(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	up := a.begin(t, "1001", nil)
	var cut switchable
	b.followVia(t, cut.dial, a)
	await(t, "the snapshot", func() bool { return b.sees(up) != "over" && b.table.Heard("a") })
	w := b.calls.Tail()
	cut.set(true)
	await(t, "the loss", func() bool { return !b.table.Heard("a") })
	if b.sees(up) == "over" {
		t.Error("the cut has ended a call")
	}
	a.calls.Established(up, "1001")
	gone := a.begin(t, "1002", nil)
	a.calls.End(gone, 487, true)
	cut.set(false)
	hears(t, w, "1 1001 0", "1 trunk1 0", "0 1002 0", "2 trunk1 487", "3 1002 487")
	if got, want := b.calls.Position("a").Seq, a.calls.Follow(feed.Position{}).Head(); got != want {
		t.Errorf("at %d, want %d", got, want)
	}
}

func TestCalls_OfAKilledNodeAreReleased(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	id := a.begin(t, "1001", nil)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.sees(id) != "over" && b.table.Heard("a") })
	w := b.calls.Tail()
	a.server.Stop()
	hears(t, w, fmt.Sprint("2 trunk1 ", call.NodeLost), fmt.Sprint("2 1001 ", call.NodeLost))
	again := newSite(t, "a", 2, a.addr)
	next := again.begin(t, "1001", nil)
	await(t, "the calls of its next life", func() bool { return b.sees(next) != "over" })
}

// A node that dies behind a cut is found out by the refusal that the heal brings.
func TestCalls_OfANodeThatDiedBehindACutAreReleased(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	id := a.begin(t, "1001", nil)
	var cut switchable
	b.followVia(t, cut.dial, a)
	await(t, "the snapshot", func() bool { return b.sees(id) != "over" && b.table.Heard("a") })
	cut.set(true)
	await(t, "the loss", func() bool { return !b.table.Heard("a") })
	a.server.Stop()
	if b.sees(id) == "over" {
		t.Error("nothing told that it died")
	}
	cut.set(false)
	await(t, "its end", func() bool { return b.sees(id) == "over" })
}

func TestCalls_OfAPeerThatRestartedAreReleased(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	id := a.begin(t, "1001", nil)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.sees(id) != "over" })
	b.mesh.Gossip("a", true, 2, "")
	await(t, "the end of its old life", func() bool { return b.sees(id) == "over" })
}

func TestCalls_OfAPeerThatIsRemovedAreReleased(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	a.table.Register("1001", dn.Registered)
	id := a.begin(t, "1001", nil)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.sees(id) != "over" && b.table.Counts().Known == 1 })
	b.mesh.SetPeers(nil)
	await(t, "the end", func() bool { return b.table.Counts().Known == 0 && b.calls.Counts().Up == 0 })
}

// A false alarm costs a snapshot, no call.
func TestCalls_FalseDeathIsFoundOut(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	id := a.begin(t, "1001", nil)
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.sees(id) != "over" })
	b.calls.Died("a")
	await(t, "its return", func() bool { return b.sees(id) != "over" })
}

// However much user data calls have, messages stay small; records find their
// way between them.
func TestCalls_ManyAndLargeDoNotHoldUpTheRecords(t *testing.T) {
	a, b := newSite(t, "a", 1, "127.0.0.1:0"), newSite(t, "b", 1, "127.0.0.1:0")
	large := map[string]string{"k": strings.Repeat("x", 15<<10)}
	for range 1500 {
		a.begin(t, "1001", large)
	}
	b.follow(t, a)
	await(t, "the snapshot", func() bool { return b.calls.Counts().Up == 1500 })
	w := b.table.Tail()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3000 {
			id, err := a.calls.Begin(call.Info{Caller: "trunk1", UserData: large})
			if err == nil && a.calls.Ringing(id, "1002", "") {
				a.calls.End(id, 0, true)
			}
		}
	}()
	var worst time.Duration
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	for i := range 20 {
		began := time.Now()
		a.table.Register(dn.Number(fmt.Sprint(2000+i)), dn.Registered)
		if _, err := w.Next(ctx, nil); err != nil {
			t.Fatal("no record beside the calls: ", err)
		}
		worst = max(worst, time.Since(began))
	}
	patience.Receive(t, "the calls that come and go", done)
	t.Logf("slowest record: %v", worst)
	await(t, "the end of all", func() bool { return b.calls.Counts().Up == 1500 })
	if n := b.calls.Counts().Refused; n > 0 {
		t.Errorf("%d refused", n)
	}
}

// A peer that stands still holds up nobody; when it reads again, and has missed
// more than the log holds, it gets the calls that are up.
func TestCalls_ASlowPeerHoldsUpNobody(t *testing.T) {
	const history = 1000
	a, b := newSiteOf(t, "a", 1, "127.0.0.1:0", history), newSite(t, "b", 1, "127.0.0.1:0")
	gone := a.begin(t, "1001", nil)
	var vs valves
	b.followVia(t, vs.dial, a)
	await(t, "the snapshot", func() bool { return b.sees(gone) != "over" && b.table.Heard("a") })
	await(t, "an empty queue", func() bool { return a.publisher.Backlog("b").CallEvents == 0 })
	open := vs.valve().shut()
	a.calls.End(gone, 0, false)
	data := map[string]string{"k": strings.Repeat("x", 300)}
	// Once what lies between the two is full nothing is handed to the link.
	patience.Done(t, "a queue, and who writes waits for nobody", func() {
		for end := time.Now().Add(patience.Limit); a.publisher.Backlog("b").CallEvents <= history && time.Now().Before(end); {
			id, err := a.calls.Begin(call.Info{Caller: "trunk1", UserData: data})
			if err == nil && a.calls.Ringing(id, "1001", "") {
				a.calls.End(id, 487, true)
			}
		}
	})
	up := a.begin(t, "1002", nil)
	open()
	await(t, "what is up", func() bool { return b.sees(up) != "over" && b.sees(gone) == "over" && b.calls.Counts().Up == 1 })
	await(t, "an empty queue", func() bool { return a.publisher.Backlog("b").CallEvents == 0 })
}

func TestCalls_WhatIsUnknownIsRefused(t *testing.T) {
	b := call.New(call.Config{Self: "b", Incarnation: 1})
	c, err := b.Sync("a", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	info := &peerpb.CallInfo{Caller: "1", Began: 1}
	base := func() *peerpb.CallEvent {
		return &peerpb.CallEvent{Kind: peerpb.CallEventKind_CALL_EVENT_KIND_RINGING, Call: "00000000000000aa", ThisDn: "2", Role: peerpb.CallRole_CALL_ROLE_CALLED, Time: 1, Info: info}
	}
	var events []*call.Event
	for _, change := range []func(*peerpb.CallEvent){
		func(e *peerpb.CallEvent) { e.Kind = 0 }, func(e *peerpb.CallEvent) { e.Kind = 5 }, func(e *peerpb.CallEvent) { e.Kind = -1 },
		func(e *peerpb.CallEvent) { e.Role = 0 }, func(e *peerpb.CallEvent) { e.Role = 3 }, func(e *peerpb.CallEvent) { e.Cause = call.NodeLost },
		func(e *peerpb.CallEvent) { e.Cause = 1 << 31 }, func(e *peerpb.CallEvent) { e.Info = &peerpb.CallInfo{} },
		func(e *peerpb.CallEvent) { e.Info = &peerpb.CallInfo{Caller: "1", Began: 1, Type: -3} },
	} {
		e := base()
		change(e)
		events = append(events, eventFromProto(e))
	}
	if n, err := c.Apply(events, 1); n != len(events) || err != nil {
		t.Errorf("refused %d of %d: %v", n, len(events), err)
	}
	rows := []*call.Call{callFromProto(&peerpb.Call{}), callFromProto(&peerpb.Call{Id: "00000000000000aa", Info: info, Parties: []*peerpb.CallParty{{Dn: "1", Role: 1, State: 2, Since: 1}}})}
	if n, err := c.Snapshot(rows); n != len(rows) || err != nil {
		t.Errorf("refused %d of %d: %v", n, len(rows), err)
	}
	if n, err := c.Apply([]*call.Event{eventFromProto(base())}, 1); n != 0 || err != nil {
		t.Error("what is right was refused", err)
	}
}

// BenchmarkLink_CallEvent is the time from an event at the node that has the
// call to the peer's clients.
func BenchmarkLink_CallEvent(b *testing.B) {
	publisher, peer := newSite(b, "a", 1, "127.0.0.1:0"), newSite(b, "b", 1, "127.0.0.1:0")
	peer.follow(b, publisher)
	await(b, "the link", func() bool { return peer.table.Heard("a") && peer.calls.Position("a").Incarnation == 1 })
	w := peer.calls.Tail()
	var items []call.Item
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		id, err := publisher.calls.Begin(call.Info{Caller: "trunk1", ANI: "+4930", DNIS: "9000"})
		if err != nil || !publisher.calls.Ringing(id, "1001", "") {
			b.Fatal("no call", err)
		}
		if items, err = w.Next(b.Context(), items[:0]); err != nil || items[len(items)-1].Event.Call != id {
			b.Fatal("another call", err)
		}
		took = append(took, time.Since(began))
		publisher.calls.End(id, 487, true)
		for ended := 0; ended < 2; ended += len(items) {
			if items, err = w.Next(b.Context(), items[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}
