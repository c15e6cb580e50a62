package registrar

import (
	"bytes"
	"slices"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// device is what a phone calls itself in its Contact: the instance stays the same
// over restarts and addresses, and each of its flows has a reg-id (RFC 5626 §4).
type device struct{ instance, regID []byte }

// Outbound is the option tag of phones that know flows (RFC 5626 §11.1).
const Outbound = "outbound"

// flows tells whether a request registers a flow as RFC 5626 §6 wants it: the phone is known
// by its instance and reg-id, and says that it knows this. The flow is a connection, and
// leads here with nothing between: over UDP a phone that reads in the answer that its flow
// is kept would ask by STUN whether it is.
func (r *Request) flows() bool {
	return r.SupportsOutbound && r.Transport.Connected() && len(r.Path) == 0 && r.registers() &&
		slices.ContainsFunc(r.contacts, func(c contact) bool { _, ok := deviceOf(c.params); return ok })
}

// deviceOf reads a Contact's parameters. Not ok: the phone says nothing by which
// it would be known again.
func deviceOf(params []byte) (d device, ok bool) {
	if len(params) == 0 {
		return d, false
	}
	d.instance, _ = message.Param(params, "+sip.instance")
	d.instance = message.Unquoted(d.instance)
	d.regID, _ = message.Param(params, "reg-id")
	return d, len(d.instance) > 0 && len(d.regID) > 0
}

// is compares two names; those of a UUID may be written in either case.
func (d device) is(e device) bool {
	return bytes.Equal(d.regID, e.regID) && bytes.EqualFold(d.instance, e.instance)
}

// way is the device as the nodes tell it apart: its line is never one of those
// that mean something else.
func (d device) way() dn.Way {
	return dn.Way{Line: max(fold(d.instance), dn.Pair+1), Flow: short(d.regID)}
}

func short(name []byte) uint16 {
	h := fold(name)
	return uint16(h ^ h>>16)
}

// fold is FNV-1a without regard to case: the same at every node.
func fold(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// way is which way to its phone a binding is; of a pair the Call-ID tells them apart,
// which an account keeps from refresh to refresh.
func way(b *location.Binding, pair bool) dn.Way {
	if pair {
		return dn.Way{Line: dn.Pair, Flow: short([]byte(b.CallID))}
	}
	if d, ok := deviceOf([]byte(b.Params)); ok {
		return d.way()
	}
	return dn.Way{}
}

// wayOf is that of a DN's registration here: the one that it was, while a binding of
// that is here, else the first that a binding tells.
func wayOf(bindings []location.Binding, pair bool, was dn.Way) (w dn.Way) {
	for i := range bindings {
		x := way(&bindings[i], pair)
		if x.Line == 0 {
			continue
		}
		if x == was {
			return was
		} else if w.Line == 0 {
			w = x
		}
	}
	return w
}

// usual are the media that phones speak which register by such transports: a browser is
// one with a WebSocket.
func usual(bindings []location.Binding) (m dn.Media) {
	for i := range bindings {
		switch bindings[i].Transport {
		case location.WS, location.WSS:
			m |= dn.DTLS
		case location.TLS:
			m |= dn.RTP | dn.SRTP
		default:
			m |= dn.RTP
		}
	}
	return m
}

// replaces tells whether the contact of a request is the same device as a binding
// and the newer of both: it came under another Call-ID, or later under the same.
func (c *contact) replaces(r *Request, b *location.Binding) bool {
	mine, ok := deviceOf(c.params)
	if !ok || string(r.CallID) == b.CallID && r.CSeq <= b.CSeq {
		return false
	}
	other, ok := deviceOf([]byte(b.Params))
	return ok && mine.is(other)
}

// twin tells whether two bindings look like one phone that started again: the same
// instance, or, where none says its own, the same program at the same host by
// another port.
func twin(a, b *location.Binding) bool {
	x, _ := deviceOf([]byte(a.Params))
	y, _ := deviceOf([]byte(b.Params))
	if len(x.instance) > 0 || len(y.instance) > 0 {
		return x.is(y)
	}
	return a.UserAgent == b.UserAgent && a.Transport == b.Transport &&
		a.Source.Addr() == b.Source.Addr() && a.Source.Port() != b.Source.Port()
}
