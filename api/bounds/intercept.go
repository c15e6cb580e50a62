package bounds

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// ServerOptions put the table in front of every method of a server, behind
// what the options before them do.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}
}

func unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if m, ok := req.(proto.Message); ok {
		if err := Check(m); err != nil {
			return nil, err
		}
	}
	return next(ctx, req)
}

// session is the stream that answers a request by an event and goes on: its
// handler calls Check itself.
const session = "/sipcluster.tlib.v1.TLibrary/Session"

func stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod != session {
		ss = checked{ss}
	}
	return next(srv, ss)
}

// checked ends a stream whose client sends too much.
type checked struct{ grpc.ServerStream }

func (c checked) RecvMsg(m any) error {
	if err := c.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if m, ok := m.(proto.Message); ok {
		return Check(m)
	}
	return nil
}
