package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
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

// settled is what a node holds when nothing has moved for a while: who reads does not wait.
func settled(t *testing.T, n *cluster.Node) (held map[string]float64) {
	t.Helper()
	since := time.Now()
	eventually(t, soon, "what is held by "+n.Name()+" stays the same", func(ctx context.Context) error {
		now, err := gauges(ctx, n)
		if err != nil {
			return err
		}
		for name, value := range now {
			if strings.HasPrefix(name, "sipcluster_held") && held[name] != value || held == nil {
				held, since = now, time.Now()
				return fmt.Errorf("%s is %g", name, value)
			}
		}
		if quiet := time.Since(since); quiet < 300*time.Millisecond {
			return fmt.Errorf("for %v", quiet)
		}
		return nil
	})
	return held
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
	u := stranger(t, n, p, transport)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if res, err := u.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		t.Fatal(res, err)
	}
	return u
}

// stranger is a telephone that registers nowhere.
func stranger(t *testing.T, n *cluster.Node, p phone, transport string) *siptest.UA {
	t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: p.dn, Password: p.password, Domain: p.realm, Transport: transport, Server: n.Addr(cluster.SIP).String()})
	must(t, err)
	t.Cleanup(u.Close)
	return u
}

// load is what comes and goes: calls of telephones at the first node to one at
// the second, and from and to the public network by a gateway at the first.
type load struct {
	*cluster.Cluster
	phones  []phone // that calls, that is called
	gateway *siptest.UA
	a, b    *siptest.UA
}

// TestHeld_AfterALoadANodeHoldsWhatItHeldBefore: registrations, calls of every
// ending and sessions come and go.
func TestHeld_AfterALoadANodeHoldsWhatItHeldBefore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 2, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	n := c.Node(1)
	ph := phones(t, n, "8601", "8602", "8604", "8605")
	pstn(t, n, nil, "8603")
	routingPoint(t, n, "9600", "g860", ph[3])
	l := &load{Cluster: c, phones: ph[:2], gateway: stranger(t, n, phone{dn: "+15550009999", realm: ph[0].realm}, "udp")}
	write(t, n, "gw", &configpb.WriteRequest{Mutations: []*configpb.Mutation{trunkDN("gw", l.gateway.Addr(), "+1555")}})
	before := map[*cluster.Node]map[string]float64{}
	for _, n := range c.Nodes() {
		_, err := n.Statistics().GetGroups(t.Context(), &tcpb.GetGroupsRequest{}) // from now on it counts, as long as it runs
		must(t, err)
		before[n] = settled(t, n)
	}
	unanswered := l.ringsInVain(t, ph[2], ph[3])
	for again := range 2 { // one goroutine or file a call would be more than once
		l.play(t, again > 0)
	}
	unanswered()
	for _, n := range c.Nodes() {
		eventually(t, time.Minute, "what was held before the load", func(ctx context.Context) error { return leftOver(ctx, n, before[n]) })
	}
}

// play plays all endings once with each network; again: but for those that take long.
func (l *load) play(t *testing.T, again bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, network := range []string{"udp", "tcp"} {
		l.a, l.b = softUA(t, l.Node(1), l.phones[0], network), softUA(t, l.Node(2), l.phones[1], network)
		expectSeen(t, soon, inServiceAt(l.Node(2)), l.phones[1:], l.Nodes()...)
		for _, e := range callEndings {
			if again && strings.HasPrefix(e.name, "owner lost") {
				continue
			}
			t.Run(network+": "+e.name, func(t *testing.T) { e.play(&party{l, t, ctx}) })
		}
		if network == "tcp" { // both go without a word, while it rings
			p := &party{l, t, ctx}
			_, in := p.ring(l.a, l.b, "8602")
			l.a.Close()
			p.hears(in, "CANCEL")
			l.b.Close()
			continue
		}
		for _, u := range []*siptest.UA{l.a, l.b} {
			res, err := u.UnregisterAll(ctx)
			wants(t, 200, res, err)
			u.Close()
		}
	}
	for _, e := range sessionEndings { // which end with their test, at the latest
		t.Run(e.name, func(t *testing.T) { e.play(t, l.Cluster) })
	}
}

// callEndings are the ways in which calls end.
var callEndings = []struct {
	name string
	play func(p *party)
}{
	{"hung up", func(p *party) { p.hangsUp(p.talk(p.a, p.b, "8602")) }},
	{"not found", refused(404)},
	{"busy", refused(486)},
	{"server error", refused(500)},
	{"declined", refused(603)},
	{"given up", func(p *party) {
		out, in := p.ring(p.a, p.b, "8602")
		out.Cancel()
		p.hears(in, "CANCEL")
		must(p.t, in.Refuse(487, "Request Terminated"))
		p.comes(out, 487)
	}},
	{"in by a trunk", func(p *party) { p.hangsUp(p.talk(p.gateway, p.b, "8602")) }},
	{"in by a trunk, refused", func(p *party) { p.refuses(p.gateway, p.b, "8602", 486) }},
	{"out by a trunk", func(p *party) { p.hangsUp(p.talk(p.a, p.gateway, "+15551112222")) }},
	{"out by a trunk, refused", func(p *party) { p.refuses(p.a, p.gateway, "+15551112222", 486) }},
	{"owner lost while it rings", func(p *party) {
		out, in := p.ring(p.a, p.b, "8602")
		p.ownerLost(func() { p.comes(out, 480) })
		p.hears(in, "CANCEL")
		must(p.t, in.Refuse(487, "Request Terminated"))
	}},
	{"owner lost while it is up", func(p *party) {
		out, in := p.talk(p.a, p.b, "8602")
		p.ownerLost(func() { // who is not there hears of it when he is back
			if res, err := out.Bye(p.ctx); err != nil || res.Code != 200 {
				p.t.Error(res, err)
			}
		})
		p.hears(in, "BYE")
	}},
}

func refused(code int) func(p *party) {
	return func(p *party) { p.refuses(p.a, p.b, "8602", code) }
}

// party plays one ending.
type party struct {
	*load
	t   *testing.T
	ctx context.Context //nolint:containedctx // of one test
}

func wants(t *testing.T, code int, res *siptest.Response, err error) {
	t.Helper()
	if err != nil || res.Code != code {
		t.Fatalf("want %d: %v, %v", code, res, err)
	}
}

func (p *party) comes(c *siptest.Call, code int) {
	p.t.Helper()
	_, err := c.Await(p.ctx, code)
	must(p.t, err)
}

func (p *party) hears(c *siptest.Call, method string) {
	p.t.Helper()
	_, err := c.Expect(p.ctx, method)
	must(p.t, err)
}

func (p *party) ring(from, to *siptest.UA, number string) (out, in *siptest.Call) {
	p.t.Helper()
	out, err := from.Place(p.ctx, "sip:"+number+"@"+p.phones[0].realm)
	must(p.t, err)
	in, err = to.Take(p.ctx)
	must(p.t, err)
	must(p.t, in.Ring())
	p.comes(out, 180)
	return out, in
}

func (p *party) talk(from, to *siptest.UA, number string) (out, in *siptest.Call) {
	p.t.Helper()
	out, in = p.ring(from, to, number)
	must(p.t, in.Answer())
	p.comes(out, 200)
	must(p.t, out.Ack())
	p.hears(in, "ACK")
	return out, in
}

func (p *party) hangsUp(out, _ *siptest.Call) {
	p.t.Helper()
	res, err := out.Bye(p.ctx)
	wants(p.t, 200, res, err)
}

func (p *party) refuses(from, to *siptest.UA, number string, code int) {
	p.t.Helper()
	out, in := p.ring(from, to, number)
	must(p.t, in.Refuse(code, "No"))
	p.comes(out, code)
}

// ownerLost has the second node stand still while the first one goes on.
func (p *party) ownerLost(meanwhile func()) {
	p.t.Helper()
	must(p.t, p.Node(2).Pause())
	defer func() { // also after a failure
		must(p.t, p.Node(2).Resume())
		_, err := p.WaitWhole(p.ctx, starting)
		must(p.t, err)
		expectSeen(p.t, afterCut, inServiceAt(p.Node(2)), p.phones[1:], p.Nodes()...)
	}()
	expectSeen(p.t, soon, lostWith(p.Node(2)), p.phones[1:], p.Node(1))
	meanwhile()
}

// ringsInVain has a call ring at an agent who does not answer, beside
// everything else; wait waits for its end.
func (l *load) ringsInVain(t *testing.T, from, agent phone) (wait func()) {
	t.Helper()
	p := &party{l, t, t.Context()}
	a, b := softUA(t, l.Node(1), from, "udp"), softUA(t, l.Node(1), agent, "udp")
	expectSeen(t, soon, inServiceAt(l.Node(1)), []phone{agent}, l.Node(1))
	out, in := p.ring(a, b, "9600")
	return func() {
		t.Helper()
		var cancel context.CancelFunc
		p.ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p.hears(in, "CANCEL")
		must(t, in.Refuse(487, "Request Terminated"))
		out.Cancel() // at the routing point again
		p.comes(out, 487)
		for _, u := range []*siptest.UA{a, b} {
			res, err := u.UnregisterAll(p.ctx)
			wants(t, 200, res, err)
			u.Close()
		}
	}
}

// sessionEndings are the ways in which sessions and reservations end.
var sessionEndings = []struct {
	name string
	play func(t *testing.T, c *cluster.Cluster)
}{
	{"a session ends", func(t *testing.T, c *cluster.Cluster) {
		statServer(t, c.Node(1))
		observe(t, c.Node(2))
		reserve(t, connect(t, c.Node(1), cluster.TCPort), 500*time.Millisecond)
	}},
	{"a reservation is cancelled", func(t *testing.T, c *cluster.Cluster) {
		desk := connect(t, c.Node(1), cluster.TCPort)
		reserve(t, desk, time.Hour)
		desk.says(t, "EVENT_AGENT_RESERVED 8603", reserveAgent("8603", 1, 0))
	}},
	{"a session with a reservation is broken off", func(t *testing.T, c *cluster.Cluster) {
		var line net.Conn
		conn, err := c.Node(1).DialFrom(c.Visitor(), cluster.TCPort, func(conn net.Conn) net.Conn {
			line = conn
			return conn
		})
		must(t, err)
		desk := openOver(t, c.Node(1), conn, &tlibpb.OpenSession{Application: "desk"})
		reserve(t, desk, 3*time.Second)
		desk.ask(t, monitorAll(nil))
		must(t, line.(*net.TCPConn).SetLinger(0)) // it ends by a reset, and nobody has said anything
		must(t, line.Close())
		desk.ended(t, soon)
	}},
}

// reserve has an agent who is ready at a desktop reserved.
func reserve(t *testing.T, desk *client, hold time.Duration) {
	t.Helper()
	desk.ask(t, registerAddress("8603", tlibpb.AddressMode_ADDRESS_MODE_SHARED))
	desk.ask(t, agentLogin("8603", "7"))
	desk.ask(t, agentReady("8603"))
	patience.Until(t, "the agent can be reserved: nobody else's reservation holds any more", func() bool {
		return line(desk.ask(t, reserveAgent("8603", 1, uint32(hold.Milliseconds())))) == "EVENT_AGENT_RESERVED 8603"
	})
}
