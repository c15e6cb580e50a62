package proxy

import (
	"net/netip"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Reach is where a binding's phone is reached. Over a connection that is the
// connection. Over UDP it is the Contact, when that names the machine which the
// REGISTER came from; otherwise there is a NAT between, and only the source of
// the REGISTER leads through it (RFC 3581, RFC 5626 §5.3).
func Reach(b *location.Binding) netip.AddrPort {
	if b.Transport.Connected() || len(b.Path) > 0 {
		return b.Source
	}
	return reachURI([]byte(b.Contact), b.Source)
}

// reachURI is Reach for a phone over UDP that sent from the source.
func reachURI(contact []byte, source netip.AddrPort) netip.AddrPort {
	u, ok := message.ParseURI(contact)
	if !ok {
		return source
	}
	if a, ok := u.AddrPort(); ok && a.Addr() == source.Addr() && a.Port() != 0 {
		return a
	}
	return source
}
