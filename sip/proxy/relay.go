package proxy

import (
	"errors"
	"net/netip"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// relay is a request within a dialog on its way: one transaction in, one out.
type relay struct {
	p      *Proxy
	sh     *shard
	req    message.Saved
	method method
	srv    *transaction.Server
	client *transaction.Client
	timerC transaction.Alarm // INVITE only
	flow   *wire.Flow        // over which it waits for an answer; nil for datagrams
	// straight and turned name the dialog that a BYE ends.
	straight, turned dialogKey
}

// method tells apart what matters to the proxy.
type method uint8

const (
	methodOther method = iota
	methodInvite
	methodUpdate
	methodBye
)

func methodOf(m *message.Message) method {
	switch string(m.Method) {
	case "INVITE":
		return methodInvite
	case "UPDATE":
		return methodUpdate
	case "BYE":
		return methodBye
	}
	return methodOther
}

// relay sends a request within a dialog along its route. It needs no state of
// the dialog: the token in the Route tells the flow.
func (p *Proxy) relay(sh *shard, m *message.Message, in *packet, key transaction.Key, mark [13]byte, r *routing) {
	to, address, f := p.next(r)
	switch {
	case f != nil:
		if methodOf(m) == methodBye {
			p.hungUp(sh, m) // whoever hears of it or not
		}
		p.refuse(sh, m, in, &answer.Answer{Code: f.Code, Reason: f.Reason})
		return
	case to == nil:
		p.lookUp(address, m, in)
		return
	}
	x := &relay{p: p, sh: sh, req: m.Save(), method: methodOf(m)}
	x.timerC = transaction.Alarm{Layer: sh.Layer, Handler: x}
	if x.method == methodBye {
		x.straight, x.turned = dialogKeys(m)
	}
	x.srv = sh.Open(key, x.method == methodInvite, p.back(m, in), x)
	branch := p.branch(mark)
	var err error
	x.client, err = sh.Send(branch, string(m.Method), to, sh.along(m, r, to, branch), x.on)
	if err == nil && !x.over(to) {
		x.client.Terminate()
		err = errNoFlow
	}
	if err != nil {
		x.fail(480, "The other party's connection is gone")
		return
	}
	if x.method == methodInvite {
		x.timerC.Set(p.cfg.TimerC)
	}
}

// over binds the relay to the connection that it went over; false when that is
// gone.
func (x *relay) over(to *hop) bool {
	if !to.Reliable() {
		return true
	}
	f := to.out.Flows.Get(wire.FlowKey{Transport: to.transport, Peer: to.addr})
	if f == nil || !f.Relays.Add(x) {
		return false
	}
	x.flow = f
	return true
}

// settled lets go of timer C and the connection.
func (x *relay) settled() {
	x.timerC.Stop()
	if x.flow != nil {
		x.flow.Relays.Remove(x)
		x.flow = nil
	}
}

// CutOff is called when the connection ended.
func (x *relay) CutOff() {
	x.sh.Lock()
	defer x.sh.Unlock()
	if x.flow == nil {
		return // the answer was faster
	}
	x.client.Terminate()
	x.fail(480, "The other party's connection is gone")
}

// hungUp ends the dialog of a BYE that goes no further.
func (p *Proxy) hungUp(sh *shard, bye *message.Message) {
	if over := p.dialogs.hungUp(dialogKeys(bye)); over != nil {
		sh.After(over.release)
	}
}

// along writes a request of a dialog as it goes on.
func (sh *shard) along(m *message.Message, r *routing, to *hop, branch string) []byte {
	return sh.forward(m, &message.Changes{URI: r.uri, Via: sh.via(to, branch), Hops: hops(m) - 1, Routes: r.rest, Reroute: true})
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
func (p *Proxy) ack(sh *shard, m *message.Message, in *packet) {
	mark := loopMark(p.seed, m)
	r, f := p.routes.route(m.Get(message.CallID), m.URI, m.Elements(message.Route))
	if f != nil || r.last.Purpose == noToken && r.peer.Purpose == noToken || looped(m, mark) != nil || hops(m) == 0 {
		return
	}
	to, address, f := p.next(&r)
	switch {
	case f != nil:
	case to == nil:
		p.lookUp(address, m, in)
	default:
		_ = to.Send(sh.along(m, &r, to, p.branch(mark))) // the 2xx comes again
		straight, _ := dialogKeys(m)
		p.dialogs.ack(straight)
	}
}

var (
	errNoPeer   = &message.Fault{Code: 404, Reason: "The node of the Route is not in the cluster"}
	errFlowGone = &message.Fault{Code: 480, Reason: "The phone's connection is gone"}
)

// next finds where a request of a dialog goes (RFC 3261 §16.12): nowhere yet
// when the address is a name that has to be looked up.
func (p *Proxy) next(r *routing) (to *hop, address string, f *message.Fault) {
	if r.peer.Purpose != noToken {
		n := p.cfg.Machine.View().Node(string(r.peer.Node))
		if n == nil {
			return nil, "", errNoPeer
		}
		addr, ok := p.resolver.get(n.GetSipAddr())
		if !ok {
			return nil, n.GetSipAddr(), nil
		}
		return &hop{out: p.out, addr: addr}, "", nil
	}
	switch r.last.Purpose {
	case ToPhone:
		to, f = p.flowOf(r)
		return to, "", f
	case ToTrunk:
		if h := (&hop{out: p.out, transport: r.last.Transport, addr: r.last.Addr}); h.Reliable() && h.alive() {
			return h, "", nil
		}
		return &hop{out: p.out, addr: p.beyondTrunk(r)}, "", nil
	}
	return nil, "", errForeign
}

// flowOf is the flow of the phone that a token names: that of its present
// binding when it registered again from elsewhere.
func (p *Proxy) flowOf(r *routing) (*hop, *message.Fault) {
	k := &r.last
	h := &hop{out: p.out, transport: k.Transport, addr: k.Addr}
	if !h.Reliable() && len(r.rest) == 0 {
		h.addr = reachURI(r.uri, k.Addr)
	}
	if e := p.cfg.Store.Get(k.Number); e != nil {
		for i := range e.Bindings {
			b := &e.Bindings[i]
			if message.EqualURI([]byte(b.Contact), r.uri) && b.Expires.After(p.cfg.Now()) {
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
func (p *Proxy) beyondTrunk(r *routing) netip.AddrPort {
	uri := r.uri
	if len(r.rest) > 0 {
		a, _ := message.ParseAddress(r.rest[0])
		uri = a.URI
	}
	u, ok := message.ParseURI(uri)
	if ok && u.IsSIP() {
		if addr, ok := u.AddrPort(); ok {
			return addr
		}
	}
	return r.last.Addr
}

// on takes what comes back.
func (x *relay) on(res *message.Message, err error) {
	switch {
	case errors.Is(err, transaction.ErrUnsent):
		x.fail(480, "The other party can't be reached")
		return
	case err != nil:
		x.fail(408, "Request Timeout")
		return
	case res.Status == 100:
		return
	case res.Status >= 200:
		x.final(res)
	case x.method == methodInvite:
		x.timerC.Set(x.p.cfg.TimerC)
	}
	_ = x.srv.Respond(res.Status, x.sh.forward(res, &message.Changes{PopVia: true, Hops: -1}))
}

// final notes what an answer means for the dialog.
func (x *relay) final(res *message.Message) {
	x.settled()
	switch {
	case x.method == methodBye:
		x.hungUp()
	case res.Status < 300 && (x.method == methodInvite || x.method == methodUpdate):
		x.p.dialogs.refreshed(res)
	}
}

func (x *relay) hungUp() {
	if over := x.p.dialogs.hungUp(x.straight, x.turned); over != nil {
		x.sh.After(over.release)
	}
}

// fail answers when nothing came back. Other than INVITE the sender finds out
// by itself: a 408 would come too late (RFC 4320 §4.2).
func (x *relay) fail(code int, reason string) {
	x.settled()
	if x.method == methodBye {
		x.hungUp()
	}
	if code == 408 && x.method != methodInvite {
		x.srv.Terminate()
		return
	}
	var m message.Message
	x.req.Read(&m)
	_ = x.srv.Respond(code, x.p.answer(x.sh, &m, &answer.Answer{Code: code, Reason: reason}))
}

// Trying implements transaction.Trier.
func (x *relay) Trying() []byte {
	var m message.Message
	x.req.Read(&m)
	return x.p.answer(x.sh, &m, &answer.Answer{Code: 100, Reason: "Trying"})
}

// canceled implements canceler.
func (x *relay) canceled() {
	if x.client != nil {
		x.client.Cancel()
	}
}

// Fire implements transaction.AlarmHandler: it is timer C.
func (x *relay) Fire(uint8) { x.canceled() }
