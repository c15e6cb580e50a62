package sip

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// fillStore makes a store in dir with n DNs, each with a binding over UDP, and
// more, as an earlier process would have left it.
func fillStore(t testing.TB, dir string, n int, more ...*location.Entry) {
	t.Helper()
	s, err := location.Open(location.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		s.Put(entryOf(fmt.Sprint(100_000+i), location.UDP, time.Hour))
	}
	for _, e := range more {
		s.Put(e)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// entryOf is a DN in service with one binding.
func entryOf(number string, transport location.Transport, life time.Duration) *location.Entry {
	return &location.Entry{
		Record:   dn.Record{Number: dn.Number(number), ClaimTime: 5, State: dn.InSrv, Reason: dn.Registered, Since: 5},
		Bindings: []location.Binding{{Contact: "sip:" + number + "@127.0.0.1:5999", CallID: "c" + number, CSeq: 1, Transport: transport, Source: localSource, Expires: time.Now().Add(life)}},
	}
}

// sizeOf is how many bytes the files of a directory have.
func sizeOf(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(filepath.Join(dir, d.Name()))
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestServer_StartWritesOnlyWhatEnded: bindings that hold on over a restart are
// not written again; of a DN whose connection or lifetime is over, the end is.
func TestServer_StartWritesOnlyWhatEnded(t *testing.T) {
	start := func(more ...*location.Entry) (written int64, table *dn.Table) {
		t.Helper()
		dir := t.TempDir()
		fillStore(t, dir, 1000, more...)
		store := openStore(t, dir)
		before := sizeOf(t, dir)
		w := newWorld(t, func(c *Config) { c.Store = store })
		if err := store.Flush(); err != nil {
			t.Fatal(err)
		}
		if st := w.server.Stats(); st.Bindings != 1000 || w.table.Counts().InSrv != 1000 {
			t.Errorf("%d bindings, %+v", st.Bindings, w.table.Counts())
		}
		return sizeOf(t, dir) - before, w.table
	}
	if n, _ := start(); n != 0 {
		t.Errorf("a start that changes nothing writes %d bytes", n)
	}
	n, table := start(entryOf("7001", location.TCP, time.Hour), entryOf("7002", location.UDP, -time.Second))
	if n == 0 || n > 200 {
		t.Errorf("the end of two DNs takes %d bytes", n)
	}
	for _, number := range []dn.Number{"7001", "7002"} {
		if st, _ := table.Get(number); st.State != dn.OOS || st.Reason != dn.Expired {
			t.Errorf("%+v", st)
		}
	}
}

// TestServer_RestoredBindingsEndInTime: a binding that a start left alone ends
// when its lifetime does, though nothing was written of it.
func TestServer_RestoredBindingsEndInTime(t *testing.T) {
	dir := t.TempDir()
	fillStore(t, dir, 0, entryOf("7001", location.UDP, time.Second), entryOf("7002", location.UDP, time.Hour))
	store := openStore(t, dir)
	w := newWorld(t, func(c *Config) { c.Store, c.Partial = store, func() bool { return true } })
	w.put(phoneDN("7001"))
	w.put(phoneDN("7002"))
	w.run()
	until(t, "OOS after the lifetime", func() bool { return w.state("7001").Reason == dn.Expired })
	if st := w.state("7002"); st.State != dn.InSrv {
		t.Errorf("%+v", st)
	}
}

// BenchmarkNew starts the SIP port over a store with 100,000 bindings, and
// says what the start makes the store write.
func BenchmarkNew(b *testing.B) {
	dir := b.TempDir()
	fillStore(b, dir, 100_000)
	store := openStore(b, dir)
	w := newWorld(b, func(c *Config) { c.Store = store })
	if err := store.Flush(); err != nil {
		b.Fatal(err)
	}
	before := sizeOf(b, dir)
	for b.Loop() {
		_ = w.server.Close()
		w.cfg.Table = dn.New(dn.Config{Self: "n1", Incarnation: 2})
		var err error
		if w.server, err = New(w.cfg); err != nil {
			b.Fatal(err)
		}
		if err := store.Flush(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sizeOf(b, dir)-before)/float64(b.N), "written-B/op")
}
