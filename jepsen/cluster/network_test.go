package cluster_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// newNetwork makes the test network of some nodes; none of them is started.
func newNetwork(t *testing.T, nodes int) *cluster.Cluster {
	t.Helper()
	return newNetworkOf(t, cluster.Config{Nodes: nodes})
}

func newNetworkOf(t *testing.T, cfg cluster.Config) *cluster.Cluster {
	t.Helper()
	if missing := cluster.Missing(); missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must be able to run this, but lacks: %s", missing)
		}
		t.Skipf("SKIPPED: needs %s", missing)
	}
	cfg.Dir = t.TempDir()
	c, err := cluster.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

const testPort = 9999

// listen accepts and closes connections at the place.
func listen(t *testing.T, p *cluster.Place) {
	t.Helper()
	ln, err := p.Listen(t.Context(), testPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
}

// reaches tells whether a connection comes about; anything but success or
// silence fails the test.
func reaches(t *testing.T, from, to *cluster.Place) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp4", netip.AddrPortFrom(to.IP(), testPort).String())
	if err == nil {
		_ = conn.Close()
		return true
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("%s to %s: %v; a cut must be silent", from.Name(), to.Name(), err)
	}
	return false
}

func TestCluster_CutsAreSilentAndConcernOnlyThePairsNamed(t *testing.T) {
	for _, medium := range []struct {
		name  string
		lines bool
	}{{"cable", false}, {"lines", true}} {
		t.Run(medium.name, func(t *testing.T) { cutsAreSilent(t, newNetworkOf(t, cluster.Config{Nodes: 3, Lines: medium.lines})) })
	}
}

func cutsAreSilent(t *testing.T, c *cluster.Cluster) {
	a, b, d := c.Node(1), c.Node(2), c.Node(3)
	for _, n := range c.Nodes() {
		listen(t, n.Place())
	}
	steps := []struct {
		name               string
		do                 func(context.Context) error
		ab, ba, ad, phones bool // phones: those of a reach node b
	}{
		{"nothing cut", c.Heal, true, true, true, true},
		{"pair", func(ctx context.Context) error { return c.Cut(ctx, a, b) }, false, false, true, false},
		{"healed", c.Heal, true, true, true, true},
		{"one node off", func(ctx context.Context) error { return c.CutOff(ctx, a) }, false, false, false, false},
		{"healed again", c.Heal, true, true, true, true},
		{"other port", func(ctx context.Context) error { return c.CutPort(ctx, a, b, testPort+1) }, true, true, true, true},
		{"this port", func(ctx context.Context) error { return c.CutPort(ctx, a, b, testPort) }, false, false, true, true},
		{"loss of everything", func(ctx context.Context) error { return errors.Join(c.Heal(ctx), c.Loss(ctx, 100)) }, false, false, false, true},
		{"healed at last", c.Heal, true, true, true, true},
	}
	for _, s := range steps {
		if err := s.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for _, w := range []struct {
			from, to *cluster.Place
			want     bool
		}{
			{a.Place(), b.Place(), s.ab},
			{b.Place(), a.Place(), s.ba},
			{a.Place(), d.Place(), s.ad},
			{a.Phones(), b.Place(), s.phones},
			{a.Phones(), a.Place(), true},
			{c.Visitor(), b.Place(), true},
		} {
			got := reaches(t, w.from, w.to)
			if w.want && !got { // a busy machine may be late
				got = patience.Within(patience.Limit, func() bool { return reaches(t, w.from, w.to) })
			}
			if got != w.want {
				t.Errorf("%s: %s reaches %s: %v, want %v", s.name, w.from.Name(), w.to.Name(), got, w.want)
			}
		}
	}
}

func TestCluster_OneWayCutStopsOnlyWhatGoesThatWay(t *testing.T) {
	c := newNetwork(t, 2)
	a, b := c.Node(1).Place(), c.Node(2).Place()
	at, err := b.ListenPacket(t.Context(), testPort)
	if err != nil {
		t.Fatal(err)
	}
	from, err := a.ListenPacket(t.Context(), testPort)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CutOneWay(t.Context(), c.Node(1), c.Node(2)); err != nil {
		t.Fatal(err)
	}
	if arrives(t, from, at) {
		t.Error("a packet crossed the cut")
	}
	patience.Until(t, "the way back is open", func() bool { return arrives(t, at, from) })
}

func arrives(t *testing.T, from, to net.PacketConn) bool {
	t.Helper()
	if _, err := from.WriteTo([]byte("ping"), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := to.SetReadDeadline(time.Now().Add(150 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, _, err := to.ReadFrom(make([]byte, 16))
	return err == nil
}

func TestPlace_ProcessesEndWithTheCluster(t *testing.T) {
	c := newNetwork(t, 1)
	cmd := exec.Command("cat") // reads a pipe that never ends
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Visitor().Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process ended well; it should have been killed")
	}
	if _, err := c.Visitor().Exec(t.Context(), "true"); !errors.Is(err, cluster.ErrPlaceClosed) {
		t.Errorf("Exec after Close: %v, want ErrPlaceClosed", err)
	}
}

func TestPlace_TmpfsIsSeenOnlyThere(t *testing.T) {
	c := newNetwork(t, 1)
	dir := t.TempDir()
	p := c.Node(1).Place()
	if err := p.MountTmpfs(dir, 64<<10); err != nil {
		t.Fatal(err)
	}
	full := p.Do(func() error { return os.WriteFile(dir+"/big", make([]byte, 1<<20), 0o600) })
	if full == nil {
		t.Error("1 MiB fitted into 64 KiB")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("outside: %v %v, want an empty directory", entries, err)
	}
}
