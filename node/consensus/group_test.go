package consensus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/voters"
)

func TestGroup_BootstrapMakesAClusterOnce(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	a.bootstrap()
	id := a.group.ClusterID()
	v := a.machine.View()
	if id == "" || v.Options().GetRealm() != "example.com" || v.NodeByName("a").GetId() != "id-a" {
		t.Fatalf("cluster %q, options %v, nodes %v", id, v.Options(), v.Nodes())
	}
	a.write(1000)
	a.kill()
	a.start("")
	if err := a.group.Bootstrap(t.Context(), "other.com"); err != nil {
		t.Fatal(err)
	}
	if a.group.ClusterID() != id || a.machine.View().DN("1000") == nil || a.machine.View().Options().GetRealm() != "example.com" {
		t.Fatal("bootstrapping again changed something")
	}
}

func TestGroup_WritesThroughAFollowerAreThereWhenAcknowledged(t *testing.T) {
	c, n := steady(t)
	leader := c.leader(n[:]...)
	for i, m := range n {
		m.write(1000 + i)
		if m.machine.View().DN(fmt.Sprint(1000+i)) == nil {
			t.Fatalf("%s does not have its own write", m.self.Name)
		}
	}
	for _, m := range n {
		if got, want := m.group.ForwardTimes().Count, map[bool]uint64{false: 1}[m == leader]; got != want {
			t.Errorf("%s has forwarded %d writes, want %d", m.self.Name, got, want)
		}
	}
	f := followers(leader, n[:]...)[0]
	_, err := f.group.Propose(t.Context(), proposal(phone("1"), phone("no number")))
	var r *fsm.Rejection
	if !errors.Is(err, ErrRejected) || !errors.Is(err, fsm.ErrInvalid) || !errors.As(err, &r) || r.Mutation != 2 {
		t.Fatalf("a rejection came through as %v", err)
	}
	cmd := proposal(phone("2"))
	cmd.RequestId = "once"
	first, err := f.group.Propose(t.Context(), cmd)
	again, err2 := leader.group.Propose(t.Context(), cmd)
	if err != nil || err2 != nil || first != again {
		t.Fatalf("same request: %d %v, %d %v", first, err, again, err2)
	}
	c.equal(n[:]...)
}

func TestGroup_LinearizableReadSeesEveryAcknowledgedWrite(t *testing.T) {
	c, n := steady(t)
	leader := c.leader(n[:]...)
	f := followers(leader, n[:]...)
	for i := range 20 {
		f[0].write(1000 + i)
		for _, m := range n {
			if err := m.group.ReadIndex(t.Context()); err != nil {
				t.Fatal(err)
			}
			if m.machine.View().DN(fmt.Sprint(1000+i)) == nil {
				t.Fatalf("%s read past write %d", m.self.Name, i)
			}
		}
	}
}

func TestGroup_ElectsANewLeaderAndLosesNothing(t *testing.T) {
	c, n := three(t)
	leader := c.leader(n[:]...)
	for i := range 50 {
		n[i%3].write(1000 + i)
	}
	leader.kill()
	rest := followers(leader, n[:]...)
	second := c.leader(rest...)
	rest[0].write(2000)
	rest[1].write(2001)
	for i := range 50 {
		if second.machine.View().DN(fmt.Sprint(1000+i)) == nil {
			t.Fatalf("write %d is lost", i)
		}
	}
	leader.start("")
	c.leader(n[:]...)
	c.equal(n[:]...)
}

// inTime is within the two seconds that TestSettings promises, on a machine that has other
// work too: far less than what waits for another node's word, which is for ever.
const inTime = 10 * time.Second

func TestGroup_MinorityRefusesWritesAndServesReads(t *testing.T) {
	c, n := three(t)
	leader := c.leader(n[:]...)
	lone := followers(leader, n[:]...)[0]
	leader.write(1000)
	c.equal(n[:]...)
	c.isolate(lone)
	refused := func(m *member) error {
		begin := time.Now()
		_, err := m.group.Propose(t.Context(), proposal(phone("1")))
		if took := time.Since(begin); took > inTime {
			t.Errorf("refused after %v", took)
		}
		return err
	}
	// At first it still believes in the leader, whom it can't reach.
	if err := refused(lone); !errors.Is(err, ErrNoQuorum) || !strings.Contains(err.Error(), "not applied") {
		t.Fatal(err)
	}
	c.waitFor("candidate", func() bool { return !lone.group.Status().Quorum })
	if err := refused(lone); !errors.Is(err, ErrNoQuorum) {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := lone.group.ReadIndex(t.Context()); !errors.Is(err, ErrNoQuorum) || time.Since(begin) > inTime {
		t.Fatal(err)
	}
	if lone.machine.View().DN("1000") == nil {
		t.Fatal("a minority does not serve its configuration")
	}
	followers(lone, n[:]...)[0].write(1001)
	// Standing for election over and over, it must not have raised its term
	// beyond the others': with that it would depose their leader after the heal.
	if mine, theirs := lone.group.Status().Term, followers(lone, n[:]...)[0].group.Status().Term; mine > theirs {
		t.Fatalf("term %d at the isolated node, %d at the others", mine, theirs)
	}
	c.heal()
	c.equal(n[:]...)
	if lone.machine.View().DN("1") != nil {
		t.Fatal("a refused write was applied later")
	}
}

func TestGroup_CutOffLeaderStepsDownWithUnknownOutcome(t *testing.T) {
	c, n := three(t)
	leader := c.leader(n[:]...)
	c.isolate(leader)
	begin := time.Now()
	_, err := leader.group.Propose(t.Context(), proposal(phone("1")))
	if !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrNoQuorum) || time.Since(begin) > inTime {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	rest := followers(leader, n[:]...)
	c.leader(rest...)
	rest[0].write(2)
	c.waitFor("step-down", func() bool { return leader.group.Status().State != "leader" })
	c.heal()
	c.equal(n[:]...)
}

func TestGroup_RestartedAloneServesTheLastConfiguration(t *testing.T) {
	c, n := three(t)
	for i := range 100 {
		n[0].write(1000 + i)
	}
	c.equal(n[:]...)
	want := n[2].machine.Digest()
	for _, m := range n {
		m.kill()
	}
	n[2].start("")
	if got := n[2].machine.Digest(); got != want || n[2].machine.View().NumDNs() != 100 {
		t.Fatalf("%d DNs", n[2].machine.View().NumDNs())
	}
	if s := n[2].group.Status(); s.Quorum || s.State == "leader" {
		t.Fatalf("%+v", s)
	}
	if _, err := n[2].group.Propose(t.Context(), proposal(phone("1"))); !errors.Is(err, ErrNoQuorum) {
		t.Fatal(err)
	}
	n[0].start("")
	n[1].start("")
	c.leader(n[:]...)
	n[2].write(1)
	c.equal(n[:]...)
}

func TestGroup_JoinTwiceRenameAndRemove(t *testing.T) {
	c, n := steady(t)
	leader := c.leader(n[:]...)
	f := followers(leader, n[:]...)

	stranger := c.add("x")
	stranger.self.Name = f[0].self.Name
	if _, err := stranger.join(f[1]); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "remove that one first") {
		t.Fatalf("a taken name: %v", err)
	}
	if r, err := f[0].join(f[1]); err != nil || len(r.GetNodes()) != 3 {
		t.Fatalf("joining twice: %v", err)
	}

	moved := f[0]
	moved.kill()
	moved.self = proto.CloneOf(moved.self)
	moved.self.Site = "elsewhere"
	moved.start("")
	c.waitFor("new site", func() bool { return leader.machine.View().Node(moved.self.Id).GetSite() == "elsewhere" })

	remove := func(m, via *member) {
		t.Helper()
		if err := via.removal(m.self.Id); err != nil {
			t.Fatal(err)
		}
	}
	remove(moved, f[1])
	c.waitFor("two voters", func() bool { return leader.voters() == 2 })
	moved.kill()
	remove(leader, f[1]) // the leader itself: it hands over first
	c.waitFor("one voter", func() bool { return f[1].group.Status().State == "leader" && f[1].voters() == 1 })
	f[1].write(1)
}

func TestGroup_FurtherNodesDoNotVoteAndTakeOver(t *testing.T) {
	c, n := steady(t)
	for _, name := range []string{"d", "e", "f"} {
		c.patient(name).startJoined(n[1])
	}
	c.waitFor("five voters", func() bool { return n[0].voters() == voters.DefaultMax })
	sixth := c.nodes[5]
	sixth.write(7)
	c.waitFor("six nodes", func() bool { return len(n[0].machine.View().Nodes()) == 6 })
	if err := sixth.removal("id-b"); err != nil {
		t.Fatal(err)
	}
	c.waitFor("a replacement", func() bool {
		f := n[0].group.raft.GetConfiguration()
		if f.Error() != nil {
			return false
		}
		s := f.Configuration().Servers
		return len(s) == 5 && n[0].voters() == 5
	})
}

func TestGroup_AnotherClusterIsRefused(t *testing.T) {
	one, other := newCluster(t), newCluster(t)
	a, b := one.add("a"), other.add("b")
	a.bootstrap()
	b.bootstrap()
	conn, err := b.dialGRPC(a.self.Id, a.self.ClusterAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = peerpb.NewConsensusClient(conn).Propose(t.Context(), &peerpb.ProposeRequest{ClusterId: b.group.ClusterID(), Command: proposal(phone("1"))})
	if err = fromStatus(err); !errors.Is(err, ErrOtherCluster) || !strings.Contains(err.Error(), a.group.ClusterID()) || !strings.Contains(err.Error(), b.group.ClusterID()) {
		t.Fatal(err)
	}
	// Raft's own connection, as after an address changed hands.
	s := newStream(b.dialRaft, b.self, b.group.ClusterID)
	raftConn, err := s.Dial(meant("id-b", b.group.transport.LocalAddr()), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _ = raftConn.Close(); len(s.out) > 0 {
		t.Errorf("%d connections are known, none is open", len(s.out))
	}
	if raftConn, err = s.Dial(meant("id-a", a.group.transport.LocalAddr()), time.Second); err != nil {
		t.Fatal(err)
	}
	defer raftConn.Close()
	_ = raftConn.SetReadDeadline(time.Now().Add(patience.Limit))
	if _, err := raftConn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection of another cluster is kept: %v", err)
	}
}

func TestJoin_NobodyThere(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Join(ctx, []string{"127.0.0.1:1"}, a.self, a.dialGRPC)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatal(err)
	}
}

func TestOpen_DamagedLogIsAnErrorThatNamesTheFile(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	a.bootstrap()
	for i := range 200 {
		a.write(i + 1)
	}
	a.kill()
	path := filepath.Join(a.dir, "raft", "raft.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"garbage":   []byte(strings.Repeat("not a database ", 1000)),
		"truncated": whole[:len(whole)/2],
		"zeroed":    append(append([]byte{}, whole[:8192]...), make([]byte, len(whole)-8192)...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := fsm.Open(fsm.Config{Path: filepath.Join(a.dir, "config.db")})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			_, err = Open(Config{Dir: filepath.Join(a.dir, "raft"), Self: a.self, Machine: m, Listener: listen(t, "127.0.0.1:0"), Dial: a.dialRaft, DialGRPC: a.dialGRPC})
			if err == nil || !strings.Contains(err.Error(), "raft") {
				t.Fatal(err)
			}
		})
	}
}

func TestGroup_LostConfigurationStoreComesBackFromTheLog(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	a.bootstrap()
	a.write(1000)
	id, digest := a.group.ClusterID(), a.machine.Digest()
	a.kill()
	if err := os.Remove(filepath.Join(a.dir, "config.db")); err != nil {
		t.Fatal(err)
	}
	a.bootstrap()
	if a.group.ClusterID() != id || a.machine.Digest() != digest {
		t.Fatal("the state is another one")
	}
}

func TestGroup_NodeFarBehindGetsASnapshot(t *testing.T) {
	c := newCluster(t)
	a := c.patient("a")
	a.bootstrap()
	keep := a.group.raft.ReloadableConfig()
	keep.TrailingLogs = 1
	if err := a.group.raft.ReloadConfig(keep); err != nil {
		t.Fatal(err)
	}
	late := c.patient("late")
	for i := range 300 {
		a.write(1000 + i)
	}
	if err := a.group.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	a.write(2000)
	late.startJoined(a)
	c.waitFor("two voters", func() bool { return a.voters() == 2 })
	c.equal(a, late)
	if late.machine.View().NumDNs() != 301 || late.group.raft.Stats()["last_snapshot_index"] == "0" {
		t.Fatalf("%d DNs, %v", late.machine.View().NumDNs(), late.group.raft.Stats())
	}
	late.kill()
	a.kill()
	late.start("") // its own snapshot is older than its store
	if late.machine.View().NumDNs() != 301 {
		t.Fatal("the snapshot replaced what came after it")
	}
}

func TestGroup_SnapshotsAfterAsFewEntriesAsAskedFor(t *testing.T) {
	c := newCluster(t)
	a := c.patient("a")
	a.snapshotAfter = 10
	a.bootstrap()
	late := c.patient("late")
	for i := range 40 {
		a.write(1000 + i)
	}
	c.waitFor("a snapshot without a word, in place of entries", func() bool { first, err := a.group.store.FirstIndex(); return err == nil && first > 1 })
	late.startJoined(a)
	c.equal(a, late)
	if late.machine.Restores() == 0 || a.machine.Restores() != 0 {
		t.Errorf("%d configurations by snapshot at the late one, %d at the first; want some and none", late.machine.Restores(), a.machine.Restores())
	}
}

func TestGroup_OnlyVoterLeadsAtOnceAfterARestart(t *testing.T) {
	c := newCluster(t)
	a := c.add("a")
	a.election = time.Minute
	a.bootstrap()
	a.kill()
	begin := time.Now()
	a.start("")
	a.write(1)
	if took := time.Since(begin); took > patience.Limit {
		t.Fatalf("a write took %v", took)
	}
}

// Concurrent writers through all nodes; run with -benchtime 3s.
func BenchmarkGroup_Propose(b *testing.B) {
	_, n := three(b)
	for _, bench := range []struct {
		name          string
		size, writers int
		via           *member
	}{{"leader", 1, 64, n[0]}, {"follower", 1, 64, n[1]}, {"follower alone", 1, 2, n[1]}, {"bulk", 500, 4, n[1]}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetParallelism(bench.writers / 2)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					ms := make([]*configpb.Mutation, bench.size)
					for i := range ms {
						ms[i] = phone(fmt.Sprint(1000 + i))
					}
					if _, err := bench.via.group.Propose(context.Background(), proposal(ms...)); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N*bench.size)/b.Elapsed().Seconds(), "DNs/s")
		})
	}
}
