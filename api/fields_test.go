package api

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/lag"
	"github.com/sipcluster/sipcluster/node/problem"
)

// used is a peer's record of a DN whose agent works.
func used(number string, state dn.AgentState, holder string) dn.Record {
	r := inService(number)
	r.Agent = &dn.Agent{ID: "a" + number, State: state, Mode: 3, Since: 1_600_000_000_000_000_001, Reasons: []dn.KeyValue{{Key: "k", Value: "v"}, {Key: "l", Value: "w"}}}
	if holder != "" {
		r.Reserved = dn.Reservation{Holder: holder, Left: int64(time.Minute)}
	}
	return r
}

// withAgents is a site whose peer has agents in each state.
func withAgents(t testing.TB) *site {
	t.Helper()
	login := putGroup("login")
	login.GetPutGroup().LoginRequired = true
	s := newSite(t, login,
		putDN(sipDN("1001", "login")), putDN(sipDN("1002", "login")), putDN(sipDN("1003", "login")), putDN(sipDN("1004", "login")), putDN(sipDN("1005", "login")),
		putDN(sipDN("1006", "login")), putDN(sipDN("1007", "sales", "login")), putDN(sipDN("1008", "sales")),
		putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: []string{"login"}}))
	s.peerSays(t, used("1001", dn.Ready, ""), used("1002", dn.Ready, ""), used("1003", dn.Ready, "router"), used("1004", dn.NotReady, ""),
		used("1005", dn.LoggedIn, ""), used("1006", dn.LoggedOut, ""), inService("1007"), inService("1008"), used("2001", dn.Ready, ""))
	s.use("1002", true)
	return s
}

func TestGetDN_SaysAllThatIsKnown(t *testing.T) {
	s := withAgents(t)
	for number, change := range map[string]func(*tcpb.DNStatus){
		"1001": func(d *tcpb.DNStatus) { d.Routable = true },
		"1002": func(d *tcpb.DNStatus) { d.Busy, d.Uses = true, &tcpb.Uses{Up: 1} },
		"1003": func(d *tcpb.DNStatus) { d.Reserved, d.Uses = true, &tcpb.Uses{Reserved: 1} },
		"1004": func(d *tcpb.DNStatus) { d.Agent.State = tcpb.AgentState_AGENT_STATE_NOT_READY },
		"1005": func(d *tcpb.DNStatus) { d.Agent.State = tcpb.AgentState_AGENT_STATE_LOGGED_IN },
		"1006": func(d *tcpb.DNStatus) { d.Agent.State = tcpb.AgentState_AGENT_STATE_LOGGED_OUT },
		"1007": func(d *tcpb.DNStatus) { d.Agent = nil },
		"1008": func(d *tcpb.DNStatus) { d.Agent, d.Routable = nil, true },
		"2001": func(d *tcpb.DNStatus) { d.Kind, d.Routable = configpb.DNKind_DN_KIND_PSTN, true },
	} {
		t.Run(number, func(t *testing.T) {
			want := &tcpb.DNStatus{
				Dn: number, Kind: configpb.DNKind_DN_KIND_SIP, State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip2", Site: "dc2", Reason: tcpb.Reason_REASON_REGISTERED,
				Since: &timestamppb.Timestamp{}, Capacity: 1,
				Agent: &tcpb.AgentStatus{
					Id: "a" + number, State: tcpb.AgentState_AGENT_STATE_READY, WorkMode: 3, Reasons: map[string]string{"k": "v", "l": "w"},
					Since: &timestamppb.Timestamp{Seconds: 1_600_000_000, Nanos: 1},
				},
			}
			change(want)
			dnview.Stamp(want.GetSince(), s.status(t, dn.Number(number)).Since)
			got, err := s.client.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: number})
			if err != nil || !proto.Equal(got, want) {
				t.Errorf("%v\ngot  %v\nwant %v", err, got, want)
			}
		})
	}
	s.view = roster(t, putDN(sipDN("1009")))
	for _, number := range []string{"1001", "1008"} {
		if d, err := s.client.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: number}); err != nil || d.GetKind() != 0 || d.GetOwner() != "sip2" || d.GetRoutable() {
			t.Errorf("not configured: %v, %v", d, err)
		}
	}
	if d, err := s.client.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1009"}); err != nil || d.GetKind() != configpb.DNKind_DN_KIND_SIP || d.GetState() != tcpb.DNState_DN_STATE_OOS || d.GetOwner() != "" || d.GetSince() != nil {
		t.Errorf("configured alone: %v, %v", d, err)
	}
}

// What keeps calls from a DN is said in every answer, in a row and when it changes; what
// is configured of it in answers alone.
func TestStatus_SaysWhatKeepsCallsAway(t *testing.T) {
	config := sipDN("1001", "sales")
	config.Capacity, config.Skills = 3, map[string]uint32{"sales": 7}
	s := newSite(t, putDN(config))
	s.table = dn.New(dn.Config{Self: selfID, Incarnation: 7, Uses: func(dn.Number) dn.Uses { return dn.Uses{Calls: 3, Talks: 2} }})
	r := used("1001", dn.NotReady, "router")
	r.DoNotDisturb, r.CoolLeft, r.AgentLeft = true, int64(time.Minute), int64(time.Hour)
	s.peerSays(t, r)
	a := NewAvailability(AvailabilityConfig{Table: s.table, View: func() *fsm.View { return s.view }})
	got, err := a.GetDN(t.Context(), &tcpb.GetDNStatusRequest{Dn: "1001"})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetCapacity() != 3 || len(got.GetSkills()) != 1 || got.GetSkills()["sales"] != 7 {
		t.Errorf("what is configured: %v", got)
	}
	slab := newEventSlab(s.view, 1)
	event := slab.event(&dn.Item{Status: s.status(t, "1001")})
	st := s.status(t, "1001")
	addUse(event, s.view, &st)
	list, err := a.ListDNs(t.Context(), &tcpb.ListDNsRequest{})
	if err != nil || len(list.GetDns()) != 1 {
		t.Fatal(list, err)
	}
	for name, x := range map[string]interface {
		GetDoNotDisturb() bool
		GetCoolDown() *tcpb.CoolDown
		GetUses() *tcpb.Uses
		GetAgent() *tcpb.AgentStatus
	}{"GetDN": got, "ListDNs": list.GetDns()[0], "Watch": event} {
		if !x.GetDoNotDisturb() || !proto.Equal(x.GetUses(), &tcpb.Uses{Up: 2, Ringing: 1, Reserved: 1}) {
			t.Errorf("%s: %v", name, x)
		}
		for what, ends := range map[time.Duration]*timestamppb.Timestamp{time.Minute: x.GetCoolDown().GetEnds(), time.Hour: x.GetAgent().GetUntil()} {
			if left := time.Until(ends.AsTime()); left > what || left < what-patience.Limit {
				t.Errorf("%s: ends in %v, want %v", name, left, what)
			}
		}
		if x.GetCoolDown().GetReason() != tcpb.CoolDownReason_COOL_DOWN_REASON_NO_ANSWER {
			t.Errorf("%s: %v", name, x)
		}
	}
}

func TestListRoutable_PagesWhatPasses(t *testing.T) {
	s := withAgents(t)
	for size := uint32(1); size <= 4; size++ {
		for want, f := range map[string]*tcpb.Filter{"1001 1008 2001": nil, "1001 1008": {Prefix: "1"}, "1008": {Group: "sales"}, "2001": {Kind: configpb.DNKind_DN_KIND_PSTN, State: tcpb.DNState_DN_STATE_IN_SRV}, "": {Site: "dc1"}} {
			var got []string
			req := &tcpb.ListRoutableRequest{Filter: f, PageSize: size}
			for pages := 0; pages == 0 || req.PageToken != ""; pages++ {
				p, err := s.client.ListRoutable(t.Context(), req)
				if err != nil || pages > 4 || len(p.GetDns()) > int(size) {
					t.Fatalf("page %d of %v: %v, %v", pages, f, p, err)
				}
				got = append(got, numbers(p.GetDns())...)
				req.PageToken = p.GetNextPageToken()
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%v in pages of %d: %v, want %s", f, size, got, want)
			}
		}
	}
}

// told reads an event; heartbeats pass.
func told(t *testing.T, r *reader) *tcpb.DNEvent {
	t.Helper()
	for {
		m, err := r.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if e := m.GetEvents().GetEvents(); len(e) == 1 {
			return e[0]
		} else if len(e) > 1 {
			t.Fatalf("several at once: %v", e)
		}
	}
}

// A client that asks for agents hears of them and of use, with all fields;
// another hears of the state alone.
func TestWatch_AgentsAreForThoseWhoAsk(t *testing.T) {
	login := putGroup("login")
	login.GetPutGroup().LoginRequired = true
	s := newSite(t, login, putDN(sipDN("1001", "login")))
	all, plain := s.watch(t, &tcpb.WatchRequest{Agents: true}), s.watch(t, &tcpb.WatchRequest{})
	for _, r := range []*reader{all, plain} {
		r.wants("started sip1 resumed=false", "end of snapshot")
	}
	agent := &tcpb.AgentStatus{Id: "7001", State: tcpb.AgentState_AGENT_STATE_READY, WorkMode: 2, Reasons: map[string]string{"k": "v"}, Since: &timestamppb.Timestamp{Seconds: 5, Nanos: 6}}
	base := func(change tcpb.Change) *tcpb.DNEvent {
		return &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_IN_SRV, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED, Change: change}
	}
	last := uint64(0)
	hears := func(r *reader, want *tcpb.DNEvent) {
		t.Helper()
		got := told(t, r)
		since := time.Unix(0, s.status(t, "1001").Since)
		if !got.GetTime().AsTime().Equal(since) {
			t.Errorf("told with the time %v, the state is since %v", got.GetTime().AsTime(), since)
		}
		if r == all && got.GetSeq() <= last {
			t.Errorf("seq %d behind %d", got.GetSeq(), last)
		}
		last = max(last, got.GetSeq())
		want.Seq, want.Time = got.GetSeq(), got.GetTime()
		if !proto.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	s.table.Register("1001", dn.Registered)
	hears(all, base(tcpb.Change_CHANGE_STATE))
	hears(plain, base(tcpb.Change_CHANGE_STATE))

	s.amend(t, func(r *dn.Record) {
		r.Agent = &dn.Agent{ID: "7001", State: dn.Ready, Mode: 2, Since: 5e9 + 6, Reasons: []dn.KeyValue{{Key: "k", Value: "v"}}}
	})
	want := base(tcpb.Change_CHANGE_AGENT)
	want.Agent, want.Routable = agent, true
	hears(all, want)

	s.use("1001", true)
	want = base(tcpb.Change_CHANGE_USE)
	want.Agent, want.Busy, want.Uses = agent, true, &tcpb.Uses{Up: 1}
	hears(all, want)

	s.inCalls.Delete(dn.Number("1001")) // told with the reservation
	s.amend(t, func(r *dn.Record) { r.Reserved = dn.Reservation{Holder: "router", Left: int64(time.Minute)} })
	want = base(tcpb.Change_CHANGE_USE)
	want.Agent, want.Reserved, want.Uses = agent, true, &tcpb.Uses{Reserved: 1}
	hears(all, want)

	record, _ := s.table.Own("1001")
	s.table.End("1001", record.ClaimTime, dn.Expired)
	out := told(t, plain)
	if out.GetState() != tcpb.DNState_DN_STATE_OOS || out.GetReason() != tcpb.Reason_REASON_EXPIRED || out.GetChange() != tcpb.Change_CHANGE_STATE || out.GetAgent() != nil {
		t.Errorf("a client that asked for no agents hears %v", out)
	}
	row := s.watch(t, &tcpb.WatchRequest{Agents: true})
	if e := told(t, row); !e.GetSnapshot() || !proto.Equal(e.GetAgent(), agent) || e.GetRoutable() {
		t.Errorf("the row is %v", e)
	}
}

func (s *site) status(t *testing.T, n dn.Number) dn.Status {
	t.Helper()
	st, known := s.table.Get(n)
	if !known {
		t.Fatalf("DN %s is not known", n)
	}
	return st
}

// amend changes what the node says of its DN 1001.
func (s *site) use(n dn.Number, on bool) {
	if on {
		s.inCalls.Store(n, true)
	} else {
		s.inCalls.Delete(n)
	}
	s.table.Touch(map[dn.Number]struct{}{n: {}})
}

func (s *site) amend(t *testing.T, change func(*dn.Record)) {
	t.Helper()
	r, ok := s.table.Own("1001")
	if change(&r); ok {
		_, ok = s.table.Amend(r)
	}
	if !ok {
		t.Fatal("the record can't be changed")
	}
}

func TestWatch_KindFilter(t *testing.T) {
	s := everyKind(t)
	r := s.watch(t, &tcpb.WatchRequest{Filter: &tcpb.Filter{Kind: configpb.DNKind_DN_KIND_PSTN, State: tcpb.DNState_DN_STATE_OOS}}) // of a state nothing is asked
	r.wants("started sip1 resumed=false", "row 0999 IN_SRV sip2/dc2 REASON_REGISTERED", "end of snapshot")
	s.table.Register("1004", dn.Registered)
	s.table.Register("2001", dn.Registered)
	r.wants("change 2001 IN_SRV sip1/dc1 REASON_REGISTERED")
}

func TestWatch_HeartbeatsEachSecondByDefault(t *testing.T) {
	if a := NewAvailability(AvailabilityConfig{}); a.heartbeat != time.Second {
		t.Errorf("a heartbeat after %v", a.heartbeat)
	}
}

// observed is a node with three peers that differ in every field.
type observed struct{ raft Raft }

func (o observed) Raft() Raft { return o.raft }
func (o observed) Problems() []problem.Problem {
	return []problem.Problem{{Code: "1", Since: time.Unix(7, 8), Text: "one"}, {Code: "2", Since: time.Unix(9, 0), Text: "two", Advice: "do"}}
}

func (o observed) Peers() []Peer {
	return []Peer{
		{ID: "stranger", Reason: "connecting"},
		{ID: "sip3-id", Reason: "cut", Since: time.Unix(100, 5), Gossip: "dead", Part: Part{Role: "learner"}},
		{ID: peerID, Reachable: true, Since: time.Unix(300, 0), Gossip: "alive", Link: Link{
			RTT: 4 * time.Millisecond, ToPeer: time.Millisecond, FromPeer: 3 * time.Millisecond, ClockSkew: -2 * time.Second,
			SendQueue: 11, SendQueueBytes: 12, ReceiveQueueBytes: 13,
		}, Part: Part{Role: "non-voter", Lag: &lag.Lag{Entries: 14, For: 15 * time.Millisecond}}},
	}
}

func TestStatus_EachFieldOfEachPeer(t *testing.T) {
	third := putNode("sip3-id", "a3", "dc3")
	third.GetPutNode().TcAddr = "127.0.0.3:7001"
	draining := putNode(selfID, "sip1", "dc1")
	draining.GetPutNode().Draining = true
	s := newSite(t, third, draining)
	s.peerSays(t, inService("1001"))
	o := observed{Raft{State: "candidate", Term: 9, Applied: 8, Level: 2, Features: fsm.Features{Known: 3, Since: map[protoreflect.FullName]uint32{"sipcluster.config.v1.Options.policy": 2, "sipcluster.config.v1.DN.skills": 3, "sipcluster.config.v1.DN.capacity": 2}}, Mark: fsm.Mark{Index: 8, Sum: fsm.Sum{1}}, Parked: "why", Part: Part{Role: "voter", Lag: &lag.Lag{Entries: 16, For: 17 * time.Second}}}}
	conn := serve(t, func(r grpc.ServiceRegistrar) {
		tcpb.RegisterClusterServer(r, NewCluster(ClusterConfig{Table: s.table, Calls: s.calls, View: func() *fsm.View { return s.view }, Observer: o, Proposer: &applier{s: s}, ClusterID: "c1", Version: "v1", Started: time.Unix(50, 7)}))
	})
	got, err := tcpb.NewClusterClient(conn).Status(t.Context(), &tcpb.StatusRequest{})
	want := &tcpb.StatusResponse{
		Node: "sip1", Site: "dc1", Version: "v1", Started: &timestamppb.Timestamp{Seconds: 50, Nanos: 7}, ClusterId: "c1", Draining: true, Warnings: []string{"one", "two: do"}, Insecure: true,
		Problems: []*tcpb.Problem{
			{Code: "1", Since: &timestamppb.Timestamp{Seconds: 7, Nanos: 8}, Text: "one"}, {Code: "2", Since: &timestamppb.Timestamp{Seconds: 9}, Text: "two", Advice: "do"},
		},
		Raft: &tcpb.RaftStatus{State: "candidate", Term: 9, AppliedIndex: 8, FeatureLevel: 2, FeatureKnown: 3, Digest: "01" + strings.Repeat("0", 62), DigestIndex: 8, Parked: "why", Role: "voter", LagEntries: new(uint64(16)), LagMs: new(17000.0),
			Features: []*tcpb.Feature{{Field: "DN.capacity", Level: 2}, {Field: "Options.policy", Level: 2}, {Field: "DN.skills", Level: 3}}},
		Dns: &tcpb.DNCounts{Total: 1, InService: 1},
		Peers: []*tcpb.PeerStatus{
			{Node: "a3", Site: "dc3", Reason: "cut", Since: &timestamppb.Timestamp{Seconds: 100, Nanos: 5}, Gossip: "dead", TcAddr: "127.0.0.3:7001", Role: "learner"},
			{Node: "sip2", Site: "dc2", Reachable: true, Since: &timestamppb.Timestamp{Seconds: 300}, Gossip: "alive", TcAddr: "127.0.0.1:7001", RttMs: 4, ToPeerMs: 1, FromPeerMs: 3,
				ClockSkewMs: -2000, SendQueue: 11, SendQueueBytes: 12, ReceiveQueueBytes: 13, Owned: 1, Role: "non-voter", LagEntries: new(uint64(14)), LagMs: new(15.0)},
			{Node: "stranger", Reason: "connecting"},
		},
		Sites: []*tcpb.SiteStatus{
			{Site: "dc1", Heard: []string{"sip1"}},
			{Site: "dc2", Heard: []string{"sip2"}, InService: 1, Since: &timestamppb.Timestamp{Seconds: 300}},
			{Site: "dc3", NodesLost: []string{"a3"}, Lost: true, Since: &timestamppb.Timestamp{Seconds: 100, Nanos: 5}},
		},
	}
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, want)
	}
}

// Draining a node that drains is no write; one that fails says why.
func TestDrainNode_Refusals(t *testing.T) {
	s := newSite(t)
	client, a := newCluster(t, s)
	drain := func(name string, undo bool) error {
		_, err := client.DrainNode(t.Context(), &tcpb.DrainNodeRequest{Name: name, Undo: undo})
		return err
	}
	if err := drain("sip9", false); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), `"sip9"`) {
		t.Error(err)
	}
	a.err = fsm.ErrNoQuorum
	if err := drain("sip2", true); err != nil {
		t.Errorf("a node that does not drain: %v", err)
	}
	if err := drain("sip2", false); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

// sampled are the numbers of /metrics.
func sampled(t *testing.T, c HTTPConfig) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	NewHTTP(c).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	all := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found && strings.HasPrefix(name, "sipcluster_") {
			all[strings.TrimPrefix(name, "sipcluster_")] = value
		}
		if kind, found := strings.CutPrefix(strings.TrimSpace(line), "# TYPE sipcluster_"); found {
			name, kind, _ := strings.Cut(kind, " ")
			all["kind of "+name] = kind
		}
	}
	return all
}

func TestHTTP_EachNumberOfANode(t *testing.T) {
	s := newSite(t)
	c := s.peerSays(t, inService("1001"), inService("1002"))
	bad := inService("1003")
	bad.ClaimTime = math.MaxInt64
	if _, err := c.Apply([]dn.Record{bad}, 2); err != nil {
		t.Fatal(err)
	}
	s.table.Register("1004", dn.Registered)
	names := map[dn.Node]string{peerID: "sip2", "sip3-id": "sip3", "stranger": "stranger"}
	config := func(state string, quorum bool) HTTPConfig {
		return HTTPConfig{
			Table: s.table, Observer: observed{Raft{State: state, Term: 9, Applied: 8, Quorum: quorum}}, Names: func(id dn.Node) string { return names[id] },
			SiteOf: func(id dn.Node) string { return "at-" + names[id] },
			Ready:  func() error { return nil },
		}
	}
	got := sampled(t, config("leader", false))
	for name, want := range map[string]string{
		"dns_known": "3", "dns_in_service": "3", "dns_owned": "1", "records_rejected_total": "1", "kind of records_rejected_total": "counter", "kind of dns_owned": "gauge",
		"raft_term": "9", "raft_applied_index": "8", "raft_leader": "1", "raft_quorum": "0", "warnings": "2",
		`peer_reachable{peer="sip2",site="at-sip2"}`: "1", `peer_reachable{peer="sip3",site="at-sip3"}`: "0", `peer_dns_owned{peer="sip2"}`: "2", `peer_dns_owned{peer="sip3"}`: "0",
		`peer_rtt_seconds{peer="sip2"}`: "0.004", `peer_delay_to_seconds{peer="sip2"}`: "0.001", `peer_delay_from_seconds{peer="sip2"}`: "0.003",
		`peer_clock_skew_seconds{peer="sip2"}`: "-2", `peer_send_queue_changes{peer="sip2"}`: "11", `peer_send_queue_bytes{peer="sip2"}`: "12",
		`peer_receive_queue_bytes{peer="sip2"}`: "13", `peer_rtt_seconds{peer="stranger"}`: "0", "kind of peer_rtt_seconds": "gauge",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if got := sampled(t, config("follower", true)); got["raft_leader"] != "0" || got["raft_quorum"] != "1" {
		t.Errorf("a follower with a quorum: leader %s, quorum %s", got["raft_leader"], got["raft_quorum"])
	}
}
