package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// zone is a name server on loopback.
type zone struct {
	addr string

	mu      sync.Mutex
	records map[string][]dns.RR // by name and type
	fails   bool
	broken  string // what it fails to tell of, of all names
	old     bool   // it knows no EDNS
	asked   int
}

func newZone(t *testing.T, lines ...string) *zone {
	t.Helper()
	z := &zone{}
	z.set(t, lines...)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z.addr = c.LocalAddr().String()
	l, err := net.Listen("tcp", z.addr)
	for range 16 { // somebody else may have the port
		if err == nil {
			break
		}
		c.Close()
		if c, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		z.addr = c.LocalAddr().String()
		l, err = net.Listen("tcp", z.addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: c, Handler: z}, {Listener: l, Handler: z}} {
		over := make(chan error, 1)
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { over <- s.ActivateAndServe() }()
		patience.Receive(t, "the name server", ready)
		t.Cleanup(func() { _, _ = s.Shutdown(), <-over })
	}
	return z
}

func (z *zone) set(t *testing.T, lines ...string) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records = map[string][]dns.RR{}
	for _, line := range lines {
		r, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		h := r.Header()
		key := fmt.Sprint(strings.ToLower(h.Name), h.Rrtype)
		z.records[key] = append(z.records[key], r)
	}
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	res := new(dns.Msg).SetReply(q)
	if z.fails || q.Question[0].Name == z.broken {
		res.Rcode = dns.RcodeServerFailure
		_ = w.WriteMsg(res) // whoever asked may be gone
		return
	}
	if z.old && q.IsEdns0() != nil {
		res.Rcode = dns.RcodeFormatError
		_ = w.WriteMsg(res) // whoever asked may be gone
		return
	}
	res.Answer = z.records[fmt.Sprint(strings.ToLower(q.Question[0].Name), q.Question[0].Qtype)]
	if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp && res.Len() > 512 {
		res.Answer, res.Truncated = nil, true
	}
	_ = w.WriteMsg(res) // whoever asked may be gone
}

// TestResolve_AsRFC3263Says: what records say, in their order; ranks and weights; what is
// not there.
func TestResolve_AsRFC3263Says(t *testing.T) {
	many := []string{}
	for i := range 40 { // the last one is the best
		i = 40 - i
		many = append(many, fmt.Sprintf("_sip._udp.many.example. 60 SRV %d 0 5060 host-with-a-long-name-%d.many.example.", i, i), fmt.Sprintf("host-with-a-long-name-%d.many.example. 60 A 192.0.2.%d", i, i+1))
	}
	z := newZone(t, append(many,
		`naptr.example. 300 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.naptr.example.`,
		`naptr.example. 300 NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.naptr.example.`,
		`naptr.example. 300 NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.naptr.example.`,
		`naptr.example. 300 NAPTR 5 10 "s" "SIP+D2S" "" _sip._sctp.naptr.example.`,
		`_sips._tcp.naptr.example. 30 SRV 1 60 5071 a.naptr.example.`,
		`_sips._tcp.naptr.example. 30 SRV 1 40 5072 b.naptr.example.`,
		`_sips._tcp.naptr.example. 30 SRV 2 0 5073 gone.naptr.example.`,
		`_sip._udp.naptr.example. 30 SRV 1 0 5070 a.naptr.example.`,
		`a.naptr.example. 20 A 192.0.2.1`, `a.naptr.example. 20 AAAA 2001:db8::1`, `b.naptr.example. 3600 A 192.0.2.2`,
		`srv.example. 60 A 192.0.2.99`,
		`_sip._tcp.srv.example. 60 SRV 1 0 5080 a.naptr.example.`,
		`host.example. 40 A 192.0.2.7`, `host.example. 40 A 192.0.2.8`,
		`nothere.example. 60 A 192.0.2.9`, `_sip._udp.nothere.example. 60 SRV 0 0 0 .`,
		`alias.example. 15 CNAME host.example.`,
	)...)
	n := &asker{NameServers: NameServers{Servers: []string{"127.0.0.1:1", z.addr}}}
	for _, c := range []struct {
		address   string
		transport string
		want      string // rank/weight transport address name, for each way; or an error
		ttl       time.Duration
	}{
		{"192.0.2.1:5062", "", "0/0 udp 192.0.2.1:5062", maxTTL},
		{"192.0.2.1", "tls", "0/0 tls 192.0.2.1:5061 192.0.2.1", maxTTL},
		{"[2001:db8::5]:5070", "tcp", "0/0 tcp [2001:db8::5]:5070", maxTTL},
		{"2001:db8::5", "", "0/0 udp [2001:db8::5]:5060", maxTTL},
		{"naptr.example", "", "1/60 tls 192.0.2.1:5071 naptr.example, 1/60 tls [2001:db8::1]:5071 naptr.example, 1/40 tls 192.0.2.2:5072 naptr.example", 20 * time.Second},
		{"naptr.example", "udp", "1/0 udp 192.0.2.1:5070, 1/0 udp [2001:db8::1]:5070", 20 * time.Second},
		{"srv.example", "", "1/0 tcp 192.0.2.1:5080, 1/0 tcp [2001:db8::1]:5080", 20 * time.Second},
		{"srv.example:5090", "", "0/0 udp 192.0.2.99:5090", time.Minute},
		{"host.example", "", "0/0 udp 192.0.2.7:5060, 0/0 udp 192.0.2.8:5060", 40 * time.Second},
		{"host.example", "tls", "0/0 tls 192.0.2.7:5061 host.example, 0/0 tls 192.0.2.8:5061 host.example", 40 * time.Second},
		{"nothere.example", "", ErrNoService.Error(), 0},
		{"nowhere.example", "", ErrNoAddress.Error(), 0},
		{"many.example", "", "32 from rank 1", time.Minute},
	} {
		transport, err := configpb.ParseTrunkTransport(c.transport)
		if err != nil {
			t.Fatal(err)
		}
		var places []Place
		var ttl time.Duration
		patience.Until(t, "the name server answers in its time", func() bool {
			var f finding
			f, err = resolve(t.Context(), n, Target{Address: c.address, Transport: transport}, nil)
			places, ttl = f.places, f.ttl
			var late net.Error
			return !errors.As(err, &late) || !late.Timeout()
		})
		var got []string
		for _, p := range places {
			for _, w := range p.Ways {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%d/%d %s %s", p.Rank, p.Weight, w, w.Name)))
			}
		}
		text := strings.Join(got, ", ")
		if len(places) > 8 {
			text = fmt.Sprintf("%d from rank %d", len(places), places[0].Rank)
		}
		if err != nil {
			text = err.Error()
		}
		if !strings.HasSuffix(text, c.want) || err == nil && ttl != c.ttl {
			t.Errorf("%s %s: %s for %v, want %s for %v", c.address, c.transport, text, ttl, c.want, c.ttl)
		}
	}
	z.mu.Lock()
	z.fails = true
	z.mu.Unlock()
	if f, err := resolve(t.Context(), n, Target{Address: "host.example"}, nil); err == nil {
		t.Errorf("a name server that fails says %v", f.places)
	}
}

// addrs are where places lead to.
func addrs(places []Place) (list []string) {
	for _, p := range places {
		for _, w := range p.Ways {
			list = append(list, w.Addr.String())
		}
	}
	return list
}

// TestResolve_WhatIsNotAnsweredStays: of what a name server does not answer the last
// answer counts, each query by itself, and soon it is asked again. What it does answer is
// believed: a host that is gone is gone.
func TestResolve_WhatIsNotAnsweredStays(t *testing.T) {
	lines := []string{
		"_sip._udp.c.example. 3600 SRV 1 1 5060 a.c.example.", "_sip._udp.c.example. 3600 SRV 1 1 5060 b.c.example.",
		"a.c.example. 3600 A 192.0.2.1", "b.c.example. 3600 A 192.0.2.2", "c.example. 3600 A 192.0.2.9",
	}
	z := newZone(t, lines...)
	n := &asker{NameServers: NameServers{Servers: []string{z.addr}}}
	breaks := func(name string) {
		z.mu.Lock()
		defer z.mu.Unlock()
		z.broken = name
	}
	var known map[query]answer
	look := func(want string, ttl time.Duration) {
		t.Helper()
		var f finding
		patience.Until(t, "the name server answers in its time", func() bool {
			var err error
			f, err = resolve(t.Context(), n, Target{Address: "c.example"}, known)
			var late net.Error
			return !errors.As(cmp.Or(err, f.late), &late) || !late.Timeout()
		})
		if got := fmt.Sprint(addrs(f.places)); got != want || f.ttl != ttl {
			t.Errorf("broken %q: %s for %v, want %s for %v", z.broken, got, f.ttl, want, ttl)
		}
		known = f.known
	}
	breaks("b.c.example.") // and nothing is known of it
	look("[192.0.2.1:5060]", lookAgain)
	breaks("")
	look("[192.0.2.1:5060 192.0.2.2:5060]", time.Minute)
	for _, name := range []string{"b.c.example.", "_sip._udp.c.example.", "c.example.", "b.c.example."} {
		breaks(name)
		look("[192.0.2.1:5060 192.0.2.2:5060]", lookAgain)
	}
	z.set(t, slices.Delete(slices.Clone(lines), 2, 3)...)
	look("[192.0.2.2:5060]", lookAgain)
}

// TestResolve_SilentNameServerCostsItsTimeOnce: whoever has answered is asked first.
func TestResolve_SilentNameServerCostsItsTimeOnce(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	z := newZone(t, "h.example. 60 A 192.0.2.7")
	z.mu.Lock()
	z.old = true
	z.mu.Unlock()
	n := &asker{NameServers: NameServers{Servers: []string{silent.LocalAddr().String(), z.addr}}}
	ctx, cancel := context.WithTimeout(t.Context(), lookUpTime)
	defer cancel()
	for range 2 {
		f, err := resolve(ctx, n, Target{Address: "h.example"}, nil)
		if got := fmt.Sprint(addrs(f.places)); err != nil || got != "[192.0.2.7:5060]" {
			t.Errorf("%s, %v", got, err)
		}
	}
}

// TestBook_FollowsNames: beside, again when their time is over; a name that is not found
// any more keeps what it had.
func TestBook_FollowsNames(t *testing.T) {
	z := newZone(t, "_sip._udp.c.example. 1 SRV 1 0 5070 a.c.example.", "a.c.example. 1 A 192.0.2.1")
	moved := make(chan struct{}, 16)
	b := New(Config{
		NameServers: NameServers{Servers: []string{z.addr}}, Ask: func(_ Way, answered func(error)) { answered(nil) }, Every: func() time.Duration { return time.Hour },
		Moved: func() { moved <- struct{}{} }, Reached: func(dn.Number, bool) {}, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- b.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) && err != nil {
			t.Error(err)
		}
	}()
	b.Put("9000", &configpb.Trunk{Address: "c.example"})
	again := func() { // its time is over
		b.mu.Lock()
		b.trunks["9000"].targets[0].again = time.Now()
		b.mu.Unlock()
		b.Wake()
	}
	failed := func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.trunks["9000"].targets[0].err != nil }
	has := func(want string) func() bool {
		return func() bool {
			if failed() { // the name server was late
				again()
			}
			ways := b.Ways("9000")
			return len(ways) == 1 && ways[0].Addr.String() == want
		}
	}
	patience.Until(t, "the address", has("192.0.2.1:5070"))
	patience.Receive(t, "that the name is found", moved)
	z.set(t, "_sip._udp.c.example. 1 SRV 1 0 5070 a.c.example.", "a.c.example. 1 A 192.0.2.2")
	again()
	patience.Until(t, "the new address", has("192.0.2.2:5070"))
	z.set(t)
	again()
	patience.Until(t, "the name is not found", failed)
	if !has("192.0.2.2:5070")() {
		t.Errorf("what was known is lost: %v", b.Ways("9000"))
	}
	z.set(t, "_sip._udp.c.example. 1 SRV 0 0 0 .") // the carrier's own word
	again()
	if b.Sought("9000") {
		t.Error("it was found, and is sought")
	}
	patience.Until(t, "there is no address", func() bool {
		if list := b.States("9000"); !errors.Is(list[0].Err, ErrNoService) {
			again()
			return false
		}
		return len(b.Ways("9000")) == 0
	})
}

// TestBook_SeeksATrunkForAWhile: until its name was found, the domain has said that there is
// none, or hope is in vain.
func TestBook_SeeksATrunkForAWhile(t *testing.T) {
	fails, there := errors.New("no name server answers"), finding{places: []Place{{Ways: []Way{{Addr: netip.MustParseAddrPort("192.0.2.1:5060")}}}}, ttl: time.Minute}
	for name, c := range map[string]struct {
		ends []error // of the look-ups; nil: it was found
		want []bool  // sought before, and after each
	}{
		"it is found":        {[]error{nil, fails, fails}, []bool{true, false, false, false}},
		"in the second look": {[]error{fails, nil}, []bool{true, true, false}},
		"nobody answers":     {[]error{fails, fails}, []bool{true, true, false}},
		"there is none":      {[]error{ErrNoAddress}, []bool{true, false}},
		"it is not served":   {[]error{ErrNoService, fails}, []bool{true, false, false}},
	} {
		b := New(Config{Reached: func(dn.Number, bool) {}, Log: slog.New(slog.DiscardHandler)})
		b.Put("9000", &configpb.Trunk{Address: "c.example"})
		b.Put("9001", &configpb.Trunk{Address: "192.0.2.1:5060"})
		for i, want := range c.want {
			if i > 0 {
				f := finding{}
				if c.ends[i-1] == nil {
					f = there
				}
				b.found(b.trunks["9000"].targets[0], f, c.ends[i-1])
			}
			if got := b.Sought("9000"); got != want || b.Sought("9001") || b.Sought("9009") {
				t.Errorf("%s, after %d look-ups: sought %v", name, i, got)
			}
		}
	}
}
