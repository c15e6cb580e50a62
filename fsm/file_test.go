package fsm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// numbersOf are those of DNs, at most limit.
func numbersOf(v *View, after string, limit int) (list []string) {
	for d := range v.DNs(after) {
		if list = append(list, d.GetNumber()); len(list) == limit {
			break
		}
	}
	return list
}

// TestBegin_AnswersAsTheLoadedViewDoes: for numbers that there are, and for all between them.
func TestBegin_AnswersAsTheLoadedViewDoes(t *testing.T) {
	m := machine(t)
	m.ApplyBatch(randomLog(t, 11, 2000))
	want, path := m.View(), m.store.path
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	begun, err := Begin(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = begun.Close() }()
	asked := slices.Concat(numbersOf(want, "", -1), []string{"", "0", "~", "\x00", "9999999999999999999"})
	if len(asked) < 20 {
		t.Fatalf("only %d DNs", len(asked))
	}
	for _, n := range asked[:len(asked):len(asked)] {
		asked = append(asked, n+"0", n+"\x00", n[:len(n)/2])
	}
	check := func(v *View) {
		t.Helper()
		if v.Index() != want.Index() || v.Epoch() != want.Epoch() || !proto.Equal(v.Options(), want.Options()) || len(v.Nodes()) != len(want.Nodes()) {
			t.Errorf("index %d, epoch %q: not as it was", v.Index(), v.Epoch())
		}
		for _, n := range asked {
			if !proto.Equal(v.DN(n), want.DN(n)) || !proto.Equal(v.DNBytes([]byte(n)), want.DN(n)) {
				t.Errorf("DN %q is %v, want %v", n, v.DN(n), want.DN(n))
			}
			if got, want := v.NearestDN([]byte(n)), want.NearestDN([]byte(n)); !proto.Equal(got, want) {
				t.Errorf("nearest to %q is %v, want %v", n, got, want)
			}
			if got, want := numbersOf(v, n, 5), numbersOf(want, n, 5); !slices.Equal(got, want) {
				t.Errorf("behind %q are %v, want %v", n, got, want)
			}
		}
	}
	check(begun.View())
	w := begun.Watch()
	defer w.Close()
	if err := begun.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(begun.View())
	if c, err := w.Next(t.Context()); err != nil || !c.All {
		t.Errorf("who watches was told of %v, %v", c, err)
	}
	if begun.Digest() != want.Digest() {
		t.Error("loaded: another digest")
	}
}

// TestLoad_AfterDamageAnotherFileIsTaken: the DNs of a file that opens can't be read; the
// machine takes what lies there then, and works.
func TestLoad_AfterDamageAnotherFileIsTaken(t *testing.T) {
	m := machine(t)
	m.ApplyBatch(randomLog(t, 12, 2000))
	want, path := m.Digest(), m.store.path
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m = open(t, path)
	victim := numbersOf(m.View(), "", -1)[7]
	err = m.store.update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketDN)).Put([]byte(victim), []byte("\xff\xff\xff"))
	})
	if err = errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	begun, err := Begin(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = begun.Close() }()
	if begun.View().DN(victim) != nil {
		t.Error("a damaged DN is there")
	}
	for range 2 {
		if err := begun.Load(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("loading a damaged file: %v", err)
		}
	}
	early := begun.View()
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := begun.Load(t.Context()); err != nil || begun.Digest() != want {
		t.Fatalf("the file that lies there now: %v", err)
	}
	if early.DN(victim) != nil || len(numbersOf(early, "", -1)) != 0 {
		t.Error("a file that was closed tells of DNs")
	}
	mustApply(t, begun, begun.View().Index()+1, bootstrap(begun.View().Epoch()))
}

// TestLoad_StoppedOnTheWay: that is no damage, and the next start has all.
func TestLoad_StoppedOnTheWay(t *testing.T) {
	m := machine(t)
	m.ApplyBatch(randomLog(t, 13, 2000))
	want, path := m.Digest(), m.store.path
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	begun, err := Begin(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := begun.Load(stopped); !errors.Is(err, context.Canceled) || errors.Is(err, ErrCorrupt) {
		t.Errorf("stopped: %v", err)
	}
	if err := begun.Close(); err != nil {
		t.Error(err)
	}
	if got := open(t, path).Digest(); got != want {
		t.Errorf("the next start has digest %s, want %s", got, want)
	}
}

// BenchmarkBegin is the start until DNs can be asked for, BenchmarkBegin/find one that is,
// and Load until all are there.
func BenchmarkBegin(b *testing.B) {
	m := machine(b)
	if err := m.store.replace(manyDNs(100_000)); err != nil {
		b.Fatal(err)
	}
	path := m.store.path
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	for name, load := range map[string]bool{"begin": false, "load": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m, err := Begin(Config{Path: path})
				if err == nil && load {
					err = m.Load(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
				_ = m.Close()
			}
		})
	}
	b.Run("find", func(b *testing.B) {
		m, err := Begin(Config{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = m.Close() }()
		v := m.View()
		for b.Loop() {
			if v.DN(fmt.Sprint(2_000_000+rand.IntN(100_000))) == nil {
				b.Fatal("a DN is not there")
			}
		}
	})
}

func manyDNs(n int) *View {
	v := Empty()
	for i := range n {
		v.dns.put(&configpb.DN{Number: fmt.Sprint(2_000_000 + i), Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef", Revision: uint64(i)})
	}
	return v
}
