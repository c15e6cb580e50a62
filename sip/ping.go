package sip

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/registrar"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// pings is active out-of-service detection: an OPTIONS to every binding in
// each interval. Any answer is a sign of life; who misses too many in a row is
// gone. It needs no transactions: the next ping is the repetition of this one.
type pings struct {
	machine   *fsm.Machine
	store     *location.Store
	registrar *registrar.Registrar
	out       *wire.Exits

	mu      sync.Mutex
	targets map[target]*probe
	open    map[string]*probe // by branch, unanswered
}

// target is a binding: another registration of the contact is another target.
type target struct {
	number          dn.Number
	contact, callID string
}

type probe struct {
	branch string         // of the last ping; "" when it was answered
	to     netip.AddrPort // where that went, and where its answer has to come from
	misses uint32
	round  uint64
}

// branchMagic begins the branch of a ping. What follows nobody can guess who
// has not received it.
const branchMagic = message.MagicCookie + "ping"

func newPings(m *fsm.Machine, store *location.Store, g *registrar.Registrar, out *wire.Exits) *pings {
	return &pings{machine: m, store: store, registrar: g, out: out, targets: map[target]*probe{}, open: map[string]*probe{}}
}

// pong takes a response to a ping of ours; false says that it is none. It
// counts when it comes from where the ping went.
func (p *pings) pong(branch []byte, source netip.AddrPort) bool {
	if !bytes.HasPrefix(branch, []byte(branchMagic)) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pr := p.open[string(branch)]; pr != nil && pr.to == source {
		delete(p.open, pr.branch)
		pr.branch, pr.misses = "", 0
	}
	return true
}

// run pings in rounds while the option is set.
func (p *pings) run(ctx context.Context) error {
	defer p.clean(0) // of a round that never was
	for round := uint64(1); ; round++ {
		interval := time.Duration(p.machine.View().Options().GetPingIntervalS()) * time.Second
		if interval == 0 {
			p.clean(round)
			if err := wait(ctx, time.Second); err != nil { // the option may be set later
				return err
			}
			continue
		}
		if err := p.round(ctx, round, interval); err != nil {
			return err
		}
		p.clean(round)
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// round pings each binding once, spread over the interval.
func (p *pings) round(ctx context.Context, round uint64, interval time.Duration) error {
	entries := make([]*location.Entry, 0, p.store.Len())
	p.store.Range(func(e *location.Entry) bool {
		if len(e.Bindings) > 0 {
			entries = append(entries, e)
		}
		return true
	})
	const parts = 100
	limit := p.machine.View().Options().GetPingMisses()
	for i := range parts {
		for _, e := range entries[len(entries)*i/parts : len(entries)*(i+1)/parts] {
			for j := range e.Bindings {
				p.ping(e.Record.Number, &e.Bindings[j], round, limit)
			}
		}
		if err := wait(ctx, interval/parts); err != nil {
			return err
		}
	}
	return nil
}

// ping counts what became of the last ping of a binding and sends the next.
func (p *pings) ping(n dn.Number, b *location.Binding, round uint64, limit uint32) {
	t := target{n, b.Contact, b.CallID}
	p.mu.Lock()
	pr := p.targets[t]
	if pr == nil {
		pr = &probe{}
		p.targets[t] = pr
	}
	if pr.branch != "" {
		delete(p.open, pr.branch)
		pr.misses++
	}
	gone := pr.misses >= limit
	if gone {
		delete(p.targets, t)
	} else {
		pr.branch, pr.to, pr.round = branchMagic+rand.Text(), b.Source, round
		p.open[pr.branch] = pr
	}
	branch := pr.branch // an answer may clear it from here on
	p.mu.Unlock()
	if gone {
		p.registrar.Unanswered(t.number, t.contact, t.callID)
		return
	}
	p.send(n, b, branch)
}

// clean forgets the bindings that a round did not visit.
func (p *pings) clean(round uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, pr := range p.targets {
		if pr.round != round {
			delete(p.open, pr.branch)
			delete(p.targets, t)
		}
	}
}

// send writes the OPTIONS to where the binding's REGISTER came from. An error
// is a miss.
func (p *pings) send(n dn.Number, b *location.Binding, branch string) {
	realm := p.machine.View().Options().GetRealm()
	var m bytes.Buffer
	fmt.Fprintf(&m, "OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\n", b.Contact, b.Transport, p.out.Via[b.Transport], branch)
	for _, hop := range b.Path {
		fmt.Fprintf(&m, "Route: %s\r\n", hop)
	}
	fmt.Fprintf(&m, "Max-Forwards: 70\r\nFrom: <sip:ping@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		realm, branch[len(branchMagic):], n, realm, branch)
	if b.Transport == location.UDP {
		if p.out.Datagrams != nil {
			p.out.Datagrams.Send(m.Bytes(), b.Source)
		}
		return
	}
	if f := p.out.Flows.Get(wire.FlowKey{Transport: b.Transport, Peer: b.Source}); f != nil {
		f.Offer(m.Bytes())
	}
}

// unanswered are the pings that wait for theirs.
func (p *pings) unanswered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
