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
	"sync"
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

var (
	// ErrNoAddress says that a name leads nowhere.
	ErrNoAddress = errors.New("the name has no address")
	// ErrNoService says that a domain's records say so: there is no SIP (RFC 2782).
	ErrNoService = errors.New("the domain says that it has no such service")
)

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

// query is a question about a name; kind TypeNone is all addresses of a host.
type query struct {
	name string
	kind uint16
}

// answer is what was said to a query.
type answer struct {
	records []dns.RR
	addrs   []netip.Addr
}

// finding is what a look-up has found.
type finding struct {
	places []Place
	ttl    time.Duration // for how long that holds
	known  map[query]answer
	// late is why something is of an older look-up, or missing.
	late error
}

// resolve finds the places of a target as RFC 3263 §4 says. A query that nobody answers
// now has the answer that is known of it.
func resolve(ctx context.Context, n names, t Target, known map[query]answer) (finding, error) {
	if list, ok := literal(t); ok {
		return finding{places: list, ttl: maxTTL}, nil
	}
	host, port := split(t.Address)
	l := &lookUp{names: n, target: t, known: known, now: map[query]answer{}, ttl: maxTTL}
	if port == 0 {
		for _, s := range l.services(ctx, host) {
			if list := l.srv(ctx, s.srv, s.transport); len(list) > 0 {
				return l.found(list), nil
			}
		}
		switch {
		case l.unsaid != nil: // that there are none nobody has said
			return finding{}, l.unsaid
		case l.none:
			return finding{}, fmt.Errorf("%s: %w", host, ErrNoService)
		}
	}
	transport := transportOf(t.Transport)
	ways := l.ways(ctx, host, cmp.Or(port, defaultPort(transport)), transport)
	if len(ways) == 0 {
		return finding{}, cmp.Or(l.unsaid, fmt.Errorf("%s: %w", strings.TrimSuffix(host, "."), ErrNoAddress))
	}
	return l.found([]Place{{Ways: ways}}), nil
}

// lookUp is one on its way.
type lookUp struct {
	names  names
	target Target
	known  map[query]answer // of older look-ups
	none   bool             // an SRV record says that there is no such service

	mu  sync.Mutex
	now map[query]answer
	ttl time.Duration // the shortest so far
	// late is the first error of a query, unsaid the first of one of which nothing is known.
	late, unsaid error
}

func (l *lookUp) found(places []Place) finding {
	return finding{places: places, ttl: l.ttl, known: l.now, late: l.late}
}

// said takes what a query was answered, and is what counts.
func (l *lookUp) said(q query, a answer, ttl time.Duration, err error) answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.ttl = min(l.ttl, max(ttl, minTTL))
		l.now[q] = a
		return a
	}
	l.ttl, l.late = min(l.ttl, lookAgain), cmp.Or(l.late, err)
	old, ok := l.known[q]
	if !ok {
		l.unsaid = cmp.Or(l.unsaid, err)
		return a
	}
	l.now[q] = old
	return old
}

func (l *lookUp) records(ctx context.Context, name string, kind uint16) []dns.RR {
	list, ttl, err := l.names.ask(ctx, name, kind)
	return l.said(query{name, kind}, answer{records: list}, ttl, err).records
}

func (l *lookUp) addresses(ctx context.Context, host string) []netip.Addr {
	list, ttl, err := l.names.addresses(ctx, host)
	return l.said(query{host, dns.TypeNone}, answer{addrs: list}, ttl, err).addrs
}

// services are those that a domain offers, the best first: srv is the whole name of each.
func (l *lookUp) services(ctx context.Context, domain string) (list []service) {
	wanted := services
	if l.target.Transport != configpb.TrunkTransport_TRUNK_TRANSPORT_UNSPECIFIED {
		transport := transportOf(l.target.Transport)
		wanted = slices.DeleteFunc(slices.Clone(services), func(s service) bool { return s.transport != transport })
	} else {
		list = naptrs(l.records(ctx, domain, dns.TypeNAPTR))
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

// srv are the places of an SRV name, the first ones of more than there is room for. All
// hosts are asked for at a time.
func (l *lookUp) srv(ctx context.Context, name string, transport location.Transport) (list []Place) {
	var known []*dns.SRV
	for _, r := range l.records(ctx, name, dns.TypeSRV) {
		s, ok := r.(*dns.SRV)
		if ok && s.Target == "." {
			l.none = true
		}
		if ok && s.Target != "." && s.Port != 0 {
			known = append(known, s)
		}
	}
	slices.SortStableFunc(known, func(a, b *dns.SRV) int { return cmp.Compare(a.Priority, b.Priority) })
	known = known[:min(len(known), maxPlaces)]
	ways := make([][]Way, len(known))
	var all sync.WaitGroup
	for i, s := range known {
		all.Go(func() { ways[i] = l.ways(ctx, s.Target, s.Port, transport) })
	}
	all.Wait()
	for i, s := range known {
		if len(ways[i]) > 0 {
			list = append(list, Place{Rank: int(s.Priority), Weight: s.Weight, Ways: ways[i]})
		}
	}
	return list
}

// ways are those of a host.
func (l *lookUp) ways(ctx context.Context, host string, port uint16, transport location.Transport) (ways []Way) {
	domain, _ := split(l.target.Address)
	addrs := l.addresses(ctx, host)
	for _, a := range addrs[:min(len(addrs), maxWays)] {
		ways = append(ways, Way{transport, netip.AddrPortFrom(a.Unmap(), port), nameOf(l.target, transport, domain), l.target.Address})
	}
	return ways
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
