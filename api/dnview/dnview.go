// Package dnview is a DN as clients see it: its configuration and what the table
// says of it in one tcpb.DNStatus, the same in every answer, watch and session.
package dnview

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Registered tells whether the DN's state comes from registrations. config may be nil.
func Registered(config *configpb.DN) bool { return fsm.Registers(config) }

// Class is what the table counts the DN as. config may be nil.
func Class(config *configpb.DN) dn.Class {
	switch {
	case config == nil:
		return dn.Stray
	case config.GetDisabled() || !Registered(config):
		return dn.Shut
	}
	return dn.Served
}

// State of the DN and the reason for it.
func State(config *configpb.DN, st *dn.Status) (dn.State, dn.Reason) {
	switch {
	case config.GetDisabled():
		return dn.OOS, dn.Admin
	case config.GetKind() == configpb.DNKind_DN_KIND_TRUNK && st.Since != 0: // this node has tried to reach it
		return st.State, st.Reason
	case !Registered(config):
		return dn.InSrv, dn.NoReason
	default:
		return st.State, st.Reason
	}
}

// Routable tells whether a call can be sent to the DN now.
func Routable(view *fsm.View, config *configpb.DN, st *dn.Status) bool {
	k := config.GetKind()
	return (k == configpb.DNKind_DN_KIND_SIP || k == configpb.DNKind_DN_KIND_PSTN) &&
		!config.GetDisabled() && st.Routable(view.LoginRequired(config))
}

// Fill says in m all of the DN but its number, owner and site; since is m's, for the time.
func Fill(m *tcpb.DNStatus, since *timestamppb.Timestamp, view *fsm.View, config *configpb.DN, st *dn.Status) {
	state, reason := State(config, st)
	m.Kind, m.State, m.Reason = config.GetKind(), StateOf(state), tcpb.Reason(reason)
	m.Routable = Routable(view, config, st)
	m.Agent, m.Busy, m.Reserved = Agent(st), st.Busy, st.Reserved
	m.DoNotDisturb, m.CoolDown, m.Uses = st.DoNotDisturb, CoolDown(st), Uses(st)
	if Registered(config) && config != nil {
		m.Capacity, m.Skills = uint32(config.TakesCalls()), config.GetSkills()
	}
	if st.Since != 0 {
		Stamp(since, st.Since)
		m.Since = since
	}
}

// CoolDown is for how long the DN is left alone; nil when it is not.
func CoolDown(st *dn.Status) *tcpb.CoolDown {
	if st.CoolUntil == 0 {
		return nil
	}
	return &tcpb.CoolDown{Ends: timestamppb.New(time.Unix(0, st.CoolUntil)), Reason: tcpb.CoolDownReason_COOL_DOWN_REASON_NO_ANSWER}
}

// Uses are what takes of the DN's capacity; nil for nothing.
func Uses(st *dn.Status) *tcpb.Uses {
	if st.Uses.Calls == 0 && !st.Reserved {
		return nil
	}
	m := &tcpb.Uses{Up: uint32(st.Uses.Talks), Ringing: uint32(st.Uses.Calls - st.Uses.Talks)}
	if st.Reserved {
		m.Reserved = uint32(max(1, st.Holds))
	}
	return m
}

// Agent is what clients see of the agent at a DN; nil when nobody ever logged in.
func Agent(st *dn.Status) *tcpb.AgentStatus {
	a := st.Agent
	if a == nil {
		return nil
	}
	m := &tcpb.AgentStatus{Id: a.ID, State: tcpb.AgentState(a.State) + 1, WorkMode: uint32(a.Mode), Since: &timestamppb.Timestamp{}}
	Stamp(m.Since, a.Since)
	if st.AgentUntil != 0 {
		m.Until = timestamppb.New(time.Unix(0, st.AgentUntil))
	}
	if len(a.Reasons) > 0 {
		m.Reasons = make(map[string]string, len(a.Reasons))
	}
	for _, r := range a.Reasons {
		m.Reasons[r.Key] = r.Value
	}
	return m
}

// Stamp sets t to ns since the epoch.
func Stamp(t *timestamppb.Timestamp, ns int64) {
	t.Seconds, t.Nanos = ns/1e9, int32(ns%1e9)
}

// StateOf is a state in the words of the protocol.
func StateOf(s dn.State) tcpb.DNState {
	if s == dn.InSrv {
		return tcpb.DNState_DN_STATE_IN_SRV
	}
	return tcpb.DNState_DN_STATE_OOS
}
