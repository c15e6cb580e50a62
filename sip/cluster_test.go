package sip

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// twoNodes are two servers of one cluster: 1001 is at the first, 1002 at the second.
func twoNodes(t testing.TB) (n1, n2 *world) {
	t.Helper()
	return twoNodesOf(t, func(*Config) {})
}

func twoNodesOf(t testing.TB, change func(*Config)) (n1, n2 *world) {
	t.Helper()
	return twoNodesBy(t, newLines(), change)
}

func twoNodesBy(t testing.TB, l *lines, change func(*Config)) (n1, n2 *world) {
	t.Helper()
	n1 = callWorld(t, func(c *Config) {
		change(c)
		c.DialPeer = l.dial
	}, "1001", "1002")
	n2 = callWorld(t, func(c *Config) {
		change(c)
		c.Table, c.DialPeer = dn.New(dn.Config{Self: "n2", Incarnation: 1}), l.dial
	}, "1001", "1002")
	if n1.cfg.Network != nil {
		l.pair = memoryPair
	}
	for _, w := range []*world{n1, n2} {
		w.lines = l
		l.serve(w.table.Self(), w.server)
	}
	for _, w := range []*world{n1, n2} {
		w.node("n1", n1.server.UDPAddr())
		w.node("n2", n2.server.UDPAddr())
	}
	l.stand(t, n1, n2)
	n1.remote.Store("1002", dn.Node("n2"))
	n2.remote.Store("1001", dn.Node("n1"))
	return n1, n2
}

func (w *world) node(id string, addr net.Addr) {
	w.t.Helper()
	other := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port+len(w.cfg.Table.Self())*int(id[1]-'0')) }
	w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{
		Id: id, Name: id, Site: id, SipAddr: addr.String(), DefaultAddr: other(100), TcAddr: other(200), ClusterAddr: other(300),
		GossipAddr: other(400), HttpAddr: other(500)}}}}})
}

func TestCluster_CallsADNOfTheOtherNode(t *testing.T) {
	for _, networks := range [][2]string{{"udp", "udp"}, {"tcp", "tcp"}, {"udp", "tcp"}} {
		t.Run(networks[0]+" to "+networks[1], func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			a, b := n1.ua(networks[0], "1001"), n2.ua(networks[1], "1002")
			out, in := s.up(a, b, "1002")
			if in.Invite.Header("Route") != "" {
				t.Errorf("the token went to the phone: %s", in.Invite.Header("Route"))
			}
			for _, way := range [][2]*siptest.Call{{out, in}, {in, out}} {
				from, to := way[0], way[1]
				s.do(from, "INVITE", 200)
				s.ok(from.Ack())
				s.expect(to, "ACK")
				for _, method := range []string{"UPDATE", "INFO", "REFER", "MESSAGE", "NOTIFY"} {
					s.do(from, method, 200)
					s.expect(to, method)
				}
			}
			s.do(out, "BYE", 200)
			s.expect(in, "BYE")
			if by := s.over((patience.Receive(t, "the outcome of the call", n1.outcomes)).Dialog); by != dialog.CallerSide {
				t.Error(by)
			}
		})
	}
}

func TestCluster_CancelAndRefusalCrossTheNodes(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(in.Ring())
	s.await(out, 180)
	out.Cancel()
	s.expect(in, "CANCEL")
	s.ok(in.Refuse(487, "Request Terminated"))
	s.await(out, 487)
	out = s.place(a, "1002")
	s.ok(s.take(b).Refuse(486, "Busy Here", "Retry-After: 9"))
	if res := s.await(out, 486); res.Header("Retry-After") != "9" {
		t.Error(res)
	}
}

// TestCluster_AProvisionalAnswerIsAcknowledged sends a PRACK both nodes through.
func TestCluster_AProvisionalAnswerIsAcknowledged(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("tcp", "1002")
	out := s.place(a, "1002", "Supported: 100rel")
	in := s.take(b)
	s.ok(in.Ring("Require: 100rel", "RSeq: 1"))
	if res := s.await(out, 180); res.Header("RSeq") != "1" {
		t.Fatal(res)
	}
	s.do(out, "PRACK", 200, "RAck: 1 1 INVITE")
	if m := s.expect(in, "PRACK"); m.Header("RAck") != "1 1 INVITE" {
		t.Error(m)
	}
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
}

// TestCluster_NoPhoneThere is a DN that the owner has lost meanwhile.
func TestCluster_NoPhoneThere(t *testing.T) {
	n1, _ := twoNodes(t)
	s := newScript(t)
	s.await(s.place(n1.ua("udp", "1001"), "1002"), 480)
}

// TestCluster_ASilentNodeIsTriedOnce: it takes what comes and says nothing.
func TestCluster_ASilentNodeIsTriedOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEndingOf(t, 2, func(c *Config) {
			c.peers = func(p wire.Peers) wire.Peers {
				return &tap{p, func(dn.Node, []byte, func()) bool { return false }}
			}
		})
		e.n1.outcomes = make(chan proxy.Outcome, 1)
		out := e.place(e.n1.ua("udp", "1001"), "1002")
		e.await(out, 408)
		if o := <-e.n1.outcomes; !o.Retry {
			t.Errorf("%+v", o)
		}
	})
}

// TestCluster_ACallOutlivesARestartOfBothNodes: what is up needs no state.
func TestCluster_ACallOutlivesARestartOfBothNodes(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
	out, in := s.up(a, b, "1002")
	n1.restart()
	n2.restart()
	s.do(in, "INFO", 200)
	s.expect(out, "INFO")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}

// restart begins the server anew on its ports, without its memory.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	cfg := w.cfg
	cfg.UDP, cfg.TCP = w.server.UDPAddr().String(), w.server.TCPAddr().String()
	var err error
	if w.server, err = New(cfg); err != nil {
		w.t.Fatal(err)
	}
	if w.lines != nil {
		w.lines.serve(w.table.Self(), w.server)
	}
	w.run()
}

// TestCluster_ABYEToANodeThatIsGoneEndsTheCall: it is over for who waits for its end,
// although nobody hears of the BYE.
func TestCluster_ABYEToANodeThatIsGoneEndsTheCall(t *testing.T) {
	for name, goes := range map[string]func(n1, n2 *world){
		"it stops": func(_, n2 *world) { n2.stop() },
		"it leaves the cluster": func(n1, _ *world) {
			n1.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{{Op: &configpb.Mutation_DeleteNode{DeleteNode: "n2"}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
			out, _ := s.up(a, b, "1002")
			goes(n1, n2)
			s.do(out, "BYE", 200)
			if by := s.over(patience.Receive(t, "the outcome of the call", n1.outcomes).Dialog); by != dialog.CallerSide {
				t.Error(by)
			}
		})
	}
}

// TestCluster_ATokenToDeliverIsANodesOnly: somebody who has seen it has nothing delivered.
func TestCluster_ATokenToDeliverIsANodesOnly(t *testing.T) {
	var mu sync.Mutex
	seen := ""
	n1, n2 := twoNodesOf(t, func(c *Config) {
		c.peers = func(p wire.Peers) wire.Peers {
			return &tap{p, func(_ dn.Node, b []byte, _ func()) bool {
				mu.Lock()
				defer mu.Unlock()
				if strings.HasPrefix(string(b), "INVITE") {
					seen = string(b)
				}
				return true
			}}
		}
	})
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(in.Refuse(486, "Busy Here"))
	s.await(out, 486)
	mu.Lock()
	again := seen
	mu.Unlock()
	again = strings.Replace(again, "Via: ", "Via: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKthief\r\nVia: ", 1)
	if res := n2.dial("udp").ask(again); res.code != 403 {
		t.Errorf("%d %s", res.code, res.reason)
	}
	l := n2.dial("tcp")
	if res := l.ask(strings.Replace(again, "thief", "other", 1)); res.code != 403 {
		t.Errorf("%d %s", res.code, res.reason)
	}
}

func TestCluster_ATokenIsGoodForItsCallOnly(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
	_, in := s.up(a, b, "1002")
	route := in.Invite.Header("Record-Route")
	l := n2.dial("udp")
	res := l.ask("BYE sip:1001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKother\r\nMax-Forwards: 70\r\nRoute: " + route +
		"\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:x@z>;tag=2\r\nCall-ID: another\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n")
	if res.code != 403 {
		t.Errorf("%d %s", res.code, res.reason)
	}
	// Nor does it begin a call without credentials.
	res = l.ask("INVITE sip:1001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKother2\r\nMax-Forwards: 70\r\nRoute: " + route +
		"\r\nFrom: " + in.Invite.Header("From") + "\r\nTo: <sip:x@z>\r\nCall-ID: " + in.ID + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
	if res.code != 403 || res.reason != "Route to elsewhere" {
		t.Errorf("%d %s", res.code, res.reason)
	}
}

// gateway is a trunk with a socket of its own.
func (w *world) gateway(number, prefix string) *siptest.UA {
	w.t.Helper()
	u, err := siptest.NewUA(siptest.Config{DN: "+49301234", Domain: "gw.test", Server: w.server.UDPAddr().String()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	w.put(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: u.Addr(), Prefix: prefix}})
	until(w.t, "the trunk is known", func() bool {
		n, _ := w.server.proxy.Trunk(mustAddrPort(u.Addr()), location.UDP)
		return n != ""
	})
	return u
}

func TestTrunk_CallsInAndOut(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	gw := n1.gateway("9000", "+")
	b := n2.ua("tcp", "1002")
	out, in := s.up(gw, b, "1002")
	if !strings.Contains(in.Invite.Header("From"), "+49301234@gw.test") {
		t.Error(in.Invite.Header("From"))
	}
	s.do(in, "INVITE", 200)
	s.ok(in.Ack())
	s.expect(out, "ACK")
	s.do(in, "BYE", 200)
	s.expect(out, "BYE")

	a := n1.ua("udp", "1001")
	out, in = s.up(a, gw, "9000")
	if want := "sip:9000@" + gw.Addr(); in.Invite.URI != want {
		t.Errorf("%s, want %s", in.Invite.URI, want)
	}
	s.do(in, "INFO", 200)
	s.expect(out, "INFO")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}

// TestTrunk_AReferralToItIsInTheClassOfService: a gateway that is sent elsewhere by a
// phone calls for that.
func TestTrunk_AReferralToItIsInTheClassOfService(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	d := phoneDN("1001")
	d.Outbound = &configpb.Outbound{Class: configpb.OutboundClass_OUTBOUND_CLASS_PREFIXES, Prefixes: []string{"9"}}
	w.put(d)
	gw := w.gateway("9000", "+")
	out, in := s.up(w.ua("udp", "1001"), gw, "9000")
	s.do(out, "REFER", 403, "Refer-To: <sip:+4930@gw.test>")
	s.do(out, "REFER", 403, "r: <tel:+4930>")
	s.do(out, "REFER", 403, "Refer-To: broken")
	s.do(out, "REFER", 200, "Refer-To: <sip:930@gw.test>")
	s.expect(in, "REFER")
	s.do(in, "REFER", 200, "Refer-To: <sip:+4930@gw.test>")
	s.do(out, "BYE", 200)
}

// TestTrunk_AnOverloadedGatewaySaysSoToTheCaller: the next call would not leave by it either.
func TestTrunk_AnOverloadedGatewaySaysSoToTheCaller(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	gw := w.gateway("9000", "+")
	out := s.place(w.ua("udp", "1001"), "9000")
	s.ok(s.take(gw).Refuse(503, "Service Unavailable"))
	s.await(out, 503)
	if o := patience.Receive(t, "the outcome of the call", w.outcomes); !o.Retry {
		t.Errorf("%+v", o)
	}
}

// TestTrunk_ALoopEnds has a gateway that sends calls back as they are.
func TestTrunk_ALoopEnds(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	gw := w.gateway("9000", "+")
	conn := w.dial("udp")
	out := s.place(w.ua("udp", "1001"), "9000")
	in := s.take(gw)
	// What the gateway got comes back from its address, unchanged but for a Via.
	back := in.Invite
	var b strings.Builder
	fmt.Fprintf(&b, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKgw\r\n", back.URI, gw.Addr())
	for _, v := range back.Headers("Via") {
		fmt.Fprintf(&b, "Via: %s\r\n", v)
	}
	for _, h := range []string{"From", "To", "Call-ID", "CSeq", "Contact"} {
		fmt.Fprintf(&b, "%s: %s\r\n", h, back.Header(h))
	}
	text := b.String() + "Max-Forwards: 60\r\nContent-Length: 0\r\n\r\n"
	// The first time round it is another Request-URI, a spiral; then a loop.
	conn.send(strings.Replace(text, "INVITE "+back.URI, "INVITE "+uriTo("9000"), 1))
	if res := conn.final(); res == nil || res.code != 482 {
		t.Errorf("%+v", res)
	}
	s.ok(in.Refuse(486, "Busy Here"))
	s.await(out, 486)
}

// legs notes what is carried, and how it ends.
type legs chan string

func (l legs) carry(_ string, of dn.Node, n dn.Number) invite.Leg {
	l <- fmt.Sprintf("%s of %q", n, of)
	return carried{l, n}
}

type carried struct {
	legs
	n dn.Number
}

func (x carried) Dropped() { x.legs <- string(x.n) + " dropped" }
func (x carried) Over()    { x.legs <- string(x.n) + " over" }

func TestCarry_TellsEachCallAndItsEnd(t *testing.T) {
	told := make(legs, 16)
	w := callWorld(t, func(c *Config) { c.Carry = told.carry }, "1001", "1002")
	s := newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
	want := func(what string) {
		t.Helper()
		if got := patience.Receive(t, what, told); got != what {
			t.Fatalf("%s, want %s", got, what)
		}
	}
	out, _ := s.up(a, b, "1002")
	want(`1002 of ""`)
	second := s.place(a, "1002")
	s.ok(s.take(b).Refuse(486, "Busy Here"))
	s.await(second, 486)
	want(`1002 of ""`)
	want("1002 dropped")
	s.do(out, "BYE", 200)
	want("1002 dropped")
	_, err := a.Do(s.ctx, siptest.Request{Method: "MESSAGE", URI: uriTo("1002"), To: "<" + uriTo("1002") + ">"}) // no call
	s.ok(err)
	if len(told) > 0 {
		t.Error(<-told)
	}
}

// TestSession_ATimerIsNoShorterThanTheCallerTakes: RFC 4028 §8.1.
func TestSession_ATimerIsNoShorterThanTheCallerTakes(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
	for minSE, want := range map[string]string{"90": "1800", "1800;x=y": "1800", " 3600": "3600", "86401": "", "99999999999": "", "soon": ""} {
		out := s.place(a, "1002", "Supported: timer", "Min-SE: "+minSE)
		in := s.take(b)
		if got := in.Invite.Header("Session-Expires"); got != want {
			t.Errorf("Min-SE %q: Session-Expires %q, want %q", minSE, got, want)
		}
		s.ok(in.Refuse(486, "Busy Here"))
		s.await(out, 486)
		patience.Receive(t, "the outcome of the call", w.outcomes)
	}
}

func TestSession_ItsTimerEndsADeadCall(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
	out := s.place(a, "1002", "Supported: timer")
	in := s.take(b)
	if se := in.Invite.Header("Session-Expires"); se != "1800" {
		t.Errorf("Session-Expires: %q", se)
	}
	s.ok(in.Answer())
	if res := s.await(out, 200); res.Header("Session-Expires") != "1800;refresher=uac" || res.Header("Require") != "timer" {
		t.Error(res)
	}
	s.ok(out.Ack())
	s.expect(in, "ACK")
	patience.Receive(t, "the outcome of the call", w.outcomes)
	out = s.place(a, "1002")
	in = s.take(b)
	if in.Invite.Header("Session-Expires") != "" {
		t.Error("a timer that nobody can have")
	}
	s.ok(in.Answer("Session-Expires: 1;refresher=uas"))
	s.await(out, 200)
	s.ok(out.Ack())
	if by := s.over((patience.Receive(t, "the outcome of the call", w.outcomes)).Dialog); by != dialog.Nobody {
		t.Error(by)
	}
}

func TestOverload_NewCallsAreRefusedFirst(t *testing.T) {
	clock := time.Now()
	w := callWorld(t, func(c *Config) { c.Now, c.Rate = func() time.Time { return clock }, 2 }, "1001", "1002", "1003")
	s := newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002") // two registrations
	out, in := s.up(a, b, "1002")
	s.await(s.place(a, "1999"), 404) // the second call
	if res := s.await(s.place(a, "1002"), 503); res.Header("Retry-After") != "5" {
		t.Error(res)
	}
	res, err := w.stranger("udp", "1003").Register(s.ctx, time.Hour)
	if s.ok(err); res.Code != 503 || res.Header("Retry-After") != "5" {
		t.Error(res)
	}
	if res, err = a.Register(s.ctx, time.Hour); err != nil || res.Code != 200 {
		t.Errorf("a refresh: %v %v", res, err)
	}
	s.do(in, "INVITE", 200)
	s.ok(in.Ack())
	s.do(out, "BYE", 200)
}

// TestCluster_ALongDescriptionPasses: a browser offers kilobytes.
func TestCluster_ALongDescriptionPasses(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("tcp", "1001"), n2.ua("tcp", "1002")
	long := "X-Long: " + strings.Repeat("a=candidate ", 800)
	out := s.place(a, "1002", long)
	in := s.take(b)
	if got := "X-Long: " + in.Invite.Header("X-Long"); got != strings.TrimSpace(long) {
		t.Errorf("%d characters arrived", len(got))
	}
	s.ok(in.Answer(long))
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
}
