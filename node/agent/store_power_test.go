package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/dn"
)

// heard is what an agent's client was answered, and when.
type heard struct {
	agent string
	real  time.Duration
}

// shift has agents log in, change their state and log out at five DNs, and
// returns what was answered for each. A round has another agent at each DN.
func shift(t *testing.T, k *node, rounds int) map[dn.Number][]heard {
	t.Helper()
	answers := map[dn.Number][]heard{}
	for round := range rounds {
		for i := range 5 {
			n := dn.Number(fmt.Sprint(1000 + i))
			id := fmt.Sprint(100*round + i)
			for _, c := range []Change{
				{Request: login, AgentID: id}, {Request: ready}, {Request: notReady}, {Request: logout, AgentID: id},
			} {
				answers[n] = append(answers[n], heardOf(k.does(t, n, c)))
			}
		}
	}
	return answers
}

func heardOf(d Done) heard { return heard{describe(d.Agent), lossyfs.Now()} }

func describe(a *dn.Agent) string {
	if a == nil {
		return ""
	}
	return fmt.Sprint(a.ID, " ", a.State)
}

// judgeAgents opens what is left: no DN has an older agent than was answered.
func judgeAgents(t *testing.T, dir string, answers map[dn.Number][]heard, at time.Duration) {
	t.Helper()
	lines := &logLines{}
	s, err := openStore(filepath.Join(dir, "agents"), slog.New(slog.NewTextHandler(lines, nil)))
	if err != nil {
		t.Errorf("the store does not open: %v", err)
		return
	}
	defer func() { _ = s.close() }()
	if s.failing() != nil || lines.count("set aside") > 0 {
		t.Errorf("failing with %v, logged %q", s.failing(), lines.lines)
	}
	have := map[dn.Number]string{}
	for _, r := range s.restored() {
		have[r.Number] = describe(r.Agent)
	}
	for n, said := range answers {
		from := 0
		for i, x := range said {
			if x.real <= at {
				from = i
			}
		}
		none := said[0].real > at
		if !slices.ContainsFunc(said[from:], func(x heard) bool { return x.agent == have[n] }) && (!none || have[n] != "") {
			t.Errorf("DN %s has %q, was answered %v, by then %d of them", n, have[n], said, from+1)
		}
	}
}

func judgeAllAgents(t *testing.T, m *lossyfs.Mount, left string, answers map[dn.Number][]heard, seeds ...uint64) {
	t.Helper()
	for i, im := range m.Images() {
		for _, seed := range seeds {
			m.Extract(i, seed, left)
			judgeAgents(t, left, answers, im.At)
			if t.Failed() {
				t.Fatalf("image %d, before operation %d, seed %d: %q", i, im.Step, seed, m.Log())
			}
		}
	}
}

func TestAgentStore_PowerFailureCostsNothingAnswered(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	m.Watch(lossyfs.Plan{Every: 2, Most: 250})
	k := openNode(t, "a", filepath.Join(m.Dir, "agents"), twoNodes(t)).run(t)
	for i := range 5 {
		k.table.Register(dn.Number(fmt.Sprint(1000+i)), dn.Registered)
	}
	answers := shift(t, k, 6)
	k.end(t)
	judgeAllAgents(t, m, left, answers, 0, 1, 2, 3)
}

// TestAgentStore_DiskThatFailsForAWhile answers all the same, and has all on
// the disk when it has recovered: in the same file after a full disk, in a
// fresh one after a write or an fsync that failed.
func TestAgentStore_DiskThatFailsForAWhile(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	for _, f := range []lossyfs.Fault{
		{Kind: "write", Errno: syscall.ENOSPC}, {Kind: "write", Errno: syscall.EIO}, {Kind: "sync", Errno: syscall.EIO},
		{Kind: "write", Short: 40}, {Kind: "truncate", Errno: syscall.ENOSPC},
	} {
		for _, f.Count = range []int{0, 1} {
			for _, f.Skip = range []int{0, 1, 2, 3, 9} {
				m.Watch(lossyfs.Plan{})
				m.Restore(m.Take(), 0)
				synctest.Test(t, func(t *testing.T) { failingAgents(t, m, left, f) })
			}
		}
	}
}

func failingAgents(t *testing.T, m *lossyfs.Mount, left string, f lossyfs.Fault) {
	t.Helper()
	dir := filepath.Join(m.Dir, "agents")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	k := openNode(t, "a", dir, twoNodes(t)).run(t)
	for i := range 5 {
		k.table.Register(dn.Number(fmt.Sprint(1000+i)), dn.Registered)
	}
	shift(t, k, 1)
	m.Fail(f)
	answers := shift(t, k, 2)
	answers["1000"] = []heard{heardOf(k.does(t, "1000", Change{Request: login, AgentID: "last"}))}
	met := m.Met()
	m.Fail()
	waitFor(t, "the store works again", func() bool { return k.agents.Failing() == nil })
	answers["1001"] = []heard{heardOf(k.does(t, "1001", Change{Request: login, AgentID: "more"}))}
	waitFor(t, "all is put again", func() bool { return len(k.agents.store.numbers()) >= 2 })
	k.end(t)
	m.Extract(m.Take(), 0, left)
	for n, x := range answers {
		last := x[len(x)-1]
		answers[n] = []heard{{last.agent, 0}}
	}
	judgeAgents(t, left, answers, lossyfs.Now())
	files, err := os.ReadDir(dir)
	if fresh := f.Errno == syscall.EIO && met > 0; err != nil || !fresh && len(files) != 1 || len(files) > 2 {
		t.Errorf("%d failures left %d files (%v)", met, len(files), err)
	}
	if t.Failed() {
		t.Fatalf("with %+v, which met %d: %q; logged %q", f, met, m.Log(), k.log.lines)
	}
}

// TestAgentStore_StartsOnADiskThatFails in memory, and stores when it can.
func TestAgentStore_StartsOnADiskThatFails(t *testing.T) {
	m := lossyfs.New(t)
	synctest.Test(t, func(t *testing.T) { startOnFailingDisk(t, m) })
}

func startOnFailingDisk(t *testing.T, m *lossyfs.Mount) {
	t.Helper()
	for _, f := range []lossyfs.Fault{
		{Kind: "create", Errno: syscall.ENOSPC}, {Kind: "write", Errno: syscall.EIO}, {Kind: "sync", Errno: syscall.EIO},
		{Kind: "rename", Errno: syscall.EIO}, {Kind: "syncdir", Errno: syscall.EIO},
	} {
		dir := filepath.Join(m.Dir, f.Kind, "agents")
		m.Fail(f)
		k := openNode(t, "a", dir, twoNodes(t)).run(t)
		k.table.Register("1000", dn.Registered)
		k.does(t, "1000", Change{Request: login, AgentID: "7"})
		if !errors.Is(k.agents.Failing(), f.Errno) {
			t.Errorf("%s: failing with %v", f.Kind, k.agents.Failing())
		}
		m.Fail()
		waitFor(t, f.Kind+": the store works again", func() bool { return k.agents.Failing() == nil })
		k.end(t)
		s, _ := storeIn(t, dir)
		if got := s.restored(); len(got) != 1 || got[0].Agent.ID != "7" {
			t.Errorf("%s: stored %+v", f.Kind, got)
		}
	}
}

// A disk that does not answer holds up one answer for a second, and then none; what
// came meanwhile is stored when it does.
func TestAgentStore_NobodyWaitsForADiskThatStalls(t *testing.T) {
	m := lossyfs.New(t)
	s, err := openStore(m.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.run(ctx) })
	m.Freeze()
	const most = 10 // that a machine which does other work may hold up
	waited := 0
	for i := range 100 {
		if waited > most {
			break // it is wrong already
		}
		began := time.Now()
		s.await(t.Context(), s.put(&dn.Record{Number: dn.Number(fmt.Sprint(1000 + i)), ClaimTime: 1, Agent: &dn.Agent{ID: "7"}}))
		if time.Since(began) >= storeTimeout/2 {
			waited++
		}
	}
	if err := s.failing(); !errors.Is(err, disk.ErrStalled) || waited < 1 || waited > most {
		t.Errorf("%d of 100 answers waited, failing: %v", waited, err)
	}
	m.Thaw()
	patience.Until(t, "it is stored", func() bool { return s.failing() == nil })
	cancel()
	running.Wait()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openStore(m.Dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(again.restored()); n != 100 {
		t.Errorf("%d of 100 agents are stored", n)
	}
	if err := again.close(); err != nil {
		t.Error(err)
	}
}
