package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/sip/location"
)

// asking is a stage on which the node asks its phones, and the tape notes what
// it says of their DNs.
func asking(t *testing.T, via string, seconds, misses uint32, f func(s *stage, w *world)) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "udp", via, func(c *Config) { c.phones = nil })
		w := s.nodes[0]
		pinging(w, seconds, misses)
		s.record()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := w.cfg.Table.Tail()
		go func() {
			for {
				items, err := stream.Next(ctx, nil)
				if err != nil {
					return
				}
				for _, it := range items {
					if it.Kind == feed.Change {
						s.mu.Lock()
						s.note(string(it.Status.Number), fmt.Sprintf("%v %v", it.Status.State, it.Status.Reason))
						s.mu.Unlock()
					}
				}
			}
		}()
		f(s, w)
	})
}

// asked is the tape without what belongs to calls.
func (s *stage) asked() string {
	lines := strings.Split(s.told(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		return !strings.Contains(l, "OPTIONS") && !strings.HasPrefix(l, "1002 ")
	}), "\n")
}

// TestSilent_Phones: a phone that gives a call no answer is unresponsive at once
// and asked at once; whatever it says puts it back, and only pings that it does
// not answer put it out of service.
func TestSilent_Phones(t *testing.T) {
	for _, x := range []struct {
		name            string
		seconds, misses uint32
		script, want    string
	}{
		{"it answers the first ping, with whatever", 3600, 3, "0 a new INVITE, 2.3 b 501 OPTIONS, 60", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2
			1002 InSrv registered 2.3`},
		{"pings that are lost are repeated, less and less often", 3600, 3, "0 a new INVITE, 100 b 200 OPTIONS, 200", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2 3 5 9 17 33 63 93
			1002 InSrv registered 100`},
		{"it says nothing for as long as pings may miss it", 10, 3, "0 a new INVITE, 60", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2 3 5 9 17 27
			1002 OOS unresponsive 37`},
		{"with pings off it is asked, and never out of service", 0, 3, "0 a new INVITE, 300", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2 3 5 9 17 33 63 93 123 153 183 213 243 273`},
		{"it answers the call after all", 3600, 3, "0 a new INVITE, 2.3 b 180, 60", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2
			1002 InSrv registered 2.3`},
		{"a lost datagram is repeated", 3600, 3, "0 net loses n1>b, 0 a new INVITE, 0.2 net finds n1>b, 0.6 b 180, 60", ``},
		{"two calls at once ask it once", 3600, 3, "0 a new INVITE, 0 a new INVITE, 2.3 b 200 OPTIONS, 20", `
			1002 InSrv unresponsive 2
			n1>b OPTIONS 2
			1002 InSrv registered 2.3`},
	} {
		t.Run(x.name, func(t *testing.T) {
			asking(t, "udp", x.seconds, x.misses, func(s *stage, w *world) {
				s.play(x.script)
				var want []string
				for l := range strings.Lines(x.want) {
					if l = strings.TrimSpace(l); l != "" {
						want = append(want, l)
					}
				}
				if got := s.asked(); got != strings.Join(want, "\n") {
					t.Errorf("they said\n%s\nwant\n%s", got, strings.Join(want, "\n"))
				}
			})
		})
	}
}

func TestSilent_TheNextRegisterPutsItBack(t *testing.T) {
	for _, via := range []string{"udp", "tcp"} {
		t.Run(via, func(t *testing.T) {
			asking(t, via, 3600, 3, func(s *stage, w *world) {
				s.play("0 a new INVITE, 4")
				if st := w.state("1002"); st.State != dn.InSrv || st.Routable(false) {
					t.Errorf("silent: %+v", st)
				}
				s.register(s.parties["b"], 3600)
				if st := w.state("1002"); !st.Routable(false) {
					t.Errorf("registered again: %+v", st)
				}
				asked := len(s.times("n1>b OPTIONS"))
				s.play("100")
				if n := len(s.times("n1>b OPTIONS")); n != asked || !w.cfg.Table.Heard("n1") {
					t.Errorf("it is asked %d times more", n-asked)
				}
			})
		})
	}
}

// One contact of a DN that answers is enough; it is the others' last word when it
// is taken back.
func TestSilent_OneLivingContactIsEnough(t *testing.T) {
	asking(t, "udp", 3600, 3, func(s *stage, w *world) {
		e := s.phone("e", "1002", "udp", "", w)
		b := w.store.Get("1002").Bindings[0]
		w.server.pings.Silent("1002", b.Contact, b.CallID, b.CSeq)
		if st := w.state("1002"); !st.Routable(false) {
			t.Errorf("with one of two: %+v", st)
		}
		s.register(e, 0)
		if st := w.state("1002"); st.Routable(false) || st.State != dn.InSrv {
			t.Errorf("with the silent one alone: %+v", st)
		}
		s.play("10 b 200 OPTIONS")
		if st := w.state("1002"); !st.Routable(false) {
			t.Errorf("it answered: %+v", st)
		}
	})
}

// What was silent before a restart is silent after it, and is asked at once.
func TestSilent_IsAskedAfterARestart(t *testing.T) {
	for _, seconds := range []uint32{0, 3600} {
		w := newWorld(t, nil)
		pinging(w, seconds, 3)
		w.put(phoneDN("1001"))
		l := w.dial("udp")
		w.run()
		l.register(reg{dn: "1001", callID: "x", cseq: 1, headers: []string{"Contact: <sip:1001@" + l.conn.LocalAddr().String() + ">", "Expires: 600"}})
		b := w.store.Get("1001").Bindings[0]
		w.server.pings.Silent("1001", b.Contact, b.CallID, b.CSeq)
		w.table = dn.New(dn.Config{Self: "n1", Incarnation: 2})
		w.cfg.Table = w.table
		w.restart()
		if st := w.state("1001"); st.State != dn.InSrv || st.Routable(false) {
			t.Errorf("after the restart: %+v", st)
		}
		branch := ""
		until(t, "a ping", func() bool { branch = w.pinged(); return branch != "" })
		l.until(branch)
	}
}

// TestSilent_ASuccessorWinsAtOnce: two registrations that look like one phone
// before and after a restart, the older of which does not answer.
func TestSilent_ASuccessorWinsAtOnce(t *testing.T) {
	for name, x := range map[string]struct {
		silent int    // which of both
		params string // of the newer
		want   int
	}{
		"the older is silent":            {0, "", 1},
		"the newer is silent":            {1, "", 2},
		"the newer is another device":    {0, `;+sip.instance="<urn:uuid:7>"`, 2},
		"neither, when only one is told": {-1, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			asking(t, "udp", 3600, 3, func(s *stage, w *world) {
				b := w.store.Get("1002").Bindings[0]
				e := location.Entry{Record: w.store.Get("1002").Record, Bindings: []location.Binding{b, b}}
				e.Bindings[1].Contact, e.Bindings[1].CallID, e.Bindings[1].Params = "sip:1002@198.51.100.3:7777", "later", x.params
				e.Bindings[1].Source = netip.AddrPortFrom(b.Source.Addr(), 7777)
				w.store.Put(&e)
				if x.silent >= 0 {
					of := e.Bindings[x.silent]
					w.server.pings.Silent("1002", of.Contact, of.CallID, of.CSeq)
				}
				<-time.After(1500 * time.Millisecond)
				synctest.Wait()
				left := w.store.Get("1002").Bindings
				if len(left) != x.want || left[len(left)-1].CallID != "later" || w.gone("1002")() {
					t.Errorf("%d bindings are left, want %d; %+v", len(left), x.want, w.state("1002"))
				}
			})
		})
	}
}

// TestPings_GoWhereCallsGo: a phone that listens on another port than it sends
// from is asked there.
func TestPings_GoWhereCallsGo(t *testing.T) {
	asking(t, "udp", 10, 3, func(s *stage, w *world) {
		e := *w.store.Get("1002")
		e.Bindings[0].Source = netip.AddrPortFrom(e.Bindings[0].Source.Addr(), 40404)
		w.store.Put(&e)
		for i := range 5 {
			s.when("a ping", func() bool { return len(s.times("n1>b OPTIONS")) > i })
			s.parties["b"].respond(200, "OPTIONS")
			synctest.Wait()
		}
		if st := w.state("1002"); !st.Routable(false) {
			t.Errorf("%+v", st)
		}
	})
}

// TestPings_AConnectionThatIsKeptNeedsNone: a phone over a connection is asked when
// it has not said anything, if only to keep the connection.
func TestPings_AConnectionThatIsKeptNeedsNone(t *testing.T) {
	asking(t, "tcp", 40, 2, func(s *stage, w *world) {
		for at := 5 * time.Second; at < 300*time.Second; at += 25 * time.Second {
			s.until(at)
			s.parties["b"].write("\r\n\r\n")
		}
		if n := len(s.times("n1>b OPTIONS")); n != 0 || w.gone("1002")() {
			t.Errorf("asked %d times, %+v", n, w.state("1002"))
		}
		inTime(t, "silent and gone", s.when("1002 is out of service", w.gone("1002")), 380*time.Second, 430*time.Second)
	})
}
