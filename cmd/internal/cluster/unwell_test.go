package cluster

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

func TestStatusCheck(t *testing.T) {
	well := func() *tcpb.StatusResponse {
		return &tcpb.StatusResponse{Node: "n1", Raft: &tcpb.RaftStatus{Quorum: true}, Peers: []*tcpb.PeerStatus{{Node: "n2", Reachable: true}}}
	}
	if err := unwell(well()); err != nil {
		t.Errorf("a node that is well: %v", err)
	}
	for want, harm := range map[string]func(*tcpb.StatusResponse){
		"it reaches no quorum":  func(s *tcpb.StatusResponse) { s.Raft.Quorum = false },
		"it does not hear n2":   func(s *tcpb.StatusResponse) { s.Peers[0].Reachable = false },
		"disk-stalls":           func(s *tcpb.StatusResponse) { s.Problems = []*tcpb.Problem{{Code: "disk-stalls"}} },
		"no quorum, it does no": func(s *tcpb.StatusResponse) { s.Raft, s.Peers[0].Reachable = nil, false },
	} {
		s := well()
		harm(s)
		if err := unwell(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
