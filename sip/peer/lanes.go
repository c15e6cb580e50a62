package peer

import (
	"hash/fnv"
	"time"
)

const (
	// groups is how many the Call-IDs fall into.
	groups = 1 << 12
	// settled is how long after its arrival a message is served at the latest, by a node that
	// speaks: till then what follows it takes no other stream.
	settled = 50 * time.Millisecond
	// together is how many messages take one stream in a round, or in rounds as near as
	// togetherFor: what a lost packet holds up is few of them. To look what has arrived costs
	// as much as a third of what it takes to send.
	together    = 16
	togetherFor = time.Millisecond
)

// Group is that of a Call-ID, the same on either side.
func Group(callID []byte) uint16 {
	h := fnv.New32a()
	_, _ = h.Write(callID)
	return uint16(h.Sum32() % groups)
}

// lanes deals what is sent to a peer out to its streams. What is sent together, in a round,
// takes one stream on which nothing is under way: so it goes out at once, and a stream that a
// lost packet holds up gets little that is new. A group stays with its stream until what it
// sent there has arrived and is served, so what belongs to a call stays in order: a node that
// stands still says nothing meanwhile, whatever its kernel has (what it said before is longer
// on its way on a line of more than settled, where that may be taken for a word). Where no
// stream is free, and where nobody knows what has arrived, the groups take one after the other.
type lanes struct {
	// look tells how many messages of a stream have arrived; not known of one that does not
	// tell, or does not stand.
	look func(slot uint8) (n uint32, known bool)
	// heard tells when the peer has said something last, since began.
	heard func() time.Duration
	began time.Time

	at   [groups]place
	sent [Streams]uint32 // messages
	base [Streams]uint32 // of them before the stream that stands now

	round uint64
	now   time.Duration   // of the round, since began
	spoke time.Duration   // the peer, before the round
	seen  uint16          // streams by bits: looked at in this round
	known uint16          // and what has arrived is known
	there [Streams]uint32 // of sent, has arrived, as far as anybody looked
	lane  uint8
	since time.Duration // it was free
	left  int           // messages that the lane takes; less than 0: none is free
}

// place is where something of a group was sent last.
type place struct {
	slot uint8
	nth  uint32
	last time.Duration
}

// way is the stream for a message of a group.
func (l *lanes) way(group uint16, round uint64) uint8 {
	if l.round != round {
		l.round, l.now, l.spoke, l.seen = round, time.Since(l.began), l.heard(), 0
		if l.left < 0 || l.now-l.since >= togetherFor {
			l.left = 0
		}
	}
	if at := l.at[group]; l.holds(at) {
		return at.slot
	}
	if l.left == 0 {
		l.choose()
	}
	if l.left < 0 {
		l.lane = (l.lane + 1) % Streams
		return l.lane
	}
	l.left--
	return l.lane
}

// holds tells whether what a group sent last may not be served yet.
func (l *lanes) holds(at place) bool {
	switch {
	case !after(at.nth, l.base[at.slot]):
		return false // that stream is gone
	case l.now-at.last < settled, l.spoke-at.last < settled:
		return true
	}
	return after(at.nth, l.there[at.slot]) && (!l.knows(at.slot) || after(at.nth, l.there[at.slot]))
}

// choose looks for a free stream, from the last lane on.
func (l *lanes) choose() {
	for i := range uint8(Streams) {
		if slot := (l.lane + i) % Streams; l.knows(slot) && l.there[slot] == l.sent[slot] {
			l.lane, l.since, l.left = slot, l.now, together
			return
		}
	}
	l.left = -1
}

// knows looks at a stream once a round, and tells whether there is known.
func (l *lanes) knows(slot uint8) bool {
	bit := uint16(1) << slot
	if l.seen&bit == 0 {
		l.seen |= bit
		l.known &^= bit
		if n, known := l.look(slot); known {
			l.known |= bit
			l.there[slot] = l.base[slot] + n
		}
	}
	return l.known&bit != 0
}

// after tells whether a number is behind another one.
func after(n, m uint32) bool { return int32(n-m) > 0 }

// goes notes that a message of a group goes by a stream.
func (l *lanes) goes(group uint16, slot uint8) {
	l.sent[slot]++
	l.at[group] = place{slot, l.sent[slot], l.now}
}

// changed notes that a slot has lost its stream, or has another one.
func (l *lanes) changed(slot uint8) {
	l.base[slot] = l.sent[slot]
	l.seen &^= 1 << slot
	l.left = 0
}
