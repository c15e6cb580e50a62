package tlib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// window is how much of what the node says may be on its way to a client that
// does not read.
const window = 256 << 10

// session is one connection's. pump and write are its goroutines.
type session struct {
	c      *Client
	conn   *grpc.ClientConn
	stream grpc.BidiStreamingClient[tlibpb.ClientMessage, tlibpb.ServerMessage]
	// cancel ends the stream with a reason, cause returns that.
	cancel context.CancelCauseFunc
	cause  func() error
	quiet  *time.Timer
	// greeting is what came along with EventLinkConnected.
	greeting *tlibpb.ServerMessage
	// out passes requests to write; done is closed when the session is over.
	out  chan *request
	done chan struct{}
	wg   sync.WaitGroup

	// asked are the requests that were sent and have no answer, by their
	// reference id. Guarded by Client.mu.
	asked map[uint64]*request
}

// request is one with the place for its answer, which has room for one. The
// place is nil when nobody waits. Guarded by Client.mu once it was sent.
type request struct {
	m      *tlibpb.ClientMessage
	answer chan *tlibpb.Event
}

// open connects to the i-th address and opens a session that lives as long as
// life; ctx bounds the opening. It returns the node's EventLinkConnected.
func (c *Client) open(ctx, life context.Context, i int) (*session, *tlibpb.Event, error) {
	addr := c.addrs[i]
	conn, err := grpc.NewClient("passthrough:///"+addr, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
	}, c.opts.DialOptions...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", addr, err)
	}
	life, cancel := context.WithCancelCause(life)
	s := &session{
		c: c, conn: conn, cancel: cancel, cause: func() error { return context.Cause(life) },
		quiet: time.AfterFunc(silence, func() { cancel(errSilent) }),
		out:   make(chan *request), done: make(chan struct{}), asked: map[uint64]*request{},
	}
	abandon := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	e, err := s.greet(life, i)
	if !abandon() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.end(err)
		return nil, nil, fmt.Errorf("no session with the node at %s: %w", addr, err)
	}
	c.begin(life, s, e, i)
	return s, e, nil
}

// greet opens the session.
func (s *session) greet(ctx context.Context, addr int) (*tlibpb.Event, error) {
	stream, err := tlibpb.NewTLibraryClient(s.conn).Session(ctx)
	if err != nil {
		return nil, s.why(err)
	}
	s.stream = stream
	s.c.mu.Lock()
	opening := s.c.memory.opening(s.c.opts.Application, addr)
	s.c.mu.Unlock()
	_ = stream.Send(&tlibpb.ClientMessage{ReferenceId: 1, Body: &tlibpb.ClientMessage_OpenSession{OpenSession: opening}}) // Recv tells why not
	m, err := s.receive()
	if err != nil {
		return nil, err
	}
	s.greeting = m
	for i, e := range m.GetEvents() {
		switch b := e.GetBody().(type) {
		case *tlibpb.Event_LinkConnected:
			m.Events = m.GetEvents()[i+1:]
			return e, nil
		case *tlibpb.Event_Error:
			return nil, errorOf(b.Error)
		}
	}
	return nil, errors.New("its first word is not EventLinkConnected")
}

// begin makes an open session the client's.
func (c *Client) begin(ctx context.Context, s *session, e *tlibpb.Event, addr int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ref = max(c.ref, 1) // OpenSession's
	is := e.GetLinkConnected()
	c.memory.opened(addr, is)
	again := c.memory.again(is.GetResumed())
	is.SessionToken, c.server, c.capabilities = "", proto.CloneOf(is.GetServer()), is.GetCapabilities()
	e.ReferenceId, c.cur, c.first = 0, s, addr
	s.wg.Go(func() { s.write(ctx, again) })
}

// send gives a request its reference id and sends it.
func (s *session) send(r *request) error {
	s.c.mu.Lock()
	s.c.ref++
	r.m.ReferenceId = s.c.ref
	s.asked[s.c.ref] = r
	s.c.memory.asks(r.m)
	s.c.mu.Unlock()
	return s.stream.Send(r.m)
}

// write sends requests, those that begin the session first.
func (s *session) write(ctx context.Context, first []*tlibpb.ClientMessage) {
	for _, m := range first {
		if s.send(&request{m: m}) != nil {
			return // pump is told why
		}
	}
	for {
		select {
		case r := <-s.out:
			if s.send(r) != nil {
				return
			}
		case <-s.c.closing:
			_ = s.stream.CloseSend()
			return
		case <-ctx.Done():
			return
		}
	}
}

// receive waits for the node's next word, but not longer than silence.
func (s *session) receive() (*tlibpb.ServerMessage, error) {
	s.quiet.Reset(silence)
	m, err := s.stream.Recv()
	s.quiet.Stop()
	if err != nil {
		return nil, s.why(err)
	}
	return m, nil
}

// why names the reason for which this side ended the stream, if it did.
func (s *session) why(err error) error {
	if cause := s.cause(); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errEnded
	}
	return err
}

// pump passes on what the node says until the connection ends, and returns why.
func (s *session) pump(ctx context.Context) error {
	for m := s.greeting; ; {
		for _, e := range m.GetEvents() {
			if s.answers(e) {
				continue
			}
			if err := s.c.push(ctx, e); err != nil {
				return err
			}
		}
		s.c.mu.Lock()
		s.c.memory.hears(m.GetCursor())
		s.c.mu.Unlock()
		var err error
		if m, err = s.receive(); err != nil {
			return err
		}
	}
}

// answers gives an answer to who waits for it; false when the event is for the
// queue.
func (s *session) answers(e *tlibpb.Event) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if e.GetSnapshot() {
		s.accept(e)
		return false
	}
	r := s.asked[e.GetReferenceId()]
	if r == nil {
		s.c.memory.loses(e)
		return false
	}
	delete(s.asked, e.GetReferenceId())
	_, monitors := r.m.GetBody().(*tlibpb.ClientMessage_MonitorAll)
	replaced := monitors && e.GetReferenceId() != s.c.memory.monitorRef
	s.c.memory.learns(r.m, e)
	waited := r.answer != nil
	if waited {
		r.answer <- e
	}
	if monitors && e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_ERROR {
		return false
	}
	return waited || replaced
}

// accept answers MonitorAll by the first row of the snapshot: its user has to
// read the rows for the end to come.
func (s *session) accept(row *tlibpb.Event) {
	if r := s.asked[s.c.memory.monitorRef]; r != nil && r.answer != nil {
		r.answer <- row
		r.answer = nil
	}
}

// end closes the connection and fails what is still asked.
func (s *session) end(why error) {
	s.quiet.Stop()
	s.cancel(why)
	close(s.done)
	_ = s.conn.Close()
	s.wg.Wait()
}
