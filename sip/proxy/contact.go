package proxy

import (
	"bytes"
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

// A phone that was asked to take over a call may be told the Contact of the other one, as
// that has written it, and not its number: whose it is the node knows at which the phone
// is registered (RFC 3891, RFC 5589 section 7.3).

// findFor is how long the nodes may take to say whose a Contact is.
const findFor = time.Second

// byContact tells whether somebody is called by a Contact.
func (cs *calls) byContact(c *Call) bool {
	u, ok := message.ParseURI(c.req.URI)
	return ok && c.origin.kind != fromPeer && cs.isContact(&u, c.called)
}

// isContact tells a Contact from what a call from outside calls else: a number, or the
// address of a node.
func (cs *calls) isContact(u *message.URI, called string) bool {
	v := cs.machine.View()
	switch {
	case cs.find == nil || !u.IsSIP():
		return false
	case message.IsNowhere(u.Host):
		return true
	}
	return message.IsIP(u.Host) && len(bytes.Trim(u.User, "+*#0123456789")) > 0 && v.DN(called) == nil && !namesNode(v, *u)
}

// contactOf is who is called by a Contact, which is that of a DN, "" for none; otherwise the
// user part is, of a host that is a domain of the cluster.
func contactOf(u *message.URI, called string, n dn.Number) (string, *message.Fault) {
	switch {
	case n != "":
		return string(n), nil
	case message.IsNowhere(u.Host):
		return called, errNobodysContact
	}
	return called, nil
}

var errNobodysContact = &message.Fault{Code: 404, Reason: "Nobody has registered the Contact"}

// found finds the DN of a Contact; false when the call has ended with that, since there is
// none and the host is no domain of the cluster.
func (cs *calls) found(c *Call) bool {
	ctx, cancel := context.WithTimeout(cs.tasks.ctx, findFor)
	defer cancel()
	c.sh.Lock()
	if c.final {
		c.sh.Unlock()
		return false
	}
	uri := string(c.req.URI)
	c.sh.Unlock()
	n := cs.find(ctx, uri)
	c.sh.Lock()
	defer c.sh.Unlock()
	u, _ := message.ParseURI([]byte(uri))
	called, f := contactOf(&u, c.called, n)
	if f != nil {
		c.reject(f.Code, f.Reason)
		return false
	}
	c.called = called
	return true
}
