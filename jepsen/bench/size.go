package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// A size is a cluster's: how many nodes, and DNs in all, which are spread over them.
type size struct{ nodes, dns int }

// parseSizes reads "3x10000,15x100000".
func parseSizes(text string) (all []size, err error) {
	for one := range strings.SplitSeq(text, ",") {
		nodes, dns, _ := strings.Cut(one, "x")
		var s size
		if s.nodes, err = strconv.Atoi(nodes); err == nil {
			s.dns, err = strconv.Atoi(dns)
		}
		if err != nil || s.nodes < 2 || s.nodes > 15 || s.dns < s.nodes*sizeTeam {
			return nil, fmt.Errorf("-sizes: %q is no size: want NODESxDNS, 2 to 15 nodes with %d DNs each or more", one, sizeTeam)
		}
		all = append(all, s)
	}
	return all, nil
}

const (
	// sizeTeam are the DNs of the one group.
	sizeTeam = 50
	// sizeRate is the refreshes a second at which CPU is measured, over all nodes.
	sizeRate = 2000
	// sizeWithin is how long a million DNs may take to change their states at an observer
	// that has a part of two cores.
	sizeWithin = time.Minute
)

// sizes measures what depends on how many DNs and nodes there are.
func (b *bench) sizes(ctx context.Context) error {
	all, err := parseSizes(b.clusters)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range all {
		if err := b.size(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("%d nodes, %d DNs: %w", s.nodes, s.dns, err))
		}
	}
	return errors.Join(errs...)
}

// sized is a lab of a size, whose last node is killed and cut off; the first one observes.
type sized struct {
	*lab
	b      *bench
	name   string
	victim int
	asked  string // a DN of the victim
}

func (b *bench) size(ctx context.Context, of size) (err error) {
	dns := make([]int, of.nodes)
	for i := range dns {
		dns[i] = of.dns / of.nodes
	}
	start := time.Now()
	l, err := b.labOf(ctx, cluster.Config{Nodes: of.nodes, Loopback: !b.namespaces, ReadyWithin: 2 * sizeWithin}, dns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	s := &sized{lab: l, b: b, name: fmt.Sprintf("%d nodes, %d DNs", of.nodes, of.dns), victim: of.nodes - 1}
	s.asked = l.dns[s.victim][len(l.dns[s.victim])-1]
	s.add("start, and all DNs configured at all nodes", time.Since(start).Seconds(), "s")
	for _, step := range []func(context.Context) error{s.registrations, s.lists, s.observe, s.kill, s.cut, s.memory} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *sized) add(what string, value float64, unit string) {
	s.b.report.add("size", s.name+": "+what, value, unit, "")
}

func (s *sized) below(what string, took time.Duration, least time.Duration) {
	s.b.report.below("size", s.name+": "+what, ms(took), "ms", ms(least), ms(least))
}

func (s *sized) registrations(ctx context.Context) error {
	start := time.Now()
	if err := s.register(ctx); err != nil {
		return err
	}
	s.add("first registration of all", time.Since(start).Seconds(), "s")
	if _, _, _, err := s.b.measured(ctx, s.lab, sizeRate); err != nil { // what the first ones left to do
		return err
	}
	_, all, o, err := s.b.measured(ctx, s.lab, sizeRate)
	if err == nil {
		s.add(fmt.Sprintf("CPU of all nodes per registration at %d/s", sizeRate), perOne(all, o), "µs")
	}
	return err
}

// lists asks for the routable DNs of a group of fifty, and of a group of none.
func (s *sized) lists(ctx context.Context) error {
	team := sipDNs(s.realm, s.dns[0][:sizeTeam])
	for _, d := range team {
		d.Groups = []string{"team"}
	}
	_, err := s.nodes[0].Configuration().Write(ctx, &configpb.WriteRequest{Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "team"}}}, {Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "nobody"}}},
	}})
	if err == nil {
		err = s.nodes[0].PutDNs(ctx, team)
	}
	if err != nil {
		return err
	}
	for group, want := range map[string]int{"team": sizeTeam, "nobody": 0} {
		took, found := time.Hour, 0
		_, err := cluster.Eventually(ctx, sizeWithin, "the DNs of group "+group, func(ctx context.Context) error {
			for range 50 {
				start := time.Now()
				r, err := s.nodes[0].Availability().ListRoutable(ctx, &tcpb.ListRoutableRequest{Filter: &tcpb.Filter{Group: group}})
				if err != nil {
					return err
				}
				took, found = min(took, time.Since(start)), len(r.GetDns())
			}
			if found != want {
				return fmt.Errorf("%d, want %d", found, want)
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.add(fmt.Sprintf("ListRoutable of a group of %d, best of 50", want), ms(took), "ms")
	}
	return nil
}

func (s *sized) observe(ctx context.Context) error {
	o, err := observe(ctx, s.nodes[0])
	if err == nil {
		s.observers = append(s.observers, o)
		_, err = o.state(ctx, sizeWithin, true, s.lab.dns[s.victim])
	}
	return err
}

// asking asks the first node for the DN until it is in that state, and returns when.
func (s *sized) asking(ctx context.Context, inSrv bool) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		defer close(at)
		for ctx.Err() == nil {
			st, err := s.nodes[0].Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: s.asked})
			if err == nil && (st.GetState() == tcpb.DNState_DN_STATE_IN_SRV) == inSrv {
				at <- time.Now()
				return
			}
			_ = pause(ctx, time.Millisecond)
		}
	}()
	return at
}

// change does something, and measures until the node that is asked for one DN says so, and
// until its observer was told of the first and of the last of the victim's DNs.
func (s *sized) change(ctx context.Context, inSrv bool, do func() error) (asked, first, last time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, sizeWithin)
	defer cancel()
	start := time.Now()
	said := s.asking(ctx, inSrv)
	if first, last, err = s.told(ctx, inSrv, do); err != nil {
		return 0, 0, 0, err
	}
	return (<-said).Sub(start), first, last, nil
}

// told is change without asking, which takes a tenth of the machine from who comes back.
func (s *sized) told(ctx context.Context, inSrv bool, do func() error) (first, last time.Duration, err error) {
	start := time.Now()
	if err := do(); err != nil {
		return 0, 0, err
	}
	dns := s.lab.dns[s.victim]
	told, err := s.observers[0].state(ctx, sizeWithin, inSrv, dns)
	if err != nil {
		return 0, 0, err
	}
	return s.observers[0].earliest(inSrv, dns).Sub(start), told.Sub(start), nil
}

// earliest is when the first of the DNs was told of, of those that are in that state.
func (o *observer) earliest(inSrv bool, dns []string) (first time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, dn := range dns {
		r := o.rows[dn]
		if r == nil {
			continue
		}
		at := r.out
		if inSrv {
			at = r.in
		}
		if first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// kill measures kill -9 of a node, and its start.
func (s *sized) kill(ctx context.Context) error {
	n := s.nodes[s.victim]
	asked, first, last, err := s.change(ctx, false, func() error { n.Kill9(); return nil })
	if err != nil {
		return fmt.Errorf("after kill -9: %w", err)
	}
	s.below("kill -9 -> OOS of the DN that is asked for", asked, 100*time.Millisecond)
	s.below("kill -9 -> the first OOS event", first, 100*time.Millisecond)
	s.below("kill -9 -> the last OOS event", last, time.Second)
	var registered time.Duration
	start := time.Now()
	_, back, err := s.told(ctx, true, func() error {
		answered := make(chan error, 1)
		go func() {
			err := s.registers(ctx)
			registered = time.Since(start)
			answered <- err
		}()
		return errors.Join(n.Start(ctx), <-answered)
	})
	if err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	s.below("restart -> a REGISTER is answered", registered, 500*time.Millisecond)
	s.below("restart -> all its DNs InSrv at a peer", back, 5*time.Second)
	return s.settle(ctx)
}

// registers has one phone of the victim register, again and again sooner than a phone
// would, until it is answered.
func (s *sized) registers(ctx context.Context) error {
	for {
		once, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		o, err := s.fleets[s.victim].run(once, 0, 1, 0)
		cancel()
		if ctx.Err() != nil || err != nil && once.Err() == nil {
			return errors.Join(ctx.Err(), err)
		}
		if err == nil && o.accepted > 0 {
			return nil
		}
	}
}

// cut measures that a node is cut off, and the heal.
func (s *sized) cut(ctx context.Context) error {
	if !s.b.namespaces {
		s.b.report.skipped("size", s.name+": a cut", s.b.missing)
		return nil
	}
	if err := pause(ctx, steady); err != nil {
		return err
	}
	asked, first, last, err := s.change(ctx, false, func() error { return s.Split(ctx, s.nodes[:s.victim], s.nodes[s.victim:]) })
	if err != nil {
		return errors.Join(fmt.Errorf("after the cut: %w", err), s.Heal(ctx))
	}
	s.below("cut -> OOS of the DN that is asked for", asked, time.Second)
	s.add("cut -> the first OOS event", ms(first), "ms")
	s.add("cut -> the last OOS event", ms(last), "ms")
	asked, _, last, err = s.change(ctx, true, func() error { return s.Heal(ctx) })
	if err != nil {
		return fmt.Errorf("after the heal: %w", err)
	}
	s.add("heal -> InSrv of the DN that is asked for", ms(asked), "ms")
	s.below("heal -> the last InSrv event", last, 1500*time.Millisecond)
	return nil
}

func (s *sized) memory(ctx context.Context) error {
	f, err := s.footprint(ctx)
	if err == nil {
		s.add("resident memory of a node", f.resident/float64(len(s.nodes))/(1<<20), "MiB")
		s.add("heap of a node", f.heap/float64(len(s.nodes))/(1<<20), "MiB")
	}
	return err
}
