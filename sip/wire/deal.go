package wire

import (
	"hash/maphash"
	"net/netip"
	"runtime"

	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// leastDealt datagrams that came together are dealt out: to wake who helps costs as much
	// as some of them.
	leastDealt = 8
	// shares are how many parts a batch has at most: some more than there are hands, so
	// that these end at the same time.
	shares = 32
	// mostHands serve datagrams at a time. Reading, which one does, takes a tenth of it all.
	mostHands = 8
)

// handsFor is how many serve on so many processors.
func handsFor(processors int) int { return max(1, min(processors/2, mostHands)) }

// Hands is how many serve datagrams at a time, where nobody says how many: one processor of
// two is left to connections, streams, and memory.
func Hands() int { return handsFor(runtime.GOMAXPROCS(0)) }

// dealer deals a batch out: the datagrams of a Call-ID to one share, in their order. What is
// no message is in the share of those without one.
type dealer struct {
	seed  maphash.Seed
	parts [shares][]uint8 // indexes of the batch; the first used ones are not empty
	used  int
	at    [shares]int8 // 1 + the part of a share; 0 for none yet
}

func (d *dealer) begin() {
	for i := range d.used {
		d.parts[i] = d.parts[i][:0]
	}
	d.used, d.at = 0, [shares]int8{}
}

// put deals the i-th datagram of the batch.
func (d *dealer) put(i int, data []byte) {
	share := 0
	if id := message.CallIDOf(data); id != nil {
		share = int(maphash.Bytes(d.seed, id) % shares)
	}
	if d.at[share] == 0 {
		d.used++
		d.at[share] = int8(d.used)
	}
	part := &d.parts[d.at[share]-1]
	*part = append(*part, uint8(i))
}

// outgoing is an answer that waits for the end of the batch.
type outgoing struct {
	text []byte
	to   netip.AddrPort
}

// hand is one who serves datagrams, and what it has at hand.
type hand struct {
	arrival Arrival
	replies [batch]outgoing
	count   int // of the replies
	// durable are the messages that have changed what is stored, registrations all.
	durable uint64
}

// reply queues an answer, for which the next place in replies has the buffer.
func (h *hand) reply(text []byte, to netip.AddrPort) {
	h.replies[h.count] = outgoing{text, to}
	h.count++
}
