package sip

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// speaker is a phone that writes as a speller does, over one port of a network in memory.
type speaker struct {
	t      testing.TB
	conn   net.Conn
	via    string
	number string
	rest   []byte
	heard  map[string]bool
	*speller
}

func newSpeaker(t testing.TB, n *siptest.Network, network, number, local string) *speaker {
	t.Helper()
	open := n.Connect
	if network == "tcp" {
		open = n.Dial
	}
	conn, err := open(local, spellingNode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &speaker{t: t, conn: conn, via: strings.ToUpper(network), number: number, heard: map[string]bool{}}
}

// spellingNode is where the node is on that network.
const spellingNode = "192.0.2.1:5060"

func (p *speaker) at() string { return p.conn.LocalAddr().String() }

// contact is its Contact; the transport parameter tells the server nothing new.
func (p *speaker) contact() string { return "sip:line-" + p.number + "@" + p.at() }

func (p *speaker) say(m *said) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(p.message(m))); err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for a message, whatever comes before it; what is repeated counts once.
func (p *speaker) hear(what string, is func(*message.Message) bool) *message.Message {
	p.t.Helper()
	defer time.AfterFunc(time.Minute, func() { p.conn.Close() }).Stop()
	for {
		m := p.read(what)
		via, _ := m.TopVia()
		branch, _ := message.Param(via.Params, "branch")
		key := fmt.Sprintf("%s %d %s %s", m.Method, m.Status, branch, m.Get(message.CSeq))
		if known := p.heard[key]; !known && is(m) {
			p.heard[key] = true
			return m
		}
	}
}

func (p *speaker) read(what string) *message.Message {
	p.t.Helper()
	for buf := make([]byte, 65536); ; {
		if n, err := message.Frame(p.rest, 65536); err == nil && n > 0 {
			var m message.Message
			if err := m.Parse(bytes.Clone(p.rest[:n]), true); err != nil || m.Fault != nil {
				p.t.Fatalf("%v %v: %q", err, m.Fault, p.rest)
			}
			p.rest = p.rest[n:]
			return &m
		}
		n, err := p.conn.Read(buf)
		if err != nil {
			p.t.Fatalf("%s does not come: %v", what, err)
		}
		p.rest = append(p.rest, buf[:n]...)
	}
}

func (p *speaker) answer(method string) *message.Message {
	p.t.Helper()
	return p.hear("the answer to "+method, func(m *message.Message) bool {
		_, of, _ := message.ParseCSeq(m.Get(message.CSeq))
		return m.Status >= 180 && string(of) == method
	})
}

func (p *speaker) request(method string) *message.Message {
	p.t.Helper()
	return p.hear(method, func(m *message.Message) bool { return string(m.Method) == method })
}

// leg is a dialog, or a request outside of one, as one side writes it.
type leg struct {
	*speaker
	callID, local, remote string // tags; no remote one is outside of a dialog
	to, target            string
	routes                [][]byte
	cseq                  uint32
	branch                string
	// last is the request of the other side that waits for an answer.
	last *message.Message
}

// ask writes a request with further headers. The number in CSeq goes up but for ACK and CANCEL.
func (l *leg) ask(method string, more ...field) {
	l.t.Helper()
	if method != "ACK" && method != "CANCEL" {
		l.cseq++
		l.branch = fmt.Sprintf("z9hG4bK%s-%d-%s", l.callID, l.cseq, method)
	}
	branch := l.branch
	if method == "ACK" && l.remote != "" {
		branch += "-ack"
	}
	from, to := []pair{{name: "tag", value: l.local}}, []pair(nil)
	if l.remote != "" {
		to = []pair{{name: "tag", value: l.remote}}
	}
	odd := pair{name: "x", value: `a;tag=7,b="<`, quoted: true}
	m := &said{start: method + " " + l.target + " SIP/2.0", lines: append([]field{
		{name: "Via", values: []item{{text: "SIP/2.0/" + l.via + " " + l.at(), params: []pair{{name: "rport", bare: true}, {name: "branch", value: branch}, odd}}}},
		{name: "Max-Forwards", values: []item{{text: "70"}}},
		{name: "From", values: []item{{display: `Ann, "A" <sip:9@x>;tag=0`, uri: "sip:" + l.number + "@" + testRealm, params: append(from, odd)}}},
		{name: "To", values: []item{{uri: l.to, params: append(to, odd)}}},
		{name: "Call-ID", values: []item{{text: l.callID}}},
		{name: "CSeq", values: []item{{text: fmt.Sprintf("%d%s%s", l.cseq, l.lws(), method)}}},
	}, more...)}
	if len(l.routes) > 0 {
		m.lines = append(m.lines, addresses("Route", l.routes))
	}
	l.say(m)
}

// addresses are a header of those that a message had.
func addresses(name string, list [][]byte) field {
	h := field{name: name}
	for _, one := range list {
		a, _ := message.ParseAddress(one)
		h.values = append(h.values, item{text: "<" + string(a.URI) + ">"})
	}
	return h
}

func (l *leg) contactHeader(params ...pair) field {
	return field{name: "Contact", values: []item{{display: `x, "y" <z>`, uri: l.speaker.contact(), params: params}}}
}

// prove asks, and again with credentials as the challenge wants it, beside some of another realm.
func (l *leg) prove(method string, more ...field) {
	l.t.Helper()
	l.ask(method, more...)
	res := l.answer(method)
	if res.Status != 401 && res.Status != 407 {
		l.t.Fatalf("%s: %d %s %q %q", method, res.Status, res.Reason, res.Get(message.To), res.Get(message.Via))
	}
	name, kind := "Authorization", "www-authenticate"
	if method == "INVITE" {
		name, kind = "Proxy-Authorization", "proxy-authenticate"
		l.ask("ACK")
	}
	own := field{name: name, alone: true, values: []item{
		{text: "Digest", comma: true, params: credentials(l.number, "elsewhere.test", string(res.Named(kind)), method)},
		{text: "Digest", comma: true, params: credentials(l.number, testRealm, string(res.Named(kind)), method)},
	}}
	l.ask(method, append(more, own)...)
}

func credentials(user, realm, challenge, method string) []pair {
	var c digest.Credentials
	if !c.Parse([]byte(authorizeFor(method, challenge, user, "pw"+user, 1))) {
		panic(challenge)
	}
	return []pair{
		{name: "username", value: user, quoted: true}, {name: "realm", value: realm, quoted: true}, {name: "nonce", value: string(c.Nonce), quoted: true},
		{name: "uri", value: string(c.URI), quoted: true}, {name: "response", value: string(c.Response), quoted: true}, {name: "algorithm", value: "MD5"},
		{name: "qop", value: "auth"}, {name: "nc", value: string(c.NC)}, {name: "cnonce", value: string(c.CNonce), quoted: true}, {name: "x", value: `realm="`, quoted: true},
	}
}

// effects are what messages brought about, in words in which no spelling is left.
type effects []string

func (e *effects) note(format string, args ...any) { *e = append(*e, fmt.Sprintf(format, args...)) }

// bindings notes those of a DN.
func (e *effects) bindings(w *world, n dn.Number) {
	var list []location.Binding
	if entry := w.store.Get(n); entry != nil {
		list = entry.Bindings
	}
	for _, b := range list {
		u, _ := message.ParseURI([]byte(b.Contact))
		var params []string
		for p := []byte(b.Params); len(p) > 0; {
			var name, v []byte
			name, v, p, _ = message.NextParam(p)
			params = append(params, strings.ToLower(string(name))+"="+string(message.Unquoted(v)))
		}
		slices.Sort(params)
		e.note("binding %s %s %v", message.AppendUnescaped(nil, u.User), strings.ToLower(string(u.Host)+":"+string(u.Port)), params)
	}
	e.note("%v", w.state(n).State)
}

// plain is a URI without what may be spelled otherwise.
func plain(uri []byte) string {
	u, _ := message.ParseURI(uri)
	return strings.ToLower(string(u.Scheme) + ":" + string(message.AppendUnescaped(nil, u.User)) + "@" + string(u.Host) + ":" + string(u.Port))
}

func TestSpelling_EveryLegalOneHasTheSameEffect(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) { bubble.Test(t, func(t *testing.T) { spell(t, network) }) })
	}
}

func spell(t *testing.T, network string) {
	n := siptest.NewNetwork()
	w := callWorld(t, func(c *Config) { c.Network, c.UDP, c.TCP = n, spellingNode, spellingNode }, "1001", "1002")
	w.outcomes = nil // nobody reads them
	a, b := newSpeaker(t, n, network, "1001", "198.51.100.1:5060"), newSpeaker(t, n, network, "1002", "198.51.100.2:5060")
	want := w.play(&speller{}, a, b, "plain")
	for seed := range uint64(spellings) {
		s := &speller{rand.New(rand.NewPCG(seed, 14))}
		a.heard, b.heard = map[string]bool{}, map[string]bool{}
		if got := w.play(s, a, b, fmt.Sprint(seed)); !slices.Equal(got, want) {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// spellings is how many are tried.
const spellings = 16

// play has both phones register, one call the other, and both say more within the call.
func (w *world) play(s *speller, a, b *speaker, id string) (e effects) {
	a.speller, b.speller = s, s
	for _, p := range []*speaker{a, b} {
		w.registering(&e, p, id)
	}
	w.calling(&e, a, b, id)
	return e
}

// registering plays the life of a registration, and leaves one.
func (w *world) registering(e *effects, p *speaker, id string) {
	aor := "sip:" + p.number + "@" + testRealm
	l := &leg{speaker: p, callID: "reg-" + p.number + id, local: "Ta", to: aor, target: "sip:" + testRealm}
	instance := pair{name: "+sip.instance", value: "<urn:uuid:00000000-0000-1000-8000-00A95A0E1281>", quoted: true}
	odd := pair{name: "x", value: `a;expires=0,"c\d" <sip:e@f>`, quoted: true}
	two := field{name: "Contact", values: []item{
		{display: `a, "b" <sip:c@d>;expires=0`, uri: "sip:desk@192.0.2.7:5070", params: []pair{{name: "q", value: "0.5"}, instance, odd, {name: "expires", value: "600"}}},
		{uri: "sip:hall@192.0.2.8", params: []pair{{name: "reg-id", value: "1"}, {name: "ob", bare: true}}},
	}}
	path := field{name: "Path", values: []item{{uri: "sip:edge.test", bracketed: true}}}
	all := []field{{name: "Contact", values: []item{{text: "*"}}}, {name: "Expires", values: []item{{text: "0"}}}}
	for _, more := range [][]field{
		all,
		{two, {name: "Expires", values: []item{{text: "0900"}}}},
		{two, path, {name: "Require", values: []item{{text: p.fold("path")}, {text: p.fold("path")}}}, {name: "Supported", values: []item{{text: "outbound"}, {text: p.fold("gruu")}}}},
		{{name: "Contact", values: []item{{uri: "sip:desk@192.0.2.7:5070", params: []pair{{name: "expires", value: "0"}}}}}},
		all,
		{l.contactHeader(), {name: "Expires", values: []item{{text: "3600"}}}},
	} {
		l.prove("REGISTER", more...)
		res := p.answer("REGISTER")
		gruu := 0
		for _, c := range res.Elements(message.Contact) {
			ad, _ := message.ParseAddress(c)
			if g, _ := message.Param(ad.Params, "pub-gruu"); g != nil {
				gruu++
			}
		}
		e.note("%d with %d contacts and %d GRUUs", res.Status, len(res.Elements(message.Contact)), gruu)
		e.bindings(w, dn.Number(p.number))
	}
}

// calling plays a call that is answered, and one that is given up.
func (w *world) calling(e *effects, a, b *speaker, id string) {
	x, y := ring(e, a, b, "call-"+id)
	y.reply(200, "OK", y.contactHeader())
	x.learn(e, a.answer("INVITE"))
	x.ask("ACK")
	e.got(b.request("ACK"))
	for _, side := range [][2]*leg{{x, y}, {y, x}} {
		for _, method := range []string{"INFO", "NOTIFY"} {
			event := field{name: "Event", values: []item{{text: "dialog", params: []pair{{name: "id", value: "7"}}}}}
			side[0].ask(method, event, side[0].contactHeader())
			side[1].take(e, method)
			side[1].reply(200, "OK", side[1].contactHeader())
			e.note("%d", side[0].speaker.answer(method).Status)
		}
	}
	y.ask("BYE")
	x.take(e, "BYE")
	x.reply(200, "OK")
	e.note("BYE %d", b.answer("BYE").Status)

	x, y = ring(e, a, b, "cancel-"+id)
	x.remote = ""
	reason := []pair{{name: "cause", value: "200"}, {name: "text", value: `a;b,"c"`, quoted: true}}
	x.ask("CANCEL", field{name: "Reason", values: []item{{text: "SIP", params: reason}}})
	e.note("CANCEL %d", a.answer("CANCEL").Status)
	of := y.last
	y.take(e, "CANCEL")
	y.reply(200, "OK")
	y.last = of
	y.reply(487, "Request Terminated")
	e.note("the caller hears %d", a.answer("INVITE").Status)
	x.ask("ACK")
	e.got(b.request("ACK"))
}

// ring calls until the caller hears that it rings.
func ring(e *effects, a, b *speaker, callID string) (x, y *leg) {
	x = &leg{speaker: a, callID: callID, local: "Fa", to: "sip:1002@" + testRealm, target: a.uri("sip:1002@" + testRealm)}
	x.prove("INVITE", x.contactHeader(), field{name: "Supported", values: []item{{text: "replaces"}, {text: "timer"}}},
		field{name: "Content-Type", values: []item{{text: "application/sdp"}}})
	y = &leg{speaker: b, callID: callID, local: "Tb", remote: "Fa", to: "sip:1001@" + testRealm}
	y.take(e, "INVITE")
	y.routes, y.target = y.last.Elements(message.RecordRoute), string(y.last.ContactURI())
	y.reply(180, "Ringing", y.contactHeader())
	x.learn(e, a.answer("INVITE"))
	return x, y
}

// take is a request that arrives in the dialog.
func (l *leg) take(e *effects, method string) {
	l.t.Helper()
	l.last = l.request(method)
	e.got(l.last)
}

// got notes a request as it arrived.
func (e *effects) got(m *message.Message) {
	from, to := m.Tag(message.From), m.Tag(message.To)
	e.note("%s %s with %d routes, %d of the record, tags %q %q", m.Method, plain(m.URI), len(m.Elements(message.Route)), len(m.Elements(message.RecordRoute)), from, to)
}

// reply answers the last request, as it says what it repeats.
func (l *leg) reply(code int, reason string, more ...field) {
	m := &said{start: fmt.Sprintf("SIP/2.0 %d %s", code, reason), lines: more}
	vias := field{name: "Via"}
	for v := range l.last.All(message.Via) {
		for one := range message.Elements(v) {
			vias.values = append(vias.values, item{text: string(one)})
		}
	}
	to := item{text: string(l.last.Get(message.To))}
	if l.last.Tag(message.To) == nil {
		to.params = []pair{{name: "tag", value: l.local}}
	}
	m.lines = append(m.lines, vias, field{name: "From", values: []item{{text: string(l.last.Get(message.From))}}}, field{name: "To", values: []item{to}},
		field{name: "Call-ID", values: []item{{text: l.callID}}}, field{name: "CSeq", values: []item{{text: string(l.last.Get(message.CSeq))}}})
	if list := l.last.Elements(message.RecordRoute); len(list) > 0 {
		m.lines = append(m.lines, addresses("Record-Route", list))
	}
	l.say(m)
}

// learn takes what an answer to the INVITE says of the dialog.
func (l *leg) learn(e *effects, res *message.Message) {
	l.remote, l.target, l.routes = string(res.Tag(message.To)), string(res.ContactURI()), res.Elements(message.RecordRoute)
	slices.Reverse(l.routes)
	e.note("the caller hears %d of %q at %s", res.Status, l.remote, plain([]byte(l.target)))
}
