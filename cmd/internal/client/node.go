package client

import (
	"context"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// WatchNode hands over what is at a node, each second, until fn is done or fails.
func (c *Client) WatchNode(ctx context.Context, name string, fn func(*tcpb.WatchNodeResponse) (done bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := newDeadline(c.timeout, cancel)
	defer silence.stop()
	stream, err := c.Cluster.WatchNode(ctx, &tcpb.WatchNodeRequest{Name: name})
	for err == nil {
		var m *tcpb.WatchNodeResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		silence.stop()
		if done, err := fn(m); done || err != nil {
			return err
		}
		silence.extend()
	}
	return c.Explain(silence.judge(err))
}
