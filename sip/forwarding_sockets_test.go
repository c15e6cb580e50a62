package sip

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ways are pairs of phones, one of each over a connection: who calls, and who
// is called.
var ways = [][2]string{
	{"1022", "1001"}, {"1001", "1022"}, // WS, UDP
	{"1021", "1022"}, {"1023", "1004"}, // TLS to WS, WSS to TCP
	{"1004", "1021"}, {"1022", "1023"}, // TCP to TLS, WS to WSS
	{"1021", "1003"}, {"1003", "1023"}, // UDP at the other node
}

// TestForwarding_Sockets plays one script each way, and compares what comes out
// with ways.txt: every line that nobody sent as it is, and all Vias and
// Record-Routes. Of other lines there is only the name.
func TestForwarding_Sockets(t *testing.T) {
	const dir = "testdata/forwarding/sockets/"
	s := newSite(t)
	s.openSockets()
	var all strings.Builder
	want := scenarios(readTranscript(t, dir+"ways.txt"))[1:] // without the comment
	play := func(script, a, b string) {
		for _, blocks := range scenarios(readTranscript(t, dir+script)) {
			var wanted []*block
			if len(want) > 0 {
				wanted, want = want[0], want[1:]
			}
			got := join(s.briefly(s.play(expecting(s.between(blocks, a, b), wanted))))
			all.WriteString(got)
			if got != join(wanted) && !*update {
				t.Errorf("%s to %s: %s", a, b, difference(got, join(wanted)))
			}
		}
	}
	for _, w := range ways {
		play("calls.script", w[0], w[1])
	}
	for _, b := range []string{"1021", "1022", "1023"} {
		play("ends.script", "1001", b)
	}
	if len(want) > 0 && !*update {
		t.Errorf("%d scenarios more are expected", len(want))
	}
	if *update {
		comment := readTranscript(t, dir+"ways.txt")[0].String()
		if err := os.WriteFile(filepath.Clean(dir+"ways.txt"), []byte(comment+strings.TrimRight(all.String(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// openSockets registers a phone over each transport that the site has none of.
func (s *site) openSockets() {
	s.t.Helper()
	s.connect("1021", "tls", s.place+"1.21:5062", "sip:1021@"+s.place+"1.21:5062;transport=tls")
	s.connect("1022", "ws", s.place+"1.22:5062", "sip:1022@x22.invalid;transport=ws")
	s.connect("1023", "wss", s.place+"1.23:5062", "sip:1023@x23.invalid;transport=ws")
}

// connect registers a phone over a connection from addr to n1.
func (s *site) connect(name, network, addr, contact string) {
	s.t.Helper()
	p := &station{name: name, news: s.news, transport: strings.ToUpper(network), contact: contact}
	c := dialFrom(s.t, addr, s.n1.server.Addr(transportOf[network]))
	p.local = c.LocalAddr()
	if network == "tls" || network == "wss" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if network == "ws" || network == "wss" {
		var err error
		if c, err = openWebSocket(c, "cluster.test"); err != nil {
			s.t.Fatal(err)
		}
	}
	p.over(c)
	s.add(p)
	s.register(p, nil, p.transport, "Contact: <"+contact+">")
}

// dialFrom opens a TCP connection from an address, which is free again at once.
func dialFrom(t testing.TB, addr string, to net.Addr) net.Conn {
	t.Helper()
	local, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d := net.Dialer{LocalAddr: local, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	t.Cleanup(func() { c.Close() })
	return c
}

// between are the blocks of a script for a call from a to b: {a} is the number,
// {a.node}, {a.uri} and {a.via} go with it.
func (s *site) between(script []*block, a, b string) (out []*block) {
	s.calls++
	pairs := []string{"{n}", fmt.Sprint(s.calls)}
	for role, name := range map[string]string{"a": a, "b": b} {
		p, node := s.byName[name], "n1"
		if name == "1003" {
			node = "n2"
		}
		host := documented + strings.TrimPrefix(p.local.String(), s.place)
		via, uri := "SIP/2.0/UDP "+host+";rport", "sip:"+name+"@"+host
		if p.conn != nil {
			uri = moved(p.contact, s.place, documented)
			_, host, _ := strings.Cut(uri, "@")
			host, _, _ = strings.Cut(host, ";")
			via = "SIP/2.0/" + p.transport + " " + host
		}
		pairs = append(pairs, "{"+role+"}", name, "{"+role+".node}", node, "{"+role+".uri}", uri, "{"+role+".via}", via)
	}
	r := strings.NewReplacer(pairs...)
	for _, x := range script {
		y := &block{head: r.Replace(x.head)}
		for _, l := range x.lines {
			y.lines = append(y.lines, r.Replace(l))
		}
		out = append(out, y)
	}
	return out
}

// expecting puts what is expected behind what is sent.
func expecting(script, wanted []*block) (out []*block) {
	for _, b := range script {
		out = append(out, b)
		if i := slices.IndexFunc(wanted, func(w *block) bool { return !w.is("<<< ") }); i >= 0 {
			wanted = wanted[i+1:]
		}
		for len(wanted) > 0 && wanted[0].is("<<< ") {
			out, wanted = append(out, wanted[0]), wanted[1:]
		}
	}
	return out
}

// briefly is what was played without what was only passed on: of what is sent
// the first line, of what is received the lines that nobody sent, and where it goes.
func (s *site) briefly(played []*block) (out []*block) {
	for _, b := range played {
		switch {
		case b.is(">>> "):
			out = append(out, &block{head: b.head + ": " + b.lines[0]})
		case b.is("<<< "):
			out = append(out, &block{head: b.head, lines: s.changed(b.lines)})
		default:
			out = append(out, b)
		}
	}
	return out
}

// changed are the first line, those that nobody sent in this scenario, and the
// names of the others.
func (s *site) changed(lines []string) (out []string) {
	out = append(out, lines[0])
	const same = "... "
	for _, l := range lines[1:] {
		name, _, header := strings.Cut(l, ":")
		switch {
		case !s.sent[l] || name == "Via" || name == "Record-Route":
			out = append(out, l)
			continue
		case !header:
			name = "body"
		}
		last := &out[len(out)-1]
		switch {
		case !strings.HasPrefix(*last, same):
			out = append(out, same+name)
		case !header && strings.HasSuffix(*last, name):
		default:
			*last += ", " + name
		}
	}
	return out
}
