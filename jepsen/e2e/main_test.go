// Package e2e_test runs real clusters of sipcluster processes with real SIP
// phones (sipp, baresip, sipsak) and real cuts, and checks what a user would see.
package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// The bounds here tell working from broken; `make bench` measures.
const (
	soon     = 5 * time.Second  // a change reaches all nodes, a cut is noticed
	afterCut = 8 * time.Second  // all nodes hear all nodes again
	starting = 30 * time.Second // a node, built with the race detector, starts
)

var shared clusters

func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: after all tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// clusters are those that several tests share, and what all of them need.
type clusters struct {
	mu    sync.Mutex
	dir   string
	bins  map[string]string
	three *cluster.Cluster
}

func (s *clusters) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.three != nil {
		err = s.three.Close()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// binary builds sipcluster once, plain or with the race detector.
func (s *clusters) binary(race bool) (string, error) {
	flags, name := []string(nil), "plain"
	if race {
		flags, name = []string{"-race"}, "race"
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "sipcluster-e2e-")
		if err != nil {
			return "", err
		}
		s.dir, s.bins = dir, map[string]string{}
	}
	if s.bins[name] == "" {
		dir := s.dir + "/" + name
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		bin, err := cluster.Build(dir, flags...)
		if err != nil {
			return "", err
		}
		s.bins[name] = bin
	}
	return s.bins[name], nil
}

// need skips the test, loudly, when this machine can't run it. CI must.
func need(t *testing.T, programs ...string) {
	t.Helper()
	missing := cluster.Missing(programs...)
	switch {
	case missing == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("CI must be able to run this, but lacks: %s", missing)
	default:
		t.Skipf("SKIPPED, NOTHING TESTED: needs %s; make test as root installs it", missing)
	}
}

// newCluster makes a cluster for one test, not started. Each log's end is
// shown when the test fails.
func newCluster(t *testing.T, cfg cluster.Config, race bool) *cluster.Cluster {
	t.Helper()
	need(t, "sipp")
	shared.mu.Lock()
	bin, err := shared.binary(race)
	shared.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Binary, cfg.Dir, cfg.ReadyWithin = bin, t.TempDir(), starting
	c, err := cluster.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		showLogs(t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// started is newCluster with all nodes up.
func started(t *testing.T, nodes int) *cluster.Cluster {
	t.Helper()
	c := newCluster(t, cluster.Config{Nodes: nodes}, false)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// threeNodes is the cluster that most tests share: three sites, a node each,
// built with the race detector. A test may break it as it likes: it is healed,
// started and whole again for the next one.
func threeNodes(t *testing.T) *cluster.Cluster {
	t.Helper()
	need(t, "sipp")
	c, err := shared.startThree()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mend(t, c) })
	return c
}

func (s *clusters) startThree() (*cluster.Cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.three != nil {
		return s.three, nil
	}
	bin, err := s.binary(true)
	if err != nil {
		return nil, err
	}
	dir := s.dir + "/three"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c, err := cluster.New(context.Background(), cluster.Config{Nodes: 3, Binary: bin, Dir: dir, ReadyWithin: starting})
	if err != nil {
		return nil, err
	}
	if err := c.Start(context.Background()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s.three = c
	return c, nil
}

// mend makes a cluster whole after a test.
func mend(t *testing.T, c *cluster.Cluster) {
	showLogs(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 2*starting)
	defer cancel()
	errs := []error{c.Heal(ctx)}
	for _, n := range c.Nodes() {
		if !n.Running() {
			errs = append(errs, n.Start(ctx))
		}
		errs = append(errs, n.Resume())
	}
	_, err := c.WaitWhole(ctx, starting)
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Errorf("the cluster is not whole after the test: %v", err)
	}
}

func showLogs(t *testing.T, c *cluster.Cluster) {
	if !t.Failed() {
		return
	}
	for _, n := range c.Nodes() {
		t.Logf("--- log of %s, its end:\n%s", n.Name(), n.LogTail(25))
	}
}
