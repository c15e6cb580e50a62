package sip

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// guesser tries passwords over one socket.
type guesser struct {
	*line
	w       *world
	network string
	n       int
}

// guesserAt is at a source.
func (w *world) guesserAt(network, source string) *guesser {
	w.t.Helper()
	c, err := w.connectFrom(network, source)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &guesser{line: &line{t: w.t, conn: c}, w: w, network: network}
}

// request is a REGISTER of a DN, or another request from it, that nobody sent before.
func (g *guesser) request(method, number, auth string) string {
	g.n++
	uri, header := "sip:"+testRealm, "Authorization: "
	if method != "REGISTER" {
		uri, header = uriTo("1002"), "Proxy-Authorization: "
	}
	if auth != "" {
		auth = header + auth + "\r\n"
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:5999;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=a\r\nTo: <sip:%[5]s@%[6]s>\r\n"+
		"Call-ID: guess\r\nCSeq: %d %[1]s\r\nContact: <sip:%[5]s@127.0.0.1:5999>\r\n%[8]sContent-Length: 0\r\n\r\n",
		method, uri, strings.ToUpper(g.network), rand.Text(), number, testRealm, g.n, auth)
}

// challenge is what the server asks about a DN.
func (g *guesser) challenge(method, number string) string {
	g.t.Helper()
	return challengeOf(g.ask(g.request(method, number, "")))
}

func challengeOf(r *reply) string { return r.get("WWW-Authenticate") + r.get("Proxy-Authenticate") }

// tries passwords of DNs, one after the other, as fast as they go, and returns how many of
// them the server looked at. It neither waits for answers nor reads more than there are.
func (g *guesser) tries(method string, numbers []string, many int) uint64 {
	g.t.Helper()
	challenge, before := g.challenge(method, numbers[0]), g.w.server.Stats()
	go func() { // whoever doesn't read is disconnected
		buf := make([]byte, 1<<16)
		for _, err := g.conn.Read(buf); err == nil; _, err = g.conn.Read(buf) {
		}
	}()
	done := func() (tried, all uint64) {
		now := g.w.server.Stats()
		tried = now.WrongPasswords - before.WrongPasswords
		return tried, tried + now.Silenced - before.Silenced
	}
	for i := range many {
		number := numbers[i%len(numbers)]
		g.send(g.request(method, number, authorizeFor(method, challenge, number, rand.Text(), i+1)))
		if i%50 == 0 { // no more than the socket holds
			patience.Until(g.t, "the server has looked", func() bool { _, all := done(); return all >= uint64(i) })
		}
	}
	patience.Until(g.t, "the server has looked at all", func() bool { _, all := done(); return all == uint64(many) })
	tried, _ := done()
	return tried
}

// stands has the time of a server stand still: what is counted within a minute is, however
// long the test takes.
func stands(c *Config) {
	now := time.Now()
	c.Now = func() time.Time { return now }
}

// TestGuess_TenOfADN: from one source ten passwords are tried, over any transport and with
// any request, and nobody else hears of it.
func TestGuess_TenOfADN(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "tls", "ws", "wss"} {
		for _, method := range []string{"REGISTER", "INVITE", "MESSAGE"} {
			t.Run(network+" "+method, func(t *testing.T) {
				w := callWorld(t, func(c *Config) { allTransports(t)(c); stands(c) }, "1001", "1002")
				if n := w.guesserAt(network, "127.0.0.2").tries(method, []string{"1001"}, 200); n != 10 {
					t.Errorf("%d passwords were tried", n)
				}
				again := w.guesserAt("udp", "127.0.0.2")
				again.send(again.request("REGISTER", "1001", ""))
				again.send(again.request("REGISTER", "1002", "")) // behind the same address
				if res := again.final(); res == nil || res.code != 401 {
					t.Errorf("another DN there: %v", res)
				} else if user := res.get("To"); !strings.Contains(user, "1002") {
					t.Errorf("the answer is to %s", user)
				}
				if res := w.guesserAt("udp", "127.0.0.3").register(reg{dn: "1001", callID: "home", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.3:5999>"}}); res.code != 200 {
					t.Errorf("the DN elsewhere: %d", res.code)
				}
			})
		}
	}
}

// TestGuess_TheConnectionGoesOn for all others behind it: an edge has many phones, and one
// with a wrong password.
func TestGuess_TheConnectionGoesOn(t *testing.T) {
	for _, network := range []string{"tcp", "ws"} {
		w := newWorld(t, allTransports(t))
		w.put(phoneDN("1001"))
		w.put(phoneDN("1002"))
		w.run()
		g := w.guesserAt(network, "127.0.0.2")
		challenge := g.challenge("REGISTER", "1001")
		for i := range 500 {
			g.send(g.request("REGISTER", "1001", authorize(challenge, "1001", "wrong", i+1)))
		}
		until(t, "all are looked at", func() bool { st := w.server.Stats(); return st.WrongPasswords+st.Silenced == 500 })
		for range 10 {
			g.final()
		}
		if res := g.register(reg{dn: "1002", callID: "other", cseq: 1, headers: []string{"Contact: <sip:1002@127.0.0.2:5999>"}, transport: strings.ToUpper(network)}); res.code != 200 {
			t.Errorf("%s: %d %s", network, res.code, res.reason)
		}
	}
}

// TestGuess_TenOfAllDNs: who tries a few of each tries ten in all.
func TestGuess_TenOfAllDNs(t *testing.T) {
	w := callWorld(t, stands, "1001", "1002", "1003", "1004", "1005", "1006")
	numbers := []string{"1001", "1002", "1003", "1004", "1005", "1006", "nobody", "9000", "1999"}
	if n := w.guesserAt("udp", "127.0.0.2").tries("REGISTER", numbers, 300); n != 10 {
		t.Errorf("%d passwords were tried", n)
	}
	if n := w.guesserAt("tcp", "127.0.0.2").tries("MESSAGE", numbers, 300); n != 0 {
		t.Errorf("%d more were tried in another way", n)
	}
	if n := len(w.server.Bans()); n != 1 {
		t.Errorf("%d bans", n)
	}
	if n := w.server.ClearBans(w.server.Bans()[0].Source, ""); n != 1 {
		t.Errorf("%d bans cleared", n)
	}
	if n := w.guesserAt("udp", "127.0.0.2").tries("REGISTER", []string{"1001"}, 100); n != 10 {
		t.Errorf("%d passwords were tried when all was cleared", n)
	}
}

// TestGuess_NobodyLearnsWhichDNsThereAre, without a password or with a wrong one: the
// answers are the same but for the number and the nonce.
func TestGuess_NobodyLearnsWhichDNsThereAre(t *testing.T) {
	for _, site := range []string{"as ever", "draining", "with a trunk that may be anywhere"} {
		w := callWorld(t, func(c *Config) { c.Draining = func() bool { return site == "draining" } }, "1001")
		if strings.HasPrefix(site, "with") {
			w.put(&configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
				Address: "192.0.2.77:5060", InboundAuth: &configpb.TrunkAuth{User: "gateway", Ha1: md5Hex("gateway:" + testRealm + ":pw")},
			}})
		}
		off := phoneDN("1003")
		off.Disabled = true
		w.put(off)
		w.put(&configpb.DN{Number: "1004", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4930123"})
		w.put(&configpb.DN{Number: "1005", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT})
		g := w.guesserAt("udp", "127.0.0.2")
		for _, method := range []string{"REGISTER", "INVITE", "MESSAGE", "SUBSCRIBE"} {
			var want [2]string
			for i, number := range []string{"1001", "1002", "1003", "1004", "1005", "9999"} {
				first := g.ask(g.request(method, number, ""))
				got := [2]string{g.form(first, number)}
				if challenge := challengeOf(first); challenge != "" {
					second := g.ask(g.request(method, number, authorizeFor(method, challenge, number, "wrong", 1)))
					got[1] = g.form(second, number)
				}
				w.server.ClearBans(netip.Addr{}, "")
				if i == 0 {
					want = got
				} else if got != want {
					t.Errorf("%s, %s of %s: %q, want %q", site, method, number, got, want)
				}
			}
		}
	}
}

// form is an answer without what differs from one request to the next.
func (g *guesser) form(r *reply, number string) string {
	text := fmt.Sprint(r.code, r.reason, r.headers)
	for _, name := range []string{"Via", "To", "CSeq"} {
		text = strings.Replace(text, r.get(name), "", 1)
	}
	_, rest, _ := strings.Cut(challengeOf(r), `nonce="`)
	nonce, _, _ := strings.Cut(rest, `"`)
	if nonce != "" {
		text = strings.Replace(text, nonce, "", 1)
	}
	return strings.ReplaceAll(text, number, "")
}

// TestGuess_NobodySilencesAnother: tries in the name of an address that does not hear the
// challenges count nowhere; and they learn nothing.
func TestGuess_NobodySilencesAnother(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	thief, victim := w.guesserAt("udp", "127.0.0.2"), w.guesserAt("udp", "127.0.0.3")
	for i, password := range slices.Repeat([]string{"wrong", "pw1001"}, 50) {
		auth := authorize(thief.challenge("REGISTER", "1001"), "1001", password, 1)
		if res := victim.ask(victim.request("REGISTER", "1001", auth)); res.code != 401 || !strings.Contains(challengeOf(res), "stale=true") {
			t.Fatalf("%d, %s: %d %s", i, password, res.code, challengeOf(res))
		}
	}
	if st := w.server.Stats(); st.WrongPasswords+st.Silenced != 0 || len(w.server.Bans()) != 0 {
		t.Errorf("%+v, %v", st, w.server.Bans())
	}
	if res := victim.register(reg{dn: "1001", callID: "v", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.3:5999>"}}); res.code != 200 {
		t.Error(res)
	}
}

// TestGuess_ARetransmissionIsOneTry however often the network delivers it.
func TestGuess_ARetransmissionIsOneTry(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	g := w.guesserAt("udp", "127.0.0.2")
	for range 9 {
		msg := g.request("REGISTER", "1001", authorize(g.challenge("REGISTER", "1001"), "1001", "wrong", 1))
		for range 11 {
			if res := g.ask(msg); res.code != 401 {
				t.Fatal(res)
			}
		}
	}
	if n := w.server.Stats().WrongPasswords; n != 9 {
		t.Errorf("%d are counted, want 9", n)
	}
	if res := g.register(reg{dn: "1001", callID: "v", cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.2:5999>"}}); res.code != 200 {
		t.Error(res)
	}
}

// TestGuess_ANewPasswordBeginsAnew: the phone had the old one.
func TestGuess_ANewPasswordBeginsAnew(t *testing.T) {
	w := newWorld(t, nil)
	w.put(phoneDN("1001"))
	w.run()
	g := w.guesserAt("udp", "127.0.0.2")
	g.tries("REGISTER", []string{"1001"}, 20)
	d := phoneDN("1001")
	d.Ha1 = md5Hex("1001:" + testRealm + ":better")
	w.put(d)
	p, err := siptest.NewPhone(siptest.Config{DN: "1001", Password: "better", Domain: testRealm, Server: w.server.UDPAddr().String(), Local: "127.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	must(t, 200)(p.Register(context.Background(), time.Hour))
}

// TestGuess_CostsNobodyTheRate: what is refused for its password, or has none, uses up
// nothing of what may be new in a second; and calls and registrations have a rate each.
func TestGuess_CostsNobodyTheRate(t *testing.T) {
	now := time.Now()
	w := callWorld(t, func(c *Config) { c.Rate, c.Now = 1, func() time.Time { return now } }, "1001", "1002")
	g := w.guesserAt("udp", "127.0.0.2")
	for _, method := range []string{"REGISTER", "INVITE"} {
		for range 5 {
			challenge := g.challenge(method, "1001")
			g.ask(g.request(method, "1001", authorizeFor(method, challenge, "1001", rand.Text(), 1)))
		}
		home := w.guesserAt("udp", "127.0.0.3")
		accepted := map[string]int{"REGISTER": 200, "INVITE": 480}[method] // 1002 is nowhere
		for i, want := range []int{accepted, 503} {
			number := []string{"1001", "1002"}[i]
			auth := authorizeFor(method, home.challenge(method, number), number, "pw"+number, 1)
			if res := home.ask(home.request(method, number, auth)); res.code != want {
				t.Errorf("%s of %s: %d, want %d", method, number, res.code, want)
			}
		}
	}
}

// BenchmarkChallenge is the time in which a stranger is answered: about a DN that there
// is and one that there isn't, without a password and with a wrong one.
func BenchmarkChallenge(b *testing.B) {
	x := newTwins(b)
	for i := range 2000 {
		x.fast.put(phoneDN(fmt.Sprint(5001 + 2*i)))
	}
	first := reg{callID: "a", cseq: 1, headers: []string{"Contact: <sip:x@127.0.0.1:5999>"}}
	for _, wrong := range []bool{false, true} {
		for _, c := range []struct{ name, dn string }{{"phone", "1001"}, {"unknown", "1500"}, {"disabled", "4001"}, {"no phone", "3001"}} {
			b.Run(fmt.Sprintf("%s/wrong=%v", c.name, wrong), func(b *testing.B) {
				var in wire.Arrival
				r := first
				r.dn = c.dn
				challenge := string(x.fast.server.cfg.digest.AppendChallenge(nil, testRealm, digest.MD5, false, localSource.Addr()))
				if wrong {
					r.auth = authorize(challenge, c.dn, "wrong", 1)
				}
				data := []byte(r.String())
				for b.Loop() {
					x.scan.Serve(arriving(&in, data, localSource, location.UDP))
				}
				x.fast.server.ClearBans(netip.Addr{}, "")
			})
		}
	}
}
