package proxy

import (
	"errors"
	"hash/maphash"
	"time"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/identity"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/transfer"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// relays pass on the requests within dialogs.
type relays struct {
	shards  *shards
	routes  *route.Reader
	admit   *admission
	path    *dialogPath
	dialogs *dialog.Table
	timerC  time.Duration
	seed    maphash.Seed // of loop marks
	asked   *transfer.Book
}

// relay is a request within a dialog on its way: one transaction in, one out.
type relay struct {
	in     *relays
	sh     *shard
	req    message.Saved
	method method
	srv    *transaction.Server
	client *transaction.Client
	alarm  transaction.Alarm // timer C of an INVITE, the patience with the answer to a BYE
	flow   *wire.Flow        // over which it waits for an answer; nil for datagrams
	at     dialog.Ref
	// ended: the dialog is, by a BYE; answered: so is its sender.
	ended, answered bool
	border          border
	toTrunk         bool    // where no challenge is passed on from
	account         account // that of the trunk, once it has asked
	renamed         bool    // it went on with another From or To
	cseq            uint32  // its number, of what comes back numbered higher; 0 for others
	carrier         bool    // a REFER goes to one
	far             bool    // it goes to another node, or by a connection that this one opens
	asked           uint8   // how often the gateway was answered that asked who sends it
	asks            asking
}

// method tells apart what matters to the proxy.
type method uint8

const (
	methodOther method = iota
	methodInvite
	methodUpdate
	methodBye
	methodRefer
)

func methodOf(m *message.Message) method {
	switch string(m.Method) {
	case "INVITE":
		return methodInvite
	case "UPDATE":
		return methodUpdate
	case "BYE":
		return methodBye
	case "REFER":
		return methodRefer
	}
	return methodOther
}

// relay sends a request within a dialog along its route. It needs no state of
// the dialog: the token in the Route tells the flow.
func (rs *relays) relay(sh *shard, m *message.Message, in *packet, key transaction.Key, mark [13]byte, d *route.Dialog, s *route.Set, gaps answer.Gaps) {
	at := dialog.RefOf(d, s)
	var a answer.Answer
	if !rs.admit.admit(sh, m, in, s, at.Key, &a) {
		sh.deny(m, in, &a, gaps)
		return
	}
	to, f := rs.path.next(s, rs.dialogs.Contact(at.Key, at.By.Other()), d, methodOf(m) == methodBye)
	if f == nil {
		f = rs.referred(m, s, at)
	}
	if f != nil {
		rs.refuse(sh, m, in, at, f, gaps)
		return
	}
	rs.note(sh, m, at)
	x := &relay{
		in: rs, sh: sh, req: m.Save(), method: methodOf(m), at: at, border: rs.border(s), carrier: toCarrier(methodOf(m), s), far: to.peer != "" || to.dials,
		toTrunk: s.Peer.Purpose == route.None && s.Last.Purpose == route.Trunk,
	}
	x.alarm = transaction.Alarm{Layer: sh.Layer, Handler: x}
	x.srv = sh.Open(key, x.method == methodInvite, in.back(m), x)
	err := x.send(m, s, to, newBranch(mark), nil)
	if err == nil && !x.over(to) {
		x.client.Terminate()
		err = errNoFlow
	}
	switch {
	case errors.Is(err, errTooLong):
		x.fail(513, tooLarge)
		return
	case err != nil:
		x.away()
		return
	}
	switch x.method {
	case methodInvite:
		x.alarm.Set(rs.timerC)
	case methodBye:
		x.alarm.Set(byeAnswer * x.sh.T1())
		if s.Peer.Purpose != route.None && !rs.path.heard(s.Peer.Node) {
			x.hungUp(false) // it is tried nevertheless
		}
	}
}

// send sends the request on, with a line besides when a gateway has asked for that.
func (x *relay) send(m *message.Message, s *route.Set, to *hop, branch string, line []byte) (err error) {
	by := x.in.skew(s, x.at)
	if x.method == methodBye {
		by += x.asked // nothing comes behind it
	}
	if by > 0 {
		x.cseq, _, _ = message.ParseCSeq(m.Get(message.CSeq))
	}
	ch := message.Changes{Drop: x.border.request(m, x.in.realm()), Lines: line}
	if x.method == methodRefer {
		x.in.mark(m, s, x.at, &ch)
	}
	x.renamed = x.in.rename(m, s, x.at, &ch)
	x.client, err = x.sh.Send(branch, string(m.Method), to, x.sh.along(m, s, to, branch, by, ch), x.on)
	return err
}

// note remembers what a request within a dialog says of its sender.
func (rs *relays) note(sh *shard, m *message.Message, at dialog.Ref) {
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	var contact []byte
	refers := false
	switch methodOf(m) {
	case methodBye:
		return
	case methodInvite, methodUpdate:
		contact = m.ContactURI()
	case methodOther, methodRefer:
		refers = route.Begins(m)
	}
	if code := becomes(m); code != 0 {
		sh.After(rs.dialogs.Calling(at, code))
	}
	rs.dialogs.Seen(at, cseq, contact, refers)
}

// over binds the relay to the connection that it went over; false when that is
// gone.
func (x *relay) over(to *hop) bool {
	if !to.connected() {
		return true
	}
	f := to.flow()
	if f == nil || !f.Relays.Add(x) {
		return false
	}
	x.flow = f
	return true
}

// settled lets go of the alarm and the connection.
func (x *relay) settled() {
	x.alarm.Stop()
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
	x.away()
}

// along writes a request of a dialog as it goes on.
func (sh *shard) along(m *message.Message, s *route.Set, to *hop, branch string, by uint8, ch message.Changes) []byte {
	ch.Via, ch.Hops, ch.Reroute = sh.via(to, branch), hops(m)-1, true
	ch.URI, ch.Routes = s.URI, s.Rest
	if to.peer == "" { // where the next one is: another node takes its own off, however it was written
		ch.URI, ch.Routes = route.Onward(s.URI, s.Rest)
	}
	renumber(m, by, &ch)
	return sh.forward(m, &ch)
}

// border is the one that an admitted request of a dialog passes.
func (rs *relays) border(s *route.Set) (b border) {
	side := func(k *route.Token) identity.Domain {
		if k.Purpose == route.Trunk {
			return domainOf(rs.path.machine.View(), k.Number)
		}
		return identity.Outside
	}
	b.from, b.to = side(&s.First), side(&s.Last)
	if !s.Near { // another node sent it
		b.from = identity.Inside
	}
	if s.Peer.Purpose != route.None {
		b.to = identity.Inside
	}
	return b
}

func (rs *relays) realm() string { return rs.path.machine.View().Options().GetRealm() }

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
func (rs *relays) ack(sh *shard, m *message.Message, in *packet) {
	mark := loopMark(rs.seed, m)
	d := route.DialogOf(m)
	s, f := rs.routes.Read(d, m.URI, m.Elements(message.Route))
	if f != nil || !s.Followed() || d.To == nil || looped(m, mark) != nil || hops(m) == 0 {
		return
	}
	at := dialog.RefOf(&d, &s)
	var a answer.Answer
	if !rs.admit.admit(sh, m, in, &s, at.Key, &a) {
		return
	}
	to, f := rs.path.next(&s, rs.dialogs.Contact(at.Key, at.By.Other()), &d, false)
	if f != nil {
		return
	}
	ch := message.Changes{Drop: rs.border(&s).request(m, rs.realm())}
	rs.rename(m, &s, at, &ch)
	_ = to.Send(sh.along(m, &s, to, newBranch(mark), rs.skew(&s, at), ch)) // the 2xx comes again
	if at.By == dialog.CallerSide {
		rs.dialogs.Ack(at.Key)
	}
	if tell := rs.dialogs.Acked(at, m); tell != nil {
		sh.After(tell)
	}
}

// on takes what comes back.
func (x *relay) on(res *message.Message, err error) {
	switch {
	case errors.Is(err, transaction.ErrUnsent) && x.far:
		x.away()
		return
	case errors.Is(err, transaction.ErrUnsent):
		x.fail(480, "The other party can't be reached")
		return
	case err != nil:
		x.fail(408, "Request Timeout")
		return
	case res.Status == 100 || x.answers(res):
		return
	case x.toTrunk && !x.answered && asksWho(res):
		x.fail(500, x.account.refused(res))
		return
	case res.Status >= 200:
		x.final(res)
	case x.method == methodInvite:
		x.alarm.Set(x.in.timerC)
	}
	if x.answered {
		return
	}
	ch := message.Changes{PopVia: true, Hops: -1, CSeq: x.cseq, Lines: x.refused(res), Drop: x.border.back().response(res)}
	if x.renamed {
		var m message.Message
		x.req.Read(&m)
		ch.From, ch.To = m.Get(message.From), m.Get(message.To)
	}
	_ = x.srv.Respond(res.Status, x.sh.forward(res, &ch))
}

// final notes what an answer means for the dialog.
func (x *relay) final(res *message.Message) {
	x.settled()
	x.sh.stats.Answered(res.Status)
	switch {
	case x.method == methodBye && res.Status != 401 && res.Status != 407: // those ask for it again
		x.hungUp(true)
	case res.Status < 300 && (x.method == methodInvite || x.method == methodUpdate):
		x.in.dialogs.Refreshed(x.at, res)
		x.exchanged(res)
	case res.Status < 300 && x.method == methodRefer:
		x.sh.After(x.in.dialogs.Referred(x.at, tellsNothing(res)))
	}
}

// exchanged looks whether somebody holds the call from now on.
func (x *relay) exchanged(res *message.Message) {
	var req message.Message
	x.req.Read(&req)
	if tell := x.in.dialogs.Exchanged(x.at, &req, res); tell != nil {
		x.sh.After(tell)
	}
}

// away answers when the way to the other side is gone.
func (x *relay) away() {
	var m message.Message
	x.req.Read(&m)
	x.end(away(&m, "The other party's connection is gone"))
}

// fail answers when nothing came back. Other than INVITE the sender finds out
// by itself: a 408 would come too late (RFC 4320 §4.2).
func (x *relay) fail(code int, reason string) {
	if code == 408 && x.method != methodInvite && x.method != methodBye {
		x.settled()
		x.srv.Terminate()
		return
	}
	x.end(answer.Answer{Code: code, Reason: reason})
}

// end answers with what is ours.
func (x *relay) end(a answer.Answer) {
	x.settled()
	if x.method == methodBye {
		x.hungUp(false)
		x.agree()
		return
	}
	x.sh.stats.Answered(a.Code)
	var m message.Message
	x.req.Read(&m)
	_ = x.srv.Respond(a.Code, x.sh.answer(&m, &a))
}

// Trying implements transaction.Trier.
func (x *relay) Trying() []byte {
	var m message.Message
	x.req.Read(&m)
	return x.sh.answer(&m, &answer.Answer{Code: 100, Reason: "Trying"})
}

// canceled implements canceler.
func (x *relay) canceled(reasons [][]byte) {
	if x.client != nil {
		x.client.Cancel(reasons...)
	}
}

// Fire implements transaction.AlarmHandler.
func (x *relay) Fire(uint8) {
	if x.method == methodBye {
		x.unanswered()
		return
	}
	x.canceled([][]byte{reasonOf(408, "Request Timeout")}) // timer C
}
