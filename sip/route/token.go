// Package route knows the node's own entries in Route and Record-Route lists: the
// token that each carries, the keys that seal it, and what is left of a request's
// Route when they are taken off (RFC 3261 §16.4, §16.6, §16.12).
//
// It reads and writes, and decides nothing: whether a request may follow its Route
// the proxy says, which calls it.
package route

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Purpose says what a token stands for.
type Purpose byte

const (
	// None is no token.
	None Purpose = iota
	// Deliver has the node that reads it deliver the request to its DN.
	Deliver
	// Phone leads down a phone's flow (RFC 5626 §5.3).
	Phone
	// Trunk leads to a gateway.
	Trunk
)

// Token is the user part of the node's own Route URIs. Nobody can write or read one
// without the cluster's keys, and it holds only along with the Call-ID and the caller's
// tag of the dialog that it was made for.
type Token struct {
	Purpose Purpose
	// Called: it leads to the called side, otherwise to the caller.
	Called bool
	// Node made the token, and its Route URI leads there.
	Node dn.Node
	// Number is the phone's DN, the trunk, or the DN to deliver to.
	Number dn.Number
	// Transport and Addr are the phone's flow, or the connection of a gateway; a
	// gateway is not reached by an address from here.
	Transport location.Transport
	Addr      netip.AddrPort
	// Call is the ConnID of a call to be delivered.
	Call string
	// Birth names the INVITE within the memory of the node; 0 for another request.
	Birth uint64
	// Skew is by how much requests that follow it are numbered higher, up to 3.
	Skew uint8
	// Minute in which it was made, since the epoch, by the clock of the node.
	Minute uint32

	// Retired: its key is out of the ring. It is not part of the text.
	Retired bool
	// Side is the address of who its entry is for, where Addr has none: the entry has the
	// family of that. It is not part of the text.
	Side netip.Addr
}

// side is the address of who the entry is for.
func (k *Token) side() netip.Addr {
	if k.Addr.IsValid() {
		return k.Addr.Addr()
	}
	return k.Side
}

// Lifetime is how long a token may be followed by whoever does not know its dialog.
const Lifetime = 24 * time.Hour

// MinuteOf is the minute of a time.
func MinuteOf(t time.Time) uint32 { return uint32(t.Unix() / 60) }

// Expired tells whether the token is older than Lifetime, by the clock of its node;
// one from a later time than that is too.
func (k *Token) Expired(now time.Time) bool {
	const most = int64(Lifetime / time.Minute)
	age := int64(MinuteOf(now)) - int64(k.Minute)
	return age > most || age < -most
}

// The first byte: purpose, side, transport and skew.
const (
	purposeBits    = 3
	calledBit      = 1 << 2
	transportShift = 3
	transportBits  = 7
	skewShift      = 6
)

// append writes the token's fields.
func (k *Token) append(b []byte) []byte {
	first := byte(k.Purpose) | byte(k.Transport)<<transportShift | k.Skew<<skewShift
	if k.Called {
		first |= calledBit
	}
	b = binary.BigEndian.AppendUint32(append(b, first), k.Minute)
	b = binary.BigEndian.AppendUint64(b, k.Birth)
	for _, name := range [...]string{string(k.Node), string(k.Number), k.Call} {
		b = append(append(b, byte(len(name))), name...)
	}
	b, _ = k.Addr.AppendBinary(b) // never fails
	return b
}

// read takes the fields out of what was sealed.
func (k *Token) read(b []byte) bool {
	const fixed = 1 + 4 + 8
	if len(b) < fixed {
		return false
	}
	k.Purpose, k.Called, k.Transport = Purpose(b[0]&purposeBits), b[0]&calledBit != 0, location.Transport(b[0]>>transportShift&transportBits)
	k.Skew = b[0] >> skewShift
	k.Minute, k.Birth, b = binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint64(b[5:]), b[fixed:]
	var at [3][2]int
	rest, n := b, 0
	for i := range at {
		if len(rest) == 0 || len(rest)-1 < int(rest[0]) {
			return false
		}
		at[i] = [2]int{n + 1, n + 1 + int(rest[0])}
		n = at[i][1]
		rest = b[n:]
	}
	names := string(b[:n]) // one piece of memory for all
	name := func(i int) string { return names[at[i][0]:at[i][1]] }
	k.Node, k.Number, k.Call = dn.Node(name(0)), dn.Number(name(1)), name(2)
	return k.Purpose != None && k.Transport <= location.WSS && k.Addr.UnmarshalBinary(rest) == nil
}
