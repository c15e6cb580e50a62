package peer

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestPort_WhoLeavesTheRosterLosesItsStreams at once.
func TestPort_WhoLeavesTheRosterLosesItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(newSite(t, memory))
		a.SetPeers(nil)
		synctest.Wait()
		if n := b.Standing()["a"]; n != 0 {
			t.Errorf("%d streams stand", n)
		}
		if err := a.Send("b", 0, []byte("x")); !errors.Is(err, errNone) {
			t.Error(err)
		}
		<-time.After(time.Minute)
		if n := b.Standing()["a"]; n != 0 || len(a.Peers()) != 0 {
			t.Errorf("%d streams stand again", n)
		}
	})
}

// TestPort_EachIsAnswered: who said something is known, among several.
func TestPort_EachIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memory)
		nodes := map[dn.Node]*node{"a": s.node("a", "b", "c"), "b": s.node("b", "a", "c"), "c": s.node("c", "a", "b")}
		<-time.After(time.Second)
		synctest.Wait()
		for id, n := range nodes {
			for other := range nodes {
				if other != id {
					n.says(other, 7, string(id+" to "+other))
				}
			}
		}
		synctest.Wait()
		for id, n := range nodes {
			for other := range nodes {
				if other != id {
					n.gets(other, string(other+" to "+id))
				}
			}
		}
	})
}

// TestPort_HoldGathers: one write a stream, when the last lets go.
func TestPort_HoldGathers(t *testing.T) {
	s := newSite(t, loopback)
	var writes atomic.Int64
	s.pair = func() (net.Conn, net.Conn, error) {
		ours, theirs, err := loopback()
		return &counting{Conn: ours, n: &writes}, theirs, err
	}
	a, b := two(s)
	before := writes.Load()
	a.Hold()
	a.Hold()
	var want []string
	for i := range 30 {
		m := fmt.Sprint(i)
		want = append(want, m)
		a.says("b", uint16(i%3), m)
	}
	a.Release()
	if len(b.from("a")) > 0 || writes.Load() != before {
		t.Error("it did not wait for the other")
	}
	a.Release()
	b.gets("a", want...)
	if n := writes.Load() - before; n != 3 { // of as many groups, where nobody knows what has arrived
		t.Errorf("%d writes", n)
	}
	a.says("b", 0, "alone")
	b.gets("a", append(want, "alone")...)
}

// counting counts the writes of a connection that says nothing of what is below.
type counting struct {
	net.Conn
	n *atomic.Int64
}

// Write implements net.Conn.
func (c *counting) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// TestPort_ManySendAtATime, and hold while they do.
func TestPort_ManySendAtATime(t *testing.T) {
	over(t, func(t *testing.T, s *site) {
		a, b := two(s)
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 200 {
					a.Hold()
					if err := a.Send("b", uint16(g*7+i), []byte("m")); err != nil {
						t.Error(err)
					}
					a.Release()
				}
			})
		}
		patience.Ended("all have sent", all.Wait)
		patience.Until(t, "all have arrived", func() bool { return len(b.from("a")) == 1600 })
	})
}

// TestPort_RenewOpensEachStreamAnew, by either side, while others stand.
func TestPort_RenewOpensEachStreamAnew(t *testing.T) {
	for _, by := range []string{"who dials", "who is dialled"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, memory)
				a, b := two(s)
				renews := a
				if by == "who is dialled" {
					renews = b
				}
				dialled, done := len(s.open), make(chan struct{})
				go func() {
					defer close(done)
					renews.Renew(t.Context())
				}()
				for going := true; going; {
					select {
					case <-done:
						going = false
					case <-time.After(minPause / 10):
					}
					synctest.Wait() // who is dialled takes a stream in a moment later
					if x, y := a.Standing()["b"], b.Standing()["a"]; min(x, y) < Streams-1 {
						t.Fatalf("%d and %d streams stand meanwhile", x, y)
					}
				}
				synctest.Wait()
				if n := len(s.open) - dialled; n != Streams {
					t.Errorf("%d streams are new", n)
				}
				if n := a.Standing()["b"]; n != Streams {
					t.Errorf("%d streams stand in the end", n)
				}
			})
		})
	}
}
