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

// Sentence says what a person does about the first condition that is not met; reason is
// that of the DN's state.
func Sentence(number string, conditions []*tcpb.Condition, reason dn.Reason) string {
	i := slices.IndexFunc(conditions, func(c *tcpb.Condition) bool { return !c.GetMet() })
	if i < 0 {
		return "A call can be sent to " + number + " now."
	}
	c := conditions[i]
	do := todo[c.GetKind()]
	if special := todoWhen[reason]; c.GetKind() == tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE && special != "" {
		do = special
	}
	return fmt.Sprintf("%s gets no calls: %s (%s). %s", number, whyNot[c.GetKind()], c.GetValue(), do)
}

var whyNot = map[tcpb.ConditionKind]string{
	tcpb.ConditionKind_CONDITION_KIND_CONFIGURED:        "it is not configured",
	tcpb.ConditionKind_CONDITION_KIND_AGENTS_DN:         "it is no agent's DN",
	tcpb.ConditionKind_CONDITION_KIND_ENABLED:           "it is disabled",
	tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE:        "it is out of service",
	tcpb.ConditionKind_CONDITION_KIND_PHONE_ANSWERS:     "its phone does not answer",
	tcpb.ConditionKind_CONDITION_KIND_NOT_BUSY:          "it has as many calls as it takes",
	tcpb.ConditionKind_CONDITION_KIND_NOT_RESERVED:      "it is reserved",
	tcpb.ConditionKind_CONDITION_KIND_NO_DO_NOT_DISTURB: "do not disturb is set",
	tcpb.ConditionKind_CONDITION_KIND_NO_COOL_DOWN:      "nobody answered a call there a moment ago",
	tcpb.ConditionKind_CONDITION_KIND_AGENT_READY:       "no agent is ready at it",
}

var todo = map[tcpb.ConditionKind]string{
	tcpb.ConditionKind_CONDITION_KIND_CONFIGURED:        "Configure it: sipcluster dn put.",
	tcpb.ConditionKind_CONDITION_KIND_AGENTS_DN:         "Only phones and agents' DNs are routing targets.",
	tcpb.ConditionKind_CONDITION_KIND_ENABLED:           "Enable it: sipcluster dn put NUMBER --disabled=false.",
	tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE:        "Nobody has registered it: is the phone on, and does it register at a node that runs?",
	tcpb.ConditionKind_CONDITION_KIND_PHONE_ANSWERS:     "Look at the phone and at the way to it: calls and OPTIONS to its contact got no answer.",
	tcpb.ConditionKind_CONDITION_KIND_NOT_BUSY:          "Wait for the end of a call.",
	tcpb.ConditionKind_CONDITION_KIND_NOT_RESERVED:      "The reservation ends by itself, or when its client gives it back.",
	tcpb.ConditionKind_CONDITION_KIND_NO_DO_NOT_DISTURB: "The agent, his desktop or an operator takes it back.",
	tcpb.ConditionKind_CONDITION_KIND_NO_COOL_DOWN:      "It gets calls again when the cool-down ends; is somebody at the phone?",
	tcpb.ConditionKind_CONDITION_KIND_AGENT_READY:       "The agent logs in and says that he is ready.",
}

// todoWhen is what to do about a DN that is out of service for a reason.
var todoWhen = map[dn.Reason]string{
	dn.Unregistered: "Its phone, or its desktop, took the registration back: is it switched off?",
	dn.Expired:      "Its phone did not refresh in time: is it on, and does it reach this cluster?",
	dn.DesktopLost:  "The client that had registered it is gone: does the desktop run, and does it reach a node?",
	dn.PeerLost:     "This node can't hear the owner: look at that node and at the line to it (sipcluster status); nodes that hear it send calls there.",
	dn.Unresponsive: "Its phone was asked in vain: look at it, and at the way to it.",
	dn.OwnerMoved:   "Its registration went to another node, of which nothing is heard here yet: look at what the others say.",
}
