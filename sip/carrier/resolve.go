package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/location"
)

const (
	// minTTL and maxTTL are what the time that an answer holds for is brought to.
	minTTL, maxTTL = 5 * time.Second, time.Hour
	// maxPlaces and maxWays bound what one name may lead to.
	maxPlaces, maxWays = 32, 8
)

// ErrNoAddress says that a name leads nowhere.
var ErrNoAddress = errors.New("the name has no address")

// service is what a NAPTR record and an SRV name stand for (RFC 3263 §4.1).
type service struct {
	naptr, srv string
	transport  location.Transport
}

// services are those that are spoken here, as they are preferred where nobody says.
var services = []service{
	{"SIP+D2U", "_sip._udp.", location.UDP},
	{"SIP+D2T", "_sip._tcp.", location.TCP},
	{"SIPS+D2T", "_sips._tcp.", location.TLS},
}

// names asks for what names have, in the way of a name server.
type names interface {
	// ask returns the records of a type, and for how long they hold; none is no error.
	ask(ctx context.Context, name string, kind uint16) ([]dns.RR, time.Duration, error)
	// addresses returns those of a host.
	addresses(ctx context.Context, host string) ([]netip.Addr, time.Duration, error)
}

// literal are the places of an address that needs no look-up; false for others.
func literal(t Target) ([]Place, bool) {
	host, port := split(t.Address)
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil, false
	}
	transport := transportOf(t.Transport)
	return []Place{{Ways: []Way{{transport, netip.AddrPortFrom(addr.Unmap(), cmp.Or(port, defaultPort(transport))), nameOf(t, transport, host), t.Address}}}}, true
}

// resolve finds the places of a target as RFC 3263 §4 says, and for how long they hold.
func resolve(ctx context.Context, n names, t Target) ([]Place, time.Duration, error) {
	if list, ok := literal(t); ok {
		return list, maxTTL, nil
	}
	host, port := split(t.Address)
	l := &lookUp{names: n, target: t, ttl: maxTTL}
	if port == 0 {
		for _, s := range l.services(ctx, host) {
			if list := l.srv(ctx, s.srv, s.transport); len(list) > 0 {
				return list, l.ttl, nil
			}
		}
		switch {
		case l.err != nil: // that there are none nobody has said
			return nil, 0, l.err
		case l.none:
			return nil, 0, fmt.Errorf("%s: %w", host, ErrNoAddress)
		}
	}
	transport := transportOf(t.Transport)
	ways, err := l.ways(ctx, host, cmp.Or(port, defaultPort(transport)), transport)
	if err != nil {
		return nil, 0, cmp.Or(err, l.err)
	}
	return []Place{{Ways: ways}}, l.ttl, nil
}

// lookUp is one on its way.
type lookUp struct {
	names  names
	target Target
	ttl    time.Duration // the shortest so far
	err    error         // the first that is no answer
	none   bool          // an SRV record says that there is no such service (RFC 2782)
}

// holds takes the time that an answer holds for.
func (l *lookUp) holds(ttl time.Duration, err error) bool {
	if err != nil {
		l.err = cmp.Or(l.err, err)
		return false
	}
	l.ttl = min(l.ttl, max(ttl, minTTL))
	return true
}

// services are those that a domain offers, the best first: srv is the whole name of each.
func (l *lookUp) services(ctx context.Context, domain string) (list []service) {
	wanted := services
	if l.target.Transport != configpb.TrunkTransport_TRUNK_TRANSPORT_UNSPECIFIED {
		transport := transportOf(l.target.Transport)
		wanted = slices.DeleteFunc(slices.Clone(services), func(s service) bool { return s.transport != transport })
	} else if records, ttl, err := l.names.ask(ctx, domain, dns.TypeNAPTR); l.holds(ttl, err) {
		list = naptrs(records)
	}
	if len(list) > 0 {
		return list
	}
	for _, s := range wanted {
		s.srv += domain
		list = append(list, s)
	}
	return list
}

// naptrs are the services of NAPTR records, in their order.
func naptrs(records []dns.RR) (list []service) {
	var known []*dns.NAPTR
	for _, r := range records {
		if n, ok := r.(*dns.NAPTR); ok && strings.EqualFold(n.Flags, "s") {
			known = append(known, n)
		}
	}
	slices.SortStableFunc(known, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, n := range known {
		for _, s := range services {
			if strings.EqualFold(n.Service, s.naptr) {
				list = append(list, service{s.naptr, n.Replacement, s.transport})
			}
		}
	}
	return list[:min(len(list), maxPlaces)]
}

// srv are the places of an SRV name.
func (l *lookUp) srv(ctx context.Context, name string, transport location.Transport) (list []Place) {
	records, ttl, err := l.names.ask(ctx, name, dns.TypeSRV)
	if !l.holds(ttl, err) {
		return nil
	}
	for _, r := range records[:min(len(records), maxPlaces)] {
		s, ok := r.(*dns.SRV)
		if ok && s.Target == "." {
			l.none = true
		}
		if !ok || s.Target == "." || s.Port == 0 {
			continue
		}
		if ways, err := l.ways(ctx, s.Target, s.Port, transport); err == nil {
			list = append(list, Place{Rank: int(s.Priority), Weight: s.Weight, Ways: ways})
		}
	}
	return list
}

// ways are those of a host, which has at least one.
func (l *lookUp) ways(ctx context.Context, host string, port uint16, transport location.Transport) ([]Way, error) {
	addrs, ttl, err := l.names.addresses(ctx, host)
	if !l.holds(ttl, err) {
		return nil, err
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(host, "."), ErrNoAddress)
	}
	domain, _ := split(l.target.Address)
	ways := make([]Way, 0, min(len(addrs), maxWays))
	for _, a := range addrs[:min(len(addrs), maxWays)] {
		ways = append(ways, Way{transport, netip.AddrPortFrom(a.Unmap(), port), nameOf(l.target, transport, domain), l.target.Address})
	}
	return ways, nil
}

// split takes an address apart; port is 0 when it says none.
func split(address string) (host string, port uint16) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return strings.Trim(address, "[]"), 0
	}
	n, _ := strconv.ParseUint(text, 10, 16)
	return host, uint16(n)
}

// nameOf is the name that a certificate has to be of: that of the domain which was asked
// for, whatever its records say (RFC 5922 §4).
func nameOf(t Target, transport location.Transport, domain string) string {
	if transport != location.TLS {
		return ""
	}
	return cmp.Or(t.Name, strings.TrimSuffix(domain, "."))
}

// NameOf is the name of a trunk that its certificate has to be of, whatever its transport.
func NameOf(t *configpb.Trunk) string {
	host, _ := split(t.GetAddress())
	return cmp.Or(t.GetTlsName(), strings.TrimSuffix(host, "."))
}

func transportOf(t configpb.TrunkTransport) location.Transport {
	switch t {
	case configpb.TrunkTransport_TRUNK_TRANSPORT_TCP:
		return location.TCP
	case configpb.TrunkTransport_TRUNK_TRANSPORT_TLS:
		return location.TLS
	}
	return location.UDP
}

func defaultPort(t location.Transport) uint16 {
	if t == location.TLS {
		return 5061
	}
	return 5060
}
