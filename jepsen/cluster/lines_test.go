package cluster_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/line"
)

const (
	ms   = time.Millisecond
	mbit = 1_000_000
)

// echo is a socket at a place, and one elsewhere that sends back what it gets.
type echo struct {
	conn net.PacketConn
	to   net.Addr
}

func newEcho(t *testing.T, from, to *cluster.Place) *echo {
	t.Helper()
	there, err := to.ListenPacket(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	here, err := from.ListenPacket(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1500)
		for {
			n, from, err := there.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = there.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() { _, _ = here.Close(), there.Close(); <-ended })
	return &echo{here, there.LocalAddr()}
}

// trips sends packets of that many octets of Ethernet at regular times and returns the round
// trips of those that came back, in their order.
func (e *echo) trips(t *testing.T, count, octets int, every time.Duration) []time.Duration {
	t.Helper()
	const headers = 14 + 20 + 8
	begin := time.Now()
	go func() {
		b := make([]byte, octets-headers)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := range count {
			binary.BigEndian.PutUint64(b, uint64(i))
			binary.BigEndian.PutUint64(b[8:], uint64(time.Since(begin)))
			_, _ = e.conn.WriteTo(b, e.to)
			for time.Since(begin) < time.Duration(i+1)*every { // a machine that was late catches up
				<-tick.C
			}
		}
	}()
	var out []time.Duration
	b := make([]byte, 1500)
	_ = e.conn.SetReadDeadline(begin.Add(time.Duration(count)*every + patience.Limit/10))
	for {
		n, _, err := e.conn.ReadFrom(b)
		if n < 16 || err != nil {
			if len(out) == 0 {
				t.Fatalf("none of %d packets came back: %v", count, err)
			}
			return out // what is lost is not waited for longer
		}
		out = append(out, time.Since(begin)-time.Duration(binary.BigEndian.Uint64(b[8:])))
		if binary.BigEndian.Uint64(b) == uint64(count-1) {
			return out
		}
	}
}

func set(t *testing.T, c *cluster.Cluster, there, back line.Path) {
	t.Helper()
	if err := errors.Join(c.SetPath(c.Node(1), c.Node(2), there), c.SetPath(c.Node(2), c.Node(1), back)); err != nil {
		t.Fatal(err)
	}
}

// TestCluster_LinesDelayLoseAndLetThroughWhatTheyAreTold: the paths change while it runs, and
// with every path what stays in a site is near.
func TestCluster_LinesDelayLoseAndLetThroughWhatTheyAreTold(t *testing.T) {
	c := newNetworkOf(t, cluster.Config{Nodes: 3, Lines: true})
	a, b := c.Node(1), c.Node(2)
	far, near := newEcho(t, a.Place(), b.Phones()), newEcho(t, a.Phones(), a.Place())
	aside := newEcho(t, a.Place(), c.Node(3).Place())
	const count = 800
	for _, s := range []struct {
		name        string
		there, back line.Path
		trip        time.Duration
		share       float64 // of what comes back
		within      float64
	}{
		{"cable", line.Path{}, line.Path{}, 0, 1, 0},
		{"far", line.Path{Delay: 125 * ms}, line.Path{Delay: 125 * ms}, 250 * ms, 1, 0},
		{"another route", line.Path{Delay: 10 * ms}, line.Path{Delay: 10 * ms}, 20 * ms, 1, 0},
		{"asymmetric", line.Path{Delay: 150 * ms}, line.Path{Delay: 50 * ms}, 200 * ms, 1, 0},
		{"loss", line.Path{Loss: 10}, line.Path{Loss: 20, Burst: 2}, 0, 0.72, 0.09},
	} {
		set(t, c, s.there, s.back)
		trips := far.trips(t, count, 1000, ms)
		if share := float64(len(trips)) / count; math.Abs(share-s.share) > s.within {
			t.Errorf("%s: %.3f came back, want %.3f +- %.3f", s.name, share, s.share, s.within)
		}
		// One at least is not held up by the machine.
		if least := slices.Min(trips); least < s.trip || least > s.trip+60*ms {
			t.Errorf("%s: round trips of %v and more, want %v", s.name, least, s.trip)
		}
	}
	narrow(t, c, far)
	set(t, c, line.Path{Delay: 125 * ms}, line.Path{Delay: 125 * ms})
	for name, e := range map[string]*echo{"in the site": near, "to a third site": aside} {
		if trips := e.trips(t, 100, 200, ms); len(trips) != 100 || slices.Min(trips) > 100*ms {
			t.Errorf("%s: %d of 100 came back, the first after %v", name, len(trips), slices.Min(trips))
		}
	}
	if n, err := c.Crossed(a, b); err != nil || n.Lost < 40 || n.Overflowed < 100 || n.Passed < 4*count {
		t.Errorf("counted %+v, %v", n, err)
	}
	if !reachesLater(t, a.Place(), b.Place()) {
		t.Error("no connection comes about at a distance")
	}
}

// narrow sends several times what the line lets through.
func narrow(t *testing.T, c *cluster.Cluster, e *echo) {
	t.Helper()
	const rate, queue = 2 * mbit, 100 * ms
	set(t, c, line.Path{Rate: rate, Queue: queue}, line.Path{})
	before, err := c.Crossed(c.Node(1), c.Node(2))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	trips := e.trips(t, 1500, 1000, ms)
	after, err := c.Crossed(c.Node(1), c.Node(2))
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	passed := 8 * (after.Octets - before.Octets)
	if most := rate * (took + queue + 10*ms).Seconds(); float64(passed) > most || after.Overflowed == before.Overflowed {
		t.Errorf("narrow: %d bit in %v, %d overflowed; want at most %.0f, and some", passed, took, after.Overflowed-before.Overflowed, most)
	}
	if worst := slices.Max(trips); worst < queue {
		t.Errorf("narrow: the queue held nothing up for more than %v", worst)
	}
	if least := rate * 8 / 10 * 1.5; float64(passed) < least {
		t.Errorf("narrow: %d bit in 1.5 s and more, want %.0f", passed, least)
	}
}

// reachesLater tells whether a connection comes about over a long line, with large segments.
func reachesLater(t *testing.T, from, to *cluster.Place) bool {
	t.Helper()
	const size = 1 << 20
	ln, err := to.Listen(t.Context(), testPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	got := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			got <- err
			return
		}
		defer func() { _ = conn.Close() }()
		n, b := 0, make([]byte, 64<<10)
		for err == nil {
			var k int
			k, err = conn.Read(b)
			n += k
		}
		if n != size {
			got <- fmt.Errorf("%d octets of %d: %w", n, size, err)
			return
		}
		got <- nil
	}()
	conn, err := from.Dial(t.Context(), "tcp4", netip.AddrPortFrom(to.IP(), testPort).String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = conn.Write(make([]byte, size)); err == nil {
		err = conn.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
		return err == nil
	case <-time.After(patience.Limit):
		return false
	}
}

func TestCluster_NoLineLeadsWhereNoneWasMade(t *testing.T) {
	c := newNetwork(t, 2)
	if err := c.SetPath(c.Node(1), c.Node(2), line.Path{}); !errors.Is(err, cluster.ErrNoLine) {
		t.Errorf("without lines: %v", err)
	}
	c = newNetworkOf(t, cluster.Config{Nodes: 2, Lines: true, Sites: []string{"east", "east"}})
	if err := c.SetPath(c.Node(1), c.Node(2), line.Path{}); !errors.Is(err, cluster.ErrNoLine) {
		t.Errorf("within a site: %v", err)
	}
	if err := c.SetPaths(line.Path{Delay: ms}); err != nil {
		t.Error(err)
	}
}
