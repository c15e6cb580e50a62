package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestWaiting_TellsHowLongWhatIsReadHasWaited, also beneath a WebSocket; otherwise it is the
// connection.
func TestWaiting_TellsHowLongWhatIsReadHasWaited(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	phone, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := waiting(raw)
	defer c.Close()
	w := waitingOf(&wsConn{Conn: c})
	if w == nil || tcpOf(c) != raw {
		t.Fatalf("%v", w)
	}
	const least = 30 * time.Millisecond
	for i, told := 0, 0; told < 2; i++ {
		began := time.Now()
		if _, err := phone.Write([]byte("abcd")); err != nil {
			t.Fatal(err)
		}
		<-time.After(least) // it waits in the kernel, whose clock is that of the world
		buf := make([]byte, 8)
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "abcd" {
			t.Fatal(string(buf[:n]), err)
		}
		switch got := w.waited(); {
		case got == 0 && told == 0 && i < 100: // the kernel begins to note when packets come a moment after it was asked to
		case got < least/2 || got > time.Since(began):
			t.Fatalf("it has waited for %v", got)
		default:
			told++
		}
	}
	_ = c.SetReadDeadline(time.Now())
	if _, err := c.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	_ = c.SetReadDeadline(time.Time{})
	phone.Close()
	if _, err := c.Read(make([]byte, 8)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	c.Close()
	if _, err := c.Read(make([]byte, 8)); !IsClosed(err) {
		t.Error(err)
	}
	if (*waitingConn)(nil).waited() != 0 || waitingOf(phone) != nil {
		t.Error("nobody knows")
	}
}
