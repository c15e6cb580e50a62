package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// StatServer is a T-Library client that monitors all DNs at one node, resumes
// after a loss of the connection and, now and then, after it left by itself.
type StatServer struct {
	*Site
	Name string
	Node *cluster.Node
	// Slow as in Stream.
	Slow time.Duration
	// Prefix of the DNs of which it notes what it is told.
	Prefix string

	conn        *grpc.ClientConn
	stream      int
	incarnation uint64
	seq         uint64
	// cursor is what to resume behind, and behind the seq to which it belongs.
	cursor   []byte
	behind   uint64
	whole    bool // what was told can be resumed from
	began    bool // the present stream
	rows     bool // of a snapshot come in
	slowness slowness
}

// Run follows the node until ctx ends.
func (w *StatServer) Run(ctx context.Context) error {
	return w.observe(ctx, w.Name, w.Node, &w.conn, w.follow)
}

// follow is one session, from its opening to its end.
func (w *StatServer) follow(ctx context.Context, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, between(r, 5*time.Second, 30*time.Second))
	defer cancel()
	if !w.whole {
		w.incarnation, w.behind, w.cursor = 0, 0, nil
	}
	w.seq = w.behind
	w.stream++
	w.began, w.rows = false, false
	w.item(history.Item{Kind: history.Opened, Incarnation: w.incarnation, Seq: w.seq})
	stream, err := tlibpb.NewTLibraryClient(w.conn).Session(ctx)
	if err == nil {
		err = w.ask(stream)
	}
	for err == nil {
		var m *tlibpb.ServerMessage
		if m, err = stream.Recv(); err == nil {
			w.told(m)
			w.slowness.linger(ctx, r, w.Slow)
		}
	}
	w.item(history.Item{Kind: history.Closed, Error: fmt.Sprint(err)})
}

// ask opens the session and asks for everything.
func (w *StatServer) ask(stream tlibpb.TLibrary_SessionClient) error {
	for _, m := range []*tlibpb.ClientMessage{
		{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{Application: w.Name, ProtocolVersion: tlibpb.ProtocolVersion}}},
		{ReferenceId: 2, Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{ResumeCursor: w.cursor}}},
	} {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func (w *StatServer) item(i history.Item) {
	i.Observer, i.Node, i.Stream = w.Name, w.Node.Name(), w.stream
	w.Record.Item(i)
}

func (w *StatServer) told(m *tlibpb.ServerMessage) {
	for _, e := range m.GetEvents() {
		w.event(e)
	}
	if w.began && !w.rows && len(m.GetCursor()) > 0 {
		w.behind, w.cursor = w.seq, m.GetCursor()
		w.item(history.Item{Kind: history.Heartbeat, Seq: w.seq})
	}
}

func (w *StatServer) event(e *tlibpb.Event) {
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED:
		w.incarnation = e.GetServer().GetIncarnation()
	case tlibpb.Message_MESSAGE_END_OF_SNAPSHOT:
		if e.GetResumed() || !w.rows {
			w.start(e.GetResumed())
		}
		w.whole, w.rows, w.seq = true, false, max(w.seq, e.GetSeq())
		if !e.GetResumed() {
			w.seq = e.GetSeq()
			w.item(history.Item{Kind: history.EndOfSnapshot, Seq: w.seq})
		}
	case tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OWNER_CHANGED:
		if e.GetSnapshot() && !w.rows {
			w.start(false)
		}
		w.state(e)
	default:
		if state := agentStates[e.GetMessage()]; state != "" {
			reasons := e.GetAgent().GetReasons()
			w.note(history.Item{Kind: history.AgentEvent, Seq: e.GetSeq(), Row: history.Row{DN: e.GetThisDn(), Agent: word(state, e.GetAgent().GetId(), reasons)}})
		}
	}
}

// start begins a snapshot, or what follows a resumption.
func (w *StatServer) start(resumed bool) {
	w.began, w.rows, w.whole = true, !resumed, resumed
	w.item(history.Item{Kind: history.Started, Incarnation: w.incarnation, Resumed: resumed, Agents: true})
}

func (w *StatServer) state(e *tlibpb.Event) {
	i := history.Item{Kind: history.Event, Seq: e.GetSeq(), Snapshot: e.GetSnapshot(), Row: history.Row{
		DN: e.GetThisDn(), InSrv: e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE, Owner: e.GetOwner(), Reason: e.GetReason().Word(),
	}}
	if a := e.GetStatus().GetAgent(); a != nil {
		i.Agent = word(a.GetState().Word(), a.GetId(), nil)
	}
	w.note(i)
}

// note records what is told of a DN that counts.
func (w *StatServer) note(i history.Item) {
	if !i.Snapshot {
		w.seq = i.Seq
	}
	if strings.HasPrefix(i.DN, w.Prefix) {
		w.item(i)
	}
}

var agentStates = map[tlibpb.Message]string{
	tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN: "logged-in", tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT: "logged-out",
	tlibpb.Message_MESSAGE_EVENT_AGENT_READY: "ready", tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY: "not-ready",
}
