package node

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// One real cluster of two nodes with a key: everything that this package ties
// together is used through the doors that others use.
func TestCluster(t *testing.T) {
	a, b := twoNodes(t, nil)
	all := []*member{a, b}
	b.write(t, all, // a follower passes it on
		phoneDN("1001"), phoneDN("1002"), phoneDN("1003"), phoneDN("1004"),
		putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+492001"}),
		putDN(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{TimeoutMs: 10000}}))
	for _, s := range []struct {
		name string
		test func(t *testing.T, a, b *member)
	}{
		{"each says who it is and how it sees the other", saysWhoItIs},
		{"each port has its services", servesByPort},
		{"a phone is seen at the other node", phoneIsSeen},
		{"a call goes to the other node, and the DN is busy meanwhile", callGoesOver},
		{"a call leaves by a trunk, and one comes in by it", callByTrunk},
		{"a router sends a call where it wants", routerSendsCall},
		{"an agent and a reservation are passed on to the owner", agentIsPassedOn},
		{"the HTTP port has the numbers of all parts", httpHasNumbers},
		{"a draining node takes nothing new", drains},
		{"a node that ends says goodbye, and comes back as it was", comesBack},
		{"a node that is removed ends", isRemoved},
	} {
		if !t.Run(s.name, func(t *testing.T) { s.test(t, a, b) }) {
			return
		}
	}
}

func saysWhoItIs(t *testing.T, a, b *member) {
	for m, other := range map[*member]*member{a: b, b: a} {
		s := m.status(t)
		if s.GetNode() != m.cfg.Name || s.GetSite() != m.cfg.Site || s.GetVersion() != m.cfg.Version || s.GetDraining() || len(s.GetWarnings()) > 0 {
			t.Errorf("%v", s)
		}
		if since := time.Since(s.GetStarted().AsTime()); since < 0 || since > time.Minute || s.GetClusterId() == "" || s.GetClusterId() != b.id.ClusterID {
			t.Errorf("started %v ago, cluster %q", since, s.GetClusterId())
		}
		raft := s.GetRaft()
		await(t, m.cfg.Name+" knows who leads", func() bool { // n1, as long as the machine has time for it
			raft = m.status(t).GetRaft()
			return raft.GetQuorum() && raft.GetState() == map[bool]string{true: "leader", false: "follower"}[raft.GetLeader() == m.cfg.Name]
		})
		if l := raft.GetLeader(); l != "n1" && l != "n2" || raft.GetTerm() == 0 || raft.GetAppliedIndex() < 3 || raft.LagEntries == nil {
			t.Errorf("%s: raft %v", m.cfg.Name, raft)
		}
		patience.Until(t, m.cfg.Name+" knows what both are in the configuration plane", func() bool { // it may be told a moment later than it applies
			s = m.status(t)
			p := s.GetPeers()[0]
			return s.GetRaft().GetRole() == "voter" && p.GetRole() == "voter" && p.LagEntries != nil && p.GetLagEntries() == 0
		})
		p := s.GetPeers()[0]
		if p.GetNode() != other.cfg.Name || p.GetSite() != other.cfg.Site || p.GetTcAddr() != other.cfg.TCAddr || p.GetReason() != "" ||
			time.Since(p.GetSince().AsTime()) > time.Minute || p.GetRttMs() <= 0 || p.GetLastAnswerMs() > 20_000 || p.GetClockSkewMs() > 500 || p.GetClockSkewMs() < -500 {
			t.Errorf("%s sees %v", m.cfg.Name, p)
		}
	}
	o, err := configpb.NewConfigurationClient(b.tc).GetOptions(t.Context(), &configpb.GetOptionsRequest{})
	if err != nil || o.GetOptions().GetRealm() != realm {
		t.Errorf("options %v %v", o, err)
	}
}

func servesByPort(t *testing.T, a, b *member) {
	for _, m := range []*member{a, b} {
		for conn, served := range map[*grpc.ClientConn]bool{m.tc: true, m.low: false} {
			want := codes.OK
			if !served {
				want = codes.Unimplemented
			}
			_, dns := tcpb.NewAvailabilityClient(conn).ListDNs(t.Context(), &tcpb.ListDNsRequest{})
			_, cluster := tcpb.NewClusterClient(conn).Status(t.Context(), &tcpb.StatusRequest{})
			_, nodes := configpb.NewConfigurationClient(conn).ListNodes(t.Context(), &configpb.ListNodesRequest{})
			for service, err := range map[string]error{"Availability": dns, "Cluster": cluster, "Configuration": nodes} {
				if status.Code(err) != want {
					t.Errorf("%s at %s: %v, want %v", service, conn.Target(), err, want)
				}
			}
			_, cut := peerpb.NewFabricClient(conn).SetCut(t.Context(), &peerpb.SetCutRequest{})
			if status.Code(cut) != codes.Unimplemented {
				t.Errorf("links can be cut at %s, outside of dev: %v", conn.Target(), cut)
			}
			h, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("health at %s: %v %v", conn.Target(), h, err)
			}
		}
		for addr, port := range map[string]tlibpb.Port{m.cfg.TCAddr: tlibpb.Port_PORT_TCPORT, m.cfg.DefaultAddr: tlibpb.Port_PORT_DEFAULT} {
			if s := opened(t, addr).Server(); s.GetPort() != port || s.GetNode() != m.cfg.Name || s.GetSite() != m.cfg.Site || s.GetVersion() != m.cfg.Version || s.GetIncarnation() != m.store.Meta().Incarnation || len(s.GetNodes()) != 2 {
				t.Errorf("%s: %v", port, s)
			}
		}
	}
}

func phoneIsSeen(t *testing.T, a, b *member) {
	u := a.phone(t, "1001")
	for _, m := range []*member{a, b} {
		m.says(t, "1001", "IN_SRV n1@site-n1")
		if n, d := m.status(t).GetPeers()[0], m.status(t).GetDns(); d.GetInService() != 2 || // the routing point always
			d.GetOwned()+n.GetOwned() != 1 || (m == a) != (d.GetOwned() == 1) {
			t.Errorf("%s counts %v, its peer %d", m.cfg.Name, d, n.GetOwned())
		}
	}
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	if _, err := u.Unregister(ctx); err != nil {
		t.Fatal(err)
	}
	b.says(t, "1001", "OOS @")
}

// talks has one phone call another one, and ends the call.
func talks(t *testing.T, from, to *siptest.UA, number string, meanwhile func()) {
	t.Helper()
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	out, err := from.Place(ctx, "sip:"+number+"@"+realm)
	if err != nil {
		t.Fatal(err)
	}
	in, err := to.Take(ctx)
	if err == nil {
		err = in.Ring()
	}
	if err == nil {
		_, err = out.Await(ctx, 180)
	}
	if err == nil {
		err = in.Answer()
	}
	if err == nil {
		_, err = out.Await(ctx, 200)
	}
	if err == nil {
		err = out.Ack()
	}
	if err != nil {
		t.Fatalf("the call to %s: %v", number, err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	if r, err := out.Bye(ctx); err != nil || r.Code != 200 {
		t.Errorf("BYE: %v %v", r, err)
	}
}

func callGoesOver(t *testing.T, a, b *member) {
	caller, local, remote := a.phone(t, "1001"), a.phone(t, "1002"), b.phone(t, "1003")
	a.says(t, "1003", "IN_SRV n2@site-n2")
	stat := opened(t, b.cfg.TCAddr)
	if err := stat.MonitorAll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	talks(t, caller, remote, "1003", func() {
		for _, m := range []*member{a, b} {
			m.says(t, "1003", "IN_SRV n2@site-n2 busy")
		}
		for _, what := range []tlibpb.Message{tlibpb.Message_MESSAGE_EVENT_RINGING, tlibpb.Message_MESSAGE_EVENT_ESTABLISHED} {
			if e := hears(t, stat, what); e.GetCall().GetCallType() == 0 || e.GetThisDn() != "1003" {
				t.Errorf("%v", e)
			}
		}
	})
	a.says(t, "1003", "IN_SRV n2@site-n2")
	for _, m := range []*member{a, b} {
		await(t, "the call is over", func() bool { c := m.calls.Counts(); return c.Up == 0 && c.Own == 0 })
	}
	talks(t, caller, local, "1002", func() { b.says(t, "1002", "IN_SRV n1@site-n1 busy") })
	b.says(t, "1002", "IN_SRV n1@site-n1")
	refused(t, caller, "1004", 480) // nobody is there
	refused(t, caller, "nobody", 404)
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	out, err := caller.Place(ctx, "sip:1003@"+realm)
	if err != nil {
		t.Fatal(err)
	}
	in, err := remote.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = in.Refuse(486, "Out to lunch", "Retry-After: 77") // goes to the caller as it came
	if r, err := out.Await(ctx, 486); err != nil || r.Reason != "Out to lunch" || r.Header("Retry-After") != "77" {
		t.Errorf("%v %v", r, err)
	}
}

func refused(t *testing.T, from *siptest.UA, number string, code int) {
	t.Helper()
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	out, err := from.Place(ctx, "sip:"+number+"@"+realm)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := out.Await(ctx, code); err != nil {
		t.Errorf("a call to %s: %v %v, want %d", number, r, err, code)
	}
}

func callByTrunk(t *testing.T, a, b *member) {
	gateway, err := siptest.NewUA(siptest.Config{DN: "+49301234", Domain: "gw.test", Server: a.cfg.SIPAddr, Local: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	a.write(t, []*member{a, b}, putDN(&configpb.DN{Number: "trunk1", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: gateway.Addr(), Prefix: "+49"}}))
	talks(t, a.phone(t, "1001"), gateway, "+4989", nil)
	remote := b.phone(t, "1003")
	a.says(t, "1003", "IN_SRV n2@site-n2")
	talks(t, gateway, remote, "1003", nil)
}

func routerSendsCall(t *testing.T, a, b *member) {
	caller, agent := a.phone(t, "1001"), b.phone(t, "1003")
	for _, m := range []*member{a, b} { // the owner decides who may reserve it
		m.says(t, "1003", "IN_SRV n2@site-n2")
	}
	router := opened(t, a.cfg.DefaultAddr)
	if _, err := router.RegisterAddress(t.Context(), "9000", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	out, err := caller.Place(ctx, "sip:9000@"+realm)
	if err == nil {
		_, err = out.Await(ctx, 180) // while the router thinks
	}
	if err != nil {
		t.Fatal(err)
	}
	e := hears(t, router, tlibpb.Message_MESSAGE_EVENT_ROUTE_REQUEST)
	routed := make(chan error, 1)
	go func() {
		_, err := router.RouteCall(ctx, &tlibpb.RouteCall{ConnId: e.GetCall().GetConnId(), Destination: &tlibpb.RouteCall_Dn{Dn: "1003"}})
		routed <- err
	}()
	in, err := agent.Take(ctx)
	if err == nil {
		err = in.Answer()
	}
	if err == nil {
		_, err = out.Await(ctx, 200)
	}
	if err == nil {
		err = out.Ack()
	}
	if err == nil {
		err = patience.Receive(t, "the end of the route", routed)
	}
	if err == nil {
		_, err = out.Bye(ctx)
	}
	if err != nil {
		t.Error(err)
	}
}

func agentIsPassedOn(t *testing.T, a, b *member) {
	b.phone(t, "1003")
	a.says(t, "1003", "IN_SRV n2@site-n2")
	desktop, other := opened(t, a.cfg.TCAddr), opened(t, b.cfg.TCAddr)
	if _, err := desktop.RegisterAddress(t.Context(), "1003", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	if _, err := desktop.AgentLogin(t.Context(), "1003", "agent7", 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := desktop.AgentReady(t.Context(), "1003", 0, nil); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*member{a, b} {
		m.says(t, "1003", "IN_SRV n2@site-n2 agent agent7")
	}
	if _, err := desktop.ReserveAgent(t.Context(), "1003", time.Minute, 1); err != nil {
		t.Fatal(err)
	}
	b.says(t, "1003", "IN_SRV n2@site-n2 agent agent7 reserved")
	var refused *tlib.Error
	if _, err := other.ReserveAgent(t.Context(), "1003", time.Minute, 9); !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
		t.Errorf("a second holder got %v", err)
	}
	if _, err := desktop.CancelReservation(t.Context(), "1003"); err != nil {
		t.Error(err)
	}
	if own, _ := b.table.Own("1003"); own.Agent == nil || own.Agent.ID != "agent7" {
		t.Errorf("the owner has %+v", own)
	}
}

func httpHasNumbers(t *testing.T, a, _ *member) {
	code, page := a.get(t, "/metrics")
	for _, want := range []string{
		`sipcluster_build_info{`, `node="n1"`, "sipcluster_sip_registrations_total", "sipcluster_sip_calls_total", "sipcluster_tlib_sessions", "sipcluster_tlib_requests_total", "sipcluster_calls ",
		`sipcluster_peer_reachable{peer="n2",site="site-n2"} 1`, `sipcluster_site_lost{site="site-n2"} 0`, `sipcluster_site_nodes_heard{site="site-n1"} 1`, `sipcluster_site_dns_in_service{site="site-n2"}`, `sipcluster_peer_losses_total{peer="n2"} 0`, "sipcluster_raft_leader ", "sipcluster_dns_in_service", "sipcluster_gossip_doubted_total", "sipcluster_location_flush_failures_total 0",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%d, without %s", code, want)
		}
	}
	if code, _ := a.get(t, "/readyz"); code != 200 {
		t.Errorf("ready: %d", code)
	}
	if code, _ := a.get(t, "/debug/pprof/"); code != 404 {
		t.Errorf("pprof is open: %d", code)
	}
}

func drains(t *testing.T, a, b *member) {
	u := b.phone(t, "1004")
	drain := func(req *tcpb.DrainNodeRequest) {
		t.Helper()
		req.Name = "n2"
		written(t, func() error {
			_, err := tcpb.NewClusterClient(a.tc).DrainNode(t.Context(), req)
			return err
		})
		await(t, "n2 knows", func() bool { return b.status(t).GetDraining() != req.GetUndo() })
	}
	drain(&tcpb.DrainNodeRequest{})
	if code, text := b.get(t, "/readyz"); code != 503 || !strings.Contains(text, "draining") {
		t.Errorf("ready: %d %s", code, text)
	}
	if code, _ := a.get(t, "/readyz"); code != 200 {
		t.Errorf("the other one is ready: %d", code)
	}
	if r := registers(t, u); r.Code != 503 {
		t.Errorf("a phone got %d", r.Code)
	}
	a.says(t, "1004", "IN_SRV n2@site-n2")
	var refused *tlib.Error
	if _, err := opened(t, b.cfg.TCAddr).RegisterAddress(t.Context(), "2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED); !errors.As(err, &refused) {
		t.Errorf("a desktop got %v", err)
	}
	drain(&tcpb.DrainNodeRequest{DeadlineMs: new(uint64)}) // is over at once
	a.says(t, "1004", "OOS @")
	drain(&tcpb.DrainNodeRequest{Undo: true})
	a.says(t, "1004", "IN_SRV n2@site-n2") // without its phone's doing
	await(t, "n2 is ready again", func() bool { code, _ := b.get(t, "/readyz"); return code == 200 })
	if r := registers(t, u); r.Code != 200 {
		t.Errorf("afterwards a phone got %d", r.Code)
	}
}

func comesBack(t *testing.T, a, b *member) {
	b.phone(t, "1003")
	a.says(t, "1003", "IN_SRV n2@site-n2 agent agent7")
	was, id := b.store.Meta().Incarnation, b.id.ID
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	p := a.status(t).GetPeers()[0]
	await(t, "n1 has noticed", func() bool { p = a.status(t).GetPeers()[0]; return !p.GetReachable() })
	if p.GetReason() != "left" {
		t.Errorf("n1 says %q of a node that said goodbye", p.GetReason())
	}
	if s := a.status(t).GetSites(); len(s) != 2 || !s[1].GetLost() || s[0].GetLost() || !slices.Equal(s[1].GetNodesLost(), []string{"n2"}) {
		t.Errorf("the only node of site-n2 is lost: %v", s)
	}
	await(t, "n1 says that the site is lost", func() bool { return a.log.has("site is lost") })
	cfg := b.cfg
	cfg.Join, cfg.Realm = nil, ""
	*b = *run(b.home, cfg)
	whole(t, a, b)
	await(t, "n1 says that the site is back", func() bool { return a.log.has("site is back") })
	if b.id.ID != id || b.store.Meta().Incarnation <= was || b.table.Incarnation() != b.store.Meta().Incarnation {
		t.Errorf("%s came back as %s, incarnation %d after %d", id, b.id.ID, b.table.Incarnation(), was)
	}
	for _, m := range []*member{a, b} { // its bindings, and the agent with it
		m.says(t, "1003", "IN_SRV n2@site-n2 agent agent7")
	}
	if id, err := b.calls.Begin(call.Info{Caller: "1001"}); err != nil {
		t.Error(err)
	} else {
		b.calls.End(id, 0, false)
	}
}

func isRemoved(t *testing.T, a, b *member) {
	ended := make(chan error, 1)
	go func() { ended <- b.wait() }()
	removes(t, tcpb.NewClusterClient(a.tc), "n2")
	if err := patience.Receive(t, "the end of n2", ended); !errors.Is(err, ErrRemoved) {
		t.Errorf("it ended with %v", err)
	}
	await(t, "n1 has forgotten it", func() bool { return len(a.status(t).GetPeers()) == 0 && a.dn(t, "1003") == "OOS @" })
	again := bind(t, b.cfg)
	again.start(t)
	if err := again.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("started again with what it has, it ends with %v", err)
	}
}
