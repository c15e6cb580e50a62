package sip

import (
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/message"
)

// guard knows the hosts of this cluster and checks by digest who sends a
// request (RFC 3261 §22), for the registrar and the proxy alike.
type guard struct {
	machine *fsm.Machine
	hosts   map[string]bool
	digest  *digest.Server
	stats   *counters
}

func newGuard(machine *fsm.Machine, hosts []string, d *digest.Server, stats *counters) *guard {
	g := &guard{machine: machine, hosts: map[string]bool{}, digest: d, stats: stats}
	for _, h := range hosts {
		g.hosts[strings.ToLower(h)] = true
	}
	return g
}

// role is in which role this node asks who the sender is.
type role uint8

const (
	// asRegistrar asks with 401 and WWW-Authenticate (§22.2).
	asRegistrar role = iota
	// asProxy asks with 407 and Proxy-Authenticate (§22.3).
	asProxy
)

// claim is who a request says that it comes from, and how it proves that.
type claim struct {
	role   role
	dn     *configpb.DN
	method []byte
	// credentials for the realm; nil when the request has none.
	credentials *digest.Credentials
	// print identifies the request among all that could carry the same credentials.
	print uint32
}

// credentialsFor reads the value of a header; false when it holds no
// credentials for the realm.
func credentialsFor(realm string, value []byte, c *digest.Credentials) bool {
	return c.Parse(value) && string(c.Realm) == realm
}

// check tells whether the claim is proved. When it is false the answer is
// filled in.
func (g *guard) check(c claim, v *fsm.View, a *answer) bool {
	realm := v.Options().GetRealm()
	user := c.dn
	if c.credentials == nil {
		g.challenge(&c, realm, a, false)
		return false
	}
	if string(c.credentials.Username) != c.dn.GetNumber() {
		if user = v.DNBytes(c.credentials.Username); user == nil {
			g.challenge(&c, realm, a, false)
			return false
		}
	}
	if !g.digestHost(c.credentials, realm) {
		a.set(400, "Digest uri of another domain")
		return false
	}
	switch g.digest.Check(c.credentials, c.method, user.GetHa1(), algorithm(user), c.print) {
	case digest.Wrong:
		g.challenge(&c, realm, a, false)
		return false
	case digest.Stale:
		g.challenge(&c, realm, a, true)
		return false
	}
	if user == c.dn {
		return true
	}
	if c.role == asProxy {
		a.set(403, "The user may only call as its own DN")
	} else {
		a.set(403, "The user may only register its own DN")
	}
	return false
}

func (g *guard) challenge(c *claim, realm string, a *answer, stale bool) {
	if stale {
		g.stats.stale.Add(1)
	}
	if c.role == asProxy {
		a.set(407, "Proxy Authentication Required")
		a.lines = append(a.lines, "Proxy-Authenticate: "...)
	} else {
		a.set(401, "Unauthorized")
		a.lines = append(a.lines, "WWW-Authenticate: "...)
	}
	a.lines = g.digest.AppendChallenge(a.lines, realm, algorithm(c.dn), stale)
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
func (g *guard) digestHost(c *digest.Credentials, realm string) bool {
	u, ok := message.ParseURI(c.URI)
	return ok && u.IsSIP() && g.served(u.Host, realm)
}

// mine tells whether a host names this cluster as it is configured now.
func (g *guard) mine(host []byte) bool { return g.served(host, g.machine.View().Options().GetRealm()) }

// served tells whether a host names this cluster: the realm, what the node is
// called, and any IP address, because phones are told the node's and may see
// another one than the node itself does.
func (g *guard) served(host []byte, realm string) bool {
	return message.EqualFold(host, realm) || message.IsIP(host) || message.EqualFold(host, "localhost") || g.hosts[strings.ToLower(string(host))]
}
