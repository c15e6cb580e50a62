package sip

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/gruu"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// handlers tells sipgo who serves which method.
func (s *Server) handlers() {
	s.srv.OnRegister(s.register)
	s.srv.OnOptions(s.handler((*Server).onOptions))
	s.srv.OnCancel(s.handler(func(_ *Server, _ *sip.Request, a *answer.Answer) { a.Set(481, "Call/Transaction Does Not Exist") }))
	s.srv.OnAck(func(_ *sip.Request, tx sip.ServerTransaction) { tx.Terminate() })
	s.srv.OnNoRoute(s.handler((*Server).onOther))
}

// handler answers by what decides.
func (s *Server) handler(decide func(*Server, *sip.Request, *answer.Answer)) func(*sip.Request, sip.ServerTransaction) {
	return func(req *sip.Request, tx sip.ServerTransaction) { s.answer(req, tx, decide) }
}

// register is handler for REGISTER, and counts how long it takes.
func (s *Server) register(req *sip.Request, tx sip.ServerTransaction) {
	began := time.Now()
	if s.answer(req, tx, (*Server).onRegister) {
		s.stats.Registered.Observe(time.Since(began))
	}
}

// answer decides the answer to a request, gives it, and tells whether that made something
// durable. Answers are given without keeping a transaction: the same request again gets the same answer.
// A panic costs only its request.
func (s *Server) answer(req *sip.Request, tx sip.ServerTransaction, decide func(*Server, *sip.Request, *answer.Answer)) (durable bool) {
	defer tx.Terminate()
	defer func() {
		if p := recover(); p != nil {
			s.stats.Panics.Add(1)
			s.log.Error("a request made the SIP port panic; it was answered 500", "panic", p, "method", req.Method.String())
			s.respond(req, tx, &answer.Answer{Code: 500, Reason: "Server Internal Error"})
		}
	}()
	var a answer.Answer
	decide(s, req, &a)
	if a.Durable {
		s.flush()
	}
	s.respond(req, tx, &a)
	return a.Durable
}

// respond sends the answer, if there is one.
func (s *Server) respond(req *sip.Request, tx sip.ServerTransaction, a *answer.Answer) {
	if a.Code == 0 {
		s.silence(req)
		return
	}
	s.stats.Answered(a.Code)
	if err := tx.Respond(response(req, a, s.cfg.tagSeed)); err != nil {
		s.log.Debug("the answer could not be sent", "err", err, "code", a.Code)
	}
}

// silence is the answer to whom none is given: its connection waits for none.
func (s *Server) silence(req *sip.Request) {
	if f := s.flows.Get(wire.ParseFlowKey(req.Source())); f != nil {
		f.Forget([]byte(response(req, &answer.Answer{Code: 500}, s.cfg.tagSeed).String()))
	}
}

// response makes the answer to a request (RFC 3261 §8.2.6).
func response(req *sip.Request, a *answer.Answer, seed maphash.Seed) *sip.Response {
	res := sip.NewResponse(a.Code, a.Reason)
	copyVias(req, res)
	sip.CopyHeaders("From", req, res)
	if to := value(req, "to"); to != "" {
		if message.TagOf([]byte(to)) == nil {
			var tag [16]byte
			to += ";tag=" + string(answer.AppendToTag(tag[:0], seed, []byte(value(req, "call-id")), req.CSeq().SeqNo))
		}
		res.AppendHeader(sip.NewHeader("To", to))
	}
	sip.CopyHeaders("Call-ID", req, res)
	sip.CopyHeaders("CSeq", req, res)
	for line := range bytes.SplitSeq(bytes.TrimSuffix(a.Lines, []byte("\r\n")), []byte("\r\n")) {
		if name, v, ok := bytes.Cut(line, []byte(": ")); ok {
			res.AppendHeader(sip.NewHeader(string(name), string(v)))
		}
	}
	res.SetBody(nil)
	res.SetTransport(req.Transport())
	res.SetDestination(req.Source())
	return res
}

// copyVias copies them as they were before the tidy form.
func copyVias(req *sip.Request, res *sip.Response) {
	sip.CopyHeaders("Via", req, res)
	for _, h := range res.GetHeaders("Via") {
		if via, ok := h.(*sip.ViaHeader); ok {
			for i := range via.Params {
				via.Params[i].V = message.Unmasked(via.Params[i].V)
			}
		}
	}
}

func value(req *sip.Request, name string) string {
	if h := req.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

func values(dst [][]byte, req *sip.Request, name string) [][]byte {
	for _, h := range req.GetHeaders(name) {
		dst = append(dst, []byte(h.Value()))
	}
	return dst
}

func (s *Server) onRegister(req *sip.Request, a *answer.Answer) {
	var r registrar.Request
	if f := fillRegister(&r, req); f != nil {
		a.Fault(f)
		return
	}
	s.registrar.Serve(&r, a)
}

// fillRegister takes what the registrar needs from a request that the gate let through.
func fillRegister(r *registrar.Request, req *sip.Request) *message.Fault {
	r.Reset()
	to, ok := message.ParseAddress([]byte(value(req, "to")))
	aor, ok2 := message.ParseURI(to.URI)
	if !ok || !ok2 || !aor.IsSIP() {
		return &message.Fault{Code: 400, Reason: "To is not a SIP address"}
	}
	r.URIHost, r.ToHost, r.ToUser = []byte(req.Recipient.Host), aor.Host, message.AppendUnescaped(nil, aor.Name())
	r.CallID = []byte(value(req, "call-id"))
	r.CSeq = req.CSeq().SeqNo
	for _, h := range req.GetHeaders("Contact") {
		if !r.AddContacts([]byte(h.Value())) {
			return &message.Fault{Code: 400, Reason: "Bad Contact"}
		}
	}
	if h := req.GetHeader("expires"); h != nil {
		r.Expires = registrar.ParseExpires([]byte(h.Value()))
	}
	r.Authorizations = values(nil, req, "Authorization")
	for _, v := range values(nil, req, "Path") {
		r.Path = slices.AppendSeq(r.Path, message.Elements(v))
	}
	knows := values(values(nil, req, "Supported"), req, "Require")
	r.SupportsPath, r.SupportsGRUU = message.HasOption(knows, "path"), message.HasOption(knows, gruu.Option)
	r.SupportsOutbound = message.HasOption(knows, registrar.Outbound)
	r.UserAgent = []byte(value(req, "user-agent"))
	r.Transport, r.Source = origin(req)
	if h, ok := message.ParseVia([]byte(value(req, "via"))); ok && r.Transport == location.UDP {
		r.Mapped = h.Mapped(r.Source)
	}
	return nil
}

// origin is how and from where a request came. sipgo knows it of connections;
// of datagrams the gate wrote it down.
func origin(req *sip.Request) (location.Transport, netip.AddrPort) {
	if req.Transport() == location.UDP.String() {
		addr, _ := netip.ParseAddrPort(value(req, message.OriginName))
		return location.UDP, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	k := wire.ParseFlowKey(req.Source())
	return k.Transport, k.Peer
}

func (s *Server) onOptions(req *sip.Request, a *answer.Answer) {
	gaps := s.gaps()
	s.options(req, a)
	if a.Code != 0 && gaps.Deny(a) {
		a.Later(false)
	}
}

// gaps are what this node may not know yet.
func (s *Server) gaps() answer.Gaps {
	if s.proxy == nil {
		return answer.Gaps{Behind: s.cfg.Behind()}
	}
	return s.proxy.Gaps()
}

// options is onOptions by what is known.
func (s *Server) options(req *sip.Request, a *answer.Answer) {
	mine := s.isHere(req)
	toNode := mine && req.Recipient.User == ""
	switch {
	case s.cfg.Draining() && (toNode || s.fromTrunk(req)): // for carriers and balancers to see
		a.Draining()
		return
	case mine && !toNode && !s.mayAsk(req, a), !toNode && !s.reachable(req, a):
		return
	}
	a.Set(200, "OK")
	a.Header("Allow", s.gate.allow())
	a.Header("Accept", "application/sdp")
	a.Header("Supported", strings.Join(extensions[:], ", "))
}

// isHere tells whether the Request-URI is one of this cluster, as which that of a trunk is
// taken whatever its host: carriers write their own there.
func (s *Server) isHere(req *sip.Request) bool {
	return s.guard.Mine([]byte(req.Recipient.Host)) || s.fromTrunk(req)
}

// fromTrunk tells whether a gateway asks. Where phones may be as well, one of the cluster
// is not taken for it.
func (s *Server) fromTrunk(req *sip.Request) bool {
	if s.proxy == nil {
		return false
	}
	t, source := origin(req)
	if n, surely := s.proxy.Trunk(source, t); n == "" || surely {
		return n != ""
	}
	from, _ := message.ParseAddress([]byte(value(req, "from")))
	u, _ := message.ParseURI(from.URI)
	caller := s.cfg.Machine.View().DN(string(message.AppendUnescaped(nil, u.User)))
	return caller.GetKind() != configpb.DNKind_DN_KIND_SIP || !s.guard.Mine(u.Host)
}

// onOther answers what is asked here beyond REGISTER and OPTIONS. A request within a dialog is of no call that is known here.
func (s *Server) onOther(req *sip.Request, a *answer.Answer) {
	to := value(req, "to")
	if message.TagOf([]byte(to)) != nil || req.Method == sip.BYE || req.Method == sip.PRACK {
		a.Set(481, "Call/Transaction Does Not Exist")
		return
	}
	if !s.guard.Mine([]byte(req.Recipient.Host)) {
		a.Set(404, "Not Found")
		return
	}
	a.Set(405, "Method Not Allowed")
	a.Header("Allow", s.gate.allow())
}

// reachable finds the DN of the Request-URI: false, and an answer, when it is
// unknown or out of service.
func (s *Server) reachable(req *sip.Request, a *answer.Answer) bool {
	v := s.cfg.Machine.View()
	var d *configpb.DN
	if s.isHere(req) {
		d = v.DN(string(message.AppendUnescaped(nil, []byte(req.Recipient.User))))
	}
	if d == nil {
		a.Refuse(404, "Not Found")
		a.Stranger = !s.isHere(req)
		return false
	}
	if d.GetDisabled() {
		a.Refuse(403, "DN is disabled")
		return false
	}
	if k := d.GetKind(); k == configpb.DNKind_DN_KIND_SIP || k == configpb.DNKind_DN_KIND_PSTN {
		if _, ok := proxy.OwnerOf(s.cfg.Table, v, dn.Number(d.GetNumber())); !ok {
			a.Set(480, "DN is out of service")
			return false
		}
	}
	return true
}
