package fsm

import (
	"maps"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// The greatest values of a policy, in their units, of a DN's capacity and of a level in a
// group.
const (
	MaxRingMS, MaxCoolDown, MaxWrapUp = 600_000, 3600, 7200
	MaxCapacity, MaxSkill             = 100, 100
)

// checkPolicy checks the policy of what has that name; point: it is a routing point's,
// which knows nothing of what comes behind the call.
func checkPolicy(of string, p *configpb.Policy, point bool) *Rejection {
	switch {
	case p == nil:
		return nil
	case p.RingTimeoutMs != nil && (p.GetRingTimeoutMs() == 0 || p.GetRingTimeoutMs() > MaxRingMS):
		return reject(ErrInvalid, "%s: ring_timeout_ms is %d: want 1 to %d", of, p.GetRingTimeoutMs(), MaxRingMS)
	case p.GetNoAnswerAction() < 0 || p.GetNoAnswerAction() > configpb.NoAnswerAction_NO_ANSWER_ACTION_NONE:
		return reject(ErrInvalid, "%s: no_answer_action %d is unknown", of, p.GetNoAnswerAction())
	case p.GetCoolDownS() > MaxCoolDown:
		return reject(ErrInvalid, "%s: cool_down_s is %d: at most %d", of, p.GetCoolDownS(), MaxCoolDown)
	case point && (p.WrapUpS != nil || p.GetDesktopLost() != 0):
		return reject(ErrInvalid, "%s: a routing point has no wrap_up_s and no desktop_lost: set them at the group", of)
	case p.GetWrapUpS() > MaxWrapUp:
		return reject(ErrInvalid, "%s: wrap_up_s is %d: at most %d", of, p.GetWrapUpS(), MaxWrapUp)
	case p.GetDesktopLost() < 0 || p.GetDesktopLost() > configpb.DesktopLost_DESKTOP_LOST_LOGOUT:
		return reject(ErrInvalid, "%s: desktop_lost %d is unknown", of, p.GetDesktopLost())
	}
	return nil
}

// checkTakes checks what a DN says of the calls that it takes, and what it does when it
// is dialled.
func checkTakes(d *configpb.DN) *Rejection {
	n, kind := d.GetNumber(), d.GetKind()
	phone := kind == configpb.DNKind_DN_KIND_SIP || kind == configpb.DNKind_DN_KIND_PSTN
	feature := kind == configpb.DNKind_DN_KIND_FEATURE
	switch a := d.GetFeature().GetAction(); {
	case !feature && d.GetFeature() != nil:
		return reject(ErrInvalid, "DN %s: only kind feature has feature", n)
	case feature && (a <= 0 || a > configpb.FeatureAction_FEATURE_ACTION_DND_OFF):
		return reject(ErrInvalid, "DN %s: its feature is missing: want login, logout, ready, not-ready, dnd-on or dnd-off", n)
	case !phone && d.GetCapacity() != 0:
		return reject(ErrInvalid, "DN %s: only kinds sip and pstn have a capacity", n)
	case kind != configpb.DNKind_DN_KIND_SIP && d.GetDualRegistration():
		return reject(ErrInvalid, "DN %s: only kind sip has dual_registration", n)
	case d.GetCapacity() > MaxCapacity:
		return reject(ErrInvalid, "DN %s: capacity is %d: at most %d", n, d.GetCapacity(), MaxCapacity)
	}
	for _, g := range slices.Sorted(maps.Keys(d.GetSkills())) {
		switch level := d.GetSkills()[g]; {
		case !slices.Contains(d.GetGroups(), g):
			return reject(ErrInvalid, "DN %s: skills names group %.70q, of which it is not", n, g)
		case level == 0 || level > MaxSkill:
			return reject(ErrInvalid, "DN %s: its level in group %s is %d: want 1 to %d", n, g, level, MaxSkill)
		}
	}
	return checkPolicy("DN "+n, d.GetRoutingPoint().GetPolicy(), true)
}
