package tcontroller

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// publisher is the node "a" as followers meet it, in a bubble.
func publisher(t *testing.T, play func(*testing.T, *Server, *dn.Table, peerpb.TControllerClient)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := bufconn.Listen(1 << 20)
		table, calls := dn.New(dn.Config{Self: "a", Incarnation: 7}), call.New(call.Config{Self: "a", Incarnation: 7})
		s := newPublisher(table, calls, func(id dn.Node) (bool, uint64) { return id == "b", 9 })
		server := grpc.NewServer(grpc.WaitForHandlers(true))
		peerpb.RegisterTControllerServer(server, s)
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(ln) })
		cc, err := grpc.NewClient("passthrough:///a", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		play(t, s, table, peerpb.NewTControllerClient(cc))
		_ = cc.Close()
		server.Stop()
		patience.Done(t, "the end of the server", served.Wait)
		if n := s.Held()["link_followers"]; n != 0 {
			t.Errorf("%d followers are left", n)
		}
	})
}

func follows(t *testing.T, c peerpb.TControllerClient, first *peerpb.FollowRequest) grpc.BidiStreamingClient[peerpb.FollowRequest, peerpb.FollowResponse] {
	t.Helper()
	stream, err := c.Follow(t.Context())
	if err == nil && first != nil {
		err = stream.Send(first)
	}
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func ping(mono, wall int64) *peerpb.FollowRequest {
	return &peerpb.FollowRequest{Body: &peerpb.FollowRequest_Ping{Ping: &peerpb.Ping{SentMono: mono, SentWall: wall}}}
}

// A ping that wants no answer has none, and the node is told of each.
func TestServer_QuietPings(t *testing.T) {
	publisher(t, func(t *testing.T, s *Server, _ *dn.Table, c peerpb.TControllerClient) {
		var told []uint64
		s.pinged = func(id dn.Node, applied uint64) {
			if id != "b" {
				t.Errorf("%q pings", id)
			}
			told = append(told, applied)
		}
		f := follows(t, c, asks("b"))
		for i, quiet := range []bool{true, false, true, false} {
			p := ping(int64(i), 1)
			p.GetPing().Quiet, p.GetPing().Applied = quiet, uint64(i)
			if err := f.Send(p); err != nil {
				t.Fatal(err)
			}
		}
		var answered []int64
		for len(answered) < 2 {
			m, err := f.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if m.GetPong() != nil {
				answered = append(answered, m.GetPong().GetSentMono())
			}
		}
		if !slices.Equal(answered, []int64{1, 3}) || !slices.Equal(told, []uint64{0, 1, 2, 3}) {
			t.Errorf("answered: %v, told of: %v", answered, told)
		}
	})
}

func asks(follower string) *peerpb.FollowRequest {
	return &peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: &peerpb.FollowHello{ClusterId: "c1", Follower: follower, Publisher: "a"}}}
}

// comparing is asks of one that has DNs of the publisher.
func comparing(follower string) *peerpb.FollowRequest {
	m := asks(follower)
	m.GetHello().Compares = true
	return m
}

// untilEnd reads a link to its end.
func untilEnd(s grpc.BidiStreamingClient[peerpb.FollowRequest, peerpb.FollowResponse]) (all []*peerpb.FollowResponse, err error) {
	for err == nil {
		var m *peerpb.FollowResponse
		if m, err = s.Recv(); err == nil {
			all = append(all, m)
		}
	}
	return all, err
}

func TestServer_EndsALinkThatIsNone(t *testing.T) {
	for name, tc := range map[string]struct {
		says  []*peerpb.FollowRequest
		want  codes.Code
		after time.Duration
	}{
		"without a hello":        {nil, codes.DeadlineExceeded, helloTimeout},
		"of a stranger":          {[]*peerpb.FollowRequest{asks("x")}, codes.NotFound, 0},
		"that is silent":         {[]*peerpb.FollowRequest{asks("b")}, codes.DeadlineExceeded, pingTimeout},
		"that says hello twice":  {[]*peerpb.FollowRequest{asks("b"), asks("b")}, codes.InvalidArgument, 0},
		"that compares unasked":  {[]*peerpb.FollowRequest{asks("b"), {Body: &peerpb.FollowRequest_Digests{Digests: &peerpb.Digests{}}}}, codes.InvalidArgument, 0},
		"that names nonsense":    {[]*peerpb.FollowRequest{comparing("b"), {Body: &peerpb.FollowRequest_Digests{Digests: &peerpb.Digests{Ranges: []*peerpb.Digest{{Last: "2"}, {Last: "1"}}}}}}, codes.InvalidArgument, 0},
		"that never compares":    {[]*peerpb.FollowRequest{comparing("b")}, codes.DeadlineExceeded, pingTimeout},
		"that says nothing more": {[]*peerpb.FollowRequest{asks("b"), {}}, codes.InvalidArgument, 0},
	} {
		t.Run(name, func(t *testing.T) {
			publisher(t, func(t *testing.T, _ *Server, _ *dn.Table, c peerpb.TControllerClient) {
				began, stream := time.Now(), follows(t, c, nil)
				for _, m := range tc.says {
					_ = stream.Send(m)
				}
				if _, err := untilEnd(stream); status.Code(err) != tc.want || time.Since(began) != tc.after {
					t.Errorf("after %v, want %v: %v", time.Since(began), tc.after, err)
				}
				if got := fmt.Sprint(stream.Trailer().Get(rosterIndex)); (got == "[9]") != (tc.want == codes.NotFound) {
					t.Errorf("the roster's index: %s", got)
				}
			})
		})
	}
}

func TestServer_AFollowerThatPingsIsAnswered(t *testing.T) {
	publisher(t, func(t *testing.T, s *Server, _ *dn.Table, c peerpb.TControllerClient) {
		stream := follows(t, c, asks("b"))
		for i := range int64(6) {
			passes(pingTimeout - time.Second)
			if err := stream.Send(ping(i+1, 100*i)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for {
				m, err := stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				if p := m.GetPong(); p != nil {
					if p.GetSentMono() != i+1 || p.GetSentWall() != 100*i || p.GetPublisherWall() != time.Now().UnixNano() || p.GetApplied() != 17 {
						t.Errorf("answered with %v", p)
					}
					break
				}
			}
		}
		s.Stop()
		s.Stop()
		all, err := untilEnd(stream)
		if status.Code(err) != codes.Unavailable || len(all) != 1 || all[0].GetGoodbye() == nil {
			t.Errorf("it stops with %v, %v", all, err)
		}
	})
}

func TestServer_ATableComesInBatches(t *testing.T) {
	publisher(t, func(t *testing.T, s *Server, table *dn.Table, c peerpb.TControllerClient) {
		for i := range 2*batchSize + 10 {
			table.Register(dn.Number(fmt.Sprint(10_000+i)), dn.Registered)
		}
		stream := follows(t, c, asks("b"))
		synctest.Wait()
		last := table.Register("9", dn.Registered)
		passes(time.Second)
		s.Stop()
		all, _ := untilEnd(stream)
		var got []string
		for _, m := range all {
			switch b := m.GetBody().(type) {
			case *peerpb.FollowResponse_Hello:
				got = append(got, fmt.Sprint("hello ", b.Hello.GetPublisher(), b.Hello.GetIncarnation(), b.Hello.GetResumed()))
			case *peerpb.FollowResponse_Records:
				got = append(got, fmt.Sprint(len(b.Records.GetRecords()), " ", b.Records.GetSeq() > 0))
				if n := b.Records.GetRecords(); len(n) == 1 && (n[0].GetDn() != "9" || n[0].GetClaimTime() != last.ClaimTime) {
					t.Errorf("the change is %v", n)
				}
			case *peerpb.FollowResponse_EndOfSync:
				got = append(got, "end")
			}
		}
		if want := []string{"hello a7 false", "512 false", "512 false", "10 false", "end", "1 true"}; !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// What happens to a call is told at once after a quiet time, and together with
// what follows while much happens; calls that are up wait for nobody.
func TestServer_CallsAreToldAtOnceOrTogether(t *testing.T) {
	publisher(t, func(t *testing.T, s *Server, _ *dn.Table, c peerpb.TControllerClient) {
		rings := func() {
			id, err := s.calls.Begin(call.Info{Caller: "trunk1", Type: call.Inbound, UserData: map[string]string{"k": strings.Repeat("x", 8<<10)}})
			if err != nil || !s.calls.Ringing(id, "1001", "") {
				t.Fatal("no call", err)
			}
		}
		for range 1000 {
			rings()
		}
		began, stream := time.Now(), follows(t, c, asks("b"))
		rows := 0
		next := func() *peerpb.FollowResponse {
			m, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			rows += len(m.GetCallSnapshot().GetCalls())
			return m
		}
		for next().GetEndOfCallSync() == nil {
		}
		if rows != 1000 || time.Since(began) != 0 {
			t.Errorf("%d calls came within %v", rows, time.Since(began))
		}
		passes(time.Second)
		began = time.Now()
		for n, want := range []struct {
			rings int
			after time.Duration
		}{{1, 0}, {1, 0}, {2, callsEvery}, {3, 2 * callsEvery}} {
			synctest.Wait()
			for range want.rings {
				rings()
			}
			m := next()
			for m.GetCallEvents() == nil {
				m = next()
			}
			if events := m.GetCallEvents().GetEvents(); time.Since(began) != want.after || len(events) != want.rings {
				t.Errorf("message %d comes after %v with %d events, want %+v", n, time.Since(began), len(events), want)
			}
		}
		synctest.Wait()
		rings()
		rings()
		synctest.Wait()
		if b := s.Backlog("b"); b.CallEvents != 2 {
			t.Errorf("%d events wait", b.CallEvents)
		}
	})
}
