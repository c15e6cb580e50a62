package consensus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// blind are the members that find nobody at an address, and who has looked there.
type blind struct {
	mu    sync.Mutex
	names map[string]bool
	looks map[string]int
}

func (b *blind) reach(name string) func(context.Context, *configpb.Node) error {
	return func(context.Context, *configpb.Node) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.looks[name]++
		if b.names[name] {
			return fmt.Errorf("not reached from %s", name)
		}
		return nil
	}
}

// find has only those find nobody from now on, and forgets who looked.
func (b *blind) find(names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.names, b.looks = map[string]bool{}, map[string]int{}
	for _, n := range names {
		b.names[n] = true
	}
}

func (b *blind) looked() (all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.looks {
		all += n
	}
	return all
}

// An address counts when the leader and one more node that lives have found the node
// there.
func TestReach_TwoLook(t *testing.T) {
	b := &blind{}
	b.find()
	_, all := threeOf(t, func(m *member) { m.reach, m.election = b.reach(m.self.GetName()), patientElection })
	leader := all[0]
	others := []string{all[1].self.GetName(), all[2].self.GetName()}
	put := func(addr string) error {
		n := proto.CloneOf(leader.machine.View().Node(all[1].self.GetId()))
		n.ClusterAddr = addr
		_, err := leader.group.Propose(t.Context(), proposal(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: n}}))
		return err
	}
	join := func(name string) error {
		_, err := leader.group.Propose(t.Context(), proposal(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{
			Id: "id-" + name, Name: name, Site: "dc", ClusterAddr: "127.0.0.1:" + name[1:], FeatureLevel: leader.machine.Features().Announced(),
		}}}))
		return err
	}
	refused := func(what string, err error, by string) {
		t.Helper()
		if !errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), by) {
			t.Errorf("%s: %v, want a refusal by %s", what, err, by)
		}
	}
	b.find(leader.self.GetName())
	refused("the leader finds nobody", join("n1001"), "not reached from "+leader.self.GetName())
	b.find(others...)
	refused("the others find nobody", join("n1001"), "not reached from ")
	refused("a move to where only the leader finds it", put("127.0.0.1:1002"), "not reached from ")
	b.find()
	if err := put(all[1].self.GetClusterAddr()); err != nil || b.looked() != 0 {
		t.Errorf("it stays where it is: %v, %d looked", err, b.looked())
	}
	if err := join("n1003"); err != nil || b.looked() != 2 {
		t.Errorf("all find it: %v, %d looked", err, b.looked())
	}
}

// With nobody else alive the leader's own look is enough.
func TestReach_AloneTheLeaderLooks(t *testing.T) {
	b := &blind{}
	b.find()
	c := newCluster(t)
	one := c.add("n1")
	one.reach = b.reach("n1")
	one.bootstrap()
	b.find()
	if _, err := one.group.Propose(t.Context(), proposal(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-n2", Name: "n2", Site: "dc", ClusterAddr: "127.0.0.1:1", NonVoter: true, FeatureLevel: one.machine.Features().Announced()}}})); err != nil || b.looked() != 1 {
		t.Errorf("%v, %d looked", err, b.looked())
	}
}
