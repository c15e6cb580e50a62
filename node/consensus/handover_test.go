package consensus

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
)

func TestWithout_CountsTheLiving(t *testing.T) {
	for _, c := range []struct {
		name, servers, leave, alive string
		quorum                      bool
	}{
		{"a follower of three", "a b c", "c", "a b c", true},
		{"a living one of three with one dead", "a b c", "b", "a b", false},
		{"the dead one of three", "a b c", "c", "a b", true},
		{"the leader of two", "a b", "a", "a b", true},
		{"the last one", "a", "a", "a", false},
		{"a living one of four with one dead", "a b c d", "c", "a b c", true},
		{"two of four with one dead", "a b c d", "b c", "a b c", false},
		{"a living one of five with two dead", "a b c d e", "c", "a b c", false},
		{"a non-voter beside a dead voter", "a b c d-", "d", "a b", true},
		{"a living non-voter stands in for nobody", "a b c d-", "b", "a b d", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := func(list string) func(raft.ServerID) bool {
				return func(id raft.ServerID) bool { return slices.Contains(strings.Fields(list), string(id)) }
			}
			if got := without(servers(c.servers), in(c.leave), in(c.alive)); got.quorum() != c.quorum {
				t.Fatalf("%+v", got)
			}
		})
	}
}

// patientElection is how long members wait before they elect somebody by themselves.
const patientElection = 5 * time.Second

func TestHandOver_AnotherLeadsWithoutAnElectionTimeout(t *testing.T) {
	const election = 15 * time.Second
	c, m := threeOf(t, func(m *member) { m.election = election })
	soon, over := context.WithTimeout(t.Context(), election)
	defer over()
	if err := m[0].group.HandOver(soon); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	if l := c.leader(m[:]...); l == m[0] {
		t.Fatal("it leads still")
	}
	m[0].write(1001)
	if err := followers(c.leader(m[:]...), m[:]...)[0].group.HandOver(ctx); err != nil {
		t.Fatal("who does not lead has nothing to hand over:", err)
	}
}

func (m *member) remove(id string, force bool) error {
	cmd := proposal(&configpb.Mutation{Op: &configpb.Mutation_DeleteNode{DeleteNode: id}})
	cmd.Force = force
	_, err := m.group.Propose(context.Background(), cmd)
	return err
}

// removal is remove as somebody does it who asks again until it is known what became of
// it: elections and a slow machine leave that open.
func (m *member) removal(id string) (err error) {
	patience.Within(patience.Limit, func() bool {
		err = m.remove(id, false)
		return !errors.Is(err, ErrNoQuorum) && !errors.Is(err, ErrUnknownOutcome)
	})
	if errors.Is(err, fsm.ErrNotFound) { // one of unknown outcome was written
		return nil
	}
	return err
}

func TestRemove_TheLeaderOfTwo(t *testing.T) {
	c := newCluster(t)
	a, b := c.patient("a"), c.patient("b")
	a.bootstrap()
	b.startJoined(a)
	c.waitFor("two voters", func() bool { return a.voters() == 2 && b.voters() == 2 })
	if err := a.removal(a.self.Id); err != nil {
		t.Fatal(err)
	}
	a.kill()
	c.waitFor("one that votes alone", func() bool { return b.voters() == 1 })
	b.write(1001)
	if err := b.removal(b.self.Id); !errors.Is(err, fsm.ErrConflict) {
		t.Fatal("the last one:", err)
	}
}

func TestRemove_ALivingOneBesideADeadOne(t *testing.T) {
	_, m := steady(t)
	m[2].kill()
	err := m[0].removal(m[1].self.Id)
	if !errors.Is(err, fsm.ErrConflict) || !strings.Contains(err.Error(), "a would answer, and c would not") {
		t.Fatal(err)
	}
	if err := m[1].removal(m[0].self.Id); !errors.Is(err, fsm.ErrConflict) {
		t.Fatal("the leader, asked elsewhere:", err)
	}
	patience.Until(t, "the removal of the dead one", func() bool { // a busy machine's living one may answer too late
		err = m[0].removal(m[2].self.Id)
		return err == nil
	})
	m[1].write(1001)
}

func TestRemove_ByForce(t *testing.T) {
	_, m := steady(t)
	m[2].kill()
	patience.Until(t, "a removal by force", func() bool { return m[0].remove(m[1].self.Id, true) == nil })
	patience.Until(t, "a cluster without a quorum", func() bool {
		_, err := m[0].group.Propose(context.Background(), proposal(phone("1001")))
		return errors.Is(err, ErrNoQuorum) || errors.Is(err, ErrUnknownOutcome)
	})
}

// Two removals that are harmless one by one are not written together.
func TestRemove_TwoAtATime(t *testing.T) {
	c, m := steady(t)
	d := c.patient("d")
	d.startJoined(m[0])
	c.waitFor("four voters", func() bool { return m[0].voters() == 4 })
	d.kill()
	lead := c.leader(m[:]...)
	others := followers(lead, m[:]...)
	patience.Until(t, "a removal", func() bool { // a busy machine's living one may answer too late
		done := make(chan error, 2)
		for _, o := range others {
			go func() { done <- lead.removal(o.self.Id) }()
		}
		one, two := patience.Receive(t, "the first removal", done), patience.Receive(t, "the second removal", done)
		if one == nil && two == nil {
			t.Fatal("both are removed")
		}
		return one == nil || two == nil
	})
}
