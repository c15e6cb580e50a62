package wire

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

func TestSocket_ReadsAndWritesBothFamilies(t *testing.T) {
	for _, bind := range []string{"127.0.0.1:0", ":0", "[::1]:0"} {
		t.Run(bind, func(t *testing.T) {
			s, err := openSocket(bind)
			if err != nil {
				t.Skip(err)
			}
			defer s.close()
			for _, peer := range []string{"127.0.0.1", "::1"} {
				to := netip.AddrPortFrom(netip.MustParseAddr(peer), uint16(s.local.Port))
				c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
				if err != nil || s.local.IP.To4() != nil && peer == "::1" || s.local.IP.Equal(net.IPv6loopback) && peer == "127.0.0.1" {
					continue
				}
				defer c.Close()
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				bufs, sizes, sources := [][]byte{make([]byte, 16)}, make([]int, 1), make([]netip.AddrPort, 1)
				n, err := s.read(bufs, sizes, sources)
				if err != nil || n != 1 || string(bufs[0][:sizes[0]]) != "hello" || sources[0].String() != c.LocalAddr().String() {
					t.Fatal(n, err, sources, c.LocalAddr())
				}
				if n, err := s.outlet().write([][]byte{[]byte("one"), []byte("two")}, []netip.AddrPort{sources[0], sources[0]}); n != 2 || err != nil {
					t.Fatal(n, err)
				}
				_ = c.SetReadDeadline(time.Now().Add(patience.Limit))
				got := make([]byte, 16)
				for _, want := range []string{"one", "two"} {
					if n, err := c.Read(got); err != nil || string(got[:n]) != want {
						t.Fatal(string(got[:n]), err)
					}
				}
			}
		})
	}
}

// TestSocket_SendsNothingToTheOtherFamily: not to its own machine either, which 0.0.0.0 is,
// and not from 127.0.0.6, as the kernel would from ::1.
func TestSocket_SendsNothingToTheOtherFamily(t *testing.T) {
	for bind, other := range map[string]string{"127.0.0.1": "::1", "::1": "127.0.0.1"} {
		t.Run(bind, func(t *testing.T) {
			s, err := openSocket(net.JoinHostPort(bind, "0"))
			if err != nil {
				t.Skip(err)
			}
			defer s.close()
			near, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(bind)})
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			port := near.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			far, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(other), Port: int(port)})
			if err != nil {
				t.Skip(err)
			}
			defer far.Close()
			var refused []string
			out := newSendBatch(s, 1)
			out.refused = func(b []byte) { refused = append(refused, string(b)) }
			out.Hold()
			for _, to := range []string{other, bind, other} {
				out.Send([]byte("to "+to), netip.AddrPortFrom(netip.MustParseAddr(to), port))
			}
			out.Release()
			if want := []string{"to " + other, "to " + other}; !slices.Equal(refused, want) {
				t.Errorf("refused %q, want %q", refused, want)
			}
			for _, c := range []struct {
				*net.UDPConn
				marks string
				want  []string
			}{{near, bind, []string{"to " + bind, "mark"}}, {far, other, []string{"mark"}}} {
				mark, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.marks), port)))
				if err != nil {
					t.Fatal(err)
				}
				_, err = mark.Write([]byte("mark"))
				mark.Close()
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range c.want {
					got := make([]byte, 32)
					_ = c.SetReadDeadline(time.Now().Add(patience.Limit))
					if n, err := c.Read(got); err != nil || string(got[:n]) != want {
						t.Fatalf("%s got %q, %v, want %q", c.marks, got[:n], err, want)
					}
				}
			}
		})
	}
}

// TestSocket_AnswersFromTheAddressThatWasCalled, of several of this host, although it is
// bound to all (RFC 3581 §4); an address that is gone keeps nobody from an answer.
func TestSocket_AnswersFromTheAddressThatWasCalled(t *testing.T) {
	s, err := openSocket("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, called := range []string{"127.0.0.1", "127.0.0.2", "127.9.9.9"} {
		at := netip.AddrPortFrom(netip.MustParseAddr(called), uint16(s.local.Port))
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		bufs, sizes, sources := [][]byte{make([]byte, 16), make([]byte, 16)}, make([]int, 2), make([]netip.AddrPort, 2)
		for range 2 {
			if _, err := c.WriteToUDPAddrPort([]byte("hello"), at); err != nil {
				t.Fatal(err)
			}
		}
		for n := 0; n < 2; {
			some, err := s.read(bufs, sizes, sources)
			if err != nil {
				t.Fatal(err)
			}
			n += some
		}
		answer := func(want string) {
			t.Helper()
			if n, err := s.outlet().write([][]byte{[]byte("one"), []byte("two")}, []netip.AddrPort{sources[0], sources[0]}); n == 0 || err != nil {
				t.Fatal(n, err)
			}
			_ = c.SetReadDeadline(time.Now().Add(patience.Limit))
			if _, from, err := c.ReadFromUDPAddrPort(make([]byte, 16)); err != nil || from.Addr().String() != want {
				t.Errorf("%s was called, and %v answers: %v", called, from, err)
			}
		}
		answer(called)
		s.origins.note(sources[0], netip.MustParseAddr("192.0.2.77"))
		if _, _, err := c.ReadFromUDPAddrPort(make([]byte, 16)); err != nil { // the second answer
			t.Fatal(err)
		}
		answer("127.0.0.1")
	}
}

func TestSocket_CloseEndsAReadAndGivesThePortFree(t *testing.T) {
	s, err := openSocket("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		_, err := s.read([][]byte{make([]byte, 16)}, make([]int, 1), make([]netip.AddrPort, 1))
		ended <- err
	}()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if err := patience.Receive(t, "the end of the reader", ended); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := s.outlet().write([][]byte{{1}}, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	again, err := openSocket(s.local.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(again.close(), again.close()); err != nil {
		t.Error(err)
	}
}

func TestSocket_TellsWhatTheNetworkRefuses(t *testing.T) {
	s, err := openSocket("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var refused [][]byte
	m := newSendBatch(s, 1)
	m.refused = func(b []byte) { refused = append(refused, b) }
	peer, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	to := peer.LocalAddr().(*net.UDPAddr).AddrPort()
	m.Hold()
	m.Send([]byte("first"), to)
	m.Send(append([]byte("large"), make([]byte, 70_000)...), to)
	m.Send([]byte("third"), to)
	m.Release()
	m.Hold()
	for range 3 { // into the room of those before
		m.Send(make([]byte, 16), to)
	}
	m.Release()
	if len(refused) != 1 || !bytes.HasPrefix(refused[0], []byte("large")) {
		t.Errorf("%d are refused, %.20q", len(refused), refused)
	}
	_ = peer.SetReadDeadline(time.Now().Add(patience.Limit))
	got := make([]byte, 16)
	for _, want := range []string{"first", "third"} {
		if n, _, err := peer.ReadFrom(got); err != nil || string(got[:n]) != want {
			t.Fatal(string(got[:n]), err)
		}
	}
}

// TestFlow_TheKernelAsksWhoIsSilent: a phone that lost its power is noticed
// within a minute.
func TestFlow_TheKernelAsksWhoIsSilent(t *testing.T) {
	port, err := Open(Config{Listen: [location.WSS + 1]string{location.TCP: "127.0.0.1:0"}, Flows: NewFlows(10), Log: slog.New(slog.DiscardHandler),
		Ended: func(FlowKey, dn.Number) {}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Close() })
	phone, err := net.Dial("tcp", port.Addr(location.TCP).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phone.Close() })
	c, err := port.Listeners()[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tcpOf(c.(*Flow).Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[[2]int]int{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE}: 1, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}: 30, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}: 10, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}: 3,
	} {
		_ = raw.Control(func(fd uintptr) {
			if got, err := unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil || got != want {
				t.Errorf("option %v is %d, %v, want %d", option, got, err, want)
			}
		})
	}
}

// TestSocket_ClosesWhileItsReaderWrites: the reader serves streams while it waits, and what
// they bring goes out by the same socket.
func TestSocket_ClosesWhileItsReaderWrites(t *testing.T) {
	s, err := openSocket("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to, waits := s.local.AddrPort(), make(chan struct{})
	s.await = func(int) error {
		close(waits)
		for !s.closed.Load() {
			runtime.Gosched()
		}
		// The other one has the time to come to where it waits for us.
		for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until) && s.writing.TryLock(); runtime.Gosched() {
			s.writing.Unlock()
		}
		_, _ = s.outlet().write([][]byte{[]byte("x")}, []netip.AddrPort{to})
		return net.ErrClosed
	}
	read, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.read([][]byte{make([]byte, 64)}, make([]int, 1), make([]netip.AddrPort, 1))
		read <- err
	}()
	patience.Receive(t, "that the reader waits", waits)
	go func() { closed <- s.close() }()
	if err := patience.Receive(t, "the end of close", closed); err != nil {
		t.Error(err)
	}
	if err := patience.Receive(t, "the end of the reader", read); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
