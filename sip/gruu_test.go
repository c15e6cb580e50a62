package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// instanceParam is what a phone says of itself in its Contact.
const instanceParam = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000%d>"`

// phoneOf is a phone of the world with an instance, that registers and wants a GRUU.
func (w *world) phoneOf(network, number string, instance int) (u *siptest.UA, gruu string) {
	w.t.Helper()
	u, err := siptest.NewUA(siptest.Config{
		DN: number, Password: "pw" + number, Domain: testRealm, Server: w.server.Addr(transportOf[network]).String(), Transport: network,
		User: fmt.Sprintf("%s-own%d", number, instance), Params: fmt.Sprintf(instanceParam, instance),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	return u, w.getsGRUU(u, fmt.Sprintf(instanceParam, instance))
}

// getsGRUU registers a phone that wants a GRUU, and returns it.
func (w *world) getsGRUU(u *siptest.UA, params string) string {
	w.t.Helper()
	ctx, cancel := siptest.Within(patience.Limit)
	defer cancel()
	res, err := u.Phone.Do(ctx, siptest.Request{Method: "REGISTER", Headers: []string{"Contact: <" + u.Phone.Contact() + ">" + params, "Expires: 600", "Supported: path, gruu"}})
	if err != nil || res.Code != 200 {
		w.t.Fatal(res, err)
	}
	for _, c := range res.Headers("Contact") {
		if _, after, ok := strings.Cut(c, `;pub-gruu="`); ok && strings.Contains(c, "<"+u.Phone.Contact()+">") {
			uri, _, _ := strings.Cut(after, `"`)
			return uri
		}
	}
	return ""
}

// TestGRUU_LeadsToOnePhone: of two phones of a DN, from both nodes, by UDP and TCP, also
// when the phone gives it as its Contact and has another address since.
func TestGRUU_LeadsToOnePhone(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			one, gruu := n2.phoneOf(network, "1002", 1)
			other, gruu2 := n2.phoneOf("udp", "1002", 2)
			if want := "sip:1002@" + testRealm + ";gr=urn:uuid:00000000-0000-1000-8000-000000000001"; gruu != want || gruu2 == gruu {
				t.Fatalf("%q and %q, want %q", gruu, gruu2, want)
			}
			for _, w := range []*world{n1, n2} {
				a := w.ua("udp", "1001")
				out, err := a.Place(s.ctx, gruu)
				s.ok(err)
				one.GiveAs(gruu)
				in := s.take(one)
				if !strings.HasPrefix(in.Invite.URI, one.Phone.Contact()) {
					t.Errorf("the phone is called %s", in.Invite.URI)
				}
				s.ok(in.Answer())
				s.await(out, 200)
				s.ok(out.Ack())
				if m := s.expect(in, "ACK"); m.URI != one.Phone.Contact() {
					t.Errorf("ACK %s", m.URI)
				}
				s.do(out, "INFO", 200)
				if m := s.expect(in, "INFO"); m.URI != one.Phone.Contact() {
					t.Errorf("INFO %s", m.URI)
				}
				s.do(out, "BYE", 200)
				s.expect(in, "BYE")
			}
			if n := other.Asked(); n != 0 {
				t.Errorf("the other phone was asked %d times", n)
			}
			gone := strings.Replace(gruu, "000001", "000009", 1)
			out, err := n1.ua("udp", "1001").Place(s.ctx, gone)
			s.ok(err)
			s.await(out, 480)
		})
	}
}

// TestMoved_WithinACall: a phone that registers anew from elsewhere within its call is
// found by the next request: with another port, over another connection, at another node.
func TestMoved_WithinACall(t *testing.T) {
	for name, c := range map[string]struct {
		network string
		gruu    bool
		away    bool // to the other node
	}{
		"another port":                         {network: "udp"},
		"another connection":                   {network: "tcp"},
		"another connection at another node":   {network: "tcp", away: true},
		"another port, with a GRUU":            {network: "udp", gruu: true},
		"another node, with a GRUU":            {network: "udp", gruu: true, away: true},
		"another connection, GRUU, other node": {network: "tcp", gruu: true, away: true},
	} {
		t.Run(name, func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			a := n1.ua("udp", "1001")
			b, gruu := n2.phoneOf(c.network, "1002", 1)
			if c.gruu {
				b.GiveAs(gruu)
			}
			out, _ := s.up(a, b, "1002")
			if c.network == "udp" { // it takes the old one back, as far as it can
				res, err := b.Unregister(s.ctx)
				if err != nil || res.Code != 200 {
					t.Fatal(res, err)
				}
			}
			to := n2
			if c.away {
				to = n1
			}
			gone := wire.FlowKey{Transport: location.TCP, Peer: netip.MustParseAddrPort(b.Addr())}
			b.Close()
			moved, _ := to.phoneOf(c.network, "1002", 1)
			heard := make(chan string, 256) // a request may come again
			moved.OnRequest(func(m *siptest.Message) bool {
				heard <- m.Method
				_ = moved.Respond(m, 200, "OK", "")
				return true
			})
			if c.away {
				n2.claimed("1002", "n1")
			}
			until(t, "the old connection is gone", func() bool {
				return n2.server.flows.Get(gone) == nil && (c.network == "udp" || len(n2.bindings("1002", b)) == 0)
			})
			s.do(out, "INFO", 200)
			if m := patience.Receive(t, "the INFO at the phone", heard); m != "INFO" {
				t.Error(m)
			}
			s.do(out, "BYE", 200)
		})
	}
}

// claimed has a world hear that another node has a DN.
func (w *world) claimed(n dn.Number, by dn.Node) {
	w.t.Helper()
	c, err := w.table.Sync(by, 1, false)
	if err == nil {
		_, err = c.Apply([]dn.Record{{Number: n, ClaimTime: time.Now().Add(time.Minute).UnixNano(), Seq: 1, State: dn.InSrv, Reason: dn.Registered, Since: 1}}, 0)
	}
	if err == nil {
		err = c.Synced(1)
	}
	if err != nil || !w.table.SetHeard(by, true) {
		w.t.Fatalf("%s is not heard: %v", by, err)
	}
	w.t.Cleanup(c.Close)
}

// bindings are those of a phone here.
func (w *world) bindings(n dn.Number, u *siptest.UA) (list []string) {
	e := w.store.Get(n)
	if e == nil {
		return nil
	}
	for i := range e.Bindings {
		if e.Bindings[i].Contact == u.Phone.Contact() {
			list = append(list, e.Bindings[i].Contact)
		}
	}
	return list
}

// TestContact_OfAnyNodeIsCalled by what the phone gives as its Contact, which is its own
// choice.
func TestContact_OfAnyNodeIsCalled(t *testing.T) {
	l := newLines()
	var both atomic.Pointer[[2]*world]
	find := func(_ context.Context, contact string) (found dn.Number) {
		for _, w := range both.Load() {
			if n := w.server.FindContact(contact); n != "" {
				found = n
			}
		}
		return found
	}
	n1, n2 := twoNodesBy(t, l, func(c *Config) { c.FindElsewhere = find })
	both.Store(&[2]*world{n1, n2})
	s := newScript(t)
	a, far := n1.ua("udp", "1001"), n2.ua("udp", "1001")
	b, _ := n2.phoneOf("tcp", "1002", 1)
	n1.remote.Store("1002", dn.Node("n2"))
	n2.remote.Delete("1001")
	for _, from := range []*siptest.UA{a, far} {
		for _, uri := range []string{b.Phone.Contact(), strings.Replace(b.Phone.Contact(), "1002-own1", "call-7f1", 1)} {
			out, err := from.Place(s.ctx, uri, "Replaces: x@h;to-tag=a;from-tag=b")
			s.ok(err)
			in := s.take(b)
			if in.Invite.Header("Replaces") == "" {
				t.Error("Replaces is gone")
			}
			s.ok(in.Refuse(486, "Busy Here"))
			s.await(out, 486)
		}
	}
	for uri, code := range map[string]int{"sip:nobody@127.0.0.1:9": 404, "sip:x@gone.invalid": 404, "sip:x@elsewhere.example": 404} {
		out, err := a.Place(s.ctx, uri)
		s.ok(err)
		s.await(out, code)
	}
}
