package dn

import "strings"

// Media is a set of ways in which sound is carried, as a session description names them.
type Media uint8

// The ways; between two of them there is no call without a media gateway.
const (
	// RTP in clear: RTP/AVP, RTP/AVPF.
	RTP Media = 1 << iota
	// SRTP with keys in the description: RTP/SAVP, RTP/SAVPF.
	SRTP
	// DTLS is SRTP with keys by DTLS, what browsers speak: UDP/TLS/RTP/SAVP, SAVPF.
	DTLS
	allMedia = RTP | SRTP | DTLS
)

func (m Media) String() string {
	var names []string
	for i, name := range [...]string{"RTP", "SRTP", "DTLS-SRTP"} {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// Fit is how well the media of two parties go together; greater is better.
type Fit uint8

const (
	// Apart: they have nothing in common.
	Apart Fit = iota
	// Unsaid: of one of them nothing is known.
	Unsaid
	// Together they can talk.
	Together
)

// Fits tells whether two parties have media in common.
func (m Media) Fits(o Media) Fit {
	switch {
	case m == 0 || o == 0:
		return Unsaid
	case m&o == 0:
		return Apart
	}
	return Together
}

// Spoken are the media of a DN's phones: what the last session description said, or else
// what phones speak that register by such transports.
type Spoken struct{ Said, Usual Media }

// Media of the DN.
func (s Spoken) Media() Media {
	if s.Said != 0 {
		return s.Said
	}
	return s.Usual
}

// traits are what is beside a record: the node's sync round in which it was last
// mentioned, and what the phones speak, in one octet.
type traits uint8

const markTrait traits = 1 << 7

func traitsOf(mark bool, s Spoken) traits {
	t := traits(s.Said&allMedia) | traits(s.Usual&allMedia)<<3
	if mark {
		t |= markTrait
	}
	return t
}

func (t traits) mark() bool { return t&markTrait != 0 }

func (t traits) spoken() Spoken { return Spoken{Media(t) & allMedia, Media(t>>3) & allMedia} }

// again is what a registration speaks behind one before it: as that did, while its phones
// are of the same kind.
func (s Spoken) again(was Spoken) Spoken {
	if s.Said == 0 && s.Usual == was.Usual {
		s.Said = was.Said
	}
	return s
}

// Speaks notes what a session description of the DN's one phone says, and tells the peers,
// by a word that is as late as the last one: it changes nothing that words are compared for.
// It is nothing where the DN is not in service at this node. Most say what was said before, which costs a look.
func (t *Table) Speaks(n Number, said Media) {
	if said == 0 || !t.differs(n, said) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[n]
	if e == nil {
		return
	}
	rec := e.by(0)
	if rec == nil || rec.state != InSrv {
		return
	}
	spoken := *rec
	spoken.traits = traitsOf(rec.traits.mark(), Spoken{said, rec.traits.spoken().Usual})
	t.set(e, spoken)
	t.journals[own].add(e, placeOwn, false)
}

func (t *Table) differs(n Number, said Media) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[n]
	if e == nil {
		return false
	}
	rec := e.by(0)
	return rec != nil && rec.traits.spoken().Said != said
}
