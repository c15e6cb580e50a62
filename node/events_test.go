package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// told is what a node answers to who asks what happened, in short.
func told(t *testing.T, m *member, r *tcpb.ListEventsRequest) (said []string, answer *tcpb.ListEventsResponse) {
	t.Helper()
	answer, err := tcpb.NewDiagnosisClient(m.tc).ListEvents(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, e := range answer.GetEvents() {
		var what string
		switch {
		case e.GetLink() != nil:
			what = fmt.Sprint(e.GetLink().GetPeer(), " ", e.GetLink().GetHeard())
		case e.GetCall() != nil:
			what = e.GetCall().GetWhat()
		case e.GetWrite() != nil:
			what = strings.Join(e.GetWrite().GetChanges(), ", ")
		default:
			what = e.GetChange().GetStatus().GetReason().Word()
		}
		if e.GetTime().AsTime().Before(last) {
			t.Errorf("%v comes after what came later", e)
		}
		last = e.GetTime().AsTime()
		said = append(said, strings.Join([]string{e.GetNode(), e.GetKind().Word(), e.GetDn(), what}, " "))
	}
	return said, answer
}

// What happened at one node and at the other is told by each of them once, by the node whose
// word it is, and by all who know it where that is wanted; of a node that is gone what the
// other one knows.
func TestEvents_OfTwoNodes(t *testing.T) {
	a, b := twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	caller, agent := a.phone(t, "1001"), b.phone(t, "1002")
	a.says(t, "1002", "IN_SRV n2@site-n2")
	b.says(t, "1001", "IN_SRV n1@site-n1")
	x := &transfers{t: t, ctx: t.Context()}
	out, _ := x.up(caller, agent, "sip:1002@"+realm)
	x.bye(out)
	state := []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_STATE}
	for _, m := range []*member{a, b} {
		said, r := told(t, m, &tcpb.ListEventsRequest{Kinds: state})
		slices.Sort(said) // nearly at one moment, by two clocks
		if want := []string{"n1 state 1001 registered", "n2 state 1002 registered"}; !slices.Equal(said, want) || len(r.GetParts()) != 2 || r.GetParts()[1].GetError() != "" {
			t.Fatalf("%s tells of states %q, want %q", m.cfg.Name, said, want)
		}
		await(t, m.cfg.Name+" tells of the end of the call", func() bool {
			said, _ = told(t, m, &tcpb.ListEventsRequest{Kinds: []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_CALL}})
			slices.Sort(said) // both sides at one moment
			return slices.Equal(said, []string{
				"n1 call 1001 dialing", "n1 call 1001 established", "n1 call 1001 released", "n1 call 1002 established", "n1 call 1002 released", "n1 call 1002 ringing",
			})
		})
	}
	if said, _ := told(t, a, &tcpb.ListEventsRequest{Kinds: state, Dn: "1002", EachNode: true}); !slices.Equal(said, []string{"n2 state 1002 registered", "n2 state 1002 registered"}) {
		t.Errorf("each node tells of 1002 %q", said)
	}
	if said, _ := told(t, a, &tcpb.ListEventsRequest{Kinds: state, Node: "n2"}); !slices.Equal(said, []string{"n2 state 1002 registered"}) {
		t.Errorf("n2 alone tells %q", said)
	}
	if said, r := told(t, a, &tcpb.ListEventsRequest{Limit: 1}); len(said) != 1 || !r.GetParts()[0].GetCut() {
		t.Errorf("the last one is %q of %v", said, r.GetParts())
	}
	if said, _ := told(t, a, &tcpb.ListEventsRequest{Since: timestamppb.New(time.Now().Add(time.Hour))}); len(said) != 0 {
		t.Errorf("in an hour %q", said)
	}
	if said, _ := told(t, a, &tcpb.ListEventsRequest{Kinds: []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_CONFIGURATION}, Dn: "1001"}); !slices.Equal(said, []string{" configuration  put dn 1001"}) {
		t.Errorf("who configured 1001: %q, want that alone of the write", said)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	a.says(t, "1002", "OOS n2@site-n2")
	said, r := told(t, a, &tcpb.ListEventsRequest{Kinds: append(state, tcpb.HistoryKind_HISTORY_KIND_LINK)})
	for _, want := range []string{"n2 state 1002 registered", "n1 state 1002 peer-lost", "n1 link  n2 true", "n1 link  n2 false"} {
		if !slices.Contains(said, want) {
			t.Errorf("without n2 %q is missing in %q", want, said)
		}
	}
	if r.GetParts()[1].GetError() == "" {
		t.Errorf("n2 answers: %v", r.GetParts())
	}
}

// Who follows at one node is told what happens at all, behind what a list has; and that a node
// gives no answer any more.
func TestEvents_AreFollowed(t *testing.T) {
	a, b := twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	state := []tcpb.HistoryKind{tcpb.HistoryKind_HISTORY_KIND_STATE}
	a.phone(t, "1001")
	b.says(t, "1001", "IN_SRV n1@site-n1")
	_, list := told(t, a, &tcpb.ListEventsRequest{Kinds: state})
	stream, err := tcpb.NewDiagnosisClient(a.tc).WatchEvents(t.Context(), &tcpb.WatchEventsRequest{Kinds: state, Cursor: list.GetCursor()})
	if err != nil {
		t.Fatal(err)
	}
	b.phone(t, "1002")
	m := nextNews(t, stream)
	for len(m.GetEvents()) == 0 { // a busy machine's node is silent for a while
		m = nextNews(t, stream)
	}
	if len(m.GetEvents()) != 1 || m.GetEvents()[0].GetNode() != "n2" || m.GetEvents()[0].GetDn() != "1002" {
		t.Errorf("told %v, want that 1002 is in service at n2, and nothing of before", m)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	silent := func(n *tcpb.EventsNode) bool { return n.GetNode() == "n2" && n.GetError() != "" }
	for !slices.ContainsFunc(nextNews(t, stream).GetNodes(), silent) {
		continue // that 1002 is out of service is n1's word
	}
}

// nextNews is the next message of a stream that is more than a sign of life.
func nextNews(t *testing.T, stream tcpb.Diagnosis_WatchEventsClient) *tcpb.WatchEventsResponse {
	t.Helper()
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.GetEvents())+len(m.GetNodes()) > 0 {
			return m
		}
	}
}
