package wire

import (
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/sip/source"
)

// othersFor is how long a source counts as one that others have to leave room for.
const othersFor = time.Minute

// shed decides which datagrams are not looked at while more come than can be served:
// those of the sources that send most, so that the kernel has room for all others. As
// long as there is only one source it is served as fast as that goes.
//
// A batch that is full, and read hopelessly late although no call begins meanwhile, says that
// more are waiting. Then the number that is served of one source and batch is halved, and
// counted up again while batches are not such. It belongs to one reader.
type shed struct {
	limit int // of a source in a batch; 0 is none
	since time.Time
	other time.Time // when there was last more than one source
	// Of the batch.
	from  [batch]netip.Addr
	count [batch]int
}

// look looks at a batch, read hopelessly late or not; true says that it has begun to hold a
// source back.
func (s *shed) look(sources []netip.AddrPort, hopeless bool) (begins bool) {
	full := hopeless && len(sources) == batch
	now := time.Now()
	if s.mixed(sources) {
		s.other = now
	}
	if !full && s.limit == 0 {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since = now
	}
	switch {
	case !full:
		if s.limit++; s.limit == batch {
			s.limit = 0
		}
	case s.limit > 0:
		s.limit = max(s.limit/2, 1)
	case now.Sub(s.since) >= overloadedAfter && s.others(now):
		s.limit = batch / 2
		begins = true
	}
	clear(s.count[:])
	return begins
}

// others tells whether room has to be left for others than the source of most.
func (s *shed) others(now time.Time) bool { return now.Sub(s.other) < othersFor }

// mixed tells whether datagrams are of more than one source.
func (s *shed) mixed(sources []netip.AddrPort) bool {
	for _, a := range sources[1:] {
		if a.Addr() != sources[0].Addr() && source.Of(a.Addr()) != source.Of(sources[0].Addr()) {
			return true
		}
	}
	return false
}

// serves tells whether the next datagram of the batch, which is from there, is served.
func (s *shed) serves(from netip.AddrPort) bool {
	if s.limit == 0 {
		return true
	}
	a := source.Of(from.Addr())
	for i := range s.from {
		if s.count[i] == 0 {
			s.from[i] = a
		}
		if s.from[i] == a {
			s.count[i]++
			return s.count[i] <= s.limit
		}
	}
	return true
}
