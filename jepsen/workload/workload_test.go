package workload

import (
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestConfiguration_OutcomeIsWhatTheAnswerProves(t *testing.T) {
	for _, tc := range []struct {
		kind    history.Kind
		err     error
		want    history.Outcome
		swapped bool
	}{
		{history.Write, nil, history.OK, false},
		{history.Swap, nil, history.OK, true},
		{history.Swap, status.Error(codes.FailedPrecondition, "revision differs"), history.OK, false},
		{history.Add, status.Error(codes.FailedPrecondition, "it exists"), history.Fail, false},
		{history.Write, status.Error(codes.NotFound, "no such DN"), history.OK, false},
		{history.Write, outcome.Info{Reason: outcome.NotApplied}.Status(codes.Unavailable, "no quorum"), history.Fail, false},
		{history.Write, outcome.Info{Reason: outcome.Unknown}.Status(codes.Unavailable, "not applied: the disk is full"), history.Unknown, false},
		{history.Add, outcome.Info{Reason: outcome.Unknown}.Status(codes.FailedPrecondition, "it exists"), history.Unknown, false},
		{history.Write, status.Error(codes.Unavailable, "not applied"), history.Unknown, false}, // of an older node
		{history.Write, status.Error(codes.Unavailable, "connection refused"), history.Unknown, false},
		{history.Swap, status.Error(codes.DeadlineExceeded, ""), history.Unknown, false},
	} {
		w := Configuration{known: map[string]read{}}
		op := history.Op{Kind: tc.kind, Key: "reg-0", Arg: "7"}
		if w.outcome(&op, 12, tc.err); op.Outcome != tc.want || op.Swapped != tc.swapped {
			t.Errorf("%s answered %v: %s, swapped %v; want %s, %v", tc.kind, tc.err, op.Outcome, op.Swapped, tc.want, tc.swapped)
		}
	}
}

func TestSite_AClientsChoicesDependOnSeedAndName(t *testing.T) {
	first := func(seed uint64, name string) uint64 { return (&Site{Seed: seed}).random(name).Uint64() }
	if a, b := first(1, "2001"), first(1, "2001"); a != b {
		t.Error("the same client chooses differently")
	}
	if first(1, "2001") == first(2, "2001") || first(1, "2001") == first(1, "2002") {
		t.Error("another seed or client chooses the same")
	}
}

func TestStream_RemembersWhereToResume(t *testing.T) {
	record, err := history.Create(filepath.Join(t.TempDir(), "h"), history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	w := &Stream{Site: &Site{Record: record}, Name: "stat", Node: &cluster.Node{}}
	tell := func(m *tcpb.WatchResponse) { w.told(m) }
	tell(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Started{Started: &tcpb.WatchStarted{Incarnation: 5}}})
	tell(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Events{Events: &tcpb.EventBatch{Events: []*tcpb.DNEvent{{Dn: "2001", Snapshot: true}}}}})
	if w.whole {
		t.Error("a snapshot that has not ended can't be resumed")
	}
	tell(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_EndOfSnapshot{EndOfSnapshot: &tcpb.EndOfSnapshot{Seq: 40}}})
	tell(&tcpb.WatchResponse{Body: &tcpb.WatchResponse_Events{Events: &tcpb.EventBatch{Events: []*tcpb.DNEvent{{Dn: "2001", Seq: 41}}}}})
	if !w.whole || w.incarnation != 5 || w.seq != 41 {
		t.Errorf("resumes from %d of %d, whole %v; want 41 of 5", w.seq, w.incarnation, w.whole)
	}
	if err := record.Close(); err != nil {
		t.Error(err)
	}
}
