package sip

import (
	"context"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// A peer had DNs by later registrations, and has taken its word back since it learned that
// they were deleted before they were somebody's who registered here: that registration counts
// again. Not what the phone itself or the configuration has ended meanwhile.
func TestRegistrar_ASupersededRegistrationCountsAgain(t *testing.T) {
	w := newWorld(t, nil)
	numbers := []string{"1001", "1002", "1003", "1004", "1005"}
	const back, unregistered, somebodyElses, hungUp, connected = "1001", "1002", "1003", "1004", "1005"
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
	for _, n := range []dn.Number{somebodyElses, hungUp, connected} {
		says(dn.Record{Number: n, Gone: true})
	}
	for range 2 { // when it is back for the second time, all others were looked at
		says(dn.Record{Number: back, Gone: true})
		until(t, "the registration counts again", func() bool {
			st := w.state(back)
			return st.State == dn.InSrv && st.Owner == "n1" && len(w.store.Get(back).Bindings) == 1
		})
		takes(back)
	}
	for n, want := range map[dn.Number]dn.State{connected: dn.InSrv, unregistered: dn.OOS, somebodyElses: dn.OOS, hungUp: dn.OOS} {
		if st := w.state(n); st.State != want {
			t.Errorf("%s: %+v, want %v", n, st, want)
		}
	}
	closes[connected]()
	until(t, "its connection is watched", func() bool { return w.state(connected).Reason == dn.Expired })
}
