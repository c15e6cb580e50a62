package dn

import (
	"context"
	"testing"
)

const manyDNs = 10_000

func manyNumbers() []Number {
	all := make([]Number, manyDNs)
	for i := range all {
		all[i] = numbered(i)
	}
	return all
}

// A registration and its end, read by a client.
func BenchmarkStream_Next(b *testing.B) {
	tab, all := New(Config{Self: "a", Incarnation: 1}), manyNumbers()
	s := tab.Tail()
	var items []Item
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r := tab.Register(all[i%manyDNs], Registered)
		tab.End(r.Number, r.ClaimTime, Expired)
		var err error
		if items, err = s.Next(context.Background(), items[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

// A refresh at a peer, in batches as a link brings them.
func BenchmarkCopy_Apply(b *testing.B) {
	tab, all := New(Config{Self: "a", Incarnation: 1}), manyNumbers()
	c, err := tab.Sync("p", 1, false)
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]Record, 16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i += len(batch) {
		for j := range batch {
			batch[j] = Record{Number: all[(i+j)%manyDNs], ClaimTime: int64(i + j + 1), State: InSrv, Reason: Registered}
		}
		if _, err := c.Apply(batch, uint64(i+1)); err != nil {
			b.Fatal(err)
		}
	}
}

// A whole sync of a peer's table.
func BenchmarkCopy_Sync(b *testing.B) {
	tab, all := New(Config{Self: "a", Incarnation: 1}), manyNumbers()
	batch := make([]Record, manyDNs)
	for i := range batch {
		batch[i] = Record{Number: all[i], ClaimTime: int64(i + 1), State: InSrv, Reason: Registered}
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := tab.Sync("p", 1, false)
		if err == nil {
			_, err = c.Apply(batch, 0)
		}
		if err == nil {
			err = c.Synced(1)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
