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
)

// flood sends what text makes from a source, as fast as it can, until the test ends or stop
// is called. It reads no answers. sent counts.
func (w *world) flood(source string, text func(i int) string) (sent *atomic.Int64, stop func()) {
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
		for i := 0; ctx.Err() == nil; i++ {
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
	texts := w.floods()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sent, stop := w.flood("127.0.0.2", texts[name])
		began := time.Now()
		took, again := w.refreshes("127.0.0.3", 100)
		stop()
		runtime.ReadMemStats(&after)
		t.Logf("%s: %d/s; registrations take %v at the median, %v at most, %d of %d sent again; %+.1f MiB", name, int(float64(sent.Load())/time.Since(began).Seconds()),
			took[len(took)/2], took[len(took)-1], again, 2*len(took), float64(int64(after.Sys)-int64(before.Sys))/(1<<20))
	}
}

// refreshes registers 1002 from a source many times, and tells how long each took, in
// order, and how many requests had to be sent again.
func (w *world) refreshes(source string, many int) (took []time.Duration, again int) {
	w.t.Helper()
	g := w.guesserAt("udp", source)
	ask := func(msg string) *reply {
		for wait := 100 * time.Millisecond; wait < 10*time.Second; wait *= 2 {
			g.send(msg)
			for r := g.receive(wait); r != nil; r = g.receive(wait) {
				if r.get("CSeq") == fmt.Sprint(g.n, " REGISTER") { // and not one of before
					return r
				}
			}
			again++
		}
		w.t.Fatal("no answer")
		return nil
	}
	for range many {
		began := time.Now()
		res := ask(g.request("REGISTER", "1002", ""))
		res = ask(g.request("REGISTER", "1002", authorize(res.get("WWW-Authenticate"), "1002", "pw1002", 1)))
		if res.code != 200 {
			w.t.Fatalf("%d %s", res.code, res.reason)
		}
		took = append(took, time.Since(began))
	}
	slices.SortFunc(took, cmp.Compare)
	return took, again
}
