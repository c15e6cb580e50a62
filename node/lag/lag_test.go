package lag

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// A board says who lacks how much, and since when this node knows of it.
func TestBoard_EntriesAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, leader := uint64(10), dn.Node("b")
		b := New("a", func() uint64 { return own }, func() dn.Node { return leader })
		want := func(what string, id dn.Node, l Lag, known bool) {
			t.Helper()
			if got, ok := b.Of(id); got != l || ok != known {
				t.Errorf("%s: %s is %+v behind, known %v, want %+v, %v", what, id, got, ok, l, known)
			}
		}
		want("at the start", "a", Lag{}, true)
		want("at the start", "c", Lag{}, false)
		b.Told("c", 10)
		want("all alike", "c", Lag{}, true)
		passes(time.Hour)
		b.Told("b", 12) // the first write for an hour
		want("at once", "c", Lag{Entries: 2}, true)
		passes(3 * time.Second)
		b.Told("b", 15)
		want("still behind", "c", Lag{Entries: 5, For: 3 * time.Second}, true)
		want("itself", "a", Lag{Entries: 5, For: 3 * time.Second}, true)
		b.Told("c", 13)
		want("it has caught up with the first of them", "c", Lag{Entries: 2}, true)
		own = 20
		want("this node is further than the leader has said", "a", Lag{}, true)
		want("the leader is not", "b", Lag{Entries: 5}, true)
		passes(time.Minute)
		b.Told("c", 1<<60) // who doesn't lead may say what it likes
		want("a lie", "a", Lag{}, true)
		want("a lie", "c", Lag{}, true)
		b.Keep(func(id dn.Node) bool { return id != "c" })
		want("it is off the roster", "c", Lag{}, false)
		b.Told("b", 1<<60)
		want("the leader lies", "a", Lag{Entries: 1<<60 - 20}, true)
		leader = "a"
		want("that one leads no more", "a", Lag{}, true)
	})
}

func passes(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// What is remembered of the front is bounded, and still right to about a tenth.
func TestFront_IsBounded(t *testing.T) {
	var f front
	start := time.Now()
	const n = 10_000
	for i := range uint64(n) {
		f.reach(i+1, start.Add(time.Duration(i)*time.Second))
	}
	if len(f.marks) > maxMarks || cap(f.marks) > 2*maxMarks {
		t.Errorf("%d marks of %d", len(f.marks), cap(f.marks))
	}
	now := start.Add(n * time.Second)
	for _, applied := range []uint64{n, n - 1, n - 50, n - 1000, n / 2, 0} {
		got, exact := f.behind(applied, now), time.Duration(n-applied)*time.Second
		if got.Entries != n-applied || got.For > exact || got.For < exact-exact/8 {
			t.Errorf("who has %d of %d: %+v, want about %v", applied, n, got, exact)
		}
	}
}
