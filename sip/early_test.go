package sip

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/sip/proxy"
)

// TestRing_MakesAnEarlyDialog: a 180 of our own says where the requests of its dialog go
// (RFC 3261 §12.1.1). A BYE there is as good as a CANCEL while no phone rings (§15); of a
// caller who has a dialog with a phone besides it ends nothing else.
func TestRing_MakesAnEarlyDialog(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 2)
				waits := func(ctx context.Context, c *proxy.Call) {
					c.Ring()
					<-ctx.Done()
					c.Reject(487, "Request Terminated")
				}
				e.n1.plan(waits)
				e.phones(network, "udp")
				out := e.place(e.from, "1002")
				if res := e.await(out, 180); !strings.Contains(res.Header("Contact"), "192.0.2.1:5060") {
					t.Errorf("%+v", res)
				}
				e.do(out, "INFO", 405)
				e.do(out, "UPDATE", 500)
				e.do(out, "INVITE", 500)
				e.do(out, "BYE", 200)
				e.await(out, 487)

				e.n1.plan(func(ctx context.Context, c *proxy.Call) {
					c.Ring()
					e.n1.toOwner(ctx, c)
				})
				out = e.place(e.from, "1002")
				e.await(out, 180)
				in := e.take(e.to)
				e.ok(in.Ring())
				synctest.Wait()
				e.do(out, "BYE", 200) // in the dialog with the node
				<-time.After(time.Second)
				synctest.Wait()
				if len(in.Requests) > 0 {
					t.Errorf("the phone that rings hears %s", (<-in.Requests).Method)
				}
				e.ok(in.Answer())
				e.await(out, 200)
				e.ok(out.Ack())
				e.expect(in, "ACK")
				e.do(out, "BYE", 200)
				e.expect(in, "BYE")
				e.n1.plan(e.n1.toOwner)
				e.nothingLeft(network)
			})
		})
	}
}
