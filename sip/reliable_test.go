package sip

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// rackOf is the RAck of the PRACK for a response.
func rackOf(res *siptest.Response) string {
	return "RAck: " + res.Header("RSeq") + " " + res.Header("CSeq")
}

// TestRing_IsReliableWhereTheCallerWantsIt: a 180 of our own is repeated until its PRACK
// comes when the INVITE requires that (RFC 3262 §3), and is an ordinary one otherwise. A
// caller who never acknowledges it gets 504.
func TestRing_IsReliableWhereTheCallerWantsIt(t *testing.T) {
	for name, c := range map[string]struct {
		network, headers string
		reliable, mute   bool
	}{
		"it requires it":            {network: "udp", headers: "Require: 100rel", reliable: true},
		"over a connection":         {network: "tcp", headers: "Require: timer, 100rel", reliable: true},
		"it only knows it":          {network: "udp", headers: "Supported: 100rel"},
		"it never acknowledges one": {network: "udp", headers: "Require: 100rel", reliable: true, mute: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 2)
				e.n1.plan(func(ctx context.Context, c *proxy.Call) {
					c.Ring()
					<-ctx.Done()
					c.Reject(487, "Request Terminated")
				})
				e.phones(c.network, "udp")
				out := e.place(e.from, "1002", c.headers)
				first := e.await(out, 180)
				if got := first.Header("RSeq") != "" && first.Header("Require") == "100rel" && strings.Contains(first.Header("Contact"), "192.0.2.1:5060"); got != c.reliable {
					t.Fatalf("%+v", first)
				}
				switch {
				case c.mute:
					began := time.Now()
					for n := 0; ; n++ {
						res, err := out.Next(e.ctx)
						e.ok(err)
						if res.Code == 504 {
							if d := time.Since(began); n != 6 || d < 30*time.Second || d > 34*time.Second {
								t.Errorf("after %d repetitions, %v", n, d)
							}
							break
						}
						if res.Code != 180 || res.Header("RSeq") != first.Header("RSeq") {
							t.Fatalf("%+v", res)
						}
					}
				case c.reliable:
					again := e.await(out, 180)
					if again.Header("RSeq") != first.Header("RSeq") {
						t.Fatalf("%+v", again)
					}
					e.do(out, "PRACK", 481, "RAck: 1 "+first.Header("CSeq"))
					e.do(out, "PRACK", 200, rackOf(first))
					e.do(out, "PRACK", 481, rackOf(first))
					next := e.await(out, 180) // a minute later
					if next.Header("RSeq") == first.Header("RSeq") {
						t.Error("the next one has the number of the first")
					}
					e.do(out, "PRACK", 200, rackOf(next))
					fallthrough
				default:
					out.Cancel()
					e.await(out, 487)
				}
				e.n1.plan(e.n1.toOwner)
				e.nothingLeft(name)
			})
		})
	}
}
