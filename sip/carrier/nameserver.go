package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// resolvConf says which name servers there are.
	resolvConf = "/etc/resolv.conf"
	// serverTime is how long one of them may take.
	serverTime = 2 * time.Second
)

// NameServers are those that are asked for the addresses of trunks.
type NameServers struct {
	// Servers are their host:port; nil for those of the machine.
	Servers []string
}

// errNoServer says that no name server has answered.
var errNoServer = errors.New("no name server answers")

// settings are the machine's, read each time: they change while a node runs.
func (s *NameServers) settings() *dns.ClientConfig {
	c, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil || len(c.Servers) == 0 {
		c = &dns.ClientConfig{Servers: []string{"127.0.0.1"}, Port: "53", Ndots: 1}
	}
	if s.Servers != nil {
		return &dns.ClientConfig{Servers: s.Servers, Ndots: 1}
	}
	for i, server := range c.Servers {
		c.Servers[i] = net.JoinHostPort(server, c.Port)
	}
	return c
}

// asker asks name servers, that one first which has answered last: a silent one costs its
// time once, and not with every question.
type asker struct {
	NameServers

	mu   sync.Mutex
	good string // the server that has answered last
}

func (s *asker) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, time.Duration, error) {
	return s.askAll(ctx, s.settings().Servers, dns.Fqdn(name), kind)
}

// order are the servers with the one in front that has answered last.
func (s *asker) order(servers []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(servers, s.good)
	if i <= 0 {
		return servers
	}
	return slices.Concat([]string{s.good}, servers[:i], servers[i+1:])
}

func (s *asker) answered(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = server
}

// askAll asks one server after the other, and those that said nothing once more: a
// datagram may be lost.
func (s *asker) askAll(ctx context.Context, servers []string, name string, kind uint16) ([]dns.RR, time.Duration, error) {
	last := errNoServer
	servers = s.order(servers)
	for range 2 {
		var silent []string
		for _, server := range servers {
			res, err := exchange(ctx, new(dns.Msg).SetQuestion(name, kind).SetEdns0(1232, false), server)
			if err == nil {
				if res.Rcode == dns.RcodeSuccess || res.Rcode == dns.RcodeNameError || res.Rcode == dns.RcodeNotImplemented {
					s.answered(server)
					list, ttl := records(res, kind)
					return list, ttl, nil
				}
				err = fmt.Errorf("%s: name server %s: %s", name, server, dns.RcodeToString[res.Rcode])
			}
			last = err
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				silent = append(silent, server)
			}
			if ctx.Err() != nil {
				return nil, 0, last
			}
		}
		servers = silent
	}
	return nil, 0, last
}

// exchange asks a server, by TCP what is too long for a datagram, and without EDNS one
// that does not know it (RFC 6891 §7).
func exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	for _, network := range []string{"udp", "tcp"} {
		res, _, err := (&dns.Client{Net: network, Timeout: serverTime}).ExchangeContext(ctx, q, server)
		switch {
		case err != nil:
			return nil, err
		case len(q.Extra) > 0 && (res.Rcode == dns.RcodeFormatError || res.Rcode == dns.RcodeNotImplemented):
			q.Extra = nil
			return exchange(ctx, q, server)
		case !res.Truncated:
			return res, nil
		}
	}
	return nil, fmt.Errorf("%s: name server %s cuts its answers", q.Question[0].Name, server)
}

// records are the answers of a kind, and for how long all that led to them holds.
func records(res *dns.Msg, kind uint16) (list []dns.RR, ttl time.Duration) {
	ttl = maxTTL
	for _, r := range res.Answer {
		ttl = min(ttl, time.Duration(r.Header().Ttl)*time.Second)
		if r.Header().Rrtype == kind {
			list = append(list, r)
		}
	}
	if len(list) > 0 {
		return list, ttl
	}
	for _, r := range res.Ns { // for how long there is none (RFC 2308 §5)
		if soa, ok := r.(*dns.SOA); ok {
			return nil, time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
		}
	}
	return nil, time.Minute
}

// files finds the hosts that the machine's own files name.
var files = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errNoServer }}

func (s *asker) addresses(ctx context.Context, host string) (list []netip.Addr, ttl time.Duration, err error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, maxTTL, nil
	}
	if s.Servers == nil {
		if list, err := files.LookupNetIP(ctx, "ip", host); err == nil && len(list) > 0 {
			return list, time.Minute, nil
		}
	}
	c := s.settings()
	for _, name := range c.NameList(host) {
		if list, ttl, err = s.hostOf(ctx, c.Servers, name); err != nil || len(list) > 0 {
			return list, ttl, err
		}
	}
	return nil, ttl, nil
}

// hostOf are the addresses of a whole name, those of IPv4 first; both kinds are asked for
// at a time. Some and an error: the other kind is not known.
func (s *asker) hostOf(ctx context.Context, servers []string, name string) (list []netip.Addr, ttl time.Duration, err error) {
	var of [2]struct {
		records []dns.RR
		ttl     time.Duration
		err     error
	}
	var both sync.WaitGroup
	for i, kind := range [...]uint16{dns.TypeA, dns.TypeAAAA} {
		both.Go(func() { of[i].records, of[i].ttl, of[i].err = s.askAll(ctx, servers, name, kind) })
	}
	both.Wait()
	ttl = maxTTL
	for _, x := range of {
		if x.err != nil {
			err = cmp.Or(err, x.err)
			continue
		}
		if len(x.records) > 0 || len(list) == 0 {
			ttl = min(ttl, x.ttl)
		}
		for _, r := range x.records {
			var ip net.IP
			switch x := r.(type) {
			case *dns.A:
				ip = x.A
			case *dns.AAAA:
				ip = x.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				list = append(list, a.Unmap())
			}
		}
	}
	return list, ttl, err
}
