package proxy

import (
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
)

// border is between who sent a message and who gets it. Some of its header lines stay
// behind there.
type border struct{ from, to identity.Domain }

// back is the border as answers pass it.
func (b border) back() border { return border{from: b.to, to: b.from} }

// request picks the lines of a request that stay: credentials for this cluster, which
// are for nobody else (RFC 3261 §22.3), and what identity stops. nil picks none.
func (b border) request(m *message.Message, realm string) func(*message.Header) bool {
	credentials := m.Has(message.ProxyAuthorization) || m.Has(message.Authorization)
	x, marked := identity.Cross(m, b.from, b.to)
	if !credentials && !marked {
		return nil
	}
	return func(h *message.Header) bool { return ownCredentials(h, realm) || x.Stops(h) }
}

// response picks those of a response.
func (b border) response(m *message.Message) func(*message.Header) bool {
	if x, marked := identity.Cross(m, b.from, b.to); marked {
		return x.Stops
	}
	return nil
}

// ownCredentials tells whether a header line holds credentials for this cluster, or may
// hold some since nobody can read it.
func ownCredentials(h *message.Header, realm string) bool {
	if h.Kind != message.ProxyAuthorization && h.Kind != message.Authorization {
		return false
	}
	var c digest.Credentials
	if c.Parse(h.Value) {
		return message.EqualFold(c.Realm, realm)
	}
	return len(h.Value) >= len("digest") && message.EqualFold(h.Value[:len("digest")], "digest")
}

// domainOf is where a trunk is.
func domainOf(v *fsm.View, trunk dn.Number) identity.Domain {
	if v.DN(string(trunk)).GetTrunk().GetTrusted() {
		return identity.Inside
	}
	return identity.Foreign
}
