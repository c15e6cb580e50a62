package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// firstDN is the first number of a lab.
const firstDN = 2_000_000

// lab is a cluster with phones at every node and an observer at each.
type lab struct {
	*cluster.Cluster
	nodes     []*cluster.Node
	realm     string
	fleets    []*fleet
	dns       [][]string // of each node's fleet
	observers []*observer
	far       bool // too far for gossip
}

// lab starts nodes with dns DNs at each; apart: in namespaces, where it works;
// args are for the servers.
func (b *bench) lab(ctx context.Context, nodes int, dns []int, apart bool, args ...string) (*lab, error) {
	return b.labOf(ctx, cluster.Config{Nodes: nodes, Loopback: !apart || !b.namespaces, Args: args}, dns)
}

// labOf is lab with what else a cluster may be.
func (b *bench) labOf(ctx context.Context, cfg cluster.Config, dns []int) (_ *lab, err error) {
	if cfg.Dir, err = os.MkdirTemp(b.dir, "cluster"); err != nil {
		return nil, err
	}
	cfg.Binary, cfg.NoPings = b.binary, true // the figures are those of registrations and calls
	cfg.Secured = cfg.Secured || b.secured
	cfg.Args = append([]string{"--realm", b.realm, "--debug"}, cfg.Args...)
	c, err := cluster.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	l := &lab{Cluster: c, nodes: c.Nodes(), realm: b.realm}
	if err := l.start(ctx, dns); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) start(ctx context.Context, dns []int) error {
	if err := l.Start(ctx); err != nil {
		return err
	}
	next := firstDN
	for i, n := range l.nodes {
		own := numbers(next, dns[i])
		next += dns[i]
		f, err := newFleet(ctx, n, l.realm, own)
		if err != nil {
			return err
		}
		l.fleets, l.dns = append(l.fleets, f), append(l.dns, own)
		if err := configure(ctx, n, l.realm, own); err != nil {
			return fmt.Errorf("configure DNs: %w", err)
		}
	}
	return l.configured(ctx, next-firstDN)
}

// configure writes the DNs by way of the node.
func configure(ctx context.Context, n *cluster.Node, realm string, dns []string) error {
	if len(dns) == 0 {
		return nil
	}
	return n.PutDNs(ctx, sipDNs(realm, dns))
}

func sipDNs(realm string, dns []string) []*configpb.DN {
	list := make([]*configpb.DN, len(dns))
	for i, dn := range dns {
		list[i] = &configpb.DN{
			Number: dn, Kind: configpb.DNKind_DN_KIND_SIP,
			Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, Ha1: ha1(dn, realm),
		}
	}
	return list
}

// gatewayDN is a trunk: what comes from the address is taken without a challenge.
func gatewayDN(number, address string) *configpb.DN {
	return &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: address}}
}

// configured waits until every node knows that many DNs.
func (l *lab) configured(ctx context.Context, dns int) error {
	for _, n := range l.nodes {
		_, err := cluster.Eventually(ctx, 30*time.Second, "the DNs are known at "+n.Name(), func(ctx context.Context) error {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			if got := s.GetDns().GetTotal(); got < uint64(dns) {
				return fmt.Errorf("%d of %d", got, dns)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// register makes all phones register once, at their nodes.
func (l *lab) register(ctx context.Context) error {
	o, err := l.load(ctx, 0, func(f *fleet) int { return len(f.phones) })
	if err == nil && o.failed > 0 {
		err = fmt.Errorf("%d phones could not register: %s", o.failed, o.why)
	}
	return err
}

// load runs all fleets at once: rate is for all together, 0 for full speed.
func (l *lab) load(ctx context.Context, rate int, count func(*fleet) int) (sum outcome, err error) {
	outcomes := make([]outcome, len(l.fleets))
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i, f := range l.fleets {
		if len(f.phones) == 0 {
			continue
		}
		g.Go(func() (err error) {
			outcomes[i], err = f.run(ctx, 0, count(f), rate/len(l.fleets))
			return err
		})
	}
	err = g.Wait()
	for _, o := range outcomes {
		sum.accepted += o.accepted
		sum.failed += o.failed
		sum.resent += o.resent
		if o.why != "" {
			sum.why = o.why
		}
	}
	sum.took = time.Since(start)
	return sum, err
}

// watch puts an observer at every node.
func (l *lab) watch(ctx context.Context) error {
	for _, n := range l.nodes {
		o, err := observe(ctx, n)
		if err != nil {
			return err
		}
		l.observers = append(l.observers, o)
	}
	return nil
}

// settle waits until every node hears every other one, also by gossip, and
// every observer sees every phone's DN in service.
func (l *lab) settle(ctx context.Context) error {
	if _, err := l.WaitWhole(ctx, 30*time.Second); err != nil {
		return err
	}
	if l.far {
		return l.allInSrv(ctx, 30*time.Second)
	}
	_, err := cluster.Eventually(ctx, 30*time.Second, "gossip holds all alive", func(ctx context.Context) error {
		for _, n := range l.nodes {
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			for _, p := range s.GetPeers() {
				if p.GetGossip() != "alive" {
					return fmt.Errorf("%s holds %s %s", n.Name(), p.GetNode(), p.GetGossip())
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.allInSrv(ctx, 30*time.Second)
}

func (l *lab) allInSrv(ctx context.Context, within time.Duration) error {
	for _, o := range l.observers {
		for _, dns := range l.dns {
			if _, err := o.state(ctx, within, true, dns); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) close() error {
	for _, o := range l.observers {
		o.close()
	}
	for _, f := range l.fleets {
		f.close()
	}
	return l.Close()
}

// profiles saves an execution trace of one second, a CPU profile of the rest of
// the given time and a heap profile of a node, when a directory was given for them.
func (b *bench) profiles(ctx context.Context, n *cluster.Node, name string, d time.Duration) {
	if b.profile == "" {
		return
	}
	for _, p := range []struct{ file, path string }{
		{"trace", "/debug/pprof/trace?seconds=1"},
		{"cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(d.Seconds())-1))},
		{"heap", "/debug/pprof/heap?gc=1"},
	} {
		data, err := get(ctx, n, p.path)
		if err == nil {
			err = os.WriteFile(filepath.Join(b.profile, name+"."+p.file), data, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "# profile:", err)
		}
	}
}
