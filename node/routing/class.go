package routing

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/numbering"
)

// The class of service of the DN that calls, a phone's or a trunk's, goes with the call
// wherever that is routed.

// outbound is the caller's class of service.
func (r *Engine) outbound(in invite.Call) *configpb.Outbound {
	return r.view().DN(string(in.Origin().DN)).GetOutbound()
}

// MayCall tells whether a DN's class of service lets it call a number.
func (r *Engine) MayCall(from dn.Number, number string) bool {
	view := r.view()
	o, to := view.DN(string(from)).GetOutbound(), numbering.Find(view, numbering.Caller{DN: string(from)}, number).DN
	switch {
	case to.GetKind() == configpb.DNKind_DN_KIND_FEATURE:
		return true
	case o.GetClass() == configpb.OutboundClass_OUTBOUND_CLASS_NONE:
		return false
	case to == nil:
		return o.Allows(number)
	case to.GetKind() == configpb.DNKind_DN_KIND_PSTN:
		return o.Allows(to.GetExternal())
	}
	return true
}

// outOfClass says that the call must not leave by a trunk to that number.
var outOfClass = invite.Outcome{Code: 403, Reason: "Not in the DN's class of service", Denied: true}

// unreachable tells whether an agent's telephone is behind a trunk by which the call
// must not leave.
func (j *journey) unreachable(n dn.Number) bool {
	o := j.r.outbound(j.in)
	if o == nil {
		return false
	}
	external := j.r.view().DN(string(n)).GetExternal()
	return external != "" && !o.Allows(external)
}
