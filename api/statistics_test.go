package api

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/statistics"
)

// hall is a node's tables with statistics of two groups, sales with the DN 1001 and desk with
// 1002 and 1003.
type hall struct {
	table   *dn.Table
	calls   *call.Table
	machine *fsm.Machine
	// at is the time, ns since the epoch; 0: the clock's.
	at   atomic.Int64
	fold *statistics.Fold
	s    *Statistics
	c    tcpb.StatisticsClient
}

func newHall(t *testing.T) *hall {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(t.TempDir(), "config.db")})
	if err != nil {
		t.Fatal(err)
	}
	agent := func(n, group string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: []string{group}}}}
	}
	for _, c := range []*peerpb.Command{{Version: 1, NewEpoch: "e1"}, {Version: 1, Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.org"}}},
		{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "a", Name: "n1", Site: "dc1", ClusterAddr: "a:7002"}}},
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales"}}},
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "desk"}}},
		agent("1001", "sales"), agent("1002", "desk"), agent("1003", "desk"),
	}}} {
		if r := m.ApplyCommand(c); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	h := &hall{machine: m}
	h.calls = call.New(call.Config{Self: "a", Incarnation: 1, Now: h.now})
	h.table = dn.New(dn.Config{Self: "a", Incarnation: 1, Busy: h.calls.Busy})
	h.fold = statistics.New(statistics.Config{Table: h.table, Calls: h.calls, Machine: m})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.fold.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		patience.Receive(t, "the end of the fold", done)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	h.s = NewStatistics(h.fold, m.View)
	h.c = tcpb.NewStatisticsClient(serve(t, func(r grpc.ServiceRegistrar) { tcpb.RegisterStatisticsServer(r, h.s) }))
	return h
}

func (h *hall) now() time.Time {
	if at := h.at.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Now()
}

// put adds a node to the roster.
func (h *hall) put(t *testing.T, n *configpb.Node) {
	t.Helper()
	if r := h.machine.ApplyCommand(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: n}}}}); r.Err != nil {
		t.Fatal(r.Err)
	}
}

func TestGetGroups_SaysWhatEachGroupDoes(t *testing.T) {
	h := newHall(t)
	h.table.Register("1001", dn.Registered)
	r, err := h.c.GetGroups(t.Context(), &tcpb.GetGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range r.GetRows() {
		got = append(got, g.GetGroup()+"@"+g.GetSite()+" "+string(rune('0'+g.GetReady()))+" "+string(rune('0'+g.GetOutOfService())))
	}
	if want := []string{"@ 0 2", "@dc1 1 0", "desk@ 0 2", "sales@dc1 1 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r, err = h.c.GetGroups(t.Context(), &tcpb.GetGroupsRequest{Groups: []string{"sales"}}); err != nil || len(r.GetRows()) != 1 {
		t.Error(r, err)
	}
	if _, err := h.c.GetGroups(t.Context(), &tcpb.GetGroupsRequest{Groups: []string{"nobody"}}); status.Code(err) != codes.NotFound {
		t.Errorf("a group that is not configured: %v", err)
	}
}

// TestWatchGroups_TellsTheGroupsThatChanged: all of them at first, then only those.
func TestWatchGroups_TellsTheGroupsThatChanged(t *testing.T) {
	h := newHall(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	s, err := h.c.WatchGroups(ctx, &tcpb.WatchGroupsRequest{Interval: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv()
	if err != nil || !slices.Equal(m.GetGroups(), []string{"", "desk", "sales"}) || len(m.GetRows()) != 3 {
		t.Fatal(m, err)
	}
	h.table.Register("1002", dn.Registered)
	if m, err = s.Recv(); err != nil || !slices.Equal(m.GetGroups(), []string{"", "desk"}) {
		t.Fatal(m, err)
	}
	ready := map[string]uint32{}
	for _, r := range m.GetRows() {
		ready[r.GetGroup()+"@"+r.GetSite()] += r.GetReady()
	}
	if ready["@dc1"] != 1 || ready["desk@dc1"] != 1 || ready["desk@"] != 0 {
		t.Errorf("ready: %v", ready)
	}
}

// TestWatchGroups_WhoReadsLateMissesNothing: a client that puts the rows of each message in
// the place of its groups' former ones ends with what GetGroups says, whatever it slept
// through, and leaves nothing behind.
func TestWatchGroups_WhoReadsLateMissesNothing(t *testing.T) {
	h := newHall(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	s, err := h.c.WatchGroups(ctx, &tcpb.WatchGroupsRequest{Interval: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the watch is open", func() bool { return h.s.watches.Taken() == 1 })
	for i := range 5000 {
		n := dn.Number([]string{"1001", "1002", "1003"}[i%3])
		if own, ok := h.table.Own(n); ok && i%2 == 0 {
			h.table.End(n, own.ClaimTime, dn.Unregistered)
		} else {
			h.table.Register(n, dn.Registered)
		}
	}
	now, err := h.c.GetGroups(t.Context(), &tcpb.GetGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	equal := func(a, b *tcpb.GroupStatistics) bool { return proto.Equal(a, b) }
	var have []*tcpb.GroupStatistics
	for !slices.EqualFunc(have, now.GetRows(), equal) {
		m, err := s.Recv()
		if err != nil {
			t.Fatalf("%v; it has %v, want %v", err, have, now.GetRows())
		}
		have = slices.DeleteFunc(have, func(r *tcpb.GroupStatistics) bool { return slices.Contains(m.GetGroups(), r.GetGroup()) })
		have = append(have, m.GetRows()...)
		slices.SortFunc(have, func(a, b *tcpb.GroupStatistics) int {
			return cmp.Or(cmp.Compare(a.GetGroup(), b.GetGroup()), cmp.Compare(a.GetSite(), b.GetSite()))
		})
	}
	cancel()
	patience.Until(t, "the place of the watch is free", func() bool { return h.s.watches.Taken() == 0 })
}

func TestListWaiting_TheOldestFirst(t *testing.T) {
	h := newHall(t)
	for i, group := range []string{"sales", "desk", "", "desk"} {
		id, err := h.calls.Begin(call.Info{Caller: "gw1", Type: call.Inbound, ANI: "+1", DNIS: "9001"})
		if err != nil {
			t.Fatal(err)
		}
		h.calls.Waits(id, dn.Number("900"+string(rune('1'+i%2))), group)
	}
	for _, c := range []struct {
		req   *tcpb.ListWaitingRequest
		total uint32
		calls int
	}{
		{&tcpb.ListWaitingRequest{}, 4, 4},
		{&tcpb.ListWaitingRequest{PageSize: 1}, 4, 1},
		{&tcpb.ListWaitingRequest{Group: "desk"}, 2, 2},
		{&tcpb.ListWaitingRequest{RoutingPoint: "9001"}, 2, 2},
		{&tcpb.ListWaitingRequest{Group: "sales", RoutingPoint: "9002"}, 0, 0},
	} {
		r, err := h.c.ListWaiting(t.Context(), c.req)
		if err != nil || r.GetTotal() != c.total || len(r.GetCalls()) != c.calls {
			t.Errorf("%v: %v %v", c.req, r, err)
			continue
		}
		for i, w := range r.GetCalls() {
			if w.GetNode() != "n1" || w.GetSite() != "dc1" || w.GetAni() != "+1" || i > 0 && w.GetSince().AsTime().Before(r.GetCalls()[i-1].GetSince().AsTime()) {
				t.Errorf("%v: %v", c.req, w)
			}
		}
	}
}

// TestStatisticsSource_HasALabelForEach: group, site and state of a sample, once folded.
func TestStatisticsSource_HasALabelForEach(t *testing.T) {
	h := newHall(t)
	h.table.Register("1001", dn.Registered)
	if _, err := h.c.GetGroups(t.Context(), &tcpb.GetGroupsRequest{}); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	StatisticsSource(h.fold).Samples(func(s Sample) {
		if s.Name == "group_agents" && len(s.Labels) == 6 {
			got[s.Labels[1]+"@"+s.Labels[3]+" "+s.Labels[5]] = s.Value
		}
	})
	if got["sales@dc1 ready"] != 1 || got["@ out-of-service"] != 2 {
		t.Errorf("%v", got)
	}
}
