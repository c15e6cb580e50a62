package session

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/refusal"
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

// session is one client's: its life and its requests. Its fields belong to the
// goroutine of run but for those that say otherwise.
type session struct {
	c      *Controller
	stream Stream
	port   Port
	// who the client is; nil where nobody is asked.
	who *access.Who
	log *slog.Logger
	// stop ends the session from any goroutine.
	stop context.CancelCauseFunc

	reg *registrations // nil until the session is open
	out *outbox
	// feeder gives what the client hears without asking.
	feeder *feeder
	asked  *asked
	// drains wakes the session when the node began to drain, or takes part again;
	// toldDrain is what the client was told last.
	drains wake.Signal
	// lost wakes it when it has lost a registration to a client of another node.
	lost      wake.Signal
	toldDrain bool
	// sites wakes it when a site was lost or is back; toldSites are those that the client was
	// told to be lost.
	sites     wake.Signal
	toldSites map[string]bool
	// routes are this client's answers for calls that have not left yet.
	routes routes
	// refused ends the session: its client was turned away.
	refused error
}

// Serve serves a session until its client leaves, reads nothing, or its node
// stops. The error is a gRPC status, nil when the client left in good order.
func (c *Controller) Serve(stream Stream, port Port) error {
	source := access.Network(access.Source(stream.Context()))
	if err := c.admit(source); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	out := &outbox{stream: stream, stats: &c.stats, sending: time.AfterFunc(openTimeout, func() { cancel(errNotOpened) })}
	s := &session{c: c, stream: stream, port: port, who: access.From(stream.Context()), log: c.log, stop: cancel, out: out, asked: newAsked(), routes: routes{}, drains: wake.New(), lost: wake.New(), sites: wake.New()}
	s.feeder = newFeeder(s)
	ended := make(chan error, 1)
	go func() {
		defer c.room.Leave(source)
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
func (s *session) run(ctx context.Context) (err error) {
	requests, failed := make(chan *tlibpb.ClientMessage), make(chan error, 1)
	go func() { failed <- s.receive(ctx, requests) }()
	orderly := false
	defer func() { // whatever noticed the end first, a send or the stream's own error
		cause := s.cause(ctx)
		if err != nil {
			err = cmp.Or(cause, err)
		}
		s.close(orderly || errors.Is(cause, access.ErrEnded)) // whose token was revoked has no grace
	}()
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for quiet := true; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err = <-failed:
			orderly = err == nil
			return err
		case m := <-requests:
			s.handle(ctx, m)
		case b := <-s.feeder.hearing.dns.batches():
			err = s.feeder.take(ctx, b)
		case b := <-s.feeder.hearing.callBatches():
			s.feeder.hearCalls(ctx, b)
		case d := <-s.asked.done:
			s.answer(ctx, d)
		case <-s.drains:
			s.tellDrain()
		case <-s.lost:
			s.tellLost()
		case <-s.sites:
			s.tellSites(false)
		case <-tick.C:
			if quiet && s.reg != nil {
				err = s.out.send(nil, s.feeder.hearing.told())
			}
			quiet = true
		}
		if len(s.out.events) > 0 && err == nil {
			err, quiet = s.out.flush(s.feeder.hearing.told()), false
		}
		if err == nil {
			err = s.refused
		}
		if err != nil {
			return err
		}
	}
}

// cause is why the session's context ends, or the stream's, which ends before that of
// which it is the parent; nil while neither does.
func (s *session) cause(ctx context.Context) error {
	return cmp.Or(context.Cause(ctx), context.Cause(s.stream.Context()))
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
			return context.Cause(ctx) // not nil: nobody has left in good order
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
	s.out.sending.Stop()
	s.feeder.hearing.end()
	s.asked.end()
	if s.feeder.audience.monitor != nil {
		s.c.monitors.Add(-1)
	}
	s.c.sites.leave(s)
	if s.reg != nil {
		s.c.addresses.lost(s.reg, s, orderly)
	}
}

// open answers OpenSession.
func (s *session) open(ctx context.Context, m *tlibpb.OpenSession, ref uint64) {
	if v := m.GetProtocolVersion(); v != tlibpb.ProtocolVersion {
		s.turnAway(ref, refusal.New(tlibpb.ErrorCode_ERROR_CODE_PROTOCOL_VERSION,
			"this node speaks version %d of the T-Library protocol, the client %d: use a client of the node's version", tlibpb.ProtocolVersion, v))
		return
	}
	from, err := feed.ParseCursor(m.GetResumeCursor())
	if err != nil {
		s.turnAway(ref, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "resume_cursor: %v", err))
		return
	}
	s.out.opened(func() {
		s.c.stats.dropped.Add(1)
		s.log.Warn("dropped a session: its client reads nothing")
		s.stop(errNotRead)
	})
	var resumed bool
	s.reg, resumed = s.c.addresses.open(s, m.GetResumeToken())
	s.feeder.holder = s.holder()
	s.log = s.c.log.With("application", m.GetApplication(), "port", s.port.String())
	s.out.add(answer(ref, "", &tlibpb.Event_LinkConnected{LinkConnected: &tlibpb.EventLinkConnected{
		Server: s.c.info(s.port), SessionToken: s.reg.token, Resumed: resumed, ProtocolVersion: tlibpb.ProtocolVersion, Capabilities: s.capabilities(),
	}}))
	if resumed {
		s.c.addresses.keepOnly(s.reg, func(n dn.Number, mode tlibpb.AddressMode) bool {
			return s.who.Registers(s.c.view(), string(n), mode) == nil
		})
		s.tellDrain()
		for _, n := range s.c.addresses.registered(s.reg) {
			s.feeder.audience.dns[n] = place{}
		}
		s.log.Info("session resumed", "dns", len(s.feeder.audience.dns))
		s.tellLost()
		s.feeder.listen(ctx, from)
		if s.feeder.hearing.phase != beginning { // with the calls from now on
			for n := range s.feeder.audience.dns {
				s.feeder.repeatWaiting(n, true)
			}
		}
	}
}
