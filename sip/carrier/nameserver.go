package carrier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
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

func (s *NameServers) ask(ctx context.Context, name string, kind uint16) ([]dns.RR, time.Duration, error) {
	return askAll(ctx, s.settings().Servers, dns.Fqdn(name), kind)
}

// askAll asks one server after the other.
func askAll(ctx context.Context, servers []string, name string, kind uint16) ([]dns.RR, time.Duration, error) {
	q := new(dns.Msg).SetQuestion(name, kind)
	q.SetEdns0(1232, false)
	last := errNoServer
	for _, server := range servers {
		res, err := exchange(ctx, q, server)
		switch {
		case err != nil:
			last = err
		case res.Rcode == dns.RcodeSuccess, res.Rcode == dns.RcodeNameError, res.Rcode == dns.RcodeNotImplemented:
			list, ttl := records(res, kind)
			return list, ttl, nil
		default:
			last = fmt.Errorf("%s: name server %s: %s", name, server, dns.RcodeToString[res.Rcode])
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, 0, last
}

// exchange asks a server, by TCP what is too long for a datagram.
func exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	var err error
	for _, network := range []string{"udp", "tcp"} {
		var res *dns.Msg
		res, _, err = (&dns.Client{Net: network, Timeout: serverTime}).ExchangeContext(ctx, q, server)
		if err == nil && !res.Truncated {
			return res, nil
		}
		if err != nil {
			return nil, err
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

func (s *NameServers) addresses(ctx context.Context, host string) (list []netip.Addr, ttl time.Duration, err error) {
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
		if list, ttl, err = hostOf(ctx, c.Servers, name); err != nil || len(list) > 0 {
			return list, ttl, err
		}
	}
	return nil, ttl, nil
}

// hostOf are the addresses of a whole name, those of IPv4 first.
func hostOf(ctx context.Context, servers []string, name string) (list []netip.Addr, ttl time.Duration, err error) {
	ttl = maxTTL
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		records, holds, failed := askAll(ctx, servers, name, kind)
		if failed != nil {
			err = failed
			continue
		}
		if len(records) > 0 || len(list) == 0 {
			ttl = min(ttl, holds)
		}
		for _, r := range records {
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
	if len(list) > 0 {
		err = nil
	}
	return list, ttl, err
}
