package api

import (
	"context"
	"errors"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// maxRewrites is how often a change is made again because somebody wrote meanwhile.
const maxRewrites = 5

// rewrite writes what change makes of the configuration as it is here, as long as the
// object is still that: when somebody wrote it meanwhile, as nodes and the leader do by
// themselves, change is asked again, for the client has named no revision. A nil mutation
// is nothing to do.
func rewrite(ctx context.Context, to Proposer, view func() *fsm.View, wait func(context.Context, uint64) error, change func(*fsm.View) (*configpb.Mutation, error)) error {
	for try := 1; ; try++ {
		v := view()
		m, err := change(v)
		if m == nil || err != nil {
			return err
		}
		_, err = to.Propose(ctx, command([]*configpb.Mutation{m}))
		if !errors.Is(err, fsm.ErrRevision) || try == maxRewrites {
			return StatusError(err)
		}
		if err := wait(ctx, v.Index()+1); err != nil { // this node has not heard of it yet
			return StatusError(err)
		}
	}
}
