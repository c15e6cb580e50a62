package routing

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// Callers of a routing point that says so are told their place, again when it has changed,
// and that the call goes on; those of others are told nothing.
func TestRoutingPoint_TellsThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExchange(t)
		x.beginHere()
		point := func(number string, tells bool) {
			x.write(putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TellPosition: tells}}))
		}
		point("9001", true)
		point("9002", false)
		var all sync.WaitGroup
		arrives := func(number string) (in *script, giveUp func()) {
			in = &script{called: number, origin: trunk, told: make(chan string, 16), answers: map[string]invite.Outcome{"1003": overAtOnce()}}
			ctx, cancel := context.WithCancel(t.Context())
			all.Go(func() { in.serve(ctx, x.r) })
			synctest.Wait()
			return in, cancel
		}
		says := func(in *script, want string) {
			t.Helper()
			if got := patience.Receive(t, "what the caller is told", in.told); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		first, giveUp := arrives("9001")
		says(first, "182 Queued, position 1")
		quiet, _ := arrives("9002")
		third, _ := arrives("9001")
		says(third, "182 Queued, position 3")
		giveUp()
		says(third, "182 Queued, position 2") // when it looks again
		x.table.Register("1003", dn.Registered)
		says(third, "182 Queued, position 1")
		says(third, "181 Call Is Being Forwarded")
		all.Wait()
		if len(first.told)+len(quiet.told)+len(third.told) > 0 {
			t.Errorf("the callers are told more: %d, %d, %d", len(first.told), len(quiet.told), len(third.told))
		}
	})
}
