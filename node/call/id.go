package call

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/sipcluster/sipcluster/node/dn"
)

// ID of a call, the ConnID: 16 hexadecimal digits in lower case.
type ID string

// Valid tells whether the ID has its form.
func (id ID) Valid() bool {
	if len(id) != 16 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// ids are a node's: a counter that starts where node and incarnation say,
// mixed. An incarnation never gives one twice. Those of different nodes are
// stretches of one sequence of 2^64 that begin at random: that two touch is
// as likely as guessing one.
type ids struct{ next uint64 }

func newIDs(self dn.Node, incarnation uint64) ids {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(self), incarnation))
	return ids{binary.BigEndian.Uint64(sum[:])}
}

func (s *ids) take() ID {
	s.next++
	var b [16]byte
	hex.Encode(b[:], binary.BigEndian.AppendUint64(b[8:8], mix(s.next)))
	return ID(b[:])
}

// mix is the finalizer of SplitMix64: one to one.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
