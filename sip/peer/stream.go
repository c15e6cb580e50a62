package peer

import (
	"errors"
	"net"
	"sync"
)

// MaxQueued is how much may wait for a stream that takes nothing.
const MaxQueued = 256 << 10

var (
	errFull  = errors.New("sip: the stream to the peer takes nothing")
	errEnded = errors.New("sip: the stream to the peer has ended")
)

// stream is one connection of a pair.
type stream struct {
	conn   net.Conn
	socket *Socket // at its bottom, taken; nil where there is none, then goroutines wait
	fd     int     // of the socket
	reader *reader
	serve  func(messages [][]byte)
	over   chan error // why it is read no more, of one with a Socket

	mu      sync.Mutex
	queue   []byte // frames that nobody writes yet
	spare   []byte // room for the next queue
	backlog int    // bytes that are being written
	writing bool
	ended   bool
	added   uint32 // messages
	taken   uint32 // of them to be written
	mark    mark   // once that has arrived, known is that
	known   uint32
	marked  bool // it is in Port.dirty; guarded by Port.mu
	awaits  bool // room in its socket; guarded by reader.mu

	// Below is the reader's own.
	rest []byte // the beginning of a frame
	list [][]byte
}

// newStream makes one of a connection that has been greeted.
func newStream(c net.Conn, r *reader, serve func(messages [][]byte)) *stream {
	s := &stream{conn: c, socket: below(c), reader: r, serve: serve, over: make(chan error, 1)}
	if s.socket != nil {
		var err error
		if s.fd, err = s.socket.take(); err != nil {
			s.socket = nil // it is closed, or waits as others do
		}
	}
	return s
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
	s.added++
	return nil
}

// arrived is how many messages the peer's kernel has, as far as is known; not known where
// there is no Socket.
func (s *stream) arrived() (n uint32, known bool) {
	if s.socket == nil {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	written, arrived := s.socket.progress()
	if arrived >= s.mark.bytes {
		s.known = s.mark.messages
		if !s.writing {
			s.mark = mark{s.taken, written}
		}
		if arrived >= s.mark.bytes {
			s.known = s.mark.messages
		}
	}
	return s.known, true
}

// mark is how much of a stream was written at some time.
type mark struct {
	messages uint32
	bytes    int64
}

// flush writes what is queued, behind what somebody writes now. It does not wait.
func (s *stream) flush() {
	for {
		out := s.take()
		if out == nil {
			return
		}
		if s.socket == nil {
			go s.drain(out)
			return
		}
		if _, err := s.conn.Write(out); err != nil {
			s.end()
			return
		}
		if s.socket.stuck() {
			s.reader.await(s, true)
			return
		}
		s.wrote(out)
	}
}

// goOn writes what the socket had no room for, and what came meanwhile.
func (s *stream) goOn() error {
	if empty, err := s.socket.push(); err != nil || !empty {
		return err
	}
	s.reader.await(s, false)
	s.wrote(nil)
	s.flush()
	return nil
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
	s.writing, s.backlog, s.taken = true, len(out), s.added
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

// drain writes what was taken, and what comes meanwhile.
func (s *stream) drain(out []byte) {
	for ; out != nil; out = s.take() {
		if _, err := s.conn.Write(out); err != nil {
			s.end()
			return
		}
		s.wrote(out)
	}
}

// end closes the connection, which ends its reader.
func (s *stream) end() {
	s.mu.Lock()
	s.ended, s.queue, s.spare = true, nil, nil
	s.mu.Unlock()
	_ = s.conn.Close()
}

// drop ends a stream that nobody reads.
func (s *stream) drop() {
	s.end()
	if s.socket != nil {
		s.socket.free()
	}
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

// run serves what arrives until the stream ends.
func (s *stream) run() error {
	text := make([]byte, maxText)
	if s.socket == nil {
		return s.drink(text)
	}
	err := s.drink(text) // what TLS has read already
	if err == nil {
		err = s.reader.add(s)
	}
	if err != nil {
		s.drop()
		return err
	}
	return <-s.over
}

// drink serves what the connection has: by a Socket until that has no more.
func (s *stream) drink(text []byte) error {
	for {
		n, err := s.conn.Read(text)
		if errors.Is(err, errDry) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.feed(text[:n]); err != nil {
			return err
		}
	}
}

// feed serves the messages that are whole, all at once. They may be changed, and are good
// until serve returns.
func (s *stream) feed(b []byte) (err error) {
	if len(s.rest) > 0 {
		s.rest = append(s.rest, b...)
		b = s.rest
	}
	s.list, b, err = cutFrames(b, s.list[:0])
	if len(s.list) > 0 {
		s.serve(s.list)
		clear(s.list)
	}
	if s.rest = append(s.rest[:0], b...); len(b) == 0 && cap(s.rest) > maxText {
		s.rest = nil
	}
	return err
}
