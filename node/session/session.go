package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Stream is a client's connection.
type Stream interface {
	Context() context.Context
	Recv() (*tlibpb.ClientMessage, error)
	Send(*tlibpb.ServerMessage) error
}

const (
	// sendTimeout ends a session whose client reads nothing.
	sendTimeout = 10 * time.Second
	// openTimeout ends a connection that opens no session.
	openTimeout = 10 * time.Second
	// idle is how often a client hears from a node that has nothing to say.
	idle = time.Second
	// maxAsked are requests of one session that wait for DNs' owners.
	maxAsked = 256
)

var (
	errClosed    = errors.New("the session is over")
	errStopping  = status.Error(codes.Unavailable, "the node stops")
	errTakenOver = status.Error(codes.Aborted, "the session was resumed by another connection")
	errNotRead   = status.Errorf(codes.ResourceExhausted, "the client read nothing for %v", sendTimeout)
	errNotOpened = status.Errorf(codes.DeadlineExceeded, "no OpenSession within %v", openTimeout)
)

// session is one client's. Its fields belong to the goroutine of run but for
// those that say otherwise.
type session struct {
	c      *Controller
	stream Stream
	port   Port
	log    *slog.Logger
	// stop ends the session from any goroutine.
	stop context.CancelCauseFunc
	// sending is wound up while a message is on its way to the client.
	sending *time.Timer

	reg *registrations // nil until the session is open
	// What it reads of DNs and of calls, see hearing.
	src   *source[dn.Item]
	calls *source[call.Item]
	hearing
	monitor *monitor
	ownOnly bool
	// dns are the session's registrations, with the place behind which each
	// one's events count.
	dns map[dn.Number]place
	// inside are DNs that a client of the default port, or one that monitors
	// only some owners, believes to be there.
	inside map[dn.Number]struct{}
	asked  asked
	// routes are this client's answers for calls that have not left yet.
	routes map[string]routed
	// What is to be said of calls that waited before the session listened.
	waiting waitingRows
	out     []*tlibpb.Event
	names   names
}

// Serve serves a session until its client leaves, reads nothing, or its node
// stops. The error is a gRPC status, nil when the client left in good order.
func (c *Controller) Serve(stream Stream, port Port) error {
	if err := c.admit(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	s := &session{
		c: c, stream: stream, port: port, log: c.log, stop: cancel,
		dns: map[dn.Number]place{}, routes: map[string]routed{}, inside: map[dn.Number]struct{}{}, names: names{view: c.view},
	}
	s.asked = newAsked()
	s.sending = time.AfterFunc(openTimeout, func() { cancel(errNotOpened) })
	ended := make(chan error, 1)
	go func() {
		defer c.leave()
		ended <- s.run(ctx)
	}()
	select {
	case err := <-ended:
		cancel(err)
		return err
	case <-ctx.Done(): // also while run is held up by a client that reads nothing
		if err := context.Cause(ctx); !errors.Is(err, errClosed) {
			return err
		}
		return <-ended
	}
}

// run serves until the context ends. Serve has returned by then or is about
// to, so that no Send is held up any more.
func (s *session) run(ctx context.Context) error {
	requests, failed := make(chan *tlibpb.ClientMessage), make(chan error, 1)
	go func() { failed <- s.receive(ctx, requests) }()
	orderly := false
	defer func() { s.close(orderly) }()
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for quiet := true; ; {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err = <-failed:
			orderly = err == nil
			return err
		case m := <-requests:
			s.handle(ctx, m)
		case b := <-s.src.batches():
			err = s.take(ctx, b)
		case b := <-s.callBatches():
			s.hearCalls(ctx, b)
		case d := <-s.asked.done:
			s.answer(ctx, d)
		case <-tick.C:
			if quiet && s.reg != nil {
				err = s.send(nil)
			}
			quiet = true
		}
		if len(s.out) > 0 && err == nil {
			err, quiet = s.flush(), false
		}
		if err != nil {
			return err
		}
	}
}

// receive passes the client's messages on; its end ends the session.
func (s *session) receive(ctx context.Context, to chan<- *tlibpb.ClientMessage) error {
	for {
		m, err := s.stream.Recv()
		if err != nil {
			return leaving(err)
		}
		select {
		case to <- m:
		case <-ctx.Done():
			return nil
		}
	}
}

// leaving is the end of a session by its client; closing in good order is no error.
func leaving(err error) error {
	if _, isStatus := status.FromError(err); isStatus {
		return err
	}
	return nil // io.EOF
}

// close ends what the session has. An orderly end has no grace.
func (s *session) close(orderly bool) {
	s.stop(errClosed)
	s.sending.Stop()
	s.src.end()
	s.calls.end()
	s.asked.end()
	if s.monitor != nil {
		s.c.monitors.Add(-1)
	}
	if s.reg != nil {
		s.c.addresses.lost(s.reg, s, orderly)
	}
}

// flush sends what gathered, in messages that any client takes: gRPC's limit
// is 4 MB unless somebody chose another. Only the last one says how far it is.
func (s *session) flush() error {
	events := s.out
	s.out = nil
	s.c.stats.events.Add(uint64(len(events)))
	for ; len(events) > batchSize; events = events[batchSize:] {
		if err := s.deliver(&tlibpb.ServerMessage{Events: events[:batchSize]}); err != nil {
			return err
		}
	}
	return s.send(events)
}

func (s *session) send(events []*tlibpb.Event) error {
	m := &tlibpb.ServerMessage{Events: events}
	if !s.snapshot {
		m.Seq, m.CallSeq = s.sent.dn, s.sent.call
	}
	return s.deliver(m)
}

func (s *session) deliver(m *tlibpb.ServerMessage) error {
	if s.reg != nil {
		s.sending.Reset(sendTimeout)
		defer s.sending.Stop()
	}
	return s.stream.Send(m)
}

// open answers OpenSession.
func (s *session) open(ctx context.Context, m *tlibpb.OpenSession, ref uint64) {
	s.sending.Stop()
	s.sending = time.AfterFunc(sendTimeout, func() {
		s.c.stats.dropped.Add(1)
		s.log.Warn("dropped a session: its client reads nothing")
		s.stop(errNotRead)
	})
	s.sending.Stop()
	var resumed bool
	s.reg, resumed = s.c.addresses.open(s, m.GetResumeToken())
	info := s.c.info(s.port)
	info.SessionToken = s.reg.token
	s.log = s.c.log.With("application", m.GetApplication(), "port", s.port.String())
	s.out = append(s.out, &tlibpb.Event{Message: tlibpb.Message_EVENT_LINK_CONNECTED, ReferenceId: ref, Time: now(), Server: info, Resumed: resumed})
	if resumed {
		for _, n := range s.c.addresses.registered(s.reg) {
			s.dns[n] = place{}
		}
		s.log.Info("session resumed", "dns", len(s.dns))
		s.listen(ctx, dn.Resume{Incarnation: m.GetResumeIncarnation(), Seq: m.GetResumeSeq()}, m.GetResumeCallSeq())
		if s.phase != beginning { // with the calls from now on
			for n := range s.dns {
				s.repeatWaiting(n, true)
			}
		}
	}
}
