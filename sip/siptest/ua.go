package siptest

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// UA is a Phone that places and takes calls, a step at a time as its script
// says. It answers by itself only what a script would not care about: requests
// within a call other than INVITE with 200, ACK not at all, and a call with 100.
type UA struct {
	*Phone
	incoming chan *Call

	mu    sync.Mutex
	open  map[string]*Call // by Call-ID and own tag
	auth  challenge
	extra func(*Message) bool
	as    string // see GiveAs

	repeats repeats
}

// Message is a request that arrived.
type Message struct {
	Method, URI string
	Body        string
	Response    // for its headers
}

// NewUA opens the socket of a phone that makes calls.
func NewUA(cfg Config) (*UA, error) {
	p, err := NewPhone(cfg)
	if err != nil {
		return nil, err
	}
	u := &UA{Phone: p, incoming: make(chan *Call, 64), open: map[string]*Call{}, repeats: repeats{over: map[string]bool{}, acks: map[string][]byte{}}}
	p.mu.Lock()
	p.calls = u
	p.mu.Unlock()
	return u, nil
}

// GiveAs has the phone give another Contact in its calls than the one that it registers.
func (u *UA) GiveAs(contact string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.as = contact
}

func (u *UA) contact() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return cmp.Or(u.as, u.Contact())
}

// OnRequest gives requests outside of calls to f, which answers them by
// Respond, or returns false.
func (u *UA) OnRequest(f func(*Message) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.extra = f
}

// Take waits for the next call that comes in.
func (u *UA) Take(ctx context.Context) (*Call, error) {
	select {
	case c := <-u.incoming:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-u.done:
		return nil, ErrClosed
	}
}

// Call is one call of a UA, placed or taken. Its methods are for one goroutine.
type Call struct {
	u *UA
	// ID is the Call-ID.
	ID string
	// Invite is the INVITE of a call that was taken.
	Invite *Message
	// Requests are what the other side asks within the call, ACK and CANCEL included.
	Requests chan *Message
	// Media are lines that this side's next offers have of their media.
	Media string
	// TellsNothing: this side agrees to a REFER without telling what becomes of it (RFC 4488).
	TellsNothing atomic.Bool

	placed        bool
	tag           string // own
	local, remote string // values of From and To as this side sends them
	target        string // the other side's Contact
	routes        []string
	cseq          uint32
	invite        Request // as it was sent last
	branch        string
	inviteSeq     uint32
	answers       chan *Response
	first         *Response // the first answer, not yet told
	challenge     atomic.Pointer[string]
}

// Place sends an INVITE to a URI, answers a challenge, and returns when
// something else came back, 100 perhaps. Next tells what.
func (u *UA) Place(ctx context.Context, uri string, headers ...string) (*Call, error) {
	tag := rand.Text()[:10]
	c := &Call{
		u: u, ID: rand.Text(), placed: true, tag: tag, Requests: make(chan *Message, 64), target: uri,
		local: fmt.Sprintf("<sip:%s@%s>;tag=%s", u.cfg.DN, u.cfg.Domain, tag), remote: "<" + uri + ">",
	}
	u.mu.Lock()
	u.open[c.ID+tag] = c
	u.mu.Unlock()
	c.invite = Request{Method: "INVITE", URI: uri, Headers: append([]string{"Contact: <" + u.contact() + ">", "Content-Type: application/sdp"}, headers...)}
	if err := c.sendInvite(); err != nil {
		return nil, err
	}
	var err error
	c.first, err = c.step(ctx)
	return c, err
}

func (c *Call) sendInvite() error {
	var err error
	c.branch, c.answers, err = c.send(c.invite, sdp)
	c.inviteSeq = c.cseq
	return err
}

// sdp is a session description like any other.
const sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

// Next waits for the next response to the INVITE but 100. A failure is
// acknowledged by itself; a 2xx is not.
func (c *Call) Next(ctx context.Context) (*Response, error) {
	res, err := c.first, error(nil)
	c.first = nil
	for {
		if res == nil || res.Code == 100 {
			res, err = c.step(ctx)
		}
		if err != nil || res.Code != 100 {
			return res, err
		}
	}
}

// step waits for the next response, whatever it is.
func (c *Call) step(ctx context.Context) (*Response, error) {
	for {
		res, err := c.u.next(ctx, c.answers)
		if err != nil {
			return nil, err
		}
		if res.Code >= 300 {
			c.hop("ACK", res.Header("To"))
		}
		if res.Code == 407 && c.challenged(res) {
			if err := c.sendInvite(); err != nil {
				return nil, err
			}
			continue
		}
		if res.Code > 100 && res.Code < 300 {
			c.learn(res)
		}
		return res, nil
	}
}

// Await waits for the response with the code; another final one is an error.
func (c *Call) Await(ctx context.Context, code int) (*Response, error) {
	for {
		res, err := c.Next(ctx)
		if err != nil || res.Code == code {
			return res, err
		}
		if res.Code >= 200 {
			return res, fmt.Errorf("siptest: %d %s, want %d", res.Code, res.Reason, code)
		}
	}
}

func (u *UA) next(ctx context.Context, answers <-chan *Response) (*Response, error) {
	select {
	case res := <-answers:
		return res, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-u.done:
		return nil, ErrClosed
	}
}

// challenged takes a challenge; false when the credentials were refused.
func (c *Call) challenged(res *Response) bool {
	c.u.mu.Lock()
	defer c.u.mu.Unlock()
	used := c.u.auth.nonce
	if !c.u.auth.parse(res.Header("Proxy-Authenticate")) {
		return false
	}
	return used == "" || c.u.auth.stale
}

// learn takes the dialog out of a response (RFC 3261 §12.1.2).
func (c *Call) learn(res *Response) {
	c.remote = res.Header("To")
	if contact := res.Header("Contact"); contact != "" {
		c.target = uriOf(contact)
	}
	c.routes = nil
	for _, v := range res.Headers("Record-Route") {
		for part := range strings.SplitSeq(v, ",") {
			c.routes = append([]string{strings.TrimSpace(part)}, c.routes...)
		}
	}
}

func uriOf(address string) string {
	_, rest, ok := strings.Cut(address, "<")
	if !ok {
		uri, _, _ := strings.Cut(address, ";")
		return uri
	}
	uri, _, _ := strings.Cut(rest, ">")
	return uri
}

// Ack acknowledges a 2xx to the INVITE, or to the last re-INVITE.
func (c *Call) Ack() error {
	ack := c.compose(Request{Method: "ACK", URI: c.target}, MagicCookie+rand.Text(), c.inviteSeq, "")
	c.u.acknowledges(c.branch, ack)
	_, err := c.u.conn.Write(ack)
	return err
}

// Cancel gives up a call that was placed; the INVITE's answer comes by Next.
func (c *Call) Cancel(headers ...string) { c.hop("CANCEL", "", headers...) }

// hop sends the ACK of a failure or a CANCEL: in the INVITE's transaction.
func (c *Call) hop(method, to string, headers ...string) {
	keep, routes := c.remote, c.routes
	if to != "" {
		c.remote = to
	}
	_ = c.write(Request{Method: method, URI: c.invite.URI, Headers: headers}, c.branch, c.inviteSeq, "") // lost is lost
	c.remote, c.routes = keep, routes
}

// Do sends a request within the call and returns its final response; for a
// re-INVITE Ack follows.
func (c *Call) Do(ctx context.Context, method string, headers ...string) (*Response, error) {
	body := ""
	if method == "INVITE" {
		headers = append([]string{"Contact: <" + c.u.contact() + ">", "Content-Type: application/sdp"}, headers...)
		body = sdp + c.Media
	}
	return c.do(ctx, method, body, headers)
}

// Notify tells who has asked for a call by REFER what becomes of it (RFC 3515 §2.4.5), by a
// status like "100 Trying".
func (c *Call) Notify(ctx context.Context, status string) (*Response, error) {
	return c.do(ctx, "NOTIFY", "SIP/2.0 "+status+"\r\n", []string{
		"Contact: <" + c.u.contact() + ">", "Event: refer", "Subscription-State: active;expires=60", "Content-Type: message/sipfrag",
	})
}

func (c *Call) do(ctx context.Context, method, body string, headers []string) (*Response, error) {
	_, answers, err := c.send(Request{Method: method, URI: c.target, Headers: headers}, body)
	if err != nil {
		return nil, err
	}
	if method == "INVITE" {
		c.inviteSeq = c.cseq
	}
	for {
		res, err := c.u.next(ctx, answers)
		if err != nil || res.Code >= 200 {
			return res, err
		}
	}
}

// Bye hangs up.
func (c *Call) Bye(ctx context.Context) (*Response, error) { return c.Do(ctx, "BYE") }

// Expect waits for a request of the method within the call and returns it.
func (c *Call) Expect(ctx context.Context, method string) (*Message, error) {
	for {
		select {
		case m := <-c.Requests:
			if m.Method == method {
				return m, nil
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("siptest: no %s: %w", method, ctx.Err())
		case <-c.u.done:
			return nil, ErrClosed
		}
	}
}

// send begins a client transaction.
func (c *Call) send(r Request, body string) (branch string, answers chan *Response, err error) {
	branch, answers = MagicCookie+rand.Text(), make(chan *Response, 64)
	c.cseq++
	seq, p := c.cseq, c.u.Phone
	p.mu.Lock()
	p.waiting[branch] = answers
	p.mu.Unlock()
	text := c.compose(r, branch, seq, body)
	if _, err := p.conn.Write(text); err != nil {
		return "", nil, err
	}
	c.u.again(branch, text)
	return branch, answers, nil
}

// write writes a request of the call.
func (c *Call) write(r Request, branch string, seq uint32, body string) error {
	_, err := c.u.conn.Write(c.compose(r, branch, seq, body))
	return err
}

// compose is a request of the call.
func (c *Call) compose(r Request, branch string, seq uint32, body string) []byte {
	u := c.u
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s %s SIP/2.0", r.Method, r.URI)
	line("Via: SIP/2.0/%s %s;rport;branch=%s", strings.ToUpper(u.cfg.Transport), u.Addr(), branch)
	line("Max-Forwards: 70")
	if r.Method != "CANCEL" && (r.Method != "ACK" || branch != c.branch) {
		for _, route := range c.routes {
			line("Route: %s", route)
		}
	}
	line("From: %s", c.local)
	line("To: %s", c.remote)
	line("Call-ID: %s", c.ID)
	line("CSeq: %d %s", seq, r.Method)
	for _, h := range r.Headers {
		line("%s", h)
	}
	if r.Method == "INVITE" {
		u.mu.Lock()
		if a := u.auth.answer(r.Method, r.URI, u.cfg.DN, u.cfg.Password); a != "" {
			line("Proxy-Authorization: %s", a)
		}
		u.mu.Unlock()
	}
	line("Content-Length: %d", len(body))
	line("")
	return []byte(b.String() + body)
}

// Within is a context for one step of a script.
func Within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
