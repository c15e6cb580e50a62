package node

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// An agent store that can't be written is an open fault until it can.
func TestWarnings_AgentStoreThatCannotBeWritten(t *testing.T) {
	cfg := config(t, "n1", func(c *Config) { c.Bootstrap = true })
	inTheWay := filepath.Join(cfg.DataDir, "agents")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := run(t, cfg)
	if w := m.status(t).GetWarnings(); len(w) != 1 || !strings.HasPrefix(w[0], "agents and reservations are not kept over a restart: ") {
		t.Errorf("warnings %q", w)
	}
	if _, text := m.get(t, "/metrics"); !strings.Contains(text, "sipcluster_warnings 1\n") || !strings.Contains(text, "sipcluster_problem{code=\"agents-not-kept\"} 1\n") {
		t.Error("no warning in /metrics")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	m.write(t, []*member{m}, putDN(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}))
	desk := opened(t, m.cfg.TCAddr)
	if _, err := desk.RegisterAddress(t.Context(), "2001", tlibpb.AddressMode_ADDRESS_MODE_SHARED); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.AgentLogin(t.Context(), "2001", "7001", 0, nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the warning ends", func() bool { return len(m.status(t).GetWarnings()) == 0 })
}

// A load balancer hears when a node takes no new phones, and by which node's
// health each port may still be used.
func TestReady_EndsWithTheDrainAndComesBack(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	ports := []*grpc.ClientConn{m.tc, m.low}
	for _, step := range []struct {
		undo bool
		want int
	}{{true, http.StatusOK}, {false, http.StatusServiceUnavailable}, {true, http.StatusOK}} {
		if _, err := tcpb.NewClusterClient(m.tc).DrainNode(t.Context(), &tcpb.DrainNodeRequest{Name: "n1", Undo: step.undo}); err != nil {
			t.Fatal(err)
		}
		await(t, "the drain is known", func() bool { return m.status(t).GetDraining() != step.undo })
		if code, text := m.get(t, "/readyz"); code != step.want {
			t.Errorf("draining %v: /readyz %d %q, want %d", !step.undo, code, text, step.want)
		}
		if code, _ := m.get(t, "/healthz"); code != http.StatusOK {
			t.Errorf("draining %v: /healthz %d", !step.undo, code)
		}
		for i, conn := range ports { // what is there goes on
			h, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
			if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
				t.Errorf("draining %v: port %d: %v %v", !step.undo, i, h, err)
			}
		}
	}
}

// Who watches a port's health hears of the node's end before the connection is cut.
func TestHealth_EndsBeforeTheConnection(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) { c.Bootstrap = true }))
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	var streams []grpc.ServerStreamingClient[healthpb.HealthCheckResponse]
	for _, conn := range []*grpc.ClientConn{m.tc, m.low} {
		s, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if h, err := s.Recv(); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Fatal(h, err)
		}
		streams = append(streams, s)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	for i, s := range streams {
		if h, err := s.Recv(); err != nil || h.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
			t.Errorf("port %d: %v %v", i, h, err)
		}
	}
}
