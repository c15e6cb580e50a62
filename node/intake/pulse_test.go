package intake

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/security"
)

// unplug has the kernel drop whatever comes for a socket, as if its machine were gone;
// plug ends that.
func unplug(t *testing.T, conn net.Conn) (plug func()) {
	t.Helper()
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	control(Below(conn), func(fd int) {
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]}); err != nil {
			t.Fatal(err)
		}
	})
	return func() {
		control(Below(conn), func(fd int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
	}
}

// unanswered is how many probes of the kernel have no answer.
func unanswered(conn net.Conn) (n int) {
	control(Below(conn), func(fd int) {
		if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int(info.Probes)
		}
	})
	return n
}

// guests are the two ends of a connection to a port for clients.
func guests(t *testing.T) (client, server net.Conn) {
	t.Helper()
	leftover.Check(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := NewOf(ln, "test", 3, 3, security.New(slog.New(slog.DiscardHandler)))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { in.FeelPulses(ctx) })
	t.Cleanup(func() { cancel(); _ = in.Close(); patience.Done(t, "the end", wg.Wait) })
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = in.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// A machine that is gone is noticed while nothing is to be said, and the loss of
// what the kernel asked first is not its end.
func TestClientPort_TheKernelNoticesAMachineThatIsGone(t *testing.T) {
	if clientTimeout+pulseEach > 3*time.Second {
		t.Errorf("it takes %v", clientTimeout+pulseEach)
	}
	for range 5 { // a busy machine may plug it in too late
		client, server := guests(t)
		ended := make(chan error, 1)
		go func() {
			_, err := server.Read(make([]byte, 1))
			ended <- err
		}()
		plug := unplug(t, client)
		patience.Until(t, "two probes had no answer", func() bool { return unanswered(server) >= 2 || len(ended) > 0 })
		plug()
		patience.Until(t, "one had", func() bool { return unanswered(server) == 0 || len(ended) > 0 })
		if _, err := server.Write([]byte("x")); err != nil {
			continue
		}
		if _, err := client.Read(make([]byte, 1)); err != nil {
			continue
		}
		unplug(t, client)
		if err := patience.Receive(t, "the end of the connection", ended); err == nil {
			t.Error("it ended without an error")
		}
		return
	}
	t.Error("two lost packets ended it each time")
}

// Who has been silent is not gone while nothing waits for his answer, and what is sent to
// the dead brings them no time.
func TestClientPort_WhoIsGone(t *testing.T) {
	late := uint32((clientTimeout + pulseEach) / time.Millisecond)
	for _, c := range []struct {
		probes, unacked, silence uint32
		want                     bool
	}{{1, 0, late, true}, {0, 2, late, true}, {0, 0, late, false}, {3, 1, 1000, false}, {0, 0, 0, false}} {
		if got := noPulse(&unix.TCPInfo{Probes: uint8(c.probes), Unacked: c.unacked, Last_ack_recv: c.silence}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
