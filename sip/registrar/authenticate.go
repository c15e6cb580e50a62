package registrar

import (
	"hash/maphash"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/guard"
)

var methodRegister = []byte("REGISTER")

// authenticate checks that the user is the DN that it registers. When it is
// false the answer is filled in.
func (g *Registrar) authenticate(r *Request, v *fsm.View, d *configpb.DN, a *answer.Answer) bool {
	var c digest.Credentials
	for _, value := range r.Authorizations {
		if guard.CredentialsFor(v.Options().GetRealm(), value, &c) {
			return g.cfg.Guard.Check(guard.Claim{Role: guard.AsRegistrar, Dn: d, Method: methodRegister, Credentials: &c, Print: g.print(r, &c)}, v, a)
		}
	}
	return g.cfg.Guard.Check(guard.Claim{Role: guard.AsRegistrar, Dn: d}, v, a)
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
