package routing

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

// class gives a DN a class of service.
func (x *exchange) class(n, text string) {
	x.office.t.Helper()
	o, err := configpb.ParseOutbound(text)
	if err != nil {
		x.office.t.Fatal(err)
	}
	old := x.machine.View().DN(n)
	x.write(putDN(&configpb.DN{Number: n, Kind: old.GetKind(), Ha1: old.GetHa1(), Groups: old.GetGroups(), Trunk: old.GetTrunk(), Outbound: o}))
}

// TestClass_OfADirectCall: a number outside, an agent's telephone there, a phone.
func TestClass_OfADirectCall(t *testing.T) {
	x := newExchange(t)
	x.write(pstnDN("2001"))
	for _, n := range []dn.Number{"1003", "2001"} {
		x.table.Register(n, dn.Registered)
	}
	for _, c := range []struct {
		class                   string
		outside, agent, another int // codes; 0: it is sent there
	}{
		{"all", 0, 0, 0},
		{"none", 403, 403, 403},
		{"internal", 403, 403, 0},
		{"+1556", 403, 403, 0},
		{"+1557,+1555", 0, 0, 0},
	} {
		x.class("1004", c.class)
		for called, want := range map[string]int{"+15559": c.outside, "2001": c.agent, "1003": c.another} {
			in := &script{called: called, origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{
				"1003": overAtOnce(), "+15559 at gw3": overAtOnce(), "+15551234567 at gw3": overAtOnce(),
			}}
			in.serve(t.Context(), x.r)
			if sent := len(in.tries) > 0; sent != (want == 0) || want > 0 && in.rejected != want {
				t.Errorf("%s calls %s: rejected %d, tried %q, want %d", c.class, called, in.rejected, in.tries, want)
			}
		}
	}
}

// TestClass_GoesWithACallThatIsRouted: by a router, and by the built-in strategy, of a
// phone and of a trunk.
func TestClass_GoesWithACallThatIsRouted(t *testing.T) {
	x := newExchange(t)
	x.table.Register("1003", dn.Registered)
	x.class("1004", "internal")
	x.class("gw1", "internal")
	for _, origin := range []invite.Origin{{DN: "1004"}, trunk} {
		in := &script{origin: origin, rings: make(chan string, 1)}
		id, over := x.visits(t, in)
		if err := x.r.RouteCall(string(id), Route{External: "+15559"}); err != nil {
			t.Fatal(err)
		}
		patience.Receive(t, "the call is back", x.asked)
		if err := x.r.RouteCall(string(id), Route{DN: "1003"}); err != nil {
			t.Fatal(err)
		}
		rings := patience.Receive(t, "a phone rings", in.rings)
		over()
		if rings != "1003" || !slices.Equal(in.tries, []string{"1003"}) {
			t.Errorf("%+v: tried %q", origin, in.tries)
		}
	}
	pstn := pstnDN("2001", "sales")
	x.write(pstn)
	x.table.Register("2001", dn.Registered)
	j := &journey{r: x.r, in: &script{origin: invite.Origin{DN: "1004"}}}
	x.await("the strategy picks 1003", func() bool { n, _ := x.r.longestIdle("sales", 0, j.skip); return n == "1003" })
	if !j.skip("2001") || j.skip("1003") {
		t.Error("an agent behind a trunk is tried, or another one isn't")
	}
}
