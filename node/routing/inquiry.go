package routing

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/quota"
)

// Inquiry is where a call would go from here now, and why.
type Inquiry struct {
	// Called as the cluster knows it, DN that it goes to, "" for none.
	Called, DN string
	Exits      []InquiryExit
	// Code and Reason when it goes nowhere.
	Code   int
	Reason string
	Why    []string

	here bool // DN is a phone's, registered at this node
}

// InquiryExit is a trunk by which the call would leave.
type InquiryExit struct {
	Trunk, Address string
	// Number and Caller as the trunk is told, PassedOver why it would not be tried now.
	Number, Caller, PassedOver string
}

// Secure makes the Inquiry that of a call by a sips URI, which goes by TLS all along or
// nowhere (RFC 3261 §26.2.2); rings tells whether a phone of a DN at this node does, leaves
// whether a trunk does.
func (i *Inquiry) Secure(rings, leaves func(dn.Number) bool) {
	switch {
	case i.Code != 0:
	case len(i.Exits) > 0:
		i.Exits = slices.DeleteFunc(i.Exits, func(x InquiryExit) bool { return !leaves(dn.Number(x.Trunk)) })
		if len(i.Exits) == 0 {
			i.nowhere(480, "There is no way by TLS all along")
		}
	case i.here && !rings(dn.Number(i.DN)):
		i.nowhere(480, "No phone is registered by TLS")
	}
}

// OutOfReach adds to which addresses of the trunks this node has no way: unable tells of a
// trunk why, for each of them, and whether that is all that it has.
func (i *Inquiry) OutOfReach(unable func(dn.Number) (why []string, all bool)) {
	for n := range i.Exits {
		x := &i.Exits[n]
		why, all := unable(dn.Number(x.Trunk))
		for _, w := range why {
			i.say("trunk %s: %s", x.Trunk, w)
		}
		if all {
			x.PassedOver = "this node has no way to its addresses"
		}
	}
}

// Inquire tells where a call would go, by what calls go by.
func (r *Engine) Inquire(from numbering.Caller, called string) Inquiry {
	v := r.view()
	w := numbering.Find(v, from, called)
	i := Inquiry{Called: w.Called, DN: w.DN.GetNumber(), Code: w.Code, Reason: w.Reason, Why: w.Why(from, called)}
	if w.Code != 0 {
		return i
	}
	switch n := dn.Number(i.DN); w.DN.GetKind() {
	case configpb.DNKind_DN_KIND_FEATURE:
		i.say("the feature is done at DN %s", from.DN)
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		r.atPoint(&i, w.DN)
	case configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN:
		st, _ := r.table.Get(n)
		if st.State != dn.InSrv {
			i.nowhere(480, "DN is out of service")
			return i
		}
		i.say("DN %s is in service at node %s", n, cmp.Or(v.Node(string(st.Owner)).GetName(), string(st.Owner)))
		i.here = st.Owner == r.table.Self() && w.DN.GetKind() == configpb.DNKind_DN_KIND_SIP
		if external := w.DN.GetExternal(); external != "" {
			i.say("its telephone is %s", external)
			r.departs(&i, from, external)
		}
	default:
		r.departs(&i, from, w.Called)
	}
	return i
}

func (i *Inquiry) say(format string, args ...any) {
	i.Why = append(i.Why, fmt.Sprintf(format, args...))
}

func (i *Inquiry) nowhere(code int, reason string) { i.Code, i.Reason = code, reason }

// atPoint says who would get a call at a routing point.
func (r *Engine) atPoint(i *Inquiry, rp *configpb.DN) {
	if r.announcer.Routers(dn.Number(rp.GetNumber())) {
		i.say("a router registered it at this node, and is asked first")
	} else {
		i.say("no router registered it at this node")
	}
	switch group := rp.GetRoutingPoint().GetDefaultGroup(); group {
	case "":
		i.say("it has no default group")
	default:
		if n, found := r.longestIdle(group, 0, func(n dn.Number) bool { return false }); found {
			i.say("of group %s it is DN %s's turn", group, n)
		} else {
			i.say("in group %s nobody is free: the call waits", group)
		}
	}
}

// departs says by which trunks a number would leave.
func (r *Engine) departs(i *Inquiry, from numbering.Caller, number string) {
	v := r.view()
	if !v.DN(from.DN).GetOutbound().Allows(number) {
		i.nowhere(outOfClass.Code, outOfClass.Reason)
		return
	}
	for _, e := range r.exits(number) {
		n, c := dn.Number(e.Trunk.GetNumber()), e.Trunk.GetTrunk()
		x := InquiryExit{Trunk: string(n), Address: c.GetAddress(), Number: e.Number, Caller: cmp.Or(from.Number, from.DN)}
		shown, told := numbering.Show(v, numbering.Caller{DN: from.DN, Trunk: from.Trunk, Number: x.Caller}, c)
		switch {
		case told && shown.Withheld:
			x.Caller = "anonymous"
		case told:
			x.Caller = shown.Number
		}
		x.PassedOver = r.passesOver(e.Trunk)
		i.say("prefix %q fits: trunk %s, priority %d", c.GetPrefix(), n, c.GetPriority())
		if e.Rule > 0 {
			i.say("rule %d of outbound_numbers.called of trunk %s makes it %s", e.Rule, n, e.Number)
		}
		i.Exits = append(i.Exits, x)
	}
	if len(i.Exits) == 0 {
		i.nowhere(404, "No trunk for the number")
	}
}

// passesOver is why a call would not try a trunk now; "" when it would.
func (r *Engine) passesOver(trunk *configpb.DN) string {
	n, now := dn.Number(trunk.GetNumber()), time.Now()
	st, known := r.table.Get(n)
	left := r.quotas.Paused(trunk, now)
	switch {
	case known && st.State == dn.OOS:
		return "none of its addresses answers"
	case left > 0:
		return fmt.Sprintf("it wants to be left alone for %d s", int(left/time.Second)+1)
	case r.quotas.Full(n, quota.Out, trunk.GetTrunk().GetOutboundLimit(), now):
		return "its outbound_limit is reached"
	}
	return ""
}
