package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// STUN on the port of SIP over UDP: phones that hold a flow open by outbound send Binding
// requests there, and take it for dead when none is answered (RFC 5626 §4.4.2). Nothing else
// of STUN is served: no authentication, no other method, no alternate server. An answer
// that says where a request comes from is no word of a phone: who is registered is found by
// its REGISTER and asked by OPTIONS, and who is at a source that was forged gets 24 octets
// more than were sent at most.
const (
	stunHeader = 20
	// stunCookie tells STUN from its ancestor (RFC 5389 §6).
	stunCookie = 0x2112A442
	// stunMost is the longest request that is looked at: what a phone sends has its software's
	// name and a fingerprint besides the header.
	stunMost = 548

	bindingRequest = 0x0001
	bindingSuccess = 0x0101
	bindingError   = 0x0111

	xorMappedAddress                         = 0x0020
	errorCode                                = 0x0009
	unknownAttributes                        = 0x000A
	messageIntegrity, messageIntegritySHA256 = 0x0008, 0x001C
	// comprehensionOptional: attributes from here on may be passed over (RFC 5389 §15).
	comprehensionOptional = 0x8000
)

// known are the attributes that RFC 5389 and RFC 8489 define, which every implementation
// understands. A keep-alive asks for no authentication (RFC 5626 §8), and of a known one that
// is not expected nothing is made (RFC 5389 §15): who sends his USERNAME gets his answer.
// CHANGE-REQUEST and others of RFC 3489 are not among them (RFC 5389 §18.2).
var known = [...]uint16{
	0x0001,           // MAPPED-ADDRESS
	0x0006,           // USERNAME
	messageIntegrity, // MESSAGE-INTEGRITY
	errorCode,
	unknownAttributes,
	0x0014,                 // REALM
	0x0015,                 // NONCE
	messageIntegritySHA256, // MESSAGE-INTEGRITY-SHA256
	0x001D,                 // PASSWORD-ALGORITHM
	0x001E,                 // USERHASH
	xorMappedAddress,
}

// isSTUN tells whether a datagram is STUN's: no SIP begins with an octet of that kind (RFC
// 5626 §8).
func isSTUN(b []byte) bool {
	return len(b) >= stunHeader && b[0]&0xC0 == 0 && binary.BigEndian.Uint32(b[4:]) == stunCookie
}

// appendSTUN appends the answer to a Binding request from a source; nothing for what is none,
// or not well formed. It is at most 24 octets longer than the request.
func appendSTUN(dst, b []byte, source netip.AddrPort) []byte {
	if binary.BigEndian.Uint16(b) != bindingRequest || len(b) > stunMost || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return dst
	}
	unknown, ok := unknownIn(b[stunHeader:])
	switch {
	case !ok:
		return dst
	case len(unknown) == 0:
		return appendMapped(dst, b, source)
	}
	padded := (len(unknown) + 3) &^ 3
	dst = appendSTUNHeader(dst, bindingError, uint16(12+padded), b)
	dst = append(dst, 0, errorCode, 0, 4, 0, 0, 4, 20)
	dst = append(binary.BigEndian.AppendUint16(append(dst, 0, unknownAttributes), uint16(len(unknown))), unknown...)
	return append(dst, make([]byte, padded-len(unknown))...)
}

// unknownIn are the attributes that have to be understood, and are not, two octets each. Not
// ok: they are not well formed. What follows MESSAGE-INTEGRITY is passed over (RFC 5389 §15.4).
func unknownIn(attributes []byte) (unknown []byte, ok bool) {
	closed := false
	for len(attributes) > 0 {
		if len(attributes) < 4 {
			return nil, false
		}
		kind, length := binary.BigEndian.Uint16(attributes), int(binary.BigEndian.Uint16(attributes[2:]))
		padded := 4 + (length+3)&^3
		if padded > len(attributes) {
			return nil, false
		}
		closed = closed || kind == messageIntegrity || kind == messageIntegritySHA256
		if !closed && kind < comprehensionOptional && !slices.Contains(known[:], kind) {
			unknown = binary.BigEndian.AppendUint16(unknown, kind)
		}
		attributes = attributes[padded:]
	}
	return unknown, true
}

// appendSTUNHeader appends that of an answer to b with so many octets of attributes.
func appendSTUNHeader(dst []byte, kind, length uint16, b []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, length)
	return append(dst, b[4:stunHeader]...) // the cookie and the transaction
}

// appendMapped appends the answer that says where a request comes from (RFC 5389 §15.2). The
// address is masked by the cookie and, of IPv6, the transaction, so that no NAT changes it.
func appendMapped(dst, b []byte, source netip.AddrPort) []byte {
	addr, family := source.Addr().Unmap().AsSlice(), byte(1)
	if len(addr) == 16 {
		family = 2
	}
	dst = appendSTUNHeader(dst, bindingSuccess, uint16(8+len(addr)), b)
	dst = append(dst, 0, xorMappedAddress, 0, byte(4+len(addr)), 0, family)
	dst = binary.BigEndian.AppendUint16(dst, source.Port()^stunCookie>>16)
	for i, octet := range addr {
		dst = append(dst, octet^b[4+i])
	}
	return dst
}
