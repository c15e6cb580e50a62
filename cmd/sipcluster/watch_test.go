package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// watching is dn watch in the background.
type watching struct {
	lines  chan string
	stop   context.CancelFunc
	status chan int
}

func (o operator) watches() *watching {
	ctx, cancel := context.WithCancel(o.t.Context())
	w := &watching{lines: make(chan string, 100), stop: cancel, status: make(chan int, 1)}
	c, _ := clienttest.Plain()
	c.Out = lineWriter{w.lines}
	go func() { w.status <- run(ctx, c.Console, []string{"dn", "watch", "-o", "json", "--addr", o.addr}) }()
	w.wants(o.t, `"event":"EndOfSnapshot"`)
	return w
}

func TestWatch_GoesOnAfterALostConnection(t *testing.T) {
	cfg := oneNode(t)
	relay := newRelay(t, cfg.TCAddr)
	direct := operator{t, cfg.TCAddr}
	direct.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	w := operator{t, relay.addr}.watches()
	phone, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "secret", Domain: "example.org", Server: cfg.SIPAddr})
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	if err := accepted(phone.Register(t.Context(), time.Minute)); err != nil {
		t.Fatal(err)
	}
	w.wants(t, `"event":"EventDNBackInService","dn":"1001"`)
	relay.hangUp()
	if err := accepted(phone.Unregister(t.Context())); err != nil {
		t.Fatal(err)
	}
	// No snapshot: the next thing heard is the change.
	w.wants(t, `"event":"EventDNOutOfService","dn":"1001"`)
	w.ends(t)
}

// relay passes TCP connections on, until it hangs up.
type relay struct {
	addr string
	mu   sync.Mutex
	open []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String()}
	t.Cleanup(func() {
		_ = l.Close()
		r.hangUp()
	})
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, in, out)
			r.mu.Unlock()
			go func() { _, _ = io.Copy(in, out) }()
			go func() { _, _ = io.Copy(out, in) }()
		}
	}()
	return r
}

func (r *relay) hangUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

// lineWriter passes on what is written, a line at a time.
type lineWriter struct{ lines chan<- string }

func (w lineWriter) Write(b []byte) (int, error) {
	w.lines <- string(bytes.TrimSpace(b))
	return len(b), nil
}

func (w *watching) wants(t *testing.T, part string) {
	t.Helper()
	select {
	case l := <-w.lines:
		if !strings.Contains(l, part) {
			t.Errorf("got %s, want %s", l, part)
		}
	case <-time.After(patience.Limit):
		t.Fatalf("no %s", part)
	}
}

func (w *watching) ends(t *testing.T) {
	t.Helper()
	w.stop()
	if status := patience.Receive(t, "the end of the command", w.status); status != exitDone {
		t.Errorf("an interrupted watch ends with %d", status)
	}
}
