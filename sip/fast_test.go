package sip

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// twins are two equal registrars, one for each way, with one clock that stands
// still, one secret and one seed.
type twins struct {
	fast, plain *world
	scan        *registrar.Fast
	arrival     wire.Arrival
}

func newTwins(t testing.TB) *twins {
	now := time.Now()
	clock := func() time.Time { return now }
	shared, seed := digest.New(digest.Config{Now: clock}), maphash.MakeSeed()
	change := func(c *Config) {
		c.Now, c.TCP, c.digest, c.tagSeed = clock, "", shared, seed
		c.Table = dn.New(dn.Config{Self: "n1", Incarnation: 1, Now: clock})
	}
	x := &twins{fast: newWorld(t, change), plain: newWorld(t, change)}
	x.scan = registrar.NewFast(x.fast.server.registrar)
	for _, w := range []*world{x.fast, x.plain} {
		w.put(phoneDN("1001"))
		w.put(phoneDN("1002"))
		w.put(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256,
			Ha1: sha256Hex("2001:" + testRealm + ":pw2001")})
		w.put(&configpb.DN{Number: "3001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+4930123"})
		off := phoneDN("4001")
		off.Disabled = true
		w.put(off)
	}
	return x
}

// plainWay is the plain way without its sockets.
func (x *twins) plainWay(t testing.TB, data []byte) (*reply, netip.AddrPort, bool) {
	s := x.plain.server
	s.gate.check(arriving(&x.arrival, bytes.Clone(data), localSource, location.UDP))
	if len(x.arrival.Tidy) == 0 {
		if len(x.arrival.Reply) == 0 {
			return nil, localSource, false
		}
		head, _, _ := strings.Cut(string(x.arrival.Reply), "\r\n\r\n")
		return parseReply(t, head), x.arrival.ReplyTo, false
	}
	msg, err := s.gate.parser.ParseSIP(x.arrival.Tidy)
	if err != nil {
		t.Fatalf("the gate let through what sipgo refuses: %v\n%s", err, x.arrival.Tidy)
	}
	req := msg.(*sip.Request)
	req.SetTransport("UDP")
	req.SetSource("192.0.2.1:5060") // as it is of every datagram
	var a answer.Answer
	s.onRegister(req, &a)
	text := response(req, &a, s.cfg.tagSeed).String()
	var m message.Message
	if err := m.Parse([]byte(text), false); err != nil {
		t.Fatal(err)
	}
	via, _ := m.TopVia()
	to, _ := via.ReplyTo()
	head, _, _ := strings.Cut(text, "\r\n\r\n")
	return parseReply(t, head), to, true
}

// compare sends one message both ways; false when it is not boring.
func (x *twins) compare(t testing.TB, data []byte) (*reply, bool) {
	t.Helper()
	var in wire.Arrival
	ok := x.scan.Serve(arriving(&in, bytes.Clone(data), localSource, location.UDP))
	out, to := in.Reply, in.ReplyTo
	want, wantTo, passed := x.plainWay(t, data)
	if !ok {
		return want, false
	}
	if !passed {
		t.Fatalf("the fast way took what the gate refuses with %v\n%q", want, data)
	}
	head, _, _ := strings.Cut(string(out), "\r\n\r\n")
	got := parseReply(t, head)
	if g, w := got.canonical(), want.canonical(); !slices.Equal(g, w) {
		t.Fatalf("fast:  %q\nplain: %q\nto %q", g, w, data)
	}
	if to != wantTo {
		t.Fatalf("fast answers to %s, plain to %s: %q", to, wantTo, data)
	}
	user := addressOfRecord(t, data)
	if f, p := stored(x.fast, user), stored(x.plain, user); !reflect.DeepEqual(f, p) {
		t.Fatalf("fast store:  %+v\nplain store: %+v\n%q", f, p, data)
	}
	if f, p := x.fast.state(user), x.plain.state(user); f != p {
		t.Fatalf("fast table %+v, plain table %+v", f, p)
	}
	return got, true
}

// stored is the entry of a DN, its times cut to what a store of its own clock keeps.
func stored(w *world, n dn.Number) *location.Entry {
	e := w.store.Get(n)
	if e != nil {
		for i := range e.Bindings {
			e.Bindings[i].Expires = e.Bindings[i].Expires.Round(time.Millisecond)
		}
	}
	return e
}

// addressOfRecord is the user part of a REGISTER's To.
func addressOfRecord(t testing.TB, data []byte) dn.Number {
	var m message.Message
	if err := m.Parse(bytes.Clone(data), false); err != nil {
		t.Fatal(err)
	}
	a, _ := message.ParseAddress(m.Get(message.To))
	u, _ := message.ParseURI(a.URI)
	return dn.Number(u.User)
}

// canonical is a reply with what may differ taken out: the order of headers
// and parameters, nonces, brackets.
func (r *reply) canonical() []string {
	lines := []string{fmt.Sprint(r.code, " ", r.reason)}
	for _, h := range r.headers {
		name, v := strings.ToLower(h[0]), h[1]
		if name == "www-authenticate" {
			before, after, _ := strings.Cut(v, `nonce="`)
			_, after, _ = strings.Cut(after, `"`)
			v = before + after
		}
		if name != "contact" {
			v = strings.NewReplacer("<", "", ">", "", " ", "", "\t", "").Replace(v)
			params := strings.Split(v, ";")
			slices.Sort(params[1:])
			v = strings.Join(params, ";")
		}
		if name == "from" || name == "to" || name == "via" {
			v = strings.ToLower(v)
		}
		if name == "cseq" {
			v = strings.TrimLeft(v, "0")
		}
		lines = append(lines, name+": "+v)
	}
	slices.Sort(lines)
	return lines
}

func TestFast_AnswersLikeThePlainWay(t *testing.T) {
	x := newTwins(t)
	contact := "Contact: <sip:1001@127.0.0.1:5999>"
	cases := []struct {
		name   string
		r      reg
		boring bool
		code   int
	}{
		{"first", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "Expires: 600"}}, true, 401},
		{"sha-256", reg{dn: "2001", callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"unknown DN", reg{dn: "9999", callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"other kind", reg{dn: "3001", callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"disabled", reg{dn: "4001", callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"other domain", reg{dn: "1001", to: "<sip:1001@elsewhere.test>", callID: "a", cseq: 1, headers: []string{contact}}, true, 404},
		{"To with tag and name", reg{dn: "1001", to: `"A, B" <sip:1001@` + testRealm + `>;tag=x`, callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"To without brackets", reg{dn: "1001", to: "sip:1001@" + testRealm + ";tag=x", callID: "a", cseq: 1, headers: []string{contact}}, true, 401},
		{"compact", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{"m:<sip:1001@127.0.0.1:5999>;expires=60", "k: path,outbound", "X-Other:  y"}}, true, 401},
		{"other scheme", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "Authorization: Basic abc"}}, false, 401},
		{"folded", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "X: a\r\n b"}}, false, 401},
		{"two contacts", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact + ", <sip:b@c>"}}, false, 401},
		{"star", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{"Contact: *", "Expires: 0"}}, false, 401},
		{"query", reg{dn: "1001", callID: "a", cseq: 1}, false, 401},
		{"remove", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "Expires: 0"}}, false, 401},
		{"path", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "Path: <sip:p;lr>"}}, false, 401},
		{"require", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "Require: x"}}, false, 420},
		{"two Call-IDs", reg{dn: "1001", callID: "a", cseq: 1, headers: []string{contact, "i: b"}}, false, 400},
		{"escaped user", reg{dn: "1001", to: "<sip:%31001@" + testRealm + ">", callID: "a", cseq: 1, headers: []string{contact}}, false, 401},
	}
	for _, c := range cases {
		res, boring := x.compare(t, []byte(c.r.String()))
		if boring != c.boring || res.code != c.code {
			t.Errorf("%s: boring %v, %d %s; want %v, %d", c.name, boring, res.code, res.reason, c.boring, c.code)
		}
	}
}

// TestFast_RegistersLikeThePlainWay sends a life of registrations both ways.
func TestFast_RegistersLikeThePlainWay(t *testing.T) {
	x := newTwins(t)
	steps := []struct {
		dn, callID, headers string
		cseq, code          int
	}{
		{"1001", "a", "Contact: <sip:1001@h:1>;q=0.3;expires=600;x=y", 1, 200},
		{"1001", "a", "Contact: <sip:1001@h:1>;q=0.3", 2, 200},
		{"1001", "a", "Contact: <sip:1001@H:1>", 2, 200},
		{"1001", "a", "Contact: <sip:1001@h:1>", 1, 500},
		{"1001", "a", "Contact: sip:1001@h:2;expires=61", 3, 200},
		{"1001", "b", "Contact: <sip:1001@h:1>\r\nExpires: 59", 3, 423},
		{"1001", "b", "Contact: <sip:1001@h:1>\r\nExpires: 99999999999999999999", 3, 200},
		{"1001", "b", "Contact: <sip:1001@h:1>\r\nExpires: soon\r\nUser-Agent: x", 4, 200},
		{"1001", "a", "Contact: <sip:1001@h:1>", 2, 500},
		{"2001", "a", "Contact: <sip:2001@h:1;transport=udp>", 1, 200},
	}
	for i, s := range steps {
		r := reg{dn: s.dn, callID: s.callID, cseq: s.cseq, headers: []string{s.headers}}
		first := r
		first.cseq = 900
		first.callID = "challenge"
		res, _ := x.compare(t, []byte(first.String()))
		if res.code != 401 {
			t.Fatal(i, res)
		}
		// Ask the fast twin for the challenge: the digest server is shared.
		r.auth = authorize(res.get("WWW-Authenticate"), s.dn, "pw"+s.dn, 1)
		res, boring := x.compare(t, []byte(r.String()))
		if !boring || res.code != s.code {
			t.Errorf("step %d: boring %v, %d %s; want %d", i, boring, res.code, res.reason, s.code)
		}
	}
}

func FuzzFast(f *testing.F) {
	for _, auth := range []string{"", `Digest username="1001", realm="` + testRealm + `", nonce="x", uri="sip:a", response="00"`} {
		f.Add([]byte(reg{dn: "1001", callID: "a", cseq: 1, auth: auth, headers: []string{"Contact: <sip:1001@h:1>;q=0.3;expires=600;x=y", "Expires: 60", "User-Agent: x"}}.String()))
	}
	f.Add([]byte(reg{dn: "1001", to: `"x" <sip:1001@127.0.0.1>;tag=2`, callID: "a", cseq: 1, headers: []string{"m: sip:a@[::1]:5;x;y=\"z\"", "k: path"}}.String()))
	x := newTwins(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		x.compare(t, data)
	})
}

// BenchmarkRegister measures one registration with digest: what the server
// spends between the datagram and the answer, without system calls.
func BenchmarkRegister(b *testing.B) {
	for _, c := range []struct {
		name  string
		fresh bool // a challenge before each
		fast  bool
	}{{"Fast/refresh", false, true}, {"Fast/challenge", true, true}, {"Plain/refresh", false, false}, {"Plain/challenge", true, false}} {
		b.Run(c.name, func(b *testing.B) { benchRegister(b, c.fresh, c.fast) })
	}
}

func benchRegister(b *testing.B, challenge, viaFast bool) {
	x := newTwins(b)
	callID := rand.Text()
	r := reg{dn: "1001", callID: callID, cseq: 1, headers: []string{"Contact: <sip:1001@127.0.0.1:5999>", "Expires: 600", "User-Agent: bench", "Allow: INVITE, ACK"}}
	res, _ := x.compare(b, []byte(r.String()))
	nonce := res.get("WWW-Authenticate")
	msgs := make([][]byte, 4096)
	for i := range msgs {
		r.cseq = i + 2
		if !challenge {
			r.auth = authorize(nonce, "1001", "pw1001", i+1)
		}
		msgs[i] = []byte(r.String())
	}
	var in wire.Arrival
	used := 0
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if used == len(msgs) && !challenge {
			b.StopTimer()
			x.fast.store.Delete("1001")
			x.plain.store.Delete("1001")
			msgs = refreshMessages(b, x, &r, len(msgs))
			used = 0
			b.StartTimer()
		}
		data := msgs[used%len(msgs)]
		used++
		if viaFast {
			x.scan.Serve(arriving(&in, data, localSource, location.UDP))
		} else if res, _, _ := x.plainWay(b, data); res == nil {
			b.Fatal("no answer")
		}
	}
	b.StopTimer()
	st := x.fast.server.stats.Snapshot()
	if !challenge && viaFast && st.Refreshes == 0 && b.N > 10 {
		b.Fatalf("nothing was refreshed: %+v", st)
	}
}

func refreshMessages(b *testing.B, x *twins, r *reg, n int) [][]byte {
	r.auth, r.callID, r.cseq = "", rand.Text(), 1
	res, _, _ := x.plainWay(b, []byte(r.String()))
	msgs := make([][]byte, n)
	for i := range msgs {
		r.cseq = i + 2
		r.auth = authorize(res.get("WWW-Authenticate"), "1001", "pw1001", i+1)
		msgs[i] = []byte(r.String())
	}
	return msgs
}
