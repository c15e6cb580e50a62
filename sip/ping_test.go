package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// pinged returns the branch of the ping that the binding of 1001 waits for;
// "" when it waits for none.
func (w *world) pinged() string {
	p := w.server.pings
	p.mu.Lock()
	defer p.mu.Unlock()
	for branch := range p.open {
		return branch
	}
	return ""
}

func pong(branch string) []byte {
	return []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=" + branch +
		"\r\nFrom: <sip:ping@" + testRealm + ">;tag=1\r\nTo: <sip:1001@" + testRealm + ">;tag=2\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
}

// TestPings_OnlyThePhonesOwnAnswerCounts: an answer keeps a binding alive when
// it has the branch of the last ping and comes from where that was sent.
func TestPings_OnlyThePhonesOwnAnswerCounts(t *testing.T) {
	w := newWorld(t, nil)
	b := entryOf("1001", location.UDP, time.Hour).Bindings[0]
	ping := func() { w.server.pings.ping("1001", &b, 1, time.Minute, 5) }
	answer := func(branch string, source netip.AddrPort) {
		var a wire.Arrival
		w.server.gate.check(arriving(&a, pong(branch), source, location.UDP))
		if len(a.Tidy) > 0 || len(a.Reply) > 0 {
			t.Errorf("an answer to a ping went further: %q %q", a.Tidy, a.Reply)
		}
	}
	ping()
	first := w.pinged()
	ping()
	branch := w.pinged()
	for name, from := range map[string]netip.AddrPort{
		"another address": netip.MustParseAddrPort("127.0.0.9:5999"),
	} {
		if answer(branch, from); w.pinged() != branch {
			t.Errorf("an answer from %s counts", name)
		}
	}
	if answer(first, localSource); w.pinged() != branch {
		t.Error("the answer to an earlier ping counts")
	}
	if answer(branch, netip.AddrPortFrom(localSource.Addr(), localSource.Port()+1)); w.pinged() != "" {
		t.Error("the phone's answer does not count when it sends by another port")
	}
}

// TestPings_BranchesTellNothingOfOthers: whoever gets pings cannot tell the
// branch of the next one, nor that of somebody else's.
func TestPings_BranchesTellNothingOfOthers(t *testing.T) {
	w := newWorld(t, nil)
	defer w.server.pings.clean(0, true) // as run does at its end
	b := entryOf("1001", location.UDP, time.Hour).Bindings[0]
	const n = 50
	at := map[string]int{} // how often a character stands at a place behind the magic
	for range n {
		w.server.pings.ping("1001", &b, 1, time.Minute, 1000)
		secret, ok := strings.CutPrefix(w.pinged(), branchMagic)
		if !ok || len(secret) < 26 {
			t.Fatalf("%q has fewer than 128 bits", secret)
		}
		for i := range 26 {
			at[string(rune('a'+i))+secret[i:i+1]]++
		}
	}
	for place, times := range at {
		if times > n/2 {
			t.Errorf("%d of %d branches have %q in the same place", times, n, place[1:])
		}
	}
}

// TestPings_AreWholeRequests: to the contact, by the phone's Path, and the same
// way over a connection.
func TestPings_AreWholeRequests(t *testing.T) {
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				s := newStage(t, 1, "udp", via, nil)
				s.record()
				w, b := s.nodes[0], s.parties["b"]
				e := *w.store.Get("1002")
				e.Bindings[0].Path = []string{"<sip:near.test;lr>", "<sip:far.test;lr>"}
				w.store.Put(&e)
				pinging(w, 10, 3)
				s.when("a ping", func() bool { return s.heard(b, "OPTIONS") != "" })
				got := s.heard(b, "OPTIONS")
				branch := header(got, "Call-ID")
				want := "OPTIONS " + b.contact() + " SIP/2.0\r\nVia: SIP/2.0/" + b.via + " 192.0.2.1:5060;rport;branch=" + branch +
					"\r\nRoute: <sip:near.test;lr>\r\nRoute: <sip:far.test;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:ping@" + testRealm + ">;tag=" + strings.TrimPrefix(branch, branchMagic) +
					"\r\nTo: <sip:1002@" + testRealm + ">\r\nCall-ID: " + branch + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
				if got != want {
					t.Errorf("it is\n%s, want\n%s", got, want)
				}
			})
		})
	}
}
