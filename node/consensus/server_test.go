package consensus

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Whatever another node sends, the configuration begins anew by Bootstrap alone,
// and a node that is of no cluster answers for none.
func TestServer_RefusesWhatNoNodeMaySay(t *testing.T) {
	c := newCluster(t)
	a, none := c.add("a"), c.add("b")
	none.start("")
	a.bootstrap()
	epoch, index := a.machine.View().Epoch(), a.machine.View().Index()
	command := func(change func(*peerpb.Command)) *peerpb.Command {
		cmd := proposal(phone("1"))
		cmd.RequestId = "r"
		change(cmd)
		return cmd
	}
	for name, tc := range map[string]struct {
		at      *member
		cluster string
		command *peerpb.Command
		want    error
	}{
		"a new epoch":           {a, epoch, command(func(c *peerpb.Command) { c.NewEpoch = "mine" }), fsm.ErrInvalid},
		"no request id":         {a, epoch, command(func(c *peerpb.Command) { c.RequestId = "" }), fsm.ErrInvalid},
		"no cluster":            {a, "", command(func(*peerpb.Command) {}), ErrOtherCluster},
		"neither has a cluster": {none, "", command(func(*peerpb.Command) {}), ErrOtherCluster},
	} {
		s := &server{g: tc.at.group}
		if _, err := s.Propose(t.Context(), &peerpb.ProposeRequest{ClusterId: tc.cluster, Command: tc.command}); !errors.Is(fromStatus(err), tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
		if !errors.Is(tc.want, ErrOtherCluster) {
			continue
		}
		if _, err := s.ReadIndex(t.Context(), &peerpb.ReadIndexRequest{ClusterId: tc.cluster}); !errors.Is(fromStatus(err), tc.want) {
			t.Errorf("%s, reading: %v, want %v", name, err, tc.want)
		}
	}
	if v := a.machine.View(); v.Epoch() != epoch || v.Index() != index {
		t.Errorf("epoch %s, index %d; were %s, %d", v.Epoch(), v.Index(), epoch, index)
	}
}

// What no node of ours has answered: another port, or something in front of it.
func TestErrors_OfStrangers(t *testing.T) {
	for code, want := range map[codes.Code]error{
		codes.PermissionDenied: ErrOtherCluster, codes.Unauthenticated: ErrOtherCluster, codes.Unimplemented: ErrOtherCluster,
		codes.InvalidArgument: ErrRejected, codes.Unavailable: ErrUnknownOutcome, codes.DeadlineExceeded: ErrUnknownOutcome, codes.Internal: ErrUnknownOutcome,
	} {
		if err := fromStatus(status.Error(code, "so")); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", code, err, want)
		}
	}
}

// Behind a write others are told at once that it is committed, by an entry more;
// a cluster of one has nobody to tell.
func TestNudge_TellsTheOthersBehindAWrite(t *testing.T) {
	c := newCluster(t)
	a := c.patient("a")
	a.bootstrap()
	const writes = 10
	was := a.group.raft.LastIndex()
	for i := range writes {
		a.write(100 + i)
	}
	if grew := a.group.raft.LastIndex() - was; grew > writes+writes/2 { // a leader that has just begun adds one or two
		t.Errorf("alone: %d writes are %d entries", writes, grew)
	}
	b := c.patient("b")
	b.startJoined(a)
	c.waitFor("both vote", func() bool { return a.voters() == 2 })
	a.write(2)
	c.waitFor("the entry behind the write", func() bool { return a.group.raft.LastIndex() > a.machine.View().Index() })
}
