package api

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// What a node says of a DN is what it believes itself, and what each other node of the
// roster answered, or why it did not.
func TestDiagnosis_SaysWhyAndWhatOthersBelieve(t *testing.T) {
	s := newSite(t, putDN(sipDN("1001", "sales")), putDN(sipDN("1002")), putNode("sip3-id", "sip3", "dc3"))
	binding := &tcpb.DNBinding{Contact: "sip:1001@192.0.2.1", UserAgent: "phone"}
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		tcpb.RegisterDiagnosisServer(r, NewDiagnosis(DiagnosisConfig{
			Table: s.table, History: s.past, View: func() *fsm.View { return s.view }, Bindings: func(dn.Number) []*tcpb.DNBinding { return []*tcpb.DNBinding{binding} },
			Ask: func(ctx context.Context, node dn.Node, number string, changes uint32) (*tcpb.DNView, error) {
				if node == peerID {
					return &tcpb.DNView{Node: "liar", Status: &tcpb.DNStatus{Dn: number, State: tcpb.DNState_DN_STATE_OOS, Reason: tcpb.Reason_REASON_PEER_LOST}}, nil
				}
				<-ctx.Done()
				return nil, status.Error(codes.DeadlineExceeded, "it does not answer")
			},
		}))
	})
	c := tcpb.NewDiagnosisClient(conn)
	claim := s.table.Register("1001", dn.Registered).ClaimTime
	s.inCalls.Store(dn.Number("1001"), true)
	s.table.Touch(map[dn.Number]struct{}{"1001": {}})
	r, err := c.ExplainDN(t.Context(), &tcpb.ExplainDNRequest{Dn: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.GetSentence(), "as many calls as it takes") || len(r.GetViews()) != 3 {
		t.Fatalf("%v", r)
	}
	own, peer, silent := r.GetViews()[0], r.GetViews()[1], r.GetViews()[2]
	if own.GetNode() != "sip1" || !own.GetStatus().GetBusy() || own.GetBindings()[0].GetUserAgent() != "phone" || len(own.GetChanges()) != 2 ||
		own.GetChanges()[0].GetKind() != tcpb.DNChangeKind_DN_CHANGE_KIND_STATE || own.GetChanges()[0].GetStatus().GetOwner() != "sip1" || !own.GetChanges()[1].GetStatus().GetBusy() {
		t.Errorf("own view %v", own)
	}
	if peer.GetNode() != "sip2" || peer.GetSite() != "dc2" || peer.GetStatus().GetReason() != tcpb.Reason_REASON_PEER_LOST || peer.GetError() != "" {
		t.Errorf("the peer's: %v", peer)
	}
	if silent.GetNode() != "sip3" || silent.GetError() != "it does not answer" || silent.GetStatus() != nil {
		t.Errorf("who is silent: %v", silent)
	}
	s.table.End("1001", claim, dn.Expired)
	if r, err = c.ExplainDN(t.Context(), &tcpb.ExplainDNRequest{Dn: "1001", Changes: 1}); err != nil || len(r.GetViews()[0].GetChanges()) != 1 || !strings.Contains(r.GetSentence(), "out of service (OOS, expired") {
		t.Errorf("%v, %v", r, err)
	}
	if r, err = c.ExplainDN(t.Context(), &tcpb.ExplainDNRequest{Dn: "1002"}); err != nil || len(r.GetViews()[0].GetChanges()) != 0 || r.GetViews()[0].GetStatus().GetKind() != configpb.DNKind_DN_KIND_SIP {
		t.Errorf("nobody registered it: %v, %v", r, err)
	}
	if _, err := c.ExplainDN(t.Context(), &tcpb.ExplainDNRequest{Dn: "4711"}); status.Code(err) != codes.NotFound {
		t.Errorf("a DN that nobody knows: %v", err)
	}
}
