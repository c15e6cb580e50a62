package peer

import (
	"errors"
	"net"
	"sync"
)

const (
	// MaxQueued is how much may wait for a stream that takes nothing.
	MaxQueued = 256 << 10
	// readAhead is how much is read at a time.
	readAhead = 16 << 10
)

var (
	errFull  = errors.New("sip: the stream to the peer takes nothing")
	errEnded = errors.New("sip: the stream to the peer has ended")
)

// stream is one connection of a pair.
type stream struct {
	conn net.Conn
	// direct writes what the connection takes at once; nil where that can't be known.
	direct func(b []byte) (int, error)

	mu      sync.Mutex
	queue   []byte // frames that nobody writes yet
	spare   []byte // room for the next queue
	backlog int    // bytes that are being written
	writing bool
	ended   bool
	marked  bool // it is in Port.dirty; guarded by Port.mu
}

func newStream(c net.Conn) *stream {
	tune(c)
	return &stream{conn: c, direct: directly(c)}
}

// add queues a message, for the next flush.
func (s *stream) add(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return errEnded
	case len(s.queue)+s.backlog+frameHead+len(message) > MaxQueued:
		return errFull
	}
	s.queue = appendFrame(s.queue, message)
	return nil
}

// flush writes what is queued, behind what somebody writes now. It does not wait.
func (s *stream) flush() {
	for {
		out := s.take()
		if out == nil {
			return
		}
		n := 0
		if s.direct != nil {
			var err error
			if n, err = s.direct(out); err != nil {
				s.end()
				return
			}
		}
		if n < len(out) {
			go s.drain(out, n)
			return
		}
		s.wrote(out)
	}
}

// take takes the queue to be written; nil when there is none, or somebody writes.
func (s *stream) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing || s.ended || len(s.queue) == 0 {
		return nil
	}
	out := s.queue
	s.queue, s.spare = s.spare[:0], nil
	s.writing, s.backlog = true, len(out)
	return out
}

// wrote notes that what was taken is written.
func (s *stream) wrote(out []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing, s.backlog = false, 0
	if cap(out) <= MaxMessage {
		s.spare = out
	}
}

// drain writes what the connection did not take at once, and what comes meanwhile.
func (s *stream) drain(out []byte, done int) {
	for out != nil {
		if _, err := s.conn.Write(out[done:]); err != nil {
			s.end()
			return
		}
		s.wrote(out)
		out, done = s.take(), 0
	}
}

// end closes the connection, which ends its reader.
func (s *stream) end() {
	s.mu.Lock()
	s.ended, s.queue, s.spare = true, nil, nil
	s.mu.Unlock()
	_ = s.conn.Close()
}

// queued is how much waits.
func (s *stream) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0
	}
	return len(s.queue) + s.backlog
}

// read serves what arrives until the stream ends, all that came together at once. The
// messages may be changed, and are good until serve returns.
func (s *stream) read(serve func(messages [][]byte)) error {
	buf := make([]byte, 0, readAhead)
	var list [][]byte
	for need := frameHead; ; {
		if need > cap(buf) || len(buf) == 0 && cap(buf) > readAhead {
			buf = append(make([]byte, 0, max(need, readAhead)), buf...)
		}
		n, err := s.conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		var rest []byte
		list, rest, need, err = cutFrames(buf[:len(buf)+n], list[:0])
		if len(list) > 0 {
			serve(list)
		}
		if err != nil {
			return err
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
	}
}
