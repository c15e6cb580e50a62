package client

import (
	"context"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// trace notes how far requests came, which gRPC tells in the text of its errors
// alone.
type trace struct {
	// undialled is set while the last attempt to connect failed.
	undialled atomic.Bool
	// sent is set once a request has left for a gRPC server.
	sent atomic.Bool
}

// options make a connection report to the trace.
func (t *trace) options() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithContextDialer(t.dial), grpc.WithStatsHandler(t)}
}

func (t *trace) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	t.undialled.Store(err != nil)
	return conn, err
}

// HandleRPC sees each step of a request.
func (t *trace) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok {
		t.sent.Store(true)
	}
}

// HandleConn, TagRPC and TagConn change nothing.
func (t *trace) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC returns ctx.
func (t *trace) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn returns ctx.
func (t *trace) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
