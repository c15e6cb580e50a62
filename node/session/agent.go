package session

import (
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// checked returns the change with its reasons in order, or what is wrong with it.
func (c AgentChange) checked() (AgentChange, *Error) {
	switch c.Request {
	case tcpb.AgentRequest_AGENT_REQUEST_LOGIN:
		if c.AgentID == "" {
			return c, fail(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "a login needs an agent id")
		}
	case tcpb.AgentRequest_AGENT_REQUEST_LOGOUT:
		c.Mode = 0
	case tcpb.AgentRequest_AGENT_REQUEST_READY, tcpb.AgentRequest_AGENT_REQUEST_NOT_READY:
	default:
		return c, fail(tlibpb.ErrorCode_UNSUPPORTED_OPERATION, "agent request %d is unknown", c.Request)
	}
	byKey := func(a, b dn.KeyValue) int { return strings.Compare(a.Key, b.Key) }
	c.Reasons = slices.SortedFunc(slices.Values(c.Reasons), byKey)
	a := dn.Agent{ID: c.AgentID, Mode: c.Mode, Reasons: c.Reasons}
	if err := a.Check(); err != nil { // no key twice either: they are in order
		return c, fail(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "%v, no key twice, and a known work mode", err)
	}
	return c, nil
}

// decide returns the agent after a checked change. Any change of mode or
// reasons begins a new state.
func (c AgentChange) decide(r *dn.Record, now int64) (*dn.Agent, *Error) {
	in := r.Agent != nil && r.Agent.State != dn.LoggedOut
	switch {
	case c.Request == tcpb.AgentRequest_AGENT_REQUEST_LOGIN:
		return c.login(r, in, now)
	case !in && c.Request == tcpb.AgentRequest_AGENT_REQUEST_LOGOUT:
		return nil, fail(tlibpb.ErrorCode_IN_SAME_STATE, "nobody is logged in at DN %s", r.Number)
	case !in:
		return nil, fail(tlibpb.ErrorCode_UNSUPPORTED_OPERATION, "nobody is logged in at DN %s: log in first", r.Number)
	case c.AgentID != "" && c.AgentID != r.Agent.ID:
		return nil, fail(tlibpb.ErrorCode_RESOURCE_SEIZED, "agent %s is logged in at DN %s", r.Agent.ID, r.Number)
	}
	a := &dn.Agent{ID: r.Agent.ID, State: c.state(), Mode: c.Mode, Reasons: c.Reasons, Since: now}
	if a.State == r.Agent.State && a.Mode == r.Agent.Mode && slices.Equal(a.Reasons, r.Agent.Reasons) {
		return nil, fail(tlibpb.ErrorCode_IN_SAME_STATE, "agent %s at DN %s is %v already", a.ID, r.Number, a.State)
	}
	return a, nil
}

func (c AgentChange) login(r *dn.Record, in bool, now int64) (*dn.Agent, *Error) {
	switch {
	case r.State != dn.InSrv:
		return nil, fail(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is out of service: register it before logging in", r.Number)
	case in && r.Agent.ID == c.AgentID:
		return nil, fail(tlibpb.ErrorCode_IN_SAME_STATE, "agent %s is logged in at DN %s already", c.AgentID, r.Number)
	case in:
		return nil, fail(tlibpb.ErrorCode_RESOURCE_SEIZED, "another agent, %s, is logged in at DN %s", r.Agent.ID, r.Number)
	}
	return &dn.Agent{ID: c.AgentID, State: dn.LoggedIn, Mode: c.Mode, Reasons: c.Reasons, Since: now}, nil
}

func (c AgentChange) state() dn.AgentState {
	switch c.Request {
	case tcpb.AgentRequest_AGENT_REQUEST_LOGIN:
		return dn.LoggedIn
	case tcpb.AgentRequest_AGENT_REQUEST_READY:
		return dn.Ready
	case tcpb.AgentRequest_AGENT_REQUEST_NOT_READY:
		return dn.NotReady
	}
	return dn.LoggedOut
}
