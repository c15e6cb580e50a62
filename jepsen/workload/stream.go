package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Stream is a Stat Server: it follows one node's stream, resumes after a loss
// of the connection and, now and then, after it left by itself.
type Stream struct {
	*Site
	Name string
	Node *cluster.Node
	// Slow lets the observer stop reading for that long, now and then. It must
	// stay below what the checkers allow an event on its way (Bounds.Local).
	Slow time.Duration
	// Prefix of the DNs that it follows.
	Prefix string

	conn        *grpc.ClientConn
	stream      int
	incarnation uint64
	seq         uint64
	cursor      []byte
	whole       bool // what was told can be resumed from
	slowness    slowness
}

// slowness of a client lets what comes wait, but not pile up.
type slowness struct{ last time.Time }

func (s *slowness) linger(ctx context.Context, r *rand.Rand, by time.Duration) {
	if by > 0 && time.Since(s.last) > 4*by && r.IntN(4) == 0 {
		pause(ctx, by)
		s.last = time.Now()
	}
}

// Run follows the node until ctx ends.
func (w *Stream) Run(ctx context.Context) error {
	return w.observe(ctx, w.Name, w.Node, &w.conn, w.follow)
}

// follow is one stream, from its opening to its end.
func (w *Stream) follow(ctx context.Context, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, between(r, 8*time.Second, 40*time.Second))
	defer cancel()
	if !w.whole {
		w.incarnation, w.seq, w.cursor = 0, 0, nil
	}
	w.stream++
	w.item(history.Item{Kind: history.Opened, Incarnation: w.incarnation, Seq: w.seq})
	stream, err := tcpb.NewAvailabilityClient(w.conn).Watch(ctx, &tcpb.WatchRequest{
		ResumeCursor: w.cursor, Filter: &tcpb.Filter{Prefix: w.Prefix},
	})
	for err == nil {
		var msg *tcpb.WatchResponse
		if msg, err = stream.Recv(); err == nil {
			w.told(msg)
			w.slowness.linger(ctx, r, w.Slow)
		}
	}
	w.item(history.Item{Kind: history.Closed, Error: fmt.Sprint(err)})
}

func (w *Stream) item(i history.Item) {
	i.Observer, i.Node, i.Stream = w.Name, w.Node.Name(), w.stream
	w.Record.Item(i)
}

func (w *Stream) told(msg *tcpb.WatchResponse) {
	switch b := msg.GetBody().(type) {
	case *tcpb.WatchResponse_Started:
		w.incarnation, w.whole = b.Started.GetIncarnation(), b.Started.GetResumed()
		w.item(history.Item{Kind: history.Started, Incarnation: w.incarnation, Resumed: w.whole})
	case *tcpb.WatchResponse_Events:
		w.goesOn(b.Events.GetCursor())
		for _, e := range b.Events.GetEvents() {
			if !e.GetSnapshot() {
				w.seq = e.GetSeq()
			}
			w.item(history.Item{Kind: history.Event, Seq: e.GetSeq(), Snapshot: e.GetSnapshot(),
				Row: row(e.GetDn(), e.GetState(), e.GetOwner(), e.GetReason())})
		}
	case *tcpb.WatchResponse_EndOfSnapshot:
		w.seq, w.whole = b.EndOfSnapshot.GetSeq(), true
		w.goesOn(b.EndOfSnapshot.GetCursor())
		w.item(history.Item{Kind: history.EndOfSnapshot, Seq: w.seq})
	case *tcpb.WatchResponse_Heartbeat:
		w.seq = b.Heartbeat.GetSeq()
		w.goesOn(b.Heartbeat.GetCursor())
		w.item(history.Item{Kind: history.Heartbeat, Seq: w.seq})
	}
}

// goesOn notes what to resume behind; within a snapshot there is nothing.
func (w *Stream) goesOn(cursor []byte) {
	if len(cursor) > 0 {
		w.cursor = cursor
	}
}
