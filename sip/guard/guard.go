package guard

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/source"
)

// Config of a guard.
type Config struct {
	Machine *fsm.Machine
	// Store tells from where DNs are registered.
	Store *location.Store
	// Hosts are names of this cluster beside the realm and IP addresses.
	Hosts  []string
	Digest *digest.Server
	Stats  *answer.Counters
	// Events is told of wrong passwords and of who is silenced; nil is nobody.
	Events *security.Events
	// Now is the clock; it must carry a monotonic reading.
	Now func() time.Time
}

// Guard knows the hosts of this cluster and checks by digest who sends a
// request (RFC 3261 §22), for the registrar and the proxy alike.
type Guard struct {
	machine *fsm.Machine
	store   *location.Store
	hosts   map[string]bool
	digest  *digest.Server
	stats   *answer.Counters
	events  *security.Events
	brakes  *brakes
	// nobodys are the hashes of no password, by algorithm.
	nobodys [digest.SHA256 + 1]string
}

// New makes a guard.
func New(cfg Config) *Guard {
	g := &Guard{machine: cfg.Machine, store: cfg.Store, hosts: map[string]bool{}, digest: cfg.Digest, stats: cfg.Stats, events: cfg.Events}
	g.brakes = newBrakes(cfg.Now, g.registered)
	for _, h := range cfg.Hosts {
		g.hosts[strings.ToLower(strings.TrimSuffix(h, "."))] = true
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails (crypto/rand)
	g.nobodys = [...]string{digest.MD5: hex.EncodeToString(secret[:16]), digest.SHA256: hex.EncodeToString(secret[:])}
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
	Role role
	// Number is the DN, whether or not there is one; the user of Trunk if that is set.
	Number []byte
	// Trunk is whose inbound user it is; nil for a phone.
	Trunk *configpb.DN
	// Placed: it comes from where Trunk is known to be, so the uri of its credentials may
	// name any host. Elsewhere they may be what somebody else has asked Trunk for.
	Placed bool
	Method []byte
	// Credentials for the realm, unless it comes with None.
	Credentials digest.Credentials
	None        bool
	// Print identifies the request among all that could carry the same credentials.
	Print uint32
	// Source is where it came from.
	Source netip.AddrPort
}

// maxCredentials is how many credentials for one realm a request is searched for.
const maxCredentials = 4

// Choose reads the credentials for the realm out of a request's headers; false when
// there are none. A phone that was challenged again may send the old ones too, in any
// order: what answers a challenge of ours counts, then what is the DN's own.
func (g *Guard) Choose(c *Claim, realm string, headers iter.Seq[[]byte]) bool {
	best, found, one := -1, 0, digest.Credentials{}
	for value := range headers {
		if !one.Parse(value) || string(one.Realm) != realm {
			continue
		}
		if found++; found == 1 {
			c.Credentials = one
			continue
		}
		if best < 0 {
			best = g.rank(c, &c.Credentials)
		}
		if rank := g.rank(c, &one); rank > best {
			best, c.Credentials = rank, one
		}
		if found == maxCredentials {
			break
		}
	}
	c.None = found == 0
	return found > 0
}

// rank orders credentials for one realm.
func (g *Guard) rank(c *Claim, one *digest.Credentials) (n int) {
	if g.digest.Knows(one.Nonce, source.Of(c.Source.Addr())) {
		n += 2
	}
	if bytes.Equal(one.Username, c.Number) {
		n++
	}
	return n
}

// account is whose password credentials have to prove: that of a DN for a phone,
// or nobody's, which none does.
type account struct {
	dn        *configpb.DN // nil for nobody's
	ha1       string
	algorithm digest.Algorithm
}

// account of a number. One that isn't a phone's is treated like a phone's, and
// takes as long, so that nobody finds out which there are. The algorithm is that
// of the phones next to it.
func (g *Guard) account(v *fsm.View, number []byte) account {
	d := v.NearestDN(number)
	if isPhone := d.GetKind() == configpb.DNKind_DN_KIND_SIP; isPhone && d.GetNumber() == string(number) {
		return account{d, d.GetHa1(), algorithm(d)}
	} else if !isPhone {
		d = neighbour(v, number)
	}
	return account{nil, g.nobodys[algorithm(d)], algorithm(d)}
}

// claimed is the account of a claim.
func (g *Guard) claimed(v *fsm.View, c *Claim) account {
	if c.Trunk == nil {
		return g.account(v, c.Number)
	}
	auth := c.Trunk.GetTrunk().GetInboundAuth()
	return account{c.Trunk, auth.GetHa1(), algorithm(auth)}
}

// neighbours are how many DNs are looked at for one of a phone.
const neighbours = 32

// neighbour is a phone's DN near a number; nil when there is none.
func neighbour(v *fsm.View, number []byte) *configpb.DN {
	for _, from := range [...]string{string(number), ""} {
		left := neighbours
		for d := range v.DNs(from) {
			if d.GetKind() == configpb.DNKind_DN_KIND_SIP {
				return d
			}
			if left--; left == 0 {
				break
			}
		}
	}
	return nil
}

// hashed is who has a digest.
type hashed interface {
	GetAlgorithm() configpb.DigestAlgorithm
}

func algorithm(d hashed) digest.Algorithm {
	if d.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		return digest.SHA256
	}
	return digest.MD5
}

// Check returns the DN of a claim that is proved, which may be disabled. Otherwise
// it is nil and the answer is filled in, or left without a code: then nothing is
// answered, because the source has tried too many passwords.
func (g *Guard) Check(c *Claim, v *fsm.View, a *answer.Answer) *configpb.DN {
	realm := v.Options().GetRealm()
	claimed := g.claimed(v, c)
	from := source.Of(c.Source.Addr())
	if c.None {
		if g.brakes.silent(from, c.Number, claimed.ha1) {
			g.stats.Silenced.Add(1)
			return nil
		}
		g.challenge(c, realm, a, claimed.algorithm, false)
		return nil
	}
	if !g.digestHost(c, realm) {
		a.Refuse(400, "Digest uri of another domain")
		return nil
	}
	user := claimed
	if string(c.Credentials.Username) != string(c.Number) {
		user = g.account(v, c.Credentials.Username)
	}
	switch verdict, ok := g.try(c, from, &user); {
	case !ok:
		g.stats.Silenced.Add(1)
		return nil
	case verdict != digest.OK || user.dn == nil:
		g.challenge(c, realm, a, claimed.algorithm, verdict == digest.Stale)
		a.Refusal = verdict != digest.Stale
		return nil
	case user.dn == claimed.dn:
		return user.dn
	}
	if c.Role == AsProxy {
		a.Set(403, "The user may only call as its own DN")
	} else {
		a.Set(403, "The user may only register its own DN")
	}
	return nil
}

// try looks at the password; false when the source has tried too many.
func (g *Guard) try(c *Claim, from netip.Addr, user *account) (v digest.Verdict, ok bool) {
	t := try{source: from, user: c.Credentials.Username, ha1: user.ha1, print: c.Print}
	if !g.brakes.begin(&t) {
		return v, false
	}
	defer func() {
		o, counts := g.brakes.end(&t, v)
		if ok = ok && counts; o.failures > 0 {
			g.tell(from, user.dn, o)
		}
	}()
	r := digest.Request{Method: c.Method, Source: from, Print: c.Print}
	v = g.digest.Check(&c.Credentials, &r, user.ha1, user.algorithm)
	return v, true
}

// tell tells of a wrong password. What it was tried for is named only when it is a
// DN: somebody may have written a password there.
func (g *Guard) tell(from netip.Addr, d *configpb.DN, o outcome) {
	g.stats.WrongPasswords.Add(1)
	attrs := []any{"source", source.Text(from), "dn", d.GetNumber(), "failures", o.failures}
	g.events.Event(security.AuthFailed, attrs...)
	if o.banned > 0 {
		g.events.Event(security.Banned, append(attrs, "for", o.banned)...)
	}
}

// registered tells whether a DN has a binding that came from a source.
func (g *Guard) registered(number []byte, from netip.Addr) bool {
	e := g.store.GetBytes(number)
	return e != nil && slices.ContainsFunc(e.Bindings, func(b location.Binding) bool { return source.Of(b.Source.Addr()) == from })
}

func (g *Guard) challenge(c *Claim, realm string, a *answer.Answer, by digest.Algorithm, stale bool) {
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
	a.Lines = g.digest.AppendChallenge(a.Lines, realm, by, stale, source.Of(c.Source.Addr()))
	a.Lines = append(a.Lines, "\r\n"...)
}

// digestHost compares the uri parameter with what is served by its host alone:
// phones leave out port and parameters, or write the address of record. That of a Contact
// may be one that nobody has.
func (g *Guard) digestHost(c *Claim, realm string) bool {
	u, ok := message.ParseURI(c.Credentials.URI)
	if c.Role == AsProxy && message.EqualFold(u.Scheme, "tel") { // which has no host
		return ok
	}
	return ok && u.IsSIP() && (c.Placed || g.Served(u.Host, realm) || message.IsNowhere(u.Host))
}

// Mine tells whether a host names this cluster as it is configured now.
func (g *Guard) Mine(host []byte) bool { return g.Served(host, g.machine.View().Options().GetRealm()) }

// Served tells whether a host names this cluster: the realm, what the node is
// called, and any IP address, because phones are told the node's and may see
// another one than the node itself does. A name that ends at the root, by a dot, is the
// same name (RFC 3261 §25.1).
func (g *Guard) Served(host []byte, realm string) bool {
	host, realm = bytes.TrimSuffix(host, []byte(".")), strings.TrimSuffix(realm, ".")
	return message.EqualFold(host, realm) || message.IsIP(host) || message.EqualFold(host, "localhost") || g.hosts[strings.ToLower(string(host))]
}
