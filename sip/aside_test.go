package sip

import (
	"context"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// A peer had DNs by later registrations, and has taken its word back since it learned that
// they were deleted before they were somebody's who registered here: that registration counts
// again. Not what the phone itself or the configuration has ended meanwhile.
func TestRegistrar_ASupersededRegistrationCountsAgain(t *testing.T) {
	w := newWorld(t, nil)
	numbers := []string{"1001", "1002", "1003", "1004", "1005", "1006", "1007"}
	const back, unregistered, somebodyElses, hungUp, connected, moved, elsewhere = "1001", "1002", "1003", "1004", "1005", "1006", "1007"
	for _, n := range numbers {
		w.put(phoneDN(n))
	}
	w.run()
	closes := map[string]func(){}
	for _, n := range numbers {
		transport := "udp"
		if n == hungUp || n == connected {
			transport = "tcp"
		}
		p := w.phone(n, transport)
		must(t, 200)(p.Register(context.Background(), time.Hour))
		closes[n] = p.Close
	}
	c, err := w.table.Sync("n2", 1, false)
	if err != nil || c.Synced(1) != nil || !w.table.SetHeard("n2", true) {
		t.Fatalf("n2 is not heard: %v", err)
	}
	says := func(recs ...dn.Record) {
		t.Helper()
		if _, err := c.Apply(recs, 2); err != nil {
			t.Fatal(err)
		}
	}
	claims := map[string]int64{}
	takes := func(n string) {
		own, _ := w.table.Own(dn.Number(n))
		if claims[n] > 0 && own.ClaimTime != claims[n]-1 {
			t.Errorf("%s counts again under another claim", n)
		}
		claims[n] = own.ClaimTime + 1
		says(dn.Record{Number: dn.Number(n), ClaimTime: claims[n], State: dn.InSrv, Reason: dn.Registered, Since: own.Since})
		until(t, "bindings dropped", func() bool { return w.store.Get(dn.Number(n)) == nil })
	}
	for _, n := range numbers {
		takes(n)
	}
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: somebodyElses}}}})
	w.put(phoneDN(somebodyElses))
	closes[hungUp]()
	until(t, "the connection ends", func() bool { return w.server.Stats().Connections == 1 })
	says(dn.Record{Number: unregistered, ClaimTime: claims[unregistered], Seq: 1, State: dn.OOS, Reason: dn.Unregistered})
	says(dn.Record{Number: moved, Gone: true}) // to where this node hears nobody
	third, err := w.table.Sync("n3", 1, false)
	if err == nil {
		_, err = third.Apply([]dn.Record{{Number: elsewhere, ClaimTime: claims[elsewhere] + 1, State: dn.InSrv, Reason: dn.Registered, Since: claims[elsewhere]}}, 0)
	}
	if err != nil || third.Synced(1) != nil || !w.table.SetHeard("n3", true) {
		t.Fatalf("n3 is not heard: %v", err)
	}
	for _, n := range []dn.Number{somebodyElses, hungUp, connected, elsewhere} {
		says(dn.Record{Number: n, Gone: true, Reason: dn.Deleted})
	}
	for range 2 { // what is told later is served later
		says(dn.Record{Number: back, Gone: true, Reason: dn.Deleted})
		until(t, "the registration counts again", func() bool {
			st, e := w.state(back), w.store.Get(back) // the table is first
			return st.State == dn.InSrv && st.Owner == "n1" && e != nil && len(e.Bindings) == 1
		})
		takes(back)
	}
	for n, want := range map[dn.Number]dn.State{connected: dn.InSrv, unregistered: dn.OOS, somebodyElses: dn.OOS, hungUp: dn.OOS, moved: dn.OOS} {
		if st := w.state(n); st.State != want {
			t.Errorf("%s: %+v, want %v", n, st, want)
		}
	}
	if st := w.state(elsewhere); st.Owner != "n3" {
		t.Errorf("%s: %+v", elsewhere, st)
	}
	closes[connected]()
	until(t, "its connection is watched", func() bool { return w.state(connected).Reason == dn.Expired })
}

// TestRegistrar_WhatAPhoneEndsIsNotPutBack: neither what it un-registers here while a peer has
// the DN, by itself or all at once, nor what it had before it registered here once more.
// Another phone of the DN ends nothing, nor who asks what is registered.
func TestRegistrar_WhatAPhoneEndsIsNotPutBack(t *testing.T) {
	w := newWorld(t, nil)
	const itself, all, anew, other, asks = "1001", "1002", "1003", "1004", "1005"
	ends := map[string]func(p *siptest.Phone) (*siptest.Response, error){
		itself: func(p *siptest.Phone) (*siptest.Response, error) { return p.Unregister(context.Background()) },
		all:    func(p *siptest.Phone) (*siptest.Response, error) { return p.UnregisterAll(context.Background()) },
		anew: func(p *siptest.Phone) (*siptest.Response, error) {
			must(t, 200)(p.Register(context.Background(), time.Hour))
			return p.Unregister(context.Background())
		},
		other: func(*siptest.Phone) (*siptest.Response, error) {
			return w.phone(other, "udp").Unregister(context.Background())
		},
		asks: func(p *siptest.Phone) (*siptest.Response, error) { return p.Query(context.Background()) },
	}
	for n := range ends {
		w.put(phoneDN(n))
	}
	w.run()
	c, err := w.table.Sync("n2", 1, false)
	if err != nil || c.Synced(1) != nil || !w.table.SetHeard("n2", true) {
		t.Fatalf("n2 is not heard: %v", err)
	}
	says := func(r dn.Record) {
		t.Helper()
		if _, err := c.Apply([]dn.Record{r}, 2); err != nil {
			t.Fatal(err)
		}
	}
	takes := func(n string) {
		t.Helper()
		own, _ := w.table.Own(dn.Number(n))
		says(dn.Record{Number: dn.Number(n), ClaimTime: own.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered, Since: own.Since})
		until(t, "bindings dropped", func() bool { return w.store.Get(dn.Number(n)) == nil })
	}
	for n, end := range ends {
		p := w.phone(n, "udp")
		must(t, 200)(p.Register(context.Background(), time.Hour))
		takes(n)
		must(t, 200)(end(p))
		if n == anew {
			takes(n)
		}
		says(dn.Record{Number: dn.Number(n), Gone: true, Reason: dn.Deleted})
	}
	for _, n := range []dn.Number{other, asks} {
		until(t, string(n)+" counts again", func() bool { return w.state(n).State == dn.InSrv })
	}
	for _, n := range []dn.Number{itself, all, anew} {
		if st := w.state(n); st.State != dn.OOS {
			t.Errorf("%s: %+v", n, st)
		}
	}
}
