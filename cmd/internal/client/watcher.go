package client

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// Watcher follows one node's stream over as many connections as it takes.
type Watcher struct {
	Client *Client
	Req    *tcpb.WatchRequest
	View   View
	// began: the node answered at least once.
	began bool
	// told: the connection is lost, and the View knows.
	told bool
}

// View shows what a node tells.
type View interface {
	// Started: a snapshot follows unless the stream goes on where it was.
	Started(s *tcpb.WatchStarted)
	Event(e *tcpb.DNEvent) error
	EndOfSnapshot(seq uint64) error
	// Lost is told once for a lost connection, Found when there is one again.
	Lost(err error)
	Found()
}

// Run ends without error when interrupted; it fails when the first connection does.
func (w *Watcher) Run(ctx context.Context) error {
	for {
		err := w.Client.Explain(w.follow(ctx))
		if Interrupted(ctx) {
			return nil
		}
		if !w.began || errors.As(err, new(AnswerError)) && !Refused(err, codes.Unavailable) {
			return err
		}
		if !w.told {
			w.told = true
			w.View.Lost(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// Interrupted tells whether the context has ended.
func Interrupted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// follow reads one connection's stream until it breaks.
func (w *Watcher) follow(ctx context.Context) error {
	return Stream(ctx, w.Client, 3*time.Second, func(ctx context.Context) (grpc.ServerStreamingClient[tcpb.WatchResponse], error) {
		return w.Client.Availability.Watch(ctx, w.Req)
	}, func(m *tcpb.WatchResponse) error {
		w.began = true
		if w.told {
			w.told = false
			w.View.Found()
		}
		return w.show(m)
	})
}

func (w *Watcher) show(m *tcpb.WatchResponse) error {
	switch b := m.Body.(type) {
	case *tcpb.WatchResponse_Started:
		if !b.Started.Resumed {
			w.Req.ResumeCursor = nil // only a whole snapshot can be resumed behind
		}
		w.View.Started(b.Started)
	case *tcpb.WatchResponse_Events:
		return w.events(b.Events)
	case *tcpb.WatchResponse_EndOfSnapshot:
		w.Req.ResumeCursor = b.EndOfSnapshot.Cursor
		return w.View.EndOfSnapshot(b.EndOfSnapshot.Seq)
	case *tcpb.WatchResponse_Heartbeat:
		w.goesOn(b.Heartbeat.Cursor)
	}
	return nil
}

// goesOn notes what to resume behind; within a snapshot there is nothing.
func (w *Watcher) goesOn(cursor []byte) {
	if len(cursor) > 0 {
		w.Req.ResumeCursor = cursor
	}
}

func (w *Watcher) events(b *tcpb.EventBatch) error {
	w.goesOn(b.Cursor)
	for _, e := range b.Events {
		if err := w.View.Event(e); err != nil {
			return err
		}
	}
	return nil
}
