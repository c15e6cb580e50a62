package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// A node that could not be reached lately is dialled at once when something is to
// be asked of it, not when gRPC would try again.
func TestStanding_DialsAtOnceAfterAFailure(t *testing.T) {
	ln := bufconn.Listen(1 << 10)
	server := grpc.NewServer()
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(server.Stop)
	var there atomic.Bool
	var dials atomic.Int32
	conn, err := grpc.NewClient("passthrough:///other", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Hour, MaxDelay: time.Hour, Multiplier: 1}}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			if dials.Add(1); !there.Load() {
				return nil, io.ErrUnexpectedEOF
			}
			return ln.DialContext(ctx)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for range 2 {
		before := dials.Load()
		if err := standing(t.Context(), conn); !errors.Is(err, errNotSent) {
			t.Errorf("without a node: %v", err)
		}
		if dials.Load() == before {
			t.Error("it was not dialled")
		}
		patience.Until(t, "the failure", func() bool { return conn.GetState() == connectivity.TransientFailure })
	}
	there.Store(true)
	if err := standing(t.Context(), conn); err != nil {
		t.Errorf("with a node that is back: %v", err)
	}
	_ = conn.Close()
	if err := standing(t.Context(), conn); !errors.Is(err, errNotSent) {
		t.Errorf("closed: %v", err)
	}
}
