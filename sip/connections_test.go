package sip

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
)

// registrant is one connection with a Contact of its own.
type registrant struct {
	*line
	w       *world
	network string
	call    string
	cseq    int
}

func (w *world) registrant(network, call string) *registrant {
	w.t.Helper()
	return &registrant{line: w.dial(network), w: w, network: network, call: call}
}

func contactOf(name string) string { return "<sip:" + name + "@x.invalid>" }

// does registers a DN with headers and returns the contacts that there are then.
func (r *registrant) does(number string, headers ...string) string {
	r.t.Helper()
	r.cseq += 2 // one more for a challenge
	res := r.register(reg{dn: number, callID: r.call + number, cseq: r.cseq, headers: headers, transport: strings.ToUpper(r.network)})
	if res.code != 200 {
		return fmt.Sprint(res.code)
	}
	var names []string
	for _, h := range res.headers {
		if h[0] == "Contact" {
			name, _, _ := strings.Cut(strings.TrimPrefix(h[1], "<sip:"), "@")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// bound are the contacts of a DN, and whether the table says that it is in service.
func (w *world) bound(number dn.Number) string {
	var names []string
	if e := w.store.Get(number); e != nil {
		for i := range e.Bindings {
			name, _, _ := strings.Cut(strings.TrimPrefix(e.Bindings[i].Contact, "sip:"), "@")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return fmt.Sprint(strings.Join(names, " "), " ", w.state(number).State)
}

// TestConnections_EachHasItsOwnBindings has several connections of a DN, of
// one transport and of several, each with a Contact.
func TestConnections_EachHasItsOwnBindings(t *testing.T) {
	for _, networks := range [][3]string{{"tcp", "tcp", "tcp"}, {"ws", "ws", "ws"}, {"tls", "wss", "tcp"}, {"udp", "tcp", "ws"}} {
		t.Run(strings.Join(networks[:], " "), func(t *testing.T) {
			w := newWorld(t, allTransports(t))
			w.put(phoneDN("1001"))
			w.put(phoneDN("1002"))
			w.run()
			a, b, c := w.registrant(networks[0], "a"), w.registrant(networks[1], "b"), w.registrant(networks[2], "c")
			is := func(what, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: %q, want %q", what, got, want)
				}
			}
			is("the first", a.does("1001", "Contact: "+contactOf("a")), "a")
			is("the second", b.does("1001", "Contact: "+contactOf("b")), "a b")
			is("the third, with two", c.does("1001", "Contact: "+contactOf("c")+", "+contactOf("d")), "a b c d")
			is("another DN over the second", b.does("1002", "Contact: "+contactOf("b")), "b")
			is("a question", a.does("1001"), "a b c d")

			is("one is taken back", b.does("1001", "Contact: "+contactOf("b"), "Expires: 0"), "a c d")
			is("in the store", w.bound("1001"), "a c d InSrv")
			is("the other DN of that connection", w.bound("1002"), "b InSrv")
			is("one of two of a connection", c.does("1001", "Contact: "+contactOf("d")+";expires=0"), "a c")
			is("what is not there", c.does("1001", "Contact: "+contactOf("d")+";expires=0"), "a c")
			is("one of another connection", a.does("1001", "Contact: "+contactOf("c")+";expires=0"), "a")
			is("and back", c.does("1001", "Contact: "+contactOf("c")), "a c")

			c.conn.Close()
			until(t, "its binding ended with the connection", func() bool { return w.bound("1001") == "a InSrv" })
			b.conn.Close()
			if networks[1] != "udp" {
				until(t, "the other DN's too", func() bool { return w.bound("1002") == " OOS" })
			}
			is("the one that is left", w.bound("1001"), "a InSrv")
			is("the last is taken back", a.does("1001", "Contact: "+contactOf("a"), "Expires: 0"), "")
			is("out of service", w.bound("1001"), " OOS")
			if st := w.state("1001"); st.Reason != dn.Unregistered {
				t.Error(st.Reason)
			}
		})
	}
}

func TestConnections_StarTakesAllBack(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "ws"} {
		t.Run(network, func(t *testing.T) {
			w := newWorld(t, allTransports(t))
			w.put(phoneDN("1001"))
			w.put(phoneDN("1002"))
			w.run()
			a, b := w.registrant(network, "a"), w.registrant("tcp", "b")
			a.does("1001", "Contact: "+contactOf("a"))
			b.does("1001", "Contact: "+contactOf("b"))
			b.does("1002", "Contact: "+contactOf("b"))
			if got := a.does("1001", "Contact: *", "Expires: 60"); got != "400" {
				t.Error(got)
			}
			if got := a.does("1001", "Contact: *"); got != "400" {
				t.Error(got)
			}
			if got := a.does("1001", "Contact: *", "Expires: 0"); got != "" || w.bound("1001") != " OOS" || w.bound("1002") != "b InSrv" {
				t.Errorf("%q, %q, %q", got, w.bound("1001"), w.bound("1002"))
			}
		})
	}
}

// TestConnections_TheOldOneEndsAfterTheMove has a phone register its Contact
// over another connection, before the old one ends: it stays.
func TestConnections_TheOldOneEndsAfterTheMove(t *testing.T) {
	for _, networks := range [][2]string{{"tcp", "tcp"}, {"ws", "ws"}, {"tcp", "ws"}, {"tcp", "udp"}, {"wss", "tls"}} {
		for _, call := range []string{"the same call", "another call"} {
			t.Run(networks[0]+" to "+networks[1]+", "+call, func(t *testing.T) {
				w := newWorld(t, allTransports(t))
				w.put(phoneDN("1001"))
				w.put(phoneDN("1002"))
				w.run()
				a, b := w.registrant(networks[0], "a"), w.registrant(networks[1], "a")
				if b.cseq = 10; call != "the same call" {
					b.call, b.cseq = "b", 0
				}
				a.does("1001", "Contact: "+contactOf("p"))
				a.does("1002", "Contact: "+contactOf("p")) // says when the end was noticed
				b.does("1001", "Contact: "+contactOf("p"))
				a.conn.Close()
				until(t, "the end of the old connection is noticed", func() bool { return w.bound("1002") == " OOS" })
				if got := w.bound("1001"); got != "p InSrv" {
					t.Errorf("%q", got)
				}
				e := w.store.Get("1001")
				if tr := e.Bindings[0].Transport; tr != transportOf[networks[1]] {
					t.Errorf("over %v", tr)
				}
				if networks[1] != "udp" {
					b.conn.Close()
					until(t, "the new one ends it", func() bool { return w.bound("1001") == " OOS" })
				}
			})
		}
	}
}
