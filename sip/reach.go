package sip

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// reach is where a binding's phone is reached. Over a connection that is the
// connection. Over UDP it is the Contact, when that names the machine which the
// REGISTER came from; otherwise there is a NAT between, and only the source of
// the REGISTER leads through it (RFC 3581, RFC 5626 §5.3).
func reach(b *location.Binding) netip.AddrPort {
	if b.Transport.Connected() {
		return b.Source
	}
	u, ok := message.ParseURI([]byte(b.Contact))
	ip, err := netip.ParseAddr(strings.Trim(string(u.Host), "[]"))
	if !ok || err != nil || ip.Unmap() != b.Source.Addr() {
		return b.Source
	}
	port := uint64(5060)
	if len(u.Port) > 0 {
		if port, err = strconv.ParseUint(string(u.Port), 10, 16); err != nil || port == 0 {
			return b.Source
		}
	}
	return netip.AddrPortFrom(b.Source.Addr(), uint16(port))
}
