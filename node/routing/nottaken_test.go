package routing

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// refusals hears what routers are refused with.
type refusals struct {
	Announcer
	heard chan Visit
}

func (r refusals) Announce(v Visit) {
	if v.Message == tlibpb.Message_MESSAGE_EVENT_ERROR {
		r.heard <- v
	}
	r.Announcer.Announce(v)
}

// TestRouteCall_SaysWhyTheDestinationDoesNotTakeIt: a router, or an operator, would have to
// guess otherwise.
func TestRouteCall_SaysWhyTheDestinationDoesNotTakeIt(t *testing.T) {
	x := newExchange(t)
	heard := refusals{x.stage, make(chan Visit, 8)}
	x.r.announcer = heard
	x.table.Register("1003", dn.Registered)
	id, over := x.visits(t, &script{})
	defer over()
	for i, c := range []struct {
		route Route
		want  string
	}{
		{Route{DN: "1004"}, "(DN 1004 is out of service"},
		{Route{External: "+49", Overflow: []Route{{DN: "1004"}}}, "(DN 1004 is out of service"},
		{Route{External: "+49"}, "waits at its routing point"},
	} {
		c.route.Request = uint64(i + 1)
		if err := x.r.RouteCall(string(id), c.route); err != nil {
			t.Fatal(err)
		}
		v := patience.Receive(t, "the refusal", heard.heard)
		if v.Answers != c.route.Request || !strings.Contains(v.Refused.Text, c.want) {
			t.Errorf("%+v: %q, want %s", c.route, v.Refused.Text, c.want)
		}
		if patience.Receive(t, "the router is asked again", x.asked) != id {
			t.Fatal("another call")
		}
	}
	if err := x.r.RouteCall(string(id), Route{Reject: 603}); err != nil {
		t.Fatal(err)
	}
}
