package wire

import (
	"errors"
	"sync"
)

// MaxQueued is how much may wait for a connection whose phone reads slowly.
const MaxQueued = 256 << 10

var errStuck = errors.New("sip: the phone does not read")

// outbox is what waits to be written to a connection.
type outbox struct {
	mu     sync.Mutex
	bytes  int
	queue  [][]byte
	active bool // somebody writes
}

// Enqueue sends b behind what was enqueued before, and does not make the caller
// wait. A phone that does not read loses its connection.
func (f *Flow) Enqueue(b []byte) error {
	o := &f.outbox
	o.mu.Lock()
	if o.bytes+len(b) > MaxQueued {
		o.mu.Unlock()
		f.Conn.Close()
		return errStuck
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
		queue := o.queue
		o.queue, o.bytes = nil, 0
		o.mu.Unlock()
		for _, b := range queue {
			if _, err := f.write(b); err != nil {
				break
			}
		}
	}
}
