package sip

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// handlers tells sipgo who serves which method.
func (s *Server) handlers() {
	s.srv.OnRegister(s.handler((*Server).onRegister))
	s.srv.OnOptions(s.handler((*Server).onOptions))
	s.srv.OnCancel(s.handler(func(_ *Server, _ *sip.Request, a *answer) { a.set(481, "Call/Transaction Does Not Exist") }))
	s.srv.OnAck(func(_ *sip.Request, tx sip.ServerTransaction) { tx.Terminate() })
	s.srv.OnNoRoute(s.handler((*Server).onOther))
}

// handler wraps what decides the answer to a request. Answers are given
// without keeping a transaction: the same request again gets the same answer.
// A panic costs only its request.
func (s *Server) handler(decide func(*Server, *sip.Request, *answer)) func(*sip.Request, sip.ServerTransaction) {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		defer tx.Terminate()
		defer func() {
			if p := recover(); p != nil {
				s.stats.panics.Add(1)
				s.log.Error("a request made the SIP port panic; it was answered 500", "panic", p, "method", req.Method.String())
				s.respond(req, tx, &answer{code: 500, reason: "Server Internal Error"})
			}
		}()
		var a answer
		decide(s, req, &a)
		if a.durable {
			s.flush()
		}
		s.respond(req, tx, &a)
	}
}

// respond sends the answer.
func (s *Server) respond(req *sip.Request, tx sip.ServerTransaction, a *answer) {
	s.stats.answered(a.code)
	if err := tx.Respond(response(req, a, s.registrar.seed)); err != nil {
		s.log.Debug("the answer could not be sent", "err", err, "code", a.code)
	}
}

// response makes the answer to a request (RFC 3261 §8.2.6).
func response(req *sip.Request, a *answer, seed maphash.Seed) *sip.Response {
	res := sip.NewResponse(a.code, a.reason)
	sip.CopyHeaders("Via", req, res)
	sip.CopyHeaders("From", req, res)
	if to := value(req, "to"); to != "" {
		if !strings.Contains(to[strings.LastIndexByte(to, '>')+1:], ";tag=") {
			var tag [16]byte
			to += ";tag=" + string(appendToTag(tag[:0], seed, []byte(value(req, "call-id")), req.CSeq().SeqNo))
		}
		res.AppendHeader(sip.NewHeader("To", to))
	}
	sip.CopyHeaders("Call-ID", req, res)
	sip.CopyHeaders("CSeq", req, res)
	for line := range bytes.SplitSeq(bytes.TrimSuffix(a.lines, []byte("\r\n")), []byte("\r\n")) {
		if name, v, ok := bytes.Cut(line, []byte(": ")); ok {
			res.AppendHeader(sip.NewHeader(string(name), string(v)))
		}
	}
	res.SetBody(nil)
	res.SetTransport(req.Transport())
	res.SetDestination(req.Source())
	return res
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

func (s *Server) onRegister(req *sip.Request, a *answer) {
	var r register
	if f := fillRegister(&r, req); f != nil {
		a.fault(f)
		return
	}
	s.registrar.serve(&r, a)
}

// fillRegister takes what the registrar needs from a request that the gate let through.
func fillRegister(r *register, req *sip.Request) *message.Fault {
	r.reset()
	to, ok := message.ParseAddress([]byte(value(req, "to")))
	aor, ok2 := message.ParseURI(to.URI)
	if !ok || !ok2 || !aor.IsSIP() {
		return &message.Fault{Code: 400, Reason: "To is not a SIP address"}
	}
	user, _, _ := bytes.Cut(aor.User, []byte(":"))
	r.uriHost, r.toHost, r.toUser = []byte(req.Recipient.Host), aor.Host, message.AppendUnescaped(nil, user)
	r.callID = []byte(value(req, "call-id"))
	r.cseq = req.CSeq().SeqNo
	for _, h := range req.GetHeaders("Contact") {
		if !r.addContacts([]byte(h.Value())) {
			return &message.Fault{Code: 400, Reason: "Bad Contact"}
		}
	}
	if h := req.GetHeader("expires"); h != nil {
		r.expires = parseExpires([]byte(h.Value()))
	}
	r.authorizations = values(nil, req, "Authorization")
	for _, v := range values(nil, req, "Path") {
		for rest := v; ; {
			var one []byte
			one, rest = message.NextElement(rest)
			r.path = append(r.path, one)
			if rest == nil {
				break
			}
		}
	}
	r.supportsPath = hasOption(values(nil, req, "Supported"), "path") || hasOption(values(nil, req, "Require"), "path")
	r.userAgent = []byte(value(req, "user-agent"))
	r.transport, r.source = origin(req)
	return nil
}

func hasOption(lists [][]byte, option string) bool {
	for _, v := range lists {
		for tag := range bytes.SplitSeq(v, []byte(",")) {
			if message.EqualFold(bytes.TrimSpace(tag), option) {
				return true
			}
		}
	}
	return false
}

// origin is how and from where a request came. sipgo knows it of connections;
// of datagrams the gate wrote it down.
func origin(req *sip.Request) (location.Transport, netip.AddrPort) {
	if req.Transport() == location.UDP.String() {
		addr, _ := netip.ParseAddrPort(value(req, message.OriginName))
		return location.UDP, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	k := parseFlowKey(req.Source())
	return k.transport, k.peer
}

func (s *Server) onOptions(req *sip.Request, a *answer) {
	if user := req.Recipient.User; user != "" || !s.guard.mine([]byte(req.Recipient.Host)) {
		if !s.reachable(req, a) {
			return
		}
	}
	a.set(200, "OK")
	a.header("Allow", s.gate.allow())
	a.header("Accept", "application/sdp")
	a.header("Supported", "path")
}

// onOther answers what is asked of a DN here beyond REGISTER and OPTIONS. A
// request within a dialog is of no call that is known here.
func (s *Server) onOther(req *sip.Request, a *answer) {
	to := value(req, "to")
	if strings.Contains(to[strings.LastIndexByte(to, '>')+1:], ";tag=") || req.Method == sip.BYE || req.Method == sip.PRACK {
		a.set(481, "Call/Transaction Does Not Exist")
		return
	}
	if s.reachable(req, a) {
		a.set(405, "Method Not Allowed")
		a.header("Allow", s.gate.allow())
	}
}

// reachable finds the DN of the Request-URI: false, and an answer, when it is
// unknown or out of service.
func (s *Server) reachable(req *sip.Request, a *answer) bool {
	v := s.cfg.Machine.View()
	var d *configpb.DN
	if s.guard.mine([]byte(req.Recipient.Host)) {
		d = v.DN(string(message.AppendUnescaped(nil, []byte(req.Recipient.User))))
	}
	if d == nil {
		a.set(404, "Not Found")
		return false
	}
	if d.GetDisabled() {
		a.set(403, "DN is disabled")
		return false
	}
	if k := d.GetKind(); k == configpb.DNKind_DN_KIND_SIP || k == configpb.DNKind_DN_KIND_PSTN {
		if _, ok := s.ownerOf(v, dn.Number(d.GetNumber())); !ok {
			a.set(480, "DN is out of service")
			return false
		}
	}
	return true
}

// ownerOf is the node at which a DN is in service: nil when that is this one.
// Not ok, nobody can be sent there: the DN is out of service, or its owner is
// not in the roster.
func (s *Server) ownerOf(v *fsm.View, n dn.Number) (node *configpb.Node, ok bool) {
	st, _ := s.cfg.Table.Get(n)
	if st.State != dn.InSrv {
		return nil, false
	}
	if st.Owner == s.cfg.Table.Self() {
		return nil, true
	}
	node = v.Node(string(st.Owner))
	return node, node != nil
}
