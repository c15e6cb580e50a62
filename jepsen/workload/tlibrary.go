package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

const (
	// sessionAnswer is how long a client of the T-Library waits for an answer.
	sessionAnswer = 4 * time.Second
	// sessionSilent is how long a session may say nothing: a node with nothing to
	// say sends an empty message every second.
	sessionSilent = 4 * time.Second
)

var errSilent = errors.New("nothing was heard for too long")

// tsession is a T-Library session that asks; what is told without having been
// asked for goes to told, if there is anybody to take it.
type tsession struct {
	told  chan *tlibpb.Event // what has no room is left out
	stop  context.CancelCauseFunc
	ended chan struct{} // closed when the session is over

	sending sync.Mutex
	stream  tlibpb.TLibrary_SessionClient

	mu      sync.Mutex
	ref     uint64
	waiting map[uint64]chan *tlibpb.Event
}

// connect opens a session at the node's TCport; from is where the client
// stands, nil where no cut concerns it.
func connect(ctx context.Context, n *cluster.Node, from *cluster.Place, name string) (*tsession, error) {
	return connectTo(ctx, cluster.TCPort, n, from, name)
}

// connectTo is connect for another port of the T-Library.
func connectTo(ctx context.Context, port cluster.Kind, n *cluster.Node, from *cluster.Place, name string) (*tsession, error) {
	conn, err := n.Dial(port)
	if from != nil {
		conn, err = n.DialFrom(from, port)
	}
	if err != nil {
		return nil, err
	}
	alive, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &tsession{told: make(chan *tlibpb.Event, 64), stop: stop, ended: make(chan struct{}), waiting: map[uint64]chan *tlibpb.Event{}}
	opening := time.AfterFunc(sessionAnswer, func() { stop(errSilent) })
	s.stream, err = tlibpb.NewTLibraryClient(conn).Session(alive)
	if opening.Stop(); err != nil {
		stop(err)
		return nil, errors.Join(err, conn.Close())
	}
	go s.listen(conn)
	_, err = s.ask(ctx, &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion, Application: name}}})
	if err != nil {
		s.hangUp()
		return nil, err
	}
	return s, nil
}

// listen passes answers on until the session ends.
func (s *tsession) listen(conn *grpc.ClientConn) {
	defer func() {
		_ = conn.Close()
		close(s.ended)
	}()
	silence := time.AfterFunc(sessionSilent, func() { s.stop(errSilent) })
	defer silence.Stop()
	for {
		m, err := s.stream.Recv()
		if err != nil {
			return
		}
		silence.Reset(sessionSilent)
		for _, e := range m.GetEvents() {
			s.mu.Lock()
			answer := s.waiting[e.GetReferenceId()]
			delete(s.waiting, e.GetReferenceId())
			s.mu.Unlock()
			if answer != nil {
				answer <- e
				continue
			}
			select {
			case s.told <- e:
			default:
			}
		}
	}
}

var errSessionOver = errors.New("the session ended before the answer")

// ask sends a request and waits for its answer.
func (s *tsession) ask(ctx context.Context, m *tlibpb.ClientMessage) (*tlibpb.Event, error) {
	ctx, cancel := patience(ctx, sessionAnswer)
	defer cancel()
	answer := make(chan *tlibpb.Event, 1)
	s.mu.Lock()
	s.ref++
	m.ReferenceId = s.ref
	s.waiting[s.ref] = answer
	s.mu.Unlock()
	s.sending.Lock()
	err := s.stream.Send(m)
	s.sending.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSessionOver, err)
	}
	select {
	case e := <-answer:
		return e, nil
	case <-s.ended:
		return nil, errSessionOver
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// over tells whether the session has ended.
func (s *tsession) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// hangUp ends the session without goodbye.
func (s *tsession) hangUp() {
	s.stop(errSessionOver)
	<-s.ended
}

// hangUp ends the session, which holds what no answer tells of (a reservation): the
// history says when, as what it held is free from then on.
func (s *Site) hangUp(session *tsession, op history.Op) {
	op = s.Record.Invoke(op)
	session.hangUp()
	op.Outcome = history.OK
	s.Record.Return(op)
}

// sessionOutcome is what the answer proves.
func sessionOutcome(op *history.Op, e *tlibpb.Event, err error) {
	switch {
	case err != nil:
		op.Outcome, op.Error = history.Unknown, err.Error()
	case e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_ERROR:
		op.Outcome, op.Code = history.OK, strings.TrimPrefix(e.GetMessage().String(), "MESSAGE_")
	default:
		op.Outcome, op.Code, op.Error = history.Fail, strings.TrimPrefix(e.GetError().GetCode().String(), "ERROR_CODE_"), e.GetError().GetText()
		if c := e.GetError().GetCode(); c == tlibpb.ErrorCode_ERROR_CODE_TIMEOUT || c == tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR {
			op.Outcome = history.Unknown
		}
	}
}

// tag is the key of the reason by which each of the suite's requests about an
// agent can be told from all others.
const tag = "request"

// word is an agent's state as the history has it; that of nobody is "".
func word(state, id string, reasons map[string]string) string {
	if id == "" {
		return ""
	}
	w := state + " " + id
	if t := reasons[tag]; t != "" {
		w += " " + t
	}
	return w
}
