package wire

import (
	"sync"
	"time"
)

// backlog senses of connections what load senses of datagrams: by how long what is read has
// waited. Each connection is a queue of its own, so that one is read in time says nothing of
// the others: more comes than is served while half of all is late. Any reader may call it.
type backlog struct {
	mu    sync.Mutex
	since time.Time // when it began to count
	late  int       // of the messages since
	all   int
	over  bool // more comes than is served
	// waited is how long the last message had, and at when that was.
	waited time.Duration
	at     time.Time
	// turned is told when it begins or ends that more comes than is served; nil is nobody.
	turned func(begins bool)
}

// read notes that a message is served which had waited. It tells whether a call that begins
// by it has to give way.
func (b *backlog) read(now time.Time, waited time.Duration) (givesWay bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waited, b.at = waited, now
	if b.all++; waited >= graveAfter {
		b.late++
	}
	b.turn(now)
	return b.over && waited >= graveAfter
}

// turn looks at what was counted when there is enough of it. The caller holds mu.
func (b *backlog) turn(now time.Time) {
	was, took := b.over, now.Sub(b.since)
	switch {
	case took < overloadedAfter, took < relievedAfter && (was || b.all < leastLate):
		return
	case was:
		b.over = b.late >= leastLate
	default:
		b.over = b.late >= leastLate/2 && 2*b.late >= b.all && took < 2*relievedAfter
	}
	if b.over != was && b.turned != nil {
		b.turned(b.over)
	}
	b.since, b.late, b.all = now, 0, 0
}

// refuses is what load.refuses is.
func (b *backlog) refuses(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over && b.waited >= graveAfter && now.Sub(b.at) < overloadedAfter
}
