package proxy

import (
	"bytes"
	"hash/maphash"
	"net/netip"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

var testSeed = maphash.MakeSeed()

var testTokens = NewTokenCodec([]byte("secret"))

// owns is what node n1 with the names proxy.test takes for its own.
func owns() *routeReader {
	return &routeReader{
		token: testTokens.decode,
		here:  func(k Token) bool { return k.Purpose == ToDeliver || k.Node == "n1" },
		mine:  func(u message.URI) bool { return string(u.Host) == "proxy.test" },
	}
}

func entry(p purpose, node dn.Node, number dn.Number) string {
	k := Token{Purpose: p, Node: node, Number: number, Transport: location.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:5060")}
	return "<sip:" + string(testTokens.Encode(&k, []byte("c"))) + "@proxy.test;lr>"
}

func TestRoute(t *testing.T) {
	near, far := entry(ToPhone, "n1", "1001"), entry(ToPhone, "n2", "1002")
	callee := entry(ToPhone, "n1", "1002")
	uriOf := func(e string) string { return string(bytes.Trim([]byte(e), "<>")) }
	for name, c := range map[string]struct {
		uri    string
		list   []string
		want   string // Request-URI
		rest   int
		last   dn.Number
		peer   dn.Number
		fault  *message.Fault
		callID string
	}{
		"no Route":                  {uri: "sip:x@h", want: "sip:x@h"},
		"ours, then nothing":        {uri: "sip:x@h", list: []string{near}, want: "sip:x@h", last: "1001"},
		"ours twice: the last says": {uri: "sip:x@h", list: []string{near, callee}, want: "sip:x@h", last: "1002"},
		"ours, then a peer":         {uri: "sip:x@h", list: []string{near, far}, want: "sip:x@h", rest: 1, last: "1001", peer: "1002"},
		"a peer's at once":          {uri: "sip:x@h", list: []string{far}, want: "sip:x@h", rest: 1, peer: "1002"},
		"ours, then another proxy":  {uri: "sip:x@h", list: []string{near, "<sip:edge.test;lr>"}, want: "sip:x@h", rest: 1, last: "1001"},
		"a proxy that we don't own": {uri: "sip:x@h", list: []string{"<sip:edge.test;lr>"}, want: "sip:x@h", rest: 1},
		"our name without token":    {uri: "sip:x@h", list: []string{"<sip:proxy.test;lr>"}, want: "sip:x@h"},
		"a strict router before us": {uri: uriOf(near), list: []string{"<sip:x@h>"}, want: "sip:x@h", last: "1001"},
		"deliver":                   {uri: "sip:x@h", list: []string{entry(ToDeliver, "n2", "1001")}, want: "sip:x@h", last: "1001"},
		"another call's token":      {uri: "sip:x@h", list: []string{near}, callID: "d", fault: errForged},
		"a user that is no token":   {uri: "sip:x@h", list: []string{"<sip:1001@proxy.test;lr>"}, fault: errForged},
	} {
		t.Run(name, func(t *testing.T) {
			if c.callID == "" {
				c.callID = "c"
			}
			var list [][]byte
			for _, e := range c.list {
				list = append(list, []byte(e))
			}
			r, fault := owns().route([]byte(c.callID), []byte(c.uri), list)
			if fault != c.fault {
				t.Fatalf("%v, want %v", fault, c.fault)
			}
			if fault != nil {
				return
			}
			if string(r.uri) != c.want || len(r.rest) != c.rest || number(r.last) != c.last || number(r.peer) != c.peer {
				t.Errorf("%q %q %q %q", r.uri, r.rest, number(r.last), number(r.peer))
			}
		})
	}
}

func number(k Token) dn.Number { return k.Number }

func TestToken_NothingInItMayChange(t *testing.T) {
	for _, k := range []Token{
		{Purpose: ToPhone, Node: "n1", Number: "1001", Transport: location.WSS, Addr: netip.MustParseAddrPort("[2001:db8::1]:5060")},
		{Purpose: ToDeliver, Node: "n1", Number: "*#1"},
		{Purpose: ToTrunk},
	} {
		text := testTokens.Encode(&k, []byte("call"))
		if got, ok := testTokens.decode(text, []byte("call")); !ok || got != k {
			t.Fatalf("%+v, want %+v", got, k)
		}
		for i := range text {
			bad := bytes.Clone(text)
			bad[i] ^= 1
			if _, ok := testTokens.decode(bad, []byte("call")); ok {
				t.Fatalf("changed at %d it passes", i)
			}
		}
		for _, callID := range []string{"", "cal", "callx"} {
			if _, ok := testTokens.decode(text, []byte(callID)); ok {
				t.Errorf("it passes for the call %q", callID)
			}
		}
		raw, _ := tokenCoding.DecodeString(string(testTokens.Encode(&k, []byte("xxcall"))))
		moved := tokenCoding.EncodeToString(slices.Insert(raw, len(raw)-macLen, 'x', 'x'))
		if got, ok := testTokens.decode([]byte(moved), []byte("call")); ok {
			t.Errorf("what began the Call-ID ends the token: %+v", got)
		}
		if _, ok := NewTokenCodec([]byte("another")).decode(text, []byte("call")); ok {
			t.Error("it passes with another secret")
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(entry(ToPhone, "n1", "1001")), []byte{1, 0, 2, 'n', '1', 1, '7', 0, 0})
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		if _, ok := testTokens.decode(text, []byte("c")); ok {
			t.Fatalf("forged: %q", text)
		}
		var k Token
		if len(raw) > 3 {
			k.read(raw) // as if it had been signed
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("sip:x@h", entry(ToPhone, "n1", "1001")+", <sip:edge.test;lr>")
	f.Add("sip:x@proxy.test", "<sip:proxy.test;lr>,<sip:a@b>")
	f.Fuzz(func(t *testing.T, uri, list string) {
		var m message.Message
		if m.Parse([]byte("BYE "+uri+" SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nRoute: "+list+"\r\nContent-Length: 0\r\n\r\n"), true) != nil || m.Fault != nil {
			return
		}
		before := len(m.Elements(message.Route))
		r, fault := owns().route([]byte("c"), m.URI, m.Elements(message.Route))
		if fault == nil && (len(r.rest) > before || len(r.uri) == 0) {
			t.Fatalf("%+v", r)
		}
	})
}

func TestLoopMark_ChangesWithWhatDecides(t *testing.T) {
	parse := func(text string) *message.Message {
		var m message.Message
		if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
			t.Fatal(err, m.Fault)
		}
		return &m
	}
	const base = "INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	seed := testSeed
	mark := loopMark(seed, parse(base))
	same := loopMark(seed, parse("INVITE sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP other;branch=z9hG4bKb\r\n"+base[bytes.Index([]byte(base), []byte("Via")):]))
	if same != mark {
		t.Error("another Via is another mark: no loop would be found")
	}
	if other := loopMark(seed, parse("INVITE sip:y@h"+base[len("INVITE sip:x@h"):])); other == mark {
		t.Error("a spiral is taken for a loop")
	}
}

func TestVerdict(t *testing.T) {
	res, timedOut := &message.Message{}, failed(408, "")
	r := func(codes ...int) (list []result) {
		for _, c := range codes {
			list = append(list, result{code: c, res: res})
		}
		return list
	}
	for name, c := range map[string]struct {
		results []result
		stopped *Outcome
		code    int
		retry   bool
	}{
		"one":                       {results: r(486), code: 486},
		"6xx before all":            {results: r(302, 401, 603), code: 603},
		"600 too":                   {results: r(302, 600), code: 600},
		"how to authenticate":       {results: r(404, 407, 486), code: 407},
		"the lowest class":          {results: r(500, 486, 302), code: 302},
		"503 is not the caller's":   {results: r(503), code: 500},
		"503 after everything":      {results: r(503, 504), code: 504},
		"made up after what came":   {results: append(r(486), result{code: 408}), code: 486},
		"nobody was reached":        {results: []result{{code: 408, retry: true}, {code: 503, retry: true}}, code: 408, retry: true},
		"one was reached":           {results: []result{{code: 408, retry: true}, {code: 486, res: res}}, code: 486},
		"we stopped it":             {results: r(487), stopped: &timedOut, code: 408},
		"we stopped it, he refused": {results: r(487, 603), stopped: &timedOut, code: 603},
	} {
		t.Run(name, func(t *testing.T) {
			if o := verdict(c.results, c.stopped); o.Code != c.code || o.Retry != c.retry {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestGroups_RingTogetherByQ(t *testing.T) {
	var got [][]int
	for _, g := range groups([]leg{{q: 100}, {q: 1000}, {q: 100}, {q: 500}}) {
		var qs []int
		for _, l := range g {
			qs = append(qs, l.q)
		}
		got = append(got, qs)
	}
	if len(got) != 3 || got[0][0] != 1000 || got[1][0] != 500 || len(got[2]) != 2 {
		t.Error(got)
	}
}
