package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// cli runs a command at the node, which must end with exit code want.
func cli(t *testing.T, n *cluster.Node, want int, args ...string) cluster.Result {
	t.Helper()
	res, err := n.CLI(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != want {
		t.Errorf("sipcluster %s at %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), n.Name(), res.Code, want, res.Out, res.Err)
	}
	if want != 0 && strings.Count(strings.TrimSpace(res.Err), "\n") > 0 {
		t.Errorf("sipcluster %s: more than one line of error:\n%s", strings.Join(args, " "), res.Err)
	}
	return res
}

func gossipSays(ctx context.Context, n *cluster.Node, peer, want string) error {
	s, err := n.Status(ctx)
	if err != nil {
		return err
	}
	for _, p := range s.GetPeers() {
		if p.GetNode() == peer && p.GetGossip() == want {
			return nil
		}
	}
	return fmt.Errorf("%s: %v", n.Name(), s.GetPeers())
}

func knowsDN(ctx context.Context, n *cluster.Node, dn string) error {
	_, err := n.Configuration().GetDN(ctx, &configpb.GetDNRequest{Number: dn})
	return err
}

func TestConfiguration_WrittenAtAnyNodeIsReadAtEveryNode(t *testing.T) {
	c := threeNodes(t)
	for i, n := range c.Nodes() {
		dn := fmt.Sprint(4001 + i)
		cli(t, n, 0, "dn", "put", dn, "--kind", "sip", "--password", "p")
		for _, m := range c.Nodes() {
			eventually(t, soon, dn+" is known at "+m.Name(), func(ctx context.Context) error { return knowsDN(ctx, m, dn) })
		}
	}
	var rows []struct{ DN, Kind, State, Owner, Site string }
	res := cli(t, c.Node(2), 0, "dn", "list", "-o", "json")
	if err := json.Unmarshal([]byte(res.Out), &rows); err != nil {
		t.Fatalf("dn list -o json: %v\n%s", err, res.Out)
	}
	found := 0
	for _, r := range rows {
		if strings.HasPrefix(r.DN, "400") && r.Kind == "sip" && r.State == "OOS" && r.Owner == "" {
			found++
		}
	}
	if found != 3 {
		t.Errorf("dn list shows %d of the 3 DNs:\n%s", found, res.Out)
	}
}

func TestConfiguration_MinorityRefusesWritesAndServesOn(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(3), "4011")
	must(t, c.CutOff(t.Context(), c.Node(3)))

	start := time.Now()
	res := cli(t, c.Node(3), 1, "dn", "put", "4012", "--kind", "sip", "--password", "p")
	if took := time.Since(start); took > soon {
		t.Errorf("the refusal took %v", took)
	}
	if !strings.Contains(res.Err, "not applied") && !strings.Contains(res.Err, "unknown outcome") {
		t.Errorf("the error does not say whether the write was applied: %q", res.Err)
	}
	if _, err := c.Node(3).Configuration().GetDN(t.Context(), &configpb.GetDNRequest{Number: "4011", Linearizable: true}); status.Code(err) != codes.Unavailable {
		t.Errorf("a linearizable read without a quorum: %v; want Unavailable", err)
	}
	register(t, c.Node(3), ph...)
	expectSeen(t, soon, inServiceAt(c.Node(3)), ph, c.Node(3))
	eventually(t, starting, "the majority writes", func(ctx context.Context) error {
		res, err := c.Node(1).CLI(ctx, "dn", "put", "4013", "--kind", "sip", "--password", "p")
		if err == nil && res.Code != 0 {
			err = fmt.Errorf("%s", res.Err)
		}
		return err
	})

	must(t, c.Heal(t.Context()))
	eventually(t, starting, "n3 has caught up", func(ctx context.Context) error { return knowsDN(ctx, c.Node(3), "4013") })
}

func TestConfiguration_LoneRestartedNodeServesWhatItHadApplied(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "4021", "4022")
	register(t, c.Node(2), ph[0].at(c.Node(2)))
	for _, n := range c.Nodes() {
		n.Kill9()
	}

	alone := c.Node(2)
	must(t, alone.Start(t.Context()))
	expectNow(t, inServiceAt(alone), ph[:1], alone)
	register(t, alone, ph[1].at(alone))
	expectSeen(t, soon, inServiceAt(alone), ph, alone)
	s, err := alone.Status(t.Context())
	if err != nil || s.GetRaft().GetQuorum() {
		t.Errorf("status: %v %v; want no quorum", s.GetRaft(), err)
	}
	cli(t, alone, 1, "dn", "put", "4023", "--kind", "sip", "--password", "p")

	must(t, c.Node(1).Start(t.Context()))
	must(t, c.Node(3).Start(t.Context()))
	expectSeen(t, starting, inServiceAt(alone), ph, c.Nodes()...)
}

func TestConfiguration_ImportWithABadRowImportsNothing(t *testing.T) {
	c := threeNodes(t)
	n := c.Node(2)
	dir := t.TempDir()
	file := func(name, rows string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte("dn,kind,password,external,groups\n"+rows), 0o600))
		return path
	}
	res := cli(t, n, 1, "dn", "import", file("bad.csv", "4031,sip,p,,\n4032,sip,p,,sales;support\n40 33,sip,p,,\n"))
	if !strings.Contains(res.Err, "4") { // the header is row 1
		t.Errorf("the error does not name the row: %q", res.Err)
	}
	if err := knowsDN(t.Context(), n, "4031"); err == nil {
		t.Error("a row before the bad one was imported")
	}
	var rows strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&rows, "%d,sip,p%d,,sales;support\n", 41000+i, i)
	}
	cli(t, n, 0, "dn", "import", file("good.csv", rows.String()))
	for _, m := range c.Nodes() {
		eventually(t, soon, "the last row is known", func(ctx context.Context) error { return knowsDN(ctx, m, "42999") })
	}
}

func TestConfiguration_ApplyRefusesAnUnknownKeyAndTakesAnExportBack(t *testing.T) {
	c := threeNodes(t)
	cli(t, c.Node(1), 0, "dn", "put", "4041", "--kind", "pstn", "--external", "+4930123456")
	out := cli(t, c.Node(1), 0, "export")
	path := filepath.Join(t.TempDir(), "all.yaml")
	must(t, os.WriteFile(path, []byte(out.Out), 0o600))
	cli(t, c.Node(2), 0, "apply", "-f", path)
	must(t, os.WriteFile(path, []byte(out.Out+"\ncolour: blue\n"), 0o600))
	res := cli(t, c.Node(2), 1, "apply", "-f", path)
	if !strings.Contains(res.Err, "colour") {
		t.Errorf("the error does not name the key: %q", res.Err)
	}
}

// joinAndRemove adds a node to a running cluster and takes it off again.
func joinAndRemove(t *testing.T, c *cluster.Cluster) {
	n, err := c.AddNode(t.Context())
	must(t, err)
	must(t, n.Start(t.Context()))
	_, err = c.WaitWhole(t.Context(), starting)
	must(t, err)
	ph := phones(t, n, "4051")
	register(t, n, ph...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)

	if res := cli(t, c.Node(1), 1, "node", "remove", n.Name()); !strings.Contains(res.Err, "1 DN in service") || !strings.Contains(res.Err, "--force") {
		t.Errorf("the refusal says %q", res.Err)
	}
	cli(t, c.Node(1), 0, "node", "remove", n.Name(), "--force")
	rest := []*cluster.Node{c.Node(1), c.Node(2)}
	eventually(t, soon, "the roster has no "+n.Name(), func(ctx context.Context) error {
		for _, m := range rest {
			nodes, err := m.Configuration().ListNodes(ctx, &configpb.ListNodesRequest{})
			if err != nil || len(nodes.GetNodes()) != len(rest) {
				return fmt.Errorf("%s: %v %w", m.Name(), nodes.GetNodes(), err)
			}
		}
		return nil
	})
	eventually(t, soon, "its DN is out of service", func(ctx context.Context) error {
		for _, m := range rest {
			d, err := m.Availability().GetDN(ctx, &tcpb.GetDNStatusRequest{Dn: "4051"})
			if err != nil || d.GetState() != oos {
				return fmt.Errorf("%s: %v %w", m.Name(), d, err)
			}
		}
		return nil
	})
	n.Kill9()
	cli(t, c.Node(2), 0, "dn", "put", "4052", "--kind", "sip", "--password", "p")
}
