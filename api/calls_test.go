package api

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// callsOf serves the calls of a hall.
func (h *hall) callsOf(t *testing.T, ask func(context.Context, dn.Node, string) (*tcpb.CallTrace, time.Duration, error)) tcpb.CallsClient {
	t.Helper()
	s := NewCalls(CallsConfig{Self: "a", Table: h.calls, View: h.s.view, Ask: ask, Trace: func(call string) *tcpb.CallTrace { return &tcpb.CallTrace{CallId: call} }})
	return tcpb.NewCallsClient(serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterCallsServer(r, s) }))
}

// ring begins a call that rings at a DN, "" for one that only waits.
func (h *hall) ring(t *testing.T, info call.Info, at dn.Number) string {
	t.Helper()
	id, err := h.calls.Begin(info)
	if err != nil {
		t.Fatal(err)
	}
	if at != "" && !h.calls.Ringing(id, at, "a") {
		t.Fatal("it does not ring")
	}
	return string(id)
}

func connIDs(list []*tcpb.CallInfo) (ids []string) {
	for _, c := range list {
		ids = append(ids, c.GetConnId())
	}
	return ids
}

func TestListCalls(t *testing.T) {
	h := newHall(t)
	c := h.callsOf(t, nil)
	var all []string
	for i := range 25 {
		h.at.Store(int64(i/2 + 1))
		all = append(all, h.ring(t, call.Info{Caller: "1001", Type: call.Internal, ANI: "1001", DNIS: "1002"}, "1002"))
	}
	h.at.Store(100)
	other := h.ring(t, call.Info{Caller: "1002", Type: call.Inbound, ANI: "a\xff", DNIS: "1003"}, "1003")
	h.at.Store(50)
	waiting := h.ring(t, call.Info{Caller: "1003", Type: call.Inbound}, "")
	h.calls.Waits(call.ID(waiting), "1001", "sales")
	h.ring(t, call.Info{Caller: "1003", Type: call.Inbound}, "") // nobody was told

	list := func(r *tcpb.ListCallsRequest) *tcpb.ListCallsResponse {
		t.Helper()
		resp, err := c.ListCalls(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	var paged []*tcpb.CallInfo
	r := &tcpb.ListCallsRequest{PageSize: 4}
	for {
		resp := list(r)
		if resp.GetTotal() != 27 || len(resp.GetCalls()) > 4 {
			t.Fatalf("%d calls of %d", len(resp.GetCalls()), resp.GetTotal())
		}
		paged = append(paged, resp.GetCalls()...)
		if r.PageToken = resp.GetNextPageToken(); r.PageToken == "" {
			break
		}
	}
	if got := connIDs(paged); len(got) != 27 || !slices.Equal(got, connIDs(list(&tcpb.ListCallsRequest{}).GetCalls())) || got[25] != waiting || got[26] != other {
		t.Errorf("%d calls: %q", len(got), got)
	}
	if !slices.IsSortedFunc(paged, func(a, b *tcpb.CallInfo) int { return a.GetBegan().AsTime().Compare(b.GetBegan().AsTime()) }) {
		t.Error("not the oldest first")
	}
	for _, x := range []struct {
		r    *tcpb.ListCallsRequest
		want int
	}{
		{&tcpb.ListCallsRequest{Dn: "1002"}, 26}, {&tcpb.ListCallsRequest{Dn: "1003"}, 2}, {&tcpb.ListCallsRequest{Node: "n1"}, 27},
		{&tcpb.ListCallsRequest{Waiting: true}, 1}, {&tcpb.ListCallsRequest{RoutingPoint: "1001"}, 1}, {&tcpb.ListCallsRequest{RoutingPoint: "1002"}, 0},
	} {
		if got := list(x.r); int(got.GetTotal()) != x.want || len(got.GetCalls()) != x.want {
			t.Errorf("%v: %d calls, want %d", x.r, got.GetTotal(), x.want)
		}
	}
	token := list(&tcpb.ListCallsRequest{PageSize: 1}).GetNextPageToken()
	for _, x := range []struct {
		r    *tcpb.ListCallsRequest
		want codes.Code
	}{
		{&tcpb.ListCallsRequest{Dn: "4711"}, codes.NotFound}, {&tcpb.ListCallsRequest{Node: "n9"}, codes.NotFound}, {&tcpb.ListCallsRequest{RoutingPoint: "4711"}, codes.NotFound},
		{&tcpb.ListCallsRequest{PageToken: "x"}, codes.InvalidArgument}, {&tcpb.ListCallsRequest{PageToken: token, Waiting: true}, codes.InvalidArgument},
	} {
		if _, err := c.ListCalls(t.Context(), x.r); status.Code(err) != x.want {
			t.Errorf("%v: %v, want %v", x.r, err, x.want)
		}
	}
	for i, id := range all {
		if i%2 == 0 {
			h.calls.End(call.ID(id), 0, false)
		}
	}
	if got := list(&tcpb.ListCallsRequest{}); got.GetTotal() != 14 {
		t.Errorf("%d calls when 13 are over", got.GetTotal())
	}
}

func TestGetCall(t *testing.T) {
	h := newHall(t)
	c := h.callsOf(t, nil)
	h.at.Store(7)
	id := h.ring(t, call.Info{Caller: "1001", Type: call.Internal, ANI: "1001", DNIS: "1002", UserData: map[string]string{"k": "v"}}, "1002")
	h.calls.Established(call.ID(id), "1002")
	h.calls.Hold(call.ID(id), call.Caller, "1001", true)
	r, err := c.GetCall(t.Context(), &tcpb.GetCallRequest{ConnId: id})
	if err != nil {
		t.Fatal(err)
	}
	x := r.GetCall()
	if x.GetConnId() != id || x.GetNode() != "n1" || x.GetSite() != "dc1" || x.GetKind() != tcpb.CallKind_CALL_KIND_INTERNAL || x.GetCaller() != "1001" || x.GetDnis() != "1002" ||
		x.GetBegan().AsTime() != time.Unix(0, 7).UTC() || r.GetUserData()["k"] != "v" || x.GetQueue() != nil {
		t.Errorf("%v", r)
	}
	if p := x.GetParties(); len(p) != 2 || !p[0].GetCaller() || p[0].GetDn() != "1001" || p[0].GetState() != tcpb.CallPartyState_CALL_PARTY_STATE_ESTABLISHED || p[0].GetHeldSince() == nil ||
		p[1].GetCaller() || p[1].GetDn() != "1002" || p[1].GetNode() != "n1" || p[1].GetHeldSince() != nil {
		t.Errorf("parties %v", p)
	}
	h.calls.End(call.ID(id), 0, false)
	for conn, want := range map[string]codes.Code{id: codes.NotFound, "x": codes.InvalidArgument, "": codes.InvalidArgument, "00000000000000AA": codes.InvalidArgument} {
		if _, err := c.GetCall(t.Context(), &tcpb.GetCallRequest{ConnId: conn}); status.Code(err) != want {
			t.Errorf("%q: %v, want %v", conn, err, want)
		}
	}
}

// What a node says is passed on with how far its clock is ahead; of one that says nothing,
// why.
func TestTraceCall_AsksAllNodes(t *testing.T) {
	h := newHall(t)
	for _, n := range []string{"b", "c"} {
		node := proto.CloneOf(h.s.view().Node("a"))
		node.Id, node.Name, node.ClusterAddr = n, "n-"+n, n+":7002"
		h.put(t, node)
	}
	c := h.callsOf(t, func(_ context.Context, n dn.Node, call string) (*tcpb.CallTrace, time.Duration, error) {
		if n == "c" {
			return nil, 0, errors.New("it does not answer")
		}
		return &tcpb.CallTrace{ConnId: call, Messages: []*tcpb.SIPMessage{{Method: "BYE"}}}, time.Hour, nil
	})
	r, err := c.TraceCall(t.Context(), &tcpb.TraceCallRequest{Call: "some@call"})
	if err != nil || len(r.GetViews()) != 3 {
		t.Fatal(r, err)
	}
	own, b, gone := r.GetViews()[0], r.GetViews()[1], r.GetViews()[2]
	if own.GetNode() != "n1" || own.GetCallId() != "some@call" || own.GetTook() != nil || own.GetAhead() != nil {
		t.Errorf("the asked node: %v", own)
	}
	if b.GetNode() != "n-b" || b.GetConnId() != "some@call" || len(b.GetMessages()) != 1 || b.GetTook() == nil || b.GetAhead().AsDuration() != time.Hour {
		t.Errorf("the other node: %v", b)
	}
	if gone.GetNode() != "n-c" || gone.GetError() != "it does not answer" || gone.GetMessages() != nil {
		t.Errorf("the one that is gone: %v", gone)
	}
	if _, err := c.TraceCall(t.Context(), &tcpb.TraceCallRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no call: %v", err)
	}
}

// What a node does not tell of itself, because it is gone, silent or was started again, the
// asked one tells; nothing is told by both.
func TestSpeaks_ForThoseWhoCanNot(t *testing.T) {
	h := newHall(t)
	for _, n := range []string{"b", "c"} {
		node := proto.CloneOf(h.s.view().Node("a"))
		node.Id, node.Name, node.ClusterAddr = n, "n-"+n, n+":7002"
		h.put(t, node)
	}
	again := beganAt(&tcpb.EventsPart{Began: moment(100), Ahead: durationpb.New(10)}) // its clock is 10 ns ahead
	began := map[dn.Node]int64{"b": again, "c": beganAt(&tcpb.EventsPart{Error: "it does not answer"})}
	for _, x := range []struct {
		name string
		by   dn.Node
		at   int64
		want bool
	}{
		{"", "a", 50, true}, {"", "a", 150, true}, {"", "b", 89, true}, {"", "b", 90, false}, {"", "c", 1e18, true}, {"", "removed", 1e18, true},
		{"n-b", "a", 50, false}, {"n-b", "b", 50, true}, {"n-b", "b", 150, false}, {"n-b", "removed", 50, false}, {"n1", "a", 50, true}, {"n1", "b", 50, false},
	} {
		if got := speaks("a", x.name, h.s.view(), began)(x.by, x.at); got != x.want {
			t.Errorf("of %s at %d, asked for %q: %v", x.by, x.at, x.name, got)
		}
	}
}
