package proxy

import (
	"bytes"
	"context"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// A phone that was asked to take over a call may be told the Contact of the other one, as
// that has written it, and not its number: whose it is the node knows at which the phone
// is registered (RFC 3891, RFC 5589 section 7.3).

// findFor is how long the nodes may take to say whose a Contact is.
const findFor = time.Second

// byContact tells whether somebody is called by a Contact: by what is neither a number
// nor the address of a node.
func (cs *calls) byContact(c *Call) bool {
	u, ok := message.ParseURI(c.req.URI)
	v := cs.machine.View()
	switch {
	case cs.find == nil || !ok || !u.IsSIP() || c.origin.kind == fromPeer:
		return false
	case message.IsNowhere(u.Host):
		return true
	}
	return message.IsIP(u.Host) && len(bytes.Trim(u.User, "+*#0123456789")) > 0 && v.DN(c.called) == nil && !namesNode(v, u)
}

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
	switch {
	case n != "":
		c.called = string(n)
	case message.IsNowhere(u.Host):
		c.reject(404, "Nobody has registered the Contact")
		return false
	}
	return true
}
