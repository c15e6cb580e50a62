package sip

import (
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// relay is a request within a dialog on its way: one transaction in, one out.
type relay struct {
	p      *proxy
	req    *message.Message
	in     *packet
	srv    *transaction.Server
	client *transaction.Client
	timerC *time.Timer // INVITE only
}

// relay sends a request within a dialog along its route. It needs no state of
// the dialog: the token in the Route tells the flow.
func (p *proxy) relay(m *message.Message, in *packet, key string, mark [13]byte, r *routing) {
	to, f := p.next(r)
	if f != nil {
		p.refuse(m, in, &answer{code: f.Code, reason: f.Reason})
		return
	}
	invite := string(m.Method) == "INVITE"
	x := &relay{p: p, req: m, in: in}
	x.srv, _ = p.layer.Open(key, invite, p.back(m, in), x)
	if invite {
		_ = x.srv.Respond(100, p.answer(m, &answer{code: 100, reason: "Trying"}))
	}
	branch := p.branch(mark)
	var err error
	x.client, err = p.layer.Send(branch, string(m.Method), to, p.along(m, r, to, branch), x.on)
	if err != nil {
		x.fail(480, "The other party's connection is gone")
		return
	}
	if invite {
		x.timerC = time.AfterFunc(p.s.cfg.TimerC, x.canceled)
	}
}

// along writes a request of a dialog as it goes on.
func (p *proxy) along(m *message.Message, r *routing, to *hop, branch string) []byte {
	return m.AppendForwarded(make([]byte, 0, len(m.Body)+1024), &message.Changes{URI: r.uri, Via: to.via(branch), Hops: hops(m) - 1, Routes: r.rest, Reroute: true})
}

// hops is Max-Forwards; 70, and one for us, when nobody set it.
func hops(m *message.Message) int {
	v := m.Get(message.MaxForwards)
	if v == nil {
		return 71
	}
	n := 0
	for _, c := range v {
		n = n*10 + int(c-'0')
	}
	return n
}

// ack sends the ACK of a 2xx on (RFC 3261 §16.6): it has no transaction.
func (p *proxy) ack(m *message.Message) {
	mark := loopMark(p.seed, m)
	r, f := p.own(m.Get(message.CallID)).route(m.URI, m.Elements(message.Route))
	if f != nil || r.last == nil && r.peer == nil || looped(m, mark) != nil || hops(m) == 0 {
		return
	}
	if to, f := p.next(&r); f == nil {
		_ = to.Send(p.along(m, &r, to, p.branch(mark))) // the 2xx comes again
	}
}

var (
	errNoPeer   = &message.Fault{Code: 404, Reason: "The node of the Route is not in the cluster"}
	errFlowGone = &message.Fault{Code: 480, Reason: "The phone's connection is gone"}
)

// next finds where a request of a dialog goes (RFC 3261 §16.12).
func (p *proxy) next(r *routing) (*hop, *message.Fault) {
	if r.peer != nil {
		n := p.s.cfg.Machine.View().Node(string(r.peer.node))
		if n == nil {
			return nil, errNoPeer
		}
		addr, err := p.names.get(n.GetSipAddr())
		if err != nil {
			return nil, errNoPeer
		}
		return &hop{s: p.s, addr: addr}, nil
	}
	switch r.last.purpose {
	case toPhone:
		return p.flowOf(r)
	case toTrunk:
		if h := (&hop{s: p.s, transport: r.last.transport, addr: r.last.addr}); h.Reliable() && h.alive() {
			return h, nil
		}
		return &hop{s: p.s, addr: p.beyondTrunk(r)}, nil
	}
	return nil, errForeign
}

// flowOf is the flow of the phone that a token names: that of its present
// binding when it registered again from elsewhere.
func (p *proxy) flowOf(r *routing) (*hop, *message.Fault) {
	k := r.last
	h := &hop{s: p.s, transport: k.transport, addr: k.addr}
	if !h.Reliable() && len(r.rest) == 0 {
		h.addr = reachURI(r.uri, k.addr)
	}
	if e := p.s.cfg.Store.Get(k.number); e != nil {
		for i := range e.Bindings {
			b := &e.Bindings[i]
			if message.EqualURI([]byte(b.Contact), r.uri) && b.Expires.After(p.s.cfg.Now()) {
				h.transport, h.addr = b.Transport, reach(b)
			}
		}
	}
	if !h.alive() {
		return nil, errFlowGone
	}
	return h, nil
}

// beyondTrunk is the address that the gateway gave, or the gateway's own.
func (p *proxy) beyondTrunk(r *routing) netip.AddrPort {
	uri := r.uri
	if len(r.rest) > 0 {
		a, _ := message.ParseAddress(r.rest[0])
		uri = a.URI
	}
	u, ok := message.ParseURI(uri)
	if ok && u.IsSIP() {
		if addr, ok := uriAddr(&u); ok {
			return addr
		}
	}
	return r.last.addr
}

// on takes what comes back.
func (x *relay) on(res *message.Message, err error) {
	if err != nil {
		x.fail(408, "Request Timeout")
		return
	}
	if res.Status == 100 {
		return
	}
	if res.Status >= 200 {
		x.final(res)
	} else if x.timerC != nil {
		x.timerC.Reset(x.p.s.cfg.TimerC)
	}
	_ = x.srv.Respond(res.Status, res.AppendForwarded(nil, &message.Changes{PopVia: true, Hops: -1}))
}

// final notes what an answer means for the dialog.
func (x *relay) final(res *message.Message) {
	if x.timerC != nil {
		x.timerC.Stop()
	}
	switch method := string(x.req.Method); {
	case method == "BYE":
		x.p.dialogs.hungUp(keyOf(x.req))
	case res.Status < 300 && (method == "INVITE" || method == "UPDATE"):
		x.p.dialogs.refreshed(res)
	}
}

// fail answers when nothing came back. Other than INVITE the sender finds out
// by itself: a 408 would come too late (RFC 4320 §4.2).
func (x *relay) fail(code int, reason string) {
	if string(x.req.Method) == "BYE" {
		x.p.dialogs.hungUp(keyOf(x.req))
	}
	if code == 408 && string(x.req.Method) != "INVITE" {
		x.srv.Terminate()
		return
	}
	_ = x.srv.Respond(code, x.p.answer(x.req, &answer{code: code, reason: reason}))
}

// canceled implements canceler, and is timer C.
func (x *relay) canceled() {
	if x.client != nil {
		x.client.Cancel()
	}
}
