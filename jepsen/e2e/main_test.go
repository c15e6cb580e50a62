package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// The bounds here tell working from broken; `make bench` measures.
const (
	soon     = 20 * time.Second // a change reaches all nodes, a cut is noticed: 5 s on a machine that has time
	afterCut = 30 * time.Second // all nodes hear all nodes again: 8 s
	starting = time.Minute      // a node, built with the race detector, starts
)

var shared clusters

func TestMain(m *testing.M) {
	dir, err := workplace()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.dir, shared.free = dir, make(chan *cluster.Cluster, maxThrees)
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "FAIL: after all tests:", err)
		code = max(code, 1)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// workplace is a directory for all files of this run. It goes with the run,
// also after Ctrl-C; what a killed run left is removed by the next one.
func workplace() (string, error) {
	const prefix = "sipcluster-e2e-"
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		if _, err := os.Stat("/proc/" + pid); err != nil {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-*", prefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = os.RemoveAll(dir)
		os.Exit(130) // and the servers get their death signal
	}()
	return dir, os.Setenv("TMPDIR", dir) // for t.TempDir
}

// clusters are those that several tests share, and what all of them need.
type clusters struct {
	mu     sync.Mutex
	dir    string
	bins   map[string]string
	threes []*cluster.Cluster
	free   chan *cluster.Cluster // of threes those that no test has
}

// maxThrees is how many clusters of three nodes there are for tests at the same time.
const maxThrees = 2

func (s *clusters) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, c := range s.threes {
		err = errors.Join(err, c.Close())
	}
	return err
}

// binary builds sipcluster once, plain or with the race detector. JEPSEN_OVERLAY
// names a file for go's -overlay: jepsen/mutants breaks the server by it.
func (s *clusters) binary(race bool) (string, error) {
	flags, name := []string(nil), "plain"
	if race {
		flags, name = []string{"-race"}, "race"
	}
	if s.bins[name] == "" {
		dir := s.dir + "/" + name
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if overlay := os.Getenv("JEPSEN_OVERLAY"); overlay != "" {
			flags = append(flags, "-overlay", overlay)
		}
		bin, err := cluster.Build(dir, flags...)
		if err != nil {
			return "", err
		}
		if s.bins == nil {
			s.bins = map[string]string{}
		}
		s.bins[name] = bin
	}
	return s.bins[name], nil
}

// need skips the test, loudly, when this machine can't run it. CI must.
func need(t *testing.T, programs ...string) {
	t.Helper()
	skipFor(t, cluster.Missing(programs...))
}

// needPrograms is need without root.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	skipFor(t, strings.Join(cluster.MissingPrograms(programs...), ", "))
}

func skipFor(t *testing.T, missing string) {
	t.Helper()
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
	if needPrograms(t, "sipp"); !cfg.Loopback {
		need(t)
	}
	shared.mu.Lock()
	bin, err := shared.binary(race)
	shared.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Binary, cfg.Dir, cfg.ReadyWithin, cfg.NoPings = bin, t.TempDir(), starting, true // sipp knows no OPTIONS
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

// threeNodes is one of the clusters that most tests share: three sites, a node each,
// built with the race detector. A test has it alone, beside others with the other ones, and
// may break it as it likes: it is healed, started and whole again for the next one.
func threeNodes(t *testing.T) *cluster.Cluster {
	t.Helper()
	need(t, "sipp")
	t.Parallel()
	c, err := shared.takeThree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mend(t, c)
		shared.free <- c
	})
	return c
}

// takeThree is a cluster that no other test has, a new one while there are few.
func (s *clusters) takeThree(ctx context.Context) (*cluster.Cluster, error) {
	c, err := s.startThree()
	if c != nil || err != nil {
		return c, err
	}
	select {
	case c := <-s.free:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startThree is one that is free or started for it, nil while there are enough.
func (s *clusters) startThree() (*cluster.Cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case c := <-s.free:
		return c, nil
	default:
	}
	if len(s.threes) == maxThrees {
		return nil, nil
	}
	bin, err := s.binary(true)
	if err != nil {
		return nil, err
	}
	dir := fmt.Sprintf("%s/three-%d", s.dir, len(s.threes)+1)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c, err := cluster.New(context.Background(), cluster.Config{Nodes: 3, Binary: bin, Dir: dir, ReadyWithin: starting, NoPings: true})
	if err != nil {
		return nil, err
	}
	if err := c.Start(context.Background()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	s.threes = append(s.threes, c)
	return c, nil
}

// mend makes a cluster whole after a test.
func mend(t *testing.T, c *cluster.Cluster) {
	showLogs(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), 4*starting)
	defer cancel()
	errs := []error{c.Heal(ctx)}
	for _, n := range c.Nodes() {
		if !n.Running() {
			errs = append(errs, n.Start(ctx))
		}
		errs = append(errs, n.Resume())
		if err := n.Faults(); err != nil {
			t.Error(err)
		}
	}
	_, err := c.WaitWhole(ctx, starting/2)
	if err := errors.Join(append(errs, err)...); err == nil {
		return
	} else if t.Errorf("the cluster is not whole after the test: %v", err); os.Getenv("JEPSEN_STACKS") == "" {
		t.Log("JEPSEN_STACKS=1 shows what the nodes' goroutines do then")
	}
	for _, n := range c.Nodes() {
		if stacks := n.Goroutines(); os.Getenv("JEPSEN_STACKS") != "" {
			t.Logf("--- goroutines of %s:\n%s", n.Name(), stacks)
		}
	}
	for _, n := range c.Nodes() { // the next test begins with fresh processes
		if err := n.Restart(ctx); err != nil {
			t.Error(err)
		}
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
