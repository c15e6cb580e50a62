package consensus

import (
	"errors"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// next is the feature level behind that of this program.
var next = fsm.Program().Known + 1

// toCome is a program of that level, with which login_required came.
func toCome() *fsm.Features {
	f := fsm.Program()
	f.Known = next
	f.Since["sipcluster.config.v1.AgentGroup.login_required"] = next
	return &f
}

func (m *member) putGroup(login bool) error {
	return m.put(&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales", LoginRequired: login}}})
}

// restart has the member run as another program.
func (m *member) restart(f *fsm.Features) {
	m.kill()
	m.features = f
	m.start("")
}

// A rolling upgrade: the level rises with the last node. Who is taken back behind the
// level is parked, leads no more, and goes on when it is upgraded again.
func TestFeatures_RiseWithTheLastNode(t *testing.T) {
	c, m := three(t)
	for _, x := range m[:2] {
		x.restart(toCome())
	}
	c.waitFor("two announcements", func() bool {
		return len(followersOf(m[2], func(n *configpb.Node) bool { return n.GetFeatureLevel() == next })) == 2
	})
	c.leader(m[:]...)
	if err := m[0].putGroup(true); !errors.Is(err, fsm.ErrVersion) && m[0].group.Status().State == "leader" {
		t.Errorf("what needs the next level before it: %v", err)
	}
	if l := m[0].machine.View().Level(); l != next-1 {
		t.Fatalf("level %d while a node does not know it", l)
	}
	m[2].restart(toCome())
	c.waitFor("the next level everywhere", func() bool {
		return m[0].machine.View().Level() == next && m[1].machine.View().Level() == next && m[2].machine.View().Level() == next
	})
	c.leader(m[:]...)
	if err := m[1].putGroup(true); err != nil {
		t.Fatalf("what needs the next level at it: %v", err)
	}
	c.equal(m[:]...)

	m[2].restart(nil)
	m[0].write(1001)
	if err := m[2].machine.Parked(); !errors.Is(err, fsm.ErrLevel) {
		t.Fatalf("taken back behind the level: parked for %v", err)
	}
	if m[2].machine.View().Group("sales") == nil {
		t.Error("a parked node does not serve what it had")
	}
	if err := m[2].group.ReadIndex(t.Context()); !errors.Is(err, fsm.ErrParked) {
		t.Errorf("a linearizable read of a parked node: %v", err)
	}
	m[2].restart(toCome())
	c.leader(m[:]...)
	c.equal(m[:]...)
}

func followersOf(m *member, which func(*configpb.Node) bool) (found []*configpb.Node) {
	for _, n := range m.machine.View().Nodes() {
		if which(n) {
			found = append(found, n)
		}
	}
	return found
}

// A parked node does not lead: it would acknowledge nothing.
func TestFeatures_AParkedLeaderHandsOver(t *testing.T) {
	c, m := steady(t)
	old := c.leader(m[:]...)
	_ = old.machine.Park(fsm.ErrLevel)
	next := c.leader(m[:]...)
	c.waitFor("another leader", func() bool { next = c.leader(m[:]...); return next != old })
	next.write(1001)
	if old.machine.View().DN("1001") != nil {
		t.Error("a parked machine applies")
	}
}
