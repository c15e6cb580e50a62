package siptest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// Tag is the tag of the phone's own side.
func (c *Call) Tag() string { return c.tag }

// Ring answers a call that was taken with 180, Answer with 200, Refuse with a failure.
func (c *Call) Ring(headers ...string) error {
	return c.u.Respond(c.Invite, 180, "Ringing", c.tag, append([]string{"Contact: <" + c.u.contact() + ">"}, headers...)...)
}

// Answer takes the call.
func (c *Call) Answer(headers ...string) error {
	text := c.u.response(c.Invite, 200, "OK", c.tag, append([]string{"Contact: <" + c.u.contact() + ">"}, headers...)...)
	c.u.again(c.ID+c.tag, text)
	_, err := c.u.conn.Write(text)
	return err
}

// Refuse refuses it.
func (c *Call) Refuse(code int, reason string, headers ...string) error {
	return c.u.Respond(c.Invite, code, reason, c.tag, headers...)
}

// request takes a request; false leaves it to the Phone.
func (u *UA) request(m *Message) bool {
	p := u.Phone
	p.mu.Lock()
	mute := p.mute
	p.mu.Unlock()
	if mute {
		return false
	}
	if m.Method == "INVITE" && tagOf(m.Header("To")) == "" {
		u.ring(m)
		return true
	}
	id := m.Header("Call-ID")
	u.mu.Lock()
	c, extra := u.open[id+tagOf(m.Header("To"))], u.extra
	if c == nil && (m.Method == "CANCEL" || m.Method == "ACK") {
		c = u.open[id] // the INVITE of it is known by its Call-ID
	}
	u.mu.Unlock()
	if c != nil {
		c.request(m)
		return true
	}
	return extra != nil && extra(m)
}

// ring makes the call of a new INVITE.
func (u *UA) ring(m *Message) {
	u.mu.Lock()
	if u.open[m.Header("Call-ID")+m.Header("Via")] != nil {
		u.mu.Unlock()
		return // it came again
	}
	tag := rand.Text()[:10]
	c := &Call{
		u: u, ID: m.Header("Call-ID"), Invite: m, tag: tag, Requests: make(chan *Message, 64),
		local: m.Header("To") + ";tag=" + tag, remote: m.Header("From"), target: uriOf(m.Header("Contact")), cseq: 100,
	}
	for _, v := range m.Headers("Record-Route") {
		for part := range strings.SplitSeq(v, ",") {
			c.routes = append(c.routes, strings.TrimSpace(part))
		}
	}
	u.open[c.ID+tag], u.open[c.ID], u.open[c.ID+m.Header("Via")] = c, c, c
	u.mu.Unlock()
	_ = u.Respond(m, 100, "Trying", "") // however long the script takes, the phone is there
	select {
	case u.incoming <- c:
	default:
	}
}

func tagOf(address string) string {
	_, tag, _ := strings.Cut(address, ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return tag
}

// request answers what comes within a call, and reports it.
func (c *Call) request(m *Message) {
	ask := c.challenge.Load()
	switch {
	case m.Method == "ACK":
		c.u.repeats.end(c.ID + c.tag)
	case ask != nil && m.Method != "CANCEL":
		c.challenge.Store(nil)
		_ = c.u.Respond(m, 407, "Who?", c.tag, *ask)
	case m.Method == "CANCEL":
		_ = c.u.Respond(m, 200, "OK", c.tag)
	case m.Method == "INVITE":
		_ = c.u.Respond(m, 200, "OK", c.tag, "Contact: <"+c.u.contact()+">")
	case m.Method == "REFER" && c.TellsNothing.Load():
		_ = c.u.Respond(m, 200, "OK", c.tag, "Refer-Sub: false")
	default:
		_ = c.u.Respond(m, 200, "OK", c.tag)
	}
	select {
	case c.Requests <- m:
	default: // nobody reads them
	}
}

// Challenge has the next request within the call be answered 407 with a header.
func (c *Call) Challenge(header string) { c.challenge.Store(&header) }

var errUnknown = errors.New("siptest: no request to answer")

// Respond answers a request; tag is put on a To that has none.
func (u *UA) Respond(m *Message, code int, reason, tag string, headers ...string) error {
	if m == nil {
		return errUnknown
	}
	_, err := u.conn.Write(u.response(m, code, reason, tag, headers...))
	return err
}

// response is an answer to a request.
func (u *UA) response(m *Message, code int, reason, tag string, headers ...string) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("SIP/2.0 %d %s", code, reason)
	for _, h := range m.headers {
		switch strings.ToLower(h[0]) {
		case "to":
			if tag != "" && tagOf(h[1]) == "" {
				h[1] += ";tag=" + tag
			}
			line("To: %s", h[1])
		case "via", "from", "call-id", "cseq":
			line("%s: %s", h[0], h[1])
		case "record-route":
			if m.Method == "INVITE" && code < 300 {
				line("%s: %s", h[0], h[1])
			}
		}
	}
	for _, h := range headers {
		line("%s", h)
	}
	body := ""
	if m.Method == "INVITE" && code == 200 {
		body = sdp
		line("Content-Type: application/sdp")
	}
	line("Content-Length: %d", len(body))
	line("")
	return []byte(b.String() + body)
}
