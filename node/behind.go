package node

import (
	"context"
	"errors"
	"time"

	"github.com/sipcluster/sipcluster/node/consensus"
)

const (
	// leaderless is for how long a node that serves and knows of no leader may yet be behind
	// the configuration: the cluster may be electing one.
	leaderless = 5 * time.Second
	// behindMost is for how long it may be behind at most. It is timer F (RFC 3261
	// §17.1.2.2): nobody waits longer for an answer.
	behindMost = 32 * time.Second
	// readAgain is how often the leader is asked.
	readAgain = 100 * time.Millisecond
)

// catchUp ends the time in which this process may know less of the configuration than
// was written before its start, so that it refuses nobody: when it has read what the
// leader had. A node that is cut off goes by what it has.
func (n *Node) catchUp(ctx context.Context) {
	defer n.mayLag.Store(false)
	most, cancel := context.WithTimeout(ctx, behindMost)
	defer cancel()
	began, again := time.Now(), time.NewTicker(readAgain)
	defer again.Stop()
	for {
		err := n.group.ReadIndex(most)
		switch {
		case err == nil || ctx.Err() != nil:
			return
		case errors.Is(err, consensus.ErrFailed), most.Err() != nil, n.group.Status().Leader == "" && time.Since(began) > leaderless:
			n.log.Info("phones are refused by the configuration that is here: whether it is that of the cluster is not known", "err", err)
			return
		}
		select {
		case <-most.Done():
		case <-again.C:
		}
	}
}
