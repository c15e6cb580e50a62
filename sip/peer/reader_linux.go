package peer

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/crew"
	"github.com/sipcluster/sipcluster/internal/nowait"
)

const (
	// readAhead is how much is read of a stream at a time.
	readAhead = 64 << 10
	// fills is how often that is read at once: all that can have arrived.
	fills = 16
	// maxText is how much of it is served at a time; TLS gives no more at once.
	maxText = 16 << 10
	// maxReady is how many streams are served together.
	maxReady = 64
	// leastShared streams that came together are served by several hands: to wake who helps
	// costs as much as some messages.
	leastShared = 4
)

// reader reads all streams with a Socket: what came together by any of them is served
// together. A goroutine does, from the first stream on, or who reads another socket and
// waits for that here.
type reader struct {
	hold, release func()

	mu      sync.Mutex
	epoll   int // 0 before it is needed
	wake    int // an event of it ends the waiting
	streams map[int32]*stream
	other   int // the descriptor that somebody waits for; 0 for none
	lent    bool
	closed  bool
	own     sync.WaitGroup // of the goroutine

	waiting sync.Mutex // held by the one who reads
	// Below is that one's own.
	events [maxReady]unix.EpollEvent
	ready  [maxReady]*stream
	rooms  []room
	crew   *crew.Crew
	yields nowait.Yields
}

// room is what a hand reads into; nil until it reads.
type room struct{ buf, text []byte }

// newReader makes one that serves as many streams at a time as there are hands.
func newReader(hold, release func(), hands int) *reader {
	r := &reader{hold: hold, release: release, rooms: make([]room, hands)}
	r.crew = crew.New(hands, r.serve)
	return r
}

// lend says that somebody will wait, so that no goroutine needs to.
func (r *reader) lend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent = true
}

// add has a stream be read, of which the Port has taken the Socket.
func (r *reader) add(s *stream) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.open(); err != nil {
		return err
	}
	if err := r.control(unix.EPOLL_CTL_ADD, s); err != nil {
		return fmt.Errorf("sip: a stream to a peer: %w", err)
	}
	r.streams[int32(s.fd)] = s
	return nil
}

// open makes what it waits by; the caller holds mu.
func (r *reader) open() (err error) {
	switch {
	case r.closed:
		return net.ErrClosed
	case r.epoll != 0:
		return nil
	}
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		r.epoll = 0
		return fmt.Errorf("sip: streams to peers: %w", err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, r.wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(r.wake)})
	}
	if err != nil {
		_ = unix.Close(r.epoll)
		r.epoll = 0
		return fmt.Errorf("sip: streams to peers: %w", err)
	}
	r.streams = map[int32]*stream{}
	if !r.lent {
		r.own.Go(func() {
			for r.wait(0) == nil {
			}
		})
	}
	return nil
}

// control says what is waited for; the caller holds mu.
func (r *reader) control(op int, s *stream) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)}
	if s.awaits {
		e.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(r.epoll, op, s.fd, &e)
}

// await has a stream be told when there is room again, or no more.
func (r *reader) await(s *stream, room bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.awaits = room
	if r.streams[int32(s.fd)] == s {
		_ = r.control(unix.EPOLL_CTL_MOD, s)
	}
}

// wait serves streams until fd has something, which is not served here, or the reader is closed.
func (r *reader) wait(fd int) error {
	r.waiting.Lock()
	defer r.waiting.Unlock()
	if err := r.meet(fd); err != nil {
		return err
	}
	for {
		r.yields.Yield()
		n, err := unix.EpollWait(r.epoll, r.events[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("sip: streams to peers: %w", err)
		}
		n, met, err := r.find(max(n, 0))
		if err != nil {
			return err
		}
		if n > 0 {
			r.hold()
			r.serveAll(n)
			r.release()
		}
		if met {
			return nil
		}
	}
}

// meet waits for fd, too, from now on.
func (r *reader) meet(fd int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.open(); err != nil || fd == r.other {
		return err
	}
	if err := unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("sip: streams to peers: %w", err)
	}
	r.other = fd
	return nil
}

// find puts the streams that n events are about to the front of ready, and those events, too;
// met tells that what is waited for has something.
func (r *reader) find(n int) (streams int, met bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, false, net.ErrClosed
	}
	for _, e := range r.events[:n] {
		if s := r.streams[e.Fd]; s != nil {
			r.ready[streams], r.events[streams] = s, e
			streams++
		} else {
			met = met || int(e.Fd) == r.other
		}
	}
	return streams, met, nil
}

// serveAll serves the first n of those that are ready. What belongs to a call came by one.
func (r *reader) serveAll(n int) {
	if n >= leastShared {
		r.crew.Do(n)
		return
	}
	for i := range n {
		r.serve(0, i)
	}
}

// serve has a hand serve what has come by a stream that is ready.
func (r *reader) serve(hand, i int) {
	s, events, at := r.ready[i], r.events[i].Events, &r.rooms[hand]
	if at.buf == nil {
		at.buf, at.text = make([]byte, readAhead), make([]byte, maxText)
	}
	err := error(nil)
	if events&unix.EPOLLOUT != 0 {
		err = s.goOn()
	}
	for more, times := events&^unix.EPOLLOUT != 0, 0; err == nil && more && times < fills; times++ {
		if more, err = s.socket.fill(at.buf); err == nil {
			err = s.drink(at.text)
		}
	}
	if err != nil {
		r.forget(s, err)
	}
}

// forget gives a stream up.
func (r *reader) forget(s *stream, err error) {
	r.mu.Lock()
	delete(r.streams, int32(s.fd))
	r.mu.Unlock()
	s.socket.free()
	s.over <- err
}

// close ends the reading and gives all streams up.
func (r *reader) close() {
	r.mu.Lock()
	was := r.closed
	r.closed = true
	if was || r.epoll == 0 {
		r.mu.Unlock()
		return
	}
	_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	r.mu.Unlock()
	r.own.Wait()
	r.waiting.Lock()
	defer r.waiting.Unlock()
	r.crew.Close()
	r.mu.Lock()
	left := r.streams
	r.streams = nil
	_, _ = unix.Close(r.wake), unix.Close(r.epoll)
	r.mu.Unlock()
	for _, s := range left {
		r.forget(s, net.ErrClosed)
	}
}
