package consensus

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// wrapping is a connection that says what is below it.
type wrapping struct{ net.Conn }

func (w wrapping) NetConn() net.Conn { return w.Conn }

// A connection of Raft ends when what was sent stays without an
// acknowledgement for a second, whatever wraps the socket.
func TestStream_TheKernelTimesConnectionsOfRaft(t *testing.T) {
	if silence != time.Second {
		t.Errorf("the kernel waits %v", silence)
	}
	ln := listen(t, "127.0.0.1:0")
	defer ln.Close()
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"a socket":      func(c net.Conn) net.Conn { return c },
		"wrapped twice": func(c net.Conn) net.Conn { return wrapping{wrapping{c}} },
		"TLS":           func(c net.Conn) net.Conn { return tls.Client(wrapping{c}, &tls.Config{InsecureSkipVerify: true}) },
	} {
		raw, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		giveUpAfter(wrap(raw), silence)
		wantUserTimeout(t, name, raw)
	}
	var dialled net.Conn
	s := newStream(func(ctx context.Context, _, addr string) (net.Conn, error) {
		var err error
		dialled, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		return dialled, err
	}, &configpb.Node{Id: "b"}, func() string { return "c1" })
	c, err := s.Dial(meant("a", raft.ServerAddress(ln.Addr().String())), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantUserTimeout(t, "what Raft dials", dialled)
}

func wantUserTimeout(t *testing.T, name string, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	ms := 0
	_ = raw.Control(func(fd uintptr) { ms, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
	if ms != 1000 {
		t.Errorf("%s: the kernel gives up after %d ms", name, ms)
	}
}
