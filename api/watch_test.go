package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// reader reads a watch and writes down what it hears.
type reader struct {
	t      *testing.T
	stream grpc.ServerStreamingClient[tcpb.WatchResponse]
	// last position and the incarnation it belongs to.
	incarnation, seq uint64
	heartbeats       int
	// lines not asked for yet.
	lines []string
	// cancel ends the watch.
	cancel context.CancelFunc
}

func (s *site) watch(t *testing.T, req *tcpb.WatchRequest) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	t.Cleanup(cancel)
	stream, err := s.client.Watch(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t: t, stream: stream, cancel: cancel}
}

// next returns the next line; heartbeats are counted only.
func (r *reader) next() string {
	r.t.Helper()
	for len(r.lines) == 0 {
		m, err := r.stream.Recv()
		if err != nil {
			r.t.Fatal(err)
		}
		r.read(m)
	}
	line := r.lines[0]
	r.lines = r.lines[1:]
	return line
}

func (r *reader) read(m *tcpb.WatchResponse) {
	switch b := m.Body.(type) {
	case *tcpb.WatchResponse_Started:
		r.incarnation = b.Started.Incarnation
		r.lines = append(r.lines, fmt.Sprintf("started %s resumed=%v", b.Started.Node, b.Started.Resumed))
	case *tcpb.WatchResponse_EndOfSnapshot:
		r.seq = b.EndOfSnapshot.Seq
		r.lines = append(r.lines, "end of snapshot")
	case *tcpb.WatchResponse_Heartbeat:
		r.heartbeats++
	case *tcpb.WatchResponse_Events:
		for _, e := range b.Events.Events {
			word := "change"
			if e.Snapshot {
				word = "row"
			} else {
				r.seq = e.Seq
			}
			state := strings.TrimPrefix(e.State.String(), "DN_STATE_")
			r.lines = append(r.lines, fmt.Sprintf("%s %s %s %s/%s %v", word, e.Dn, state, e.Owner, e.Site, e.Reason))
		}
	}
}

// wants reads as many lines as are wanted and compares.
func (r *reader) wants(want ...string) {
	r.t.Helper()
	var got []string
	for range want {
		got = append(got, r.next())
	}
	compare(r.t, got, want)
}

func TestWatch_SnapshotThenTail(t *testing.T) {
	s := everyKind(t)
	r := s.watch(t, &tcpb.WatchRequest{})
	r.wants(
		"started sip1 resumed=false",
		"row 0999 IN_SRV sip2/dc2 REASON_REGISTERED",
		"row 1001 IN_SRV sip1/dc1 REASON_REGISTERED",
		"row 1002 IN_SRV sip2/dc2 REASON_REGISTERED",
		"row 1003 IN_SRV sip1/dc1 REASON_REGISTERED",
		"end of snapshot",
	)
	rec := s.table.Register("1004", dn.Registered)
	r.wants("change 1004 IN_SRV sip1/dc1 REASON_REGISTERED")
	s.table.Register("1001", dn.Registered) // a refresh is silent
	s.table.End("1004", rec.ClaimTime, dn.Unregistered)
	r.wants("change 1004 OOS / REASON_UNREGISTERED")
	s.table.SetHeard(peerID, false)
	r.wants(
		"change 0999 OOS sip2/dc2 REASON_PEER_LOST",
		"change 1002 OOS sip2/dc2 REASON_PEER_LOST",
	)
}

func TestWatch_ResumesBehindTheLastChange(t *testing.T) {
	s := everyKind(t)
	first := s.watch(t, &tcpb.WatchRequest{})
	for first.next() != "end of snapshot" {
	}
	s.table.Register("1004", dn.Registered)
	first.wants("change 1004 IN_SRV sip1/dc1 REASON_REGISTERED")
	s.table.Register("2001", dn.Registered)

	again := s.watch(t, &tcpb.WatchRequest{ResumeCursor: feed.Cursor{Incarnation: first.incarnation, DNs: first.seq}.Bytes()})
	again.wants("started sip1 resumed=true", "change 2001 IN_SRV sip1/dc1 REASON_REGISTERED")

	other := s.watch(t, &tcpb.WatchRequest{ResumeCursor: feed.Cursor{Incarnation: first.incarnation - 1, DNs: first.seq}.Bytes()})
	other.wants("started sip1 resumed=false", "row 0999 IN_SRV sip2/dc2 REASON_REGISTERED")
}

func TestWatch_StaticFilter(t *testing.T) {
	s := everyKind(t)
	r := s.watch(t, &tcpb.WatchRequest{Filter: &tcpb.Filter{Group: "sales", Prefix: "1"}})
	r.wants(
		"started sip1 resumed=false",
		"row 1001 IN_SRV sip1/dc1 REASON_REGISTERED",
		"row 1002 IN_SRV sip2/dc2 REASON_REGISTERED",
		"end of snapshot",
	)
	s.table.Register("1004", dn.Registered) // in no group
	s.table.Register("1999", dn.Registered) // its configuration has not come yet
	r.wants("change 1999 IN_SRV sip1/dc1 REASON_REGISTERED")
}

func TestWatch_DNThatLeavesTheFilterIsToldOnce(t *testing.T) {
	for name, req := range map[string]*tcpb.WatchRequest{
		"owner": {Filter: &tcpb.Filter{Owner: "sip1"}},
		"site":  {Filter: &tcpb.Filter{Site: "dc1"}},
		"own":   {OwnOnly: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := everyKind(t)
			req.ResumeCursor = feed.Cursor{Incarnation: 7, DNs: 1}.Bytes() // such a stream never resumes
			r := s.watch(t, req)
			r.wants(
				"started sip1 resumed=false",
				"row 1001 IN_SRV sip1/dc1 REASON_REGISTERED",
				"row 1003 IN_SRV sip1/dc1 REASON_REGISTERED",
				"end of snapshot",
			)
			moved := inService("1001")
			moved.ClaimTime = s.table.MaxClaim() + 1
			s.peerSays(t, moved)
			r.wants("change 1001 IN_SRV sip2/dc2 REASON_OWNER_MOVED")
			s.table.SetHeard(peerID, false) // no business of this stream any more
			s.table.Register("1004", dn.Registered)
			r.wants("change 1004 IN_SRV sip1/dc1 REASON_REGISTERED")
		})
	}
}

func TestWatch_HeartbeatsWhenIdle(t *testing.T) {
	s := newSite(t)
	r := s.watch(t, &tcpb.WatchRequest{})
	r.wants("started sip1 resumed=false", "end of snapshot")
	for r.heartbeats < 2 {
		m, err := r.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		r.read(m)
	}
}

func TestWatch_SlowClientHoldsNobodyUp(t *testing.T) {
	s := newSite(t)
	slow := s.watch(t, &tcpb.WatchRequest{}) // reads nothing for now
	fast := s.watch(t, &tcpb.WatchRequest{})
	fast.wants("started sip1 resumed=false", "end of snapshot")
	const changes = 20_000
	go func() {
		for range changes / 2 {
			rec := s.table.Register("1001", dn.Registered)
			s.table.End("1001", rec.ClaimTime, dn.Unregistered)
		}
		s.table.Register("1002", dn.Registered)
	}()
	last := "change 1002 IN_SRV sip1/dc1 REASON_REGISTERED"
	for fast.next() != last {
	}
	n := 0
	for line := slow.next(); !strings.HasSuffix(line, "1002 IN_SRV sip1/dc1 REASON_REGISTERED"); line = slow.next() {
		n++
	}
	if n > changes {
		t.Errorf("the slow client got %d events of %d changes", n, changes)
	}
}

func TestWatch_BadCursor(t *testing.T) {
	s := newSite(t)
	stream, err := s.client.Watch(t.Context(), &tcpb.WatchRequest{ResumeCursor: []byte("none")})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}
