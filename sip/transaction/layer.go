// Package transaction is the transaction layer of the proxy (RFC 3261 §17 with
// RFC 6026): it repeats what may get lost, absorbs what arrives twice, and ends
// by itself. It works on messages as text and knows neither sockets nor what a
// request is for. sipgo's layer answers a CANCEL 200 and 487 by itself, so that
// a 2xx that crosses it can't go on; a proxy needs one that leaves this to it.
//
// Package sip calls it: Open for a request that arrived, Send for one that goes
// on, Response for what comes back.
package transaction

import (
	"errors"
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
	// Send hands a message to the network and never waits for it.
	Send(b []byte) error
	// Reliable says that what is sent arrives, or the connection ends.
	Reliable() bool
}

var (
	// ErrTimeout says that no final response came (timers B and F).
	ErrTimeout = errors.New("transaction: no response")
	// ErrOver says that a final response was given before.
	ErrOver = errors.New("transaction: answered already")
)

// Layer holds the transactions of a node.
type Layer struct {
	t       Timers
	servers *table[*Server]
	clients *table[*Client]
}

// New makes a Layer without transactions.
func New(t Timers) *Layer {
	t.fill()
	return &Layer{t: t, servers: newTable[*Server](), clients: newTable[*Client]()}
}

// Len counts the transactions, server and client.
func (l *Layer) Len() int { return l.servers.len() + l.clients.len() }

// Close stops all timers; nothing is sent or told any more.
func (l *Layer) Close() {
	for _, s := range l.servers.all() {
		s.Terminate()
	}
	for _, c := range l.clients.all() {
		c.Terminate()
	}
}

// Find returns the server transaction of the key.
func (l *Layer) Find(key []byte) (*Server, bool) { return l.servers.get(key) }

// Response gives a response to its client transaction; false says that there
// is none.
func (l *Layer) Response(branch []byte, res *message.Message) bool {
	_, method, ok := message.ParseCSeq(res.Get(message.CSeq))
	if !ok {
		return false
	}
	key := make([]byte, 0, 64)
	key = append(append(append(key, branch...), ' '), method...)
	c, ok := l.clients.get(key)
	if ok {
		c.receive(res)
	}
	return ok
}

// AppendKey makes the key of a request's server transaction (RFC 3261
// §17.2.3): an ACK and a CANCEL have that of their INVITE.
func AppendKey(dst []byte, m *message.Message) []byte {
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
	if len(branch) < 8 || string(branch[:7]) != "z9hG4bK" {
		// A branch of RFC 2543 may be in many.
		n, _, _ := message.ParseCSeq(m.Get(message.CSeq))
		dst = append(append(dst, ' '), m.Get(message.CallID)...)
		dst = append(dst, ' ', byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return dst
}

// stop stops a timer that may be none.
func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}
