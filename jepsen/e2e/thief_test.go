package e2e_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// thief has seen a call and tries to send within it.
type thief struct {
	t    *testing.T
	conn *net.UDPConn // of its own machine, so to say
	n    *cluster.Node
	call *siptest.Call // of the called side
}

// wants sends requests with all that was seen, to who was called, to who called and to
// another host, and wants each to be refused.
func (x *thief) wants(ctx context.Context, when string) {
	x.t.Helper()
	inv := x.call.Invite
	var up, down []string
	for _, r := range inv.Headers("Record-Route") {
		up, down = append(up, "Route: "+r), append([]string{"Route: " + r}, down...)
	}
	from, to := inv.Header("From"), inv.Header("To")+";tag="+x.call.Tag()
	for name, c := range map[string]struct {
		uri, from, to string
		routes        []string
	}{
		"as the caller":                 {inv.URI, from, to, down},
		"as the caller, to itself":      {"sip:x@" + x.conn.LocalAddr().String(), from, to, down},
		"as the called one":             {"sip:" + x.conn.LocalAddr().String(), to, from, up},
		"as the called one, tokens cut": {inv.URI, to, from, up[1:]},
		"with an empty tag":             {inv.URI, from, inv.Header("To") + ";tag=", down},
		"in another dialog":             {inv.URI, from, inv.Header("To") + ";tag=other", down},
	} {
		for _, method := range []string{"INVITE", "INFO", "BYE"} {
			text := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n%s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 900 %s\r\nContact: <sip:x@%s>\r\nContent-Length: 0\r\n\r\n",
				method, c.uri, x.conn.LocalAddr(), rand.Text(), strings.Join(c.routes, "\r\n"), c.from, c.to, x.call.ID, method, x.conn.LocalAddr())
			if got := x.ask(ctx, text); !strings.HasPrefix(got, "SIP/2.0 4") {
				x.t.Errorf("%s: %s %s: %q", when, method, name, got)
			}
		}
	}
}

// ask sends a request to the node and returns the first line of what comes, but for 100.
func (x *thief) ask(ctx context.Context, text string) string {
	x.t.Helper()
	to := net.UDPAddrFromAddrPort(x.n.Addr(cluster.SIP))
	buf := make([]byte, 65536)
	for ctx.Err() == nil {
		if _, err := x.conn.WriteTo([]byte(text), to); err != nil {
			x.t.Fatal(err)
		}
		_ = x.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := x.conn.Read(buf)
		if err != nil { // it is repeated
			continue
		}
		if line, _, _ := strings.Cut(string(buf[:n]), "\r\n"); line != "SIP/2.0 100 Trying" {
			return line
		}
	}
	return "nothing"
}

// TestThief_NobodyElseSendsWithinACall: what the Route tokens of a call let its two sides
// do they let nobody else, while it is up, after restarts of all nodes and when its DN is
// gone. The sides themselves notice nothing of a restart.
func TestThief_NobodyElseSendsWithinACall(t *testing.T) {
	t.Parallel()
	c := newCluster(t, cluster.Config{Nodes: 3, Loopback: true}, false)
	must(t, c.Start(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ph := phones(t, c.Node(1), "8651", "8652")
	p := &party{&load{Cluster: c, phones: ph}, t, ctx}
	a, b := softUA(t, c.Node(1), ph[0], "udp"), softUA(t, c.Node(2), ph[1], "udp")
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	out, in := p.talk(a, b, "8652")
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	x := &thief{t: t, conn: conn, call: in}
	every := func(when string) {
		t.Helper()
		for _, x.n = range c.Nodes() {
			x.wants(ctx, when)
		}
	}
	every("while it is up")
	for _, n := range c.Nodes() {
		n.Kill9()
		must(t, n.Start(ctx))
	}
	_, err = c.WaitWhole(ctx, starting)
	must(t, err)
	for _, call := range []*siptest.Call{out, in} {
		res, err := call.Do(ctx, "INFO")
		wants(t, 200, res, err)
	}
	every("after a restart")
	cli(t, c.Node(1), 0, "dn", "delete", "8651")
	for _, n := range c.Nodes() {
		eventually(t, soon, "the DN is gone", func(ctx context.Context) error {
			if knowsDN(ctx, n, "8651") == nil {
				return fmt.Errorf("%s knows it", n.Name())
			}
			return nil
		})
	}
	every("when its DN is gone")
	res, err := out.Do(ctx, "INFO")
	wants(t, 403, res, err)
}
