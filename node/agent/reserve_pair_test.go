package agent

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Many routers at two nodes ask for the same agents: nobody ever has one that
// another one has (S19), and somebody gets each.
func TestReserve_OneHolderADN(t *testing.T) {
	a, b := pair(t, twoNodes(t, collectFor(5)))
	numbers := []dn.Number{"1000", "1001", "1002"}
	for _, n := range numbers {
		b.table.Register(n, dn.Registered)
		a.sees(t, n, "b")
	}
	var mu sync.Mutex
	held, granted := map[dn.Number]string{}, map[dn.Number]int{}
	has := func(n dn.Number, name string) {
		mu.Lock()
		defer mu.Unlock()
		if held[n] != "" && name != "" {
			t.Errorf("%s has %s, and %s got it", held[n], n, name)
		}
		held[n] = name
		granted[n]++
	}
	router := func(k *node, name string) {
		for i := range 30 {
			n := numbers[i%len(numbers)]
			r := Reservation{Holder: name, Duration: time.Minute, Priority: uint32(i % 3)}
			if codeOf(t, k.agents.Reserve(t.Context(), n, r)) != 0 {
				continue
			}
			has(n, name)
			if err := k.agents.Reserve(t.Context(), n, r); err != nil {
				t.Errorf("%s has %s and got %v", name, n, err)
			}
			has(n, "")
			if err := k.agents.Reserve(t.Context(), n, Reservation{Holder: name}); err != nil {
				t.Errorf("%s can't take %s back: %v", name, n, err)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { router([]*node{a, b}[i%2], fmt.Sprint("r", i)) })
	}
	patience.Done(t, "all routers are served", wg.Wait)
	if len(granted) != len(numbers) {
		t.Errorf("granted %v", granted)
	}
}

// A reservation goes along when the DN moves, and ends where it is then.
func TestReserve_GoesAlongAndEndsAtTheNewOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, twoNodes(t, collectFor(1)))
		a.table.Register("1000", dn.Registered)
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r1", Duration: 300 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "b hears of it", func() bool { s, _ := b.table.Get("1000"); return s.Reserved })
		b.table.Register("1000", dn.Registered)
		a.sees(t, "1000", "b")
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Second}); codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
			t.Errorf("a second holder got %v", err)
		}
		waitFor(t, "b ends it", func() bool { r, _ := b.table.Own("1000"); return r.Reserved.Holder == "" && r.Seq > 0 })
		if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r2", Duration: time.Second}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestServer_ReservesForAnotherNode(t *testing.T) {
	a, b := pair(t, twoNodes(t, collectFor(1)))
	b.table.Register("1000", dn.Registered)
	a.sees(t, "1000", "b")
	if err := a.agents.Reserve(t.Context(), "1000", Reservation{Holder: "r", Duration: time.Minute, Priority: 3}); err != nil {
		t.Fatal(err)
	}
	if r, _ := b.table.Own("1000"); r.Reserved.Holder != "r" || r.Reserved.Left < int64(30*time.Second) {
		t.Errorf("reserved %+v", r.Reserved)
	}
	p, err := b.agents.Server().Reserve(t.Context(), &peerpb.ReserveRequest{Dn: "1000", Holder: "r"})
	if err != nil || p.GetErrorCode() != 0 {
		t.Errorf("taking it back: %v %v", p, err)
	}
}
