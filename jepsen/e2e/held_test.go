package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// gauges are what a node holds at present, as /metrics tells: calls, sessions,
// bindings and all that is said to be held, goroutines and open files.
func gauges(ctx context.Context, n *cluster.Node) (map[string]float64, error) {
	_, body, err := get(ctx, n, "/metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch kind, _, _ := strings.Cut(name, "{"); kind {
		case "sipcluster_held", "sipcluster_sip_bindings", "sipcluster_sip_connections", "sipcluster_tlib_sessions", "sipcluster_tlib_addresses",
			"sipcluster_calls", "sipcluster_calls_cluster", "go_goroutines", "process_open_fds":
			if all[name], err = strconv.ParseFloat(value, 64); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// once is what the first load leaves, and no other: connections between nodes.
var once = map[string]float64{"go_goroutines": 20, "process_open_fds": 8}

// leftOver says what a node holds beyond what it held before.
func leftOver(ctx context.Context, n *cluster.Node, before map[string]float64) error {
	now, err := gauges(ctx, n)
	if err != nil {
		return err
	}
	for name, v := range now {
		if v > before[name]+once[name] {
			return fmt.Errorf("%s: %s is %v and was %v", n.Name(), name, v, before[name])
		}
	}
	return nil
}

// softUA is a telephone of siptest at a node.
func softUA(t *testing.T, n *cluster.Node, p phone, transport string) *siptest.UA {
	t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: p.dn, Password: p.password, Domain: p.realm, Transport: transport, Server: n.Addr(cluster.SIP).String()})
	must(t, err)
	t.Cleanup(u.Close)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if res, err := u.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
	return u
}

// TestHeld_AfterALoadANodeHoldsWhatItHeldBefore: registrations, calls of every
// ending and sessions come and go.
func TestHeld_AfterALoadANodeHoldsWhatItHeldBefore(t *testing.T) {
	c := newCluster(t, cluster.Config{Nodes: 2, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	ph := phones(t, c.Node(1), "8601", "8602")
	pstn(t, c.Node(1), nil, "8603")
	before := map[*cluster.Node]map[string]float64{}
	for _, n := range c.Nodes() {
		var err error
		before[n], err = gauges(t.Context(), n)
		must(t, err)
	}
	for range 2 { // one goroutine or file a call would be more than once
		load(t, c, ph)
	}
	for _, n := range c.Nodes() {
		eventually(t, time.Minute, "what was held before the load", func(ctx context.Context) error { return leftOver(ctx, n, before[n]) })
	}
}

// load plays all endings once, from the first node to the second.
func load(t *testing.T, c *cluster.Cluster, ph []phone) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		a, b := softUA(t, c.Node(1), ph[0], network), softUA(t, c.Node(2), ph[1], network)
		expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
		for _, code := range []int{200, 404, 486, 500, 603, 487} {
			ends(ctx, t, a, b, ph[1], code)
		}
		if network == "tcp" { // both go without a word, while it rings
			_, in := ring(ctx, t, a, b, ph[1])
			a.Close()
			_, err := in.Expect(ctx, "CANCEL")
			must(t, err)
			b.Close()
			continue
		}
		for _, u := range []*siptest.UA{a, b} {
			if res, err := u.UnregisterAll(ctx); err != nil || res.Code != 200 {
				t.Fatal(res, err)
			}
			u.Close()
		}
	}
	t.Run("sessions", func(t *testing.T) { // which end with it
		statServer(t, c.Node(1))
		observe(t, c.Node(2))
		desk := connect(t, c.Node(1), cluster.TCPort)
		desk.ask(t, registerAddress("8603", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
		desk.ask(t, agentLogin("8603", "7"))
		desk.ask(t, agentReady("8603"))
		desk.ask(t, reserveAgent("8603", 1, 500))
	})
}

func ring(ctx context.Context, t *testing.T, a, b *siptest.UA, to phone) (out, in *siptest.Call) {
	t.Helper()
	out, err := a.Place(ctx, "sip:"+to.dn+"@"+to.realm)
	must(t, err)
	in, err = b.Take(ctx)
	must(t, err)
	must(t, in.Ring())
	_, err = out.Await(ctx, 180)
	must(t, err)
	return out, in
}

// ends plays a call that ends with the code: 200 is answered and hung up, and
// 487 is given up.
func ends(ctx context.Context, t *testing.T, a, b *siptest.UA, to phone, code int) {
	t.Helper()
	out, in := ring(ctx, t, a, b, to)
	if code == 487 {
		out.Cancel()
		_, err := in.Expect(ctx, "CANCEL")
		must(t, err)
	}
	if code != 200 {
		must(t, in.Refuse(code, "No"))
		_, err := out.Await(ctx, code)
		must(t, err)
		return
	}
	must(t, in.Answer())
	_, err := out.Await(ctx, code)
	must(t, err)
	must(t, out.Ack())
	if res, err := out.Bye(ctx); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
}
