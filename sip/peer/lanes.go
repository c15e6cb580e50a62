package peer

import (
	"hash/fnv"
	"time"
)

const (
	// groups is how many the Call-IDs fall into.
	groups = 1 << 12
	// settled is how long after its arrival a message is served at the latest, but for a
	// node that is overloaded: till then what follows it takes no other stream.
	settled = 50 * time.Millisecond
	// together is how many messages take one stream in a round: what a lost packet holds up
	// is few of them.
	together = 16
)

// Group is that of a Call-ID, the same on either side.
func Group(callID []byte) uint16 {
	h := fnv.New32a()
	_, _ = h.Write(callID)
	return uint16(h.Sum32() % groups)
}

// lanes deals what is sent to a peer out to its streams. What is sent together, in a round,
// takes one stream on which nothing is under way: so it goes out at once, and a stream that a
// lost packet holds up gets nothing new. A group stays with its stream until all there has
// arrived, so what belongs to a call stays in order. Where no stream is free, and where
// nobody knows what has arrived, each group has one of its own.
type lanes struct {
	// look tells whether a stream stands on which nothing is under way.
	look  func(slot uint8) bool
	began time.Time

	at   [groups]place
	gens [Streams]uint32 // how often something was sent on it when it was free

	round       uint64
	now         time.Duration // of the round, since began
	known, free uint16        // streams by bits, in this round: looked at, and found free
	lane        uint8
	left        int // messages that the lane takes; less than 0: there is none
}

// place is where something of a group was sent last.
type place struct {
	slot uint8
	gen  uint32
	last time.Duration
}

// way is the stream for a message of a group.
func (l *lanes) way(group uint16, round uint64) uint8 {
	if l.round != round {
		l.round, l.now, l.known, l.left = round, time.Since(l.began), 0, 0
	}
	if at := l.at[group]; at.gen == l.gens[at.slot] && (l.now-at.last < settled || !l.isFree(at.slot)) {
		return at.slot
	}
	if l.left == 0 {
		l.choose()
	}
	if l.left < 0 {
		return uint8(group % Streams)
	}
	l.left--
	return l.lane
}

// choose looks for a free stream, from the last lane on.
func (l *lanes) choose() {
	for i := range uint8(Streams) {
		if slot := (l.lane + i) % Streams; l.isFree(slot) {
			l.lane, l.left = slot, together
			return
		}
	}
	l.left = -1
}

func (l *lanes) isFree(slot uint8) bool {
	bit := uint16(1) << slot
	if l.known&bit == 0 {
		l.known |= bit
		l.free &^= bit
		if l.look(slot) {
			l.free |= bit
		}
	}
	return l.free&bit != 0
}

// sent notes that a message of a group goes by a stream.
func (l *lanes) sent(group uint16, slot uint8) {
	bit := uint16(1) << slot
	if l.known&l.free&bit != 0 {
		l.gens[slot]++
	}
	l.known |= bit
	l.free &^= bit
	l.at[group] = place{slot, l.gens[slot], l.now}
}

// changed notes that a slot has lost its stream, or has another one.
func (l *lanes) changed(slot uint8) { l.gens[slot]++ }
