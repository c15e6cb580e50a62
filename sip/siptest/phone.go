// Package siptest is a scripted SIP phone for tests, demonstrations and
// measurements: it speaks real SIP over real sockets, UDP or TCP. It shares no
// code with the server on purpose, so that a fault in reading or writing
// messages can't hide on both sides.
package siptest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// MagicCookie begins the branches that a phone makes (RFC 3261 §8.1.1.7).
const MagicCookie = message.MagicCookie

// Config of a Phone.
type Config struct {
	// DN is the user part of the address and the user of the credentials.
	DN       string
	Password string
	// Domain is the SIP domain, the cluster's realm; "" takes the server's host.
	Domain string
	// Server is host:port of the node to talk to.
	Server string
	// Local is the address to bind, "IP" or "IP:port"; "" leaves it to the system.
	Local string
	// Transport is "udp", "tcp", "tls" (any certificate will do) or "ws"; "" means udp.
	Transport string
	// Conn is its socket, with a datagram a Read and a Write; nil opens one. Local and
	// Network are not used then.
	Conn net.Conn
	// Network is where the phone is; nil means this machine's.
	Network *Network
	// User is the user part of its Contact; "" means the DN.
	User string
	// UserAgent is what the phone calls itself; "" means siptest.
	UserAgent string
	// Params are said of the contact that it registers, with their ";".
	Params string
	// Repeats has a UA send again over UDP what it gets no answer to; without it datagrams
	// must not get lost.
	Repeats bool
	// Heard is told each request that arrives and is none of a call's, before it
	// is answered; nil for nobody.
	Heard func(*Message)
}

// ErrClosed says that the phone, or its connection, is closed.
var ErrClosed = errors.New("siptest: the phone is closed")

// Phone is one phone with one socket. Its methods may be called by several
// goroutines; requests go out one after the other.
type Phone struct {
	cfg  Config
	conn net.Conn
	done chan struct{} // closed when nothing is received any more

	// turn is held by whoever sends a request.
	turn   chan struct{}
	callID string
	tag    string
	cseq   uint32
	auth   challenge

	mu      sync.Mutex
	waiting map[string]chan *Response // by branch
	mute    bool
	asked   int
	calls   *UA // nil for a phone that makes no calls
}

// NewPhone opens the socket and begins to answer what arrives. Close ends it.
func NewPhone(cfg Config) (*Phone, error) {
	if cfg.Transport == "" {
		cfg.Transport = "udp"
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "siptest"
	}
	host, _, err := net.SplitHostPort(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("siptest: server %q: %w", cfg.Server, err)
	}
	if cfg.Domain == "" {
		cfg.Domain = host
	}
	conn, err := dial(cfg)
	if err != nil {
		return nil, fmt.Errorf("siptest: %w", err)
	}
	p := &Phone{
		cfg: cfg, conn: conn, done: make(chan struct{}), turn: make(chan struct{}, 1),
		callID: rand.Text(), tag: rand.Text()[:8], waiting: map[string]chan *Response{},
	}
	go p.receive()
	return p, nil
}

func dial(cfg Config) (net.Conn, error) {
	if cfg.Conn != nil {
		return cfg.Conn, nil
	}
	if cfg.Network != nil {
		return cfg.Network.dial(cfg)
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	if cfg.Local != "" {
		local := cfg.Local
		if _, _, err := net.SplitHostPort(local); err != nil {
			local = net.JoinHostPort(local, "0")
		}
		var err error
		switch cfg.Transport {
		case "udp":
			d.LocalAddr, err = net.ResolveUDPAddr("udp", local)
		default:
			d.LocalAddr, err = net.ResolveTCPAddr("tcp", local)
		}
		if err != nil {
			return nil, err
		}
	}
	if cfg.Transport == "udp" {
		return d.Dial("udp", cfg.Server)
	}
	return connect(&d, cfg)
}

// Close closes the socket without a word to the server, as a phone that lost
// its power would.
func (p *Phone) Close() {
	p.conn.Close()
	<-p.done
}

// Addr is the phone's own address.
func (p *Phone) Addr() string { return p.conn.LocalAddr().String() }

// Contact is the URI that the phone registers.
func (p *Phone) Contact() string {
	user := cmp.Or(p.cfg.User, p.cfg.DN)
	if p.cfg.Transport == "udp" {
		return fmt.Sprintf("sip:%s@%s", user, p.Addr())
	}
	return fmt.Sprintf("sip:%s@%s;transport=%s", user, p.Addr(), p.cfg.Transport)
}

// Mute makes the phone ignore requests, or answer them again.
func (p *Phone) Mute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = on
}

// Asked counts the requests that arrived at the phone.
func (p *Phone) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Register registers the phone's contact, answering a challenge. The response
// is the final one, whatever its code; the error says that there was none.
func (p *Phone) Register(ctx context.Context, expires time.Duration) (*Response, error) {
	return p.Do(ctx, Request{Method: "REGISTER", Headers: []string{
		"Contact: <" + p.Contact() + ">" + p.cfg.Params, "Expires: " + strconv.Itoa(int(expires/time.Second))}})
}

// Unregister takes the phone's registration back.
func (p *Phone) Unregister(ctx context.Context) (*Response, error) { return p.Register(ctx, 0) }

// UnregisterAll takes all registrations of the DN back.
func (p *Phone) UnregisterAll(ctx context.Context) (*Response, error) {
	return p.Do(ctx, Request{Method: "REGISTER", Headers: []string{"Contact: *", "Expires: 0"}})
}

// Query asks which contacts are registered.
func (p *Phone) Query(ctx context.Context) (*Response, error) {
	return p.Do(ctx, Request{Method: "REGISTER"})
}

// Options asks the server for its abilities.
func (p *Phone) Options(ctx context.Context) (*Response, error) {
	return p.Do(ctx, Request{Method: "OPTIONS"})
}

// Stay registers and refreshes at half the granted lifetime until ctx ends, or
// the server refuses or does not answer. It does not unregister.
func (p *Phone) Stay(ctx context.Context, expires time.Duration) error {
	for {
		res, err := p.Register(ctx, expires)
		if err != nil {
			return err
		}
		if res.Code != 200 {
			return fmt.Errorf("siptest: REGISTER of %s: %d %s", p.cfg.DN, res.Code, res.Reason)
		}
		granted := expires
		if s, ok := res.Expires(p.Contact()); ok {
			granted = s
		}
		t := time.NewTimer(granted / 2)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-p.done:
			t.Stop()
			return ErrClosed
		case <-t.C:
		}
	}
}

// Request is a request of any method; what is left empty is filled in.
type Request struct {
	Method string
	// URI is the Request-URI; "" means the domain.
	URI string
	// To is the To header's value without tag; "" means the DN's address.
	To string
	// Headers are further header lines without line end.
	Headers []string
}

// Do sends a request, repeats it over UDP as RFC 3261 §17.1.2 says, answers a
// challenge once, and returns the final response.
func (p *Phone) Do(ctx context.Context, r Request) (*Response, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	if r.URI == "" {
		r.URI = "sip:" + p.cfg.Domain
	}
	if r.To == "" {
		r.To = fmt.Sprintf("<sip:%s@%s>", p.cfg.DN, p.cfg.Domain)
	}
	res, err := p.once(ctx, r)
	if err != nil || res.Code != 401 && res.Code != 407 {
		return res, err
	}
	asks := "WWW-Authenticate"
	if res.Code == 407 {
		asks = "Proxy-Authenticate"
	}
	// The nonce that was used may have aged; credentials that are wrong stay wrong.
	known := p.auth.nonce != ""
	refused := res.Code
	if !p.auth.parse(res.Header(asks)) {
		return res, nil
	}
	if res, err = p.once(ctx, r); err == nil && res.Code == refused && known && p.auth.parse(res.Header(asks)) && p.auth.stale {
		return p.once(ctx, r)
	}
	return res, err
}

// once is one client transaction.
func (p *Phone) once(ctx context.Context, r Request) (*Response, error) {
	branch := MagicCookie + rand.Text()
	got := make(chan *Response, 4)
	p.mu.Lock()
	p.waiting[branch] = got
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, branch)
		p.mu.Unlock()
	}()
	text := p.write(r, branch)
	const t1, t2 = 500 * time.Millisecond, 4 * time.Second
	give := time.NewTimer(64 * t1)
	defer give.Stop()
	for interval := t1; ; interval = min(2*interval, t2) {
		// A server that is down for the moment refuses datagrams; it may be back
		// for the next.
		if _, err := p.conn.Write(text); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("siptest: %w", err)
		}
		again := time.NewTimer(interval)
		res, err := p.await(ctx, got, again.C, give.C)
		again.Stop()
		if res != nil || err != nil {
			return res, err
		}
	}
}

// await returns a final response, an error, or nothing when it is time to repeat.
func (p *Phone) await(ctx context.Context, got <-chan *Response, again, give <-chan time.Time) (*Response, error) {
	if p.cfg.Transport != "udp" {
		again = nil
	}
	for {
		select {
		case res := <-got:
			if res.Code >= 200 {
				return res, nil
			}
		case <-again:
			return nil, nil
		case <-give:
			return nil, errors.New("siptest: no answer in 32 s")
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.done:
			return nil, ErrClosed
		}
	}
}

// credentials is the header that carries them: a proxy asks for those of
// requests that it passes on (RFC 3261 §22.3).
func credentials(method string) string {
	if method == "REGISTER" || method == "OPTIONS" {
		return "Authorization"
	}
	return "Proxy-Authorization"
}

func (p *Phone) write(r Request, branch string) []byte {
	p.cseq++
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s %s SIP/2.0", r.Method, r.URI)
	line("Via: SIP/2.0/%s %s;rport;branch=%s", strings.ToUpper(p.cfg.Transport), p.Addr(), branch)
	line("Max-Forwards: 70")
	line("From: <sip:%s@%s>;tag=%s", p.cfg.DN, p.cfg.Domain, p.tag)
	line("To: %s", r.To)
	line("Call-ID: %s", p.callID)
	line("CSeq: %d %s", p.cseq, r.Method)
	for _, h := range r.Headers {
		line("%s", h)
	}
	if a := p.auth.answer(r.Method, r.URI, p.cfg.DN, p.cfg.Password); a != "" {
		line("%s: %s", credentials(r.Method), a)
	}
	line("User-Agent: %s", p.cfg.UserAgent)
	line("Content-Length: 0")
	line("")
	return []byte(b.String())
}
