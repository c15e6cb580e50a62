// Package contact finds out whose a Contact is: the DN of the phone that has registered it
// here. A phone's Contact is its own choice, and it is called by it where others were told
// no number (RFC 3891, RFC 5589 §7.3).
package contact

import (
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Owner is the DN of the phone that registered a Contact here; "" for none, and for what
// several could be. The Contact is the same by RFC 3261 §19.1.4, or has the same user and
// host, or the same host that no phone of another DN has: a phone may write it in its calls
// otherwise than when it registers. It reads all that the store holds.
func Owner(s *location.Store, uri string) (found dn.Number) {
	u, ok := message.ParseURI([]byte(uri))
	if !ok || !u.IsSIP() {
		return ""
	}
	host := string(u.Host)
	if len(u.Port) > 0 {
		host += ":" + string(u.Port)
	}
	best := likenessNone
	for _, e := range s.Holding(host) {
		for i := range e.Bindings {
			switch l := alike(&u, uri, e.Bindings[i].Contact); {
			case l > best:
				best, found = l, e.Record.Number
			case l == best && l > likenessNone && found != e.Record.Number:
				found = ""
			}
		}
	}
	return found
}

// likeness is how much two Contacts have in common.
type likeness uint8

const (
	likenessNone likeness = iota
	likenessHost
	likenessUser
	likenessWhole
)

func alike(u *message.URI, uri, contact string) likeness {
	c, ok := message.ParseURI([]byte(contact))
	switch {
	case !ok || !message.EqualFold(c.Host, string(u.Host)) || string(c.Port) != string(u.Port):
		return likenessNone
	case message.EqualURI([]byte(uri), []byte(contact)):
		return likenessWhole
	case string(message.AppendUnescaped(nil, c.User)) == string(message.AppendUnescaped(nil, u.User)):
		return likenessUser
	}
	return likenessHost
}
