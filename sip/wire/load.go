package wire

import (
	"sync/atomic"
	"time"
)

const (
	// lateAfter so long in the kernel's queue a datagram is late: nothing waits there as long
	// as all that comes is served.
	lateAfter = 10 * time.Millisecond
	// graveAfter so long, it is so late that what other nodes have begun has to give way, too.
	graveAfter = 5 * lateAfter
	// hopelessAfter so long, some of it may go unread: sooner, its senders would wait longer for
	// the time to send it again (T1, 500 ms) than for being served.
	hopelessAfter = 20 * lateAfter
	// overloadedAfter so long all that is read has to be late until that is no burst any
	// more, nor a process that had to wait for its processor; and leastLate datagrams.
	overloadedAfter = 100 * time.Millisecond
	leastLate       = 4 * batch
	// relievedAfter so long fewer than leastLate have to be late until it is over.
	relievedAfter = time.Second
)

// load senses whether more comes than is served, by how long the datagrams that are read
// have waited for that. While it does, whatever is read late begins no call: so those that
// are up find the queue short, and there is always something in it to do.
//
// One reader tells it what it read; anybody may ask.
type load struct {
	since time.Time // when all has begun to be late; while more comes, when it was looked at last
	count int       // of the late datagrams since

	overloaded atomic.Bool
	// Of the last batch: how long it had waited (ns), whether the kernel had no room for
	// something before it, and when that was (ns since the epoch).
	waited, at atomic.Int64
	lost       atomic.Bool
}

// read notes that n datagrams are read, of which the first had waited, and that the kernel
// had no room for some before; it tells whether it begins or ends that more comes than is
// served.
func (l *load) read(now time.Time, n int, waited time.Duration, lost bool) (begins, ends bool) {
	l.waited.Store(int64(waited))
	l.lost.Store(lost)
	l.at.Store(now.UnixNano())
	switch late := lost || waited >= lateAfter; {
	case l.overloaded.Load():
		return false, l.relieved(now, n, late)
	case !late:
		l.since = time.Time{}
		return false, false
	case l.since.IsZero():
		l.since, l.count = now, 0
	}
	if l.count += n; l.count < leastLate || now.Sub(l.since) < overloadedAfter {
		return false, false
	}
	l.overloaded.Store(true)
	l.since, l.count = now, 0
	return true, false
}

// relieved tells whether it is over: of what was read since the last time next to nothing
// was late.
func (l *load) relieved(now time.Time, n int, late bool) bool {
	if late {
		l.count += n
	}
	if now.Sub(l.since) < relievedAfter {
		return false
	}
	over := l.count < leastLate
	l.overloaded.Store(!over)
	l.since, l.count = now, 0
	if over {
		l.since = time.Time{}
	}
	return over
}

// refuses tells whether what begins now has to give way: more comes than is served, and
// what is read has waited for so long.
func (l *load) refuses(now time.Time, late time.Duration) bool {
	return l.overloaded.Load() && (time.Duration(l.waited.Load()) >= late || l.lost.Load()) &&
		now.UnixNano()-l.at.Load() < int64(overloadedAfter) // nothing waits since
}

// hopeless tells whether it is not enough that no call begins.
func (l *load) hopeless() bool {
	return time.Duration(l.waited.Load()) >= hopelessAfter || l.lost.Load()
}
