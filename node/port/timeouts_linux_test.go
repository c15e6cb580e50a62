package port

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// userTimeout is what the kernel says of a connection.
func userTimeout(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	tcp := intake.Below(conn)
	if tcp == nil {
		t.Fatalf("no socket below %T", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	_ = raw.Control(func(fd uintptr) { ms, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms) * time.Millisecond
}

// The kernel ends a link from both ends 400 ms after a silent cut; a connection
// of Raft has bounds of its own.
func TestClusterPort_TheKernelTimesLinksAtBothEnds(t *testing.T) {
	if tcontroller.UserTimeout != 400*time.Millisecond {
		t.Errorf("the kernel waits %v", tcontroller.UserTimeout)
	}
	for name, key := range map[string]*Key{"in clear": nil, "with a key": secret(1)} {
		t.Run(name, func(t *testing.T) {
			p, err := Listen("127.0.0.1:0", &Dialer{Key: key, Fabric: NewFabric()}, Self{}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
			var wg sync.WaitGroup
			wg.Go(func() { _ = p.Run(ctx) })
			t.Cleanup(func() { cancel(); patience.Done(t, "the end of the cluster port", wg.Wait) })
			for what, c := range map[string]struct {
				dial func(context.Context, string, string) (net.Conn, error)
				say  string
				at   *intake.Handover
				want time.Duration
			}{
				"gRPC": {p.Dial, grpcPreamble, p.GRPC, tcontroller.UserTimeout},
				"Raft": {p.DialRaft, "", p.Raft, 0},
			} {
				dialled, err := c.dial(ctx, "", p.ln.Addr().String())
				if err == nil {
					_, err = dialled.Write([]byte(c.say))
				}
				if err != nil {
					t.Fatal(err)
				}
				defer dialled.Close()
				taken := accepted(t, c.at)
				defer taken.Close()
				if out, in := userTimeout(t, dialled), userTimeout(t, taken); out != c.want || in != c.want {
					t.Errorf("%s: %v where it was dialled, %v where it was accepted, want %v", what, out, in, c.want)
				}
			}
		})
	}
}
