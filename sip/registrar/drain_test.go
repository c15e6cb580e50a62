package registrar

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// crowd is a desk that has many phones, and runs.
func crowd(t *testing.T, phones int) (*desk, []dn.Number) {
	t.Helper()
	names, numbers := []string{"2001", "2002"}, make([]dn.Number, phones)
	for i := range numbers {
		numbers[i] = dn.Number(fmt.Sprint(10000 + i))
		names = append(names, string(numbers[i]))
	}
	w := newDesk(t, names...)
	for _, n := range numbers {
		w.binds(n, time.Hour)
	}
	w.run()
	return w, numbers
}

// binds stores a registration, as a REGISTER does.
func (w *desk) binds(n dn.Number, life time.Duration) {
	w.store.Put(&location.Entry{Record: w.table.Register(n, dn.Registered), Bindings: []location.Binding{
		{Contact: "sip:" + string(n) + "@192.0.2.1", CallID: "c" + string(n), CSeq: 1, Expires: time.Now().Add(life)},
	}})
	w.registrar.cfg.Stats.Bindings.Add(1)
}

// outs counts how often DNs went out of service from here on, as a watcher sees it
// that reads all the time.
func (w *desk) outs() (count func() int) {
	ctx, stop := context.WithCancel(w.t.Context())
	stream, n := w.table.Tail(), 0
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			items, err := stream.Next(ctx, make([]dn.Item, 0, 64))
			if err != nil {
				return
			}
			for _, it := range items {
				if it.What == dn.StateChange && it.Status.State == dn.OOS {
					n++
				}
			}
		}
	})
	return func() int {
		synctest.Wait()
		stop()
		reading.Wait()
		return n
	}
}

// moves has a DN register at the peer n2.
func (w *desk) moves(n dn.Number) {
	w.t.Helper()
	c, err := w.table.Sync("n2", 1, false)
	if err != nil {
		w.t.Fatal(err)
	}
	own, _ := w.table.Own(n)
	bad, err := c.Apply([]dn.Record{{Number: n, ClaimTime: own.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered}}, 1)
	if err != nil || bad > 0 || c.Synced(1) != nil || !w.table.SetHeard("n2", true) {
		w.t.Fatal("n2 is not heard", bad, err)
	}
}

// A node that drains for some time, and takes part again, takes nobody out of service.
func TestDrain_AndUndo_TakeNobodyOutOfService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, numbers := crowd(t, 1000)
		outs := w.outs()
		for range 3 {
			w.draining.Store(true)
			<-time.After(time.Second)
			w.draining.Store(false)
			<-time.After(time.Second)
		}
		for _, n := range numbers {
			if st := w.state(n); st.State != dn.InSrv {
				t.Fatalf("%s: %+v", n, st)
			}
		}
		if n := outs(); n != 0 {
			t.Errorf("%d DNs were out of service meanwhile", n)
		}
	})
}

// At the deadline those that are left go out of service; whose registration has
// not ended until the drain is undone is back with that, under the claim that
// it had: who registered elsewhere meanwhile stays there.
func TestDrain_UndoneBehindTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, numbers := crowd(t, 100)
		w.binds("2001", time.Hour)
		w.binds("2002", time.Minute)
		before, _ := w.table.Own("10000")
		w.draining.Store(true)
		w.drained.Store(true)
		<-time.After(time.Second)
		for _, n := range append(numbers, "2001", "2002") {
			if st := w.state(n); st.State != dn.OOS || st.Reason != dn.Admin {
				t.Fatalf("%s: %+v", n, st)
			}
		}
		w.moves("2001")
		<-time.After(time.Minute)
		w.draining.Store(false)
		w.drained.Store(false)
		<-time.After(time.Second)
		for _, n := range numbers {
			if st := w.state(n); st.State != dn.InSrv || st.Owner != "n1" {
				t.Fatalf("%s: %+v", n, st)
			}
		}
		if after, _ := w.table.Own("10000"); after.ClaimTime != before.ClaimTime {
			t.Errorf("the claim was %d and is %d", before.ClaimTime, after.ClaimTime)
		}
		if st := w.state("2001"); st.State != dn.InSrv || st.Owner != "n2" {
			t.Errorf("who moved: %+v", st)
		}
		if st := w.state("2002"); st.State != dn.OOS {
			t.Errorf("whose time was over: %+v", st)
		}
		if e := w.store.Get("2001"); e != nil {
			t.Errorf("of who moved is kept: %+v", e)
		}
	})
}

// A process that starts while nothing holds it back takes up what an earlier one
// held back at a deadline, and leaves alone what ended otherwise.
func TestDrain_UndoneWhileTheNodeWasDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newDesk(t, "1001", "1002")
		w.binds("1001", time.Hour)
		w.binds("1002", time.Hour)
		w.registrar.hold(true)
		w.registrar.drop("1002", dn.Admin, func(*location.Binding) bool { return true })
		w.table = dn.New(dn.Config{Self: "n1", Incarnation: 2})
		w.registrar.cfg.Table = w.table
		w.registrar.Restore()
		if st := w.state("1001"); st.State != dn.OOS || st.Reason != dn.Admin {
			t.Errorf("restored: %+v", st)
		}
		w.run()
		<-time.After(time.Second)
		if st := w.state("1001"); st.State != dn.InSrv {
			t.Errorf("afterwards: %+v", st)
		}
		if st := w.state("1002"); st.State != dn.OOS || st.Reason != dn.Admin {
			t.Errorf("whose bindings had ended: %+v", st)
		}
	})
}

// What a phone may ask of a node that drains.
func TestDrain_WhatIsServed(t *testing.T) {
	w := newDesk(t, "1001")
	if a := w.update(w.machine.View(), inFlight1001()); a.Code != 200 {
		t.Fatalf("%d %s", a.Code, a.Reason)
	}
	w.draining.Store(true)
	for _, c := range []struct {
		name    string
		contact string
		expires int64
		refused bool
	}{
		{"a refresh", "<sip:a@b>", -1, true},
		{"one for some time", "<sip:a@b>", 60, true},
		{"one of several", "<sip:a@b>;expires=0, <sip:c@d>;expires=60", -1, true},
		{"the end of one", "<sip:a@b>;expires=0", -1, false},
		{"the end by the header", "<sip:a@b>", 0, false},
		{"the end of all", "*", 0, false},
		{"a question", "", -1, false},
	} {
		r := &Request{}
		r.Reset()
		r.Expires = c.expires
		if c.contact != "" && !r.AddContacts([]byte(c.contact)) {
			t.Fatal(c.contact)
		}
		if got := r.registers(); got != c.refused {
			t.Errorf("%s: refused is %v", c.name, got)
		}
	}
	// A registration that ends while refreshes are refused ends by the drain.
	if got := w.registrar.lapsed(); got != dn.Admin {
		t.Errorf("it lapsed for %v", got)
	}
}
