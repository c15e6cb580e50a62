package nemesis

import (
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// visit follows the liar as the node would and returns the first answers.
func visit(t *testing.T, client peerpb.TControllerClient, follower string, answers int) []*peerpb.FollowResponse {
	t.Helper()
	stream, err := client.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hello := &peerpb.FollowHello{Follower: follower, Publisher: "n3", ResumeIncarnation: 7, ResumeSeq: 5}
	if err := stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	var out []*peerpb.FollowResponse
	for range answers {
		m, err := stream.Recv()
		if err != nil {
			return out
		}
		out = append(out, m)
	}
	return out
}

func TestLiar_SpeaksForAnotherNodeAndThenClaims(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lying{claims: []string{"2000"}, followed: make(chan struct{}), followers: map[string]int{}}
	server := grpc.NewServer()
	peerpb.RegisterTControllerServer(server, l)
	go func() { _ = server.Serve(ln) }()
	defer server.Stop()
	conn, err := grpc.NewClient(ln.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := peerpb.NewTControllerClient(conn)

	for _, follower := range []string{"n1", "n2"} {
		if got := visit(t, client, follower, 1); len(got) > 0 {
			t.Errorf("%s was not sent away at first: %v", follower, got)
		}
	}
	if got := visit(t, client, "n1", 2); len(got) != 2 || got[0].GetHello().GetPublisher() != "n2" || got[1].GetEndOfSync() == nil {
		t.Errorf("the second time it said %v, want an empty table of n2", got)
	}
	got := visit(t, client, "n1", 3)
	if len(got) != 3 || got[0].GetHello().GetPublisher() != "n3" || got[0].GetHello().GetIncarnation() != 7 {
		t.Fatalf("the third time it said %v, want to be n3", got)
	}
	if r := got[1].GetRecords().GetRecords(); len(r) == 0 || r[0].GetDn() != "2000" || r[0].GetState() != tcpb.DNState_DN_STATE_IN_SRV {
		t.Errorf("it claims %v", r)
	}
}
