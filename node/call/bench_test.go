package call

import (
	"context"
	"testing"
)

// A call of this node from its ringing to its end, read by a client.
func BenchmarkStream_Next(b *testing.B) {
	tab := New(Config{Self: "a", Incarnation: 1})
	s := tab.Tail()
	var items []Item
	b.ReportAllocs()
	for b.Loop() {
		id, err := tab.Begin(Info{Caller: "1", DNIS: "2"})
		if err != nil {
			b.Fatal(err)
		}
		tab.Ringing(id, "2", "")
		tab.Established(id, "2")
		tab.End(id, 0, false)
		if items, err = s.Next(context.Background(), items[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// A call of a peer, told in one batch as a link brings it.
func BenchmarkCopy_Apply(b *testing.B) {
	_, c := peerOf(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		answer, end := eventOf(i%1000), eventOf(i%1000)
		answer.Kind, end.Kind = Established, Released
		if n, err := c.Apply([]*Event{eventOf(i % 1000), answer, end}, uint64(i+1)); n > 0 || err != nil {
			b.Fatal(n, err)
		}
		over := &Event{Kind: Released, Call: idOf(i % 1000), ThisDN: "1", Role: Caller, Time: 3}
		if n, err := c.Apply([]*Event{over}, uint64(i+1)); n > 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// A whole sync of a peer's thousand calls.
func BenchmarkCopy_Sync(b *testing.B) {
	tab, _ := peerOf(b)
	rows := make([]*Call, 1000)
	for i := range rows {
		rows[i] = rowOf(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := tab.Sync("p", 1, false)
		if err == nil {
			_, err = c.Snapshot(rows)
		}
		if err == nil {
			err = c.Synced(1)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
