package sip

import (
	"net"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// phonesHeard takes what the proxy tells of phones.
type phonesHeard struct{ silent, heard chan dn.Number }

func (p *phonesHeard) Silent(n dn.Number, _, _ string, _ uint32) { p.silent <- n }

func (p *phonesHeard) Heard(n dn.Number, _, _ string) { p.heard <- n }

// unreachableWorld is a node with the phones 1001 to 1003, from which word comes.
func unreachableWorld(t *testing.T, addr string) (*world, *phonesHeard) {
	t.Helper()
	p := &phonesHeard{silent: make(chan dn.Number, 8), heard: make(chan dn.Number, 8)}
	w := callWorld(t, func(c *Config) {
		if c.phones = p; addr != "" {
			c.UDP, c.TCP = addr, ""
		}
	}, "1001", "1002", "1003")
	return w, p
}

// leaves closes a phone over UDP; nobody else gets its port, at which nothing is taken but
// from somebody else.
func leaves(t *testing.T, u *siptest.UA) {
	t.Helper()
	local, err := net.ResolveUDPAddr("udp", u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	u.Close()
	c, err := net.DialUDP("udp", local, &net.UDPAddr{IP: local.IP, Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
}

// A phone over UDP at whose port nobody listens any more, as ICMP says: its caller
// is not kept, at a node that is bound to an address and one that is not.
func TestUnreachable_APhoneWhosePortIsClosed(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			w, p := unreachableWorld(t, addr)
			s := newScript(t)
			a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
			leaves(t, b)
			out := s.place(a, "1002")
			s.await(out, 480)
			if n := patience.Receive(t, "the phone is not there", p.silent); n != "1002" {
				t.Errorf("%s is silent", n)
			}
			if o := patience.Receive(t, "the outcome of the call", w.outcomes); o.Code != 480 || !o.Retry || !o.NoWord {
				t.Errorf("%+v", o)
			}
		})
	}
}

// Of two phones of a DN one is not there: the other one rings on, and what it says
// decides. Calls to others go on meanwhile.
func TestUnreachable_AForkGoesOnWithTheOther(t *testing.T) {
	w, p := unreachableWorld(t, "")
	s := newScript(t)
	a, gone, b, c := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("udp", "1002"), w.ua("udp", "1003")
	leaves(t, gone)
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(in.Ring())
	s.await(out, 180)
	if n := patience.Receive(t, "a phone is not there", p.silent); n != "1002" {
		t.Errorf("%s is silent", n)
	}
	other := s.place(a, "1003")
	s.ok(s.take(c).Answer())
	s.await(other, 200)
	s.ok(in.Refuse(486, "Busy Here"))
	s.await(out, 486)
	got := map[dn.Number]bool{}
	for range 2 {
		got[patience.Receive(t, "a phone is heard", p.heard)] = true
	}
	if !got["1002"] || !got["1003"] {
		t.Errorf("heard %v", got)
	}
}

// The phone's node hears that nobody is there, and the node of the call from it;
// or the node itself is not there.
func TestUnreachable_AtAnotherNode(t *testing.T) {
	for name, gone := range map[string]func(n1, n2 *world){
		"the phone": func(*world, *world) {},
		"the node":  func(_, n2 *world) { n2.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			n1, n2 := twoNodes(t)
			s := newScript(t)
			a, b := n1.ua("udp", "1001"), n2.ua("udp", "1002")
			leaves(t, b)
			gone(n1, n2)
			s.await(s.place(a, "1002"), 480)
			if o := patience.Receive(t, "the outcome of the call", n1.outcomes); o.Code != 480 || o.NoWord != (name == "the phone") {
				t.Errorf("%+v", o)
			}
		})
	}
}
