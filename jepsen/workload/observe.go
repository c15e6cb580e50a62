package workload

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// observe has an observer of a node's TCport follow it over one connection,
// again and again with a pause between, until ctx ends.
func (s *Site) observe(ctx context.Context, name string, n *cluster.Node, conn **grpc.ClientConn, follow func(context.Context, *rand.Rand)) (err error) {
	if *conn, err = n.Dial(cluster.TCPort); err != nil {
		return err
	}
	defer func() { _ = (*conn).Close() }()
	r := s.random(name)
	for ctx.Err() == nil {
		if n.Running() {
			follow(ctx, r)
		}
		if !pause(ctx, between(r, 50*time.Millisecond, 300*time.Millisecond)) {
			return nil
		}
	}
	return nil
}
