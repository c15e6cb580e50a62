package wire

import (
	"errors"
	"sync"
	"sync/atomic"
)

const (
	// MaxQueued is how much may wait for a connection whose phone reads slowly.
	MaxQueued = 256 << 10
	// maxSpare is how much more may wait for all connections together: a gateway with the calls
	// of thousands gets as much in a blink, and would lose them all with its connection. Who
	// does not read at all loses it by the time that a write may take.
	maxSpare = 64 << 20
)

// spare is the room that connections share.
type spare struct{ taken atomic.Int64 }

func (s *spare) take(n int) bool {
	if s.taken.Add(int64(n)) > maxSpare {
		s.taken.Add(-int64(n))
		return false
	}
	return true
}

func (s *spare) giveBack(n int) { s.taken.Add(-int64(n)) }

var errStuck = errors.New("sip: the phone does not read")

// outbox is what waits to be written to a connection.
type outbox struct {
	mu     sync.Mutex
	bytes  int
	lent   int // of the bytes, from the spare room
	queue  [][]byte
	active bool // somebody writes
}

// Enqueue sends b behind what was enqueued before, and does not make the caller
// wait. A phone that does not read loses its connection.
func (f *Flow) Enqueue(b []byte) error {
	o := &f.outbox
	o.mu.Lock()
	if o.bytes+len(b) > MaxQueued {
		if len(b) > MaxQueued || !f.l.flows.spare.take(len(b)) {
			o.mu.Unlock()
			f.Conn.Close()
			return errStuck
		}
		o.lent += len(b)
	}
	o.queue, o.bytes = append(o.queue, b), o.bytes+len(b)
	begin := !o.active
	o.active = true
	o.mu.Unlock()
	if begin {
		go f.drain()
	}
	return nil
}

// drain writes what was enqueued until nothing is left. An error closes the
// connection, and what comes behind it fails too.
func (f *Flow) drain() {
	o := &f.outbox
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.active = false
			o.mu.Unlock()
			return
		}
		queue, lent := o.queue, o.lent
		o.queue, o.bytes, o.lent = nil, 0, 0
		o.mu.Unlock()
		for _, b := range queue {
			if _, err := f.write(b); err != nil {
				break
			}
		}
		f.l.flows.spare.giveBack(lent)
	}
}
