// Package contact finds out whose a Contact is: the DN of the phone that has registered it
// here. A phone's Contact is its own choice, and it is called by it where others were told
// no number (RFC 3891, RFC 5589 §7.3).
package contact

import (
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// maxShared is how many DNs may share a user and a host, for one of them to be found.
const maxShared = 4096

// Owner is the DN of the phone that registered a Contact here; "" for none, and for what
// several could be. The Contact is the same by RFC 3261 §19.1.4, or has the same user and
// host, or the same host that no phone of another DN has: a phone may write it in its calls
// otherwise than when it registers. Where more than maxShared DNs have the user and the host,
// any could be meant.
func Owner(s *location.Store, uri string) dn.Number {
	u, ok := message.ParseURI([]byte(uri))
	if !ok || !u.IsSIP() {
		return ""
	}
	same := s.SameUser(&u, maxShared+1)
	if len(same) > maxShared {
		return ""
	}
	if len(same) == 0 {
		same = s.SameHost(&u, 2) // one alone is meant
	}
	return closest(&u, uri, same)
}

// closest is the DN of the entry with the Contact most like the URI; "" when that is none,
// or several are equally like it.
func closest(u *message.URI, uri string, list []*location.Entry) (found dn.Number) {
	best := likenessNone
	for _, e := range list {
		for i := range e.Bindings {
			switch l := alike(u, uri, e.Bindings[i].Contact); {
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
