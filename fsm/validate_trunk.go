package fsm

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// checkTrunk checks how a trunk is known and knows us.
func checkTrunk(n string, t *configpb.Trunk, level uint32) *Rejection {
	if r := checkAddresses(n, t, level); r != nil {
		return r
	}
	switch {
	case strings.Trim(t.GetPrefix(), "0123456789+*#") != "" || len(t.GetPrefix()) > MaxNodeName:
		return reject(ErrInvalid, "DN %s: trunk prefix %.40q: want at most 32 of 0-9 + * #", n, t.GetPrefix())
	case len(t.GetSources()) > MaxSources:
		return reject(ErrInvalid, "DN %s: %d sources, at most %d are possible", n, len(t.GetSources()), MaxSources)
	case t.GetTlsName() != "" && !ValidRealm(t.GetTlsName()):
		return reject(ErrInvalid, "DN %s: tls_name %.80q: want a domain name", n, t.GetTlsName())
	case (t.GetOutboundAuth() == nil) != (t.GetOutboundRealm() == ""):
		return reject(ErrInvalid, "DN %s: outbound_auth and outbound_realm go together: the realm is that which the gateway names", n)
	case t.GetOutboundRealm() != "" && !validText(t.GetOutboundRealm(), MaxRealm):
		return reject(ErrInvalid, "DN %s: outbound_realm: want at most %d printable characters without quote and backslash", n, MaxRealm)
	}
	for _, s := range t.GetSources() {
		if _, err := ParseSource(s); err != nil {
			return reject(ErrInvalid, "DN %s: sources: %.60q: %s", n, s, SourceRule)
		}
	}
	for _, a := range []*configpb.TrunkAuth{t.GetInboundAuth(), t.GetOutboundAuth()} {
		if a != nil && !validTrunkUser(a.GetUser()) {
			return reject(ErrInvalid, "DN %s: trunk user %.70q: %s", n, a.GetUser(), trunkUserRule)
		}
	}
	return checkCarrier(n, t)
}

// trunkUserRule says what validTrunkUser wants.
const trunkUserRule = "want 1 to 64 characters of A-Z a-z 0-9 + - . _ * # @"

func validTrunkUser(user string) bool {
	return user != "" && len(user) <= MaxName && strings.Trim(user, letters+"+-._*#@") == ""
}

// checkAddresses checks where a trunk is, and how it is spoken to.
func checkAddresses(n string, t *configpb.Trunk, level uint32) *Rejection {
	if level == 1 {
		if !validAddr(t.GetAddress()) {
			return reject(ErrInvalid, "DN %s: trunk address %.80q is not host:port of at most %d bytes", n, t.GetAddress(), MaxAddr)
		}
		return nil
	}
	more := t.GetMoreAddresses()
	switch {
	case !validTarget(t.GetAddress()):
		return reject(ErrInvalid, "DN %s: trunk address %.80q is not host:port, or a host, of at most %d bytes, where one host can be", n, t.GetAddress(), MaxAddr)
	case len(more) > MaxMoreAddresses:
		return reject(ErrInvalid, "DN %s: %d trunk more_addresses, at most %d are possible", n, len(more), MaxMoreAddresses)
	case t.GetTransport() < 0 || t.GetTransport() > configpb.TrunkTransport_TRUNK_TRANSPORT_TLS:
		return reject(ErrInvalid, "DN %s: unknown trunk transport %d: want udp, tcp or tls, and none for what the name says", n, t.GetTransport())
	}
	for i, a := range more {
		switch {
		case !validTarget(a):
			return reject(ErrInvalid, "DN %s: of the trunk's more_addresses %.80q is not host:port, or a host, of at most %d bytes, where one host can be", n, a, MaxAddr)
		case a == t.GetAddress() || slices.Contains(more[:i], a):
			return reject(ErrInvalid, "DN %s: trunk address %.80q is there twice", n, a)
		}
	}
	return nil
}

// validTarget holds for host:port, and for a host whose port is looked up: one host, that
// can be one.
func validTarget(s string) bool {
	host := s
	if validAddr(s) {
		host, _, _ = net.SplitHostPort(s)
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.Zone() == "" && OneHost(addr.Unmap())
	}
	return validHostName(strings.TrimSuffix(host, "."))
}

// OneHost holds for an address that a host may have: not for none, all, or a group.
func OneHost(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && !(a.Is4() && a.As4()[0] == 0) && !(a.Is6() && a.IsLinkLocalUnicast())
}

// validHostName holds for a host name (RFC 1123 §2.1, RFC 1035 §2.3.1, §2.3.4), underscores besides,
// which records of services have.
func validHostName(s string) bool {
	if len(s) > 255 {
		return false
	}
	label := ""
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, letters+"-_") != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return strings.Trim(label, "0123456789") != "" // no number is the last one of a name (RFC 3696 §2)
}

// checkAuth checks a digest, which may stay out when a stored one is kept.
func checkAuth(n string, t *configpb.Trunk, keep bool) *Rejection {
	for _, a := range []*configpb.TrunkAuth{t.GetInboundAuth(), t.GetOutboundAuth()} {
		if a == nil {
			continue
		}
		if r := checkHA1(n, a.GetAlgorithm(), a.GetHa1(), keep); r != nil {
			return r
		}
	}
	switch a := t.GetOutboundAuth(); {
	case t.GetInboundAuth().GetSha256Ha1() != "":
		return reject(ErrInvalid, "DN %s: sha256_ha1 is of outbound_auth alone: of inbound_auth this cluster chooses the digest", n)
	case a.GetSha256Ha1() == "":
		return nil
	case a.GetHa1() == "" || a.GetAlgorithm() == configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256:
		return reject(ErrInvalid, "DN %s: sha256_ha1 stands beside an ha1 of MD5", n)
	case checkHA1(n, configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, a.GetSha256Ha1(), false) != nil:
		return reject(ErrInvalid, "DN %s: sha256_ha1 is not 64 lower-case hex digits", n)
	}
	return nil
}

// keepAuth fills in the digests that a write leaves as they are.
func keepAuth(n string, to, from *configpb.Trunk) *Rejection {
	if to.GetOutboundRealm() != from.GetOutboundRealm() {
		from = &configpb.Trunk{InboundAuth: from.GetInboundAuth()} // the digest is of another realm
	}
	for _, x := range [][2]*configpb.TrunkAuth{{to.GetInboundAuth(), from.GetInboundAuth()}, {to.GetOutboundAuth(), from.GetOutboundAuth()}} {
		a, old := x[0], x[1]
		switch {
		case a == nil || a.GetHa1() != "":
		case old == nil || old.GetUser() != a.GetUser():
			return reject(ErrInvalid, "DN %s: there is no stored password to keep of trunk user %s, give one", n, a.GetUser())
		default:
			a.Ha1, a.Algorithm, a.Sha256Ha1 = old.GetHa1(), old.GetAlgorithm(), old.GetSha256Ha1()
		}
	}
	return nil
}

// SourceRule says in words what ParseSource takes.
const SourceRule = "want an IP address, or a prefix of at least 8 bits (IPv6: 16) as 192.0.2.0/24"

// ParseSource reads a source of a trunk.
func ParseSource(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errSource
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	least := 8
	if p.Addr().Is6() {
		least = 16
	}
	if p.Addr().Is4In6() || p.Bits() < least {
		return netip.Prefix{}, errSource
	}
	return p.Masked(), nil
}

var errSource = errors.New(SourceRule)

// checkOutbound checks a class of service.
func checkOutbound(d *configpb.DN) *Rejection {
	o, n := d.GetOutbound(), d.GetNumber()
	if o == nil {
		return nil
	}
	prefixes := o.GetClass() == configpb.OutboundClass_OUTBOUND_CLASS_PREFIXES
	switch {
	case d.GetKind() != configpb.DNKind_DN_KIND_SIP && d.GetKind() != configpb.DNKind_DN_KIND_TRUNK:
		return reject(ErrInvalid, "DN %s: only kinds sip and trunk make calls and have outbound", n)
	case o.GetClass() < configpb.OutboundClass_OUTBOUND_CLASS_NONE || o.GetClass() > configpb.OutboundClass_OUTBOUND_CLASS_PREFIXES:
		return reject(ErrInvalid, "DN %s: unknown outbound class %d: want none, internal or prefixes, and no outbound for all", n, o.GetClass())
	case prefixes != (len(o.GetPrefixes()) > 0):
		return reject(ErrInvalid, "DN %s: outbound has prefixes with the class prefixes, and only then", n)
	case len(o.GetPrefixes()) > MaxPrefixes:
		return reject(ErrInvalid, "DN %s: %d outbound prefixes, at most %d are possible", n, len(o.GetPrefixes()), MaxPrefixes)
	}
	for _, p := range o.GetPrefixes() {
		if !configpb.ValidPrefix(p) {
			return reject(ErrInvalid, "DN %s: outbound prefixes: %.40q: want 1 to %d of 0-9 + * #", n, p, configpb.MaxPrefix)
		}
	}
	return nil
}

// validText holds for what can stand between quotes in a SIP header.
func validText(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
