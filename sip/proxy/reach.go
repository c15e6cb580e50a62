package proxy

import (
	"net/netip"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Reach is where a binding's phone is reached. Over a connection that is the
// connection. Over UDP it is the Contact, when that names the machine which the
// REGISTER came from and its port was not changed on the way; otherwise there is a NAT
// between, and only the source of the REGISTER leads through it (RFC 3581, RFC 5626
// §5.3).
func Reach(b *location.Binding) netip.AddrPort {
	if b.Transport.Connected() || len(b.Path) > 0 || b.Mapped {
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

// namesNode tells whether a URI has the SIP address of a node of this cluster.
func namesNode(v *fsm.View, u message.URI) bool {
	addr, ok := u.AddrPort()
	return ok && slices.ContainsFunc(v.Nodes(), func(n *configpb.Node) bool {
		at, err := netip.ParseAddrPort(n.GetSipAddr())
		return err == nil && at == addr
	})
}
