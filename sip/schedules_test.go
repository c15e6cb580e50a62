package sip

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// onStage gives a test a stage with a tape that runs.
func onStage(t *testing.T, f func(s *stage, w *world)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "udp", "udp", nil)
		s.record()
		f(s, s.nodes[0])
	})
}

// when is the time of the tape at which something has come true.
func (s *stage) when(what string, true func() bool) time.Duration {
	s.t.Helper()
	for !true() {
		if time.Since(s.begin) > 25*time.Hour {
			s.t.Fatalf("not within a day: %s", what)
		}
		<-time.After(50 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(s.begin)
}

// inTime checks a time that a schedule leaves some room.
func inTime(t *testing.T, what string, at, from, to time.Duration) {
	t.Helper()
	if at < from || at > to {
		t.Errorf("%s after %v, want %v to %v", what, at, from, to)
	}
}

func (w *world) gone(n dn.Number) func() bool {
	return func() bool { return w.state(n).State != dn.InSrv }
}

// slack is what the store's seconds and the registrar's tick may add to a lifetime.
const slack = 1250 * time.Millisecond

func TestSchedule_ABindingEndsWithItsLifetime(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		s.register(s.party("e", "1001", "udp", w), 60)
		inTime(t, "1001 is out of service", s.when("1001 expires", w.gone("1001")), 60*time.Second, 60*time.Second+slack)
		if st := w.state("1001"); st.Reason != dn.Expired {
			t.Errorf("%+v", st)
		}
	})
}

func TestSchedule_ARefreshBeginsTheLifetimeAnew(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		e := s.party("e", "1001", "udp", w)
		s.register(e, 60)
		s.until(50 * time.Second)
		s.register(e, 60)
		inTime(t, "1001 is out of service", s.when("1001 expires", w.gone("1001")), 110*time.Second, 110*time.Second+slack)
	})
}

// TestSchedule_TheSecondsLeftAreRoundedUp: a phone that comes again when they are
// over is not too early for them.
func TestSchedule_TheSecondsLeftAreRoundedUp(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		e := s.party("e", "1001", "udp", w)
		s.register(e, 60)
		for _, x := range []struct {
			at   time.Duration
			left string // "" when it is over
		}{{0, "60"}, {time.Millisecond, "60"}, {999 * time.Millisecond, "60"}, {time.Second, "59"}, {58500 * time.Millisecond, "2"}, {59500 * time.Millisecond, "1"}, {61500 * time.Millisecond, ""}} {
			s.until(x.at)
			s.registers(e)
			_, left, _ := strings.Cut(header(s.heard(e, "answer REGISTER"), "Contact"), ";expires=")
			if left != x.left {
				t.Errorf("after %v it has %q s left, want %q", x.at, left, x.left)
			}
		}
	})
}

func TestSchedule_OneOfTwoBindingsEndsAlone(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		s.register(s.party("e", "1002", "udp", w), 60)
		s.until(60*time.Second + slack)
		if n := len(w.store.Get("1002").Bindings); n != 1 || w.gone("1002")() {
			t.Errorf("%d bindings, %+v", n, w.state("1002"))
		}
	})
}

// pinging sets the interval and the number of misses.
func pinging(w *world, seconds, misses uint32) {
	w.options(&configpb.Options{Realm: testRealm, PingIntervalS: proto.Uint32(seconds), PingMisses: misses})
}

// TestSchedule_Pings has a phone that answers for a while: one OPTIONS an
// interval, and with as many unanswered as may be it is out of service.
func TestSchedule_Pings(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		pinging(w, 10, 3)
		b := s.parties["b"]
		for i := range 5 {
			s.when("a ping", func() bool { return len(s.times("n1>b OPTIONS")) > i })
			b.respond(200, "OPTIONS")
			synctest.Wait()
		}
		gone := s.when("1002 is out of service", w.gone("1002"))
		pings := s.times("n1>b OPTIONS")
		for i := 1; i < len(pings); i++ {
			if d := pings[i] - pings[i-1]; d != 10*time.Second {
				t.Errorf("a ping %v behind another", d)
			}
		}
		if len(pings) != 8 || gone-pings[7] != 10*time.Second {
			t.Errorf("%d pings, the last %v before the end", len(pings), gone-pings[len(pings)-1])
		}
	})
}

func TestSchedule_AnAnswerForgivesWhatWasMissed(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		pinging(w, 10, 3)
		for i := range 12 {
			s.when("a ping", func() bool { return len(s.times("n1>b OPTIONS")) > i })
			if i%3 == 2 {
				s.parties["b"].respond(480, "OPTIONS")
			}
		}
		if w.gone("1002")() {
			t.Errorf("%+v", w.state("1002"))
		}
	})
}

func TestSchedule_PingsBeginAndEndWithTheirOption(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		s.until(time.Minute)
		if n := len(s.times("n1>b OPTIONS")); n > 0 {
			t.Errorf("%d pings without the option", n)
		}
		pinging(w, 10, 100)
		inTime(t, "the first ping", s.when("a ping", func() bool { return len(s.times("n1>b OPTIONS")) > 0 }), time.Minute, 71*time.Second)
		pinging(w, 0, 100)
		s.until(3 * time.Minute)
		if n := len(s.times("n1>b OPTIONS")); n > 2 {
			t.Errorf("%d pings", n)
		}
		p := w.server.pings
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.probes)+len(p.open) > 0 {
			t.Errorf("%d probes and %d pings are kept", len(p.probes), len(p.open))
		}
	})
}

// times are when the tape has a message.
func (s *stage) times(what string) (at []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.tape {
		if n.way+" "+n.what == what {
			at = append(at, n.at)
		}
	}
	return at
}

// TestSchedule_RingsAgainEachMinute has a call that waits at the node itself, of a caller
// who is asked and knows no OPTIONS.
func TestSchedule_RingsAgainEachMinute(t *testing.T) {
	for _, x := range []struct{ name, script, want string }{
		{"until it is rejected", "0 a new INVITE, 150 a ACK, 300", `
			n1>a 180 0 60 120
			n1>a OPTIONS 1 1.5 2.5 4.5 8.5 12.5 16.5 20.5 24.5 28.5 32.5
			n1>a 480 150`},
		{"until the caller gives up, which its context hears at once", "0 a new INVITE, 130 a CANCEL, 130 a ACK, 300", `
			n1>a 180 0 60 120
			n1>a OPTIONS 1 1.5 2.5 4.5 8.5 12.5 16.5 20.5 24.5 28.5 32.5
			n1>a 200/CANCEL 130
			n1>a 487 130`},
	} {
		t.Run(x.name, func(t *testing.T) {
			onStage(t, func(s *stage, w *world) {
				w.plan(func(ctx context.Context, c *proxy.Call) {
					c.Ring()
					c.Ring()
					select {
					case <-ctx.Done():
					case <-time.After(150 * time.Second):
						c.Reject(480, "Temporarily Unavailable")
					}
				})
				s.play(x.script)
				s.want(x.want)
				s.rest()
			})
		})
	}
}

// TestSchedule_Connections: what a connection may do how long before the server
// closes it.
func TestSchedule_Connections(t *testing.T) {
	options := strings.ReplaceAll(reg{dn: "1001", callID: "o", cseq: 1, transport: "TCP"}.String(), "REGISTER", "OPTIONS")
	for _, x := range []struct {
		name string
		says map[time.Duration]string
		ends time.Duration
	}{
		{"silent", nil, 30 * time.Second},
		{"silent after a message", map[time.Duration]string{20 * time.Second: options}, 140 * time.Second},
		{"silent after a keep-alive", map[time.Duration]string{20 * time.Second: "\r\n\r\n"}, 140 * time.Second},
		{"a message that does not end", map[time.Duration]string{time.Second: options[:20], 9 * time.Second: options[20:40]}, 11 * time.Second},
		{"a message in time, and one that does not end", map[time.Duration]string{time.Second: options[:20], 9 * time.Second: options[20:] + options[:20]}, 19 * time.Second},
	} {
		t.Run(x.name, func(t *testing.T) {
			onStage(t, func(s *stage, w *world) {
				c, err := s.net.Dial("198.51.100.99:5060", w.server.TCPAddr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for at, text := range x.says {
					time.AfterFunc(at, func() { _, _ = io.WriteString(c, text) })
				}
				_, _ = io.Copy(io.Discard, c) // until it is closed
				if d := time.Since(s.begin); d != x.ends {
					t.Errorf("closed after %v, want %v", d, x.ends)
				}
			})
		})
	}
}

// TestSchedule_WhoIsKnownMayBeSilent: over a connection over which somebody
// registered or called.
func TestSchedule_WhoIsKnownMayBeSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "tcp", "tcp", nil)
		s.record()
		s.play("0 a new INVITE, 0 b 486, 0 a ACK, 1800")
		if n := s.nodes[0].server.Stats().Connections; n != 2 {
			t.Errorf("%d of 2 connections are open", n)
		}
		inTime(t, "1002 is out of service", s.when("its lifetime", s.nodes[0].gone("1002")), time.Hour-time.Second, time.Hour+slack)
	})
}

// TestSchedule_WebSockets are pinged each 25 s, and have 5 s for their handshake.
func TestSchedule_WebSockets(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		s := newStage(t, 1, "udp", "udp", func(c *Config) { c.WS = "192.0.2.1:5066" })
		silent := dialWS(t, s)
		began := time.Now()
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 5*time.Second {
			t.Errorf("a silent one is closed after %v: %v", time.Since(began), err)
		}
		c := dialWS(t, s)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		buf := make([]byte, 4096)
		if n, err := c.Read(buf); err != nil || !strings.Contains(string(buf[:n]), " 101 ") {
			t.Fatal(string(buf[:n]), err)
		}
		var last time.Time
		for range 4 {
			n, err := c.Read(buf)
			if err != nil || buf[0] != 0x80|wire.WSPing {
				t.Fatalf("%x %v", buf[:n], err)
			}
			if d := time.Since(last); !last.IsZero() && d != 25*time.Second {
				t.Errorf("a ping %v behind another", d)
			}
			last = time.Now()
		}
	})
}

func dialWS(t *testing.T, s *stage) net.Conn {
	t.Helper()
	c, err := s.net.Dial("198.51.100.98:0", "192.0.2.1:5066")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestSchedule_TheBucketFillsAtItsRate and holds a second's worth.
func TestSchedule_TheBucketFillsAtItsRate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		b, source := guard.NewRate(4, time.Now), netip.MustParseAddr("192.0.2.1")
		take := func() (n int) {
			for b.Take(source) { // one of each
				source, n = source.Next(), n+1
			}
			return n
		}
		for _, x := range []struct {
			after time.Duration
			want  int
		}{{0, 4}, {0, 0}, {249 * time.Millisecond, 0}, {time.Millisecond, 1}, {500 * time.Millisecond, 2}, {time.Hour, 4}, {750 * time.Millisecond, 3}} {
			<-time.After(x.after)
			if got := take(); got != x.want {
				t.Errorf("%v later it gives %d, want %d", x.after, got, x.want)
			}
		}
	})
}
