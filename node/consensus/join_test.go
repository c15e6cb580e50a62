package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// answering is a member that answers requests to join, one after the other; the
// last answer counts on.
type answering struct {
	peerpb.UnimplementedConsensusServer
	mu      sync.Mutex
	answers []error
	asked   int
}

func (a *answering) Join(context.Context, *peerpb.JoinRequest) (*peerpb.JoinResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.answers[min(a.asked, len(a.answers)-1)]
	a.asked++
	if err != nil {
		return nil, toStatus(err)
	}
	return &peerpb.JoinResponse{ClusterId: "c1"}, nil
}

// What may be otherwise the next time is asked again; what will not ends the join.
func TestJoin_AsksAgainWhatMayChange(t *testing.T) {
	rejected := func(kind error) error {
		return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Mutation: 1, Kind: kind, Text: "so"})
	}
	for name, tc := range map[string]struct {
		first error
		again bool
	}{
		"no quorum": {ErrNoQuorum, true}, "unknown outcome": {ErrUnknownOutcome, true}, "failed": {ErrFailed, true}, "no leader": {errNotLeader, true},
		"the entry changed meanwhile": {rejected(fsm.ErrRevision), true},
		"the name is taken":           {rejected(fsm.ErrNameTaken), false}, "invalid": {rejected(fsm.ErrInvalid), false},
		"conflict": {rejected(fsm.ErrConflict), false}, "a newer program": {rejected(fsm.ErrVersion), false},
		"another cluster": {ErrOtherCluster, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := bufconn.Listen(1 << 16)
			server, a := grpc.NewServer(), &answering{answers: []error{tc.first, nil}}
			peerpb.RegisterConsensusServer(server, a)
			var wg sync.WaitGroup
			wg.Go(func() { _ = server.Serve(l) })
			defer patience.Done(t, "the end of the server", wg.Wait)
			defer server.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			defer cancel()
			r, err := Join(ctx, []string{"m"}, &configpb.Node{Id: "x"}, func(string, string) (*grpc.ClientConn, error) {
				return grpc.NewClient("passthrough:///m", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
			})
			if tc.again && (err != nil || r.GetClusterId() != "c1" || a.asked != 2) {
				t.Errorf("%v %v after %d requests", r, err, a.asked)
			}
			if !tc.again && (err == nil || errors.Is(err, context.DeadlineExceeded) || a.asked != 1) {
				t.Errorf("%v %v after %d requests", r, err, a.asked)
			}
		})
	}
}

// A node that joined and was never heard of does not vote: it would count for
// the quorum.
func TestReconcile_WhoIsNotThereDoesNotVote(t *testing.T) {
	c := newCluster(t)
	a, b := c.add("a"), c.add("b")
	a.election = 300 * time.Millisecond // it is the only one that votes
	a.bootstrap()
	if _, err := b.join(a); err != nil {
		t.Fatal(err)
	}
	c.waitFor("the one that follows", func() bool {
		f := a.group.raft.GetConfiguration()
		return f.Error() == nil && len(f.Configuration().Servers) == 2
	})
	over := time.NewTimer(4 * a.election) // the roster is looked at four times as often
	defer over.Stop()
	for i := 0; ; i++ {
		if n := a.voters(); n != 1 {
			t.Fatalf("%d voters", n)
		}
		a.write(i)
		select {
		case <-over.C:
			return
		default:
		}
	}
}
