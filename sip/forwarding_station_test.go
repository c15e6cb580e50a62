package sip

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/wake"
)

// station is one socket of a phone, a gateway, or the line between the nodes. It
// keeps what it receives for the transcript.
type station struct {
	name  string
	via   func(b []byte, to net.Addr) error
	local net.Addr
	conn  net.Conn // nil over UDP
	// Of conn, and what it is registered with.
	transport, contact string

	news wake.Signal

	mu      sync.Mutex
	got     []received
	trying  string // the last 100 of a node itself, which comes when a step takes long
	flushes int

	// Of the script's own.
	requests  map[string]string // the last of each method; by "" of all
	response  string            // the last one
	routes    []string
	challenge string
	count     int // of the nonce's uses
}

type received struct{ who, msg string }

const flushMark = "flush"

// phoneAt opens the UDP socket of a station.
func (s *site) phoneAt(name, addr string) *station {
	s.t.Helper()
	t := s.t
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &station{name: name, local: c.LocalAddr(), news: s.news}
	p.via = func(b []byte, to net.Addr) error {
		_, err := c.WriteTo(b, to)
		return err
	}
	go datagramsOf(c, func(msg string, _ net.Addr) { p.take(p.name, msg) })
	return p
}

func datagramsOf(c net.PacketConn, take func(string, net.Addr)) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		take(string(buf[:n]), from)
	}
}

// over has the station talk by a connection that it opened.
func (p *station) over(c net.Conn) {
	p.conn = c
	p.via = func(b []byte, _ net.Addr) error {
		_, err := c.Write(b)
		return err
	}
	go func() {
		for r := bufio.NewReader(c); ; {
			msg, err := readStreamed(r)
			if err != nil {
				return
			}
			p.take(p.name, msg)
		}
	}()
}

// readStreamed reads a message whose Content-Length is right.
func readStreamed(r *bufio.Reader) (string, error) {
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		head.WriteString(line)
	}
	length := 0
	if _, err := fmt.Sscan(headerOf(head.String(), "Content-Length"), &length); err != nil {
		return "", err
	}
	body := make([]byte, length)
	for n := 0; n < length; {
		k, err := r.Read(body[n:])
		if err != nil {
			return "", err
		}
		n += k
	}
	return head.String() + string(body), nil
}

func (p *station) take(who, msg string) {
	p.mu.Lock()
	defer p.news.Send()
	defer p.mu.Unlock()
	if msg == flushMark || headerOf(msg, "Call-ID") == flushMark {
		p.flushes++
		return
	}
	if strings.HasPrefix(msg, "SIP/2.0 100 Trying\r\n") {
		p.trying = msg
		return
	}
	p.got = append(p.got, received{who, msg})
}

// heardTrying takes a 100 among what was received; false when there is none.
func (p *station) heardTrying() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trying == "" {
		return false
	}
	p.got, p.trying = append(p.got, received{p.name, p.trying}), ""
	return true
}

// until waits for what a station receives.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	if !s.within(patience.Limit, ok) {
		s.t.Fatalf("never: %s", what)
	}
}

func (s *site) within(d time.Duration, ok func() bool) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	for !ok() {
		select {
		case <-late.C:
			return false
		case <-s.news:
		}
	}
	return true
}

func (p *station) received() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.got)
}

// taken empties what was received.
func (p *station) taken() []received {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

func (p *station) flushed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flushes
}

// flush waits until all that lies in the station's socket was read; over a
// connection it goes by way of the node.
func (s *site) flush(p *station, to net.Addr) {
	s.t.Helper()
	before, what := p.flushed(), flushMark
	if p.conn != nil {
		what, to = flushRequest(p.local, p.transport, before), nil
	}
	if err := p.via([]byte(what), to); err != nil {
		return // its connection is closed
	}
	s.until(p.name+" has read all", func() bool { return p.flushed() > before })
}

// flushRequest is an OPTIONS, which a node answers itself.
func flushRequest(from net.Addr, transport string, n int) string {
	return fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=z9hG4bKflush%s%d\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: %s\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n",
		testRealm, transport, from, transport, n, flushMark, n+1)
}

// learn keeps what templates refer to.
func (p *station) learn(msg string) {
	if !strings.HasPrefix(msg, "SIP/2.0 ") {
		method, _, _ := strings.Cut(msg, " ")
		if method == "ACK" {
			return // nobody answers it
		}
		p.requests[method], p.requests[""] = msg, msg
		if rr := headerLines(msg, "Record-Route"); rr != nil {
			p.routes = rr
		}
		return
	}
	p.response = msg
	for _, name := range []string{"Proxy-Authenticate", "WWW-Authenticate"} {
		if c := headerOf(msg, name); strings.Contains(c, `realm="`+testRealm) {
			p.challenge, p.count = c, 0
		}
	}
	if rr := headerLines(msg, "Record-Route"); rr != nil { // the last entry is the nearest
		p.routes = nil
		for _, l := range rr {
			p.routes = append([]string{l}, p.routes...)
		}
	}
}

// forget begins a scenario.
func (p *station) forget() {
	p.requests, p.response, p.routes = map[string]string{}, "", nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trying = ""
}

// fill writes a message of the script as it goes out. A response answers the
// last request of the method, of any for "".
func (p *station) fill(text, method string) string {
	from := p.response
	if strings.HasPrefix(text, "SIP/2.0 ") {
		from = p.requests[method]
	}
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	var lines []string
	for l := range strings.SplitSeq(head, "\r\n") {
		name, suffix, ok := strings.Cut(strings.TrimPrefix(l, "{"), "}")
		if !ok || l[0] != '{' {
			lines = append(lines, p.value(l, text, len(body)))
			continue
		}
		copied := headerLines(from, name)
		if name == "Route" {
			copied = nil
			for _, r := range p.routes {
				copied = append(copied, "Route"+r[len("Record-Route"):])
			}
		}
		if n := len(copied); n > 0 {
			copied[n-1] += suffix
		}
		lines = append(lines, copied...)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// value fills in what only the run knows.
func (p *station) value(line, msg string, length int) string {
	line = strings.ReplaceAll(line, "{length}", fmt.Sprint(length))
	if !strings.Contains(line, "{credentials}") {
		return line
	}
	p.count++
	method, _, _ := strings.Cut(msg, " ")
	user, _, _ := strings.Cut(p.name, ".")
	return strings.ReplaceAll(line, "{credentials}", authorizeFor(method, p.challenge, user, "pw"+user, p.count))
}

// register registers the station's DN with headers.
func (s *site) register(p *station, node net.Addr, transport string, headers ...string) {
	s.t.Helper()
	number, _, _ := strings.Cut(p.name, ".")
	r := reg{dn: number, callID: "register" + p.name, cseq: 1, headers: headers, transport: transport}
	for want := 401; ; want = 200 {
		if err := p.via([]byte(r.String()), node); err != nil {
			s.t.Fatal(err)
		}
		s.until(p.name+" is answered", func() bool { return p.received() > 0 })
		got := p.taken()[0].msg
		if !strings.HasPrefix(got, fmt.Sprintf("SIP/2.0 %d ", want)) {
			s.t.Fatalf("%s: want %d, got\n%s", p.name, want, got)
		}
		p.learn(got)
		if want == 200 {
			return
		}
		r.cseq++
		p.count++
		r.auth = authorize(p.challenge, number, "pw"+number, p.count)
	}
}
