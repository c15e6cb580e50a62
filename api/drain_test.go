package api

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// The deadline is a moment from when it was asked for; what is asked without one
// leaves it alone, and undoing forgets it.
func TestDrainNode_Deadline(t *testing.T) {
	s := everyKind(t)
	client, _ := newCluster(t, s)
	hour := uint64(3_600_000)
	for _, step := range []struct {
		req  *tcpb.DrainNodeRequest
		want time.Duration // from now; 0 for none
	}{
		{&tcpb.DrainNodeRequest{}, 0},
		{&tcpb.DrainNodeRequest{DeadlineMs: &hour}, time.Hour},
		{&tcpb.DrainNodeRequest{}, time.Hour},
		{&tcpb.DrainNodeRequest{DeadlineMs: proto.Uint64(2 * hour)}, 2 * time.Hour},
		{&tcpb.DrainNodeRequest{Undo: true}, 0},
		{&tcpb.DrainNodeRequest{DeadlineMs: proto.Uint64(0)}, time.Millisecond},
	} {
		step.req.Name = "sip2"
		asked := time.Now()
		if _, err := client.DrainNode(t.Context(), step.req); err != nil {
			t.Fatal(err)
		}
		node := s.view.NodeByName("sip2")
		end := node.DrainEnd()
		if node.GetDraining() == step.req.Undo || end.IsZero() != (step.want == 0) || !end.IsZero() && end.Sub(asked.Add(step.want)).Abs() > time.Minute {
			t.Errorf("%v: %v", step.req, node)
		}
	}
}

func TestWatchNode_CountsWhatIsLeftAndWhatMoved(t *testing.T) {
	s := everyKind(t)
	client, _ := newCluster(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := client.WatchNode(ctx, &tcpb.WatchNodeRequest{Name: "sip2"})
	if err != nil {
		t.Fatal(err)
	}
	until := func(want *tcpb.WatchNodeResponse) {
		t.Helper()
		for range 30 {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			m.DrainUntil = nil
			if proto.Equal(m, want) {
				return
			}
		}
		t.Errorf("never said %v", want)
	}
	until(&tcpb.WatchNodeResponse{Heard: true, Left: 2})
	s.inCalls.Store(dn.Number("1002"), true)
	until(&tcpb.WatchNodeResponse{Heard: true, Left: 2, Calls: 1})
	s.inCalls.Delete(dn.Number("1002"))
	s.table.Register("1002", dn.Registered)
	until(&tcpb.WatchNodeResponse{Heard: true, Moved: 1, Left: 1})
	s.table.SetHeard(peerID, false)
	until(&tcpb.WatchNodeResponse{Moved: 1, Left: 1})
	if unknown, err := client.WatchNode(ctx, &tcpb.WatchNodeRequest{Name: "sip9"}); err != nil {
		t.Error(err)
	} else if _, err := unknown.Recv(); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

// A node that is not wanted any more is watched by few.
func TestWatchNode_IsBounded(t *testing.T) {
	s := newSite(t)
	client, _ := newCluster(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := func() error {
		stream, err := client.WatchNode(ctx, &tcpb.WatchNodeRequest{Name: "sip2"})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	for range maxNodeWatches / 2 { // of one source
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more: %v", err)
	}
}
