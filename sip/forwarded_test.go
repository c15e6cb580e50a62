package sip

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestForwarded_CallsSayFromWhere: at a phone of the node of the call, and of another one.
func TestForwarded_CallsSayFromWhere(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, near, far := n1.ua("udp", "1001"), n1.ua("udp", "1002"), n2.ua("udp", "1002")
	for name, c := range map[string]struct {
		target    invite.Target
		to        *siptest.UA
		diversion string
		history   string
	}{
		"here": {invite.Target{Deliver: "1002", Forwarded: "9000"}, near, "<sip:9000@" + testRealm + ">;reason=unconditional;counter=1",
			"<sip:9000@" + testRealm + ">;index=1, <sip:1002@" + testRealm + ">;index=1.1;mp=1"},
		"at another node": {invite.Target{DN: "1002", Node: dn.Node("n2"), Forwarded: "#9", Vainly: true}, far, "<sip:%239@" + testRealm + ">;reason=no-answer;counter=1",
			"<sip:%239@" + testRealm + "?Reason=SIP%3Bcause%3D408>;index=1, <sip:1002@" + testRealm + ">;index=1.1;mp=1"},
		"nowhere else": {invite.Target{Deliver: "1002"}, near, "", ""},
	} {
		n1.plan(func(ctx context.Context, call *proxy.Call) { passOn(call, try(ctx, call, c.target, nil).Outcome) })
		out := s.place(a, "1002")
		in := s.take(c.to)
		if d, h := in.Invite.Header("Diversion"), in.Invite.Header("History-Info"); d != c.diversion || h != c.history {
			t.Errorf("%s: Diversion %q, History-Info %q", name, d, h)
		}
		s.ok(in.Refuse(486, "Busy Here"))
		s.await(out, 486)
	}
	n1.plan(n1.toOwner)
}

// TestLoops_End: a call that others have forwarded too often, or that is at too many places
// at a time (RFC 5393), goes no further; one that may be at few is at few.
func TestLoops_End(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	s := newScript(t)
	a, b, b2 := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("udp", "1002")
	for _, c := range []struct {
		header string
		code   int
	}{
		{"Diversion: <sip:1@c>;counter=8, <sip:2@c>;counter=2, <sip:3@c>", 482},
		{"Max-Breadth: 0", 440},
		{"Max-Breadth: 0\r\nMax-Breadth: 5", 440},
	} {
		s.await(s.place(a, "1002", c.header), c.code)
	}
	out := s.place(a, "1002", "Max-Breadth: 1")
	for _, want := range []string{"1", "1"} { // one after the other
		in := s.either(b, b2)
		if got := in.Invite.Headers("Max-Breadth"); len(got) != 1 || got[0] != want {
			t.Errorf("Max-Breadth %q", got)
		}
		s.ok(in.Refuse(486, "Busy Here"))
	}
	s.await(out, 486)
	out = s.place(a, "1002", "Max-Breadth: 9")
	for _, u := range []*siptest.UA{b, b2} {
		in := s.take(u)
		if got := in.Invite.Headers("Max-Breadth"); len(got) != 1 || got[0] != "4" {
			t.Errorf("Max-Breadth %q of 9 for two", got)
		}
		s.ok(in.Refuse(486, "Busy Here"))
	}
	s.await(out, 486)
}

// TestMerged_OneCallBegins of those that somebody has forked, and that come together here:
// nobody is called twice. When it is over it may come again.
func TestMerged_OneCallBegins(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	w.gateway("9000", "+")
	b, conn := w.ua("udp", "1001"), w.dial("udp")
	place := func(branch string) {
		conn.send(fmt.Sprintf("INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:+1@%s>;tag=a\r\nTo: <%[1]s>\r\n"+
			"Call-ID: merged\r\nCSeq: 1 INVITE\r\nContact: <sip:+1@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n", uriTo("1001"), branch, "carrier.example"))
	}
	place("one")
	in := s.take(b)
	place("two")
	if res := conn.final(); res == nil || res.code != 482 || !strings.Contains(res.get("Via"), "z9hG4bKtwo") {
		t.Fatalf("%+v", res)
	}
	s.ok(in.Refuse(486, "Busy Here"))
	if res := conn.final(); res == nil || res.code != 486 || !strings.Contains(res.get("Via"), "z9hG4bKone") {
		t.Fatalf("%+v", res)
	}
	place("three")
	s.ok(s.take(b).Refuse(486, "Busy Here"))
}

// either takes the call that comes to one of two phones, and to no other until it is refused.
func (s *script) either(phones ...*siptest.UA) *siptest.Call {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	got := make(chan *siptest.Call, len(phones))
	var all sync.WaitGroup
	for _, u := range phones {
		all.Go(func() {
			if in, err := u.Take(ctx); err == nil {
				got <- in
			}
		})
	}
	defer all.Wait()
	defer cancel()
	select {
	case in := <-got:
		return in
	case <-s.ctx.Done():
		s.t.Fatal("no phone rings")
		return nil
	}
}
