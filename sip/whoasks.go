package sip

import (
	"hash/maphash"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/message"
)

// mayAsk tells whether somebody may hear about a DN: a gateway, or a phone of the
// cluster by digest. Otherwise the answer is filled in, or none is given: strangers
// don't learn which DNs there are, and which of them are in service.
func (s *Server) mayAsk(req *sip.Request, a *answer.Answer) bool {
	if s.fromTrunk(req) {
		return true
	}
	from, _ := message.ParseAddress([]byte(value(req, "from")))
	u, _ := message.ParseURI(from.URI)
	_, source := origin(req)
	claim := guard.Claim{Role: guard.AsRegistrar, Number: message.AppendUnescaped(nil, u.User), Method: []byte(req.Method), Source: source}
	v := s.cfg.Machine.View()
	if s.guard.Choose(&claim, v.Options().GetRealm(), slices.Values(values(nil, req, "Authorization"))) {
		claim.Print = s.print(req, &claim)
	}
	d := s.guard.Check(&claim, v, a)
	if d.GetDisabled() {
		a.Refuse(403, "DN is disabled")
		return false
	}
	a.Stranger = claim.None && v.DN(string(claim.Number)).GetKind() != configpb.DNKind_DN_KIND_SIP
	return d != nil
}

// print identifies a request among all that could carry the same credentials.
func (s *Server) print(req *sip.Request, c *guard.Claim) uint32 {
	return uint32(maphash.String(s.cfg.tagSeed, strings.Join([]string{
		string(c.Credentials.Response), req.Recipient.String(), value(req, "call-id"), value(req, "cseq"), value(req, "to"),
	}, "\x00")))
}
