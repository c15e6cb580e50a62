package consensus

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/fsm"
)

// servers reads "a b- c@old:1": a minus for one that does not vote, and an address.
func servers(s string) (list []raft.Server) {
	for f := range strings.FieldsSeq(s) {
		id, address, moved := strings.Cut(f, "@")
		sv := raft.Server{ID: raft.ServerID(strings.TrimSuffix(id, "-"))}
		if sv.Suffrage = raft.Voter; strings.HasSuffix(id, "-") {
			sv.Suffrage = raft.Nonvoter
		}
		if sv.Address = raft.ServerAddress(string(sv.ID) + ":1"); moved {
			sv.Address = raft.ServerAddress(address)
		}
		list = append(list, sv)
	}
	return list
}

func TestErrors_CrossTheWire(t *testing.T) {
	for _, err := range []error{
		ErrNoQuorum, ErrUnknownOutcome, ErrFailed, errNotLeader, otherCluster("x", "y"),
		fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Mutation: 3, Kind: fsm.ErrRevision, Text: "it has revision 7"}),
		fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: fsm.ErrNameTaken, Text: "taken"}),
	} {
		got := fromStatus(toStatus(err))
		if got.Error() != err.Error() {
			t.Errorf("%q came as %q", err, got)
		}
		for _, w := range wire {
			if errors.Is(got, w.err) != errors.Is(err, w.err) {
				t.Errorf("%q came as another error: %v", err, w.err)
			}
		}
	}
	if err := fromStatus(errors.New("connection reset")); !errors.Is(err, ErrUnknownOutcome) {
		t.Error(err)
	}
}

func TestRaftLog_RepeatsNothingWithinItsQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		l := newRaftLog(slog.New(slog.NewTextHandler(&out, nil)), time.Minute)
		for range 5 {
			l.Error("failed to heartbeat to", "peer", "b", "error", errors.New("refused"))
		}
		l.Debug("chatter")
		l.Info("more chatter")
		l.Warn("one", "servers", hclog.Fmt("%d+", 3))
		<-time.After(2 * time.Minute)
		l.Error("failed to heartbeat to", "peer", "b")
		got := out.String()
		if strings.Count(got, "failed to heartbeat") != 2 || !strings.Contains(got, "left_out=4") || strings.Contains(got, "chatter") ||
			!strings.Contains(got, "servers=3+") || strings.Contains(got, "ERROR") {
			t.Fatal(got)
		}
	})
}

// What a stranger sends first on a raft connection is never passed on.
func FuzzHello(f *testing.F) {
	f.Add([]byte("\x07cluster\x01a\x01b and raft"))
	f.Add([]byte("\x07cluster and raft"))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, in []byte) {
		s := pipe(t, in)
		n, err := newCaller(s, func() string { return "cluster" }, "a").Read(make([]byte, 100))
		if ok := strings.HasPrefix(string(in), "\x07cluster\x01a"); !ok && (err == nil || n > 0) {
			t.Fatalf("%q let %d bytes through", in, n)
		}
	})
}
