package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// apartFor is how long two nodes that were both recovered run side by side.
	apartFor = 5 * time.Second
	// rejoinWithin is how long it may take until all nodes are together again.
	rejoinWithin = 20 * time.Second
)

// loseMajority kills all nodes but one for good, with the disks of some: the one goes
// on from its own copy. Who still has a disk takes part in the recovery by its name, at
// times after it was recovered by mistake, too; the others join as new nodes.
func loseMajority(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, len(a.Cluster.Nodes()))
	if len(nodes) < len(a.members()) {
		return nil, ErrBusy
	}
	survivor, lost := nodes[0], nodes[1:]
	wiped := lost[:1+r.IntN(len(lost))]
	l := &losing{Arena: a, survivor: survivor, wiped: wiped, found: lost[len(wiped):]}
	l.twice = len(l.found) > 0 && r.IntN(2) == 0
	if err := a.claim(nodes...); err != nil {
		return nil, err
	}
	return one(Strike{
		Params: fmt.Sprintf("%s survives, with the disks of %s", survivor.Name(), list(l.found)),
		Effect: history.Effect{Down: names(lost...), Wiped: names(wiped...), Lost: names(lost...)}, nodes: nodes,
		inject: func(context.Context) error {
			a.kill(lost...)
			for _, n := range wiped {
				if err := wipe(n); err != nil {
					return err
				}
			}
			return nil
		},
		confirm: func(context.Context) error { return gone(lost) },
		heal:    l.recover,
		healed: func(ctx context.Context) error {
			_, err := a.Cluster.WaitWhole(ctx, rejoinWithin)
			return err
		},
	})
}

// losing is one loss of a majority.
type losing struct {
	*Arena
	survivor     *cluster.Node
	wiped, found []*cluster.Node
	// twice: the first found one is recovered by mistake.
	twice bool
}

func (l *losing) recover(ctx context.Context) error {
	name := ""
	err := l.restartAfter(ctx, l.survivor, func() (err error) {
		name, err = l.recovery(ctx, l.survivor, "")
		return err
	})
	if err != nil {
		return err
	}
	if l.twice {
		if err := l.apart(ctx, l.found[0]); err != nil {
			return err
		}
	}
	for _, n := range l.wiped {
		if err := l.replace(ctx, n); err != nil {
			return err
		}
	}
	for _, n := range l.found {
		n.Joins() // a member of the recovery is looked for where it joins
		op := l.Record.Invoke(history.Op{Process: "operator", Kind: history.Accept, Node: n.Name(), Key: name})
		if err := l.Start(ctx, n, "--accept-recovery", name); err != nil {
			return err
		}
		op.Outcome = history.OK
		l.Record.Return(op)
	}
	return nil
}

var recovered = regexp.MustCompile(`recovery (\S+): `)
var recoveredIndex = regexp.MustCompile(`\(index (\d+)\)`)

// recovery runs `sipcluster recover` at a node that is down.
func (l *losing) recovery(ctx context.Context, n *cluster.Node, arg string) (name string, err error) {
	op := l.Record.Invoke(history.Op{Process: "operator", Kind: history.Recover, Node: n.Name(), Arg: arg})
	res, err := n.CLI(ctx, "recover", "--data-dir", n.DataDir())
	if err != nil {
		return "", err
	}
	found, index := recovered.FindStringSubmatch(res.Out), recoveredIndex.FindStringSubmatch(res.Err)
	if res.Code != 0 || found == nil || index == nil {
		return "", fmt.Errorf("recover: exit code %d: %s%s", res.Code, res.Out, res.Err)
	}
	op.Key, op.Outcome = found[1], history.OK
	op.Revision, err = strconv.ParseUint(index[1], 10, 64)
	l.Record.Return(op)
	l.Say("%s is recovered at %d: %s", n.Name(), op.Revision, op.Key)
	return op.Key, err
}

// replace takes a lost node off the roster and has its machine join as a new one.
func (l *losing) replace(ctx context.Context, n *cluster.Node) error {
	_, err := cluster.Eventually(ctx, rejoinWithin, "node "+n.Name()+" is removed", func(ctx context.Context) error {
		return l.removeBy(ctx, l.survivor, n)
	})
	if err != nil {
		return err
	}
	n.Joins()
	return l.joinAgain(ctx, n)
}

// apart recovers another survivor, too: the two run side by side, and each is lost for
// the other one.
func (l *losing) apart(ctx context.Context, n *cluster.Node) error {
	two := both([]*cluster.Node{l.survivor}, []*cluster.Node{n})
	return l.Play(ctx, Strike{
		Nemesis: "two-recoveries", Params: n.Name() + " beside " + l.survivor.Name(), Hold: apartFor,
		Effect: history.Effect{CutPorts: pairsOf(two), Ports: []string{"cluster", "gossip"}}, // the desktops at both hear theirs
		inject: func(ctx context.Context) error {
			if _, err := l.recovery(ctx, n, history.Mistaken); err != nil {
				return err
			}
			return l.Start(ctx, n)
		},
		confirm: func(ctx context.Context) error {
			for _, x := range []*cluster.Node{l.survivor, n} {
				s, err := x.Status(ctx)
				if err != nil {
					return err
				}
				for _, p := range s.GetPeers() {
					if p.GetReachable() {
						return fmt.Errorf("%s hears %s of another recovery", x.Name(), p.GetNode())
					}
				}
			}
			return nil
		},
		heal:   func(context.Context) error { l.kill(n); return nil },
		healed: nothing,
	})
}
