package consensus

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
)

// oneOnFrozen is three, of which one has a disk that can be frozen.
func oneOnFrozen(t *testing.T, name string) (*lossyfs.Mount, *cluster, [3]*member) {
	t.Helper()
	m := lossyfs.New(t) // it goes when the nodes are closed
	c, nodes := threeOf(t, func(n *member) {
		n.election = patientElection
		if n.self.Name == name {
			n.dir = m.Dir
		}
	})
	t.Cleanup(m.Thaw)
	return m, c, nodes
}

// The disk of the leader stops answering, as on a frozen file system: another node leads,
// at once when it is asked to and by its own timeout otherwise, the frozen one says that
// it does not, and when its disk answers again it follows, with all that was written.
func TestGroup_LeaderWhoseDiskStallsGivesUpTheLead(t *testing.T) {
	m, c, nodes := oneOnFrozen(t, "a")
	a, b, d := nodes[0], nodes[1], nodes[2]
	c.lead(a, a, b, d)
	a.write(1)
	m.Freeze()
	began := time.Now()
	_, err := a.group.Propose(t.Context(), proposal(phone("2")))
	if !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("a write that the disk never took: %v", err)
	}
	leader := c.leader(b, d)
	t.Logf("another leader after %v", time.Since(began))
	c.waitFor("the word of the stalled node", func() bool { s := a.group.Status(); return s.State == "stalled" && s.Leader == "" && !s.Quorum })
	if err := a.group.Stalled(); !errors.Is(err, disk.ErrStalled) {
		t.Errorf("why: %v", err)
	}
	if !slices.ContainsFunc(a.group.Disks(), func(w *disk.Watch) bool { return w.Store == "raft.db" && w.Stalled() != nil }) {
		t.Error("raft.db is not named")
	}
	if _, err := a.group.Propose(t.Context(), proposal(phone("3"))); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("a write at a node that is stalled: %v", err)
	}
	leader.write(4)
	m.Thaw()
	c.waitFor("its return", func() bool { s := a.group.Status(); return s.State != "stalled" && s.Leader != "" })
	a.write(5)
	c.equal(a, b, d)
	if a.machine.View().DN("4") == nil || a.group.Err() != nil {
		t.Errorf("after the stall: %v", a.group.Err())
	}
}

// A disk that stops answering is noticed although nobody writes: what comes next finds
// another leader.
func TestGroup_IdleLeaderWhoseDiskStallsGivesUpTheLead(t *testing.T) {
	m, c, nodes := oneOnFrozen(t, "a")
	a, b, d := nodes[0], nodes[1], nodes[2]
	c.lead(a, a, b, d)
	a.write(1)
	c.equal(a, b, d)
	m.Freeze()
	leader := c.leader(b, d)
	c.waitFor("the word of the stalled node", func() bool { return a.group.Status().State == "stalled" })
	leader.write(2)
	m.Thaw()
	c.waitFor("its return", func() bool { s := a.group.Status(); return s.State != "stalled" && s.Leader != "" })
	c.equal(a, b, d)
}

// A follower whose disk stalls holds up nobody, and comes back by itself.
func TestGroup_FollowerWhoseDiskStallsIsNoMatter(t *testing.T) {
	m, c, nodes := oneOnFrozen(t, "b")
	a, b, d := nodes[0], nodes[1], nodes[2]
	m.Freeze()
	for i := range 5 {
		a.write(i)
	}
	patience.Until(t, "the stall is noticed", func() bool { return b.group.Stalled() != nil })
	a.write(6)
	if s := b.group.Status(); s.State != "follower" {
		t.Errorf("a follower that stalls says %+v", s)
	}
	m.Thaw()
	c.equal(a, b, d)
}
