package wire

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipeListener accepts what dial makes, in the time of a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { close(l.done); return nil }

func (l *pipeListener) Addr() net.Addr { return nil }

func (l *pipeListener) dial() net.Conn {
	server, client := net.Pipe()
	l.conns <- server
	return client
}

func newPipeHandshakes() (*handshakes, *pipeListener) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	h := newHandshakes(l, (&upgrader{}).upgrade, maxHandshakes, slog.New(slog.DiscardHandler))
	h.limit = 3
	go func() {
		for {
			c, err := h.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return h, l
}

// TestHandshakes_TimeLimit: who is slow is let go when the time is over, not
// when nothing came for a while.
func TestHandshakes_TimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newPipeHandshakes()
		defer h.Close()
		c, began := l.dial(), time.Now()
		for _, part := range []string{"GET / HT", "TP/1.1\r\n", "Host: h\r\n"} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestHandshakes_TheOldestGivesWay when there are too many, and all end with
// the listener.
func TestHandshakes_TheOldestGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := newPipeHandshakes()
		conns := make([]net.Conn, 4)
		for i := range conns {
			conns[i] = l.dial()
			synctest.Wait()
		}
		began := time.Now()
		if _, err := conns[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 0 {
			t.Errorf("the oldest: %v after %v", err, time.Since(began))
		}
		_ = conns[1].SetReadDeadline(time.Now().Add(time.Second))
		if _, err := conns[1].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the next: %v", err)
		}
		h.Close()
		for i, c := range conns[2:] {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("%d: %v", i+2, err)
			}
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}
