package sip

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// pings finds out which phones are there, by OPTIONS the way that calls go: to
// every binding once in each interval, and at once, then less and less often, to
// one that gave a call no answer. Any answer is a sign of life; who misses too many
// in a row is gone. It needs no transactions: the next ping is the repetition of
// this one. What it keeps are the pings that wait for their answer.
type pings struct {
	machine   *fsm.Machine
	store     *location.Store
	registrar *registrar.Registrar
	out       *wire.Exits
	now       func() time.Time
	// before are the DNs with a phone that was silent before a restart.
	before []dn.Number

	mu     sync.Mutex
	probes map[target]*probe
	open   map[string]*probe // the same by branch
	due    schedule          // of those that are asked for their silence
	wake   wake.Signal       // the schedule begins earlier
}

// target is a binding: another registration of the contact is another target.
type target struct {
	number          dn.Number
	contact, callID string
}

// probe is a binding that has been pinged and has not answered.
type probe struct {
	target
	cseq   uint32         // of the binding's REGISTER: a later one is a sign of life too
	branch string         // of the last ping
	to     netip.AddrPort // where that went, and whose answer counts
	sent   time.Time
	began  time.Time // the first
	misses uint32
	round  uint64
	// silent: it gave a call no answer, and is asked again after delay.
	silent bool
	delay  time.Duration
	next   time.Time
}

const (
	// branchMagic begins the branch of a ping. What follows nobody can guess who
	// has not received it.
	branchMagic = message.MagicCookie + "ping"
	// firstDelay is how long a silent phone has until it is asked for the second
	// time, maxDelay how long at most until the next.
	firstDelay, maxDelay = time.Second, 30 * time.Second
)

func newPings(m *fsm.Machine, store *location.Store, g *registrar.Registrar, now func() time.Time) *pings {
	return &pings{machine: m, store: store, registrar: g, now: now, probes: map[target]*probe{}, open: map[string]*probe{}, wake: wake.New()}
}

// options are the interval, 0 when the option is off, and how many misses are too many.
func (p *pings) options() (interval time.Duration, misses uint32) {
	o := p.machine.View().Options()
	return time.Duration(o.GetPingIntervalS()) * time.Second, o.GetPingMisses()
}

// pong takes a response to a ping of ours; false says that it is none. It
// counts when it comes from the machine to which the ping went: a phone may
// send by another port than it listens on.
func (p *pings) pong(branch []byte, source netip.AddrPort) bool {
	if !bytes.HasPrefix(branch, []byte(branchMagic)) {
		return false
	}
	p.mu.Lock()
	pr := p.open[string(branch)]
	ours := pr != nil && pr.to.Addr() == source.Addr()
	if ours {
		p.forget(pr)
	}
	p.mu.Unlock()
	if ours && pr.silent {
		p.registrar.Heard(pr.number, pr.contact, pr.callID)
	}
	return true
}

// Heard takes an answer of a phone to a call.
func (p *pings) Heard(n dn.Number, contact, callID string) {
	p.mu.Lock()
	pr := p.probes[target{n, contact, callID}]
	if pr != nil {
		p.forget(pr)
	}
	p.mu.Unlock()
	if pr != nil && pr.silent {
		p.registrar.Heard(n, contact, callID)
	}
}

// Silent takes that a phone gave a call no answer: its binding counts as
// unresponsive from now on, and it is asked until it speaks.
func (p *pings) Silent(n dn.Number, contact, callID string, cseq uint32) {
	b, ok := p.registrar.Silent(n, contact, callID, cseq)
	if !ok {
		return
	}
	now := p.now()
	p.mu.Lock()
	pr := p.probe(n, &b)
	if pr.silent {
		p.mu.Unlock()
		return // it is being asked
	}
	pr.silent, pr.delay, pr.began, pr.misses = true, firstDelay, now, 0
	branch := p.mark(pr, &b, now)
	p.due.add(pr, now)
	p.mu.Unlock()
	p.wake.Send()
	p.send(n, &b, branch)
}

// probe finds or makes that of a binding; another REGISTER begins another. The
// caller holds mu.
func (p *pings) probe(n dn.Number, b *location.Binding) *probe {
	t := target{n, b.Contact, b.CallID}
	pr := p.probes[t]
	if pr == nil || pr.cseq != b.CSeq {
		if pr != nil {
			p.forget(pr)
		}
		pr = &probe{target: t, cseq: b.CSeq}
		p.probes[t] = pr
	}
	return pr
}

// mark gives the next ping its branch, and notes where it goes; the caller holds mu.
func (p *pings) mark(pr *probe, b *location.Binding, now time.Time) string {
	delete(p.open, pr.branch)
	pr.branch, pr.to, pr.sent = branchMagic+rand.Text(), proxy.Reach(b), now
	p.open[pr.branch] = pr
	return pr.branch
}

// forget drops a probe; the caller holds mu.
func (p *pings) forget(pr *probe) {
	delete(p.open, pr.branch)
	if p.probes[pr.target] == pr {
		delete(p.probes, pr.target)
	}
}

// ask keeps asking those that are silent.
func (p *pings) ask(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.wake:
		case <-t.C:
		}
		for pr := p.take(); pr != nil; pr = p.take() {
			p.again(pr)
		}
		p.mu.Lock()
		if d := p.due.after(p.now()); d >= 0 {
			t.Reset(d)
		}
		p.mu.Unlock()
	}
}

// take is the next that is due; nil when there is none.
func (p *pings) take() *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pieces := (walk.Pieces{Held: &p.mu}); ; pieces.Step() {
		pr := p.due.take(p.now())
		if pr == nil || p.probes[pr.target] == pr {
			return pr
		}
	}
}

// again counts the ping that a silent phone has not answered, and sends the next.
func (p *pings) again(pr *probe) {
	b := p.binding(pr.target)
	branch := p.missed(pr, b)
	switch {
	case branch == "":
		return
	case branch == vain:
		p.registrar.Unanswered(pr.number, pr.contact, pr.callID)
		return
	case pr.misses == 1:
		p.registrar.Outlived(pr.number, pr.contact, pr.callID)
	}
	p.send(pr.number, b, branch)
}

// vain stands for the branch of a ping where none is sent any more.
const vain = "in vain"

// missed is the branch of the next ping; "" when the binding is no more, or its
// phone spoke. It is in vain no sooner than the pings of the intervals would be.
func (p *pings) missed(pr *probe, b *location.Binding) string {
	now := p.now()
	interval, limit := p.options()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probes[pr.target] != pr || b == nil || !b.Unresponsive || b.CSeq != pr.cseq {
		p.forget(pr)
		return ""
	}
	pr.misses++
	pr.delay = min(2*pr.delay, maxDelay)
	if interval > 0 {
		pr.delay = min(pr.delay, interval)
		if pr.misses >= limit && now.Sub(pr.began) >= time.Duration(limit)*interval {
			p.forget(pr)
			return vain
		}
	}
	p.due.add(pr, now)
	return p.mark(pr, b, now)
}

// binding is that of a target; nil when it is no more.
func (p *pings) binding(t target) *location.Binding {
	if e := p.store.Get(t.number); e != nil {
		for i := range e.Bindings {
			if b := &e.Bindings[i]; b.Contact == t.contact && b.CallID == t.callID {
				return b
			}
		}
	}
	return nil
}

// unanswered are the pings that wait for theirs.
func (p *pings) unanswered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
