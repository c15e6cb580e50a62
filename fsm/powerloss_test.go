package fsm_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// applied is the digest of each index, and when it was acknowledged.
type applied struct {
	digest map[uint64]string
	acks   []ack
	// accepted is what became of the last one.
	accepted bool
}

type ack struct {
	index uint64
	real  time.Duration
}

func (a *applied) note(m *fsm.Machine) {
	v := m.View()
	a.digest[v.Index()] = v.Digest()
	a.acks = append(a.acks, ack{v.Index(), lossyfs.Now()})
}

// write changes a random object and notes the outcome; false when it was refused.
func (a *applied) write(m *fsm.Machine, luck *rand.Rand) bool {
	number := fmt.Sprint(2000 + luck.IntN(40))
	mutation := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
		Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: fmt.Sprintf("%032x", luck.Uint64()),
	}}}
	if luck.IntN(5) == 0 {
		mutation = &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "g" + number, LoginRequired: luck.IntN(2) == 0}}}
	}
	r := m.ApplyCommand(&peerpb.Command{Version: 1, RequestId: fmt.Sprint(luck.Uint64()), Mutations: []*configpb.Mutation{mutation}})
	if m.Failing() != nil {
		return false
	}
	a.note(m)
	a.accepted = r.Err == nil
	return true
}

// judge opens what is left: one of the states that there were, and none older
// than the last acknowledged one.
func (a *applied) judge(t *testing.T, dir string, at time.Duration) {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(dir, "node", "config.db")})
	if err != nil {
		t.Errorf("the store does not open: %v", err)
		return
	}
	defer m.Close()
	due := uint64(0)
	for _, x := range a.acks {
		if x.real <= at {
			due = x.index
		}
	}
	v := m.View()
	if v.Index() < due {
		t.Errorf("index %d, although %d was acknowledged", v.Index(), due)
	}
	if want := a.digest[v.Index()]; want != v.Digest() {
		t.Errorf("at index %d the digest is %s, was %s", v.Index(), v.Digest(), want)
	}
}

func (a *applied) judgeAll(t *testing.T, m *lossyfs.Mount, left string, seeds ...uint64) {
	t.Helper()
	for i, im := range m.Images() {
		for _, seed := range seeds {
			m.Extract(i, seed, left)
			a.judge(t, left, im.At)
			if t.Failed() {
				t.Fatalf("image %d, before operation %d, seed %d: %q", i, im.Step, seed, m.Log())
			}
		}
	}
}

// TestMachine_PowerFailureCostsNothingAcknowledged also while a snapshot of
// another machine replaces everything.
func TestMachine_PowerFailureCostsNothingAcknowledged(t *testing.T) {
	disk, left := lossyfs.New(t), lossyfs.Memory(t)
	a := &applied{digest: map[uint64]string{0: fsm.Empty().Digest()}}
	luck := rand.New(rand.NewPCG(1, 2))
	disk.Watch(lossyfs.Plan{Every: 1, Most: 300})
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(disk.Dir, "node", "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	m.ApplyCommand(&peerpb.Command{Version: 1, NewEpoch: "e1"})
	a.note(m)
	for range 20 {
		if a.write(m, luck); !a.accepted {
			t.Fatal("a write was refused")
		}
	}
	other, err := fsm.Open(fsm.Config{Path: filepath.Join(lossyfs.Memory(t), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.ApplyCommand(&peerpb.Command{Version: 1, NewEpoch: "e2"})
	for range 60 {
		(&applied{digest: map[uint64]string{}}).write(other, luck)
	}
	a.digest[other.View().Index()] = other.Digest()
	snapshot, err := other.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var sink memorySink
	if err := snapshot.Persist(&sink); err != nil {
		t.Fatal(err)
	}
	if err := m.Restore(io.NopCloser(&sink.Buffer)); err != nil {
		t.Fatal(err)
	}
	a.note(m)
	for range 5 {
		a.write(m, luck)
	}
	disk.Take()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	a.judgeAll(t, disk, left, 0, 1, 2, 3, 4)
}

// memorySink takes a snapshot.
type memorySink struct{ bytes.Buffer }

func (*memorySink) ID() string    { return "snapshot" }
func (*memorySink) Close() error  { return nil }
func (*memorySink) Cancel() error { return nil }

// TestMachine_DiskThatFailsThenThePower: the machine refuses from the failed
// write on, and what it acknowledged before is there.
func TestMachine_DiskThatFailsThenThePower(t *testing.T) {
	disk, left := lossyfs.New(t), lossyfs.Memory(t)
	for _, f := range []lossyfs.Fault{
		{Kind: "write", Errno: syscall.EIO}, {Kind: "write", Errno: syscall.ENOSPC}, {Kind: "write", Short: 40}, {Kind: "sync", Errno: syscall.EIO},
	} {
		step := 1
		if testing.Short() {
			step = 5
		}
		for f.Skip, f.Count = 0, 1; f.Skip < 16; f.Skip += step {
			a := &applied{digest: map[uint64]string{0: fsm.Empty().Digest()}}
			luck := rand.New(rand.NewPCG(3, uint64(f.Skip)))
			m, err := fsm.Open(fsm.Config{Path: filepath.Join(disk.Dir, "node", "config.db")})
			if err != nil {
				t.Fatal(err)
			}
			if m.View().Epoch() == "" {
				m.ApplyCommand(&peerpb.Command{Version: 1, NewEpoch: "e1"})
			}
			a.note(m)
			disk.Watch(lossyfs.Plan{Every: 1, Most: 60})
			disk.Fail(f)
			refused := false
			for range 10 {
				before := m.View()
				ok := a.write(m, luck)
				if refused && ok || !ok && m.View() != before {
					t.Fatalf("%+v: it goes on after a failed write", f)
				}
				refused = !ok
			}
			if disk.Met() == 1 && f.Errno != 0 && !refused {
				t.Fatalf("%+v: a failed write was not noticed", f)
			}
			disk.Fail()
			end := disk.Take()
			if refused { // it may have reached the disk
				for i := range uint64(2) {
					a.digest[m.View().Index()+1+i] = "unknown"
				}
			}
			_ = m.Close()
			a.judgeUnlessUnknown(t, disk, left)
			disk.Restore(end, 0)
		}
	}
}

// judgeUnlessUnknown is judgeAll for a machine whose last write may be there.
func (a *applied) judgeUnlessUnknown(t *testing.T, disk *lossyfs.Mount, left string) {
	t.Helper()
	for i, im := range disk.Images() {
		disk.Extract(i, uint64(i%4), left)
		m, err := fsm.Open(fsm.Config{Path: filepath.Join(left, "node", "config.db")})
		if err != nil {
			t.Fatalf("image %d: %v: %q", i, err, disk.Log())
		}
		unknown := a.digest[m.View().Index()] == "unknown"
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if !unknown {
			a.judge(t, left, im.At)
		}
		if t.Failed() {
			t.Fatalf("image %d: %q", i, disk.Log())
		}
	}
}
