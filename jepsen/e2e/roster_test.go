package e2e_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestNode_WithALostDiskComesBackAsANewOne(t *testing.T) {
	c := threeNodes(t)
	n := c.Node(3)
	ph := phones(t, n, "9001")
	register(t, n, ph...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)
	n.Kill9()
	must(t, os.RemoveAll(n.DataDir()))
	must(t, os.MkdirAll(n.DataDir(), 0o700))

	must(t, n.Launch("--join-timeout", "10s"))
	ended, code := n.Exited()
	select {
	case <-ended:
	case <-t.Context().Done():
	}
	if tail := n.LogTail(1); code() != 1 || !strings.Contains(tail, "n3") || !strings.Contains(tail, "remove") {
		t.Errorf("exit code %d, want 1 and what to do:\n%s", code(), tail)
	}
	cli(t, c.Node(1), 0, "node", "remove", "n3")
	must(t, n.Start(t.Context()))
	_, err := c.WaitWhole(t.Context(), starting)
	must(t, err)
	expectSeen(t, soon, nobody, ph, c.Nodes()...)
	register(t, n, ph...)
	expectSeen(t, soon, inServiceAt(n), ph, c.Nodes()...)
}

func TestNode_DrainedKeepsItsPhonesUntilTheyMove(t *testing.T) {
	c := threeNodes(t)
	n := c.Node(2)
	ph := phones(t, n, "9011", "9012")
	register(t, n, ph...)
	watch := observe(t, c.Node(1))
	watch.waitSeen(t, soon, inServiceAt(n), ph...)

	cli(t, c.Node(1), 0, "node", "drain", n.Name())
	eventually(t, soon, "n2 is not ready", func(ctx context.Context) error {
		if status, _, err := get(ctx, n, "/readyz"); err != nil || status != 503 {
			return fmt.Errorf("%d %w", status, err)
		}
		return nil
	})
	if err := runSIPP(t, "register", n, "u1", 600, ph[0]); err == nil {
		t.Error("a draining node accepted a registration")
	}
	register(t, c.Node(3), ph[1].at(c.Node(3)))
	watch.waitSeen(t, soon, inServiceAt(c.Node(3)), ph[1])

	watch.waitSeen(t, soon, inServiceAt(n), ph[0])
	cli(t, c.Node(1), 1, "node", "remove", n.Name()) // has a phone

	cli(t, c.Node(3), 0, "node", "drain", n.Name(), "--deadline", "0s", "--wait")
	watch.wait(t, soon, "who has not moved is out of service", func() bool { return watch.state["9011"].state == oos })
	cli(t, c.Node(3), 0, "node", "drain", "--undo", n.Name())
	watch.waitSeen(t, soon, inServiceAt(n), ph[0]) // without its phone's doing
	watch.waitSeen(t, soon, inServiceAt(c.Node(3)), ph[1])
	eventually(t, soon, "n2 takes registrations again", func(context.Context) error {
		return runSIPP(t, "register", n, "u1", 600, ph[0])
	})
}

func TestDemo_PlaysTheScenes(t *testing.T) {
	c := threeNodes(t) // only for a place of its own; the demo has its own nodes
	ctx, cancel := context.WithTimeout(t.Context(), 2*starting)
	defer cancel()
	res, err := c.Node(1).CLIAt(ctx, c.Visitor(), "demo")
	must(t, err)
	if res.Code != 0 || !strings.Contains(res.Out, "InSrv") || !strings.Contains(res.Out, "OOS") {
		t.Errorf("exit code %d\n%s\n%s", res.Code, res.Out, res.Err)
	}
}

func TestHTTP_ProbesAndMetricsAnswer(t *testing.T) {
	c := threeNodes(t)
	for path, want := range map[string]string{"/healthz": "", "/readyz": "", "/metrics": "sipcluster_"} {
		status, body, err := get(t.Context(), c.Node(2), path)
		if err != nil || status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %v\n%.300s", path, status, err, body)
		}
	}
	c.Node(2).Kill9()
	if _, _, err := get(t.Context(), c.Node(2), "/healthz"); err == nil {
		t.Error("a killed node answers")
	}
}

func TestGRPC_HealthAndReflectionAreThereForAStranger(t *testing.T) {
	c := threeNodes(t)
	services, err := reflected(t.Context(), c.Node(1))
	must(t, err)
	for _, want := range []string{"sipcluster.tc.v1.Availability", "sipcluster.tc.v1.Cluster", "sipcluster.config.v1.Configuration", "grpc.health.v1.Health"} {
		if !strings.Contains(services, want) {
			t.Errorf("reflection does not list %s: %s", want, services)
		}
	}
	eventually(t, soon, "health says SERVING", func(ctx context.Context) error {
		if s, err := health(ctx, c.Node(1)); err != nil || s != "SERVING" {
			return fmt.Errorf("%s %w", s, err)
		}
		return nil
	})
}
