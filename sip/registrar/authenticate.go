package registrar

import (
	"hash/maphash"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/guard"
)

var methodRegister = []byte("REGISTER")

// authenticate finds the DN, and checks that who registers it has its password. When
// it is nil the answer is filled in, or none is given.
func (g *Registrar) authenticate(r *Request, v *fsm.View, a *answer.Answer) *configpb.DN {
	claim := guard.Claim{Role: guard.AsRegistrar, Number: r.ToUser, Method: methodRegister, Source: r.Source}
	if g.cfg.Guard.Choose(&claim, v.Options().GetRealm(), slices.Values(r.Authorizations)) {
		claim.Print = g.print(r, &claim.Credentials)
	}
	return g.cfg.Guard.Check(&claim, v, a)
}

// print identifies a request among all that could carry the same credentials.
func (g *Registrar) print(r *Request, c *digest.Credentials) uint32 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	h.Write(c.Response)
	h.Write(r.CallID)
	writeNumber(&h, int64(r.CSeq))
	writeNumber(&h, r.Expires)
	for i := range r.contacts {
		h.Write(r.contacts[i].uri)
		h.Write(r.contacts[i].params)
		writeNumber(&h, r.contacts[i].expires)
	}
	return uint32(h.Sum64())
}

func writeNumber(h *maphash.Hash, n int64) {
	for range 8 {
		h.WriteByte(byte(n))
		n >>= 8
	}
}
