package guard

import (
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Guard knows the hosts of this cluster and checks by digest who sends a
// request (RFC 3261 §22), for the registrar and the proxy alike.
type Guard struct {
	machine *fsm.Machine
	hosts   map[string]bool
	digest  *digest.Server
	stats   *answer.Counters
}

// New makes a guard. The hosts are names of this cluster beside the realm and IP
// addresses; stats counts stale challenges.
func New(machine *fsm.Machine, hosts []string, d *digest.Server, stats *answer.Counters) *Guard {
	g := &Guard{machine: machine, hosts: map[string]bool{}, digest: d, stats: stats}
	for _, h := range hosts {
		g.hosts[strings.ToLower(h)] = true
	}
	return g
}

// role is in which role this node asks who the sender is.
type role uint8

const (
	// AsRegistrar asks with 401 and WWW-Authenticate (§22.2).
	AsRegistrar role = iota
	// AsProxy asks with 407 and Proxy-Authenticate (§22.3).
	AsProxy
)

// Claim is who a request says that it comes from, and how it proves that.
type Claim struct {
	Role   role
	Dn     *configpb.DN
	Method []byte
	// Credentials for the realm; nil when the request has none.
	Credentials *digest.Credentials
	// Print identifies the request among all that could carry the same credentials.
	Print uint32
}

// CredentialsFor reads the value of a header; false when it holds no
// credentials for the realm.
func CredentialsFor(realm string, value []byte, c *digest.Credentials) bool {
	return c.Parse(value) && string(c.Realm) == realm
}

// Check tells whether the claim is proved. When it is false the answer is
// filled in.
func (g *Guard) Check(c Claim, v *fsm.View, a *answer.Answer) bool {
	realm := v.Options().GetRealm()
	user := c.Dn
	if c.Credentials == nil {
		g.challenge(&c, realm, a, false)
		return false
	}
	if string(c.Credentials.Username) != c.Dn.GetNumber() {
		if user = v.DNBytes(c.Credentials.Username); user == nil {
			g.challenge(&c, realm, a, false)
			return false
		}
	}
	if !g.digestHost(c.Credentials, realm) {
		a.Set(400, "Digest uri of another domain")
		return false
	}
	switch g.digest.Check(c.Credentials, c.Method, user.GetHa1(), algorithm(user), c.Print) {
	case digest.Wrong:
		g.challenge(&c, realm, a, false)
		return false
	case digest.Stale:
		g.challenge(&c, realm, a, true)
		return false
	}
	if user == c.Dn {
		return true
	}
	if c.Role == AsProxy {
		a.Set(403, "The user may only call as its own DN")
	} else {
		a.Set(403, "The user may only register its own DN")
	}
	return false
}

func (g *Guard) challenge(c *Claim, realm string, a *answer.Answer, stale bool) {
	if stale {
		g.stats.Stale.Add(1)
	}
	if c.Role == AsProxy {
		a.Set(407, "Proxy Authentication Required")
		a.Lines = append(a.Lines, "Proxy-Authenticate: "...)
	} else {
		a.Set(401, "Unauthorized")
		a.Lines = append(a.Lines, "WWW-Authenticate: "...)
	}
	a.Lines = g.digest.AppendChallenge(a.Lines, realm, algorithm(c.Dn), stale)
	a.Lines = append(a.Lines, "\r\n"...)
}

func algorithm(d *configpb.DN) digest.Algorithm {
	if d.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		return digest.SHA256
	}
	return digest.MD5
}

// digestHost compares the uri parameter with what is served by its host alone:
// phones leave out port and parameters, or write the address of record.
func (g *Guard) digestHost(c *digest.Credentials, realm string) bool {
	u, ok := message.ParseURI(c.URI)
	return ok && u.IsSIP() && g.Served(u.Host, realm)
}

// Mine tells whether a host names this cluster as it is configured now.
func (g *Guard) Mine(host []byte) bool { return g.Served(host, g.machine.View().Options().GetRealm()) }

// Served tells whether a host names this cluster: the realm, what the node is
// called, and any IP address, because phones are told the node's and may see
// another one than the node itself does.
func (g *Guard) Served(host []byte, realm string) bool {
	return message.EqualFold(host, realm) || message.IsIP(host) || message.EqualFold(host, "localhost") || g.hosts[strings.ToLower(string(host))]
}
