package fsm

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Whatever a log entry holds, applying it ends without a panic, twice with the
// same result, and leaves a state that a snapshot carries over unchanged.
func FuzzApply(f *testing.F) {
	for _, l := range randomLog(f, 1, 40) {
		f.Add(l.Data)
	}
	f.Add([]byte("\xff\xff"))
	start, err := Empty().With(nil)
	if err != nil {
		f.Fatal(err)
	}
	start = apply(start, 1, bootstrap("e")).view
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &raft.Log{Index: 2, Type: raft.LogCommand, Data: data}
		a, err := Program().applyEntry(start, l)
		b, again := Program().applyEntry(start, l)
		if fmt.Sprint(err) != fmt.Sprint(again) {
			t.Fatal("not deterministic")
		}
		if err != nil {
			return // of a level to come
		}
		if a.view.Digest() != b.view.Digest() || fmt.Sprint(a.err) != fmt.Sprint(b.err) {
			t.Fatal("not deterministic")
		}
		var snap bytes.Buffer
		if _, err := a.view.WriteTo(&snap); err != nil {
			t.Fatal(err)
		}
		r := newReader(&snap)
		epoch, index, err := r.header()
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.view(epoch, index, Program())
		if err != nil || v.Digest() != a.view.Digest() {
			t.Fatalf("a snapshot changes the state: %v", err)
		}
	})
}

// A stream from outside is refused or read, without a panic and without
// memory beyond its own size.
func FuzzSnapshot(f *testing.F) {
	v := Empty()
	for _, l := range randomLog(f, 2, 60) {
		a, err := Program().applyEntry(v, l)
		if err != nil {
			f.Fatal(err)
		}
		v = a.view
	}
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader(bytes.NewReader(data))
		epoch, index, err := r.header()
		if err != nil {
			return
		}
		v, err := r.view(epoch, index, Program())
		if err == nil {
			v.Digest()
		}
	})
}

func BenchmarkMachine_ApplyBatch(b *testing.B) {
	for _, size := range []struct{ batch, mutations int }{{64, 1}, {4, 500}} {
		b.Run(fmt.Sprintf("%dx%d", size.batch, size.mutations), func(b *testing.B) {
			m := machine(b)
			mustApply(b, m, 1, bootstrap("e"))
			index, n := uint64(1), 0
			for b.Loop() {
				logs := make([]*raft.Log, size.batch)
				for i := range logs {
					index++
					ms := make([]*configpb.Mutation, size.mutations)
					for j := range ms {
						ms[j] = phone(fmt.Sprint(n % 100_000))
						n++
					}
					data, _ := proto.Marshal(command(fmt.Sprint(index), ms...))
					logs[i] = &raft.Log{Index: index, Type: raft.LogCommand, Data: data}
				}
				m.ApplyBatch(logs)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "DNs/s")
		})
	}
}

func BenchmarkView_DNBytes(b *testing.B) {
	v := Empty()
	for i := range 100_000 {
		d := &configpb.DN{Number: fmt.Sprint(100_000 + i*7)}
		v.dns.ReplaceOrInsert(entry[configpb.DN]{d.GetNumber(), d})
	}
	number, i := make([]byte, 0, 16), 0
	b.ReportAllocs()
	for b.Loop() {
		i += 7919
		number = fmt.Appendf(number[:0], "%d", 100_000+i%100_000*7)
		v.DNBytes(number)
	}
}
