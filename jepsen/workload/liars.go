package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/liar"
)

// Liars hold the files of a node and of one that was removed, and tokens of too little and
// too late. They try to be taken for more, at any node.
type Liars struct {
	*Site
	// Nodes of the cluster; Removed was one of them.
	Nodes   []*cluster.Node
	Removed *liar.Thief
	Guests  []*liar.Guest
	// Dir is for stolen files.
	Dir   string
	Every time.Duration
}

// Admit makes the cluster's liars: a node joins and is removed again, of which its
// files are left, and tokens are given out. It returns when every node knows all that.
func (w *Liars) Admit(ctx context.Context, spare *cluster.Node) error {
	first := w.Nodes[0]
	if err := spare.Start(ctx); err != nil {
		return err
	}
	var err error
	if _, err = cluster.Eventually(ctx, 10*time.Second, "a whole copy of the store of "+spare.Name(), func(context.Context) (err error) {
		w.Removed, err = w.steal(spare)
		return err
	}); err != nil {
		return err
	}
	spare.Kill9()
	if _, err := first.Cluster().RemoveNode(ctx, &tcpb.RemoveNodeRequest{Name: spare.Name()}); err != nil {
		return err
	}
	admin, err := w.Cluster.Admin()
	if err != nil {
		return err
	}
	if w.Guests, err = liar.Guests(ctx, first, admin); err != nil {
		return err
	}
	for _, n := range w.Nodes {
		for _, g := range w.Guests {
			if _, err := cluster.Eventually(ctx, 10*time.Second, n.Name()+" refuses "+g.Has, func(ctx context.Context) error {
				if g.Try(ctx, n, w.Cluster.Visitor()) == nil {
					return errors.New("it is taken")
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Liars) steal(n *cluster.Node) (*liar.Thief, error) {
	dir, err := os.MkdirTemp(w.Dir, "stolen-")
	if err != nil {
		return nil, err
	}
	thief, err := liar.Steal(n, w.Cluster.Visitor(), dir)
	if err != nil {
		_ = os.RemoveAll(dir)
	}
	return thief, err
}

// Run tries until ctx ends.
func (w *Liars) Run(ctx context.Context) error {
	r := w.random("liars")
	every(ctx, w.Every, func(ctx context.Context) {
		ctx, cancel := patience(ctx, 4*time.Second)
		defer cancel()
		to := w.Nodes[r.IntN(len(w.Nodes))]
		switch r.IntN(3) {
		case 0:
			g := w.Guests[r.IntN(len(w.Guests))]
			w.claim(to, g.Has, g.Wants, func() error { return g.Try(ctx, to, w.Cluster.Visitor()) })
		case 1:
			own := w.Removed.Node(w.Removed.Of)
			w.asNode(ctx, r, w.Removed, history.StolenFiles+"a removed node", own, to)
		default:
			w.another(ctx, r, to)
		}
	})
	return nil
}

// another steals the files of a node and is another one by them, or itself in a certificate
// that the other's name is in.
func (w *Liars) another(ctx context.Context, r *rand.Rand, to *cluster.Node) {
	i := r.IntN(len(w.Nodes))
	of, as := w.Nodes[i], w.Nodes[(i+1+r.IntN(len(w.Nodes)-1))%len(w.Nodes)]
	thief, err := w.steal(of)
	if err != nil {
		return // torn: the node writes meanwhile
	}
	defer thief.Forget()
	name, has := thief.Node(as.Name()), history.StolenFiles+of.Name()
	if name == nil {
		return
	}
	if r.IntN(2) == 0 {
		dir, err := os.MkdirTemp(w.Dir, "signed-")
		if err != nil {
			return
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if thief, err = thief.As(name, dir); err != nil {
			return
		}
		has += ", a certificate of " + as.Name()
	}
	w.asNode(ctx, r, thief, has, name, to)
}

// asNode tries one of the ways to be a node, or to do what none may.
func (w *Liars) asNode(ctx context.Context, r *rand.Rand, t *liar.Thief, has string, as *configpb.Node, to *cluster.Node) {
	all := append(liar.Claims(), liar.Trespasses()...)
	c, at := all[r.IntN(len(all))], t.Node(to.Name())
	if at == nil {
		return
	}
	w.claim(to, has, fmt.Sprintf("%s as %s", c.What, as.GetName()), func() error { return c.Try(t, ctx, as, at) })
}

// claim records what became of a try.
func (w *Liars) claim(to *cluster.Node, has, wants string, try func() error) {
	op := w.Record.Invoke(history.Op{Process: "liar", Kind: history.Claim, Node: to.Name(), From: has, Key: wants})
	err := try()
	switch {
	case err == nil:
		op.Outcome = history.OK
	case errors.Is(err, liar.ErrUnreached), errors.Is(err, liar.ErrNameless):
		op.Outcome, op.Error = history.Unknown, err.Error()
	default:
		op.Outcome, op.Error = history.Fail, err.Error()
	}
	w.Record.Return(op)
}
