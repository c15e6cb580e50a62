package dnview

import (
	"fmt"
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Sentence says what a person does about the first condition that is not met; reason is
// that of the DN's state. What no agent is at says what becomes of calls to it.
func Sentence(number string, config *configpb.DN, conditions []*tcpb.Condition, reason dn.Reason) string {
	if s := elsewhere(number, config, conditions, reason); s != "" {
		return s
	}
	i := slices.IndexFunc(conditions, func(c *tcpb.Condition) bool { return !c.GetMet() })
	if i < 0 {
		return "A call can be sent to " + number + " now."
	}
	c := conditions[i]
	do := todo[c.GetKind()]
	if c.GetKind() == tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE {
		do = register(config, reason)
	}
	return fmt.Sprintf("%s gets no calls: %s (%s). %s", number, whyNot[c.GetKind()], c.GetValue(), do)
}

// register is what to do about an agent's DN that is out of service.
func register(config *configpb.DN, reason dn.Reason) string {
	if do := todoWhen[reason]; do != "" {
		return do
	}
	if config.GetKind() == configpb.DNKind_DN_KIND_PSTN {
		return "No desktop has registered it: its agent is at another telephone, and is reached while his desktop is connected (sipcluster agent hold)."
	}
	return todo[tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE]
}

// elsewhere is the sentence of what no agent is at: calls go through it; "" of all others,
// and of what is disabled.
func elsewhere(number string, config *configpb.DN, conditions []*tcpb.Condition, reason dn.Reason) string {
	if config.GetDisabled() {
		return ""
	}
	switch config.GetKind() {
	case configpb.DNKind_DN_KIND_ROUTING_POINT:
		return routingPoint(number, config)
	case configpb.DNKind_DN_KIND_FEATURE:
		return number + " is dialled by phones for what it does; nobody is called there."
	case configpb.DNKind_DN_KIND_TRUNK:
		at := slices.IndexFunc(conditions, func(c *tcpb.Condition) bool {
			return c.GetKind() == tcpb.ConditionKind_CONDITION_KIND_IN_SERVICE
		})
		if reason == dn.Unresponsive {
			return fmt.Sprintf("This node sends no calls by the trunk %s: no address of it answers (%s). sipcluster dn get %s has each, and since when; ask the carrier, and look at the line to it. Other nodes may reach it.", number, conditions[at].GetValue(), number)
		}
		return fmt.Sprintf("Calls can be sent by the trunk %s; sipcluster route test says which ones are.", number)
	}
	return ""
}

func routingPoint(number string, config *configpb.DN) string {
	s := "Calls to " + number + " wait there for a router"
	if g := config.GetRoutingPoint().GetDefaultGroup(); g != "" {
		s += fmt.Sprintf(", and without one for an agent of %s (sipcluster stats groups)", g)
	} else {
		s += ", and without one end: it has no group of its own (sipcluster dn put " + number + " --default-group GROUP)"
	}
	return s + "; sipcluster route list has those that wait."
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
	dn.Admin:        "The deadline of a drain was over before its phone had gone to another node: does the phone know a second one?",
	dn.Deleted:      "It was deleted from the configuration, and is there again: its phone has to register anew.",
	dn.Unresponsive: "Its phone was asked in vain: look at it, and at the way to it.",
	dn.OwnerMoved:   "Its registration went to another node, of which nothing is heard here yet: look at what the others say.",
}
