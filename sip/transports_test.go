package sip

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

var transportOf = map[string]location.Transport{
	"udp": location.UDP, "tcp": location.TCP, "tls": location.TLS, "ws": location.WS, "wss": location.WSS,
}

// allTransports serves every transport, with a certificate for 127.0.0.1.
func allTransports(t testing.TB) func(*Config) {
	dir := t.TempDir()
	writeCertificate(t, dir, "first")
	return func(c *Config) {
		c.TLS, c.WS, c.WSS = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		c.CertFile, c.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	}
}

// writeCertificate puts cert.pem and key.pem of a name into dir, each at once.
func writeCertificate(t testing.TB, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: private}} {
		putFile(t, filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600)
	}
}

func putFile(t testing.TB, name string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// connect opens a connection of the transport.
func (w *world) connect(network string) (net.Conn, error) {
	addr := w.server.Addr(transportOf[network]).String()
	if network == "udp" {
		return net.Dial("udp", addr)
	}
	c, err := net.Dial("tcp", addr)
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

// clientFrame is a frame as a client sends it, masked.
func clientFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = append(b, 0x80|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	mask := [4]byte{1, 2, 3, 0xf4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return string(b)
}

func (w *webSocket) Write(b []byte) (int, error) {
	kind := byte(0x81)
	if !utf8.Valid(b) {
		kind = 0x82
	}
	_, err := io.WriteString(w.Conn, clientFrame(kind, string(b)))
	return len(b), err
}

// frame reads the server's next frame.
func (w *webSocket) frame() (first byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(w.r, head); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		size := make([]byte, 2)
		if _, err := io.ReadFull(w.r, size); err != nil {
			return 0, nil, err
		}
		n = int(size[0])<<8 | int(size[1])
	}
	if n > 0xffff || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("frame of a server with %x", head)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.r, payload)
	return head[0], payload, err
}

func (w *webSocket) Read(b []byte) (int, error) {
	for len(w.rest) == 0 {
		first, payload, err := w.frame()
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
	written(t, w.server.flows.get(flowKey{e.Bindings[0].Transport, e.Bindings[0].Source}))
	w.server.pings.ping("1001", &e.Bindings[0], 1, 5)
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
	until(t, "the binding ends", func() bool { return w.state("1001").State != dn.InSrv && w.server.flows.len() == 0 })
}

// written waits until nothing is being written: a ping waits for no other write.
func written(t *testing.T, f *flow) {
	t.Helper()
	until(t, "the answer is written", func() bool {
		free := f.writing.TryLock()
		if free {
			f.writing.Unlock()
		}
		return free
	})
}

// until reads to the end of what the server sends next.
func (l *line) until(end string) string {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
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
