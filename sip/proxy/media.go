package proxy

import (
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/profile"
)

// What a phone offers and answers says which media it speaks, which all nodes are told
// with its DN's availability, where the DN has no other phone.

// offers notes the media that the caller offers.
func (cs *calls) offers(c *Call) {
	if c.origin.kind == fromPeer {
		return
	}
	if c.media = profile.Of(c.req.Body); c.origin.kind == fromPhone {
		cs.speaks(c.origin.dn, c.media)
	}
}

// answered notes the media by which a phone has taken a call.
func (cs *calls) answered(b *branch, res *message.Message) {
	if b.phone != nil {
		cs.speaks(b.number, profile.Of(res.Body))
	}
}

func (cs *calls) speaks(n dn.Number, m dn.Media) {
	if e := cs.targets.store.Get(n); e != nil && len(e.Bindings) == 1 {
		cs.targets.table.Speaks(n, m)
	}
}
