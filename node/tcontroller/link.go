package tcontroller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Redial of a broken link.
const (
	backoffMin = 10 * time.Millisecond
	backoffMax = 200 * time.Millisecond
	// A connect is several, started one after the other until one succeeds: a
	// lost SYN must not look like a cut, nor one that a dying process swallowed
	// hide that its port is closed now. The pause between them doubles.
	staggerMin  = 10 * time.Millisecond
	staggerMax  = 100 * time.Millisecond
	dialTimeout = 600 * time.Millisecond
	// Where the peer is far, it takes longer by so many round trips: connection, TLS, and
	// what is lost of them. How far it is nobody knows at first, so an attempt that came to
	// no end makes the next one longer.
	dialTrips, longestDial = 4, 2400 * time.Millisecond
)

// maxSkew is the clock difference to a peer that is worth a word.
const maxSkew = 500 * time.Millisecond

// keep holds the link up until the context ends. A link that had been whole is
// dialled again at once: a refusal then tells that the process died.
func (f *follower) keep(ctx context.Context) {
	backoff, within := backoffMin, time.Duration(0)
	for ctx.Err() == nil {
		within = max(within, min(dialTimeout+dialTrips*f.distance(), longestDial))
		synced, err := f.connect(ctx, within)
		if ctx.Err() != nil {
			return
		}
		f.down.Met("err", err)
		if synced {
			backoff, within = backoffMin, 0
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			within = min(within*3/2, longestDial)
		}
		select {
		case <-ctx.Done():
		case <-f.redial:
		case <-time.After(backoff):
		}
		backoff = min(backoff*13/10+backoffMin, backoffMax)
	}
}

// connect dials, follows, and returns why that ended, and whether the peer's
// table had come over whole.
func (f *follower) connect(ctx context.Context, within time.Duration) (synced bool, err error) {
	addr := f.address()
	conn, err := f.dial(ctx, addr, within)
	if err != nil {
		refused := errors.Is(err, syscall.ECONNREFUSED)
		f.change(func(l *linkState) { l.refused = refused })
		return false, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	cc, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // conn is secured by Dial where the cluster has a key
		grpc.WithContextDialer(once(conn)), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(1<<20), grpc.WithIdleTimeout(0),
	)
	if err != nil {
		_ = conn.Close()
		return false, err
	}
	defer func() { _ = conn.Close() }()
	defer func() { _ = cc.Close() }()
	f.change(func(l *linkState) { l.conn = conn })
	err = f.follow(ctx, peerpb.NewTControllerClient(cc))
	f.change(func(l *linkState) {
		if l.up {
			l.downAt = time.Now()
		}
		synced = l.synced
		l.up, l.synced, l.conn = false, false, nil
	})
	f.doubt()
	return synced, err
}

// once hands out the connection the first time; there is no second.
func once(conn net.Conn) func(context.Context, string) (net.Conn, error) {
	c := make(chan net.Conn, 1)
	c <- conn
	return func(context.Context, string) (net.Conn, error) {
		select {
		case conn := <-c:
			return conn, nil
		default:
			return nil, errors.New("the link has ended")
		}
	}
}

type dialed struct {
	conn net.Conn
	err  error
}

// dial starts staggered connects and takes the first that succeeds. A refusal
// counts at once.
func (f *follower) dial(ctx context.Context, addr string, within time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	results := make(chan dialed)
	next := time.NewTimer(0)
	defer next.Stop()
	var last error
	for pause := staggerMin; ; {
		select {
		case r := <-results:
			if r.err == nil || errors.Is(r.err, syscall.ECONNREFUSED) {
				return r.conn, r.err
			}
			last = r.err
		case <-next.C:
			go f.dialOnce(ctx, addr, results)
			next.Reset(pause)
			pause = min(2*pause, staggerMax)
		case <-f.redial:
			if f.address() != addr {
				f.redial.Send() // for keep, which begins anew
				return nil, errElsewhere
			}
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return nil, last
		}
	}
}

var errElsewhere = errors.New("the peer is at another address")

// dialOnce ends with ctx at the latest.
func (f *follower) dialOnce(ctx context.Context, addr string, results chan<- dialed) {
	conn, err := f.cfg.Dial(ctx, f.id, addr)
	select {
	case results <- dialed{conn, err}:
	case <-ctx.Done():
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// follow reads the link until it ends.
func (f *follower) follow(ctx context.Context, client peerpb.TControllerClient) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(helloTimeout, cancel)
	defer timer.Stop()
	stream, err := client.Follow(ctx)
	if err != nil {
		return err
	}
	from, calls := f.cfg.Table.Position(f.id), f.cfg.Calls.Position(f.id)
	hello := &peerpb.FollowHello{
		ClusterId: f.cfg.ClusterID, Follower: string(f.cfg.Table.Self()), Publisher: string(f.id),
		ResumeIncarnation: from.Incarnation, ResumeSeq: from.Seq,
		ResumeCallIncarnation: calls.Incarnation, ResumeCallSeq: calls.Seq, Compares: f.cfg.Table.OwnedBy(f.id) > 0,
	}
	if f.cfg.Process != nil {
		hello.Instance, hello.UpMs = f.cfg.Process()
	}
	if err := stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: hello}}); err != nil {
		return streamError(stream, err)
	}
	// A sync may take long, but not stand still.
	stuck := time.AfterFunc(hungAfter, cancel)
	defer stuck.Stop()
	l := &followerLink{f: f, stream: stream, stuck: stuck, began: time.Now()}
	defer func() {
		if l.copy != nil {
			l.copy.Close()
		}
	}()
	if err := l.recv(true); err != nil {
		f.refused(stream, err)
		return err
	}
	timer.Stop()
	f.change(func(s *linkState) { *s = linkState{up: true, lastFrame: time.Now(), synced: s.synced, conn: s.conn} })
	pings := make(chan struct{})
	go func() { // ends with ctx
		defer close(pings)
		l.ping(ctx)
	}()
	defer func() { cancel(); <-pings }()
	for {
		if err := l.recv(false); err != nil {
			return err
		}
	}
}

// refused passes on that the peer does not hold this node for a member.
func (f *follower) refused(stream grpc.ClientStream, err error) {
	if status.Code(err) != codes.NotFound || f.cfg.Refused == nil {
		return
	}
	for _, v := range stream.Trailer().Get(rosterIndex) {
		if index, err := strconv.ParseUint(v, 10, 64); err == nil {
			f.cfg.Refused(index)
		}
	}
}

// streamError is the status behind a failed Send.
func streamError(s grpc.BidiStreamingClient[peerpb.FollowRequest, peerpb.FollowResponse], err error) error {
	if _, e := s.Recv(); e != nil {
		return e
	}
	return err
}

// followerLink is one stream from the peer.
type followerLink struct {
	f      *follower
	stream grpc.BidiStreamingClient[peerpb.FollowRequest, peerpb.FollowResponse]
	copy   *dn.Copy
	calls  *call.Copy
	// incarnation of the peer.
	incarnation uint64
	// stuck ends the link unless it is wound up again; stopped once synced.
	stuck  *time.Timer
	batch  []dn.Record
	trips  trips
	skewed bool
	// whole: all changes are news, sent when they happen.
	whole bool
	// began is the zero of the times of pings.
	began time.Time
	// sending is held to send: pings, and the digests of a snapshot that is told later.
	sending sync.Mutex
}

func (l *followerLink) send(m *peerpb.FollowRequest) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	return l.stream.Send(m)
}

// ping keeps the link busy and measures it. All links of all nodes ping at one time, as far
// as their clocks agree: a node wakes up once for what it sends and what it gets.
func (l *followerLink) ping(ctx context.Context) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for n := 0; ; n++ {
		if l.f.deaf() {
			return // the reader learns of the end
		}
		l.f.doubt()
		now := time.Now()
		p := &peerpb.Ping{SentMono: int64(now.Sub(l.began)), SentWall: now.UnixNano(), Quiet: l.quiet(n), Applied: l.f.cfg.Index()}
		if l.send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Ping{Ping: p}}) != nil {
			return // the reader learns why
		}
		tick.Reset(pingEvery - time.Duration(now.UnixNano())%pingEvery)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// quiet tells whether the nth ping of a link needs no answer: one in answerEach tells how far
// a near peer is, and the peer's own pings that it is there.
func (l *followerLink) quiet(n int) bool {
	return n >= answerEach && n%answerEach != 0 && l.f.enough()
}

// recv takes one message. The first must be the publisher's hello.
func (l *followerLink) recv(first bool) error {
	m, err := l.stream.Recv()
	if err != nil {
		return err
	}
	if first && m.GetHello() == nil {
		return errors.New("the peer did not say hello")
	}
	l.f.frame()
	switch b := m.GetBody().(type) {
	case *peerpb.FollowResponse_Hello:
		return l.hello(b.Hello)
	case *peerpb.FollowResponse_Records:
		return l.records(b.Records)
	case *peerpb.FollowResponse_Unchanged:
		l.stuck.Reset(hungAfter)
		return l.copy.Same(dn.Number(b.Unchanged.GetLast()))
	case *peerpb.FollowResponse_EndOfSync:
		if err := l.copy.Synced(b.EndOfSync.GetSeq()); err != nil {
			return err
		}
		l.stuck.Stop()
		l.whole = true
		l.f.change(func(s *linkState) { s.synced = true })
		l.f.down.Over()
	case *peerpb.FollowResponse_Pong:
		l.pong(b.Pong)
		return l.current()
	case *peerpb.FollowResponse_Goodbye:
		l.f.change(func(s *linkState) { s.bye = true })
	case *peerpb.FollowResponse_CallsHello:
		return l.callsHello(b.CallsHello)
	case *peerpb.FollowResponse_CallSnapshot, *peerpb.FollowResponse_EndOfCallSync, *peerpb.FollowResponse_CallEvents:
		return l.call(m)
	}
	return nil
}

func (l *followerLink) hello(h *peerpb.PublisherHello) error {
	id := l.f.id
	if h.GetPublisher() != string(id) {
		return fmt.Errorf("node %.64q answers instead of %s", h.GetPublisher(), id)
	}
	c, err := l.f.cfg.Table.Sync(id, h.GetIncarnation(), h.GetResumed())
	if err != nil {
		return err
	}
	l.copy, l.incarnation, l.whole = c, h.GetIncarnation(), false
	l.stuck.Reset(hungAfter)
	l.f.change(func(s *linkState) { s.synced = false })
	if h.GetResumed() || !h.GetCompare() {
		return nil
	}
	return l.send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Digests{Digests: digestsToProto(c.Digests(dn.DigestSize))}})
}

func (l *followerLink) records(b *peerpb.RecordBatch) error {
	l.batch = l.batch[:0]
	for _, r := range b.GetRecords() {
		l.batch = append(l.batch, fromProto(r))
	}
	if b.GetSeq() == 0 {
		l.stuck.Reset(hungAfter)
	}
	rejected, err := l.copy.Apply(l.batch, b.GetSeq())
	l.propagated(l.copy.Claims())
	if rejected > 0 {
		l.f.log.Warn("peer sent malformed records; ignored", "count", rejected)
	}
	return err
}

// propagated tells how long registrations took to get here. Those of a sync are old, and
// nothing is known before the first answer to a ping, nor of a claim that is ahead of the
// peer's clock.
func (l *followerLink) propagated(claims []int64) {
	if !l.whole || len(l.trips) == 0 || len(claims) == 0 {
		return
	}
	skew, _, _ := l.trips.estimate()
	now, doubt := time.Now().Add(skew).UnixNano(), l.trips.doubt()
	for _, claim := range claims {
		if took := time.Duration(now - claim); took >= -doubt {
			l.f.cfg.Propagated(l.f.id, max(took, 0))
		}
	}
}

func (l *followerLink) pong(p *peerpb.Pong) {
	if l.f.cfg.Applied != nil {
		l.f.cfg.Applied(l.f.id, p.GetApplied())
	}
	if p.GetPasses() != nil {
		l.f.cfg.Passes(l.f.id, passesFromProto(p.GetPasses()))
	}
	now := time.Now()
	rtt := now.Sub(l.began) - time.Duration(p.GetSentMono())
	if rtt <= 0 || p.GetSentMono() < 0 {
		return
	}
	l.trips = l.trips.add(trip{sent: p.GetSentWall(), answered: p.GetPublisherWall(), rtt: rtt})
	skew, to, from := l.trips.estimate()
	l.f.measured(Delay{RTT: rtt, ToPeer: to, FromPeer: from, Skew: skew, LastAnswer: now}, l.trips.far())
	if big := skew.Abs() > maxSkew; big != l.skewed {
		l.skewed = big
		if big {
			l.f.log.Warn("the peer's clock differs: check NTP on both", "skew_ms", skew.Milliseconds())
		}
	}
}
