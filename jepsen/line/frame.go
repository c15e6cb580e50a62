package line

import (
	"encoding/binary"
	"net/netip"
)

const (
	header = 14 // of Ethernet
	ipv4   = 0x0800
	arp    = 0x0806
)

// destination is the address that a frame is for; control tells that it is a question or an
// answer of ARP, which no router passes on: it belongs to the network and not to the line.
// What is neither ARP nor IPv4 is for nobody.
func destination(frame []byte) (to netip.Addr, control bool) {
	if len(frame) < header {
		return to, false
	}
	switch rest := frame[header:]; binary.BigEndian.Uint16(frame[12:]) {
	case ipv4:
		if len(rest) >= 20 {
			to = netip.AddrFrom4([4]byte(rest[16:20]))
		}
	case arp:
		if len(rest) >= 28 {
			to, control = netip.AddrFrom4([4]byte(rest[24:28])), true
		}
	}
	return to, control
}
