package routing

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// A call that waits goes by the configuration of now: to the routing point's other default
// group, on from a group that is deleted, and home when its routing point is.
func TestWaiting_FollowsTheConfiguration(t *testing.T) {
	group := func(name string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}}}
	}
	gone := func(number string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: number}}
	}
	for name, c := range map[string]struct {
		route    Route
		then     *configpb.Mutation
		tries    []string
		rejected int
	}{
		"another default group": {then: putDN(&configpb.DN{
			Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "support"},
		}), tries: []string{"1005"}},
		"a router's group is deleted": {route: Route{Group: "vip", Overflow: []Route{{DN: "1005"}}, Holder: "r"},
			then: &configpb.Mutation{Op: &configpb.Mutation_DeleteGroup{DeleteGroup: "vip"}}, tries: []string{"1005"}},
		"the routing point is deleted":            {then: gone("9001"), rejected: 480},
		"the routing point of a route is deleted": {route: Route{Group: "vip", Holder: "r"}, then: gone("9001"), rejected: 480},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t)
				idle := member("1005")
				idle.GetPutDn().Groups = []string{"support"}
				x.write(group("vip"), group("support"), idle)
				x.table.Register("1005", dn.Registered)
				x.routers.Store(c.route.Group != "")
				in, over, caller := x.asks(t, map[string]invite.Outcome{"1005": overAtOnce()})
				if c.route.Group != "" {
					if err := x.r.RouteCall(string(<-x.asked), c.route); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				x.routers.Store(false)
				if len(in.tries) > 0 || in.rejected > 0 {
					t.Fatalf("tried %q, rejected %d before the configuration changed", in.tries, in.rejected)
				}
				x.write(c.then)
				<-time.After(lookAgain + time.Second)
				synctest.Wait()
				if !slices.Equal(in.tries, c.tries) || in.rejected != c.rejected {
					t.Errorf("tried %q, rejected %d", in.tries, in.rejected)
				}
				caller()
				<-over
			})
		})
	}
}
