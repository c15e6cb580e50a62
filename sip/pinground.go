package sip

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// parts are the pieces of an interval. A DN has its pings in the same one in
// every round.
const parts = 100

// together is how many DNs are pinged while datagrams gather.
const together = 32

// round is one interval's worth of pings.
type round struct {
	no      uint64
	numbers [parts][]dn.Number
}

// begin lists the DNs that are registered now.
func (r *round) begin(numbers []dn.Number) {
	r.no++
	clear(r.numbers[:])
	for _, n := range numbers {
		h := fnv.New32a()
		_, _ = h.Write([]byte(n))
		i := h.Sum32() % parts
		r.numbers[i] = append(r.numbers[i], n)
	}
}

// run pings in rounds while the option is set, and asks for the silence of those
// that were silent before a restart.
func (p *pings) run(ctx context.Context) error {
	for _, n := range p.before {
		e := p.store.Get(n)
		for i := 0; e != nil && i < len(e.Bindings); i++ {
			if b := &e.Bindings[i]; b.Unresponsive {
				p.Silent(n, b.Contact, b.CallID, b.CSeq)
			}
		}
	}
	p.before = nil
	defer p.clean(0, true)
	var r round
	for part := 0; ; part = (part + 1) % parts {
		interval, limit := p.options()
		if interval == 0 {
			p.clean(0, false)
			r.begin(nil)
			if err := wait(ctx, time.Second); err != nil { // the option may be set later
				return err
			}
			part = parts - 1
			continue
		}
		if part == 0 {
			p.clean(r.no, false)
			r.begin(p.store.Numbers())
		}
		for some := range slices.Chunk(r.numbers[part], together) {
			p.visit(some, r.no, interval, limit)
		}
		if err := p.pause(ctx, interval); err != nil {
			return err
		}
	}
}

// pause waits for a part of the interval, or until another is set.
func (p *pings) pause(ctx context.Context, interval time.Duration) error {
	for left := interval / parts; left > 0; left -= time.Second {
		if err := wait(ctx, min(left, time.Second)); err != nil {
			return err
		}
		if now, _ := p.options(); now != interval {
			return nil
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(beat.Near(d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// visit pings the bindings of DNs, but those that are asked for their silence.
func (p *pings) visit(numbers []dn.Number, round uint64, interval time.Duration, limit uint32) {
	if p.out.Datagrams != nil {
		p.out.Datagrams.Hold()
		defer p.out.Datagrams.Release()
	}
	for _, n := range numbers {
		e := p.store.Get(n)
		for i := 0; e != nil && i < len(e.Bindings); i++ {
			if b := &e.Bindings[i]; !b.Unresponsive {
				p.ping(n, b, round, interval, limit)
			}
		}
	}
}

// ping counts what became of the last ping of a binding and sends the next. A
// phone that keeps its connection needs none.
func (p *pings) ping(n dn.Number, b *location.Binding, round uint64, interval time.Duration, limit uint32) {
	now, spoke := p.now(), p.spoke(b)
	p.mu.Lock()
	pr := p.probe(n, b)
	if pr.silent {
		p.mu.Unlock()
		return
	}
	pr.round = round
	switch {
	case pr.branch == "":
	case spoke(pr.sent):
		pr.misses = 0
	default:
		pr.misses++
	}
	alive, gone := spoke(now.Add(-interval*3/4)), pr.misses >= limit // its answer to the last ping is older
	branch := ""
	if alive || gone {
		p.forget(pr)
	} else {
		branch = p.mark(pr, b, now)
	}
	p.mu.Unlock()
	switch {
	case alive:
	case gone:
		p.registrar.Unanswered(n, b.Contact, b.CallID)
	default:
		p.send(n, b, branch)
	}
}

// spoke tells whether a phone has said anything since a time, as far as its
// connection shows.
func (p *pings) spoke(b *location.Binding) func(since time.Time) bool {
	if b.Transport.Connected() {
		if f := p.out.Flows.Get(wire.FlowKey{Transport: b.Transport, Peer: b.Source}); f != nil {
			return f.SpokeSince
		}
	}
	return func(time.Time) bool { return false }
}

// clean forgets the bindings that a round did not visit; with all also those
// that are asked for their silence.
func (p *pings) clean(round uint64, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, pr := range walk.Map(&p.mu, p.probes) {
		if all || !pr.silent && pr.round != round {
			p.forget(pr)
		}
	}
}
