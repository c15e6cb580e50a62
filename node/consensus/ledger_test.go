package consensus

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
)

func TestLedger(t *testing.T) {
	l := &ledger{grown: wake.New()}
	state := func(want string) {
		t.Helper()
		if got := fmt.Sprint(l.sum, l.first, len(l.sizes)); got != want {
			t.Fatalf("sum, first and length are %s, want %s", got, want)
		}
	}
	for i := range uint64(5) {
		l.stored(10+i, 100)
	}
	state("500 10 5")
	for octets, want := range map[uint64]uint64{0: 0, 99: 0, 100: 1, 299: 2, 9999: 5} {
		if got := l.last(octets); got != want {
			t.Errorf("%d entries have %d octets, want %d", got, octets, want)
		}
	}
	l.deleted(1, 11) // a prefix, from before the first
	state("300 12 3")
	l.deleted(14, 20) // a suffix that is overwritten
	state("200 12 2")
	l.stored(14, 50)
	state("250 12 3")
	l.deleted(99, 100)
	state("250 12 3")
	if l.limit(250) || len(l.grown) != 0 {
		t.Error("it is longer than it may be")
	}
	l.stored(15, 1)
	if len(l.grown) != 1 || !l.limit(250) {
		t.Error("nobody heard that it is too long")
	}
	l.deleted(12, 15)
	l.stored(40, 7) // behind a snapshot
	state("7 40 1")
}

// What a node keeps of the changes is bounded by octets, in the file too, from before a
// restart too; who was away for longer gets all of the configuration.
func TestGroup_TheLogIsBoundedByOctets(t *testing.T) {
	c, m := threeOf(t, func(m *member) { m.election = patientElection }) // one leader, however busy the machine is
	a := c.leader(m[:]...)
	away := followers(a, m[:]...)[0]
	small := &configpb.Options{RaftLogBytes: fsm.MinRaftLog}
	if err := a.put(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: small}}); err != nil {
		t.Fatal(err)
	}
	away.kill()
	bulk := func() {
		t.Helper()
		var ms []*configpb.Mutation
		for i := range 1000 {
			ms = append(ms, phone(fmt.Sprint(10_000+i)))
		}
		if err := a.put(ms...); err != nil {
			t.Fatal(err)
		}
	}
	for range 30 { // 2 MB
		bulk()
	}
	bounded := func() bool { return !a.group.ledger.limit(fsm.MinRaftLog / 2) }
	c.waitFor("a log that is short again", bounded)
	first, err := a.group.store.FirstIndex()
	if err != nil || first < 20 {
		t.Errorf("the log begins at %d, %v", first, err)
	}
	if info, err := os.Stat(filepath.Join(a.dir, "raft", "raft.db")); err != nil || info.Size() > 4*fsm.MinRaftLog {
		t.Errorf("the log's file has %d bytes, %v", info.Size(), err)
	}
	away.start("")
	c.equal(m[:]...)
	if away.machine.Restores() == 0 {
		t.Error("the node that was away got no snapshot")
	}
	before := a.group.ledger.sum
	a.restart(nil)
	if now := a.group.ledger.sum; now < before/2 || now > 2*before+1000 {
		t.Errorf("opened again it counts %d octets, before %d", now, before)
	}
}

func TestLedger_CountsWhatTheStoreTakes(t *testing.T) {
	s := ledgered{raft.NewInmemStore(), &ledger{}}
	if err := s.StoreLogs([]*raft.Log{{Index: 1, Data: make([]byte, 10)}, {Index: 2, Data: make([]byte, 20)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRange(1, 1); err != nil || s.ledger.sum != 20+entryOctets {
		t.Errorf("%v, %d octets", err, s.ledger.sum)
	}
}
