package wire

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
)

// pipes are connections of a listener without sockets, so that the test has
// the time of its bubble.
type pipes struct {
	l     *listener
	ended chan dn.Number
}

// noHandler serves nothing, and refuses what has no end.
type noHandler struct{}

func (noHandler) Serve(*Arrival) {}

func (noHandler) Unframed(in *Arrival, _ error) {
	in.Reply = append(in.Reply, "SIP/2.0 400 Bad Content-Length\r\n\r\n"...)
}

func newPipes() *pipes {
	p := &pipes{ended: make(chan dn.Number, 1)}
	p.l = &listener{bound: func(FlowKey, dn.Number) bool { return true }, flows: NewFlows(10), handler: noHandler{}, stats: &answer.Counters{}, slow: wholeMessage, stuck: stuckWrite,
		ended: func(_ FlowKey, n dn.Number) { p.ended <- n }}
	return p
}

// open returns the server's and the phone's end of a connection over which a
// DN is registered. Like sipgo, it reads until an error and closes then.
func (p *pipes) open(t *testing.T, peer string, n dn.Number) (*Flow, net.Conn) {
	t.Helper()
	server, phone := net.Pipe()
	f := &Flow{Conn: server, l: p.l, Closed: make(chan struct{}), pending: newPending(p.l.flows.seed), peer: netip.MustParseAddrPort(peer)}
	if _, err := p.l.flows.add(f); err != nil || !p.l.flows.Attach(f.key(), n) {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, f)
		f.Close()
	}()
	return f, phone
}

// TestFlow_AStuckWriteEndsItsConnectionOnly: a phone that never reads loses its
// connection, and its DN the binding, when the time of a write is over, be it
// an answer or a ping; another phone gets what is sent to it meanwhile.
func TestFlow_AStuckWriteEndsItsConnectionOnly(t *testing.T) {
	for name, write := range map[string]func(*Flow) error{
		"answer": func(f *Flow) error { _, err := f.Write([]byte("SIP/2.0 200 OK\r\n")); return err },
		"ping":   func(f *Flow) error { f.Offer([]byte("OPTIONS")); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				stuck, deaf := p.open(t, "192.0.2.1:5060", "1001")
				fine, phone := p.open(t, "192.0.2.2:5060", "1002")
				began := time.Now()
				done := make(chan error, 1)
				go func() { done <- write(stuck) }()
				synctest.Wait()
				stuck.Offer([]byte("another ping finds no room and waits for none"))
				go fine.Offer([]byte("hello"))
				got := make([]byte, 5)
				if _, err := io.ReadFull(phone, got); err != nil || string(got) != "hello" || time.Since(began) != 0 {
					t.Errorf("the other phone got %q after %v, %v", got, time.Since(began), err)
				}
				if n := patience.Receive(t, "the end of the connection", p.ended); n != "1001" || time.Since(began) != stuckWrite {
					t.Errorf("the binding of %s ended after %v", n, time.Since(began))
				}
				if err := patience.Receive(t, "the end of the write", done); name == "answer" && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				if p.l.flows.Get(stuck.key()) != nil || p.l.flows.Get(fine.key()) != fine {
					t.Error("the wrong connection ended")
				}
				if _, err := deaf.Read(got); !errors.Is(err, io.EOF) {
					t.Errorf("the connection is open: %v", err)
				}
				phone.Close()
				patience.Receive(t, "the end of the connection", p.ended)
			})
		})
	}
}
