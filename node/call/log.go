package call

import "github.com/sipcluster/sipcluster/node/feed"

// maxLogBytes is about how much memory the events of a log may hold.
const maxLogBytes = 32 << 20

// eventLog keeps the last events, in order. Every one counts: nothing is
// merged, and a reader that falls out of it starts anew. Guarded by Table.mu.
type eventLog struct {
	ring []*Event
	max  int
	// head is the newest position, tail that before the oldest event. Positions
	// begin at 1, so that 0 is none.
	head, tail uint64
	bytes      int
	// idle are readers that found nothing to read.
	idle feed.Waiters
}

func newLog(history int) eventLog {
	return eventLog{ring: make([]*Event, min(16, history)), max: history, head: 1, tail: 1, idle: feed.Waiters{}}
}

func (l *eventLog) place(seq uint64) **Event { return &l.ring[seq%uint64(len(l.ring))] }

func (l *eventLog) add(e *Event) {
	if l.head-l.tail == uint64(len(l.ring)) {
		if len(l.ring) < l.max {
			l.grow()
		} else {
			l.forget()
		}
	}
	l.head++
	*l.place(l.head) = e
	l.bytes += e.size()
	for l.bytes > maxLogBytes && l.head-l.tail > 1 {
		l.forget()
	}
	l.idle.Wake()
}

// grow doubles the ring.
func (l *eventLog) grow() {
	old := *l
	l.ring = make([]*Event, min(2*len(l.ring), l.max))
	for seq := l.tail + 1; seq <= l.head; seq++ {
		*l.place(seq) = *old.place(seq)
	}
}

// forget drops the oldest event.
func (l *eventLog) forget() {
	l.tail++
	p := l.place(l.tail)
	l.bytes -= (*p).size()
	*p = nil
}

// holds tells whether everything behind a position is still here.
func (l *eventLog) holds(seq uint64) bool { return l.tail <= seq && seq <= l.head }

// size is about how much memory the event holds: its Info counts with the
// first event that has it.
func (e *Event) size() int {
	n := 176 + len(e.ThisDN) + len(e.OtherDN) + len(e.Why)
	if e.Kind == Local {
		return n + max(0, e.Cause)
	}
	for k, v := range e.Data {
		n += 64 + len(k) + len(v)
	}
	if e.Fresh {
		n += 128 + len(e.ANI) + len(e.DNIS)
		for k, v := range e.UserData {
			n += 64 + len(k) + len(v)
		}
	}
	return n
}
