package sip

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

func TestCall_TheCallerGivesUpWhileItWaits(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	w.plan(func(ctx context.Context, c *proxy.Call) {
		c.Ring()
		<-ctx.Done()
		c.Reject(480, "Nobody came")
	})
	out := s.place(w.ua("udp", "1001"), "1002")
	s.await(out, 180)
	out.Cancel()
	s.await(out, 487)
}

func TestCall_WhoLeavesItUnansweredAnswers500(t *testing.T) {
	for name, serve := range map[string]func(context.Context, *proxy.Call){
		"returns": func(context.Context, *proxy.Call) {},
		"panics":  func(context.Context, *proxy.Call) { panic("at the call plane") },
	} {
		t.Run(name, func(t *testing.T) {
			w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
			w.plan(serve)
			a := w.ua("udp", "1001")
			s.await(s.place(a, "1002"), 500)
			w.plan(w.toOwner)
			s.up(a, w.ua("udp", "1002"), "1002")
		})
	}
}

func TestCall_OneAfterTheOther(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002", "1003"), newScript(t)
	w.plan(func(ctx context.Context, c *proxy.Call) {
		c.Ring()
		if o := try(ctx, c, invite.Target{Deliver: "1002"}, nil); o.Code != 486 || o.Answered {
			t.Errorf("%+v", o)
		}
		passOn(c, try(ctx, c, invite.Target{Deliver: "1003"}, nil).Outcome)
	})
	a, b, d := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("tcp", "1003")
	out := s.place(a, "1002")
	s.ok(s.take(b).Refuse(486, "Busy Here"))
	in := s.take(d)
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
	s.do(out, "BYE", 200)
}

func TestCall_TellsWhoCalls(t *testing.T) {
	w, s := callWorld(t, nil, "1001"), newScript(t)
	got := make(chan invite.Origin, 2)
	w.plan(func(_ context.Context, c *proxy.Call) {
		got <- c.Origin()
		c.Reject(603, "Decline")
	})
	s.await(s.place(w.ua("udp", "1001"), "1999"), 603)
	if o := patience.Receive(t, "the request at the phone that came back", got); o.Trunk || o.DN != "1001" || o.Number != "1001" {
		t.Errorf("%+v", o)
	}
	gw := w.gateway("9000", "+")
	s.await(s.place(gw, "1001"), 603)
	if o := patience.Receive(t, "the request at the phone that came back", got); !o.Trunk || o.DN != "9000" || o.Number != "+49301234" {
		t.Errorf("%+v", o)
	}
}

func TestFlow_ItsEndEndsWhatRings(t *testing.T) {
	t.Run("the caller's", func(t *testing.T) {
		w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
		a, b := w.ua("tcp", "1001"), w.ua("udp", "1002")
		s.place(a, "1002")
		in := s.take(b)
		s.ok(in.Ring())
		a.Close()
		s.expect(in, "CANCEL")
		s.ok(in.Refuse(487, "Request Terminated"))
	})
	t.Run("the called phone's", func(t *testing.T) {
		w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
		a, b := w.ua("udp", "1001"), w.ua("tcp", "1002")
		out := s.place(a, "1002")
		s.ok(s.take(b).Ring())
		s.await(out, 180)
		b.Close()
		s.await(out, 480)
		if o := patience.Receive(t, "the outcome of the call", w.outcomes); !o.Retry {
			t.Errorf("%+v", o)
		}
	})
}

// TestFlow_ANewConnectionTakesOver: the phone lost its connection during a
// call and registered again over another, with the contact of before.
func TestFlow_ANewConnectionTakesOver(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	contact := "Contact: <sip:1002@x7f.invalid;transport=tcp>"
	register := func() *siptest.UA {
		u := w.stranger("tcp", "1002")
		res, err := u.Do(s.ctx, siptest.Request{Method: "REGISTER", Headers: []string{contact}})
		if s.ok(err); res.Code != 200 {
			t.Fatal(res)
		}
		return u
	}
	a, b := w.ua("udp", "1001"), register()
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(b.Respond(in.Invite, 200, "OK", "t1", contact))
	s.await(out, 200)
	s.ok(out.Ack())
	b.Close()
	again := register()
	got := make(chan string, 1)
	again.OnRequest(func(m *siptest.Message) bool {
		if m.Method == "ACK" { // it came late
			return true
		}
		got <- m.Method
		return again.Respond(m, 200, "OK", "") == nil
	})
	s.do(out, "BYE", 200)
	if m := patience.Receive(t, "the request at the phone that came back", got); m != "BYE" {
		t.Error(m)
	}
}

// TestFlow_OneThatIsGoneIsSaid: so that no call ends, because the phone may be back (RFC 5057
// §5.1), unless somebody asks whether it is there.
func TestFlow_OneThatIsGoneIsSaid(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("tcp", "1002")
	out, _ := s.up(a, b, "1002")
	b.Close()
	until(t, "the connection is gone", func() bool { return w.server.flows.Len() == 0 })
	for _, method := range []string{"INFO", "UPDATE", "INVITE"} {
		if r := s.do(out, method, 500); r.Header("Retry-After") == "" {
			t.Errorf("%s: %+v", method, r)
		}
	}
	s.do(out, "OPTIONS", 480)
}

// TestProxy_SurvivesTheTortureMessages: whatever it says to them, it lives.
func TestProxy_SurvivesTheTortureMessages(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	s.ok(err)
	l := w.dial("udp")
	for _, file := range files {
		data, err := os.ReadFile(file)
		s.ok(err)
		l.send(string(data))
		l.send(strings.ReplaceAll(string(data), "branch=z9hG4bK", "branch=z9hG4bKsc"))
	}
	s.up(w.ua("udp", "1001"), w.ua("tcp", "1002"), "1002")
	if st := w.server.Stats(); st.Panics != 0 {
		t.Errorf("%d panics", st.Panics)
	}
}

var testKeys = []RouteKey{{ID: 1, Secret: []byte("secret")}}

// routeEntry is a Route entry for a phone at localSource that n1 made in an earlier life, for
// the call c of the tag 1.
func routeEntry(number dn.Number) string {
	k := route.Token{Purpose: route.Phone, Node: "n1", Number: number, Addr: localSource, Birth: 1 << 32, Minute: route.MinuteOf(time.Now())}
	return "<sip:" + string(route.NewRing(testKeys).Encode(&k, []byte("c"), []byte("1"))) + "@127.0.0.1;lr>"
}

// FuzzProxy gives the proxy what the gate lets through.
func FuzzProxy(f *testing.F) {
	files, _ := filepath.Glob("testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("BYE sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nRoute: " + routeEntry("1001") + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n"))
	w := newWorld(f, func(c *Config) {
		c.Calls, c.RouteKeys = callerFunc(func(context.Context, *proxy.Call) {}), testKeys
	})
	w.put(phoneDN("1001"))
	f.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.server.proxy.Run(ctx) // which ends all transactions
	})
	var a wire.Arrival
	f.Fuzz(func(t *testing.T, data []byte) {
		if !w.server.gate.check(arriving(&a, bytes.Clone(data), localSource, location.UDP)) {
			return
		}
		w.server.proxy.Take(&a)
		if w.server.stats.Panics.Load() != 0 {
			t.Fatalf("a panic: %q", data)
		}
	})
}

// plan changes what the call plane does.
func (w *world) plan(serve func(context.Context, *proxy.Call)) { w.serve.Store(&serve) }

// TestProxy_AFloodLeavesNothing: who is not known costs an answer, no state.
func TestProxy_AFloodLeavesNothing(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	l := w.dial("udp")
	for range 500 {
		for from, want := range map[string]int{"1001": 407, "stranger": 407} {
			res := l.ask("INVITE " + uriTo("1002") + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: 70\r\nFrom: <sip:" + from +
				"@" + testRealm + ">;tag=1\r\nTo: <" + uriTo("1002") + ">\r\nCall-ID: " + rand.Text() + "\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
			if res.code != want {
				t.Fatalf("%s: %d %s", from, res.code, res.reason)
			}
		}
	}
	held := w.server.Held()
	if n, calls := held["sip_transactions"], held["sip_calls"]; n != 0 || calls != 0 {
		t.Errorf("%d transactions, %d calls", n, calls)
	}
}

// TestProxy_ALost2xxComesAgain: the phone repeats it until the ACK comes.
func TestProxy_ALost2xxComesAgain(t *testing.T) {
	n1, n2 := twoNodes(t)
	s := newScript(t)
	a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(in.Answer())
	s.await(out, 200)
	patience.Receive(t, "the outcome of the call", n1.outcomes)
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
	s.do(out, "BYE", 200)
	s.expect(in, "BYE")
}

// TestProxy_TheLastHopIsNotPassed: nor for a contact without a user part.
func TestProxy_TheLastHopIsNotPassed(t *testing.T) {
	w := callWorld(t, nil, "1001")
	for hops, want := range map[string]int{"0": 483, "000": 483} {
		res := w.dial("udp").ask("INFO sip:127.0.0.1:5999 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK" + rand.Text() + "\r\nMax-Forwards: " + hops +
			"\r\nRoute: " + routeEntry("1001") + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n")
		if res.code != want {
			t.Errorf("%s: %d %s", hops, res.code, res.reason)
		}
	}
}
