// Package statistics folds what agents of each group do, per site, and which calls wait
// for them, from the tables that this node has: of DNs, of calls and the configuration.
// Nothing is counted up and down by events: each DN's share is derived anew whenever
// something about it changed, and its last one taken out, so that the sums are those of
// the tables, whatever was cut off or lost meanwhile.
package statistics

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// State of an agent's DN; each has one.
type State uint8

const (
	// Ready: a call can be sent to it.
	Ready State = iota
	// Reserved for a client or a call, and ready otherwise.
	Reserved
	// Ringing: a call is at it and nobody talks: it is called, or calls.
	Ringing
	// Busy: its agent talks.
	Busy
	// WrapUp: its agent works after a call.
	WrapUp
	// NotReady: its agent takes no calls, for a reason; or do not disturb is set, or nobody
	// answered there lately.
	NotReady
	// LoggedOut: a group wants an agent logged in, and nobody is.
	LoggedOut
	// Unresponsive: its phone does not answer, and is being asked.
	Unresponsive
	// OutOfService, as this node sees it.
	OutOfService
	// States is how many there are.
	States
)

var stateNames = [States]string{"ready", "reserved", "ringing", "busy", "wrap-up", "not-ready", "logged-out", "unresponsive", "out-of-service"}

func (s State) String() string { return stateNames[s] }

// maxReason is the length of a reason in bytes that is told apart.
const maxReason = 64

// class is what one DN adds to the sums of its groups.
type class struct {
	state State
	// site of the node that has it in service; "" while none does.
	site string
	// reason why it is NotReady; "" for none.
	reason string
}

// stateOf is the state of a DN, and why it is NotReady. Ready is what agent.Unavailable says.
func stateOf(s *dn.Status, config *configpb.DN, loginRequired, talks bool) (State, string) {
	switch {
	case config.GetDisabled() || s.State != dn.InSrv:
		return OutOfService, ""
	case s.Busy && talks:
		return Busy, ""
	case s.Busy:
		return Ringing, ""
	case s.Agent == nil || s.Agent.State == dn.LoggedOut:
		if loginRequired || s.Agent.Left() {
			return LoggedOut, ""
		}
	case s.Agent.State != dn.Ready && s.Agent.Mode == dn.WorkMode(tlibpb.AgentWorkMode_AGENT_WORK_MODE_AFTER_CALL_WORK):
		return WrapUp, ""
	case s.Agent.State != dn.Ready:
		return NotReady, reasonOf(s.Agent)
	}
	switch {
	case s.Reason == dn.Unresponsive:
		return Unresponsive, ""
	case s.DoNotDisturb:
		return NotReady, "do-not-disturb"
	case s.CoolUntil != 0:
		return NotReady, "no-answer"
	case s.Reserved && !s.Room:
		return Reserved, ""
	}
	return Ready, ""
}

// reasonOf is the first reason that an agent gave, by the order of its key.
func reasonOf(a *dn.Agent) string {
	if len(a.Reasons) == 0 {
		return ""
	}
	r := a.Reasons[0].Value
	if len(r) > maxReason {
		return "other"
	}
	return r
}
