package main

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// password of every phone.
const password = "secret"

// fleet is a number of phones that register at one node over one UDP socket,
// each time as a phone does that has no nonce yet: REGISTER, 401, REGISTER, 200.
type fleet struct {
	to      netip.AddrPort
	conn    *net.UDPConn
	words   *wording
	release chan struct{} // window
	ended   chan struct{} // of the receiver

	mu      sync.Mutex
	phones  []phone
	open    map[int]bool // phones with an outstanding request
	settled int
	passed  int // of them, those that were passed over
	resends int
	done    chan struct{} // closed when run's last phone is settled
	want    int
	// requests takes what is no answer: calls (nil: nobody does).
	requests func(b []byte, from netip.AddrPort)
}

// window is how many phones of a fleet register at one time at most.
const window = 48

// newFleet makes phones for the DNs, in the node's site.
func newFleet(ctx context.Context, n *cluster.Node, realm string, numbers []string) (*fleet, error) {
	pc, err := n.Phones().ListenPacket(ctx, 0)
	if err != nil {
		return nil, err
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		return nil, fmt.Errorf("a %T is no UDP socket", pc)
	}
	_ = conn.SetReadBuffer(4 << 20) // as much as the system allows
	f := &fleet{to: n.Addr(cluster.SIP), conn: conn, open: make(map[int]bool), release: make(chan struct{}, window), ended: make(chan struct{})}
	f.words = newWording(realm, conn.LocalAddr().String(), fmt.Sprintf("%s.%d", n.Name(), time.Now().UnixNano()), 7200)
	for _, number := range numbers {
		f.phones = append(f.phones, phone{number: number, ha1: string(hexMD5(nil, []byte(number+":"+realm+":"+password)))})
	}
	go f.receive()
	return f, nil
}

func (f *fleet) close() {
	_ = f.conn.Close()
	<-f.ended
}

// outcome of a run.
type outcome struct {
	accepted, failed, resent int
	took                     time.Duration
	why                      string // of one failure
}

// run makes count phones register, in turn from the one numbered first, over
// and over: at the given rate in registrations/s, or as fast as it goes (0). A phone
// whose turn comes before it was answered is passed over, which is no registration. When
// ctx ends, what is not answered is given up.
func (f *fleet) run(ctx context.Context, first, count, rate int) (outcome, error) {
	f.mu.Lock()
	f.settled, f.passed, f.want, f.resends, f.done = 0, 0, count, 0, make(chan struct{})
	for i := range f.phones {
		f.phones[i].failed = ""
	}
	f.mu.Unlock()
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go f.resend(ctx)
	if err := f.send(ctx, first, count, rate); err != nil {
		f.giveUp()
		return outcome{}, err
	}
	select {
	case <-ctx.Done():
		f.giveUp()
		return outcome{}, ctx.Err()
	case <-f.done:
	}
	return f.outcome(time.Since(start)), nil
}

func (f *fleet) outcome(took time.Duration) outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := outcome{accepted: f.want - f.passed, resent: f.resends, took: took}
	for i := range f.phones {
		if p := &f.phones[i]; p.failed != "" {
			o.failed++
			o.accepted--
			o.why = p.number + ": " + p.failed
		}
	}
	return o
}

// send starts the registrations.
func (f *fleet) send(ctx context.Context, first, count, rate int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for i := range count {
		for rate > 0 && time.Since(start) < time.Duration(i)*time.Second/time.Duration(rate) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f.release <- struct{}{}:
		}
		f.begin((first + i) % len(f.phones))
	}
	return nil
}

func (f *fleet) begin(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.phones[i]
	if f.open[i] { // went round faster than it was answered
		f.passed++
		f.count()
		return
	}
	f.open[i] = true
	f.words.register(i, p, nil)
	p.first, p.resent = time.Now(), 0
	f.transmit(p)
}

// transmit sends the phone's buffer; the caller holds mu.
func (f *fleet) transmit(p *phone) {
	p.last = time.Now()
	if _, err := f.conn.WriteToUDPAddrPort(p.out, f.to); err != nil && !errors.Is(err, net.ErrClosed) {
		p.failed = err.Error()
	}
}

// giveUp has no answer count that comes from now on.
func (f *fleet) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.open {
		delete(f.open, i)
		<-f.release
	}
}

// settle ends the phone's turn; the caller holds mu.
func (f *fleet) settle(i int) {
	delete(f.open, i)
	f.count()
}

func (f *fleet) count() {
	f.settled++
	if f.settled == f.want {
		close(f.done)
	}
	<-f.release
}

func (f *fleet) receive() {
	defer close(f.ended)
	b := make([]byte, 8192)
	for {
		n, from, err := f.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of a node that is down
		}
		if r, ok := parseReply(b[:n]); ok {
			f.answered(r)
			continue
		}
		f.mu.Lock()
		take := f.requests
		f.mu.Unlock()
		if take != nil {
			take(b[:n], from)
		}
	}
}

func (f *fleet) answered(r reply) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.phone >= len(f.phones) || !f.open[r.phone] || f.phones[r.phone].cseq != r.cseq {
		return
	}
	p := &f.phones[r.phone]
	switch {
	case r.code == 401 && !p.auth && len(r.nonce) > 0:
		f.words.register(r.phone, p, r.nonce)
		p.sent, p.resent = time.Now(), 0
		f.transmit(p)
	case r.code == 200:
		p.done = now
		f.settle(r.phone)
	default:
		p.failed = fmt.Sprintf("answered %d", r.code)
		f.settle(r.phone)
	}
}

// resend repeats what was not answered (RFC 3261 §17.1.2.2, timer E).
func (f *fleet) resend(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			f.resendDue(now)
		}
	}
}

func (f *fleet) resendDue(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.open {
		p := &f.phones[i]
		if now.Sub(p.last) < 500*time.Millisecond<<p.resent {
			continue
		}
		if p.resent++; p.resent > 4 {
			p.failed = "no answer"
			f.settle(i)
			continue
		}
		f.resends++
		f.transmit(p)
	}
}

// numbers are count DNs from first on.
func numbers(first, count int) []string {
	out := make([]string, count)
	for i := range out {
		out[i] = fmt.Sprint(first + i)
	}
	return out
}

func ha1(number, realm string) string {
	return fmt.Sprintf("%x", md5.Sum([]byte(number+":"+realm+":"+password)))
}
