package sip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// silentFrom opens connections from a source that say what begin is; it returns how many
// were let in.
func (w *world) silentFrom(network, source, begin string, many int) (conns []net.Conn) {
	w.t.Helper()
	for range many {
		c, err := w.stream(source, w.server.Addr(transportOf[network]).String())
		if err != nil {
			continue
		}
		_, _ = io.WriteString(c, begin)
		conns = append(conns, c)
		w.t.Cleanup(func() { c.Close() })
	}
	return conns
}

// TestCrowd_ThousandsOfSilentConnections take a tenth of the places and little memory;
// phones of other sources register as before, and keep their connections.
func TestCrowd_ThousandsOfSilentConnections(t *testing.T) {
	many := 4000 // a process may have more, but so has its client here
	if testing.Short() {
		many = 1500
	}
	for _, begin := range []string{"", "REGISTER sip:cluster.test SIP/2.0\r\nVia: "} { // silent, or slow
		w := newWorld(t, nil)
		w.put(phoneDN("1001"))
		w.put(phoneDN("1002"))
		w.run()
		first := w.phone("1001", "tcp")
		must(t, 200)(first.Register(context.Background(), time.Hour))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := w.silentFrom("tcp", "127.0.0.2", begin, many)
		runtime.ReadMemStats(&after)
		patience.Until(t, "those that are too many are gone", func() bool { return w.server.Stats().Connections <= 1001 })
		t.Logf("%d connections that begin with %q: %d are open, %.1f MiB more in use", many, begin, w.server.Stats().Connections, float64(after.Sys-before.Sys)/(1<<20))
		if used := after.Sys - before.Sys; after.Sys > before.Sys && used > 128<<20 {
			t.Errorf("they take %d MiB", used>>20)
		}
		p, err := siptest.NewPhone(siptest.Config{DN: "1002", Password: "pw1002", Domain: testRealm, Server: w.server.TCPAddr().String(), Transport: "tcp", Local: "127.0.0.3"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		must(t, 200)(p.Register(context.Background(), time.Hour))
		must(t, 200)(first.Register(context.Background(), time.Hour))
		for _, c := range conns {
			c.Close()
		}
	}
}

// TestCrowd_SilentHandshakes of one source keep nobody from TLS and WebSockets.
func TestCrowd_SilentHandshakes(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		w := newWorld(t, inMemory(t))
		w.run()
		for _, network := range []string{"tls", "ws", "wss"} {
			w.silentFrom(network, "127.0.0.2", "\x16", 600)
			if n := w.server.Held()["sip_handshakes"]; n == 0 || n > 400 {
				t.Errorf("%s: %d handshakes are under way", network, n)
			}
			for i := range 10 {
				began := time.Now()
				if res := w.guesserAt(network, "127.0.0.3").ask(fmt.Sprintf(alive, fmt.Sprint(network, i), network)); res.code != 200 || time.Since(began) > 0 {
					t.Errorf("%s: %d after %v", network, res.code, time.Since(began))
				}
			}
		}
	})
}

// TestSchedule_WhoSaysNothingIsHungUp: sooner than who has said something.
func TestSchedule_WhoSaysNothingIsHungUp(t *testing.T) {
	onStage(t, func(s *stage, w *world) {
		silent, err := s.net.Dial("198.51.100.98:0", w.server.TCPAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
