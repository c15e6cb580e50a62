package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/node/intake"
)

// graceful is how long running requests may take when the node stops.
const graceful = 2 * time.Second

// newGRPC makes a server whose handlers can't take the process down. Interceptors
// among the options stand in front of all others.
func newGRPC(log *slog.Logger, options ...grpc.ServerOption) *grpc.Server {
	failed := func(method string, p any) error {
		log.Error("request handler panicked", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		return status.Error(codes.Internal, "request handler panicked; the node's log has the details")
	}
	options = append(options,
		grpc.MaxConcurrentStreams(1024),
		grpc.MaxRecvMsgSize(bounds.MaxMessage),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(5*time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
			defer func() {
				if p := recover(); p != nil {
					err = failed(info.FullMethod, p)
				}
			}()
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = failed(info.FullMethod, p)
				}
			}()
			return next(srv, ss)
		}),
	)
	return grpc.NewServer(append(options, bounds.ServerOptions()...)...)
}

// maxHeader bounds the metadata of a request in bytes.
const maxHeader = 16 << 10

// minPing is how often a client may ping at most on and on (HTTP/2); one that does it
// more often is sent away. Libraries allow no less than 1 s, or 10 s.
const minPing = 500 * time.Millisecond

// unpinged: this node pings no client. Some libraries read nothing, and answer
// nothing, while their program has no request under way; the kernel judges.
var unpinged = keepalive.ServerParameters{Time: math.MaxInt64}

// clientPort is a gRPC port for clients, with health and reflection.
type clientPort struct {
	in     *intake.Listener
	server *grpc.Server
	health *health.Server
}

func (n *Node) listenClients(what, flag, addr string) (*clientPort, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: choose another %s", what, addr, err, flag)
	}
	in := intake.New(ln, what, n.events)
	p := &clientPort{in: in, server: newGRPC(n.log, n.clientOptions(in)...), health: health.NewServer()}
	p.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(p.server, p.health)
	return p, nil
}

// run serves until the context ends.
func (p *clientPort) run(ctx context.Context) error {
	reflection.Register(p.server)
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { p.in.FeelPulses(ctx) })
	defer beside.Wait()
	defer cancel()
	return serveGRPC(ctx, p.server, p.in)
}

// serveGRPC serves until the context ends, which is no error.
func serveGRPC(ctx context.Context, s *grpc.Server, ln net.Listener) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		hard := time.AfterFunc(graceful, s.Stop)
		defer hard.Stop()
		s.GracefulStop()
	})
	err := s.Serve(ln)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, grpc.ErrServerStopped) || ctx.Err() != nil { // its listener may have closed first
		return nil //nolint:nilerr // it was told to stop
	}
	return err
}
