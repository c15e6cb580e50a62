package guard

import "net/netip"

// sourceBits of an IPv6 address are one source: who has one such address has 2^64.
const sourceBits = 64

// SourceOf is what counts as one source: an IPv4 address, or the network of an IPv6
// address.
func SourceOf(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(sourceBits) // of 64 bits there always is one
	return p.Addr()
}

// SourceText is a source as people write it.
func SourceText(a netip.Addr) string {
	if a.Is6() {
		return netip.PrefixFrom(a, sourceBits).String()
	}
	return a.String()
}

// ParseSource reads what SourceText wrote, or any address of the source.
func ParseSource(s string) (netip.Addr, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return SourceOf(p.Addr()), p.Bits() == sourceBits || p.Addr().Is4() && p.Bits() == 32
	}
	a, err := netip.ParseAddr(s)
	return SourceOf(a), err == nil
}
