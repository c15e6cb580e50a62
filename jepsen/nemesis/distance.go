package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/line"
)

// Stretch makes the lines between all nodes what they are while no nemesis changes them.
func (a *Arena) Stretch(usual line.Path) error {
	a.usual = usual
	return a.Cluster.SetPaths(usual)
}

// distance makes one way between two nodes what path says, and what is heard at the ends may
// not change by it.
func (a *Arena) distance(params string, effect history.Effect, path func(cluster.Way) line.Path) Strike {
	nodes := a.Cluster.Nodes()
	ways := both(nodes, nodes)
	set := func(path func(cluster.Way) line.Path) error {
		for _, w := range ways {
			if err := a.Cluster.SetPath(w.From, w.To, path(w)); err != nil {
				return err
			}
		}
		return nil
	}
	return Strike{
		Params: params, Effect: effect,
		inject: func(context.Context) error { return set(path) },
		confirm: func(ctx context.Context) error {
			return eachWay(a.open(ways), func(w cluster.Way) error { return a.prober.takes(ctx, w, path(w).Delay-path(w).Jitter) })
		},
		heal:   func(context.Context) error { return set(func(cluster.Way) line.Path { return a.usual }) },
		healed: func(ctx context.Context) error { return a.prober.through(ctx, a.open(ways)) },
	}
}

// takes is nil when nothing arrives on the way sooner than after that long.
func (p *prober) takes(ctx context.Context, w cluster.Way, least time.Duration) error {
	if least < 2*cutWithin {
		return nil // near enough for the machine to be as slow
	}
	got, err := p.send(ctx, w, 3, least-cutWithin/4)
	if err == nil && got > 0 {
		err = fmt.Errorf("%d of 3 probes went from %s to %s in less than %v", got, w.From.Name(), w.To.Name(), least)
	}
	return err
}

// far has all nodes a continent apart, with some loss. What is lost while the way becomes
// longer in one step makes it open who is heard.
func far(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	nodes := a.Cluster.Nodes()
	effect := history.Effect{Unsteady: pairsOf(both(nodes, nodes))}
	return one(a.distance("250 +- 30 ms, 1 % loss", effect, func(cluster.Way) line.Path { return Far }))
}

// Far is one way between two continents.
var Far = line.Path{Delay: 125 * time.Millisecond, Jitter: 15 * time.Millisecond, Loss: 1}

// reroute has all packets take another way in one step, and go back in one.
func reroute(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	return one(a.distance("to 300 ms", history.Effect{}, func(cluster.Way) line.Path { return line.Path{Delay: 150 * time.Millisecond} }))
}

// narrow lets 256 kbit/s through each way: what is lost in front of it is open.
func narrow(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	nodes := a.Cluster.Nodes()
	effect := history.Effect{Unsteady: pairsOf(both(nodes, nodes))}
	return one(a.distance("256 kbit/s", effect, func(cluster.Way) line.Path {
		return line.Path{Delay: a.usual.Delay, Rate: 256_000}
	}))
}

// asymmetric makes what one node sends take long, and what it gets come soon.
func asymmetric(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	n := shuffled(a, r)[0]
	return one(a.distance("from "+n.Name()+" 200 ms, to it 10 ms", history.Effect{}, func(w cluster.Way) line.Path {
		switch n {
		case w.From:
			return line.Path{Delay: 200 * time.Millisecond}
		case w.To:
			return line.Path{Delay: 10 * time.Millisecond}
		}
		return a.usual
	}))
}
