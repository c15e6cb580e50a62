package sip

import (
	"hash/maphash"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/message"
)

var methodRegister = []byte("REGISTER")

// authenticate checks that the user is the DN that it registers. When it is
// false the answer is filled in.
func (g *registrar) authenticate(r *register, v *fsm.View, d *configpb.DN, a *answer) bool {
	realm := v.Options().GetRealm()
	var c digest.Credentials
	if !credentialsFor(r, realm, &c) {
		g.challenge(a, realm, d, false)
		return false
	}
	user := d
	if string(c.Username) != d.GetNumber() {
		if user = v.DNBytes(c.Username); user == nil {
			g.challenge(a, realm, d, false)
			return false
		}
	}
	if !g.digestHost(&c, realm) {
		a.set(400, "Digest uri of another domain")
		return false
	}
	switch g.digest.Check(&c, methodRegister, user.GetHa1(), algorithm(user), g.print(r, &c)) {
	case digest.Wrong:
		g.challenge(a, realm, d, false)
		return false
	case digest.Stale:
		g.challenge(a, realm, d, true)
		return false
	}
	if user != d {
		a.set(403, "The user may only register its own DN")
		return false
	}
	return true
}

// credentialsFor finds the credentials for the realm among all that were sent.
func credentialsFor(r *register, realm string, c *digest.Credentials) bool {
	for _, v := range r.authorizations {
		if c.Parse(v) && string(c.Realm) == realm {
			return true
		}
	}
	return false
}

func (g *registrar) challenge(a *answer, realm string, d *configpb.DN, stale bool) {
	a.set(401, "Unauthorized")
	if stale {
		g.stats.stale.Add(1)
	}
	a.lines = append(a.lines, "WWW-Authenticate: "...)
	a.lines = g.digest.AppendChallenge(a.lines, realm, algorithm(d), stale)
	a.lines = append(a.lines, "\r\n"...)
}

func algorithm(d *configpb.DN) digest.Algorithm {
	if d.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		return digest.SHA256
	}
	return digest.MD5
}

// digestHost compares the uri parameter with what is served by its host alone:
// phones leave out port and parameters, or write the address of record.
func (g *registrar) digestHost(c *digest.Credentials, realm string) bool {
	u, ok := message.ParseURI(c.URI)
	return ok && u.IsSIP() && g.served(u.Host, realm)
}

// print identifies a request among all that could carry the same credentials.
func (g *registrar) print(r *register, c *digest.Credentials) uint32 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	h.Write(c.Response)
	h.Write(r.callID)
	writeNumber(&h, int64(r.cseq))
	writeNumber(&h, r.expires)
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
