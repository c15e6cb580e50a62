// Package line makes long lines in a test network, in user space: what goes from one part
// of it to another one is delayed, lost, and let through at a rate, as a Path says. A part
// is all that is behind one network device (Device), a bridge as a rule. It knows Ethernet
// frames and IPv4 addresses, nothing of nodes; jepsen/cluster puts it between their sites.
//
// One goroutine carries all frames: it reads what came in batches, keeps what is under way
// in one heap, and sleeps until the first of it arrives.
package line

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// End is a part of the network, as Attach has numbered it.
type End int

// Counts of the packets that came to go from one end to another one.
type Counts struct {
	// Passed are those that arrive, Octets theirs.
	Passed, Octets int
	// Lost on the way, Overflowed the queue in front of it.
	Lost, Overflowed int
}

// Lines are those between the ends of one network. Run carries the frames.
type Lines struct {
	wakes int // an eventfd
	began time.Time

	mu     sync.Mutex
	ends   []*end
	at     map[netip.Addr]*end
	random *rand.Rand
	air    flights
	spare  []*flight
	nth    uint64
}

// end is one part of the network.
type end struct {
	End
	fd   int
	legs map[End]*leg // by where they lead
}

// leg leads from one end to another one.
type leg struct {
	*way
	Counts
	lost func(packet []byte)      // nil: nobody is told
	next func(packet []byte) bool // nil: nothing is to be lost
}

func (e *end) leg(to End) *leg {
	if e.legs[to] == nil {
		e.legs[to] = &leg{way: &way{}}
	}
	return e.legs[to]
}

// New makes lines without ends. seed is that of their choices. Close them.
func New(seed uint64) (*Lines, error) {
	wakes, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &Lines{
		wakes: wakes, began: time.Now(), at: map[netip.Addr]*end{},
		random: rand.New(rand.NewPCG(seed, 0)),
	}, nil
}

// Attach makes an end of a Device, and Close closes it. Cables lead from it to all others.
func (l *Lines) Attach(device int) End {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &end{End: End(len(l.ends)), fd: device, legs: map[End]*leg{}}
	l.ends = append(l.ends, e)
	l.wake()
	return e.End
}

// Reach says at which end an address is.
func (l *Lines) Reach(addr netip.Addr, at End) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[addr] = l.ends[at]
}

// Set says what happens from now on to packets from one end to another one. What is under
// way arrives as it would have: as behind a change of the route, what follows may overtake it.
func (l *Lines) Set(from, to End, p Path) error {
	if err := p.check(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[from].leg(to).way = &way{Path: p}
	return nil
}

// Lose loses the next packet for which want says so.
func (l *Lines) Lose(from, to End, want func(packet []byte) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[from].leg(to).next = want
}

// OnLoss has fn called with each packet that is lost on the way from one end to another one,
// its Ethernet header included. Neither fn nor want may keep it, or call anything of l.
func (l *Lines) OnLoss(from, to End, fn func(packet []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[from].leg(to).lost = fn
}

// Counts since the begin.
func (l *Lines) Counts(from, to End) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[from].leg(to).Counts
}

func (l *Lines) wake() {
	_, _ = unix.Write(l.wakes, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // full: it wakes anyhow
}

// Close closes all devices, when Run has returned.
func (l *Lines) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.ends {
		_ = unix.Close(e.fd)
	}
	_ = unix.Close(l.wakes)
	l.ends = nil
}

// Run carries frames until ctx ends; what is under way then is lost.
func (l *Lines) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.wake)()
	var fds []unix.PollFd
	for ctx.Err() == nil {
		fds = l.waitFor(fds[:0])
		if _, err := unix.Ppoll(fds, l.sleep(), nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lines: %w", err)
		}
		l.carry(fds)
	}
	return ctx.Err()
}

// waitFor lists what may bring something: the eventfd, and the ends behind it.
func (l *Lines) waitFor(fds []unix.PollFd) []unix.PollFd {
	l.mu.Lock()
	defer l.mu.Unlock()
	fds = append(fds, unix.PollFd{Fd: int32(l.wakes), Events: unix.POLLIN})
	for _, e := range l.ends {
		fds = append(fds, unix.PollFd{Fd: int32(e.fd), Events: unix.POLLIN})
	}
	return fds
}

// sleep is until the first frame arrives; nil when none is under way.
func (l *Lines) sleep() *unix.Timespec {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.air) == 0 {
		return nil
	}
	d := unix.NsecToTimespec(int64(max(0, l.air[0].at-time.Since(l.began))))
	return &d
}

const (
	// batch is how many frames are read from an end before others have their turn.
	batch = 64
	// maxAir bounds what is under way, on all lines together.
	maxAir = 1 << 16
)

// carry takes what came, and hands over what arrives.
func (l *Lines) carry(fds []unix.PollFd) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fds[0].Revents != 0 {
		var b [8]byte
		_, _ = unix.Read(l.wakes, b[:])
	}
	for i, fd := range fds[1:] {
		for n := 0; fd.Revents != 0 && n < batch && l.take(l.ends[i]); n++ {
		}
	}
	for now := time.Since(l.began); len(l.air) > 0 && l.air[0].at <= now; {
		f := heap.Pop(&l.air).(*flight)
		_, _ = unix.Write(f.to.fd, f.buf[:f.len]) // a device that is down loses it
		l.spare = append(l.spare, f)
	}
}

// take reads a frame and lets it go; it tells whether there was one.
func (l *Lines) take(from *end) bool {
	f := l.blank()
	n, err := unix.Read(from.fd, f.buf[:])
	if err != nil || n <= 0 {
		l.spare = append(l.spare, f)
		return false
	}
	now := time.Since(l.began)
	addr, control := destination(f.buf[:n])
	f.len, f.to, f.at, f.nth = n, l.at[addr], now, l.nth
	l.nth++
	if f.to == nil || f.to == from || !control && !l.send(from, f, now) {
		l.spare = append(l.spare, f)
		return true
	}
	heap.Push(&l.air, f)
	return true
}

// send decides about a packet; it tells whether it arrives.
func (l *Lines) send(from *end, f *flight, now time.Duration) bool {
	way, what := from.leg(f.to.End), overflows
	if len(l.air) < maxAir {
		f.at, what = way.pass(now, f.len, l.random)
	}
	packet := f.buf[:f.len]
	if what == passes && way.next != nil && way.next(packet) {
		what, way.next = lost, nil
	}
	switch what {
	case lost:
		way.Lost++
		if way.lost != nil {
			way.lost(packet)
		}
	case overflows:
		way.Overflowed++
	default:
		way.Passed++
		way.Octets += f.len
	}
	return what == passes
}

func (l *Lines) blank() *flight {
	if last := len(l.spare) - 1; last >= 0 {
		f := l.spare[last]
		l.spare = l.spare[:last]
		return f
	}
	return &flight{}
}
