package sip

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/sip/siptest"
)

// flood sends what text makes from a source, as fast as it can or at most so many a
// millisecond, until the test ends or stop is called. It reads no answers. sent counts.
func (w *world) flood(source string, most int, text func(i int) string) (sent *atomic.Int64, stop func()) {
	w.t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(source)}}).Dial("udp", w.server.UDPAddr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	msgs := make([][]byte, 4096)
	for i := range msgs {
		msgs[i] = []byte(text(i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	sent = &atomic.Int64{}
	all.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			if most > 0 && i%most == 0 {
				<-tick.C
			}
			if _, err := c.Write(msgs[i%len(msgs)]); err == nil {
				sent.Add(1)
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); all.Wait(); c.Close() })
	w.t.Cleanup(stop)
	return sent, stop
}

// floods are what somebody without a password may send.
func (w *world) floods() map[string]func(i int) string {
	g := w.guesserAt("udp", "127.0.0.2")
	register, invite := g.challenge("REGISTER", "1001"), g.challenge("INVITE", "1001")
	return map[string]func(int) string{
		"REGISTER": func(int) string { return g.request("REGISTER", "1001", "") },
		"REGISTER, wrong passwords": func(i int) string {
			return g.request("REGISTER", "1001", authorize(register, "1001", rand.Text(), i+1))
		},
		"REGISTER of all DNs": func(i int) string {
			n := fmt.Sprint(1000 + i)
			return g.request("REGISTER", n, authorize(register, n, rand.Text(), i+1))
		},
		"INVITE": func(int) string { return g.request("INVITE", "1001", "") },
		"INVITE, wrong passwords": func(i int) string {
			return g.request("INVITE", "1001", authorizeFor("INVITE", invite, "1001", rand.Text(), i+1))
		},
		"OPTIONS": func(int) string { return g.request("OPTIONS", "1001", "") },
		"responses": func(int) string {
			return "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nCall-ID: x\r\n\r\n"
		},
		"nothing of SIP": func(int) string { return strings.Repeat("x", 400) },
	}
}

// TestFlood_AnotherSourceIsServed: while one source floods the UDP port, a phone of another
// one registers.
func TestFlood_AnotherSourceIsServed(t *testing.T) {
	w := callWorld(t, nil, "1001", "1002")
	texts, phone, many := w.floods(), w.guesserAt("udp", "127.0.0.3"), 100
	if testing.Short() {
		many = 25
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sent, stop := w.flood("127.0.0.2", 0, texts[name])
		began := time.Now()
		took, again := phone.refreshes("1002", many)
		stop()
		runtime.ReadMemStats(&after)
		t.Logf("%s: %d/s; registrations take %v at the median, %v at most, %d of %d sent again; %d shed, %+.1f MiB", name, int(float64(sent.Load())/time.Since(began).Seconds()),
			took[len(took)/2], took[len(took)-1], again, 2*len(took), w.server.Stats().Shed, float64(int64(after.Sys)-int64(before.Sys))/(1<<20))
		if again > len(took)/2 {
			t.Errorf("%s: of %d requests %d had to be sent again", name, 2*len(took), again)
		}
		if after.Sys > before.Sys+64<<20 {
			t.Errorf("%s: it takes %d MiB", name, (after.Sys-before.Sys)>>20)
		}
	}
}

// TestFlood_AnotherSourceCalls while 5,000 wrong passwords a second come.
func TestFlood_AnotherSourceCalls(t *testing.T) {
	w := callWorld(t, func(c *Config) { c.Rate = 20 }, "1001", "1002")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a core less is there for it
	defer cancel()
	s := &script{t, ctx}
	ua := func(number string) *siptest.UA {
		u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: w.server.UDPAddr().String(), Local: "127.0.0.3", Repeats: true})
		s.ok(err)
		t.Cleanup(u.Close)
		res, err := u.Register(s.ctx, time.Hour)
		if s.ok(err); res.Code != 200 {
			t.Fatal(res)
		}
		return u
	}
	_, stop := w.flood("127.0.0.2", 5, w.floods()["INVITE, wrong passwords"])
	a, b := ua("1001"), ua("1002")
	var answering sync.WaitGroup
	defer answering.Wait()
	defer cancel()
	answering.Go(func() {
		for in, err := b.Take(ctx); err == nil; in, err = b.Take(ctx) {
			_ = in.Answer() // of a 180 nobody hears that it got lost
		}
	})
	for range 10 {
		out := s.place(a, "1002")
		res, err := out.Next(ctx)
		for err == nil && res.Code == 503 { // the machine is late for what comes by UDP, and new calls give way
			if out, err = a.Place(ctx, uriTo("1002")); err == nil {
				res, err = out.Next(ctx)
			}
		}
		if late := w.server.Stats().Late; err != nil && late > 0 {
			t.Skipf("SKIPPED: the machine is late for all that comes: %d calls gave way", late)
		}
		if s.ok(err); res.Code != 200 {
			t.Fatalf("%d %s", res.Code, res.Reason)
		}
		s.ok(out.Ack())
		s.do(out, "BYE", 200)
	}
	stop()
	if st := w.server.Stats(); st.Overload != 0 {
		t.Errorf("%d requests were refused for being too much", st.Overload)
	}
}

// refreshes registers a DN many times, and tells how long each took, in order, and how
// many requests had to be sent again, which is done as phones do (RFC 3261 §17.1.2.2).
func (g *guesser) refreshes(number string, many int) (took []time.Duration, again int) {
	g.t.Helper()
	ask := func(msg string) *reply {
		const t1, t2 = 500 * time.Millisecond, 4 * time.Second
		began := time.Now()
		for wait := t1; time.Since(began) < 64*t1; wait = min(2*wait, t2) {
			g.send(msg)
			for r := g.receive(wait); r != nil; r = g.receive(wait) {
				if r.get("CSeq") == fmt.Sprint(g.n, " REGISTER") { // and not one of before
					return r
				}
			}
			again++
		}
		g.t.Fatal("no answer")
		return nil
	}
	for range many {
		began := time.Now()
		res := ask(g.request("REGISTER", number, ""))
		res = ask(g.request("REGISTER", number, authorize(res.get("WWW-Authenticate"), number, "pw"+number, 1)))
		if res.code != 200 {
			g.t.Fatalf("%d %s", res.code, res.reason)
		}
		took = append(took, time.Since(began))
	}
	slices.SortFunc(took, cmp.Compare)
	return took, again
}
