// Package source says which addresses are one source: what the SIP port bounds for
// each of them. It knows nothing of what is bound.
package source

import "net/netip"

// bits of an IPv6 address are one source: who has one such address has 2^64.
const bits = 64

// Of is what counts as one source: an IPv4 address, or the network of an IPv6
// address.
func Of(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(bits) // of 64 bits there always is one
	return p.Addr()
}

// Text is a source as people write it.
func Text(a netip.Addr) string {
	if a.Is6() {
		return netip.PrefixFrom(a, bits).String()
	}
	return a.String()
}

// Parse reads what Text wrote, or any address of the source.
func Parse(s string) (netip.Addr, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return Of(p.Addr()), p.Bits() == bits || p.Addr().Is4() && p.Bits() == 32
	}
	a, err := netip.ParseAddr(s)
	return Of(a), err == nil
}
