package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// router is a T-Library client at a node's default port that sends each call
// at a routing point to the next DN.
type router struct {
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	wg     sync.WaitGroup
	dns    []string
	routed atomic.Int64
	errors atomic.Int64
	why    atomic.Value // the first error's text
}

// route attaches a router to the routing point and returns when it is registered.
func route(ctx context.Context, n *cluster.Node, point string, dns []string) (*router, error) {
	conn, err := n.Dial(cluster.DefaultPort)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &router{conn: conn, cancel: cancel, dns: dns}
	s, err := tlibpb.NewTLibraryClient(conn).Session(ctx)
	if err != nil {
		r.close()
		return nil, err
	}
	err = errors.Join(
		s.Send(&tlibpb.ClientMessage{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: "bench router"}}}),
		s.Send(&tlibpb.ClientMessage{ReferenceId: 2, Body: &tlibpb.ClientMessage_RegisterAddress{
			RegisterAddress: &tlibpb.RegisterAddress{Dn: point, Mode: tlibpb.AddressMode_ADDRESS_MODE_SHARED},
		}}))
	if err != nil {
		r.close()
		return nil, err
	}
	registered := make(chan error, 1)
	r.wg.Go(func() { registered <- r.serve(s, registered) })
	select {
	case err = <-registered:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("router at %s: %w", n.Name(), err)
	}
	return r, nil
}

func (r *router) close() {
	r.cancel()
	_ = r.conn.Close()
	r.wg.Wait()
}

// serve answers until the session ends; registered gets nil once it is.
func (r *router) serve(s tlibpb.TLibrary_SessionClient, registered chan<- error) error {
	for {
		m, err := s.Recv()
		if err != nil {
			return err
		}
		for _, e := range m.GetEvents() {
			switch e.GetMessage() {
			case tlibpb.Message_MESSAGE_EVENT_REGISTERED:
				registered <- nil
			case tlibpb.Message_MESSAGE_EVENT_ERROR:
				r.errors.Add(1)
				r.why.CompareAndSwap(nil, e.GetError().GetText())
			case tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST:
				if err := s.Send(r.answer(e)); err != nil {
					return err
				}
			}
		}
	}
}

func (r *router) answer(e *tlibpb.Event) *tlibpb.ClientMessage {
	n := r.routed.Add(1)
	return &tlibpb.ClientMessage{ReferenceId: uint64(n) + 2, Body: &tlibpb.ClientMessage_RouteCall{RouteCall: &tlibpb.RouteCall{
		ConnId: e.GetCall().GetConnId(), Destination: &tlibpb.RouteCall_Dn{Dn: r.dns[int(n)%len(r.dns)]},
	}}}
}

// note says what the node refused.
func (r *router) note() string {
	if r.errors.Load() == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d RouteCalls refused: %v", r.errors.Load(), r.routed.Load(), r.why.Load())
}
