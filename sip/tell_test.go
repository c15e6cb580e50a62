package sip

import (
	"context"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestTell_InPlaceOfThe180: who waits is told more by another provisional response, which
// is repeated in place of the 180, and is reliable where that is.
func TestTell_InPlaceOfThe180(t *testing.T) {
	for name, requires := range map[string]string{"as usual": "Supported: 100rel", "reliably": "Require: 100rel"} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 1)
				told := make(chan struct{})
				e.n1.plan(func(ctx context.Context, c *proxy.Call) {
					c.Tell(182, "too early: it does not wait")
					c.Ring()
					<-told
					c.Tell(182, "Queued, position 2")
					c.Tell(182, "Queued, \"position\r\n 1")
					<-ctx.Done()
				})
				e.phones("udp", "udp")
				out := e.place(e.from, "1002", requires)
				first := e.await(out, 180)
				close(told)
				reliable, began := name == "reliably", time.Now()
				if reliable {
					e.do(out, "PRACK", 200, rackOf(first))
				} else if res := e.await(out, 182); res.Reason != "Queued, position 2" || res.Header("Warning") != `399 `+testRealm+` "Queued, position 2"` {
					t.Errorf("%+v", res)
				}
				last := e.await(out, 182)
				if last.Reason == "Queued, position 2" { // its PRACK was waited for
					e.do(out, "PRACK", 200, rackOf(last))
					last = e.await(out, 182)
				}
				if want := `Queued, "position 1`; last.Reason != want || last.Header("Warning") != `399 `+testRealm+` "Queued, \"position 1"` || (last.Header("RSeq") != "") != reliable {
					t.Errorf("%+v", last)
				}
				if d := time.Since(began); d > 10*time.Second { // of the bubble: as soon as it may be said
					t.Errorf("it is told after %v", d)
				}
				if reliable {
					e.do(out, "PRACK", 200, rackOf(last))
				}
				began = time.Now()
				if again := e.await(out, 182); again.Reason != last.Reason || time.Since(began) < 55*time.Second {
					t.Errorf("%+v after %v", again, time.Since(began))
				}
				out.Cancel()
				e.await(out, 487)
			})
		})
	}
}
