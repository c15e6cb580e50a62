package trace

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// record is an Entry, or the name of a call, on its way into a page:
//
//	length of all 2, hash of the Call-ID 8, time 8, CSeq 4, code 2, port 2, size 4,
//	flags 1, transport 1, lengths of address 1, method 1 and text 1; then those three.
//
// The address is that of a phone, 4 or 16 bytes, or the id of a node.
type record struct {
	sent, names  bool
	hash         uint64
	time         int64
	way          *Way
	cseq         uint32
	code, size   int
	method, text []byte
}

const (
	atHash      = 2
	atTime      = 10
	atCSeq      = 18
	atCode      = 22
	atPort      = 24
	atSize      = 26
	atFlags     = 30
	atTransport = 31
	atLengths   = 32
	headSize    = 35

	flagSent, flagNames, flagPeer = 1, 2, 4
	// maxMethod is how much of a method is kept, and of a node's id maxPeer.
	maxMethod, maxPeer = 32, 255
)

func (x *record) addrLen() int {
	switch a := x.way.Addr.Addr(); {
	case x.way.Peer != "":
		return min(len(x.way.Peer), maxPeer)
	case !a.IsValid():
		return 0
	case a.Unmap().Is4():
		return 4
	}
	return 16
}

func (x *record) length() int {
	return headSize + x.addrLen() + min(len(x.method), maxMethod) + min(len(x.text), maxText)
}

// append writes the record; there is room.
func (x *record) append(page []byte) []byte {
	n := x.length()
	method, text := x.method[:min(len(x.method), maxMethod)], x.text[:min(len(x.text), maxText)]
	page = page[:len(page)+n]
	b := page[len(page)-n:]
	le := binary.LittleEndian
	le.PutUint16(b, uint16(n))
	le.PutUint64(b[atHash:], x.hash)
	le.PutUint64(b[atTime:], uint64(x.time))
	le.PutUint32(b[atCSeq:], x.cseq)
	le.PutUint16(b[atCode:], uint16(x.code))
	le.PutUint16(b[atPort:], x.way.Addr.Port())
	le.PutUint32(b[atSize:], uint32(x.size))
	b[atFlags], b[atTransport] = x.flags(), byte(x.way.Transport)
	b[atLengths], b[atLengths+1], b[atLengths+2] = byte(x.addrLen()), byte(len(method)), byte(len(text))
	rest := b[headSize:]
	rest = rest[x.putAddr(rest):]
	copy(rest[copy(rest, method):], text)
	return page
}

func (x *record) flags() (f byte) {
	if x.sent {
		f |= flagSent
	}
	if x.names {
		f |= flagNames
	}
	if x.way.Peer != "" {
		f |= flagPeer
	}
	return f
}

func (x *record) putAddr(b []byte) int {
	switch x.addrLen() {
	case 0:
		return 0
	case 4:
		if x.way.Peer == "" {
			a := x.way.Addr.Addr().Unmap().As4()
			return copy(b, a[:])
		}
	case 16:
		if x.way.Peer == "" {
			a := x.way.Addr.Addr().As16()
			return copy(b, a[:])
		}
	}
	return copy(b[:x.addrLen()], x.way.Peer)
}

// first is the record at the start of what is left of a page.
func first(page []byte) reading { return page[:binary.LittleEndian.Uint16(page)] }

// reading is a record as it was written.
type reading []byte

func (v reading) hash() uint64 { return binary.LittleEndian.Uint64(v[atHash:]) }
func (v reading) names() bool  { return v[atFlags]&flagNames != 0 }

func (v reading) addr() []byte { return v[headSize : headSize+int(v[atLengths])] }

func (v reading) method() []byte {
	from := headSize + int(v[atLengths])
	return v[from : from+int(v[atLengths+1])]
}

func (v reading) text() []byte { return v[len(v)-int(v[atLengths+2]):] }

func (v reading) entry() Entry {
	le := binary.LittleEndian
	e := Entry{
		Time: int64(le.Uint64(v[atTime:])), Sent: v[atFlags]&flagSent != 0, Way: v.way(), Method: valid(v.method()),
		CSeq: le.Uint32(v[atCSeq:]), Code: int(le.Uint16(v[atCode:])), Size: int(le.Uint32(v[atSize:])),
	}
	if e.Code == 0 {
		e.URI = valid(v.text())
	} else {
		e.Reason = valid(v.text())
	}
	return e
}

func (v reading) way() Way {
	if v[atFlags]&flagPeer != 0 {
		return Way{Peer: dn.Node(v.addr())}
	}
	a, _ := netip.AddrFromSlice(v.addr())
	return Way{Transport: location.Transport(v[atTransport]), Addr: netip.AddrPortFrom(a, binary.LittleEndian.Uint16(v[atPort:]))}
}

// valid is a text from outside, as a protocol buffer takes it.
func valid(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }
