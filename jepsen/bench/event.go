package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

const (
	// eventClients monitor everything where what an event costs is measured.
	eventClients = 40
	// agentRate is in changes/s.
	agentRate, agentDNs = 200, 100
	// asksAtOnce is how many requests of a client are under way: a session may have 256.
	asksAtOnce = 128
)

// perDNEvent is what a DN that comes in service costs its node for each client that hears it.
func (b *bench) perDNEvent(ctx context.Context) (float64, error) {
	_, _, each, err := b.amongClients(ctx, eventClients)
	return each, err
}

// perCallEvent is what an event of a call costs a node for each client that hears it.
func (b *bench) perCallEvent(ctx context.Context) (cost float64, err error) {
	x, err := b.exchange(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	alone, _, _, err := b.costs(ctx, x)
	if err != nil {
		return 0, err
	}
	c, err := gather(ctx, x.nodes[0], eventClients)
	defer c.close()
	if err != nil {
		return 0, err
	}
	heard := c.heard.Load()
	among, _, _, err := b.costs(ctx, x)
	return float64((among[0] - alone[0]).Microseconds()) / float64(max(c.heard.Load()-heard, 1)), err
}

// perAgentChange is what it costs all nodes that an agent becomes ready, or not ready.
func (b *bench) perAgentChange(ctx context.Context) (cost float64, err error) {
	l, err := b.lab(ctx, 3, []int{0, agentDNs, 0}, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.register(ctx); err != nil {
		return 0, err
	}
	d, err := sit(ctx, l.nodes[1], l.dns[1])
	if err != nil {
		return 0, err
	}
	defer d.crowd.close()
	for i, n := range l.nodes {
		go b.profiles(ctx, n, fmt.Sprintf("agent-n%d", i+1), time.Duration(b.seconds-1)*time.Second)
	}
	before, err := cpus(l.nodes)
	if err != nil {
		return 0, err
	}
	count := agentRate * b.seconds
	tick := time.NewTicker(time.Second / agentRate)
	defer tick.Stop()
	for i := range count {
		if err := d.change(l.dns[1][i%agentDNs], i/agentDNs%2 == 0); err != nil {
			return 0, err
		}
		<-tick.C
	}
	if err := d.answered(ctx, count); err != nil {
		return 0, err
	}
	after, err := cpus(l.nodes)
	_, all := spent(before, after)
	return float64(all.Microseconds()) / float64(count), err
}

// desk is a client that changes what agents do.
type desk struct {
	crowd   *crowd
	session tlibpb.TLibrary_SessionClient
	asked   uint64
	answers atomic.Int64
	refused atomic.Value  // the first refusal's text
	open    chan struct{} // has one for each request under way
	gone    chan struct{} // is closed with the session
}

// sit has an agent be logged in at each of the DNs.
func sit(ctx context.Context, n *cluster.Node, dns []string) (_ *desk, err error) {
	session, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel}
	d := &desk{crowd: c, open: make(chan struct{}, asksAtOnce), gone: make(chan struct{})}
	if d.session, err = c.open(session, n); err != nil {
		c.close()
		return nil, err
	}
	c.wg.Go(d.read)
	for _, dn := range dns {
		err = errors.Join(err,
			d.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: dn, Mode: tlibpb.AddressMode_ADDRESS_MODE_SHARED}}}),
			d.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: dn, AgentId: "a" + dn}}}))
	}
	if err == nil {
		err = d.answered(ctx, 2*len(dns))
	}
	if err != nil {
		c.close()
		return nil, err
	}
	d.answers.Store(0)
	return d, nil
}

func (d *desk) ask(m *tlibpb.ClientMessage) error {
	select {
	case d.open <- struct{}{}:
	case <-d.gone:
		return errors.New("the session has ended")
	}
	d.asked++
	m.ReferenceId = d.asked + 1 // the first is OpenSession's
	return d.session.Send(m)
}

func (d *desk) change(dn string, ready bool) error {
	if ready {
		return d.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: dn}}})
	}
	return d.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: dn}}})
}

func (d *desk) read() {
	defer close(d.gone)
	for {
		m, err := d.session.Recv()
		if err != nil {
			return
		}
		for _, e := range m.GetEvents() {
			if e.GetError() != nil {
				d.refused.CompareAndSwap(nil, e.GetError().GetText())
			}
			if e.GetReferenceId() > 1 {
				d.answers.Add(1)
				<-d.open
			}
		}
	}
}

// answered waits for that many answers since the agents are there.
func (d *desk) answered(ctx context.Context, count int) error {
	_, err := cluster.Eventually(ctx, 30*time.Second, "requests about agents are answered", func(context.Context) error {
		if why := d.refused.Load(); why != nil {
			return fmt.Errorf("refused: %v", why)
		}
		if n := d.answers.Load(); n < int64(count) {
			return fmt.Errorf("%d of %d", n, count)
		}
		return nil
	})
	return err
}
