package dnview

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Conditions are what Routable judges, in the order in which a person looks at them: all
// are met by what is routable, and by nothing else.
func Conditions(view *fsm.View, config *configpb.DN, st *dn.Status) []*tcpb.Condition {
	state, reason := State(config, st)
	kind := config.GetKind()
	c := func(k tcpb.ConditionKind, met bool, value string) *tcpb.Condition {
		return &tcpb.Condition{Kind: k, Met: met, Value: value}
	}
	return []*tcpb.Condition{
		c(tcpb.ConditionKind_CONDITION_KIND_CONFIGURED, config != nil, configured(config)),
		c(tcpb.ConditionKind_CONDITION_KIND_AGENTS_DN, kind == configpb.DNKind_DN_KIND_SIP || kind == configpb.DNKind_DN_KIND_PSTN, kind.Word()),
		c(tcpb.ConditionKind_CONDITION_KIND_ENABLED, !config.GetDisabled(), yesNo(!config.GetDisabled())),
		c(tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE, state == dn.InSrv, inService(view, state, reason, st)),
		c(tcpb.ConditionKind_CONDITION_KIND_PHONE_ANSWERS, st.Reason != dn.Unresponsive, yesNo(st.Reason != dn.Unresponsive)),
		c(tcpb.ConditionKind_CONDITION_KIND_NOT_BUSY, !st.Busy, fmt.Sprintf("%d of %d calls", st.Uses.Calls, max(1, config.GetCapacity()))),
		c(tcpb.ConditionKind_CONDITION_KIND_NOT_RESERVED, !st.Reserved || st.Room, reserved(st)),
		c(tcpb.ConditionKind_CONDITION_KIND_NO_DO_NOT_DISTURB, !st.DoNotDisturb, onOff(st.DoNotDisturb)),
		c(tcpb.ConditionKind_CONDITION_KIND_NO_COOL_DOWN, st.CoolUntil == 0, onOff(st.CoolUntil != 0)),
		c(tcpb.ConditionKind_CONDITION_KIND_AGENT_READY, st.AgentReady(view.LoginRequired(config)), agentWords(view, config, st)),
	}
}

func configured(config *configpb.DN) string {
	if config == nil {
		return "no"
	}
	return fmt.Sprintf("yes, revision %d", config.GetRevision())
}

func inService(view *fsm.View, state dn.State, reason dn.Reason, st *dn.Status) string {
	words := "OOS"
	if state == dn.InSrv {
		words = "InSrv"
	}
	if reason != dn.NoReason {
		words += ", " + reason.String()
	}
	if st.Owner != "" {
		words += ", at " + NodeName(view, st.Owner)
	}
	return words
}

func reserved(st *dn.Status) string {
	if !st.Reserved {
		return "no"
	}
	return "for " + st.ReservedBy
}

func agentWords(view *fsm.View, config *configpb.DN, st *dn.Status) string {
	words := "nobody logged in"
	if a := st.Agent; a != nil && a.State != dn.LoggedOut {
		words = fmt.Sprintf("agent %s %s", a.ID, a.State)
		for _, r := range a.Reasons {
			words += fmt.Sprintf(", %s %s", r.Key, r.Value)
		}
	}
	if st.Agent.Left() {
		words += ", its agent logged in at DN " + st.Agent.Reasons[0].Value
	}
	if view.LoginRequired(config) {
		words += "; group " + loginGroup(view, config) + " requires a login"
	}
	return words
}

// loginGroup is the first group of the DN that requires a login.
func loginGroup(view *fsm.View, config *configpb.DN) string {
	i := slices.IndexFunc(config.GetGroups(), func(g string) bool { return view.Group(g).GetLoginRequired() })
	if i < 0 {
		return ""
	}
	return config.GetGroups()[i]
}

// NodeName is what people call a node.
func NodeName(view *fsm.View, id dn.Node) string {
	if n := view.Node(string(id)); n != nil {
		return n.GetName()
	}
	return string(id)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
