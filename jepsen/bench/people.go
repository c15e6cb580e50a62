package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

const (
	// peopleTrials is how often each of these things is tried.
	peopleTrials = 3
	peoplePoint  = "3000"
	peopleGroup  = "people"
	peopleSecret = "secret"

	firstAgent, secondAgent, peopleCaller = "3001", "3002", "3003"
)

// office is a cluster with a routing point and the phones of two agents and a caller.
type office struct {
	*lab
	phones []*siptest.UA
}

// people measures what callers and agents notice of phones that do not answer, of
// nodes that are lost in a call, and of what they leave behind.
func (b *bench) people(ctx context.Context) error {
	var errs []error
	for _, measure := range []func(context.Context, *office) error{b.deadPhones, b.lostInRinging, b.leftReservations, b.gone} {
		errs = append(errs, b.inOffice(ctx, measure))
	}
	return errors.Join(errs...)
}

func (b *bench) inOffice(ctx context.Context, measure func(context.Context, *office) error) (err error) {
	l, err := b.lab(ctx, 3, []int{0, 0, 0}, true)
	if err != nil {
		return err
	}
	o := &office{lab: l}
	defer func() {
		for _, p := range o.phones {
			p.Close()
		}
		err = errors.Join(err, l.close())
	}()
	if _, err := l.WaitWhole(ctx, 30*time.Second); err != nil {
		return err
	}
	if err := o.furnish(ctx); err != nil {
		return err
	}
	return measure(ctx, o)
}

// furnish configures the routing point and the phones.
func (o *office) furnish(ctx context.Context) error {
	mutations := []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: peopleGroup}}},
		{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: peoplePoint, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: peopleGroup},
		}}},
	}
	for _, dn := range []string{firstAgent, secondAgent, peopleCaller} {
		d := cluster.SIPDN(dn, o.realm, peopleSecret)
		if dn != peopleCaller {
			d.Groups = []string{peopleGroup}
		}
		mutations = append(mutations, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}})
	}
	if _, err := o.nodes[0].Configuration().Write(ctx, &configpb.WriteRequest{Mutations: mutations}); err != nil {
		return err
	}
	return o.configured(ctx, len(mutations)-1)
}

// phone registers one at a node.
func (o *office) phone(ctx context.Context, dn string, n *cluster.Node, transport string) (u *siptest.UA, err error) {
	place := n.Phones()
	err = place.Visit(func() (err error) {
		u, err = siptest.NewUA(siptest.Config{
			DN: dn, Password: peopleSecret, Domain: o.realm, Transport: transport, Local: place.IP().String(), Server: n.Addr(cluster.SIP).String(),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	o.phones = append(o.phones, u)
	return u, o.register1(ctx, u, dn)
}

// register1 registers a phone, and returns when every node shows its DN as routable.
func (o *office) register1(ctx context.Context, u *siptest.UA, dn string) error {
	res, err := u.Register(ctx, time.Hour)
	if err != nil || res.Code != 200 {
		return fmt.Errorf("register %s: %v %w", dn, res, err)
	}
	_, err = o.shown(ctx, o.nodes, dn, "routable", func(s *tcpb.DNStatus) bool { return s.GetRoutable() })
	return err
}

// shown waits until all the nodes show the DN so, and returns when the last one did.
func (o *office) shown(ctx context.Context, nodes []*cluster.Node, dn, what string, is func(*tcpb.DNStatus) bool) (time.Time, error) {
	_, err := cluster.Eventually(ctx, 60*time.Second, dn+" is "+what, func(ctx context.Context) error {
		for _, n := range nodes {
			s, err := n.Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: dn})
			if err != nil {
				return err
			}
			if !is(s) {
				return fmt.Errorf("%s shows it otherwise", n.Name())
			}
		}
		return nil
	})
	return time.Now(), err
}

// call places a call to the routing point.
func (o *office) call(ctx context.Context, u *siptest.UA) (*siptest.Call, error) {
	return u.Place(ctx, "sip:"+peoplePoint+"@"+o.realm)
}

// rings waits for a call at the phone.
func rings(ctx context.Context, u *siptest.UA, within time.Duration) (*siptest.Call, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	c, err := u.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("no call at the phone within %v: %w", within, err)
	}
	return c, nil
}

// deadPhones measures a call whose first agent's phone says nothing, or is not there.
func (b *bench) deadPhones(ctx context.Context, o *office) error {
	caller, err := o.phone(ctx, peopleCaller, o.nodes[0], "udp")
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		what       string
		die        func(*siptest.UA)
		least, aim float64
	}{
		{"says nothing", func(u *siptest.UA) { u.Mute(true) }, 2500, 2100},
		{"is not there any more", func(u *siptest.UA) { u.Close() }, 2500, 600},
	} {
		var first, next []float64
		for range peopleTrials {
			a, n, err := o.pastTheDead(ctx, caller, kind.die)
			if err != nil {
				return fmt.Errorf("a phone that %s: %w", kind.what, err)
			}
			first, next = append(first, a), append(next, n)
		}
		b.report.below("people", "first agent's phone "+kind.what+": until the next one rings, worst", quantile(first, 1), "ms", kind.least, kind.aim)
		b.report.below("people", "the same, the next call, worst", quantile(next, 1), "ms", 250, 20)
	}
	return nil
}

func (o *office) pastTheDead(ctx context.Context, caller *siptest.UA, die func(*siptest.UA)) (first, next float64, err error) {
	dead, err := o.phone(ctx, firstAgent, o.nodes[0], "udp")
	if err != nil {
		return 0, 0, err
	}
	living, err := o.phone(ctx, secondAgent, o.nodes[0], "udp")
	if err != nil {
		return 0, 0, err
	}
	defer living.Close()
	die(dead)
	for _, took := range []*float64{&first, &next} {
		start := time.Now()
		c, err := o.call(ctx, caller)
		if err != nil {
			return 0, 0, err
		}
		r, err := rings(ctx, living, 40*time.Second)
		if err != nil {
			return 0, 0, err
		}
		*took = ms(time.Since(start))
		if err := r.Refuse(486, "Busy Here"); err != nil {
			return 0, 0, err
		}
		c.Cancel()
		if _, err := o.shown(ctx, o.nodes, secondAgent, "routable", func(s *tcpb.DNStatus) bool { return s.GetRoutable() }); err != nil {
			return 0, 0, err
		}
	}
	res, err := living.Unregister(ctx)
	if err != nil || res.Code != 200 {
		return 0, 0, fmt.Errorf("unregister: %v %w", res, err)
	}
	return first, next, nil
}

// lostInRinging measures a call that rings at a node which is lost.
func (b *bench) lostInRinging(ctx context.Context, o *office) error {
	away, here := o.nodes[1], o.nodes[0]
	caller, err := o.phone(ctx, peopleCaller, here, "udp")
	if err != nil {
		return err
	}
	watcher, err := observe(ctx, here)
	if err != nil {
		return err
	}
	defer watcher.close()
	for _, kind := range []struct {
		what string
		lose func() error
		back func() error
	}{
		{"cut off", func() error { return o.CutOff(ctx, away) }, func() error { return o.Heal(ctx) }},
		{"killed", func() error { away.Kill9(); return nil }, func() error { return away.Start(ctx) }},
	} {
		if kind.what == "cut off" && !b.namespaces {
			b.report.skipped("people", "a call that rings at a node that is cut off", b.missing)
			continue
		}
		var took []float64
		for range peopleTrials {
			t, err := o.ringsOn(ctx, caller, watcher, kind.lose)
			if err != nil {
				return fmt.Errorf("a node that is %s: %w", kind.what, err)
			}
			took = append(took, t)
			if err := kind.back(); err != nil {
				return err
			}
			if _, err := o.WaitWhole(ctx, 30*time.Second); err != nil {
				return err
			}
		}
		b.report.below("people", "rings at a node that is "+kind.what+": from the loss's event to the next agent, worst", quantile(took, 1), "ms", 1000, 200)
	}
	return nil
}

// ringsOn has a call ring at node 2, which is lost, and returns how long after that
// was known it rang at the next agent's phone.
func (o *office) ringsOn(ctx context.Context, caller *siptest.UA, watcher *observer, lose func() error) (float64, error) {
	first, err := o.phone(ctx, firstAgent, o.nodes[1], "udp")
	if err != nil {
		return 0, err
	}
	if _, err := watcher.state(ctx, 10*time.Second, true, []string{firstAgent}); err != nil {
		return 0, err
	}
	c, err := o.call(ctx, caller)
	if err != nil {
		return 0, err
	}
	defer c.Cancel()
	r, err := rings(ctx, first, 10*time.Second)
	if err == nil {
		err = r.Ring()
	}
	if err != nil {
		return 0, err
	}
	second, err := o.phone(ctx, secondAgent, o.nodes[0], "udp")
	if err != nil {
		return 0, err
	}
	defer second.Close()
	if err := lose(); err != nil {
		return 0, err
	}
	known := make(chan time.Time, 1)
	go func() {
		at, _ := watcher.state(ctx, 10*time.Second, false, []string{firstAgent})
		known <- at
	}()
	again, err := rings(ctx, second, 20*time.Second)
	if err != nil {
		return 0, err
	}
	took := ms(time.Since(<-known))
	if err := again.Refuse(486, "Busy Here"); err != nil {
		return 0, err
	}
	_, err = second.Unregister(ctx)
	return max(0, took), err
}

// leftReservations measures how long an agent stays reserved for who is gone.
func (b *bench) leftReservations(ctx context.Context, o *office) error {
	if _, err := o.phone(ctx, firstAgent, o.nodes[1], "udp"); err != nil {
		return err
	}
	holder := o.nodes[0]
	for _, kind := range []struct {
		what string
		lose func(end func()) error
		back func() error
	}{
		{"its router is gone", func(end func()) error { end(); return nil }, func() error { return nil }},
		{"its node is cut off", func(func()) error { return o.CutOff(ctx, holder) }, func() error { return o.Heal(ctx) }},
		{"its node is killed", func(func()) error { holder.Kill9(); return nil }, func() error { return holder.Start(ctx) }},
	} {
		if kind.what == "its node is cut off" && !b.namespaces {
			b.report.skipped("people", "a reservation, "+kind.what, b.missing)
			continue
		}
		end, err := o.reserve(ctx, holder, firstAgent)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := kind.lose(end); err != nil {
			return err
		}
		at, err := o.shown(ctx, o.nodes[1:], firstAgent, "free", func(s *tcpb.DNStatus) bool { return !s.GetReserved() })
		end()
		took := ms(at.Sub(start))
		if err != nil { // it lasts for an hour
			took = time.Hour.Seconds() * 1000
		}
		b.report.below("people", "a reservation for an hour, "+kind.what+": until others can have the agent", took, "ms", 3500, 1500)
		if err := kind.back(); err != nil {
			return err
		}
		if _, err := o.WaitWhole(ctx, 30*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// reserve has a router at the node reserve the DN; end breaks its session off.
func (o *office) reserve(ctx context.Context, n *cluster.Node, dn string) (end func(), err error) {
	conn, err := n.Dial(cluster.TCPort)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	end = func() {
		cancel()
		_ = conn.Close()
	}
	s, err := tlibpb.NewTLibraryClient(conn).Session(ctx)
	if err == nil {
		err = errors.Join(
			s.Send(&tlibpb.ClientMessage{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: "bench router"}}}),
			s.Send(&tlibpb.ClientMessage{ReferenceId: 2, Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: dn, Duration: durationpb.New(time.Hour)}}}))
	}
	if err == nil {
		go func() {
			for {
				if _, err := s.Recv(); err != nil {
					return
				}
			}
		}()
		_, err = o.shown(ctx, o.nodes, dn, "reserved", func(s *tcpb.DNStatus) bool { return s.GetReserved() })
	}
	if err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// gone measures an agent whose connection ended in a call of which the other side
// then hangs up.
func (b *bench) gone(ctx context.Context, o *office) error {
	caller, err := o.phone(ctx, peopleCaller, o.nodes[0], "udp")
	if err != nil {
		return err
	}
	var took []float64
	for range peopleTrials {
		agent, err := o.phone(ctx, firstAgent, o.nodes[1], "tcp")
		if err != nil {
			return err
		}
		c, err := o.call(ctx, caller)
		if err != nil {
			return err
		}
		r, err := rings(ctx, agent, 10*time.Second)
		if err == nil {
			err = r.Answer()
		}
		if err == nil {
			_, err = c.Await(ctx, 200)
		}
		if err == nil {
			err = c.Ack()
		}
		if err != nil {
			return err
		}
		if _, err := o.shown(ctx, o.nodes, firstAgent, "busy", func(s *tcpb.DNStatus) bool { return s.GetBusy() }); err != nil {
			return err
		}
		agent.Close()
		start := time.Now()
		go func() { _, _ = c.Bye(ctx) }()
		at, err := o.shown(ctx, o.nodes, firstAgent, "free", func(s *tcpb.DNStatus) bool { return !s.GetBusy() })
		if err != nil {
			return err
		}
		took = append(took, ms(at.Sub(start)))
	}
	b.report.below("people", "BYE to an agent whose connection is gone: until he is free at every node, worst", quantile(took, 1), "ms", 1000, 100)
	return nil
}
