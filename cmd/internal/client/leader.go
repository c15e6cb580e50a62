package client

import (
	"context"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/outcome"
)

// following repeats at the leader what only that takes: it says where it is. The
// connection there is secured as this one.
func (c *Client) following() grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, method, req, reply, cc, opts...)
		info, said := outcome.Said(err)
		if !said || info.Leader == "" || c.As == nil {
			return err
		}
		options, failed := (&Target{As: c.As}).options()
		if failed != nil {
			return err
		}
		leader, failed := grpc.NewClient("passthrough:///"+info.Leader, append(options, cleaning()...)...)
		if failed != nil {
			return err
		}
		defer leader.Close()
		return leader.Invoke(ctx, method, req, reply, opts...)
	})
}
