package nowait

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a connection, and its other end.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	there, err := net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	here, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
	return TCP(here), there
}

// TestConn_CarriesMoreThanTheKernelHasRoomFor, in both directions at once.
func TestConn_CarriesMoreThanTheKernelHasRoomFor(t *testing.T) {
	here, there := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	echoed := make(chan error, 2)
	go func() {
		_, err := io.Copy(there, io.LimitReader(there, int64(len(sent))))
		echoed <- err
	}()
	go func() {
		n, err := here.Write(sent)
		if n != len(sent) {
			err = errors.Join(err, io.ErrShortWrite)
		}
		echoed <- err
	}()
	got, err := io.ReadAll(io.LimitReader(here, int64(len(sent))))
	if err = errors.Join(err, <-echoed, <-echoed); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d octets are back: %v", len(got), len(sent), err)
	}
	_ = there.Close()
	if n, err := here.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
}

// TestConn_FailsAsOneOfNet does: by a deadline, by being closed, and as the kernel says.
func TestConn_FailsAsOneOfNet(t *testing.T) {
	here, there := pair(t)
	_ = here.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := here.Read(make([]byte, 1))
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a deadline: %v", err)
	}
	_ = here.SetWriteDeadline(time.Now().Add(time.Millisecond))
	if n, err := here.Write(make([]byte, 64<<20)); n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline: %d written, %v", n, err)
	}
	_ = here.SetDeadline(time.Time{})
	_ = there.SetLinger(0)
	_ = there.Close()
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a reset: %v", err)
	}
	if _, err := here.Write([]byte{0}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a broken pipe: %v", err)
	}
	here, _ = pair(t)
	go func() { _ = here.Close() }()
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := here.Write([]byte{0}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestUDP_KnowsFromWhere, also a socket of both families.
func TestUDP_KnowsFromWhere(t *testing.T) {
	for bind, reached := range map[string]string{"127.0.0.1:0": "127.0.0.1", "[::1]:0": "::1", "[::]:0": "127.0.0.1"} {
		udp := func() *UDP {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(bind)))
			if err != nil {
				t.Skip("no such address here:", err)
			}
			t.Cleanup(func() { _ = c.Close() })
			u, err := NewUDP(c)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		a, b := udp(), udp()
		at := func(u *UDP) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr(reached), u.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		}
		buf := make([]byte, 100)
		_, err := a.WriteToUDPAddrPort([]byte("hello"), at(b))
		_ = b.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, from, err2 := b.ReadFromUDPAddrPort(buf)
		if errors.Join(err, err2) != nil || string(buf[:n]) != "hello" || netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != at(a) {
			t.Errorf("%s: %q from %s, not %s: %v, %v", bind, buf[:n], from, at(a), err, err2)
		}
		_ = b.SetReadDeadline(time.Now())
		if _, _, err := b.ReadFromUDPAddrPort(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline: %v", err)
		}
		if _, err := a.WriteToUDPAddrPort([]byte("hello"), netip.AddrPort{}); err == nil {
			t.Error("sent to nowhere")
		}
		_ = b.Close()
		if _, _, err := b.ReadFromUDPAddrPort(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

// TestOptions_AreThoseOfTheKernel: what is asked and set past the scheduler is what others see.
func TestOptions_AreThoseOfTheKernel(t *testing.T) {
	here, there := pair(t)
	raw, err := there.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, _ = there.Read(nil) // until it has arrived, on loopback
	err = raw.Read(func(fd uintptr) bool {
		unread, err := Asked(int(fd), unix.SIOCINQ)
		if err == nil && unread == 0 {
			return false
		}
		info, err2 := TCPInfo(int(fd))
		err3 := SetOption(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1234)
		set, err4 := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err := errors.Join(err, err2, err3, err4); err != nil || unread != 5 || info.Bytes_received != 5 || set != 1234 {
			t.Errorf("%d unread, %+v, %d: %v", unread, info, set, err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TCPInfo(-1); !errors.Is(err, syscall.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
	if _, err := Asked(-1, unix.SIOCINQ); !errors.Is(err, syscall.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
	if err := SetOption(-1, 0, 0, 0); !errors.Is(err, syscall.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
}
