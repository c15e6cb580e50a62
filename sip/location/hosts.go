package location

import (
	"net/netip"
	"strings"
	"sync/atomic"
)

// Reach are host:port by transport.
type Reach [WSS + 1]string

// Hosts are those by which a node is reached, from IPv4 and from IPv6. They may change while
// it runs. The zero value has none.
type Hosts struct{ now atomic.Pointer[[2]Reach] }

// NewHosts makes Hosts that are these for everybody until Set.
func NewHosts(all Reach) *Hosts {
	h := &Hosts{}
	h.Set(all, all)
	return h
}

// Set replaces all. A node that is reached from one family only has the same for both.
func (h *Hosts) Set(four, six Reach) { h.now.Store(&[2]Reach{four, six}) }

// Of is that of a transport for who is at an address; the zero one is nobody's in
// particular, and counts as IPv4.
func (h *Hosts) Of(t Transport, side netip.Addr) string {
	all := h.now.Load()
	switch {
	case all == nil:
		return ""
	case side.Is6() && !side.Is4In6():
		return all[1][t]
	}
	return all[0][t]
}

// AppendURI writes the host:port of a transport with the parameter by which a SIP URI names
// that (RFC 3261 §19.1.1, RFC 7118 §5).
func (h *Hosts) AppendURI(dst []byte, t Transport, side netip.Addr) []byte {
	dst = append(dst, h.Of(t, side)...)
	switch t {
	case UDP:
		return dst
	case WS, WSS:
		return append(dst, ";transport=ws"...)
	}
	return append(append(dst, ";transport="...), strings.ToLower(t.String())...)
}
