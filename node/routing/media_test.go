package routing

import (
	"context"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// TestMedia_AgentsThatFitComeFirst where the routing point says so; others are called after
// them.
func TestMedia_AgentsThatFitComeFirst(t *testing.T) {
	for name, c := range map[string]struct {
		prefers bool
		offer   dn.Media
		want    []string
	}{
		"a browser calls":     {true, dn.DTLS, []string{"1003", "1004"}},
		"a desk phone calls":  {true, dn.RTP, []string{"1004", "1003"}},
		"it says nothing":     {true, 0, []string{"1004", "1003"}},
		"it does not matter":  {false, dn.DTLS, []string{"1004", "1003"}},
		"it offers something": {true, dn.SRTP | dn.DTLS, []string{"1003", "1004"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := newExchange(t)
			x.beginHere()
			x.write(putDN(&configpb.DN{Number: "9001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", PreferSameMedia: c.prefers}}))
			x.table.RegisterPhone("1004", dn.Registered, dn.Way{}, dn.RTP)
			x.table.RegisterPhone("1003", dn.Registered, dn.Way{}, dn.RTP)
			x.table.Speaks("1003", dn.DTLS)
			origin := trunk
			origin.Media = c.offer
			in := &script{called: "9001", origin: origin, answers: map[string]invite.Outcome{c.want[0]: {Code: 486}, c.want[1]: overAtOnce()}}
			in.serve(t.Context(), x.r)
			if !slices.Equal(in.tries, c.want) {
				t.Errorf("tried %q, want %q", in.tries, c.want)
			}
		})
	}
}

// TestMedia_ARefusalSaysWhy: a 488 of a phone is told with what each side speaks, in the
// call's events and of the try; a busy phone's word after that has nothing to do with it.
func TestMedia_ARefusalSaysWhy(t *testing.T) {
	x := newExchange(t)
	x.table.RegisterPhone("1001", dn.Registered, dn.Way{}, dn.RTP)
	browser := invite.Origin{DN: "1004", Media: dn.DTLS}
	const why = "no common media: the caller offers DTLS-SRTP, the phone speaks RTP"
	released := func(called dn.Number, answer invite.Outcome, want string) {
		t.Helper()
		log := x.calls.Tail()
		in := &script{called: string(called), origin: browser, answers: map[string]invite.Outcome{string(called): answer}}
		in.serve(t.Context(), x.r)
		for log.Seq() < x.calls.Head() {
			items, err := log.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if e := it.Event; e != nil && e.Kind == call.Released && e.Why != want {
					t.Errorf("%s hears %q, want %q", e.ThisDN, e.Why, want)
				}
			}
		}
	}
	released("1001", invite.Outcome{Code: 488}, why)
	released("1001", invite.Outcome{Code: 606}, why)
	released("1001", invite.Outcome{Code: 486}, "")
	x.table.Speaks("1001", dn.DTLS)
	released("1001", invite.Outcome{Code: 488}, "no common media: the phone takes none of what the caller offers")

	x.routers.Store(true)
	for _, n := range []dn.Number{"1003", "1004"} {
		x.table.RegisterPhone(n, dn.Registered, dn.Way{}, dn.RTP)
	}
	browser.DN = "1001"
	in := &script{called: "9001", origin: browser, answers: map[string]invite.Outcome{"1003": {Code: 488}, "1004": {Code: 486}}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); in.serve(ctx, x.r) }()
	for _, n := range []dn.Number{"1003", "1004"} {
		conn := patience.Receive(t, "the router is asked", x.asked)
		if err := x.r.RouteCall(string(conn), Route{DN: n}); err != nil {
			t.Fatal(err)
		}
	}
	patience.Receive(t, "the router is asked", x.asked)
	w, _ := x.r.Waiting("9001")
	if want := []Try{{"1003", 488, why}, {"1004", 486, ""}}; len(w) != 1 || !slices.Equal(w[0].Tried, want) {
		t.Errorf("%+v, want %+v", w, want)
	}
	cancel()
	patience.Receive(t, "the end of the call", done)
}
