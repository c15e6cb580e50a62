package fsm_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// machine knows where its store is.
type machine struct {
	*fsm.Machine
	path string
}

// start opens a new machine.
func start(t testing.TB) machine {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "config.db"))
}

func open(t testing.TB, path string) machine {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return machine{m, path}
}

// reopened closes the machine and opens its store again.
func reopened(t testing.TB, m machine) machine {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, m.path)
}

func entry(t testing.TB, index uint64, c *peerpb.Command) *raft.Log {
	t.Helper()
	b, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Type: raft.LogCommand, Data: b}
}

// result applies the command as the next entry.
func result(t testing.TB, m machine, c *peerpb.Command) fsm.Result {
	t.Helper()
	return m.Apply(entry(t, m.View().Index()+1, c)).(fsm.Result)
}

func apply(t testing.TB, m machine, c *peerpb.Command) uint64 {
	t.Helper()
	r := result(t, m, c)
	if r.Err != nil {
		t.Fatalf("entry %d: %v", m.View().Index(), r.Err)
	}
	return r.Index
}

// sink is a snapshot's file; it fails behind limit bytes when that is not 0.
type sink struct {
	bytes.Buffer
	limit            int
	closed, canceled bool
}

var errSink = errors.New("the disk is full")

func (s *sink) Write(b []byte) (int, error) {
	if s.limit != 0 && s.Len()+len(b) > s.limit {
		return 0, errSink
	}
	return s.Buffer.Write(b)
}
func (s *sink) ID() string    { return "1" }
func (s *sink) Close() error  { s.closed = true; return nil }
func (s *sink) Cancel() error { s.canceled = true; return nil }

func snapshotOf(t testing.TB, m machine) []byte {
	t.Helper()
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	out := &sink{}
	if err := s.Persist(out); err != nil || !out.closed || out.canceled {
		t.Fatalf("a snapshot: %v, closed %v, canceled %v", err, out.closed, out.canceled)
	}
	return out.Bytes()
}

// body tells that Restore closed what it was given.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

func restore(t testing.TB, m machine, snapshot []byte) error {
	t.Helper()
	b := &body{Reader: bytes.NewReader(snapshot)}
	err := m.Restore(b)
	if !b.closed {
		t.Error("Restore left the snapshot open")
	}
	return err
}

// another is a machine with a state of its own in every sort of object.
func another(t testing.TB) machine {
	t.Helper()
	m := start(t)
	c := begin()
	c.NewEpoch, c.RequestId = "another", "other"
	c.Mutations = append(c.Mutations, put(&configpb.Options{Realm: "other.com", MaxContacts: 9, PingIntervalS: proto.Uint32(9)}), put(objects()["trunk"]),
		put(&configpb.AgentGroup{Name: "stale", LoginRequired: true}), put(&configpb.Node{Id: "id-o", Name: "o", ClusterAddr: "o:1", FeatureLevel: level}))
	apply(t, m, c)
	return m
}

// copies are m itself, a machine that took its snapshot, and what both are when
// they are opened again.
func copies(t testing.TB, m machine) map[string]machine {
	t.Helper()
	into := another(t)
	if err := restore(t, into, snapshotOf(t, m)); err != nil {
		t.Fatal(err)
	}
	all := map[string]machine{"itself": m, "restored": into}
	all["itself, opened again"], all["restored, opened again"] = reopened(t, m), reopened(t, into)
	return all
}
