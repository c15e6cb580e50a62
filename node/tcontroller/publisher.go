package tcontroller

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Server is the publisher's side of links: it tells each follower about this node's own DNs
// and calls.
type Server struct {
	peerpb.UnimplementedTControllerServer
	clusterID string
	table     *dn.Table
	calls     *call.Table
	roster    func(dn.Node) (member bool, index uint64)
	applied   func() uint64
	pinged    func(dn.Node, uint64)
	passes    func() (trunks []dn.Number, edition uint64)
	log       *slog.Logger
	links     links
	bye       chan struct{}
	stop      sync.Once
}

// rosterIndex names the header by which a refused follower learns how recent
// the publisher's roster is.
const rosterIndex = "sipcluster-roster-index"

// ServerConfig of a Server; every field but Pinged and Passes is required.
type ServerConfig struct {
	ClusterID string
	Table     *dn.Table
	Calls     *call.Table
	// Roster tells who belongs to the cluster, as of which index of the configuration;
	// nobody else may follow.
	Roster func(dn.Node) (member bool, index uint64)
	// Applied is the index up to which this node has applied the configuration.
	Applied func() uint64
	// Pinged is told of each ping of a follower: that it is there, and up to which index it
	// has applied the configuration, 0 when it does not say. It must not wait.
	Pinged func(follower dn.Node, applied uint64)
	// Passes are the trunks at which this node passes its turn to register on, and which
	// word of it this is, from 1 on; it must not wait. nil for nothing.
	Passes func() (trunks []dn.Number, edition uint64)
	Log    *slog.Logger
}

// NewServer makes the publisher's side of links for the tables; register it at the cluster
// port.
func NewServer(c ServerConfig) *Server {
	if c.Pinged == nil {
		c.Pinged = func(dn.Node, uint64) {}
	}
	if c.Passes == nil {
		c.Passes = func() ([]dn.Number, uint64) { return nil, 0 }
	}
	return &Server{clusterID: c.ClusterID, table: c.Table, calls: c.Calls, roster: c.Roster, applied: c.Applied, pinged: c.Pinged, passes: c.Passes, log: c.Log, links: links{of: map[dn.Node]*publisherLink{}}, bye: make(chan struct{})}
}

// Stop says goodbye on every link, so that followers need not find out.
func (s *Server) Stop() { s.stop.Do(func() { close(s.bye) }) }

type followStream = grpc.BidiStreamingServer[peerpb.FollowRequest, peerpb.FollowResponse]

// Follow serves one follower until it leaves, goes silent, or Stop is called.
// Its goroutines end with the stream, which ends when Follow returns.
func (s *Server) Follow(stream followStream) error {
	hello, err := receiveHello(stream)
	if err == nil {
		err = s.admit(hello, stream)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-s.bye:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	l := newPublisherLink(stream, s.table.Follow(feed.Position{Incarnation: hello.GetResumeIncarnation(), Seq: hello.GetResumeSeq()}),
		s.calls.Follow(feed.Position{Incarnation: hello.GetResumeCallIncarnation(), Seq: hello.GetResumeCallSeq()}))
	l.compares = hello.GetCompares()
	defer s.links.add(dn.Node(hello.GetFollower()), l)()
	log := s.log.With("peer", hello.GetFollower())
	log.Debug("follower connected")
	silent := time.AfterFunc(pingTimeout, func() { cancel(errSilent) })
	defer silent.Stop()
	go func() { cancel(l.answer(ctx, dn.Node(hello.GetFollower()), silent, s)) }()
	go func() {
		if err := l.callRun(ctx); ctx.Err() == nil {
			cancel(err)
		}
	}()
	err = l.run(ctx, s)
	log.Debug("follower left", "err", err)
	return err
}

// receiveHello waits for the first message, but not for ever.
func receiveHello(stream followStream) (*peerpb.FollowHello, error) {
	type first struct {
		m   *peerpb.FollowRequest
		err error
	}
	c := make(chan first, 1)
	go func() {
		m, err := stream.Recv()
		c <- first{m, err}
	}()
	timer := time.NewTimer(helloTimeout)
	defer timer.Stop()
	select {
	case f := <-c:
		if f.err == nil && f.m.GetHello() == nil {
			f.err = status.Error(codes.InvalidArgument, "a T-Controller link starts with a hello")
		}
		return f.m.GetHello(), f.err
	case <-timer.C:
		return nil, status.Error(codes.DeadlineExceeded, "no hello: a T-Controller link starts with one")
	}
}

// admit checks who asks.
func (s *Server) admit(h *peerpb.FollowHello, stream followStream) error {
	switch {
	case h.GetClusterId() != s.clusterID:
		s.log.Warn("refused a link from a node of another cluster", "peer", clip(h.GetFollower()), "its_cluster", clip(h.GetClusterId()), "cluster", s.clusterID)
		return status.Errorf(codes.PermissionDenied, "this node is of cluster %s, not %.64q: check the data directory and --join", s.clusterID, h.GetClusterId())
	case h.GetPublisher() != string(s.table.Self()):
		return status.Errorf(codes.PermissionDenied, "this is node %s, not %.64q: the address belongs to another node now", s.table.Self(), h.GetPublisher())
	}
	member, index := s.roster(dn.Node(h.GetFollower()))
	if !member {
		stream.SetTrailer(metadata.Pairs(rosterIndex, strconv.FormatUint(index, 10)))
		return status.Errorf(codes.NotFound, "node %.64q is not on the roster", h.GetFollower())
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 64)] }

// publisherLink is one follower's stream. Records, calls and pongs go out under mu.
type publisherLink struct {
	stream  followStream
	records *dn.Stream
	calls   *call.Stream
	// conn below the stream, for Backlog.
	conn net.Conn
	// sent is the position in records up to which the stream has taken all.
	sent atomic.Uint64
	// sentCalls is that of calls.
	sentCalls atomic.Uint64
	// greeted is closed by greet, once the hello is sent: it opens the link.
	greeted chan struct{}
	greet   func()
	// compares: the follower can tell what it has; digests are its answers.
	compares bool
	digests  chan *peerpb.Digests

	mu sync.Mutex
}

func newPublisherLink(stream followStream, records *dn.Stream, calls *call.Stream) *publisherLink {
	greeted := make(chan struct{})
	l := &publisherLink{
		stream: stream, records: records, calls: calls, conn: connOf(stream.Context()),
		greeted: greeted, greet: sync.OnceFunc(func() { close(greeted) }), digests: make(chan *peerpb.Digests),
	}
	l.sent.Store(records.Head()) // until the stream has started, and says where
	l.sentCalls.Store(calls.Head())
	return l
}

func (l *publisherLink) send(m *peerpb.FollowResponse) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stream.Send(m)
}

// answer returns when the follower leaves. Each ping winds up silent again.
func (l *publisherLink) answer(ctx context.Context, follower dn.Node, silent *time.Timer, s *Server) error {
	var said uint64 // edition of passes
	for {
		m, err := l.stream.Recv()
		if err != nil {
			return err
		}
		if d := m.GetDigests(); d != nil && l.compares {
			select {
			case l.digests <- d:
			case <-ctx.Done():
			}
			continue
		}
		p := m.GetPing()
		if p == nil {
			return status.Error(codes.InvalidArgument, "a follower only pings, and compares when it is asked to")
		}
		silent.Reset(pingTimeout)
		s.pinged(follower, p.GetApplied())
		if p.GetQuiet() {
			continue
		}
		pong := &peerpb.Pong{SentMono: p.GetSentMono(), SentWall: p.GetSentWall(), PublisherWall: time.Now().UnixNano(), Applied: s.applied()}
		if trunks, edition := s.passes(); edition != said {
			pong.Passes, said = passesToProto(trunks), edition
		}
		if err := l.send(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Pong{Pong: pong}}); err != nil {
			return err
		}
	}
}

var (
	errStopping = status.Error(codes.Unavailable, "the node stops")
	errSilent   = status.Error(codes.DeadlineExceeded, "the follower no longer pings")
)

func (l *publisherLink) run(ctx context.Context, s *Server) error {
	b := newBatch()
	items := make([]dn.Item, 0, batchSize)
	for {
		var err error
		if items, err = l.records.Next(ctx, items[:0]); err != nil {
			return l.end(context.Cause(ctx))
		}
		if err := l.sendItems(b, items, s); err != nil {
			return err
		}
		if last := &items[len(items)-1]; last.Kind == feed.Started && !last.Resumed && l.compares {
			if err := l.compare(ctx); err != nil {
				return err
			}
		}
		l.sent.Store(l.records.Seq())
	}
}

// compare waits for what the follower has of the snapshot that begins.
func (l *publisherLink) compare(ctx context.Context) error {
	select {
	case d := <-l.digests:
		if err := l.records.Compare(digestsFromProto(d)); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		return nil
	case <-ctx.Done():
		return l.end(context.Cause(ctx))
	}
}

func (l *publisherLink) end(cause error) error {
	if errors.Is(cause, errStopping) {
		_ = l.send(&peerpb.FollowResponse{Body: &peerpb.FollowResponse_Goodbye{Goodbye: &peerpb.Goodbye{}}}) // the end says it too
	}
	return cause
}

func (l *publisherLink) sendItems(b *batch, items []dn.Item, s *Server) error {
	for _, it := range items {
		switch it.Kind {
		case feed.Row, feed.Change:
			if b.add(&it); b.full() {
				if err := b.flush(l); err != nil {
					return err
				}
			}
			continue
		}
		if err := b.flush(l); err != nil {
			return err
		}
		m := &peerpb.FollowResponse{Body: &peerpb.FollowResponse_EndOfSync{EndOfSync: &peerpb.EndOfSync{Seq: it.Seq}}}
		switch it.Kind {
		case feed.Started:
			m.Body = &peerpb.FollowResponse_Hello{Hello: &peerpb.PublisherHello{
				Publisher: string(s.table.Self()), Incarnation: s.table.Incarnation(), Resumed: it.Resumed, Compare: l.compares && !it.Resumed,
			}}
		case dn.Same:
			m.Body = &peerpb.FollowResponse_Unchanged{Unchanged: &peerpb.Unchanged{Last: string(it.Record.Number)}}
		}
		if err := l.send(m); err != nil {
			return err
		}
		l.greet() // a stream of records begins with Started
	}
	return b.flush(l)
}

// batch is one message of records, used again and again: Send marshals it
// before it returns.
type batch struct {
	msg     peerpb.FollowResponse
	body    peerpb.RecordBatch
	records []*peerpb.Record
}

func newBatch() *batch {
	b := &batch{}
	b.msg.Body = &peerpb.FollowResponse_Records{Records: &b.body}
	return b
}

func (b *batch) add(it *dn.Item) {
	n := len(b.body.Records)
	if n == len(b.records) {
		b.records = append(b.records, &peerpb.Record{})
	}
	toProto(b.records[n], &it.Record)
	b.body.Records = b.records[:n+1]
	b.body.Seq = it.Seq
}

func (b *batch) full() bool { return len(b.body.Records) >= batchSize }

func (b *batch) flush(l *publisherLink) error {
	if len(b.body.Records) == 0 {
		return nil
	}
	err := l.send(&b.msg)
	b.body.Records = b.body.Records[:0]
	return err
}
