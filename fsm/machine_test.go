package fsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const ha1 = "0123456789abcdef0123456789abcdef"

func phone(number string, groups ...string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
		Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: ha1, Groups: groups,
	}}}
}

func deleteDN(number string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}}
}

func group(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}}}
}

func deleteGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: name}}
}

func node(id, name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: id, Name: name, ClusterAddr: "10.0.0.1." + id + ":7002"}}}
}

func deleteNode(id string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: id}}
}

func options(o *configpb.Options) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: o}}
}

func ifRevision(m *configpb.Mutation, r uint64) *configpb.Mutation {
	m.IfRevision = &r
	return m
}

func keepHA1(m *configpb.Mutation) *configpb.Mutation {
	m.GetPutDn().Ha1, m.KeepHa1 = "", true
	return m
}

func command(id string, ms ...*configpb.Mutation) *peerpb.Command {
	return &peerpb.Command{Version: Version, RequestId: id, Mutations: ms}
}

func bootstrap(epoch string) *peerpb.Command {
	c := command("bootstrap-"+epoch, options(&configpb.Options{Realm: "example.com"}), node("id-a", "a"))
	c.NewEpoch = epoch
	return c
}

func entryOf(t testing.TB, index uint64, c *peerpb.Command) *raft.Log {
	t.Helper()
	b, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Type: raft.LogCommand, Data: b}
}

func open(t testing.TB, path string) *Machine {
	t.Helper()
	m, err := Open(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func machine(t testing.TB) *Machine {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "config.db"))
}

func mustApply(t testing.TB, m *Machine, index uint64, c *peerpb.Command) {
	t.Helper()
	if r := m.Apply(entryOf(t, index, c)).(Result); r.Err != nil {
		t.Fatalf("entry %d: %v", index, r.Err)
	}
}

// randomLog has every kind of mutation, valid and not, and repeated request ids.
func randomLog(t testing.TB, seed uint64, n int) []*raft.Log {
	rnd := rand.New(rand.NewPCG(seed, 1))
	num := func() string { return fmt.Sprint(1000 + rnd.IntN(40)) }
	grp := func() string { return "g" + fmt.Sprint(rnd.IntN(5)) }
	nod := func() (string, string) { return "id-" + fmt.Sprint(rnd.IntN(4)), "n" + fmt.Sprint(rnd.IntN(3)) }
	one := func() *configpb.Mutation {
		switch rnd.IntN(9) {
		case 0, 1, 2:
			return phone(num(), grp())
		case 3:
			return ifRevision(phone(num()), uint64(rnd.IntN(n)))
		case 4:
			return deleteDN(num())
		case 5:
			return group(grp())
		case 6:
			return deleteGroup(grp())
		case 7:
			return node(nod())
		}
		return options(&configpb.Options{MaxContacts: uint32(rnd.IntN(120))})
	}
	logs := []*raft.Log{entryOf(t, 1, bootstrap("e"))}
	for i := 2; i <= n; i++ {
		var ms []*configpb.Mutation
		for range 1 + rnd.IntN(3) {
			ms = append(ms, one())
		}
		logs = append(logs, entryOf(t, uint64(i), command("r"+fmt.Sprint(rnd.IntN(n)), ms...)))
	}
	return logs
}

func TestMachine_SameLogGivesSameBytesHoweverItIsCutIntoBatches(t *testing.T) {
	runs := uint64(5)
	if testing.Short() {
		runs = 2
	}
	for seed := range runs {
		logs := randomLog(t, seed, 600)
		one, many := machine(t), machine(t)
		one.ApplyBatch(logs)
		for rest := logs; len(rest) > 0; {
			n := min(len(rest), 1+int(rest[0].Index%7))
			many.ApplyBatch(rest[:n])
			rest = rest[n:]
		}
		if one.Digest() != many.Digest() {
			t.Fatalf("seed %d: digests differ", seed)
		}
		if path := many.store.path; many.Close() == nil {
			if got := open(t, path).Digest(); got != one.Digest() {
				t.Fatalf("seed %d: the reopened store has another digest", seed)
			}
		}
		if one.View().NumDNs() == 0 || len(one.View().Nodes()) < 2 {
			t.Fatalf("seed %d: the log made nothing", seed)
		}
	}
}

func TestMachine_RestartedAloneServesAllThatItHadApplied(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	for i := range 300 {
		mustApply(t, m, uint64(i+2), command("", phone(fmt.Sprint(1000+i))))
	}
	want := m.Digest()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, m.store.path)
	v := again.View()
	if v.NumDNs() != 300 || v.Index() != 301 || v.Epoch() != "e" || again.Digest() != want {
		t.Fatalf("got %d DNs at index %d of epoch %q", v.NumDNs(), v.Index(), v.Epoch())
	}
	// Raft replays its log once it has a leader: nothing may happen twice.
	again.ApplyBatch([]*raft.Log{entryOf(t, 1, bootstrap("other")), entryOf(t, 2, command("", deleteDN("1000")))})
	if again.Digest() != want {
		t.Fatal("a replayed entry changed the state")
	}
}

func TestMachine_RepeatedRequestIDIsAnsweredAndNotApplied(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	mustApply(t, m, 2, command("a", phone("1000")))
	mustApply(t, m, 3, command("b", deleteDN("1000")))
	if r := m.Apply(entryOf(t, 4, command("a", phone("1000")))).(Result); r.Err != nil || r.Index != 2 {
		t.Fatalf("repeated write: %+v, want index 2", r)
	}
	if m.View().DN("1000") != nil {
		t.Fatal("a repeated request was applied again")
	}
	first := m.Apply(entryOf(t, 5, command("c", deleteDN("1000")))).(Result)
	mustApply(t, m, 6, command("d", phone("1000")))
	again := m.Apply(entryOf(t, 7, command("c", deleteDN("1000")))).(Result)
	if !errors.Is(again.Err, ErrNotFound) || again.Err.Error() != first.Err.Error() || again.Index != 5 {
		t.Fatalf("first %+v, again %+v", first, again)
	}
}

func TestMachine_ForgetsTheOldestRequestIDs(t *testing.T) {
	m := machine(t)
	logs := []*raft.Log{entryOf(t, 1, bootstrap("e"))}
	for i := range Remembered + 10 {
		logs = append(logs, entryOf(t, uint64(i+2), command(fmt.Sprint("r", i), phone("1000"))))
	}
	m.ApplyBatch(logs)
	v := m.View()
	if v.memory.byID.Len() != Remembered || v.memory.order.Len() != Remembered || v.memory.get("r5") != nil || v.memory.get("r4000") == nil {
		t.Fatalf("remembers %d ids", v.memory.byID.Len())
	}
	want := m.Digest()
	_ = m.Close()
	if got := open(t, m.store.path).Digest(); got != want {
		t.Fatal("the store forgot other ids than the memory")
	}
}

func TestMachine_NewEpochForgetsEverything(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e1"))
	mustApply(t, m, 2, command("a", group("g"), phone("1000", "g")))
	mustApply(t, m, 3, bootstrap("e2"))
	if v := m.View(); v.NumDNs() != 0 || v.Group("g") != nil || v.Epoch() != "e2" || v.memory.get("a") != nil {
		t.Fatal("the old epoch is still there")
	}
	want := m.Digest()
	_ = m.Close()
	if open(t, m.store.path).Digest() != want {
		t.Fatal("the store keeps the old epoch")
	}
}

func TestMachine_RejectsCommandsBeforeBootstrap(t *testing.T) {
	m := machine(t)
	if r := m.Apply(entryOf(t, 1, command("", phone("1000")))).(Result); !errors.Is(r.Err, ErrConflict) {
		t.Fatal(r.Err)
	}
}

// restoreFrom gives m a snapshot of from.
func restoreFrom(t testing.TB, m, from *Machine) error {
	t.Helper()
	var b bytes.Buffer
	n, err := from.View().WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("wrote %d of %d bytes: %v", n, b.Len(), err)
	}
	return m.Restore(io.NopCloser(&b))
}

func TestMachine_RestoreReplacesEverything(t *testing.T) {
	from := machine(t)
	from.ApplyBatch(randomLog(t, 9, 300))
	for _, old := range []string{"", "e", "other"} {
		m := machine(t)
		if old != "" {
			mustApply(t, m, 1, bootstrap(old))
			mustApply(t, m, 2, command("x", phone("99"), group("stale")))
		}
		if err := restoreFrom(t, m, from); err != nil {
			t.Fatal(err)
		}
		if m.Digest() != from.Digest() {
			t.Fatalf("epoch %q: digests differ after restore", old)
		}
		_ = m.Close()
		if open(t, m.store.path).Digest() != from.Digest() {
			t.Fatalf("epoch %q: the store differs after restore", old)
		}
	}
}

func TestMachine_RestoreOfTheSameEpochThatIsNotNewerIsIgnored(t *testing.T) {
	old := machine(t)
	mustApply(t, old, 1, bootstrap("e"))
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	mustApply(t, m, 2, command("a", phone("1000")))
	want := m.Digest()
	if err := restoreFrom(t, m, old); err != nil || m.Digest() != want {
		t.Fatalf("an older snapshot was taken (%v)", err)
	}
	if err := restoreFrom(t, m, m); err != nil || m.Digest() != want {
		t.Fatalf("the same snapshot was taken (%v)", err)
	}
}

func TestMachine_DamagedSnapshotChangesNothing(t *testing.T) {
	from := machine(t)
	from.ApplyBatch(randomLog(t, 3, 100))
	var b bytes.Buffer
	if _, err := from.View().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	m := machine(t)
	mustApply(t, m, 1, bootstrap("mine"))
	want := m.Digest()
	for i := 0; i < b.Len(); i += 97 {
		flipped := slices.Clone(b.Bytes())
		flipped[i] ^= 0x20
		for name, bad := range map[string][]byte{"cut": b.Bytes()[:i], "flipped": flipped} {
			if err := m.Restore(io.NopCloser(bytes.NewReader(bad))); err == nil && m.Digest() != want {
				t.Fatalf("%s at %d was taken", name, i)
			}
			if m.Digest() != want {
				t.Fatalf("%s at %d changed the state", name, i)
			}
		}
	}
}

func TestOpen_DamagedStoreIsAnErrorThatNamesTheFile(t *testing.T) {
	m := machine(t)
	m.ApplyBatch(randomLog(t, 4, 2000))
	path := m.store.path
	_ = m.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"garbage":   []byte(strings.Repeat("not a database ", 1000)),
		"truncated": whole[:len(whole)/2],
		"zeroed":    slices.Concat(whole[:8192], make([]byte, len(whole)-8192)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.db")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{Path: path})
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestOpen_SaysThatAnotherProcessHasTheStore(t *testing.T) {
	m := machine(t)
	if _, err := Open(Config{Path: m.store.path}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Fatal(err)
	}
}

func TestMachine_FullDiskStopsWritesAndKeepsTheView(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT RUN: a small file system needs root: %v", err)
	}
	m, err := Open(Config{Path: filepath.Join(dir, "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Close()
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	mustApply(t, m, 1, bootstrap("e"))
	var failed Result
	good := uint64(1)
	for i := uint64(2); failed.Err == nil && i < 10_000; i++ {
		var ms []*configpb.Mutation
		for j := range uint64(100) {
			ms = append(ms, phone(fmt.Sprint(i*1000+j)))
		}
		if failed = m.Apply(entryOf(t, i, command("", ms...))).(Result); failed.Err == nil {
			good = i
		}
	}
	if !errors.Is(failed.Err, ErrFailed) || !errors.Is(failed.Err, syscall.ENOSPC) || m.Failing() == nil {
		t.Fatalf("got %v", failed.Err)
	}
	if v := m.View(); v.Index() != good || v.NumDNs() != int(good-1)*100 {
		t.Fatalf("the View has index %d, %d were applied", v.Index(), good)
	}
	if r := m.Apply(entryOf(t, good+2, command("", deleteDN("2000")))).(Result); !errors.Is(r.Err, ErrFailed) {
		t.Fatal("an entry behind a lost one was applied")
	}
	digest := m.Digest()
	other := machine(t)
	mustApply(t, other, 1, bootstrap("another"))
	if err := restoreFrom(t, m, other); !errors.Is(err, ErrFailed) || m.Digest() != digest {
		t.Fatalf("a failed machine took a snapshot: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, m.store.path); got.Digest() != digest {
		t.Fatal("the store lost what was applied before the disk was full")
	}
}

func TestMachine_WaitReturnsWhenTheEntryIsVisible(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	done := make(chan error, 1)
	go func() { done <- m.Wait(t.Context(), 3) }()
	mustApply(t, m, 2, command("", phone("1000")))
	mustApply(t, m, 3, command("", phone("1001")))
	if err := patience.Receive(t, "the end of what waited or applied", done); err != nil || m.View().DN("1001") == nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Wait(ctx, 4); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestView_IsReadAndTriedOutWhileTheMachineApplies(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			for i := range 200 {
				v := m.View()
				next, err := v.With([]*configpb.Mutation{phone("77"), group(fmt.Sprint("g", i))})
				if err != nil || v.DN("77") != nil || next.NumDNs() != v.NumDNs()+1 {
					done <- fmt.Errorf("the View changed: %w", err)
					return
				}
			}
			done <- nil
		}()
	}
	for i := range 50 {
		mustApply(t, m, uint64(i+2), command("", phone(fmt.Sprint(1000+i))))
	}
	for range cap(done) {
		if err := patience.Receive(t, "the end of what waited or applied", done); err != nil {
			t.Fatal(err)
		}
	}
}
