package workload

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// CallWatch is a Stat Server that follows the calls of the cluster at one
// node's TCport. It leaves now and then, and begins with a snapshot.
type CallWatch struct {
	*Site
	Name string
	Node *cluster.Node

	conn *grpc.ClientConn
}

// Run follows the node until ctx ends.
func (w *CallWatch) Run(ctx context.Context) error {
	return w.observe(ctx, w.Name, w.Node, &w.conn, w.follow)
}

func (w *CallWatch) follow(ctx context.Context, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, between(r, 10*time.Second, 40*time.Second))
	defer cancel()
	w.item(history.Item{Kind: history.CallsOpened})
	stream, err := tlibpb.NewTLibraryClient(w.conn).Session(ctx)
	if err == nil {
		err = errors.Join(
			stream.Send(&tlibpb.ClientMessage{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: w.Name}}}),
			stream.Send(&tlibpb.ClientMessage{ReferenceId: 2, Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{
				Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_CALL}},
			}}}))
	}
	for err == nil {
		var m *tlibpb.ServerMessage
		if m, err = stream.Recv(); err == nil {
			for _, e := range m.GetEvents() {
				w.told(e)
			}
		}
	}
	w.item(history.Item{Kind: history.CallsClosed, Error: err.Error()})
}

func (w *CallWatch) item(i history.Item) {
	i.Observer, i.Node = w.Name, w.Node.Name()
	w.Record.Item(i)
}

var callStates = map[tlibpb.Message]string{
	tlibpb.Message_MESSAGE_EVENT_RINGING: "ringing", tlibpb.Message_MESSAGE_EVENT_ESTABLISHED: "established",
	tlibpb.Message_MESSAGE_EVENT_RELEASED: "released", tlibpb.Message_MESSAGE_EVENT_ABANDONED: "abandoned",
}

func (w *CallWatch) told(e *tlibpb.Event) {
	if e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT {
		w.item(history.Item{Kind: history.CallsWhole})
		return
	}
	if state := callStates[e.GetMessage()]; state != "" {
		w.item(history.Item{Kind: history.CallTold, Seq: e.GetCallSeq(), Snapshot: e.GetSnapshot(),
			Row:  history.Row{DN: e.GetThisDn(), Owner: e.GetOwner(), Reason: endReason(e)},
			Call: &history.Call{ID: e.GetCall().GetConnId(), State: state, Caller: e.GetCall().GetAni(), Called: e.GetCall().GetDnis()}})
	}
}

// endReason is "node-lost" when the node that had the call died.
func endReason(e *tlibpb.Event) string {
	if e.GetEnd().GetReason() == tlibpb.EndReason_END_REASON_NODE_LOST {
		return "node-lost"
	}
	return ""
}
