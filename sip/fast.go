package sip

import "net/netip"

// fast is the short way for the boring REGISTER.
type fast struct {
	registrar *registrar
}

// serve answers the datagram if it is one of the boring kind.
func (f *fast) serve(reply, data []byte, source netip.AddrPort) ([]byte, bool, bool) {
	return reply, false, false
}
