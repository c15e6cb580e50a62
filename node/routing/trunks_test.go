package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/quota"
)

// configure changes a trunk.
func (x *exchange) configure(number string, change func(*configpb.Trunk)) {
	x.office.t.Helper()
	d := proto.CloneOf(x.machine.View().DN(number))
	d.Revision = 0
	change(d.Trunk)
	x.write(putDN(d))
}

// sends has a call go where it can, and returns what was tried and the answer.
func (x *exchange) sends(t *testing.T, in *script) (tries string, code int) {
	t.Helper()
	in.serve(t.Context(), x.r)
	return strings.Join(in.tries, ";"), in.rejected
}

// TestTrunk_ItsLimitsCountCallsUntilTheyAreOver, of each direction by itself, and those
// that were not answered no more.
func TestTrunk_ItsLimitsCountCallsUntilTheyAreOver(t *testing.T) {
	x := newExchange(t)
	x.beginHere()
	one := &configpb.TrunkLimit{Calls: 1}
	x.configure("gw3", func(t *configpb.Trunk) { t.OutboundLimit = one })
	x.configure("gw1", func(t *configpb.Trunk) { t.InboundLimit = one })
	x.table.Register("1001", dn.Registered)
	var up []invite.Follower
	stays := isUp(func(f invite.Follower) { up = append(up, f) })
	in := func() *script {
		return &script{called: "1001", origin: trunk, answers: map[string]invite.Outcome{"1001": stays}}
	}
	out := func(at3 invite.Outcome) *script {
		return &script{called: "+15559", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"+15559 at gw3": at3, "+15559 at gw1": stays}}
	}
	for i, step := range []struct {
		call  *script
		tries string
		code  int
		ends  int // calls from the front that are over then
	}{
		{out(invite.Outcome{Code: 486}), "+15559 at gw3", 486, 0},
		{out(stays), "+15559 at gw3", 0, 0},
		{out(stays), "+15559 at gw1", 0, 0}, // which leaves room for those that come
		{in(), "1001", 0, 1},
		{in(), "", 503, 0},
		{out(stays), "+15559 at gw3", 0, 2},
		{in(), "1001", 0, 2},
	} {
		if tries, code := x.sends(t, step.call); tries != step.tries || code != step.code {
			t.Errorf("step %d: tried %q, answered %d; want %q, %d", i, tries, code, step.tries, step.code)
		}
		for _, f := range up[:step.ends] {
			f.Over(0)
		}
		up = up[step.ends:]
	}
	want := []quota.Total{
		{Trunk: "gw1", Direction: quota.In, Ended: [7]uint64{2: 2}, Limited: 1},
		{Trunk: "gw1", Direction: quota.Out, Ended: [7]uint64{2: 1}},
		{Trunk: "gw3", Direction: quota.Out, Ended: [7]uint64{2: 2, 4: 1}, Limited: 1},
	}
	if got := x.r.Trunks(); !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// TestTrunk_ItsCallsAreCounted: what comes by it counts once, by how it ended.
func TestTrunk_ItsCallsAreCounted(t *testing.T) {
	x := newExchange(t)
	x.beginHere()
	x.table.Register("1001", dn.Registered)
	for _, out := range []invite.Outcome{overAtOnce(), {Code: 486}, {Code: 603}} {
		x.sends(t, &script{called: "1001", origin: trunk, answers: map[string]invite.Outcome{"1001": out}})
	}
	x.sends(t, &script{called: "nobody", origin: trunk})
	want := []quota.Total{{Trunk: "gw1", Direction: quota.In, Ended: [7]uint64{2: 1, 4: 2, 6: 1}}}
	if got := x.r.Trunks(); !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// TestTrunk_IsLeftAloneAsItWants: by the calls that come after.
func TestTrunk_IsLeftAloneAsItWants(t *testing.T) {
	x := newExchange(t)
	call := func() *script {
		return &script{called: "+15559", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{
			"+15559 at gw3": {Code: 503, Retry: true, RetryAfter: time.Minute}, "+15559 at gw1": overAtOnce(),
		}}
	}
	for _, want := range []string{"+15559 at gw3;+15559 at gw1", "+15559 at gw1"} {
		if tries, _ := x.sends(t, call()); tries != want {
			t.Errorf("tried %q, want %q", tries, want)
		}
	}
	exits := x.r.Inquire(numbering.Caller{DN: "1004"}, "+15559").Exits
	if !strings.HasPrefix(exits[0].PassedOver, "it wants to be left alone for") || exits[1].PassedOver != "" {
		t.Errorf("%+v", exits)
	}
}

// TestTrunk_IsTriedAgainWhenItWasChanged: another address, or that it was taken out of use
// meanwhile, has not asked to be left alone.
func TestTrunk_IsTriedAgainWhenItWasChanged(t *testing.T) {
	x := newExchange(t)
	tried := func(what, want string) {
		t.Helper()
		busy := invite.Outcome{Code: 503, Retry: true, RetryAfter: time.Minute}
		in := &script{called: "+15559", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"+15559 at gw3": busy, "+15559 at gw1": overAtOnce()}}
		if tries, _ := x.sends(t, in); tries != want {
			t.Errorf("%s: tried %q, want %q", what, tries, want)
		}
	}
	enable := func(on bool) {
		d := proto.CloneOf(x.machine.View().DN("gw3"))
		d.Revision, d.Disabled = 0, !on
		x.write(putDN(d))
	}
	const both, second = "+15559 at gw3;+15559 at gw1", "+15559 at gw1"
	tried("at first", both)
	tried("left alone", second)
	x.configure("gw1", func(t *configpb.Trunk) { t.Priority++ })
	tried("another trunk was changed", second)
	x.configure("gw3", func(t *configpb.Trunk) { t.Address = "192.0.2.77:5060" })
	tried("another address", both)
	tried("left alone there", second)
	enable(false)
	tried("disabled", second)
	enable(true)
	tried("enabled again", both)
}

// TestTrunk_LeftAloneSaysUntilWhen: a caller who finds every trunk so is told when to try
// again, by the call in which they said so and by those after.
func TestTrunk_LeftAloneSaysUntilWhen(t *testing.T) {
	x := newExchange(t)
	busy := invite.Outcome{Code: 503, Retry: true, RetryAfter: time.Minute}
	for i, tries := range []string{"+15559 at gw3;+15559 at gw1;+15559 at gw2", ""} {
		in := &script{called: "+15559", origin: invite.Origin{DN: "1004"}, answers: map[string]invite.Outcome{"+15559 at gw1": busy, "+15559 at gw2": busy, "+15559 at gw3": busy}}
		if got, code := x.sends(t, in); got != tries || code != 503 || in.later <= 0 || in.later > time.Minute {
			t.Errorf("call %d: tried %q, answered %d with Retry-After %v", i, got, code, in.later)
		}
	}
}

// TestInquire_TellsOfTrunksOutOfReach, each address with its reason; a trunk with another one
// is tried.
func TestInquire_TellsOfTrunksOutOfReach(t *testing.T) {
	i := Inquiry{Exits: []InquiryExit{{Trunk: "gw1"}, {Trunk: "gw2", PassedOver: "none of its addresses answers"}, {Trunk: "gw3"}}}
	i.OutOfReach(func(n dn.Number) ([]string, bool) {
		return map[dn.Number][]string{"gw1": {"no way to A"}, "gw2": {"no way to B", "no way to C"}}[n], n == "gw2"
	})
	if want := []string{"trunk gw1: no way to A", "trunk gw2: no way to B", "trunk gw2: no way to C"}; !slices.Equal(i.Why, want) {
		t.Errorf("%q, want %q", i.Why, want)
	}
	for n, want := range []string{"", "this node has no way to its addresses", ""} {
		if i.Exits[n].PassedOver != want {
			t.Errorf("%+v, want %q", i.Exits[n], want)
		}
	}
}

// TestInquire_IsWhereCallsGo: each call goes to where the inquiry before it said.
func TestInquire_IsWhereCallsGo(t *testing.T) {
	x := newExchange(t)
	x.beginHere()
	x.table.Register("1001", dn.Registered)
	x.table.Reaches("gw2", false)
	x.configure("gw3", func(t *configpb.Trunk) {
		t.OutboundNumbers = &configpb.NumberRules{Called: []*configpb.NumberRule{{Match: "+1", Strip: 1, Prepend: "00"}}}
		t.CallerId = &configpb.CallerID{Number: "+15550000"}
	})
	phone, gw := invite.Origin{DN: "1004"}, trunk
	for _, c := range []struct {
		from   invite.Origin
		called string
		dn     string
		exits  string // trunk, number, caller; ! for one that is passed over
		code   int
		why    string // a line that is among those
	}{
		{phone, "1001", "1001", "", 0, "DN 1001 is in service at node n1"},
		{phone, "1003", "1003", "", 480, "1003 is a DN of kind sip"},
		{gw, "1001", "1001", "", 0, "called 1001: no rule of inbound_numbers.called fits, it stays"},
		{gw, "+15559", "", "", 404, "+15559 is neither a DN nor a did"},
		{phone, "+15559", "", "gw3 0015559 +15550000, gw1 +15559 1004, gw2! +15559 1004", 0, "rule 1 of outbound_numbers.called of trunk gw3 makes it 0015559"},
		{phone, "+49", "", "", 404, "+49 is neither a DN nor a did"},
	} {
		i := x.r.Inquire(numbering.Caller{DN: string(c.from.DN), Trunk: c.from.Trunk, Number: c.from.Number}, c.called)
		var exits, tries []string
		answers := map[string]invite.Outcome{"1001": overAtOnce()}
		for _, e := range i.Exits {
			mark := ""
			if e.PassedOver != "" {
				mark = "!"
			}
			exits = append(exits, e.Trunk+mark+" "+e.Number+" "+e.Caller)
			tries = append(tries, e.Number+" at "+e.Trunk)
			answers[tries[len(tries)-1]] = invite.Outcome{Code: 503, Retry: true}
		}
		if got := strings.Join(exits, ", "); i.DN != c.dn || got != c.exits || i.Code != c.code || !slices.Contains(i.Why, c.why) {
			t.Errorf("%s calls %s: DN %q, exits %q, %d %s, %q", c.from.DN, c.called, i.DN, got, i.Code, i.Reason, i.Why)
		}
		if i.Code == 0 && i.DN != "" {
			tries = []string{i.DN}
		}
		if got, _ := x.sends(t, &script{called: c.called, origin: c.from, answers: answers}); got != strings.Join(tries, ";") {
			t.Errorf("%s calls %s: tried %q, the inquiry said %q", c.from.DN, c.called, got, tries)
		}
	}
}
