package node

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// A node that is asked why a DN gets no calls says what the others believe, and where
// the owner's phone is; one that is gone is in the answer too.
func TestExplain_ByEachNode(t *testing.T) {
	a, b := twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"))
	phone := b.phone(t, "1001")
	a.says(t, "1001", "IN_SRV n2@site-n2")
	explain := func() *tcpb.ExplainDNResponse {
		r, err := tcpb.NewDiagnosisClient(a.tc).ExplainDN(t.Context(), &tcpb.ExplainDNRequest{Dn: "1001"})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.GetViews()) != 2 || r.GetViews()[0].GetNode() != "n1" || r.GetViews()[1].GetNode() != "n2" {
			t.Fatalf("views %v", r.GetViews())
		}
		return r
	}
	r := explain()
	here, there := r.GetViews()[0], r.GetViews()[1]
	if !strings.HasPrefix(r.GetSentence(), "A call can be sent to 1001") || !here.GetStatus().GetRoutable() || !there.GetStatus().GetRoutable() || len(here.GetBindings()) != 0 {
		t.Errorf("%v", r)
	}
	if len(there.GetBindings()) != 1 || !strings.Contains(there.GetBindings()[0].GetContact(), "1001") || there.GetBindings()[0].GetTransport() != "udp" ||
		there.GetBindings()[0].GetSource() != phone.Addr() || there.GetTook().AsDuration() <= 0 || len(there.GetChanges()) != 1 || len(here.GetChanges()) != 1 {
		t.Errorf("the owner's view %v", there)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	a.says(t, "1001", "OOS n2@site-n2")
	r = explain()
	if !strings.Contains(r.GetSentence(), "out of service (OOS, peer-lost, at n2)") || r.GetViews()[1].GetError() == "" || len(r.GetViews()[0].GetChanges()) != 2 {
		t.Errorf("%v", r)
	}
}

// A survey has every node's own view, and of one that is gone that it does not answer.
func TestSurvey_OfEachNode(t *testing.T) {
	a, b := twoNodes(t, nil)
	survey := func() []*tcpb.ClusterView {
		r, err := tcpb.NewDiagnosisClient(a.tc).Survey(t.Context(), &tcpb.SurveyRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if v := r.GetViews(); len(v) != 2 || v[0].GetNode() != "n1" || v[1].GetNode() != "n2" || v[1].GetSite() != "site-n2" {
			t.Fatalf("views %v", v)
		}
		return r.GetViews()
	}
	views := survey()
	if here := views[0].GetStatus(); here.GetNode() != "n1" || here.GetPeers()[0].GetNode() != "n2" || views[0].GetTook() != nil {
		t.Errorf("the asked node's view %v", views[0])
	}
	if there := views[1].GetStatus(); there.GetNode() != "n2" || there.GetPeers()[0].GetNode() != "n1" || views[1].GetError() != "" || views[1].GetTook().AsDuration() <= 0 {
		t.Errorf("the other's view %v", views[1])
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if gone := survey()[1]; gone.GetStatus() != nil || gone.GetError() == "" {
		t.Errorf("the view of who is gone: %v", gone)
	}
}
