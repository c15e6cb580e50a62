package api

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
)

// site is a node's table and configuration with the services in front, over
// real gRPC: node sip1 at dc1, whose peer is sip2 at dc2.
type site struct {
	past *history.Store
	// inCalls are the DNs with a call.
	inCalls sync.Map
	table   *dn.Table
	view    *fsm.View
	client  tcpb.AvailabilityClient
}

// calls are those by a node: the peer has all that there are.
func (s *site) calls(id dn.Node) (n int) {
	if id == peerID {
		s.inCalls.Range(func(any, any) bool { n++; return true })
	}
	return n
}

// uses of a DN: it talks in the call that it has.
func (s *site) uses(n dn.Number) dn.Uses {
	if _, ok := s.inCalls.Load(n); ok {
		return dn.Uses{Calls: 1, Talks: 1}
	}
	return dn.Uses{}
}

const selfID, peerID = "sip1-id", "sip2-id"

func newSite(t testing.TB, mutations ...*configpb.Mutation) *site {
	t.Helper()
	leftover.Check(t)
	s := &site{view: roster(t, mutations...)}
	s.past = history.New(history.Config{Self: selfID})
	s.table = dn.New(dn.Config{Self: selfID, Incarnation: 7, Told: s.past.DN, Busy: func(n dn.Number) bool { return s.uses(n).Calls > 0 }, Uses: s.uses, Configured: func(n dn.Number) (dn.Class, []string) {
		config := s.view.DN(string(n))
		return dnview.Class(config), config.GetGroups()
	}})
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		tcpb.RegisterAvailabilityServer(r, NewAvailability(AvailabilityConfig{
			Table: s.table, View: func() *fsm.View { return s.view }, Heartbeat: 10 * time.Millisecond,
		}))
	})
	t.Cleanup(func() {
		_ = conn.Close()
		leftover.None(t, patience.Limit, leftover.But(s.table, "dn_drops_untold")) // watches end with their clients
	})
	s.client = tcpb.NewAvailabilityClient(conn)
	return s
}

// roster is a configuration with two nodes and what the mutations add.
func roster(t testing.TB, mutations ...*configpb.Mutation) *fsm.View {
	t.Helper()
	view := fsm.Empty()
	all := append([]*configpb.Mutation{putNode(selfID, "sip1", "dc1"), putNode(peerID, "sip2", "dc2"), putGroup("sales")}, mutations...)
	for len(all) > 0 {
		n := min(len(all), 1000)
		next, err := view.With(all[:n])
		if err != nil {
			t.Fatal(err)
		}
		view, all = next, all[n:]
	}
	return view
}

func putNode(id, name, where string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{
		Id: id, Name: name, Site: where, ClusterAddr: id + ":7002", TcAddr: "127.0.0.1:7001",
	}}}
}

func putGroup(name string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}}}
}

func putDN(d *configpb.DN) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
}

func sipDN(number string, groups ...string) *configpb.DN {
	return &configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef", Groups: groups}
}

func serve(t testing.TB, register func(grpc.ServiceRegistrar), options ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(bounded), grpc.WithChainStreamInterceptor(boundedStream(t)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		patience.Receive(t, "the end of the server", done)
	})
	return conn
}

// bounded gives a request a time at whose end it fails.
func bounded(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, patience.Limit)
	defer cancel()
	return call(ctx, method, req, reply, cc, opts...)
}

// boundedStream gives a stream a time at whose end it fails; it is what it was
// waited for.
func boundedStream(t testing.TB) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		ctx, cancel := context.WithTimeout(ctx, 3*patience.Limit)
		t.Cleanup(cancel)
		return open(ctx, desc, cc, method, opts...)
	}
}

// peerSays feeds the copy of the peer's table and has it heard.
func (s *site) peerSays(t testing.TB, records ...dn.Record) *dn.Copy {
	t.Helper()
	c, err := s.table.Sync(peerID, 1, false)
	if err == nil {
		_, err = c.Apply(records, 0)
	}
	if err == nil {
		err = c.Synced(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.table.SetHeard(peerID, true)
	return c
}

func inService(number string) dn.Record {
	now := time.Now().UnixNano()
	return dn.Record{Number: dn.Number(number), ClaimTime: now, State: dn.InSrv, Reason: dn.Registered, Since: now}
}

func everyKind(t testing.TB) *site {
	disabled := sipDN("1003")
	disabled.Disabled = true
	s := newSite(t,
		putDN(sipDN("1001", "sales")), putDN(sipDN("1002", "sales")), putDN(disabled), putDN(sipDN("1004")),
		putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}),
		putDN(&configpb.DN{Number: "3000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}),
		putDN(&configpb.DN{Number: "4000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.1:5060"}}),
	)
	s.table.Register("1001", dn.Registered)
	s.table.Register("1003", dn.Registered)
	s.peerSays(t, inService("1002"), inService("0999"))
	return s
}

func TestListDNs_JoinsConfigurationAndTable(t *testing.T) {
	s := everyKind(t)
	resp, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range resp.Dns {
		got = append(got, fmt.Sprintf("%s %s %v %s/%s %v %v", d.Dn, d.Kind, d.State == tcpb.DNState_DN_STATE_IN_SRV, d.Owner, d.Site, d.Reason, d.Routable))
	}
	want := []string{
		"0999 DN_KIND_UNSPECIFIED true sip2/dc2 REASON_REGISTERED false", // known, its configuration not (yet)
		"1001 DN_KIND_SIP true sip1/dc1 REASON_REGISTERED true",
		"1002 DN_KIND_SIP true sip2/dc2 REASON_REGISTERED true",
		"1003 DN_KIND_SIP false sip1/dc1 REASON_ADMIN false",
		"1004 DN_KIND_SIP false / REASON_UNSPECIFIED false", // never registered
		"2001 DN_KIND_PSTN false / REASON_UNSPECIFIED false",
		"3000 DN_KIND_ROUTING_POINT true / REASON_UNSPECIFIED false",
		"4000 DN_KIND_TRUNK true / REASON_UNSPECIFIED false",
	}
	compare(t, got, want)
	if since := resp.Dns[4].Since; since != nil {
		t.Errorf("a DN that was never registered has since %v", since)
	}
}

// TestListDNs_ATrunkSaysWhetherItIsReached from the node that is asked; one that nobody has
// tried to reach yet counts as if it were.
func TestListDNs_ATrunkSaysWhetherItIsReached(t *testing.T) {
	s := everyKind(t)
	for _, c := range []struct {
		reached bool
		state   tcpb.DNState
		reason  tcpb.Reason
	}{
		{false, tcpb.DNState_DN_STATE_OOS, tcpb.Reason_REASON_UNRESPONSIVE}, {true, tcpb.DNState_DN_STATE_IN_SRV, tcpb.Reason_REASON_UNSPECIFIED},
	} {
		s.table.Reaches("4000", c.reached)
		resp, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if d := resp.Dns[len(resp.Dns)-1]; d.Dn != "4000" || d.State != c.state || d.Reason != c.reason || d.Owner != "" || d.Since == nil || d.Routable {
			t.Errorf("reached %v: %v", c.reached, d)
		}
	}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("row %d:\n got  %s\n want %s", i, g, w)
		}
	}
}

func TestListRoutable_CutPeerTakesItsDNsOut(t *testing.T) {
	s := everyKind(t)
	if got := s.routable(t, nil); fmt.Sprint(got) != "[1001 1002]" {
		t.Fatalf("connected: %v", got)
	}
	s.table.SetHeard(peerID, false)
	if got := s.routable(t, nil); fmt.Sprint(got) != "[1001]" {
		t.Fatalf("cut: %v", got)
	}
	d, err := s.client.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1002"})
	if err != nil || d.Owner != "sip2" || d.Reason != tcpb.Reason_REASON_PEER_LOST {
		t.Fatalf("cut: %v %v", d, err)
	}
}

func (s *site) routable(t *testing.T, f *tcpb.Filter) []string {
	t.Helper()
	resp, err := s.client.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	return numbers(resp.Dns)
}

func numbers(dns []*tcpb.DNStatus) []string {
	var list []string
	for _, d := range dns {
		list = append(list, d.Dn)
	}
	return list
}

func TestListDNs_Filters(t *testing.T) {
	s := everyKind(t)
	for _, tc := range []struct {
		name string
		f    *tcpb.Filter
		want string
	}{
		{"owner", &tcpb.Filter{Owner: "sip2"}, "[0999 1002]"},
		{"site", &tcpb.Filter{Site: "dc1"}, "[1001 1003]"},
		{"group", &tcpb.Filter{Group: "sales"}, "[1001 1002]"},
		{"kind", &tcpb.Filter{Kind: configpb.DNKind_DN_KIND_PSTN}, "[2001]"},
		{"prefix", &tcpb.Filter{Prefix: "100"}, "[1001 1002 1003 1004]"},
		{"the whole number", &tcpb.Filter{Prefix: "1002"}, "[1002]"},
		{"InSrv", &tcpb.Filter{State: tcpb.DNState_DN_STATE_IN_SRV}, "[0999 1001 1002 3000 4000]"},
		{"nobody of an owner", &tcpb.Filter{Owner: "sip2", Prefix: "5"}, "[]"},
		{"OOS of a kind", &tcpb.Filter{State: tcpb.DNState_DN_STATE_OOS, Kind: configpb.DNKind_DN_KIND_SIP}, "[1003 1004]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{Filter: tc.f})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(numbers(resp.Dns)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestListDNs_PagesEveryDNOnce(t *testing.T) {
	s := everyKind(t)
	for size := uint32(1); size <= 9; size++ {
		var all []string
		req := &tcpb.ListDNsRequest{PageSize: size}
		for pages := 1; ; pages++ {
			resp, err := s.client.ListDNs(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, numbers(resp.Dns)...)
			if req.PageToken = resp.NextPageToken; req.PageToken == "" {
				if want := (8 + int(size) - 1) / int(size); pages != want {
					t.Errorf("size %d: %d pages, want %d", size, pages, want)
				}
				break
			}
		}
		if got := fmt.Sprint(all); got != "[0999 1001 1002 1003 1004 2001 3000 4000]" {
			t.Errorf("size %d: %s", size, got)
		}
	}
}

// A name that nothing has is a mistake, and no empty list: in both lists.
func TestListDNs_UnknownNamesAreNotFound(t *testing.T) {
	s := everyKind(t)
	for _, f := range []*tcpb.Filter{{Owner: "sip9"}, {Group: "slaes"}, {Site: "dc9"}} {
		if _, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{Filter: f}); status.Code(err) != codes.NotFound {
			t.Errorf("%v: %v", f, err)
		}
		if _, err := s.client.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{Filter: f}); status.Code(err) != codes.NotFound {
			t.Errorf("routable, %v: %v", f, err)
		}
	}
}

func TestAvailability_BadRequests(t *testing.T) {
	s := everyKind(t)
	get := func(number string) error {
		_, err := s.client.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: number})
		return err
	}
	_, token := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageToken: "not a token"})
	page, err := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageSize: 1})
	if err != nil || page.GetNextPageToken() == "" || strings.Contains(page.GetNextPageToken(), page.GetDns()[0].GetDn()) {
		t.Fatalf("the first page: %v, %v; its token tells nothing", page, err)
	}
	_, filter := s.client.ListDNs(t.Context(), &tcpb.ListDNsRequest{PageToken: page.GetNextPageToken(), Filter: &tcpb.Filter{Prefix: "1"}})
	_, list := s.client.ListRoutable(t.Context(), &tcpb.ListRoutableRequest{PageToken: page.GetNextPageToken()})
	for _, tc := range []struct {
		name string
		err  error
		want codes.Code
	}{
		{"unknown DN", get("5555"), codes.NotFound},
		{"no DN", get("a b"), codes.InvalidArgument},
		{"page token", token, codes.InvalidArgument},
		{"page token of another filter", filter, codes.InvalidArgument},
		{"page token of another list", list, codes.InvalidArgument},
	} {
		if status.Code(tc.err) != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, tc.err, tc.want)
		}
	}
}

// manyDNs has n DNs in service, half of them owned by the peer.
func manyDNs(t testing.TB, n int) *site {
	var mutations []*configpb.Mutation
	for i := range n {
		mutations = append(mutations, putDN(sipDN(fmt.Sprintf("1%06d", i), "sales")))
	}
	s := newSite(t, mutations...)
	var records []dn.Record
	for i := range n {
		number := fmt.Sprintf("1%06d", i)
		if i%2 == 0 {
			s.table.Register(dn.Number(number), dn.Registered)
		} else {
			records = append(records, inService(number))
		}
	}
	s.peerSays(t, records...)
	return s
}

func BenchmarkListRoutable_100000(b *testing.B) {
	s := manyDNs(b, 100_000)
	for b.Loop() {
		req, total := &tcpb.ListRoutableRequest{PageSize: 10_000}, 0
		for {
			resp, err := s.client.ListRoutable(b.Context(), req)
			if err != nil {
				b.Fatal(err)
			}
			total += len(resp.Dns)
			if req.PageToken = resp.NextPageToken; req.PageToken == "" {
				break
			}
		}
		if total != 100_000 {
			b.Fatal(total)
		}
	}
}

func BenchmarkListRoutable_serverOnly(b *testing.B) {
	s := manyDNs(b, 100_000)
	a := NewAvailability(AvailabilityConfig{Table: s.table, View: func() *fsm.View { return s.view }})
	for b.Loop() {
		req := &tcpb.ListRoutableRequest{PageSize: 10_000}
		for {
			resp, err := a.ListRoutable(b.Context(), req)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := proto.Marshal(resp); err != nil {
				b.Fatal(err)
			}
			if req.PageToken = resp.NextPageToken; req.PageToken == "" {
				break
			}
		}
	}
}
