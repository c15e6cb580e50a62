package proxy

import (
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// party is what a dialog knows of one of its two, to write it a request.
type party struct {
	// name is its From or To value, contact the URI at which it is reached.
	name, contact []byte
	// cseq is the greatest number that it was seen to give a request of its own.
	cseq uint32
}

// skipped is how many numbers a BYE in the name of a party leaves out, since not all
// that the party sent passed here: within an early dialog there may have been a PRACK.
const skipped = 16

// parties are what is needed to hang up in the name of either.
type parties struct {
	callID         []byte
	caller, called party
	// routes is the Record-Route of the dialog, the nearest to the called one first, with
	// commas between.
	routes []byte
}

// newParties takes them from the INVITE as it came and its 2xx. Few calls need the
// routes, so they are kept as they came; all is one piece of memory.
func newParties(req, res *message.Message) *parties {
	id, caller, called := res.Get(message.CallID), res.Get(message.From), res.Get(message.To)
	from, to := contactOf(req), contactOf(res)
	size := len(id) + len(caller) + len(called) + len(from) + len(to)
	for r := range res.All(message.RecordRoute) {
		size += len(r) + 1
	}
	buf := make([]byte, 0, size)
	keep := func(b []byte) []byte {
		n := len(buf)
		buf = append(buf, b...)
		return buf[n:len(buf):len(buf)]
	}
	p := &parties{callID: keep(id), caller: party{name: keep(caller), contact: keep(from)}, called: party{name: keep(called), contact: keep(to)}}
	p.caller.cseq, _, _ = message.ParseCSeq(req.Get(message.CSeq))
	n := len(buf)
	for r := range res.All(message.RecordRoute) {
		if len(buf) > n {
			buf = append(buf, ',')
		}
		buf = append(buf, r...)
	}
	p.routes = buf[n:]
	return p
}

// of is one of the two.
func (p *parties) of(s Side) *party {
	if s == CalledSide {
		return &p.called
	}
	return &p.caller
}

// dialog is the dialog in a request of a side.
func (p *parties) dialog(from Side) route.Dialog {
	d := route.Dialog{CallID: p.callID, From: message.TagOf(p.caller.name), To: message.TagOf(p.called.name)}
	if from == CalledSide {
		d.From, d.To = d.To, d.From
	}
	return d
}

// bye is a BYE to one side, in the name of the other, without Via and Route.
func (p *parties) bye(to Side, reason string) ownRequest {
	from, at := p.of(to.other()), p.of(to)
	from.cseq += skipped
	return ownRequest{method: "BYE", uri: at.contact, from: from.name, to: at.name, callID: p.callID, cseq: from.cseq, reason: reason}
}

// way is the Route list of the other side to a side.
func (p *parties) way(to Side) [][]byte {
	var list [][]byte
	for rest := p.routes; len(rest) > 0; {
		var one []byte
		one, rest = message.NextElement(rest)
		list = append(list, one)
	}
	if to == CalledSide {
		slices.Reverse(list)
	}
	return list
}

// hanger ends calls in the name of a party that can't do so itself.
type hanger struct {
	machine *fsm.Machine
	shards  *shards
	routes  *route.Reader
	path    *dialogPath
	dialogs *dialogs
}

// take notes what it needs of an answered call, and the connections of its sides.
func (h *hanger) take(c *Call, b *branch, call string, d *Dialog, res *message.Message) {
	h.dialogs.name(d, call, c.origin.node, newParties(c.req, res))
	if c.origin.kind != fromPeer {
		h.watch(c.sh, d, CallerSide, &c.origin.hop)
	}
	if !b.silent {
		h.watch(c.sh, d, CalledSide, &b.to)
	}
}

// reach finds the way to a side of a dialog; nil when there is none now.
func (h *hanger) reach(d *Dialog, to Side) (*hop, *route.Set) {
	p := d.parties
	contact := p.of(to).contact
	list := h.routes.Way(p.dialog(CallerSide), p.way(to))
	s, f := h.routes.Read(p.dialog(to.other()), contact, list)
	if f != nil {
		return nil, nil
	}
	hop, _, f := h.path.next(&s, contact, d.parties.callID)
	if f != nil {
		return nil, nil
	}
	return hop, &s
}

// bye sends a BYE to a side. Nobody waits for its answer. The caller holds the shard.
func (h *hanger) bye(sh *shard, d *Dialog, to Side, reason string) {
	hop, r := h.reach(d, to)
	if hop == nil {
		return
	}
	m := d.parties.bye(to, reason)
	id := newBranch(base32(0)) // no request that came in goes on with it
	m.uri, m.routes, m.via = r.URI, r.Rest, sh.via(hop, id)
	_, _ = sh.Send(id, "BYE", hop, m.bytes(), func(*message.Message, error) {})
}

// toldElsewhere is why a call ends of which another node says so.
const toldElsewhere = `SIP;cause=200;text="The other party has hung up"`

// over hangs up to both sides of a call that is over, as another node says.
func (h *hanger) over(call string) {
	for _, d := range h.dialogs.of(call) {
		sh := h.shards.of(d.parties.callID)
		sh.Lock()
		if h.dialogs.end(d, Nobody, 0, true) {
			h.bye(sh, d, CallerSide, toldElsewhere)
			h.bye(sh, d, CalledSide, toldElsewhere)
			sh.After(d.release)
		}
		sh.Unlock()
	}
}

// orphaned hangs up to phones here that answered calls of a lost peer, of which nobody
// knows whether the answer has come to it.
func (h *hanger) orphaned(peer dn.Node) {
	for _, d := range h.dialogs.unacknowledged(peer) {
		sh := h.shards.of(d.parties.callID)
		sh.Lock()
		if h.dialogs.end(d, Nobody, 480, false) {
			h.bye(sh, d, CalledSide, peerLost)
			sh.After(d.release)
		}
		sh.Unlock()
	}
}

// connection watches that of one side of a dialog. When it ends the side has a while
// to register again; then the call is over.
type connection struct {
	h     *hanger
	sh    *shard
	d     *Dialog
	side  Side
	flow  *wire.Flow
	grace transaction.Alarm
}

// watch has the call end some time after a side's connection; not so for datagrams.
func (h *hanger) watch(sh *shard, d *Dialog, side Side, to *hop) {
	if !to.connected() {
		return
	}
	c := &connection{h: h, sh: sh, d: d, side: side}
	c.grace = transaction.Alarm{Layer: sh.Layer, Handler: c}
	if h.dialogs.attach(d, c) {
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
	if c.h.dialogs.isOver(c.d) {
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
	if c.h.dialogs.isOver(c.d) {
		return
	}
	if hop, _ := c.h.reach(c.d, c.side); hop != nil { // it registered again
		if hop.connected() {
			c.follow(hop)
		}
		return
	}
	if c.h.dialogs.end(c.d, c.side, 480, false) {
		c.h.bye(c.sh, c.d, c.side.other(), connectionGone)
		c.sh.After(c.d.release)
	}
}

// end lets go of the connection, when the call is over.
func (c *connection) end() {
	c.sh.Lock()
	defer c.sh.Unlock()
	c.grace.Stop()
	if c.flow != nil {
		c.flow.Calls.Remove(c)
		c.flow = nil
	}
}
