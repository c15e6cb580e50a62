package nemesis

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// rotate changes everything that nodes and clients are known by at a time, and waits until
// that is over everywhere.
func rotate(_ context.Context, a *Arena, _ *rand.Rand) ([]Strike, error) {
	begin, end := a.rotation(cluster.RotationOver)
	return []Strike{begin, end}, nil
}

// cutRotation cuts a node off, or the leader, in the middle of it: it ends by itself
// after the heal.
func cutRotation(ctx context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	cuts, err := cutOne(ctx, a, r)
	if r.IntN(2) == 0 {
		cuts, err = cutLeader(ctx, a, r)
	}
	if err != nil {
		return nil, err
	}
	begin, end := a.rotation(2 * cluster.RotationOver)
	begin.Hold = time.Duration(r.Int64N(int64(5 * time.Second)))
	return append(append([]Strike{begin}, cuts...), end), nil
}

// rotation are the strikes with which one of each kind begins, and is over. Neither breaks
// anything.
func (a *Arena) rotation(within time.Duration) (begin, end Strike) {
	all := a.Cluster.Rotations(a.members()...)
	begin = Strike{Params: "begin", brief: true, heal: nothing, healed: nothing, confirm: nothing, inject: func(ctx context.Context) error {
		for _, r := range all {
			if err := r.Begin(ctx, a.running()...); err != nil {
				return err
			}
		}
		return nil
	}}
	end = Strike{Params: "end", brief: true, heal: nothing, inject: nothing, confirm: nothing, healed: func(ctx context.Context) error {
		for _, r := range all {
			took, err := r.Wait(ctx, within, a.running()...)
			if err != nil {
				return err
			}
			a.Say("%s changed, %v later", r.What, took.Round(100*time.Millisecond))
		}
		return nil
	}}
	return begin, end
}
