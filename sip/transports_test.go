package sip

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

var transportOf = map[string]location.Transport{
	"udp": location.UDP, "tcp": location.TCP, "tls": location.TLS, "ws": location.WS, "wss": location.WSS,
}

// allTransports serves every transport, with a certificate for 127.0.0.1.
func allTransports(t testing.TB) func(*Config) {
	dir := t.TempDir()
	siptest.WriteCertificate(t, dir, "first")
	return func(c *Config) {
		c.TLS, c.WS, c.WSS = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		c.CertFile, c.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	}
}

// connect opens a connection of the transport.
func (w *world) connect(network string) (net.Conn, error) {
	return w.connectFrom(network, "127.0.0.1")
}

// connectFrom does so from a source; 127.0.0.0/8 is full of them.
func (w *world) connectFrom(network, source string) (net.Conn, error) {
	addr := w.server.Addr(transportOf[network]).String()
	if network == "udp" {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}
		return d.Dial("udp", addr)
	}
	c, err := w.stream(source, addr)
	if err != nil {
		return nil, err
	}
	if network == "tls" || network == "wss" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if network == "ws" || network == "wss" {
		return openWebSocket(c, addr)
	}
	return c, nil
}

// stream is a connection from a source to an address of the server, wherever that is.
func (w *world) stream(source, addr string) (net.Conn, error) {
	if memory, ok := w.cfg.Network.(*siptest.Network); ok {
		return memory.Dial(source+":0", addr)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return d.Dial("tcp", addr)
}

// inMemory serves every transport on a network in memory.
func inMemory(t testing.TB) func(*Config) {
	return func(c *Config) {
		allTransports(t)(c)
		c.Network = siptest.NewNetwork()
		c.UDP, c.TCP, c.TLS, c.WS, c.WSS = "192.0.2.1:5060", "192.0.2.1:5060", "192.0.2.1:5061", "192.0.2.1:5066", "192.0.2.1:5067"
	}
}

const testKey = "dGhlIHNhbXBsZSBub25jZQ=="

// upgradeRequest asks for a WebSocket; more header lines follow those it needs.
func upgradeRequest(host string, more ...string) string {
	lines := append([]string{"GET / HTTP/1.1", "Host: " + host, "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + testKey, "Sec-WebSocket-Protocol: chat, sip"}, more...)
	return strings.Join(append(lines, "", ""), "\r\n")
}

// openWebSocket makes the client's side of a WebSocket.
func openWebSocket(c net.Conn, host string) (net.Conn, error) {
	if _, err := io.WriteString(c, upgradeRequest(host)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	h := res.Header
	if res.StatusCode != 101 || h.Get("Sec-WebSocket-Protocol") != "sip" || h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return nil, fmt.Errorf("%s %v", res.Status, h)
	}
	return &webSocket{Conn: c, r: r}, nil
}

// webSocket is a client: each Write is one text frame, and Read yields what
// text and binary frames say.
type webSocket struct {
	net.Conn
	r    *bufio.Reader
	rest []byte
	pong func(payload []byte) // told of pongs
}

func (w *webSocket) Write(b []byte) (int, error) {
	kind := byte(0x81)
	if !utf8.Valid(b) {
		kind = 0x82
	}
	_, err := io.WriteString(w.Conn, siptest.ClientFrame(kind, string(b)))
	return len(b), err
}

func (w *webSocket) Read(b []byte) (int, error) {
	for len(w.rest) == 0 {
		first, payload, err := siptest.ServerFrame(w.r)
		switch {
		case err != nil:
			return 0, err
		case first == 0x88:
			return 0, io.EOF
		case first == 0x8a && w.pong != nil:
			w.pong(payload)
		case first == 0x81 || first == 0x82:
			w.rest = payload
		}
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// TestServer_AllTransports: a phone of each transport registers with a digest,
// is pinged over its connection, refreshes, and is out of service when the
// connection ends.
func TestServer_AllTransports(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.put(phoneDN("1001"))
	w.run()
	for _, network := range []string{"tcp", "tls", "ws", "wss"} {
		t.Run(network, func(t *testing.T) { w.lifeOfAPhone(t, network) })
	}
	if s := w.server.Stats(); s.Panics != 0 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

func (w *world) lifeOfAPhone(t *testing.T, network string) {
	l := w.dial(network)
	l.t = t
	name := strings.ToUpper(network)
	r := reg{dn: "1001", callID: network, cseq: 1, transport: name, headers: []string{"Contact: <sip:1001@x7f.invalid;transport=" + network + ">", "Expires: 600"}}
	for range 2 { // a registration and its refresh
		res := l.register(r)
		if res.code != 200 || !strings.Contains(res.get("Contact"), "x7f.invalid") || !strings.Contains(res.get("Via"), "SIP/2.0/"+name) {
			t.Fatalf("%+v", res)
		}
		r.cseq += 2
	}
	e := w.store.Get("1001")
	if len(e.Bindings) != 1 || e.Bindings[0].Transport != transportOf[network] || w.state("1001").State != dn.InSrv {
		t.Fatalf("%+v, %v", e, w.state("1001"))
	}
	w.written()
	w.server.pings.ping("1001", &e.Bindings[0], 1, time.Nanosecond, 5)
	branch := w.pinged()
	request := l.until("\r\n\r\n")
	if !strings.HasPrefix(request, "OPTIONS sip:1001@x7f.invalid") || !strings.Contains(request, "SIP/2.0/"+name+" ") || !strings.Contains(request, branch) {
		t.Errorf("%q", request)
	}
	l.send(string(pong(branch)))
	until(t, "the phone's answer counts", func() bool { return w.pinged() == "" })
	l.send("\r\n\r\n")
	if got := l.until("\r\n"); got != "\r\n" {
		t.Errorf("a keep-alive is answered %q", got)
	}
	l.conn.Close()
	until(t, "the binding ends", func() bool { return w.state("1001").State != dn.InSrv && w.server.flows.Len() == 0 })
}

// written waits until every answer is: a ping waits for no other write.
func (w *world) written() {
	w.t.Helper()
	until(w.t, "the answer is written", func() bool { return w.server.Held()["sip_unanswered"] == 0 })
}

// until reads to the end of what the server sends next.
func (l *line) until(end string) string {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(patience.Limit))
	buf := make([]byte, 65536)
	for {
		if head, after, ok := strings.Cut(string(l.rest), end); ok {
			l.rest = []byte(after)
			return head + end
		}
		n, err := l.conn.Read(buf)
		if err != nil {
			l.t.Fatalf("no %q: %v", end, err)
		}
		l.rest = append(l.rest, buf[:n]...)
	}
}

func reuseAddress(_, _ string, c syscall.RawConn) (err error) {
	outer := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
	return errors.Join(outer, err)
}

// TestServer_SamePeerOverTwoTransports: a connection to one port says nothing
// of another one that comes from the same address.
func TestServer_SamePeerOverTwoTransports(t *testing.T) {
	w := newWorld(t, allTransports(t))
	w.put(phoneDN("1001"))
	w.run()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: reuseAddress}
	from := func(network string) net.Conn {
		c, err := d.Dial("tcp", w.server.Addr(transportOf[network]).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		d.LocalAddr = c.LocalAddr()
		return c
	}
	up, err := openWebSocket(from("ws"), "h")
	if err != nil {
		t.Fatal(err)
	}
	ws, tcp := &line{t: t, conn: up}, &line{t: t, conn: from("tcp")}
	for _, l := range []*line{ws, tcp} {
		r := reg{dn: "1001", callID: fmt.Sprintf("%p", l), cseq: 1, transport: "TCP", headers: []string{fmt.Sprintf("Contact: <sip:1001@%p.invalid>", l)}}
		if res := l.register(r); res.code != 200 {
			t.Fatal(res)
		}
	}
	tcp.conn.Close()
	until(t, "the binding of one connection ends", func() bool { return len(w.store.Get("1001").Bindings) == 1 })
	if w.store.Get("1001").Bindings[0].Transport != location.WS {
		t.Error("the wrong one")
	}
	if res := ws.ask("OPTIONS sip:" + testRealm + " SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKo\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n\r\n"); res.code != 200 {
		t.Error(res)
	}
}
