package proxy

import (
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// skipped is how many numbers a BYE in the name of a party leaves out, since not all
// that the party sent passed here: within an early dialog there may have been a PRACK.
const skipped = 16

// within is a request to one side, in the name of the other, without Via and Route. Its
// number is the last that was seen, so that none of the other side's own is out of order.
func within(method string, p *dialog.Parties, to dialog.Side) ownRequest {
	from, at := p.Of(to.Other()), p.Of(to)
	return ownRequest{method: method, uri: at.Contact, from: from.Name, to: at.Name, callID: p.CallID, cseq: max(from.CSeq, 1)}
}

// bye is the BYE.
func bye(p *dialog.Parties, to dialog.Side, reason string) ownRequest {
	m := within("BYE", p, to)
	m.cseq, m.reason = p.Of(to.Other()).CSeq+skipped, reason
	return m
}

// hanger ends calls in the name of a party that can't do so itself.
type hanger struct {
	machine *fsm.Machine
	shards  *shards
	routes  *route.Reader
	path    *dialogPath
	dialogs *dialog.Table
}

// take notes what it needs of an answered call, and the connections of its sides.
func (h *hanger) take(c *Call, b *branch, call string, d *dialog.Dialog, res *message.Message) {
	h.dialogs.Name(d, call, c.origin.node, dialog.NewParties(c.req, res))
	if c.origin.kind != fromPeer {
		h.watch(c.sh, d, dialog.CallerSide, &c.origin.hop)
	}
	if !b.silent {
		h.watch(c.sh, d, dialog.CalledSide, &b.to)
	}
}

// reach finds the way to a side of a dialog; nil when there is none now.
func (h *hanger) reach(d *dialog.Dialog, to dialog.Side) (*hop, *route.Set) {
	p := d.Parties()
	contact := p.Of(to).Contact
	list := h.routes.Way(p.Dialog(dialog.CallerSide), p.Way(to))
	within := p.Dialog(to.Other())
	s, f := h.routes.Read(within, contact, list)
	if f != nil {
		return nil, nil
	}
	hop, f := h.path.next(&s, contact, &within, true)
	if f != nil {
		return nil, nil
	}
	return hop, &s
}

// bye sends a BYE to a side. Nobody waits for its answer. The caller holds the shard.
func (h *hanger) bye(sh *shard, d *dialog.Dialog, to dialog.Side, reason string) {
	if hop, r := h.reach(d, to); hop != nil {
		_ = h.send(sh, hop, r, bye(d.Parties(), to, reason), func(*message.Message, error) {})
	}
}

// send sends a request within a dialog. The caller holds the shard.
func (h *hanger) send(sh *shard, to *hop, r *route.Set, m ownRequest, on func(*message.Message, error)) error {
	id := newBranch(base32(0)) // no request that came in goes on with it
	m.uri, m.routes, m.via = r.URI, r.Rest, sh.via(to, id)
	_, err := sh.Send(id, m.method, to, m.bytes(), on)
	return err
}

// toldElsewhere is why a call ends of which another node says so.
const toldElsewhere = `SIP;cause=200;text="The other party has hung up"`

// over hangs up to both sides of a call that is over, as another node says.
func (h *hanger) over(call string) {
	for _, d := range h.dialogs.Of(call) {
		sh := h.shards.of(d.Parties().CallID)
		sh.Lock()
		if h.dialogs.End(d, dialog.Nobody, 0, true) {
			h.bye(sh, d, dialog.CallerSide, toldElsewhere)
			h.bye(sh, d, dialog.CalledSide, toldElsewhere)
			sh.After(d.Release)
		}
		sh.Unlock()
	}
}

// orphaned hangs up to phones here that answered calls of a lost peer, of which nobody
// knows whether the answer has come to it.
func (h *hanger) orphaned(peer dn.Node) {
	for _, d := range h.dialogs.Unacknowledged(peer) {
		sh := h.shards.of(d.Parties().CallID)
		sh.Lock()
		if h.dialogs.End(d, dialog.Nobody, 480, false) {
			h.bye(sh, d, dialog.CalledSide, peerLost)
			sh.After(d.Release)
		}
		sh.Unlock()
	}
}

// connection watches that of one side of a dialog. When it ends the side has a while
// to register again; then it is asked whether it has the call yet, since another phone of
// the DN may have registered meanwhile, or the phone may have started anew. If it is gone
// or has not, the call is over.
type connection struct {
	h     *hanger
	sh    *shard
	d     *dialog.Dialog
	side  dialog.Side
	flow  *wire.Flow
	grace transaction.Alarm // also until the answer, and from one question to the next
	asked bool
	node  dn.Node // at which it went on with the call; "" for this one
}

// watch has the call end some time after a side's connection; not so for datagrams.
func (h *hanger) watch(sh *shard, d *dialog.Dialog, side dialog.Side, to *hop) {
	if !to.connected() {
		return
	}
	c := &connection{h: h, sh: sh, d: d, side: side}
	c.grace = transaction.Alarm{Layer: sh.Layer, Handler: c}
	if h.dialogs.Attach(d, c) {
		c.follow(to)
	}
}

// follow notes the connection that the side has now.
func (c *connection) follow(to *hop) {
	f := to.flow()
	if f == nil || !f.Calls.Add(c) {
		c.lost()
		return
	}
	c.flow = f
}

// CutOff is called when the connection ended.
func (c *connection) CutOff() {
	c.sh.Lock()
	defer c.sh.Unlock()
	c.flow = nil
	c.lost()
}

func (c *connection) lost() {
	if c.h.dialogs.IsOver(c.d) {
		return
	}
	grace := time.Duration(c.h.machine.View().Options().GetFlowGraceS()) * time.Second
	if grace == 0 {
		c.Fire(0)
		return
	}
	c.grace.Set(grace)
}

// connectionGone is why the other side hears a BYE.
const connectionGone = `SIP;cause=480;text="The other party's connection is gone"`

// Fire implements transaction.AlarmHandler: the while is over, that for an answer too.
func (c *connection) Fire(uint8) {
	switch {
	case c.h.dialogs.IsOver(c.d):
	case c.asked || !c.ask():
		c.unreached()
	}
}

// unreached ends the call, unless the side went on with it at a node that is not heard now,
// which says nothing of the side.
func (c *connection) unreached() {
	if c.node == "" || c.h.path.heard(c.node) {
		c.over()
		return
	}
	c.asked = false
	c.grace.Set(askEvery)
}

// over ends the call for the other side.
func (c *connection) over() {
	if c.h.dialogs.End(c.d, c.side, 480, false) {
		c.h.bye(c.sh, c.d, c.side.Other(), connectionGone)
		c.sh.After(c.d.Release)
	}
}

// ask asks who is reached as that side now; false when nobody is.
func (c *connection) ask() bool {
	hop, r := c.h.reach(c.d, c.side)
	if hop == nil {
		return false
	}
	c.asked = true
	c.grace.Set(silence * c.sh.T1())
	err := c.h.send(c.sh, hop, r, within("OPTIONS", c.d.Parties(), c.side), c.answered)
	return err == nil
}

// answered takes the answer of who was asked. Where no connection tells of its end it is
// asked again.
func (c *connection) answered(res *message.Message, err error) {
	if !c.asked || c.h.dialogs.IsOver(c.d) || err == nil && res.Status < 200 {
		return
	}
	c.asked = false
	c.grace.Stop()
	hop, _ := c.h.reach(c.d, c.side)
	switch {
	case err == nil && endsDialog(res.Status):
		c.over()
	case err != nil || hop == nil:
		c.unreached()
	case hop.connected():
		c.node = ""
		c.follow(hop)
	default:
		c.node = hop.peer
		c.grace.Set(askEvery)
	}
}

// endsDialog tells whether who answers so to a request within a dialog has none (RFC 5057
// §5.1), or is reached no more.
func endsDialog(code int) bool {
	switch code {
	case 404, 408, 410, 416, 480, 481, 484, 485, 502, 604:
		return true
	}
	return false
}

// End implements dialog.Link.
func (c *connection) End() {
	c.sh.Lock()
	defer c.sh.Unlock()
	c.grace.Stop()
	if c.flow != nil {
		c.flow.Calls.Remove(c)
		c.flow = nil
	}
}
