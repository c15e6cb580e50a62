package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// In dev the links can be cut at both ends, and heal by themselves. Own DNs
// stay in service throughout, without a quorum and without a leader.
func TestDev_LinksAreCutAndHeal(t *testing.T) {
	a, b := twoNodes(t, func(c *Config) { c.Dev = true })
	a.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	a.phone(t, "1001")
	b.phone(t, "1002")
	a.says(t, "1002", "IN_SRV n2@site-n2")
	if code, _ := a.get(t, "/debug/pprof/"); code != 200 {
		t.Errorf("pprof: %d", code)
	}
	await(t, "n2 votes", func() bool { return a.log.has("node votes") })
	if _, err := peerpb.NewFabricClient(a.tc).SetCut(t.Context(), &peerpb.SetCutRequest{Nodes: []string{"n2", "n9"}}); status.Code(err) != codes.NotFound {
		t.Errorf("a cut from a node that is none: %v", err)
	}
	for m, other := range map[*member]string{a: "n2", b: "n1"} {
		if _, err := peerpb.NewFabricClient(m.tc).SetCut(t.Context(), &peerpb.SetCutRequest{Nodes: []string{other}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*member{a, b} {
		await(t, "the cut is noticed", func() bool {
			p := m.status(t).GetPeers()[0]
			return !p.GetReachable() && p.GetGossip() == "dead"
		})
	}
	a.says(t, "1002", "OOS n2@site-n2")
	await(t, "nobody leads", func() bool { return !a.status(t).GetRaft().GetQuorum() && !b.status(t).GetRaft().GetQuorum() })
	a.says(t, "1001", "IN_SRV n1@site-n1")
	b.says(t, "1002", "IN_SRV n2@site-n2")
	if r := registers(t, b.phone(t, "1002")); r.Code != 200 {
		t.Errorf("a refresh without a quorum got %d", r.Code)
	}
	for _, m := range []*member{a, b} {
		if _, err := peerpb.NewFabricClient(m.tc).SetCut(t.Context(), &peerpb.SetCutRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	whole(t, a, b)
	a.says(t, "1002", "IN_SRV n2@site-n2")
}

// A link that is cut while gossip goes on: the time that is set is waited for.
func TestNode_LinkTimeoutIsThatOfTheConfig(t *testing.T) {
	a, b := twoNodes(t, func(c *Config) { c.LinkTimeout = time.Hour })
	for m, other := range map[*member]*member{a: b, b: a} {
		m.fabric.Set([]string{other.cfg.ClusterAddr})
	}
	began := time.Now()
	await(t, "2 s are over", func() bool {
		if p := a.status(t).GetPeers()[0]; !p.GetReachable() && p.GetReason() == "link cut" {
			t.Fatalf("%s after %v", p.GetReason(), time.Since(began))
		}
		return time.Since(began) > 2*time.Second
	})
}

// servesEarly tells whether phones may register while the node loads.
func (m *member) servesEarly(t *testing.T) (serves bool) {
	t.Helper()
	if err := m.loadLarge(t.Context(), func(yes bool) { serves = yes }); err != nil {
		t.Fatal(err)
	}
	return serves
}

// A node that was removed while it was down hears of it and ends. It has taken no phone
// before, as one does that comes back, and none before it is a member.
func TestNode_RemovedWhileItWasDown(t *testing.T) {
	a, b := twoNodes(t, nil)
	c := bind(t, config(t, "n3", func(c *Config) { c.Join = []string{"127.0.0.1:1", a.cfg.ClusterAddr} }))
	if c.servesEarly(t) {
		t.Error("phones register at a node that is no member yet")
	}
	c.start(t)
	whole(t, a, b, c)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c = bind(t, c.cfg)
	if !c.greeted || c.greeting != nil || !c.servesEarly(t) {
		t.Errorf("a node that comes back: greeted %v, %v", c.greeted, c.greeting)
	}
	c.start(t)
	whole(t, a, b, c)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	await(t, "it is removed", func() bool {
		_, err := tcpb.NewClusterClient(a.tc).RemoveNode(t.Context(), &tcpb.RemoveNodeRequest{Name: "n3"})
		return err == nil || status.Code(err) == codes.NotFound
	})
	c = bind(t, c.cfg)
	if c.servesEarly(t) {
		t.Error("phones register at a node that was removed")
	}
	c.start(t)
	if err := c.wait(); !errors.Is(err, ErrRemoved) {
		t.Errorf("it ended with %v", err)
	}
	if c.log.has("msg=serving") {
		t.Error("it served before it ended")
	}
}

// A node that is told to stop while it loads serves nobody, and has nothing open then.
func TestNode_ToldToStopWhileItLoads(t *testing.T) {
	m := bind(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
	if m.log.has("msg=serving") || m.log.has("bootstrapped") {
		t.Error("it began to serve")
	}
	m.stop = func() error { return nil }
	if again := bind(t, m.cfg); again.Close() != nil {
		t.Error("something of it is open")
	}
}

// TestNew_StoppedOnTheWay: what a node was told to stop before is no fault of its disk. Nothing
// is open or set aside then, and the next start has all.
func TestNew_StoppedOnTheWay(t *testing.T) {
	a, b := twoNodes(t, nil)
	a.write(t, []*member{a, b}, phoneDN("1001"))
	a.phone(t, "1001")
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	a.stop = func() error { return nil }
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if n, err := New(ctx, a.cfg); n != nil || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "--sip-addr") {
		t.Errorf("stopped: %v", err)
	}
	aside, err := filepath.Glob(filepath.Join(a.cfg.DataDir, "*", "*damaged*"))
	if err != nil || len(aside) > 0 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
	a = run(t, a.cfg)
	a.says(t, "1001", "IN_SRV n1@site-n1")
}

// Until a node runs, it brings to the disk what phones are told at its start.
func TestNew_KeepsBindingsUntilItRuns(t *testing.T) {
	m := bind(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	m.store.Put(&location.Entry{Record: dn.Record{Number: "1001", ClaimTime: 7, State: dn.InSrv}})
	await(t, "it is in the journal", func() bool {
		b, err := os.ReadFile(filepath.Join(m.cfg.DataDir, "location", "location.journal.00000001"))
		return err == nil && bytes.Contains(b, []byte("1001"))
	})
}

// A data directory of one cluster and --join of another one don't go together.
func TestNode_JoinOfAnotherClusterEndsIt(t *testing.T) {
	a := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	cfg := config(t, "n2", func(c *Config) { c.Bootstrap = true })
	b := run(t, cfg)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Bootstrap, cfg.Join = false, []string{a.cfg.ClusterAddr}
	b = bind(t, cfg)
	b.start(t)
	err := b.wait()
	if err == nil || !strings.Contains(err.Error(), "--data-dir") || !strings.Contains(err.Error(), a.cfg.ClusterAddr) {
		t.Errorf("it ended with %v", err)
	}
	b.stop = func() error { return nil }
}

func TestNode_JoinThatNobodyAnswersIsGivenUp(t *testing.T) {
	m := bind(t, config(t, "n1", func(c *Config) { c.Join, c.JoinTimeout = []string{"127.0.0.1:1"}, 300*time.Millisecond }))
	m.start(t)
	if err := m.wait(); err == nil || !strings.Contains(err.Error(), "--join-timeout") {
		t.Errorf("it ended with %v", err)
	}
	m.stop = func() error { return nil }
}

// Each port that is in use is named with its flag, and nothing stays open.
func TestNew_NamesThePortThatIsInUse(t *testing.T) {
	for flag, addr := range map[string]string{
		"--sip-addr": ":5060", "--default-addr": ":7000", "--tc-addr": ":7001", "--cluster-addr": ":7002", "--gossip-addr": ":7003", "--http-addr": ":7080",
	} {
		cfg := config(t, "n1", func(c *Config) { c.Bootstrap = true })
		ln, err := net.Listen("tcp", cfg.Bind+addr)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s in use: %v", flag, err)
			if n != nil {
				_ = n.Close()
			}
		}
		_ = ln.Close()
		if m := bind(t, cfg); m.Close() != nil {
			t.Errorf("%s: closing fails", flag)
		}
	}
}

func TestNew_AFreshDirectoryNeedsACluster(t *testing.T) {
	if _, err := New(t.Context(), config(t, "n1", nil)); !errors.Is(err, ErrNoCluster) {
		t.Error(err)
	}
	if _, err := New(t.Context(), config(t, "N 1", nil)); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	if _, err := New(t.Context(), config(t, "n1", func(c *Config) { c.Bootstrap, c.ClusterKey = true, []byte("short") })); err == nil {
		t.Error("a short key is taken")
	}
}

// Nothing is served before the node belongs to a cluster.
func TestNew_IsNotServingYet(t *testing.T) {
	m := bind(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	for i, p := range m.clients {
		h, err := p.health.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("port %d: %v %v", i, h, err)
		}
	}
}

// How far claims went is on the disk within seconds, so that a clock that
// steps back over a kill -9 reuses none.
func TestNode_RemembersHowFarClaimsWent(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	m.write(t, []*member{m}, phoneDN("1001"))
	m.phone(t, "1001")
	r, _ := m.table.Own("1001")
	claim := m.table.Register("2222", dn.Registered) // no binding keeps that one
	if claim.ClaimTime <= r.ClaimTime {
		t.Fatal("no later claim")
	}
	await(t, "it is on the disk", func() bool {
		dir := t.TempDir()
		if os.CopyFS(dir, os.DirFS(filepath.Join(m.cfg.DataDir, "location"))) != nil {
			return false // it was being folded
		}
		s, err := location.Open(location.Config{Dir: dir, Log: m.Node.log})
		if err != nil {
			return false
		}
		defer s.Close()
		return s.Meta().Floor >= claim.ClaimTime
	})
}

func TestNode_TakesNoMoreThanItsRate(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap, c.SIPRate = true, 1 }))
	m.write(t, []*member{m}, phoneDN("1001"))
	u, err := siptest.NewUA(siptest.Config{DN: "1001", Password: "pw", Domain: realm, Server: m.cfg.SIPAddr, Local: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	await(t, "one is too many", func() bool {
		ctx, cancel := siptest.Within(soon)
		defer cancel()
		_, err := u.Unregister(ctx) // a refresh does not count
		return err == nil && registers(t, u).Code == 503
	})
}

func sharedKey(t *testing.T, b byte) *port.Key {
	t.Helper()
	k, err := port.NewKey(bytes.Repeat([]byte{b}, port.MinKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRouteSecret(t *testing.T) {
	n := func(cluster string, key *port.Key) []byte {
		return (&Node{id: &card{ClusterID: cluster}, key: key}).routeSecret()
	}
	if k := sharedKey(t, 1); !bytes.Equal(n("c1", k), k.Routes) || !bytes.Equal(n("c1", k), n("c2", sharedKey(t, 1))) {
		t.Error("it is not the key's")
	}
	if bytes.Equal(n("c1", nil), n("c2", nil)) || len(n("c1", nil)) < 32 || !bytes.Equal(n("c1", nil), n("c1", nil)) {
		t.Error("without a key it is not the cluster's")
	}
	if got := hex.EncodeToString(n("c1", nil)); got != "5ea0791a4b7ea8a7484c31b54eefc184530f8b0cad398bab271957671ffcf631" {
		t.Errorf("nodes of another version have another one than %s", got)
	}
	if k := sharedKey(t, 1); bytes.Equal(k.Gossip, k.Routes) || bytes.Equal(k.Gossip, sharedKey(t, 2).Gossip) {
		t.Error("two secrets are one")
	}
}

func TestGRPC_AFailingHandlerCostsOnlyItsRequest(t *testing.T) {
	log := &lines{}
	p, err := (&Node{log: newLog(log)}).listenClients("TCport", "--tc-addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcpb.RegisterClusterServer(p.server, nil) // whoever asks meets a nil
	tcpb.RegisterAvailabilityServer(p.server, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	conn := connect(t, p.in.Addr().String())
	for range 2 {
		if _, err := tcpb.NewClusterClient(conn).Status(t.Context(), &tcpb.StatusRequest{}); status.Code(err) != codes.Internal {
			t.Errorf("a request: %v", err)
		}
		s, err := tcpb.NewAvailabilityClient(conn).Watch(t.Context(), &tcpb.WatchRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		if status.Code(err) != codes.Internal {
			t.Errorf("a stream: %v", err)
		}
		if i, said := outcome.Said(err); !said || i.Reason != outcome.Unknown {
			t.Errorf("what the node says of it: %+v", i)
		}
	}
	if !log.has("request handler panicked") || !log.has("Cluster/Status") || !log.has("Availability/Watch") {
		t.Error("the log has no word on it")
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Error("the port goes on")
	}
	if graceful != 2*time.Second {
		t.Error("other bounds")
	}
}
