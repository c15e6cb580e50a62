package dn

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/node/feed"
)

// Same is of an own stream that compares: of a range of DNs, up to Record.Number, the reader
// has all that it would be told.
const Same = feed.Change + 1

// Digest sums up what a copy has of a range of DNs: of those behind the Digest before it, in
// order of number, up to Last. It leaves out how long something lasts still, as that is
// another time at each moment: of DNs of which there is such a thing all is told again.
type Digest struct {
	Last Number
	Sum  [16]byte
}

const (
	// DigestSize is how many DNs a range of a copy has.
	DigestSize = 256
	// MaxDigests are taken of one copy.
	MaxDigests = 1 << 15
)

// ErrDigests says that ranges are not in order, or too many; or that one was never named.
var ErrDigests = errors.New("impossible ranges of DNs")

// summer makes Digests, of records in order of number.
type summer struct {
	hash hash.Hash
	buf  []byte
}

func newSummer() summer { return summer{hash: sha256.New()} }

func (s *summer) text(v string) {
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(v))), v...)
}

// add adds a record, and tells whether something of it ends by itself.
func (s *summer) add(r *Record) (lasts bool) {
	lasts = r.Reserved.Holder != "" || r.CoolLeft > 0 || r.AgentLeft > 0
	s.buf = s.buf[:0]
	s.text(string(r.Number))
	for _, v := range [...]int64{r.ClaimTime, r.Since, r.Floor, int64(r.Seq), int64(r.Way.Line), int64(r.Way.Flow)} {
		s.buf = binary.AppendVarint(s.buf, v)
	}
	s.buf = append(s.buf, byte(r.State), byte(r.Reason), byte(r.Spoken.Said), byte(r.Spoken.Usual), bit(lasts), bit(r.DoNotDisturb), bit(r.Agent != nil))
	if r.Agent != nil || r.DoNotDisturb || r.Desks != nil || lasts { // else Said is none that counts: see extra
		s.buf = binary.AppendVarint(s.buf, r.Said)
	}
	if a := r.Agent; a != nil {
		s.text(a.ID)
		s.buf = append(s.buf, byte(a.State), byte(a.Mode))
		s.buf = binary.AppendVarint(binary.AppendVarint(s.buf, a.Since), a.Login)
		s.buf = binary.AppendUvarint(s.buf, uint64(len(a.Reasons)))
		for _, x := range a.Reasons {
			s.text(x.Key)
			s.text(x.Value)
		}
	}
	for _, d := range r.Desks.All() {
		s.text(string(d.Node))
		s.buf = binary.AppendVarint(binary.AppendUvarint(s.buf, d.Incarnation), d.Claim)
		s.buf = append(s.buf, bit(d.Private))
	}
	s.hash.Write(s.buf)
	return lasts
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// sum is that of what was added since the last sum.
func (s *summer) sum() (sum [16]byte) {
	var all [sha256.Size]byte
	copy(sum[:], s.hash.Sum(all[:0]))
	s.hash.Reset()
	return sum
}

// Digests sums up what the copy has, in ranges of so many DNs, for the peer to leave out what
// would change nothing (Stream.Compare). Ask before the first row of a snapshot; the peer's
// word on a range is taken by Same.
func (c *Copy) Digests(each int) []Digest {
	c.named = nil
	t, s, in, last := c.t, newSummer(), 0, Number("")
	for after, more := Number(""), true; more; {
		t.mu.RLock()
		if c.feed.Check() != nil {
			more = false // so will be who asked
		} else {
			after, more = t.order.behind(after, chunkSize, func(e *entry) {
				r := e.by(c.node)
				if r == nil {
					return
				}
				out := t.record(e, r)
				s.add(&out)
				last = e.number
				if in++; in == each {
					c.named, in = append(c.named, Digest{last, s.sum()}), 0
				}
			})
		}
		t.mu.RUnlock()
	}
	if in > 0 {
		c.named = append(c.named, Digest{last, s.sum()})
	}
	if len(c.named) > MaxDigests {
		c.named = c.named[:MaxDigests]
	}
	return c.named
}

// Same takes the peer's word that the copy is right in the range up to last, one that Digests
// named. ErrFenced: this copy has a newer feed.
func (c *Copy) Same(last Number) error {
	i, found := slices.BinarySearchFunc(c.named, last, func(d Digest, n Number) int { return strings.Compare(string(d.Last), string(n)) })
	if !found {
		return ErrDigests
	}
	after := Number("")
	if i > 0 {
		after = c.named[i-1].Last
	}
	for more := true; more; {
		c.t.mu.Lock()
		err := c.feed.Check()
		if err == nil {
			after, more = c.t.order.within(after, last, chunkSize, func(e *entry) {
				if r := e.by(c.node); r != nil {
					r.traits = traitsOf(c.o.mark, r.traits.spoken())
				}
			})
		}
		c.t.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// comparison is how far a snapshot was compared with what its reader has.
type comparison struct {
	// ranges are to be compared yet; DNs up to tell are told of, since there was a difference.
	ranges []Digest
	tell   Number
	// Of the range that is being read: up to where, and the DNs of which all is told again.
	at    Number
	lasts []Number
	sum   summer
}

// Compare has the snapshot of an own stream leave out the ranges of DNs of which its reader has
// all: call it behind Started, before the next item is read.
func (s *Stream) Compare(with []Digest) error {
	for i := range with {
		if i == MaxDigests || i > 0 && with[i].Last <= with[i-1].Last {
			return ErrDigests
		}
	}
	s.with = comparison{ranges: with, sum: newSummer()}
	return nil
}

// compare reads on in a range that is to be compared; at the end of it, it is told of if it is the same.
func (s *Stream) compare(buf []Item) []Item {
	t, c := s.t, &s.with
	t.mu.RLock()
	defer t.mu.RUnlock()
	last := c.ranges[0].Last
	c.at = max(c.at, s.after)
	var more bool
	c.at, more = t.order.within(c.at, last, chunkSize, func(e *entry) {
		if r := t.export(e); !r.Gone && c.sum.add(&r) {
			c.lasts = append(c.lasts, e.number)
		}
	})
	if more {
		return buf
	}
	if c.sum.sum() != c.ranges[0].Sum {
		c.tell = last
	} else {
		s.after = last
		buf = append(buf, Item{Kind: Same, Record: Record{Number: last}})
		for _, n := range c.lasts {
			if e := t.entries[n]; e != nil {
				buf = append(buf, s.item(e, feed.Row))
			}
		}
	}
	c.ranges, c.at, c.lasts = c.ranges[1:], last, c.lasts[:0]
	return buf
}
