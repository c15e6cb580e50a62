package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// gateway places calls at a node over one UDP socket, as one that the node
// knows by its address: INVITE, 200, ACK, and after the hold BYE, 200.
type gateway struct {
	to       netip.AddrPort
	conn     *net.UDPConn
	realm    string
	run      string        // what the Call-IDs have behind the number
	hold     time.Duration // of a call
	patience int           // how often a request is sent again
	ended    chan struct{}

	mu      sync.Mutex
	open    map[int]*placed
	sent    map[int]time.Time // the INVITE of every call
	hangups []hangup          // in their order
	trips   []trip            // of all calls that came about
	result  result
	changed chan struct{} // closed and replaced when a call is over
}

// placed is a call on its way.
type placed struct {
	called     string
	sent       time.Time
	up, leaves bool
	rings      bool
	acked      []byte // the ACK of the 2xx
	dialog     dialog
	out        []byte
	next       time.Time
	resends    int
	bye        time.Time
}

type hangup struct {
	call int
	at   time.Time
}

// trip is a request of a call and its final answer.
type trip struct {
	call int
	sent time.Time
	took time.Duration
}

// result is what became of the calls.
type result struct {
	placed, done int
	sending      time.Duration  // how long it took to place them
	failed       map[string]int // why, and how often
	refused      int            // of those: 503 with Retry-After
	resent       int
	answered     []float64 // INVITE to its final answer, ms
	released     []float64 // BYE to 200, ms
}

// newGateway makes one beside the node; its address is to become a trunk's.
func newGateway(ctx context.Context, n *cluster.Node, realm, name string) (*gateway, error) {
	pc, err := n.Phones().ListenPacket(ctx, 0)
	if err != nil {
		return nil, err
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("a %T is no UDP socket", pc)
	}
	return gatewayOn(conn, n.Addr(cluster.SIP), realm, name), nil
}

func gatewayOn(conn *net.UDPConn, to netip.AddrPort, realm, name string) *gateway {
	_ = conn.SetReadBuffer(4 << 20) // as much as the system allows
	g := &gateway{
		to: to, conn: conn, realm: realm, run: fmt.Sprintf("%s.%d", name, time.Now().UnixNano()),
		hold: 50 * time.Millisecond, patience: 6, ended: make(chan struct{}),
		open: make(map[int]*placed), sent: make(map[int]time.Time), changed: make(chan struct{}),
	}
	g.result.failed = make(map[string]int)
	go g.receive()
	return g
}

func (g *gateway) close() {
	_ = g.conn.Close()
	<-g.ended
}

func (g *gateway) address() string { return g.conn.LocalAddr().String() }

// place sends the INVITE of one call.
func (g *gateway) place(call int, called string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := &placed{called: called}
	c.out = g.request("INVITE", call, c, sdp)
	g.open[call] = c
	g.result.placed++
	c.sent = time.Now()
	g.sent[call] = c.sent
	g.transmit(c, c.sent)
}

// request writes an INVITE, or a request within the dialog.
func (g *gateway) request(method string, call int, c *placed, text string) []byte {
	target, to, cseq := fmt.Sprintf("sip:%s@%s", c.called, g.realm), fmt.Sprintf("<sip:%s@%s>", c.called, g.realm), 1
	branch := fmt.Sprintf(siptest.MagicCookie+"%s%d-%s", method, call, g.run)
	if c.up {
		target, to = c.dialog.target, c.dialog.to
	}
	if method == "BYE" {
		cseq = 2
	}
	b := fmt.Appendf(make([]byte, 0, 1024), "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\n", method, target, g.address(), branch)
	for _, r := range c.dialog.routes {
		b = fmt.Appendf(b, "Route: %s\r\n", r)
	}
	b = fmt.Appendf(b, "From: <sip:+15550001@%s>;tag=g%d\r\nTo: %s\r\nCall-ID: %d-%s\r\nCSeq: %d %s\r\n", g.realm, call, to, call, g.run, cseq, method)
	if method == "INVITE" {
		b = fmt.Appendf(b, "Contact: <sip:gw@%s>\r\n", g.address())
	}
	return body(b, text)
}

// transmit sends what is to be repeated; the caller holds mu.
func (g *gateway) transmit(c *placed, now time.Time) {
	c.next = now.Add(t1 << min(c.resends, 3))
	g.send(c.out)
}

func (g *gateway) send(b []byte) {
	_, _ = g.conn.WriteToUDPAddrPort(b, g.to) // what is lost is repeated
}

func (g *gateway) receive() {
	defer close(g.ended)
	b := make([]byte, 8192)
	for {
		n, _, err := g.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of a node that is down
		}
		if m, ok := parseIncoming(b[:n], g.run); ok && m.code > 0 {
			g.answered(&m, time.Now())
		}
	}
}

func (g *gateway) answered(m *incoming, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.open[m.call]
	switch {
	case m.is("INVITE") && m.code >= 300:
		g.refused(m, c, now)
	case c == nil:
	case m.is("BYE") && c.leaves && m.code >= 200:
		g.result.released = append(g.result.released, ms(now.Sub(c.bye)))
		g.trips = append(g.trips, trip{m.call, c.bye, now.Sub(c.bye)})
		g.end(m.call, "", m.code)
	case !m.is("INVITE"):
	case m.code < 200:
		c.rings = true
	case c.up:
		g.send(c.acked)
	default:
		g.established(m, c, now)
	}
}

func (g *gateway) established(m *incoming, c *placed, now time.Time) {
	c.up, c.dialog = true, dialogOf(m)
	g.result.answered = append(g.result.answered, ms(now.Sub(c.sent)))
	g.trips = append(g.trips, trip{m.call, c.sent, now.Sub(c.sent)})
	c.acked = g.request("ACK", m.call, c, "")
	g.send(c.acked)
	c.out = nil
	g.hangups = append(g.hangups, hangup{m.call, now.Add(g.hold)})
}

// refused acknowledges a final answer of 300 and more, which belongs to the
// INVITE's transaction.
func (g *gateway) refused(m *incoming, c *placed, now time.Time) {
	if c != nil && !c.up {
		if m.code == 503 && len(header(m.raw, "\r\nRetry-After:")) > 0 {
			g.result.refused++
		}
		g.result.answered = append(g.result.answered, ms(now.Sub(c.sent)))
		g.end(m.call, "answered", m.code)
	}
	uri, _, _ := bytes.Cut(bytes.TrimPrefix(header(m.raw, "\r\nTo:"), []byte("<")), []byte(">"))
	g.send(fmt.Appendf(nil, "ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch="+siptest.MagicCookie+"INVITE%d-%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:+15550001@%s>;tag=g%d\r\nTo: %s\r\nCall-ID: %d-%s\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
		uri, g.address(), m.call, g.run, g.realm, m.call, header(m.raw, "\r\nTo:"), m.call, g.run))
}

// end notes what became of the call; the caller holds mu.
func (g *gateway) end(call int, why string, code int) {
	switch delete(g.open, call); {
	case why == "" && code == 200:
		g.result.done++
	case why == "":
		g.result.failed[fmt.Sprintf("BYE answered %d", code)]++
	case code > 0:
		g.result.failed[fmt.Sprintf("%s %d", why, code)]++
	default:
		g.result.failed[why]++
	}
	if len(g.open) == 0 {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// tend hangs up and repeats what is due, until ctx ends.
func (g *gateway) tend(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			g.hangUp(now)
			if i%20 == 0 {
				g.resend(now)
			}
		}
	}
}

func (g *gateway) hangUp(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.hangups) > 0 && !now.Before(g.hangups[0].at) {
		h := g.hangups[0]
		g.hangups = g.hangups[1:]
		c := g.open[h.call]
		if c == nil {
			continue
		}
		c.leaves, c.resends, c.bye = true, 0, now
		c.out = g.request("BYE", h.call, c, "")
		g.transmit(c, now)
	}
}

func (g *gateway) resend(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.open {
		if c.out == nil || now.Before(c.next) || c.rings && !c.leaves && now.Sub(c.sent) < 10*time.Second {
			continue
		}
		if c.resends++; c.resends > g.patience {
			g.end(i, "no answer", 0)
			continue
		}
		g.result.resent++
		g.transmit(c, now)
	}
}

// load places count calls, numbered from first on, at a rate, and waits until
// all are over.
func (g *gateway) load(ctx context.Context, first, count, rate int, called func(call int) string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go g.tend(ctx)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for i := range count {
		for time.Since(start) < time.Duration(i)*time.Second/time.Duration(rate) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
		g.place(first+i, called(first+i))
	}
	g.mu.Lock()
	g.result.sending = time.Since(start)
	g.mu.Unlock()
	return g.settle(ctx)
}

// settle waits until no call is open.
func (g *gateway) settle(ctx context.Context) error {
	for {
		g.mu.Lock()
		left, changed := len(g.open), g.changed
		g.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// take returns what became of the calls since it was asked last.
func (g *gateway) take() result {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.result
	r.failed = maps.Clone(r.failed)
	g.result = result{failed: make(map[string]int)}
	return r
}
