package wire

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// closedPort is an address of this machine at which nobody takes anything: who has it takes
// it from somebody else only, and no other test gets it.
func closedPort(t *testing.T, host string) netip.AddrPort {
	t.Helper()
	c, err := net.Dial("udp", net.JoinHostPort(host, "9"))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// A datagram to a port at which nobody listens comes back, whole or in part,
// whatever the family; and the error is nobody else's: each of the others, in the
// same batch and behind, arrives.
func TestSocket_TellsWhatNobodyTakes(t *testing.T) {
	for _, c := range []struct{ bind, host string }{{"127.0.0.1:0", "127.0.0.1"}, {":0", "127.0.0.1"}, {":0", "::1"}, {"[::1]:0", "::1"}} {
		t.Run(c.bind+" to "+c.host, func(t *testing.T) {
			dead := closedPort(t, c.host)
			alive, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(dead.Addr(), 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer alive.Close()
			to := alive.LocalAddr().(*net.UDPAddr).AddrPort()
			s, err := openSocket(c.bind)
			if err != nil {
				t.Skip(err)
			}
			back := make(chan []byte, 64)
			s.tells(func(b []byte) { back <- b })
			long := []byte(strings.Repeat("0123456789", 140))
			out := newSendBatch(s, 1)
			out.refused = func(b []byte) { t.Fatalf("%.10q was refused at once", b) }
			send := func() {
				for range 20 {
					out.Send(long, dead)
					out.Send([]byte("alive"), to)
				}
			}
			send() // one by one, and nobody reads: each meets the error of the one before
			ended := make(chan error)
			go func() {
				_, err := s.read([][]byte{make([]byte, 16)}, make([]int, 1), make([]netip.AddrPort, 1))
				ended <- err
			}()
			out.Hold()
			send()
			out.Release()
			for range 40 {
				if b := patience.Receive(t, "what nobody takes", back); len(b) < 400 || !bytes.HasPrefix(long, b) {
					t.Fatalf("%d bytes came back: %.20q", len(b), b)
				}
				_ = alive.SetReadDeadline(time.Now().Add(patience.Limit))
				got := make([]byte, 16)
				if n, err := alive.Read(got); err != nil || string(got[:n]) != "alive" {
					t.Fatalf("%q, %v", got[:n], err)
				}
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
			if err := patience.Receive(t, "the end of the reader", ended); err == nil {
				t.Error("an error ended the read")
			}
		})
	}
}

// What is too long for one datagram does not come back as unreachable.
func TestUnreachable_IsNotWhatIsTooLong(t *testing.T) {
	if unreachable(nil) || unreachable([]byte{1, 2, 3}) {
		t.Error("what is no control message says that nobody is there")
	}
}
