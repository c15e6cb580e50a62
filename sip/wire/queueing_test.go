package wire

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
)

// queue is a socket that nobody reads, and somebody who sends to it.
func queue(t *testing.T) (*socket, net.Conn) {
	t.Helper()
	s, err := openSocket("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	c, err := net.Dial("udp", s.local.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, c
}

// next reads so many at most.
func (s *socket) next(t *testing.T, most int) int {
	t.Helper()
	bufs := make([][]byte, most)
	for i := range bufs {
		bufs[i] = make([]byte, 2048)
	}
	n, err := s.read(bufs, make([]int, most), make([]netip.AddrPort, most))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSocket_TellsHowLongADatagramWaited(t *testing.T) {
	s, c := queue(t)
	late := func() (waited, since time.Duration, dropped uint32) {
		sent := time.Now()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		patience.Until(t, "the datagram is late", func() bool { return time.Since(sent) > 2*lateAfter })
		s.next(t, 1)
		waited, dropped = s.queued()
		return waited, time.Since(sent), dropped
	}
	patience.Until(t, "the kernel notes when what comes has come", func() bool { // it begins so a little behind the first socket that asks for it
		waited, _, _ := late()
		return waited >= lateAfter
	})
	for range 2 { // the first says how long it was; the second one waits longer
		if waited, since, dropped := late(); waited < lateAfter || waited > since+time.Millisecond || dropped != 0 {
			t.Errorf("it waited %v of %v, %d dropped", waited, since, dropped)
		}
	}
}

func TestSocket_TellsWhatTheKernelHadNoRoomFor(t *testing.T) {
	s, c := queue(t)
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10); err != nil {
		t.Fatal(err)
	}
	const sent = 200
	for range sent {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	n := s.next(t, batch)
	if n == 0 || n == batch {
		t.Fatalf("%d found room", n)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s.next(t, 1)
	if _, dropped := s.queued(); int(dropped) != sent-n {
		t.Errorf("of %d the kernel had room for %d, and tells of %d dropped", sent, n, dropped)
	}
}

// TestPort_SaysWhenTheKernelGivesLessRoom: without the right to force it that is up to a
// sysctl, and whoever runs the node has to hear of it.
func TestPort_SaysWhenTheKernelGivesLessRoom(t *testing.T) {
	var log bytes.Buffer
	port, err := Open(Config{Listen: [location.WSS + 1]string{location.UDP: "127.0.0.1:0"}, Flows: NewFlows(10), Stats: &answer.Counters{}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = port.Close() })
	s := port.udp.socket.(*socket)
	given, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil || port.Room() != given/2 {
		t.Fatalf("there is room for %d, the kernel says %d, %v", port.Room(), given/2, err)
	}
	if said := strings.Contains(log.String(), "net.core.rmem_max="); said != (port.Room() < receiveBuffer) {
		t.Errorf("room for %d of %d, and it says %q", port.Room(), receiveBuffer, log.String())
	}
	log.Reset()
	s.room = receiveBuffer / 2
	if port.advise(s.room); !strings.Contains(log.String(), "sysctl -w net.core.rmem_max=4194304") {
		t.Errorf("half the room, and it says %q", log.String())
	}
}
