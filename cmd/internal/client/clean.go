package client

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// cleaning takes out of everything that a node says what a terminal would obey.
func cleaning() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			clean(reply)
			return err
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, desc, cc, method, opts...)
			if err != nil {
				return nil, err
			}
			return cleaned{s}, nil
		}),
	}
}

type cleaned struct{ grpc.ClientStream }

func (c cleaned) RecvMsg(m any) error {
	err := c.ClientStream.RecvMsg(m)
	clean(m)
	return err
}

func clean(m any) {
	if p, ok := m.(proto.Message); ok {
		cleanMessage(p.ProtoReflect())
	}
}

// cleanMessage cleans every text below m.
func cleanMessage(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			cleanMap(fd, v.Map())
		case fd.IsList():
			cleanList(fd, v.List())
		case fd.Message() != nil:
			cleanMessage(v.Message())
		case fd.Kind() == protoreflect.StringKind:
			if c := console.Clean(v.String()); c != v.String() {
				m.Set(fd, protoreflect.ValueOfString(c))
			}
		}
		return true
	})
}

func cleanList(fd protoreflect.FieldDescriptor, list protoreflect.List) {
	for i := range list.Len() {
		switch {
		case fd.Message() != nil:
			cleanMessage(list.Get(i).Message())
		case fd.Kind() == protoreflect.StringKind:
			list.Set(i, protoreflect.ValueOfString(console.Clean(list.Get(i).String())))
		}
	}
}

func cleanMap(fd protoreflect.FieldDescriptor, of protoreflect.Map) {
	if fd.MapKey().Kind() != protoreflect.StringKind || fd.MapValue().Kind() != protoreflect.StringKind {
		return
	}
	dirty := map[string]string{}
	of.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if console.Clean(k.String()) != k.String() || console.Clean(v.String()) != v.String() {
			dirty[k.String()] = v.String()
		}
		return true
	})
	for k, v := range dirty {
		of.Clear(protoreflect.ValueOfString(k).MapKey())
		of.Set(protoreflect.ValueOfString(console.Clean(k)).MapKey(), protoreflect.ValueOfString(console.Clean(v)))
	}
}
