package location

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// FuzzJournal gives a journal's bytes to recovery: whatever they are, it takes
// only what decodes, and what it takes encodes to the same entry.
func FuzzJournal(f *testing.F) {
	c := clock{start: time.Unix(1_700_000_000, 0), since: time.Hour, number: 1}
	good := []byte(journalMagic)
	good = appendFrame(good, word{meta: Meta{3, 4}, number: 1, boot: bootInfo{id: "x"}}.encode())
	good = appendFrame(good, encodeEntry(entry("2001", 12345, c.start.Add(time.Hour)), c))
	good = appendFrame(good, encodeGone("2001"))
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add([]byte(journalMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Store{slots: make(map[dn.Number]*slot), contacts: newContacts(), clock: c}
		ld := loader{store: s, words: make(map[uint64]bootInfo)}
		n := readFrames(b, ld.take)
		if n > len(b) {
			t.Fatalf("read %d of %d bytes", n, len(b))
		}
		if n < len(b) {
			hasFrame(b[n:])
		}
		s.wheel = wheel{buckets: make(map[uint32][]*slot), next: 1}
		s.settle(testBoot, &ld)
		for number, e := range contents(s) {
			again, moved, err := decodeEntry(encodeEntry(e, s.clock), s.clock)
			if err != nil || moved || !same(again, e, 0) || again.Record.Number != number {
				t.Fatalf("%+v encodes to %+v, %v", e, again, err)
			}
		}
	})
}

// FuzzPayload gives bytes to the decoder behind the checksum.
func FuzzPayload(f *testing.F) {
	c := clock{start: time.Unix(1_700_000_000, 0), since: time.Hour, number: 1}
	f.Add(encodeEntry(entry("2001", 12345, c.start.Add(time.Hour)), c))
	f.Add(encodeGone("2001"))
	f.Add(word{meta: Meta{3, 4}, number: 1, boot: bootInfo{id: "x"}}.encode())
	f.Fuzz(func(t *testing.T, blob string) {
		if len(blob) == 0 {
			return
		}
		takePayload(t, blob, c)
	})
}

// takePayload is what FuzzPayload does with one payload.
func takePayload(t *testing.T, blob string, c clock) {
	s := &Store{slots: make(map[dn.Number]*slot), contacts: newContacts(), clock: c}
	ld := loader{store: s, words: make(map[uint64]bootInfo)}
	if ld.take(blob) != nil {
		return
	}
	for number := range s.slots {
		if !dn.ValidNumber(string(number)) {
			t.Fatalf("took the number %q", number)
		}
	}
}

func TestCodec_EntryIsSmall(t *testing.T) {
	c := clock{start: time.Now(), since: 40 * 24 * time.Hour, number: 1}
	now := time.Now().UnixNano()
	e := entry("2000001", now, time.Now().Add(time.Hour))
	if n := len(encodeEntry(e, c)); n > 128 {
		t.Errorf("%d bytes for an ordinary entry, want at most 128", n)
	}
}

func BenchmarkStore_PutFlush(b *testing.B) {
	for _, batch := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			s := openAt(b, b.TempDir(), testBoot)
			defer s.crash()
			entries := make([]*Entry, 10_000)
			for i := range entries {
				entries[i] = entry(fmt.Sprint(2_000_000+i), time.Now().UnixNano(), time.Now().Add(time.Hour))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Put(entries[i%len(entries)])
				if i%batch == batch-1 {
					if err := s.Flush(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkStore_Get(b *testing.B) {
	s := openAt(b, b.TempDir(), testBoot)
	defer s.crash()
	s.Put(entry("2000001", time.Now().UnixNano(), time.Now().Add(time.Hour)))
	key := []byte("2000001")
	b.ReportAllocs()
	for b.Loop() {
		if s.GetBytes(key) == nil {
			b.Fatal("not there")
		}
	}
}

func BenchmarkStore_BytesPerEntry(b *testing.B) {
	const n = 100_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		s, err := open(Config{Dir: b.TempDir(), Log: quiet()}, testBoot, defaults)
		if err != nil {
			b.Fatal(err)
		}
		for i := range n {
			s.Put(entry(fmt.Sprint(2_000_000+i), time.Now().UnixNano(), time.Now().Add(time.Hour)))
			if i%100 == 0 {
				if err := s.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(heap()-before)/n, "B/entry")
		if err := s.fold(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/entry-folded")
		s.crash()
	}
}
