package node

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// Settings that a cluster can do without reach the part that they are for.
func TestNode_OptionalSettingsAreUsed(t *testing.T) {
	m := run(t, config(t, "n1", func(c *Config) {
		siptest.WriteCertificate(t, c.DataDir, "phones.test")
		c.Bootstrap, c.Debug, c.Origins = true, true, []string{"https://phones.test"}
		c.CertFile, c.KeyFile = filepath.Join(c.DataDir, "cert.pem"), filepath.Join(c.DataDir, "key.pem")
		c.TLSAddr, c.WSAddr, c.WSSAddr = ":5061", ":5066", ":5067"
	}))
	for name, test := range map[string]func(*testing.T, *member){
		"phones come by TLS and WebSocket":           phonesByTLSAndWebSocket,
		"debug opens pprof, and cuts no links":       debugOpensPprof,
		"the gossip is encrypted with the key":       gossipIsEncrypted,
		"the data directory is that of all versions": dataDirectory,
		"who knows less cannot say that it is gone":  whoKnowsLess,
		"each part tells what it holds":              eachPartTellsWhatItHolds,
	} {
		t.Run(name, func(t *testing.T) { test(t, m) })
	}
}

func phonesByTLSAndWebSocket(t *testing.T, m *member) {
	secured := func(addr string) net.Conn {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if name := c.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "phones.test" {
			t.Errorf("%s shows the certificate of %s", addr, name)
		}
		return c
	}
	clear := func(addr string) net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := secured(m.cfg.TLSAddr); upgraded(t, c, "https://phones.test") != 0 {
		t.Error("SIP over TLS speaks HTTP")
	}
	for origin, want := range map[string]int{"https://phones.test": 101, "https://evil.test": 403} {
		if got := upgraded(t, clear(m.cfg.WSAddr), origin); got != want {
			t.Errorf("WebSocket: a page of %s got %d", origin, got)
		}
		if got := upgraded(t, secured(m.cfg.WSSAddr), origin); got != want {
			t.Errorf("secure WebSocket: a page of %s got %d", origin, got)
		}
	}
}

// upgraded asks for a WebSocket and returns the HTTP status, 0 for none.
func upgraded(t *testing.T, c net.Conn, origin string) int {
	t.Helper()
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nOrigin: "+origin+"\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = r.Body.Close()
	return r.StatusCode
}

func debugOpensPprof(t *testing.T, m *member) {
	if code, _ := m.get(t, "/debug/pprof/"); code != http.StatusOK {
		t.Errorf("pprof: %d", code)
	}
	if _, err := peerpb.NewFabricClient(m.tc).SetCut(t.Context(), &peerpb.SetCutRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("links can be cut: %v", err)
	}
}

// running runs f beside the test, until that ends.
func running(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = f(ctx) })
	t.Cleanup(func() { cancel(); patience.Done(t, "the end of what ran beside", wg.Wait) })
}

// Only who has the key of the cluster hears its gossip, and is heard.
func gossipIsEncrypted(t *testing.T, m *member) {
	id, addr := membership.NodeID(m.id.ID), m.self().GetGossipAddr()
	g, err := membership.New(membership.Config{
		ID: "guest", Bind: ownIP() + ":7003", Cluster: m.id.ClusterID, Keys: [][]byte{sharedKey(t, 7).Gossip}, Incarnation: 1, ClusterAddr: "127.0.0.1:1", Log: m.Node.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	running(t, g.Run)
	g.SetPeers(map[membership.NodeID]string{id: addr})
	await(t, "who has the key hears the node", func() bool { alive, known := g.Alive(id); return alive && known })
}

// What an older version left is found by a newer one, under these names.
func dataDirectory(t *testing.T, m *member) {
	for _, name := range []string{"node.json", "config.db", "agents/agents.db", "raft/raft.db", "raft/snapshots", "location"} {
		if _, err := os.Stat(filepath.Join(m.cfg.DataDir, name)); err != nil {
			t.Error(err)
		}
	}
	want := fmt.Sprintf(`{ "id": %q, "name": "n1", "cluster_id": %q, "told": [`, m.id.ID, m.id.ClusterID)
	await(t, "node.json that begins with "+want, func() bool { // it is told of its addresses when it serves already
		b, err := os.ReadFile(filepath.Join(m.cfg.DataDir, "node.json"))
		return err == nil && strings.HasPrefix(strings.Join(strings.Fields(string(b)), " "), want)
	})
}

func whoKnowsLess(t *testing.T, m *member) {
	m.refused(m.machine.View().Index() - 1)
	select {
	case <-m.removed:
		t.Error("it believes a peer that does not know of it yet")
	default:
	}
}

func eachPartTellsWhatItHolds(t *testing.T, m *member) {
	_, page := m.get(t, "/metrics")
	var got []string
	for line := range strings.Lines(page) {
		if _, rest, is := strings.Cut(line, `sipcluster_held{what="`); is {
			what, _, _ := strings.Cut(rest, `"`)
			got = append(got, what)
		}
	}
	for _, want := range []string{"sip_pings_open", "tlib_sessions", "routing_visits", "reservation_rounds", "calls_own", "dn_drops_untold", "link_followers", "link_peers"} {
		if !slices.Contains(got, want) {
			t.Errorf("nothing is said of %s, only of %q", want, got)
		}
	}
}

// A configuration store of another cluster is not taken for this one's.
func TestNode_ConfigurationOfAnotherCluster(t *testing.T) {
	bootstrap := func(c *Config) { c.Bootstrap = true }
	a, b := run(t, config(t, "n1", bootstrap)), run(t, config(t, "n1", bootstrap))
	for _, m := range []*member{a, b} {
		if err := m.stop(); err != nil {
			t.Fatal(err)
		}
	}
	store, err := os.ReadFile(filepath.Join(b.cfg.DataDir, "config.db"))
	if err == nil {
		err = os.WriteFile(filepath.Join(a.cfg.DataDir, "config.db"), store, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	again := bind(t, a.cfg)
	again.start(t)
	if err := again.wait(); err == nil || errors.Is(err, ErrRemoved) || !strings.Contains(err.Error(), b.id.ClusterID) || !strings.Contains(err.Error(), a.cfg.DataDir) {
		t.Errorf("it ended with %v", err)
	}
	again.stop = func() error { return nil }
}
