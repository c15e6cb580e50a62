package wire

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
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
				if n, err := s.write([][]byte{[]byte("one"), []byte("two")}, []netip.AddrPort{sources[0], sources[0]}); n != 2 || err != nil {
					t.Fatal(n, err)
				}
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
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
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the reader is still there")
	}
	if _, err := s.write([][]byte{{1}}, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}); !errors.Is(err, net.ErrClosed) {
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
	var refused []string
	m := &sendBatch{socket: s, refused: func(b []byte) { refused = append(refused, string(b[:5])) }}
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
	if len(refused) != 1 || refused[0] != "large" {
		t.Error(refused)
	}
	_ = peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, 16)
	for _, want := range []string{"first", "third"} {
		if n, _, err := peer.ReadFrom(got); err != nil || string(got[:n]) != want {
			t.Fatal(string(got[:n]), err)
		}
	}
}
