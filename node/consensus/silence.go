package consensus

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Raft gives each request a deadline, and begins anew when it passes: on a line that
// needs longer it never ends. So a deadline of an outgoing connection is of the
// silence: as long as the other kernel acknowledges octets, or sends some, it is put off.

// outgoing is a dialled connection. Closing the stream closes it too: otherwise
// Raft's shutdown would wait for the answer of a peer that is cut off.
type outgoing struct {
	net.Conn
	s *stream
	// reading and writing are how long the other side may be silent, ns; 0 for ever.
	reading, writing atomic.Int64
}

func (o *outgoing) Close() error {
	o.s.mu.Lock()
	delete(o.s.out, o)
	o.s.mu.Unlock()
	return o.Conn.Close()
}

// SetDeadline bounds the silence by the time that is left.
func (o *outgoing) SetDeadline(t time.Time) error {
	_ = o.SetReadDeadline(t)
	return o.SetWriteDeadline(t)
}

// SetReadDeadline is SetDeadline of what is read.
func (o *outgoing) SetReadDeadline(t time.Time) error { o.reading.Store(remaining(t)); return nil }

// SetWriteDeadline is SetDeadline of what is written.
func (o *outgoing) SetWriteDeadline(t time.Time) error { o.writing.Store(remaining(t)); return nil }

func remaining(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return int64(max(time.Until(t), time.Nanosecond))
}

func (o *outgoing) Read(b []byte) (int, error) {
	defer o.watch(&o.reading).end()
	return o.Conn.Read(b)
}

func (o *outgoing) Write(b []byte) (int, error) {
	defer o.watch(&o.writing).end()
	return o.Conn.Write(b)
}

// watch looks at a Read or Write while it lasts.
type watch struct {
	o        *outgoing
	patience time.Duration

	mu    sync.Mutex
	timer *time.Timer // nil when it is over
	moved uint64
	since time.Time
	due   time.Time // when it looks again
}

func (o *outgoing) watch(patience *atomic.Int64) *watch {
	w := &watch{o: o, patience: time.Duration(patience.Load())}
	if w.patience > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.moved, w.since = octetsMoved(o.Conn), time.Now()
		w.due = w.since.Add(w.pause())
		w.timer = time.AfterFunc(w.pause(), w.look)
	}
	return w
}

func (w *watch) pause() time.Duration { return max(w.patience/4, time.Millisecond) }

// look ends the connection when nothing has moved for too long.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	now := time.Now()
	stoodStill := now.Sub(w.due) > w.pause() // this process, not the other side
	if moved := octetsMoved(w.o.Conn); moved != w.moved || stoodStill {
		w.moved, w.since = moved, now
	}
	if now.Sub(w.since) >= w.patience {
		_ = w.o.Conn.SetDeadline(now)
		return
	}
	w.due = now.Add(w.pause())
	w.timer.Reset(w.pause())
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
