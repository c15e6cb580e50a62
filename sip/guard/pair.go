package guard

import (
	"container/list"
	"net/netip"
	"time"
)

// pairKey is a source and a DN that it tried passwords of.
type pairKey struct {
	source netip.Addr
	dn     string
}

// pair counts the wrong passwords of one DN from one source. Its times are of the
// brakes' clock.
type pair struct {
	key      pairKey
	ha1      uint64 // hash of the account's
	print    uint32 // of the try that failed last
	failures int
	last     time.Duration
	silence  time.Duration // the last one, from last
	place    *list.Element
}

// failed counts one. While the DN is registered from the source somebody there has the
// right password, and no silence is longer than the first: a phone whose password
// was changed is back soon.
func (p *pair) failed(now time.Duration, registered func() bool) {
	p.failures, p.last = p.failures+1, now
	switch {
	case p.failures < tries:
	case p.silence == 0 || registered():
		p.silence = firstSilence
	default:
		p.silence = min(2*p.silence, longestSilence)
	}
}

func (p *pair) silent(now time.Duration) bool { return p != nil && now < p.last+p.silence }

func (p *pair) forgotten(now time.Duration) bool { return now >= p.last+p.silence+remembered }

// guesses counts the wrong passwords of all DNs from one source.
type guesses struct {
	pairs int // that are remembered
	// at are the times of the last failures, of which next is the one longest ago.
	at    [tries]time.Duration
	next  int
	count int
}

func (s *guesses) failed(now time.Duration) {
	s.at[s.next] = now
	s.next = (s.next + 1) % tries
	s.count = min(s.count+1, tries)
}

// sprays tells whether a source has tried as many passwords as it may, and not of
// one DN alone: behind an address may be many phones, and one with a wrong password.
func (s *guesses) sprays(now time.Duration) bool {
	return s != nil && s.pairs > 1 && now < s.until()
}

// until is when there is room for another try; no time when there is.
func (s *guesses) until() time.Duration {
	if s.count < tries {
		return 0
	}
	return s.at[s.next] + window
}
