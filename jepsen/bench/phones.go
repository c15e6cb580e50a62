package main

import (
	"net/netip"
	"sync"
	"time"
)

// answering makes the phones of a fleet take calls: 180 and 200 at once, and
// 200 to a BYE.
type answering struct {
	f     *fleet
	run   string // what Call-IDs of the run have
	local string

	mu    sync.Mutex
	calls map[int]*taken
	open  map[int]*taken // those without an ACK
}

// taken is a call at the phone.
type taken struct {
	at      time.Time // the first INVITE
	ok      []byte    // the 200, until the ACK
	via     netip.AddrPort
	next    time.Time // when it is sent again
	resends int
}

// answer begins to take calls of the run.
func (f *fleet) answer(run string) *answering {
	a := &answering{f: f, run: run, local: f.conn.LocalAddr().String(), calls: make(map[int]*taken), open: make(map[int]*taken)}
	f.mu.Lock()
	f.requests = a.take
	f.mu.Unlock()
	return a
}

// take answers one request.
func (a *answering) take(b []byte, from netip.AddrPort) {
	now := time.Now()
	m, ok := parseIncoming(b, a.run)
	if !ok || m.method == "" {
		return
	}
	switch m.method {
	case "INVITE":
		a.invited(&m, from, now)
	case "ACK":
		a.acknowledged(m.call)
	default:
		a.acknowledged(m.call)
		a.send(answerTo(&m, "200 OK", a.local, ""), from)
	}
}

// acknowledged ends the repeating of a call's 200.
func (a *answering) acknowledged(call int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.open[call]; c != nil {
		c.ok = nil
		delete(a.open, call)
	}
}

func (a *answering) invited(m *incoming, from netip.AddrPort, now time.Time) {
	a.mu.Lock()
	c := a.calls[m.call]
	fresh := c == nil
	if fresh {
		c = &taken{at: now}
		a.calls[m.call] = c
	}
	a.mu.Unlock()
	if !fresh {
		return // the proxy repeats it; the 200 is repeated too
	}
	a.send(answerTo(m, "180 Ringing", a.local, ""), from)
	ok := answerTo(m, "200 OK", a.local, sdp)
	a.mu.Lock()
	c.ok, c.via, c.next = ok, from, now.Add(t1)
	a.open[m.call] = c
	a.mu.Unlock()
	a.send(ok, from)
}

// t1 is RFC 3261's.
const t1 = 500 * time.Millisecond

// resend repeats 200s that nobody acknowledged.
func (a *answering) resend(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, c := range a.open {
		if now.Before(c.next) {
			continue
		}
		if c.resends++; c.resends > 6 {
			c.ok = nil
			delete(a.open, i)
			continue
		}
		c.next = now.Add(t1 << min(c.resends, 3))
		a.send(c.ok, c.via)
	}
}

func (a *answering) send(b []byte, to netip.AddrPort) {
	// What is lost is repeated; a closed socket ends the run elsewhere.
	_, _ = a.f.conn.WriteToUDPAddrPort(b, to)
}

// arrived is when the call's INVITE came, if it did.
func (a *answering) arrived(call int) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.calls[call]
	if c == nil {
		return time.Time{}, false
	}
	return c.at, true
}
