package e2e_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestStranger_OnTheNodesPortsBreaksNothing(t *testing.T) {
	c := threeNodes(t)
	s := sides(t, c, 7000)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	from := c.Visitor()
	for _, kind := range []cluster.Kind{cluster.ClusterPort, cluster.GossipPort, cluster.TCPort, cluster.HTTPPort, cluster.SIP} {
		for _, network := range []string{"tcp4", "udp4"} {
			conn, err := from.Dial(ctx, network, c.Node(1).Addr(kind).String())
			if err != nil {
				t.Errorf("dial %s %v: %v", network, kind, err)
				continue
			}
			noise := make([]byte, 1200)
			_, _ = rand.Read(noise)
			for _, text := range [][]byte{noise, []byte("GET / HTTP/1.1\r\n\r\n"), noise[:1], make([]byte, 1200)} {
				_, _ = conn.Write(text) // it may well be closed by now
			}
			defer func() { _ = conn.Close() }() // held open: that must not block others
		}
	}
	_, err := c.WaitWhole(t.Context(), soon)
	must(t, err)
	for i := range s {
		s[i].goesOn(t)
		for _, other := range s {
			s[i].watch.expectSilence(t, other.phones...)
		}
	}
}

func TestStranger_OfAnotherClusterFollowsNobody(t *testing.T) {
	c := threeNodes(t)
	conn, err := c.Node(1).Dial(cluster.ClusterPort)
	must(t, err)
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	stream, err := peerpb.NewTControllerClient(conn).Follow(ctx)
	if err == nil {
		err = stream.Send(&peerpb.FollowRequest{Body: &peerpb.FollowRequest_Hello{
			Hello: &peerpb.FollowHello{ClusterId: "another", Follower: "stranger", Publisher: "whoever"}}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	if err == nil || ctx.Err() != nil {
		t.Errorf("a node of another cluster: %v; want a refusal", err)
	}
}

func TestServer_BadStartEndsWithOneClearLine(t *testing.T) {
	c := threeNodes(t)
	n, place := c.Node(1), c.Visitor()
	other := t.TempDir()
	for _, tc := range []struct {
		name string
		at   *cluster.Place
		args []string
		code int
		says string
	}{
		{"unknown flag", place, []string{"server", "--nodee", "x"}, 2, "nodee"},
		{"no name", place, []string{"server", "--data-dir", other}, 2, "--node"},
		{"unknown command", place, []string{"serve"}, 2, "serve"},
		{"port in use", n.Place(), []string{"server", "--insecure", "--node", "x", "--site", "s", "--data-dir", other, "--bind", n.Place().IP().String(), "--bootstrap"}, 1, "in use"},
		{"data directory in use", place, []string{"server", "--insecure", "--node", "x", "--site", "s", "--data-dir", n.DataDir(), "--bind", place.IP().String()}, 1, ""},
		{"join to nowhere", place, []string{"server", "--insecure", "--node", "x", "--site", "s", "--data-dir", t.TempDir(), "--bind", place.IP().String(), "--join", "10.77.0.250:7002", "--join-timeout", "2s"}, 1, "10.77.0.250:7002"},
		{"neither bootstrap nor join", place, []string{"server", "--insecure", "--node", "x", "--site", "s", "--data-dir", t.TempDir(), "--bind", place.IP().String()}, 1, "--join"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			res, err := n.CLIAt(ctx, tc.at, tc.args...)
			must(t, err)
			if res.Code != tc.code || !strings.Contains(res.Err, tc.says) {
				t.Errorf("exit code %d, want %d; it should speak of %q:\n%s", res.Code, tc.code, tc.says, res.Err)
			}
		})
	}
	_, err := c.WaitWhole(t.Context(), soon)
	must(t, err)
}

// joinWithoutKey starts a server that does not have the key of the cluster.
func joinWithoutKey(t *testing.T, c *cluster.Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), starting)
	defer cancel()
	from := c.Visitor()
	res, err := c.Node(1).CLIAt(ctx, from, "server", "--insecure", "--node", "stranger", "--site", "s", "--data-dir", t.TempDir(),
		"--bind", from.IP().String(), "--join", c.Node(1).Addr(cluster.ClusterPort).String(), "--join-timeout", "2s")
	must(t, err)
	if res.Code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", res.Code, res.Err)
	}
	if list := cli(t, c.Node(1), 0, "node", "list"); strings.Contains(list.Out, "stranger") {
		t.Errorf("the stranger is in the roster:\n%s", list.Out)
	}
}
