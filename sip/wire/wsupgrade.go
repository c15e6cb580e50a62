package wire

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// MaxUpgrade is the longest HTTP request that may ask for a WebSocket.
const MaxUpgrade = 8 << 10

// upgrader turns an HTTP connection into a WebSocket for SIP (RFC 6455 §4.2,
// RFC 7118 §4).
type upgrader struct {
	// origins are those of pages that may come; empty means any. Who is no
	// browser says none and may come.
	origins []string
}

// refusal is the answer to a request that asks for no WebSocket of ours.
type refusal struct {
	code   int
	reason string
	header string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.code, r.reason) }

// upgrade is past TLS, if there is any.
func (u *upgrader) upgrade(c net.Conn) (net.Conn, error) {
	key, err := u.request(c)
	var no *refusal
	if errors.As(err, &no) {
		fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
			no.code, http.StatusText(no.code), no.header, len(no.reason)+1, no.reason)
		farewell(c)
	}
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: sip\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	if err != nil {
		return nil, err
	}
	return &wsConn{Conn: c}, nil
}

// request reads the one request and returns its Sec-WebSocket-Key.
func (u *upgrader) request(c net.Conn) (string, error) {
	limited := &io.LimitedReader{R: c, N: MaxUpgrade}
	r := bufio.NewReader(limited)
	req, err := http.ReadRequest(r)
	var broken net.Error
	switch {
	case err != nil && limited.N <= 0:
		return "", &refusal{code: 431, reason: "the request is too long"}
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", err
	case err != nil:
		return "", &refusal{code: 400, reason: "not an HTTP request"}
	case r.Buffered() > 0 || req.ContentLength != 0 || len(req.TransferEncoding) > 0:
		return "", &refusal{code: 400, reason: "something follows the request before it is answered"}
	}
	if no := u.judge(req); no != nil {
		return "", no
	}
	return req.Header.Get("Sec-WebSocket-Key"), nil
}

func (u *upgrader) judge(req *http.Request) *refusal {
	h := req.Header
	keys := h.Values("Sec-WebSocket-Key")
	switch {
	case req.Method != http.MethodGet:
		return &refusal{405, "want GET", "Allow: GET\r\n"}
	case !req.ProtoAtLeast(1, 1) || req.Host == "":
		return &refusal{code: 400, reason: "want HTTP/1.1 with a Host"}
	case !lists(h, "Upgrade", "websocket") || !lists(h, "Connection", "upgrade"):
		return &refusal{426, "this is a WebSocket for SIP phones", "Upgrade: websocket\r\n"}
	case len(h.Values("Sec-WebSocket-Version")) != 1 || h.Get("Sec-WebSocket-Version") != "13":
		return &refusal{426, "want Sec-WebSocket-Version 13", "Sec-WebSocket-Version: 13\r\n"}
	case len(keys) != 1 || !validKey(keys[0]):
		return &refusal{code: 400, reason: "bad Sec-WebSocket-Key"}
	case !lists(h, "Sec-WebSocket-Protocol", "sip"):
		return &refusal{code: 400, reason: "want Sec-WebSocket-Protocol sip"}
	case !u.welcome(h.Values("Origin")):
		return &refusal{code: 403, reason: "pages of this origin may not come"}
	}
	return nil
}

func validKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(b) == 16
}

// lists tells whether a word stands in a list of a header.
func lists(h http.Header, name, word string) bool {
	for _, v := range h.Values(name) {
		if message.Lists([]byte(v), word) {
			return true
		}
	}
	return false
}

func (u *upgrader) welcome(origin []string) bool {
	if len(u.origins) == 0 || len(origin) == 0 {
		return true
	}
	for _, o := range u.origins {
		if len(origin) == 1 && strings.EqualFold(o, origin[0]) {
			return true
		}
	}
	return false
}

// then joins two handshakes.
func then(first, second func(net.Conn) (net.Conn, error)) func(net.Conn) (net.Conn, error) {
	return func(c net.Conn) (net.Conn, error) {
		c, err := first(c)
		if err != nil {
			return nil, err
		}
		up, err := second(c)
		if err != nil {
			_ = c.SetDeadline(time.Now().Add(closingTime))
			c.Close()
		}
		return up, err
	}
}
