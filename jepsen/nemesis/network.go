package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// cutting is a strike that drops everything on the ways.
func (a *Arena) cutting(params string, ways []cluster.Way) Strike {
	f := a.Cluster.NewFilter()
	return Strike{
		Params: params, Effect: history.Effect{Cut: pairsOf(ways)}, ways: ways,
		inject:  func(ctx context.Context) error { return f.Set(ctx, cluster.Drop{Ways: ways}) },
		confirm: func(ctx context.Context) error { return a.prober.silent(ctx, ways) },
		heal:    f.Heal,
		healed:  func(ctx context.Context) error { return a.prober.through(ctx, a.open(ways)) },
	}
}

func cutOne(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	return one(a.cutting(nodes[0].Name(), both(nodes[:1], nodes[1:])))
}

func cutLeader(ctx context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	n := a.Leader(ctx)
	if n == nil {
		return nil, ErrBusy
	}
	return one(a.cutting(n.Name(), both([]*cluster.Node{n}, a.members())))
}

func halves(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	x, y := nodes[:len(nodes)/2], nodes[len(nodes)/2:]
	return one(a.cutting(list(x)+" | "+list(y), both(x, y)))
}

// bridge makes two halves that both reach one node.
func bridge(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	rest := nodes[1:]
	x, y := rest[:len(rest)/2], rest[len(rest)/2:]
	return one(a.cutting(fmt.Sprintf("%s | %s, both reach %s", list(x), list(y), nodes[0].Name()), both(x, y)))
}

func cutPair(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	return one(a.cutting(nodes[0].Name()+" - "+nodes[1].Name(), both(nodes[:1], nodes[1:2])))
}

// oneWay drops what one node sends to another one, or to all of them.
func oneWay(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	others := nodes[1:]
	if r.IntN(2) == 0 {
		others = others[:1]
	}
	var ways []cluster.Way
	for _, n := range others {
		ways = append(ways, cluster.Way{From: nodes[0], To: n})
	}
	return one(a.cutting(nodes[0].Name()+" -> "+list(others), ways))
}

// port cuts one port of a node from all others, or between two only.
func port(k cluster.Kind, name string) plan {
	return func(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
		nodes := shuffled(a, r)
		others := nodes[1:]
		if r.IntN(2) == 0 {
			others = others[:1]
		}
		return one(a.portCut(k, name, both(nodes[:1], others), nodes[0].Name()+" - "+list(others)))
	}
}

// sipPort cuts all phones, those of its own site too, from a node.
func sipPort(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	var ways []cluster.Way
	for _, n := range nodes {
		ways = append(ways, cluster.Way{From: n, To: nodes[0]})
	}
	return one(a.portCut(cluster.SIP, "sip", ways, nodes[0].Name()))
}

func (a *Arena) portCut(k cluster.Kind, name string, ways []cluster.Way, params string) Strike {
	f := a.Cluster.NewFilter()
	return Strike{
		Params: params,
		Effect: history.Effect{CutPorts: pairsOf(ways), Ports: []string{name}},
		inject: func(ctx context.Context) error {
			return f.Set(ctx, cluster.Drop{Ports: []cluster.Kind{k}, PortWays: ways})
		},
		confirm: func(ctx context.Context) error { return a.prober.shut(ctx, ways, k) },
		heal:    f.Heal,
		healed:  func(ctx context.Context) error { return a.prober.reachable(ctx, a.sound(ways), k) },
	}
}

// sound are the ways that are open and end at a process that runs.
func (a *Arena) sound(ways []cluster.Way) []cluster.Way {
	var out []cluster.Way
	runs := map[*cluster.Node]bool{}
	for _, n := range a.running() {
		runs[n] = true
	}
	for _, w := range a.open(ways) {
		if runs[w.To] {
			out = append(out, w)
		}
	}
	return out
}

// loss drops 1 to 20 % of all packets between the nodes.
func loss(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	percent := []int{1, 2, 5, 5, 10, 20}[r.IntN(6)]
	nodes := a.Cluster.Nodes()
	ways := both(nodes, nodes)
	f := a.Cluster.NewFilter()
	return one(Strike{
		Params:  fmt.Sprintf("%d %%", percent),
		Effect:  history.Effect{Unsteady: pairsOf(ways), Loss: percent},
		inject:  func(ctx context.Context) error { return f.Set(ctx, cluster.Drop{Loss: percent, LossyWays: ways}) },
		confirm: func(ctx context.Context) error { return a.prober.lossy(ctx, a.open(ways), percent) },
		heal:    f.Heal,
		healed:  func(ctx context.Context) error { return a.prober.through(ctx, a.open(ways)) },
	})
}

// flapping cuts one node off and on, again and again.
func flapping(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := shuffled(a, r)
	others := nodes[1:]
	if r.IntN(2) == 0 {
		others = others[:1]
	}
	ways := both(nodes[:1], others)
	on := time.Duration(200+r.IntN(1800)) * time.Millisecond
	off := time.Duration(200+r.IntN(1800)) * time.Millisecond
	fl := &flapper{filter: a.Cluster.NewFilter(), drop: cluster.Drop{Ways: ways}, on: on, off: off}
	return one(Strike{
		Params: fmt.Sprintf("%s - %s, %v cut, %v open", nodes[0].Name(), list(others), on, off),
		Effect: history.Effect{Unsteady: pairsOf(ways)}, ways: ways,
		inject:  func(ctx context.Context) error { return fl.filter.Set(ctx, fl.drop) },
		confirm: func(ctx context.Context) error { defer fl.start(ctx); return a.prober.silent(ctx, ways) },
		heal:    fl.stop,
		healed:  func(ctx context.Context) error { return a.prober.through(ctx, a.open(ways)) },
	})
}

// flapper opens and closes a filter until it is stopped.
type flapper struct {
	filter  *cluster.Filter
	drop    cluster.Drop
	on, off time.Duration
	end     context.CancelFunc
	ended   chan error
}

func (f *flapper) start(ctx context.Context) {
	ctx, f.end = context.WithCancel(ctx)
	f.ended = make(chan error, 1)
	go func() { f.ended <- f.run(ctx) }()
}

func (f *flapper) run(ctx context.Context) error {
	cut := true
	for {
		hold, next := f.on, cluster.Drop{}
		if !cut {
			hold, next = f.off, f.drop
		}
		wait(ctx, hold)
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		// A change that the end breaks off would stop half-way.
		if err := f.filter.Set(context.WithoutCancel(ctx), next); err != nil {
			return err
		}
		cut = !cut
	}
}

func (f *flapper) stop(ctx context.Context) error {
	f.end()
	if err := <-f.ended; err != nil {
		return err
	}
	return f.filter.Heal(ctx)
}

func list(nodes []*cluster.Node) string { return strings.Join(names(nodes...), ", ") }

// shuffled are the nodes of the cluster in random order, those that were
// removed left out.
func shuffled(a *Arena, r *rand.Rand) []*cluster.Node {
	nodes := a.members()
	r.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes
}
