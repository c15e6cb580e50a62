package location

import (
	"strings"
	"sync/atomic"
)

// Hosts are the host:port by which a node is reached, by transport. They may change
// while it runs. The zero value has none.
type Hosts struct {
	now atomic.Pointer[[WSS + 1]string]
}

// NewHosts makes Hosts that are these until Set.
func NewHosts(all [WSS + 1]string) *Hosts {
	h := &Hosts{}
	h.Set(all)
	return h
}

// Set replaces all.
func (h *Hosts) Set(all [WSS + 1]string) { h.now.Store(&all) }

// Of is that of a transport.
func (h *Hosts) Of(t Transport) string {
	if all := h.now.Load(); all != nil {
		return all[t]
	}
	return ""
}

// AppendURI writes the host:port of a transport with the parameter by which a SIP URI names
// that (RFC 3261 §19.1.1, RFC 7118 §5).
func (h *Hosts) AppendURI(dst []byte, t Transport) []byte {
	dst = append(dst, h.Of(t)...)
	switch t {
	case UDP:
		return dst
	case WS, WSS:
		return append(dst, ";transport=ws"...)
	}
	return append(append(dst, ";transport="...), strings.ToLower(t.String())...)
}
