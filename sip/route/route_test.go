package route

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

var (
	testKey  = Key{ID: 1, Secret: []byte("secret")}
	testRing = NewRing([]Key{testKey})
)

// owns is what node n1 with the names proxy.test takes for its own.
func owns() *Reader {
	return &Reader{Ring: testRing, Self: "n1", Mine: func(u message.URI) bool { return string(u.Host) == "proxy.test" }}
}

// entry is one of the call c from the tag a.
func entry(p Purpose, called bool, node dn.Node, number dn.Number) string {
	k := Token{Purpose: p, Called: called, Node: node, Number: number, Transport: location.TCP, Addr: netip.MustParseAddrPort("192.0.2.1:5060")}
	return "<sip:" + string(testRing.Encode(&k, []byte("c"), []byte("a"))) + "@proxy.test;lr>"
}

func uriOf(e string) string {
	a, _ := message.ParseAddress([]byte(e))
	return string(a.URI)
}

// TestRead: whose entries are taken off, and what is known of who sent the request. The
// caller of all is 1001 with the tag a, the called one 1002 with b.
func TestRead(t *testing.T) {
	const up, down = "c a b", "c b a" // requests of the caller, of the called side
	near, far := entry(Phone, false, "n1", "1001"), entry(Phone, true, "n2", "1002")
	callee := entry(Phone, true, "n1", "1002")
	away := entry(Phone, false, "n2", "1001")
	for name, c := range map[string]struct {
		dialog string
		uri    string
		list   []string
		want   string // Request-URI
		rest   int
		first  dn.Number
		last   dn.Number
		peer   dn.Number
		is     string // what is known of the sender
		fault  *message.Fault
	}{
		"no Route":                  {},
		"ours, then nothing":        {list: []string{near}, first: "1001", last: "1001", is: "near"},
		"ours twice: the last says": {list: []string{near, callee}, first: "1001", last: "1002", is: "near"},
		"of the called side":        {dialog: down, list: []string{callee, near}, first: "1002", last: "1001", is: "near called"},
		"ours, then a peer":         {list: []string{near, far}, rest: 1, first: "1001", last: "1001", peer: "1002", is: "near"},
		"a peer's at once":          {list: []string{far}, rest: 1, first: "1002", peer: "1002"},
		"from a peer":               {list: []string{callee}, first: "1002", last: "1002"},
		"from a peer, called side":  {dialog: down, list: []string{near}, first: "1001", last: "1001", is: "called"},
		"of a phone that has moved": {list: []string{away, callee}, rest: 2, first: "1001", peer: "1001", is: "near"},
		"the tags are swapped":      {dialog: down, list: []string{near, callee}, first: "1001", last: "1002", is: "called"},
		"swapped, other side":       {list: []string{callee, near}, first: "1002", last: "1001"},
		"the second of another way": {dialog: "c a a", list: []string{near, callee}, first: "1001", last: "1002", is: "near"},
		"ours, then another proxy":  {list: []string{near, "<sip:edge.test;lr>"}, rest: 1, first: "1001", last: "1001", is: "near"},
		"a proxy that we don't own": {list: []string{"<sip:edge.test;lr>"}, rest: 1},
		"our name without token":    {list: []string{"<sip:proxy.test;lr>"}},
		"our name, then ours":       {list: []string{"<sip:proxy.test;lr>", near, callee}, first: "1001", last: "1002", is: "near"},
		"a strict router before us": {uri: uriOf(near), list: []string{callee, "<sip:x@h>"}, first: "1001", last: "1002", is: "near"},
		"strict, of a peer's phone": {uri: uriOf(away), list: []string{callee, "<sip:x@h>"}, rest: 2, first: "1001", peer: "1001", is: "near"},
		"deliver":                   {dialog: "c a ", list: []string{entry(Deliver, true, "n2", "1001")}, first: "1001", last: "1001"},
		"another call's token":      {dialog: "d a b", list: []string{near}, fault: errForged},
		"another caller's token":    {dialog: "c x b", list: []string{near}, fault: errForged},
		"the second is another's":   {list: []string{near, strings.Replace(callee, "sip:", "sip:A", 1)}, fault: errForged},
		"a user that is no token":   {list: []string{"<sip:1001@proxy.test;lr>"}, fault: errForged},
	} {
		t.Run(name, func(t *testing.T) {
			if c.dialog == "" {
				c.dialog = up
			}
			if c.uri == "" {
				c.uri = "sip:x@h"
			}
			d := strings.Split(c.dialog, " ")
			var list [][]byte
			for _, e := range c.list {
				list = append(list, []byte(e))
			}
			s, fault := owns().Read(Dialog{[]byte(d[0]), []byte(d[1]), []byte(d[2])}, []byte(c.uri), list)
			if fault != c.fault {
				t.Fatalf("%v, want %v", fault, c.fault)
			}
			if fault != nil {
				return
			}
			is := ""
			if s.Near {
				is = "near"
			}
			if s.FromCalled {
				is = strings.TrimSpace(is + " called")
			}
			if string(s.URI) != "sip:x@h" || len(s.Rest) != c.rest || s.First.Number != c.first || s.Last.Number != c.last || s.Peer.Number != c.peer || is != c.is {
				t.Errorf("%q %q, first %q, last %q, peer %q, %q", s.URI, s.Rest, s.First.Number, s.Last.Number, s.Peer.Number, is)
			}
		})
	}
}

// TestRead_HoweverAPhoneWritesIt: the Route set is the phone's own, its spelling too.
func TestRead_HoweverAPhoneWritesIt(t *testing.T) {
	near, far := entry(Phone, false, "n1", "1001"), entry(Phone, true, "n1", "1002")
	user, _, _ := strings.Cut(strings.TrimPrefix(near, "<sip:"), "@")
	escaped := ""
	for _, c := range user {
		escaped += "%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15]))
	}
	const via = "Via: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>;tag=b\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n"
	for name, text := range map[string]string{
		"as it was given":     "BYE sip:x@h SIP/2.0\r\nRoute: " + near + "\r\nRoute: " + far + "\r\n",
		"joined":              "BYE sip:x@h SIP/2.0\r\nRoute: " + near + ", " + far + "\r\n",
		"joined, folded":      "BYE sip:x@h SIP/2.0\r\nRoute: " + near + ",\r\n  " + far + "\r\n",
		"header in upper":     "BYE sip:x@h SIP/2.0\r\nROUTE: " + near + "\r\nroute : " + far + "\r\n",
		"lr=on":               "BYE sip:x@h SIP/2.0\r\nRoute: " + strings.Replace(near, ";lr", ";lr=on", 1) + "," + strings.Replace(far, ";lr", ";lr=true", 1) + "\r\n",
		"more, in any order":  "BYE sip:x@h SIP/2.0\r\nRoute: " + strings.Replace(near, ";lr", ";x=y;lr;transport=udp", 1) + "," + far + ";hide\r\n",
		"upper case":          "BYE sip:x@h SIP/2.0\r\nRoute: <SIP:" + user + "@PROXY.TEST;LR>," + far + "\r\n",
		"without parameters":  "BYE sip:x@h SIP/2.0\r\nRoute: <sip:" + user + "@proxy.test>," + far + "\r\n",
		"without brackets":    "BYE sip:x@h SIP/2.0\r\nRoute: sip:" + user + "@proxy.test;lr\r\nRoute: " + far + "\r\n",
		"with a display name": "BYE sip:x@h SIP/2.0\r\nRoute: \"a, b\" " + near + "\r\nRoute: " + far + "\r\n",
		"escaped":             "BYE sip:x@h SIP/2.0\r\nRoute: <sip:" + escaped + "@proxy.test;lr>," + far + "\r\n",
		"another port, sips":  "BYE sip:x@h SIP/2.0\r\nRoute: <sips:" + user + "@proxy.test:5061;lr>," + far + "\r\n",
		"strict":              "BYE " + uriOf(near) + " SIP/2.0\r\nRoute: " + far + "\r\nRoute: <sip:x@h>\r\n",
		"strict, joined":      "BYE " + uriOf(near) + " SIP/2.0\r\nRoute: " + far + ",<sip:x@h>\r\n",
	} {
		var m message.Message
		if err := m.Parse([]byte(text+via+"\r\n"), true); err != nil || m.Fault != nil {
			t.Fatal(name, err, m.Fault)
		}
		s, fault := owns().Read(DialogOf(&m), m.URI, m.Elements(message.Route))
		if fault != nil || s.First.Number != "1001" || s.Last.Number != "1002" || !s.Near || len(s.Rest) > 0 || string(s.URI) != "sip:x@h" {
			t.Errorf("%s: %v, %+v", name, fault, s)
		}
	}
}

func TestToken_NothingInItMayChange(t *testing.T) {
	call, a := []byte("call"), []byte("a")
	for _, k := range []Token{
		{Purpose: Phone, Called: true, Node: "n1", Number: "1001", Transport: location.WSS, Addr: netip.MustParseAddrPort("[2001:db8::1]:5060"), Birth: 1 << 63, Minute: 1 << 31},
		{Purpose: Deliver, Node: "n1", Number: "*#1", Call: "0123456789"},
		{Purpose: Trunk},
		{Purpose: Phone, Node: dn.Node(strings.Repeat("n", 255)), Number: dn.Number(strings.Repeat("1", 255)), Call: strings.Repeat("c", 255)},
	} {
		text := testRing.Encode(&k, call, a)
		decode := func(text, callID, from, to []byte) (Token, bool) {
			got, _, ok := testRing.decode(text, &Dialog{callID, from, to}, likelyNear)
			return got, ok
		}
		for _, tags := range [][2]string{{"a", "b"}, {"b", "a"}} {
			if got, ok := decode(text, call, []byte(tags[0]), []byte(tags[1])); !ok || got != k {
				t.Fatalf("%+v, want %+v", got, k)
			}
		}
		for i := range text {
			bad := bytes.Clone(text)
			bad[i] ^= 1
			if _, ok := decode(bad, call, a, nil); ok {
				t.Fatalf("changed at %d it passes", i)
			}
		}
		for _, x := range [][3]string{{"", "a"}, {"cal", "a"}, {"callx", "a"}, {"call"}, {"call", "b", "c"}, {"calla", "", ""}, {"cal", "la"}} {
			if _, ok := decode(text, []byte(x[0]), []byte(x[1]), []byte(x[2])); ok {
				t.Errorf("it passes for %q", x)
			}
		}
		if bytes.Contains(text, []byte(tokenCoding.EncodeToString([]byte(k.Number)))) && k.Number != "" {
			t.Errorf("%s shows the number", text)
		}
		another := NewRing([]Key{{ID: 1, Secret: []byte("another")}})
		if _, _, ok := another.decode(text, &Dialog{CallID: call, From: a}, fromCaller); ok {
			t.Error("it passes with another key")
		}
	}
}

// TestToken_EqualOnesAreEqual: the same call says nothing that differs by chance, and
// what differs is not told by a common beginning.
func TestToken_EqualOnesAreEqual(t *testing.T) {
	k := Token{Purpose: Phone, Node: "n1", Number: "1001"}
	once, twice := testRing.Encode(&k, []byte("c"), []byte("a")), testRing.Encode(&k, []byte("c"), []byte("a"))
	k.Number = "1002"
	other := testRing.Encode(&k, []byte("c"), []byte("a"))
	if !bytes.Equal(once, twice) || bytes.Equal(once[4:20], other[4:20]) || bytes.Equal(once[24:], other[24:]) {
		t.Errorf("%s\n%s\n%s", once, twice, other)
	}
}

// TestToken_ADayByTheClockOfItsNode, backwards too.
func TestToken_ADayByTheClockOfItsNode(t *testing.T) {
	made := time.Date(2030, 1, 1, 0, 0, 30, 0, time.UTC)
	k := Token{Minute: MinuteOf(made)}
	for age, want := range map[time.Duration]bool{0: false, Lifetime: false, Lifetime + time.Minute: true, -Lifetime: false, -Lifetime - time.Minute: true} {
		if got := k.Expired(made.Add(age)); got != want {
			t.Errorf("after %v: %v", age, got)
		}
	}
}

// TestRing_KeysChangeWhileTheyAreUsed: the next key is read before it is used, the last
// one after it was; and what is out of the ring is told apart.
func TestRing_KeysChangeWhileTheyAreUsed(t *testing.T) {
	key := func(id uint32) Key { return Key{ID: id, Secret: []byte{byte(id), byte(id >> 8)}} }
	keys := func(ids ...uint32) (list []Key) {
		for _, id := range ids {
			list = append(list, key(id))
		}
		return list
	}
	here, there := NewRing(keys(255)), NewRing(keys(255))
	k, d := Token{Purpose: Phone, Number: "1001"}, Dialog{CallID: []byte("c"), From: []byte("a")}
	first := here.Encode(&k, d.CallID, d.From)
	for _, step := range [][]uint32{{255, 256}, {256, 255}, {256}} {
		here.SetKeys(keys(step...))
		for range 2 { // there a step later than here, and as far
			for _, way := range [][2]*Ring{{here, there}, {there, here}} {
				if _, _, ok := way[1].decode(way[0].Encode(&k, d.CallID, d.From), &d, fromCaller); !ok {
					t.Errorf("%d: not read", step)
				}
			}
			there.SetKeys(keys(step...))
		}
	}
	got, _, ok := here.decode(first, &d, fromCaller)
	if !ok || !got.Retired {
		t.Errorf("%v %+v: its key is out of the ring", ok, got)
	}
	if _, _, ok := NewRing(keys(256)).decode(first, &d, fromCaller); ok {
		t.Error("a key that never was is used")
	}
	for id := uint32(257); id < 257+maxRetired; id++ {
		here.SetKeys(keys(id))
	}
	if _, _, ok := here.decode(first, &d, fromCaller); ok {
		t.Error("a key of long ago is used")
	}
	here.SetKeys(keys(255)) // it is back
	if got, _, ok := here.decode(first, &d, fromCaller); !ok || got.Retired {
		t.Errorf("%v %+v: its key is in the ring again", ok, got)
	}
}

// TestEntries_NameTheTransport as a phone that dials it would: RFC 7118 knows one for
// WebSockets. The called side's is on top.
func TestEntries_NameTheTransport(t *testing.T) {
	rr := &Recorder{Ring: testRing, Hosts: location.NewHosts([...]string{"n1.test:5060", "n1.test:5061", "n1.test:5062", "n1.test:5063", "n1.test:5064"})}
	req := func(method string) *message.Message {
		var m message.Message
		text := method + " sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 " + method + "\r\nContent-Length: 0\r\n\r\n"
		if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
			t.Fatal(err, m.Fault)
		}
		return &m
	}
	for transport, want := range map[location.Transport]string{
		location.UDP: "", location.TCP: ";transport=tcp", location.TLS: ";transport=tls", location.WS: ";transport=ws", location.WSS: ";transport=ws",
	} {
		called, caller := &Token{Purpose: Phone, Called: true, Node: "n1", Transport: transport}, &Token{Purpose: Trunk, Node: "n1"}
		list := rr.Entries(req("INVITE"), called, caller)
		if len(list) != 2 || !strings.HasSuffix(string(list[0]), "@"+rr.Hosts.Of(transport, netip.Addr{})+want+";lr>") || !strings.HasSuffix(string(list[1]), "@n1.test:5060;lr>") {
			t.Errorf("%v: %s", transport, list)
		}
	}
	for method, want := range map[string]int{"INVITE": 1, "SUBSCRIBE": 1, "REFER": 1, "MESSAGE": 0, "NOTIFY": 0} {
		if list := rr.Entries(req(method), nil, &Token{Purpose: Trunk}); len(list) != want {
			t.Errorf("%s: %d", method, len(list))
		}
	}
}

// TestDownstream_IsTheWayToWhoAnswered, the nearest first.
func TestDownstream_IsTheWayToWhoAnswered(t *testing.T) {
	var m message.Message
	text := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nRecord-Route: <sip:last.test;lr>, <sip:edge.test;lr>\r\nRecord-Route: " + entry(Phone, true, "n2", "1002") + "\r\nRecord-Route: " + entry(Phone, false, "n1", "1001") +
		", <sip:home.test;lr>\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
	if err := m.Parse([]byte(text), true); err != nil || m.Fault != nil {
		t.Fatal(err, m.Fault)
	}
	got := owns().Downstream(&m)
	if len(got) != 3 || string(got[0]) != entry(Phone, true, "n2", "1002") || string(got[1]) != "<sip:edge.test;lr>" || string(got[2]) != "<sip:last.test;lr>" {
		t.Errorf("%s", got)
	}
	list := m.Elements(message.RecordRoute)
	slices.Reverse(list)
	if way := owns().Way(DialogOf(&m), list); len(way) != 4 || string(way[0]) != entry(Phone, false, "n1", "1001") {
		t.Errorf("%s", way)
	}
	if way := owns().Way(Dialog{CallID: []byte("d")}, list); way != nil {
		t.Errorf("%s: of another call", way)
	}
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(entry(Phone, true, "n1", "1001")), []byte{1, 0, 2, 'n', '1', 1, '7', 0, 0})
	f.Add([]byte("A"), (&Token{Purpose: Phone, Number: "1001", Call: "c"}).append(nil))
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		for dir := fromCaller; dir <= likelyFar; dir++ {
			if _, _, ok := testRing.decode(text, &Dialog{CallID: []byte("c"), From: []byte("x")}, dir); ok {
				t.Fatalf("forged: %q", text)
			}
		}
		var k Token
		if k.read(raw) && !bytes.Equal(k.append(nil), raw) { // as if it had been sealed
			t.Errorf("%x is read as %+v", raw, k)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("sip:x@h", entry(Phone, false, "n1", "1001")+", <sip:edge.test;lr>")
	f.Add("sip:x@proxy.test", "<sip:proxy.test;lr>,<sip:a@b>")
	f.Fuzz(func(t *testing.T, uri, list string) {
		var m message.Message
		if m.Parse([]byte("BYE "+uri+" SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nRoute: "+list+"\r\nContent-Length: 0\r\n\r\n"), true) != nil || m.Fault != nil {
			return
		}
		before := len(m.Elements(message.Route))
		s, fault := owns().Read(DialogOf(&m), m.URI, m.Elements(message.Route))
		if fault == nil && (len(s.Rest) > before || len(s.URI) == 0) {
			t.Fatalf("%+v", s)
		}
	})
}

// TestRead_AnotherNodeOfTheClusterIsAsGoodAsThisOne: a phone was told it as its outbound
// proxy. With a user part it would be that node's to say what it means.
func TestRead_AnotherNodeOfTheClusterIsAsGoodAsThisOne(t *testing.T) {
	r := owns()
	r.Others = func(u message.URI) bool { return string(u.Host) == "other.test" }
	for entry, left := range map[string]int{"<sip:other.test;lr>": 0, "<sip:x@other.test;lr>": 1, "<sip:elsewhere.test;lr>": 1, "<sip:1001@proxy.test;lr>": 0} {
		s, fault := r.Read(Dialog{CallID: []byte("c"), From: []byte("1")}, []byte("sip:1002@proxy.test"), [][]byte{[]byte(entry)})
		if fault != nil || len(s.Rest) != left || s.Followed() {
			t.Errorf("%s: %+v, %v", entry, s, fault)
		}
	}
}
