package sip

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// phone is a phone of the DN at the world's server.
func (w *world) phone(number, transport string) *siptest.Phone {
	w.t.Helper()
	addr := w.server.UDPAddr()
	if transport == "tcp" {
		addr = w.server.TCPAddr()
	}
	p, err := siptest.NewPhone(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: addr.String(), Transport: transport})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	return p
}

// must fails the test when there is no answer or another one.
func must(t testing.TB, want int) func(*siptest.Response, error) *siptest.Response {
	return func(res *siptest.Response, err error) *siptest.Response {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if res.Code != want {
			t.Fatalf("%d %s, want %d", res.Code, res.Reason, want)
		}
		return res
	}
}

func TestRegistrar_WhoMayRegister(t *testing.T) {
	draining := new(atomic.Bool)
	w := newWorld(t, func(c *Config) { c.Draining = draining.Load })
	off := phoneDN("4001")
	off.Disabled = true
	for _, d := range []*configpb.DN{phoneDN("1001"), phoneDN("1002"), off, {Number: "3001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4930123"},
		{Number: "2001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, Ha1: sha256Hex("2001:" + testRealm + ":pw2001")}} {
		w.put(d)
	}
	w.run()
	ctx := context.Background()
	for _, transport := range []string{"udp", "tcp"} {
		for _, c := range []struct {
			dn, to string
			want   int
		}{
			{"1001", "", 200}, {"2001", "", 200}, {"9999", "", 401}, {"3001", "", 401}, {"4001", "", 403},
			{"1001", "<sip:1002@" + testRealm + ">", 403}, {"1001", "<sip:1001@elsewhere.test>", 404},
			{"1001", "<sip:1001@127.0.0.1>", 200}, {"1001", "<sip:%31001@" + testRealm + ">", 200}, {"1001", "<tel:1001>", 400},
		} {
			p := w.phone(c.dn, transport)
			res := must(t, c.want)(p.Do(ctx, siptest.Request{Method: "REGISTER", To: c.to, Headers: []string{"Contact: <" + p.Contact() + ">"}}))
			if res.Code == 200 && res.Header("Contact") == "" {
				t.Errorf("%s: no contact in the 200", c.dn)
			}
		}
	}
	wrong, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "no", Domain: testRealm, Server: w.server.UDPAddr().String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wrong.Close)
	if res := must(t, 401)(wrong.Register(ctx, time.Hour)); strings.Contains(res.Header("WWW-Authenticate"), "stale") {
		t.Error("a wrong password is not a stale nonce")
	}
	draining.Store(true)
	for _, transport := range []string{"udp", "tcp"} {
		for _, n := range []string{"1001", "1002"} { // a refresh, and one that is new
			if res := must(t, 503)(w.phone(n, transport).Register(ctx, time.Hour)); res.Header("Retry-After") != "30" {
				t.Error("503 with Retry-After", res.Header("Retry-After"))
			}
		}
	}
	if st := w.state("1001"); st.State != dn.InSrv {
		t.Errorf("a drain took it out of service: %+v", st)
	}
}

func TestRegistrar_Path(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	p := w.phone("1001", "udp")
	headers := []string{"Contact: <" + p.Contact() + ">", "Path: <sip:a.test;lr>,<sip:b.test;lr>", "Path: <sip:c.test;lr>"}
	ctx := context.Background()
	if res := must(t, 421)(p.Do(ctx, siptest.Request{Method: "REGISTER", Headers: headers})); res.Header("Require") != "path" {
		t.Error("421 without Require")
	}
	res := must(t, 200)(p.Do(ctx, siptest.Request{Method: "REGISTER", Headers: append(headers, "Supported: outbound, path")}))
	if got := strings.Join(res.Headers("Path"), ","); got != "<sip:a.test;lr>,<sip:b.test;lr>,<sip:c.test;lr>" {
		t.Error(got)
	}
	if got := w.store.Get("1001").Bindings[0].Path; len(got) != 3 || got[2] != "<sip:c.test;lr>" {
		t.Error(got)
	}
}

func TestRegistrar_ReplayedCredentials(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	l := w.dial("udp")
	r := reg{dn: "1001", callID: "c", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>"}}
	nonce := l.ask(r.String()).get("WWW-Authenticate")
	r.cseq, r.auth = 2, authorize(nonce, "1001", "pw1001", 1)
	if res := l.ask(r.String()); res.code != 200 {
		t.Fatal(res)
	}
	first, _ := w.table.Own("1001")
	if res := l.ask(r.String()); res.code != 200 || !strings.Contains(res.get("Contact"), "127.0.0.1:5999") {
		t.Fatalf("the same request again: %d %s", res.code, res.reason)
	}
	if again, _ := w.table.Own("1001"); again != first {
		t.Errorf("a retransmission took a claim: %+v, %+v", first, again)
	}
	stolen := r
	stolen.cseq, stolen.headers = 3, []string{"Contact: <sip:thief@127.0.0.9>"}
	if res := l.ask(stolen.String()); res.code != 401 || !strings.Contains(res.get("WWW-Authenticate"), "stale=true") {
		t.Errorf("replayed credentials: %d %s", res.code, res.get("WWW-Authenticate"))
	}
	r.cseq, r.auth = 4, authorize(nonce, "1001", "pw1001", 5)
	if res := l.ask(r.String()); res.code != 200 {
		t.Errorf("a gap in nc: %d %s", res.code, res.reason)
	}
	r.cseq, r.auth = 5, authorize(nonce, "1001", "pw1001", 4)
	if res := l.ask(r.String()); res.code != 401 {
		t.Errorf("nc out of order: %d %s", res.code, res.reason)
	}
	nonce = l.ask(reg{dn: "1001", callID: "d", cseq: 1, headers: r.headers}.String()).get("WWW-Authenticate")
	r.cseq, r.auth = 6, authorize(nonce, "1001", "pw1001", 0)
	if res := l.ask(r.String()); res.code != 200 {
		t.Errorf("without qop: %d %s", res.code, res.reason)
	}
	r.cseq = 7
	if res := l.ask(r.String()); res.code != 401 || !strings.Contains(res.get("WWW-Authenticate"), "stale=true") {
		t.Errorf("without qop a second time: %d %s", res.code, res.reason)
	}
}

func TestRegistrar_LifetimeEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.options(&configpb.Options{Realm: testRealm, MinExpiresS: 1})
	w.put(phoneDN("1001"))
	w.run()
	p := w.phone("1001", "udp")
	began := time.Now()
	must(t, 200)(p.Register(context.Background(), time.Second))
	until(t, "OOS after the lifetime", func() bool { return w.state("1001").State == dn.OOS })
	if st := w.state("1001"); st.Reason != dn.Expired || time.Since(began) < time.Second {
		t.Errorf("%+v after %v", st, time.Since(began))
	}
}

func TestRegistrar_PeersNewerRegistrationDropsTheBindings(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	p := w.phone("1001", "udp")
	must(t, 200)(p.Register(context.Background(), time.Hour))
	own, _ := w.table.Own("1001")
	c, err := w.table.Sync("n2", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply([]dn.Record{{Number: "1001", ClaimTime: own.ClaimTime + 1, State: dn.InSrv, Reason: dn.Registered, Since: own.Since}}, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Synced(1); err != nil || !w.table.SetHeard("n2", true) {
		t.Fatalf("n2 is not heard: %v", err)
	}
	until(t, "bindings dropped", func() bool { return w.store.Get("1001") == nil })
	if st := w.state("1001"); st.Owner != "n2" {
		t.Errorf("%+v", st)
	}
	must(t, 200)(p.Register(context.Background(), time.Hour))
	if st := w.state("1001"); st.Owner != "n1" || st.State != dn.InSrv {
		t.Errorf("registered here again: %+v", st)
	}
}

func TestRegistrar_FollowsTheConfiguration(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.put(phoneDN("1002"))
	w.run()
	for _, n := range []string{"1001", "1002"} {
		must(t, 200)(w.phone(n, "udp").Register(context.Background(), time.Hour))
	}
	off := phoneDN("1001")
	off.Disabled = true
	w.put(off)
	until(t, "disabled: OOS", func() bool { return w.state("1001").Reason == dn.Admin })
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteDn{DeleteDn: "1002"}}}})
	until(t, "deleted: no record", func() bool {
		_, ok := w.table.Own("1002")
		return !ok && w.store.Get("1002") == nil
	})
}

func TestRegistrar_RestartBringsBindingsBack(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.put(phoneDN("1002"))
	w.put(phoneDN("1003"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.server.Run(ctx) }()
	must(t, 200)(w.phone("1001", "udp").Register(ctx, time.Hour))
	must(t, 200)(w.phone("1002", "tcp").Register(ctx, time.Hour))
	before, _ := w.table.Own("1001")
	w.store.Put(&location.Entry{Record: dn.Record{Number: "1003", ClaimTime: 5, State: dn.InSrv, Reason: dn.Registered, Since: 5},
		Bindings: []location.Binding{{Contact: "sip:x@y", Expires: time.Now().Add(-time.Second)}}})
	cancel()
	if err := patience.Receive(t, "the end of the upkeep", done); err != nil {
		t.Fatal(err)
	}
	w.cfg.Table = dn.New(dn.Config{Self: "n1", Incarnation: 2})
	next, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if own, ok := w.cfg.Table.Own("1001"); !ok || own != before {
		t.Errorf("%+v, before %+v", own, before)
	}
	for _, n := range []dn.Number{"1002", "1003"} {
		if st, _ := w.cfg.Table.Get(n); st.State != dn.OOS || st.Reason != dn.Expired {
			t.Errorf("%s, of a connection or expired: %+v", n, st)
		}
	}
}

func TestPings_EndTheBindingOfASilentPhone(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				w := newWorld(t, inMemory(t))
				w.options(&configpb.Options{Realm: testRealm, PingIntervalS: proto.Uint32(1), PingMisses: 1})
				w.put(phoneDN("1001"))
				w.run()
				p := w.stranger(transport, "1001")
				must(t, 200)(p.Register(context.Background(), time.Hour))
				until(t, "pings answered", func() bool { return p.Asked() >= 2 })
				if st := w.state("1001"); st.State != dn.InSrv {
					t.Fatalf("%+v", st)
				}
				p.Mute(true)
				until(t, "OOS after silence", func() bool { st := w.state("1001"); return st.State == dn.OOS && st.Reason == dn.Unresponsive })
			})
		})
	}
}

func TestServer_PanicCostsOneRequest(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.digest = new(digest.Server) }) // every challenge panics
	w.put(phoneDN("1001"))
	w.run()
	l := w.dial("udp")
	for i, r := range []reg{{dn: "1001", callID: "a", cseq: 1, headers: []string{"Contact: <sip:a@b>"}}, {dn: "1001", callID: "b", cseq: 1}} {
		if res := l.ask(r.String()); res.code != 500 {
			t.Errorf("%d: %d %s", i, res.code, res.reason)
		}
	}
	if st := w.server.Stats(); st.Panics != 2 {
		t.Errorf("%+v", st)
	}
}

func TestServer_RemembersNoSources(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.TCP = "" })
	w.run()
	for i := range 50 {
		l := w.dial("udp")
		res := l.ask(fmt.Sprintf("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bKs%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: s%d\r\nCSeq: 1 OPTIONS\r\n\r\n", i, i))
		if res.code != 200 {
			t.Fatal(res)
		}
	}
	if n := w.server.ua.TransportLayer().Pool("udp").Size(); n > 2 {
		t.Errorf("sipgo remembers %d addresses", n)
	}
}

func TestServer_ManyPhonesAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	const n = 40
	for i := range n {
		w.put(phoneDN(fmt.Sprint(5000 + i)))
	}
	w.run()
	var wg sync.WaitGroup
	for i := range n {
		p := w.phone(fmt.Sprint(5000+i), []string{"udp", "tcp"}[i%2])
		wg.Go(func() {
			for range 5 {
				if res, err := p.Register(context.Background(), time.Hour); err != nil || res.Code != 200 {
					t.Errorf("%v %v", res, err)
				}
			}
		})
	}
	patience.Ended("all phones have registered", wg.Wait)
	if c := w.table.Counts(); c.InSrv != n {
		t.Errorf("%+v", c)
	}
	st := w.server.Stats()
	if st.Registrations != n || st.Refreshes != 4*n || st.Fast == 0 || st.Plain == 0 || st.Connections != n/2 || st.Bindings != n {
		t.Errorf("%+v", st)
	}
}

func TestFlow_MessagesInPieces(t *testing.T) {
	w := newWorld(t, nil)
	w.run()
	l := w.dial("tcp")
	one := "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;rport;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: s%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 3\r\n\r\nabc"
	text := fmt.Sprintf("\r\n"+one+"\r\n"+one, 1, 1, 2, 2)
	for i := range len(text) {
		l.send(text[i : i+1])
	}
	for range 2 {
		if res := l.final(); res == nil || res.code != 200 {
			t.Fatal(res)
		}
	}
	l.send("\r\n\r\n")
	_ = l.conn.SetReadDeadline(time.Now().Add(patience.Limit))
	pong := make([]byte, 8)
	if n, err := l.conn.Read(pong); err != nil || string(pong[:n]) != "\r\n" {
		t.Errorf("no pong: %q %v", pong[:n], err)
	}
	l.send("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;rport;branch=z9hG4bKx\r\nContent-Length: 99999999\r\n\r\n")
	if res := l.final(); res == nil || res.code != 513 {
		t.Errorf("too large: %v", res)
	}
}

func TestFlow_ASlowMessageLosesItsConnection(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.slow = 200 * time.Millisecond })
	w.run()
	l := w.dial("tcp")
	l.send("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nContent-Length: 5\r\n\r\nab")
	if res := l.final(); res == nil || res.code != 400 {
		t.Errorf("an answer before the end: %v", res)
	}
	l.wantEnd()
}

func TestFlow_TooManyConnections(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxConnections = 1 })
	w.put(phoneDN("1001"))
	w.run()
	p := w.phone("1001", "tcp")
	must(t, 200)(p.Register(context.Background(), time.Hour))
	second := w.phone("1001", "tcp")
	if res, err := second.Options(context.Background()); err == nil {
		t.Errorf("a connection over the limit is served: %v", res)
	}
	must(t, 200)(p.Register(context.Background(), time.Hour))
}

func TestServer_DialsNobodyButNodesAndTrunks(t *testing.T) {
	w := newWorld(t, nil)
	w.put(&configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.7:5060"}})
	w.node("n2", net.UDPAddrFromAddrPort(mustAddrPort("192.0.2.8:5060")))
	for address, want := range map[string]bool{"192.0.2.7:5060": true, "192.0.2.8:5060": true, "192.0.2.8:5061": false, "192.0.2.7:22": false, "127.0.0.1:5060": false} {
		if got := w.server.mayDial(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// Whether an address may be dialled does not take longer the more DNs there are.
func TestMayDial_CostsNoMoreWithManyDNs(t *testing.T) {
	few, many := newWorld(t, nil), newWorld(t, nil)
	var all []*configpb.Mutation
	for i := range 20_000 {
		d := &configpb.DN{Number: fmt.Sprintf("1%07d", i), Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}
		all = append(all, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	for some := range slices.Chunk(all, fsm.MaxMutations) {
		many.apply(&peerpb.Command{Version: 1, Mutations: some})
	}
	dial := func(w *world) func() {
		return func() {
			if w.server.mayDial("192.0.2.9:5060") {
				t.Error("an address that is nobody's may be dialled")
			}
		}
	}
	scale.Flat(t, "an address that is dialled", dial(few), dial(many))
}

// A Contact that no call can be sent to is none: alone it is refused, beside others it
// is left out.
func TestRegister_AContactThatIsNoSIPURI(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		w := newWorld(t, nil)
		w.put(phoneDN("1001"))
		w.run()
		p := w.phone("1001", transport)
		register := func(contacts string) *siptest.Response {
			res, err := p.Do(context.Background(), siptest.Request{Method: "REGISTER", Headers: []string{"Contact: " + contacts}})
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		for _, alien := range []string{"<tel:+15550100>", "<mailto:a@example.com>, <https://example.com/a>"} {
			if res := register(alien); res.Code != 400 || w.state("1001").State == dn.InSrv {
				t.Errorf("%s: %d", alien, res.Code)
			}
		}
		if res := register("<mailto:a@example.com>, <" + p.Contact() + ">"); res.Code != 200 || strings.Contains(res.Header("Contact"), "mailto") || w.state("1001").State != dn.InSrv {
			t.Errorf("beside others: %d %s", res.Code, res.Header("Contact"))
		}
	}
}

// TestRegister_AContactThatLeadsBackHere is refused: a call to it would come back, and never
// to a phone. What is sent elsewhere, over a connection, through a NAT or by a proxy in front
// of the phone, is not.
func TestRegister_AContactThatLeadsBackHere(t *testing.T) {
	w := callWorld(t, nil, "1001")
	other := "127.0.0.1:" + strconv.Itoa(w.server.UDPAddr().(*net.UDPAddr).Port^1)
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "n2", Name: "n2", ClusterAddr: "127.0.0.1:1", SipAddr: other}}}}})
	until(t, "the other node is known", func() bool {
		return w.server.proxy.Loops(&location.Binding{Contact: "sip:x@" + other, Source: localSource})
	})
	node := w.server.UDPAddr().String()
	udp, tcp := w.phone("1001", "udp"), w.phone("1001", "tcp")
	for _, c := range []struct {
		name    string
		phone   *siptest.Phone
		headers []string
		code    int
	}{
		{"its own", udp, []string{"Contact: <" + udp.Contact() + ">"}, 200},
		{"this node's", udp, []string{"Contact: <sip:1001@" + node + ">"}, 400},
		{"this node's beside its own", udp, []string{"Contact: <" + udp.Contact() + ">, <sip:x@" + node + ">"}, 400},
		{"another node's", udp, []string{"Contact: <sip:1001@" + other + ">"}, 400},
		{"this node's, over a connection", tcp, []string{"Contact: <sip:1001@" + node + ";transport=tcp>"}, 200},
		{"a proxy's", udp, []string{"Contact: <sip:1001@" + node + ">", "Supported: path", "Path: <sip:" + udp.Addr() + ";lr>"}, 200},
		{"a proxy's that gives this node for itself", udp, []string{"Contact: <" + udp.Contact() + ">", "Supported: path", "Path: <sip:" + node + ";lr>"}, 400},
		{"taken back", udp, []string{"Contact: <sip:1001@" + node + ">", "Expires: 0"}, 200},
	} {
		res, err := c.phone.Do(t.Context(), siptest.Request{Method: "REGISTER", Headers: c.headers})
		if err != nil {
			t.Fatal(err)
		}
		if serves := c.code == 200 && c.name != "taken back"; res.Code != c.code || (w.state("1001").State == dn.InSrv) != serves {
			t.Errorf("%s: %d %s, DN %v", c.name, res.Code, res.Reason, w.state("1001").State)
		}
		all := siptest.Request{Method: "REGISTER", Headers: []string{"Contact: *", "Expires: 0"}}
		if res, err := c.phone.Do(t.Context(), all); err != nil || res.Code != 200 || w.state("1001").State == dn.InSrv {
			t.Fatal(res, err)
		}
	}
	nat := w.dial("udp").register(reg{dn: "1001", callID: "nat", cseq: 1, headers: []string{"Contact: <sip:1001@" + node + ">"}})
	if nat.code != 200 || w.state("1001").State != dn.InSrv {
		t.Errorf("through a NAT that changes ports: %d", nat.code)
	}
}

// TestRegister_OnAllAddressesOfTheMachine: a port that is bound to all of them takes
// datagrams at each.
func TestRegister_OnAllAddressesOfTheMachine(t *testing.T) {
	w := callWorld(t, func(c *Config) { c.UDP, c.Advertise = "0.0.0.0:0", "192.0.2.1:5060" }, "1001")
	port := strconv.Itoa(w.server.UDPAddr().(*net.UDPAddr).Port)
	p, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "pw1001", Domain: testRealm, Server: "127.0.0.1:" + port, Transport: "udp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for contact, code := range map[string]int{"sip:1001@127.0.0.1:" + port: 400, p.Contact(): 200} {
		res, err := p.Do(t.Context(), siptest.Request{Method: "REGISTER", Headers: []string{"Contact: <" + contact + ">"}})
		if err != nil || res.Code != code {
			t.Errorf("%s: %v, %v, want %d", contact, res, err, code)
		}
	}
}
