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

// bye is a BYE to one side, in the name of the other, without Via and Route.
func bye(p *dialog.Parties, to dialog.Side, reason string) ownRequest {
	from, at := p.Of(to.Other()), p.Of(to)
	from.CSeq += skipped
	return ownRequest{method: "BYE", uri: at.Contact, from: from.Name, to: at.Name, callID: p.CallID, cseq: from.CSeq, reason: reason}
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
	hop, r := h.reach(d, to)
	if hop == nil {
		return
	}
	m := bye(d.Parties(), to, reason)
	id := newBranch(base32(0)) // no request that came in goes on with it
	m.uri, m.routes, m.via = r.URI, r.Rest, sh.via(hop, id)
	_, _ = sh.Send(id, "BYE", hop, m.bytes(), func(*message.Message, error) {})
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
// to register again; then the call is over.
type connection struct {
	h     *hanger
	sh    *shard
	d     *dialog.Dialog
	side  dialog.Side
	flow  *wire.Flow
	grace transaction.Alarm
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

// Fire implements transaction.AlarmHandler: the while is over.
func (c *connection) Fire(uint8) {
	if c.h.dialogs.IsOver(c.d) {
		return
	}
	if hop, _ := c.h.reach(c.d, c.side); hop != nil { // it registered again
		if hop.connected() {
			c.follow(hop)
		}
		return
	}
	if c.h.dialogs.End(c.d, c.side, 480, false) {
		c.h.bye(c.sh, c.d, c.side.Other(), connectionGone)
		c.sh.After(c.d.Release)
	}
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
