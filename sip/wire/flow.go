package wire

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// MaxStreamed is the longest message over TCP.
	MaxStreamed = 64 << 10
	// wholeMessage is how long a message may take from its first byte to its last.
	wholeMessage = 10 * time.Second
	// silentFlow is how long a connection may take until its first byte.
	silentFlow = 30 * time.Second
	// IdleFlow is how long a connection may be silent over which nobody registered.
	IdleFlow = 2 * time.Minute
	// stuckWrite is how long a write may block, and how long a connection with
	// maxUnanswered requests may go without an answer to one.
	stuckWrite = 5 * time.Second
	// lastAnswers is how long a connection whose reading ended waits for answers.
	lastAnswers = time.Second
)

// errRefused says that what comes next can't be found: the phone was told why.
var errRefused = errors.New("sip: a message without an end")

// listener hands sipgo connections that deliver only whole, checked messages.
type listener struct {
	net.Listener
	transport location.Transport
	handler   handler
	stats     *answer.Counters
	flows     *Flows
	// slow is how long a message may take from its first byte to its last.
	slow time.Duration
	// stuck is how long a write may block.
	stuck time.Duration
	// backlog is that of all connections.
	backlog *backlog
	ended   func(key FlowKey, n dn.Number)
	// bound tells whether a DN has a binding that came over a connection.
	bound func(key FlowKey, n dn.Number) bool
	log   *slog.Logger
	// failing is said when no connection can be accepted.
	failing *lasting.Fault
	// events is told of sources that open too many connections; nil is nobody.
	events *security.Events
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := accept(l.Listener, l.failing)
		if err != nil {
			return nil, err
		}
		if f := l.flow(c); f != nil {
			return f, nil
		}
	}
}

func (l *listener) flow(c net.Conn) *Flow {
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		c.Close()
		return nil
	}
	peer := a.AddrPort()
	f := &Flow{Conn: c, l: l, pending: newPending(l.flows.seed), Closed: make(chan struct{}), peer: netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())}
	if _, ok := c.(*wsConn); ok {
		f.frames = &frames{limit: MaxStreamed}
	}
	f.waits = waitingOf(c)
	if s, ok := c.(secureConn); ok {
		f.certificate = s.shown
	}
	full, err := l.flows.add(f)
	if full {
		l.events.Event(security.Limited, "what", "connections", "port", "sip", "source", f.peer.Addr().String())
	}
	if err != nil {
		f.drop()
		return nil
	}
	if t := tcpOf(c); t != nil {
		_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3})
	}
	return f
}

// Flow is one connection from a phone. sipgo's reader is its only reader.
type Flow struct {
	net.Conn
	l       *listener
	peer    netip.AddrPort
	numbers map[dn.Number]struct{} // guarded by flows.mu
	place   *place[*Flow]          // among the strangers; flows.mu
	closing sync.Once
	pending *pending
	writing sync.Mutex // held for a write
	outbox  outbox
	Closed  chan struct{} // by Close
	Kept    atomic.Bool   // it may be silent
	Relays  relays
	spoke   atomic.Int64 // when it last said something of SIP, ns since the epoch
	Calls   relays       // of which a party is behind the connection
	// certificate that the other side has shown; nil for none that is valid.
	certificate *x509.Certificate
	waits       *waitingConn // the connection beneath; nil when nobody knows how long what is read has waited

	// Below is the reader's own.
	buf     []byte // received, not yet cut into messages
	skip    int64  // octets to come of a message that was refused
	began   time.Time
	heard   time.Time // when it last said something of SIP, or was asked whether it may be silent
	frames  *frames   // of a WebSocket; nil of a stream
	held    bool      // buf holds whole messages that had to wait for answers
	half    bool      // a CRLF came, and a second one makes a keep-alive of it
	ready   []byte    // tidy messages for sipgo
	failed  error
	arrival Arrival
}

// Read implements net.Conn: it returns parts of checked messages.
func (f *Flow) Read(b []byte) (int, error) {
	for len(f.ready) == 0 {
		if f.failed != nil {
			return 0, f.hangUp(f.failed)
		}
		f.failed = f.next()
	}
	n := copy(b, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// next takes what the connection says next, once there is room for a request.
func (f *Flow) next() error {
	if !f.room() {
		return io.EOF
	}
	if f.held {
		return f.split()
	}
	return f.fill()
}

// room waits until fewer than maxUnanswered requests wait for their answers;
// false when none gets its answer, because the phone does not read.
func (f *Flow) room() bool {
	return f.pending.wait(f.l.stuck, func() bool { return !f.pending.full(time.Now()) })
}

// linger gives the requests that came before the end their answers: with the
// error of Read sipgo closes the connection.
func (f *Flow) linger() {
	f.pending.wait(lastAnswers, func() bool { return f.pending.len() == 0 })
}

// fill reads once and serves every whole message that is there then.
func (f *Flow) fill() error {
	if cap(f.buf)-len(f.buf) < 2048 {
		f.buf = append(make([]byte, 0, 2*cap(f.buf)+4096), f.buf...)
	}
	if err := f.Conn.SetReadDeadline(f.deadline()); err != nil {
		return err
	}
	n, err := f.Conn.Read(f.buf[len(f.buf):cap(f.buf)])
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && f.idle() && (f.Kept.Load() || f.l.flows.registered(f)) {
			f.heard = time.Now()
			return nil
		}
		// What came stays incomplete; whose it was may still listen.
		if f.frames == nil {
			f.refuse(f.buf[:message.Head(f.buf)], message.ErrFraming)
		}
		return io.EOF
	}
	if f.idle() {
		f.began = time.Now()
	}
	if f.frames == nil {
		f.speaks()
	}
	f.buf = f.buf[:len(f.buf)+n]
	return f.split()
}

// speaks notes that the phone said something, if only to keep the connection.
func (f *Flow) speaks() {
	f.heard = time.Now()
	f.spoke.Store(f.heard.UnixNano())
}

// Shows tells whether the other side has shown a valid certificate of that name.
func (f *Flow) Shows(name string) bool {
	return f.certificate != nil && ofName(f.certificate, name) == nil
}

// SpokeSince tells whether the phone has said something since a time.
func (f *Flow) SpokeSince(t time.Time) bool { return f.spoke.Load() > t.UnixNano() }

// idle tells whether no part of a message has come.
func (f *Flow) idle() bool {
	return len(f.buf) == 0 && f.skip == 0 && (f.frames == nil || f.frames.kind == 0)
}

// split finds the messages in the buffer, in the way of the transport.
func (f *Flow) split() error {
	if f.frames != nil {
		return f.cutFrames()
	}
	return f.cut()
}

func (f *Flow) deadline() time.Time {
	if !f.idle() {
		return f.began.Add(f.l.slow)
	}
	if f.heard.IsZero() {
		f.heard = time.Now()
	}
	if f.frames == nil && f.spoke.Load() == 0 {
		return f.heard.Add(silentFlow)
	}
	return f.heard.Add(IdleFlow)
}

// cut takes whole messages off the buffer, as many as there is room for. An error ends the connection: behind
// a message whose length nobody knows no other can be found.
func (f *Flow) cut() error {
	rest := f.buf
	f.ready, f.held = f.ready[:0], false
	for {
		if f.held = f.pending.full(time.Now()); f.held {
			break
		}
		if rest = f.skipped(rest); f.skip > 0 {
			break
		}
		rest = f.keepAlive(rest)
		n, err := message.Frame(rest, MaxStreamed)
		if errors.Is(err, message.ErrTooLarge) {
			if f.tooLarge(rest, n); f.skip > 0 {
				continue
			}
			return errRefused
		}
		if err != nil {
			f.refuse(rest[:n], err)
			return errRefused
		}
		if n == 0 {
			break
		}
		if err := f.message(rest[:n]); err != nil {
			return err
		}
		rest, f.began = rest[n:], time.Now()
	}
	f.keep(rest)
	return nil
}

// keep keeps what is no whole message yet.
func (f *Flow) keep(rest []byte) {
	f.buf = f.buf[:copy(f.buf, rest)]
	if len(f.buf) == 0 && cap(f.buf) > 8192 {
		f.buf = nil
	}
}

// keepAlive skips CRLFs before a message and answers a double one (RFC 5626
// §3.5.1), in however many pieces it comes.
func (f *Flow) keepAlive(b []byte) []byte {
	crlf, n := []byte("\r\n"), 0
	if f.half {
		n = 1
	}
	for bytes.HasPrefix(b, crlf) {
		b, n = b[2:], n+1
	}
	f.half = n == 1 && len(b) < len(crlf) // no message follows
	if n >= 2 {
		_, _ = f.write(crlf)
	}
	return b
}

func (f *Flow) message(data []byte) (err error) {
	in := &f.arrival
	in.Begin(data, f.peer, f.l.transport, in.Reply)
	in.Late = f.waits != nil && f.l.backlog.read(time.Now(), f.waits.waited())
	f.l.handler.Serve(in)
	switch {
	case in.HangUp:
		return io.EOF
	case len(in.Tidy) == 0:
	case bytes.HasPrefix(in.Tidy, []byte("SIP/2.0 ")):
		f.ready = append(f.ready, in.Tidy...)
	case bytes.HasPrefix(in.Tidy, []byte("ACK ")): // no transaction is kept that waits for one
	case f.pending.add(in.Tidy, time.Now()):
		f.ready = append(f.ready, in.Tidy...)
	}
	if len(in.Reply) > 0 {
		_, err = f.write(in.Reply)
	}
	return err
}

// refuse answers a message that cannot be framed.
func (f *Flow) refuse(head []byte, why error) {
	if len(head) == 0 {
		return
	}
	in := &f.arrival
	in.Begin(head, f.peer, f.l.transport, in.Reply)
	if f.l.handler.Unframed(in, why); len(in.Reply) > 0 {
		_, _ = f.write(in.Reply)
	}
}

// Write implements net.Conn for what sipgo sends.
func (f *Flow) Write(b []byte) (int, error) {
	n, err := f.write(b)
	if bytes.HasPrefix(b, []byte("SIP/2.0 ")) && !bytes.HasPrefix(b, []byte("SIP/2.0 1")) {
		f.pending.done(b)
	}
	return n, err
}

// Forget notes that a request gets no answer; response is one that could be.
func (f *Flow) Forget(response []byte) { f.pending.done(response) }

// write sends; a phone that does not read loses its connection.
func (f *Flow) write(b []byte) (int, error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	return f.send(b)
}

// Offer sends b without making the caller wait. While another write is on its
// way it sends nothing.
func (f *Flow) Offer(b []byte) {
	if !f.writing.TryLock() {
		return
	}
	go func() {
		defer f.writing.Unlock()
		_, _ = f.send(b)
	}()
}

// send is a write with a deadline of its own; the caller holds writing.
func (f *Flow) send(b []byte) (int, error) {
	if err := f.Conn.SetWriteDeadline(time.Now().Add(f.l.stuck)); err != nil {
		return 0, err
	}
	n, err := f.Conn.Write(b)
	if err != nil {
		f.Conn.Close()
		return n, fmt.Errorf("sip: %w", err)
	}
	return n, nil
}

// Close implements net.Conn and ends the bindings that came over the flow.
func (f *Flow) Close() error {
	err := f.Conn.Close()
	f.closing.Do(func() {
		close(f.Closed)
		for _, n := range f.l.flows.remove(f) {
			f.l.ended(f.key(), n)
		}
		f.Relays.end()
		f.Calls.end()
	})
	return err
}

// drop ends it without a word.
func (f *Flow) drop() { cut(f.Conn) }

// IsClosed tells whether an error says that a port or connection was closed.
func IsClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
