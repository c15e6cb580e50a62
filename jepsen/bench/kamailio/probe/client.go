package main

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// client is one UDP socket towards one node. Answers are handed out by Call-ID.
type client struct {
	options
	conn    *net.UDPConn
	to      *net.UDPAddr
	start   int64
	serial  atomic.Int64
	mu      sync.Mutex
	waiting map[string]chan answer
}

// answer is a final response; code 0 means that none came.
type answer struct {
	code int
	text string
	at   time.Time
}

func newClient(o options, to *net.UDPAddr) (*client, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(o.bind)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(4 << 20) // as much as the system allows
	c := &client{options: o, conn: conn, to: to, start: time.Now().UnixNano(), waiting: make(map[string]chan answer)}
	go c.receive()
	return c, nil
}

func (c *client) receive() {
	b := make([]byte, 65536)
	for {
		n, err := c.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		now, text := time.Now(), string(b[:n])
		if err != nil || len(text) < 12 || !strings.HasPrefix(text, "SIP/2.0 ") {
			continue
		}
		code, err := strconv.Atoi(text[8:11])
		if err != nil || code < 200 {
			continue
		}
		c.mu.Lock()
		waiting := c.waiting[header(text, "Call-ID")]
		c.mu.Unlock()
		select {
		case waiting <- answer{code, text, now}: // nil when nobody waits: never ready
		default:
		}
	}
}

// ask sends a request and waits for its final answer; again repeats it as
// RFC 3261 timer E does.
func (c *client) ask(callID, text string, wait time.Duration, again bool) (sent time.Time, a answer) {
	answers := make(chan answer, 4)
	c.mu.Lock()
	c.waiting[callID] = answers
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, callID)
		c.mu.Unlock()
	}()
	sent = time.Now()
	end := time.After(wait)
	for t1 := 500 * time.Millisecond; ; t1 *= 2 {
		if _, err := c.conn.WriteToUDP([]byte(text), c.to); err != nil {
			return sent, answer{}
		}
		repeat := time.After(t1)
		if !again {
			repeat = nil
		}
		select {
		case a := <-answers:
			return sent, a
		case <-end:
			return sent, answer{}
		case <-repeat:
		}
	}
}

func (c *client) newID() string { return fmt.Sprintf("p%d-%d", c.start, c.serial.Add(1)) }

func (c *client) request(method, uri, from, dn, id string, cseq int, extra string) string {
	return fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch="+siptest.MagicCookie+"%s-%d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@%s>;tag=%d\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: %d %s\r\n%sContent-Length: 0\r\n\r\n",
		method, uri, c.conn.LocalAddr(), id, cseq, from, c.realm, c.serial.Add(1), dn, c.realm, id, cseq, method, extra)
}

// register answers a challenge if there is one. sent is when the first REGISTER went.
func (c *client) register(dn, contact string) (sent time.Time, a answer) {
	id, binding := c.newID(), fmt.Sprintf("Contact: <sip:%s@%s>\r\nExpires: 600\r\n", dn, contact)
	uri := "sip:" + c.realm
	sent, a = c.ask(id, c.request("REGISTER", uri, dn, dn, id, 1, binding), c.wait, true)
	if a.code == 401 {
		credentials := c.digest("REGISTER", header(a.text, "WWW-Authenticate"), dn)
		_, a = c.ask(id, c.request("REGISTER", uri, dn, dn, id, 2, binding+credentials), c.wait, true)
	}
	return sent, a
}

// find sends OPTIONS for the DN until one is answered 200; found is when that
// one was sent.
func (c *client) find(dn string, since time.Time) (found time.Time, tries int, ok bool) {
	for tries = 1; time.Since(since) < c.wait; tries++ {
		id := c.newID()
		uri := "sip:" + dn + "@" + c.realm
		sent, a := c.ask(id, c.request("OPTIONS", uri, dn, dn, id, 1, ""), 300*time.Millisecond, false)
		if a.code == 401 {
			sent, a = c.ask(id, c.request("OPTIONS", uri, dn, dn, id, 2, c.digest("OPTIONS", header(a.text, "WWW-Authenticate"), dn)), 300*time.Millisecond, false)
		}
		if a.code == 200 {
			return sent, tries, true
		}
	}
	return time.Time{}, tries, false
}

// digest answers a challenge (RFC 7616, MD5).
func (c *client) digest(method, challenge, user string) string {
	p := make(map[string]string)
	for field := range strings.SplitSeq(strings.TrimPrefix(challenge, "Digest "), ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(field), "="); ok {
			p[strings.ToLower(k)] = strings.Trim(v, `"`)
		}
	}
	uri := "sip:" + c.realm
	a1, a2 := md5Hex(user+":"+p["realm"]+":"+c.password), md5Hex(method+":"+uri)
	out := fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5`, user, p["realm"], p["nonce"], uri)
	if p["opaque"] != "" {
		out += fmt.Sprintf(`, opaque="%s"`, p["opaque"])
	}
	if !strings.Contains(p["qop"], "auth") {
		return out + fmt.Sprintf(", response=\"%s\"\r\n", md5Hex(a1+":"+p["nonce"]+":"+a2))
	}
	cnonce := md5Hex(c.newID())[:16]
	return out + fmt.Sprintf(", qop=auth, nc=00000001, cnonce=\"%s\", response=\"%s\"\r\n", cnonce, md5Hex(a1+":"+p["nonce"]+":00000001:"+cnonce+":auth:"+a2))
}

func md5Hex(s string) string {
	x := md5.Sum([]byte(s))
	return hex.EncodeToString(x[:])
}

func header(text, name string) string {
	i := strings.Index(strings.ToLower(text), "\r\n"+strings.ToLower(name)+":")
	if i < 0 {
		return ""
	}
	value, _, _ := strings.Cut(text[i+len(name)+3:], "\r\n")
	return strings.TrimSpace(value)
}

// newPhone answers every request with 200 and returns its address.
func newPhone(bind string) (addr string, err error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(bind)})
	if err != nil {
		return "", err
	}
	_ = conn.SetReadBuffer(4 << 20)
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDP(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if text := string(b[:n]); err == nil && !strings.HasPrefix(text, "SIP/2.0") {
				_, _ = conn.WriteToUDP([]byte(accept(text)), from)
			}
		}
	}()
	return conn.LocalAddr().String(), nil
}

// accept is the 200 to a request.
func accept(request string) string {
	out := "SIP/2.0 200 OK\r\n"
	for line := range strings.SplitSeq(request, "\r\n") {
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		switch name {
		case "to":
			if !strings.Contains(line, "tag=") {
				line += ";tag=phone"
			}
			out += line + "\r\n"
		case "via", "from", "call-id", "cseq", "record-route":
			out += line + "\r\n"
		}
	}
	return out + "Content-Length: 0\r\n\r\n"
}
