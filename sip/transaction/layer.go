// Package transaction is the transaction layer of the proxy (RFC 3261 §17 with
// RFC 6026): it repeats what may get lost, absorbs what arrives twice, and ends
// by itself. It works on messages as text and knows neither sockets nor what a
// request is for. sipgo's layer answers a CANCEL 200 and 487 by itself, so that
// a 2xx that crosses it can't go on; a proxy needs one that leaves this to it.
//
// Package sip calls it: Open for a request that arrived, Send for one that goes
// on, Response for what comes back. It has several layers, and all that has the
// same Call-ID in the same one: a Layer's lock orders what happens to a call.
package transaction

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Timers are the base values of RFC 3261 §17; zero means the RFC's.
type Timers struct{ T1, T2, T4 time.Duration }

func (t *Timers) fill() {
	if t.T1 == 0 {
		t.T1 = 500 * time.Millisecond
	}
	if t.T2 == 0 {
		t.T2 = 4 * time.Second
	}
	if t.T4 == 0 {
		t.T4 = 5 * time.Second
	}
}

// Sender is the way to the other end of a transaction.
type Sender interface {
	// Send hands a message to the network and never waits for it. It does not
	// keep b.
	Send(b []byte) error
	// Reliable says that what is sent arrives, or somebody hears that it may not have:
	// nothing is repeated by timers.
	Reliable() bool
	// Resent says that a request may come again: because of a timer, or of Layer.Resend
	// at the other end.
	Resent() bool
}

var (
	// ErrTimeout says that no final response came (timers B and F).
	ErrTimeout = errors.New("transaction: no response")
	// ErrUnsent says that the network refused the request.
	ErrUnsent = errors.New("transaction: the network refused the request")
	// ErrOver says that a final response was given before.
	ErrOver = errors.New("transaction: answered already")
)

// Layer holds the transactions of some of a node's calls. It is a lock
// (sync.Locker), which has to be held for all methods of the layer, of its
// transactions and of its alarms; what they call back is called with it held,
// except for what was given to After.
type Layer struct {
	clock *Clock
	t     Timers

	mu      sync.Mutex
	servers map[Key]*Server
	clients map[Key]*Client
	// absorbed are INVITEs that were answered with a 2xx and have no transaction any more.
	absorbed absorbed
	texts    texts
	after    []func()
	spare    []func()
	running  bool // somebody calls what was given to After
}

// Key names a transaction: what a branch, a sent-by and a method come to.
type Key [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(b []byte) Key { return Key{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)} }

// NewLayers makes n layers without transactions, which share a clock. panicked
// is told of what an alarm made its handler panic with, so that this ends neither
// the clock nor the process.
func NewLayers(n int, t Timers, panicked func(any)) []*Layer {
	t.fill()
	layers, c := make([]*Layer, n), newClock(t.T1/10, panicked)
	for i := range layers {
		layers[i] = &Layer{clock: c, t: t, servers: map[Key]*Server{}, clients: map[Key]*Client{}, absorbed: absorbed{age: 64 * t.T1}}
	}
	return layers
}

// T1 is the time-out of the first repetition (RFC 3261 §17.1.1.1).
func (l *Layer) T1() time.Duration { return l.t.T1 }

// Lock implements sync.Locker.
func (l *Layer) Lock() { l.mu.Lock() }

// Unlock implements sync.Locker. It calls what was given to After meanwhile.
func (l *Layer) Unlock() {
	if l.running {
		l.mu.Unlock() // who runs them has not finished, and sees the new ones
		return
	}
	l.running = true
	defer func() {
		l.running = false
		l.mu.Unlock()
	}()
	for len(l.after) > 0 {
		l.runAfter()
	}
}

// After has f called, without the lock, when the lock is given up. What was
// given is called one after the other, in order, whoever gave it.
func (l *Layer) After(f func()) { l.after = append(l.after, f) }

func (l *Layer) runAfter() {
	list := l.after
	l.after, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		clear(list)
		l.spare = list
	}()
	for _, f := range list {
		f()
	}
}

// Len counts the transactions, server and client.
func (l *Layer) Len() int { return len(l.servers) + len(l.clients) }

// Users are those of the server transactions without a final response.
func (l *Layer) Users() (users []any) {
	for _, s := range l.servers {
		if s.user != nil {
			users = append(users, s.user)
		}
	}
	return users
}

// Close ends all transactions, and stops the alarms of all layers that were
// made with this one; nothing is sent or told any more.
func (l *Layer) Close() {
	l.clock.stop()
	for _, s := range l.servers {
		s.Terminate()
	}
	for _, c := range l.clients {
		c.Terminate()
	}
}

// Find returns the server transaction of the key.
func (l *Layer) Find(key Key) (*Server, bool) {
	s, ok := l.servers[key]
	return s, ok
}

// Absorbed tells whether a request is a late copy of an INVITE that was answered with a 2xx
// within the last 64*T1: it has to be ignored (RFC 6026 §7.1).
func (l *Layer) Absorbed(key Key) bool { return l.absorbed.has(key) }

// Response gives a response to its client transaction; false says that there
// is none. The message is not kept.
func (l *Layer) Response(branch []byte, res *message.Message) bool {
	_, method, ok := message.ParseCSeq(res.Get(message.CSeq))
	if !ok {
		return false
	}
	c := l.client(branch, method)
	if c != nil {
		c.receive(res)
	}
	return c != nil
}

// Resend sends requests that have no final answer again, to those that by picks: what
// went there, or came back, may be lost. One that can't be sent and got no response ends
// with ErrUnsent, unless it is one that waits for a way.
func (l *Layer) Resend(by func(Sender) bool) {
	for _, c := range l.clients {
		if (c.state == calling || c.state == trying) && by(c.to) {
			c.resend()
		}
	}
}

// Cut says that the connection is over by which that went, or was to go, which by picks; stood
// tells whether there was one. A request goes once more, by another connection: who was
// about to close that one has not read it, and who has takes the copy for one (RFC 3261
// §17.2). When there was none, or that one is over too, it ends with ErrUnsent.
func (l *Layer) Cut(by func(Sender) bool, stood bool) {
	for _, c := range l.clients {
		if (c.state == calling || c.state == trying) && by(c.to) {
			c.cutOff(stood)
		}
	}
}

// Unsent says that the network refused a request after it was sent: its
// transaction ends with ErrUnsent unless a response has come.
func (l *Layer) Unsent(branch, method []byte) {
	if c := l.client(branch, method); c != nil {
		c.unsent()
	}
}

func (l *Layer) client(branch, method []byte) *Client {
	var buf [96]byte
	return l.clients[clientKey(buf[:0], branch, method)]
}

func clientKey[T, U []byte | string](buf []byte, branch T, method U) Key {
	return keyOf(append(append(append(buf, branch...), ' '), method...))
}

// KeyOf is the key of a request's server transaction (RFC 3261 §17.2.3): an
// ACK and a CANCEL have that of their INVITE.
func KeyOf(m *message.Message) Key {
	var buf [160]byte
	return keyOf(appendKey(buf[:0], m))
}

func appendKey(dst []byte, m *message.Message) []byte {
	via, _ := m.TopVia()
	branch, _ := message.Param(via.Params, "branch")
	dst = append(append(dst, branch...), ' ')
	dst = append(append(dst, via.Host...), ':')
	dst = append(append(dst, via.Port...), ' ')
	switch string(m.Method) {
	case "ACK", "CANCEL":
		dst = append(dst, "INVITE"...)
	default:
		dst = append(dst, m.Method...)
	}
	if len(branch) <= len(message.MagicCookie) || string(branch[:len(message.MagicCookie)]) != message.MagicCookie {
		// A branch of RFC 2543 may be in many.
		n, _, _ := message.ParseCSeq(m.Get(message.CSeq))
		dst = append(append(dst, ' '), m.Get(message.CallID)...)
		dst = append(dst, ' ', byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return dst
}
