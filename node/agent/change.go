package agent

import (
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// Change is a request about the agent at a DN.
type Change struct {
	Request peerpb.AgentRequest
	// AgentID to log in. With another request it may be empty; otherwise it has
	// to be who is logged in.
	AgentID string
	// Mode is not looked at when logging out.
	Mode dn.WorkMode
	// Reasons in any order; no key twice.
	Reasons []dn.KeyValue
	// Point is the routing point that sent the call that nobody answered; "" for none.
	Point dn.Number
}

// Done is what the DN's keeper says of the agent after a request.
type Done struct {
	Agent *dn.Agent
	// Version of that word, to find it in the table's stream.
	Version dn.Version
}

// checked returns the change with its reasons in order, or what is wrong with it.
func (c Change) checked() (Change, *refusal.Error) {
	switch c.Request {
	case peerpb.AgentRequest_AGENT_REQUEST_LOGIN:
		if c.AgentID == "" {
			return c, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "a login needs an agent id")
		}
	case peerpb.AgentRequest_AGENT_REQUEST_LOGOUT:
		c.Mode = 0
	case peerpb.AgentRequest_AGENT_REQUEST_READY, peerpb.AgentRequest_AGENT_REQUEST_NOT_READY,
		peerpb.AgentRequest_AGENT_REQUEST_DND_ON, peerpb.AgentRequest_AGENT_REQUEST_DND_OFF, peerpb.AgentRequest_AGENT_REQUEST_NO_ANSWER:
	default:
		return c, refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "agent request %d is unknown", c.Request)
	}
	byKey := func(a, b dn.KeyValue) int { return strings.Compare(a.Key, b.Key) }
	c.Reasons = slices.SortedFunc(slices.Values(c.Reasons), byKey)
	a := dn.Agent{ID: c.AgentID, Mode: c.Mode, Reasons: c.Reasons}
	if err := a.Check(); err != nil { // no key twice either: they are in order
		return c, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%v, unique keys and a known work mode", err)
	}
	return c, nil
}

// apply makes of the record what a checked change wants. False: it is so already.
func (c Change) apply(r *dn.Record, rules configpb.Rules, now int64) (changed bool, refused *refusal.Error) {
	switch c.Request {
	case peerpb.AgentRequest_AGENT_REQUEST_DND_ON, peerpb.AgentRequest_AGENT_REQUEST_DND_OFF:
		on := c.Request == peerpb.AgentRequest_AGENT_REQUEST_DND_ON
		changed, r.DoNotDisturb = r.DoNotDisturb != on, on
		return changed, nil
	case peerpb.AgentRequest_AGENT_REQUEST_NO_ANSWER:
		return unanswered(r, c.AgentID, rules, now), nil
	}
	a, refused := c.decide(r, now)
	if refused != nil {
		return false, refused
	}
	changed = a != r.Agent || r.AgentLeft != 0 || r.CoolLeft != 0
	r.Agent, r.AgentLeft, r.CoolLeft = a, 0, 0 // whoever says what he does is there
	return changed, nil
}

// ofAgent tells whether somebody has to be logged in after the change, or have been.
func (c Change) ofAgent() bool {
	return c.Request >= peerpb.AgentRequest_AGENT_REQUEST_LOGIN && c.Request <= peerpb.AgentRequest_AGENT_REQUEST_NOT_READY
}

// decide returns the agent after a checked change: the record's own when that is so
// already. Any change of mode or reasons begins a new state.
func (c Change) decide(r *dn.Record, now int64) (*dn.Agent, *refusal.Error) {
	in := r.Agent != nil && r.Agent.State != dn.LoggedOut
	switch {
	case c.Request == peerpb.AgentRequest_AGENT_REQUEST_LOGIN:
		return c.login(r, in, now)
	case !in && c.Request == peerpb.AgentRequest_AGENT_REQUEST_LOGOUT && r.Agent != nil && (c.AgentID == "" || c.AgentID == r.Agent.ID):
		return r.Agent, nil
	case !in && c.Request == peerpb.AgentRequest_AGENT_REQUEST_LOGOUT:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE, "nobody is logged in at DN %s", r.Number)
	case !in:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "nobody is logged in at DN %s: log in first", r.Number)
	case c.AgentID != "" && c.AgentID != r.Agent.ID:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "agent %s is logged in at DN %s", r.Agent.ID, r.Number)
	}
	a := &dn.Agent{ID: r.Agent.ID, State: c.state(), Mode: c.Mode, Reasons: c.Reasons, Since: now}
	if a.State == r.Agent.State && a.Mode == r.Agent.Mode && slices.Equal(a.Reasons, r.Agent.Reasons) {
		return r.Agent, nil
	}
	return a, nil
}

func (c Change) login(r *dn.Record, in bool, now int64) (*dn.Agent, *refusal.Error) {
	switch {
	case r.State != dn.InSrv:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service: register it before logging in", r.Number)
	case in && r.Agent.ID == c.AgentID:
		return r.Agent, nil
	case in:
		return nil, refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "another agent, %s, is logged in at DN %s", r.Agent.ID, r.Number)
	}
	return &dn.Agent{ID: c.AgentID, State: dn.LoggedIn, Mode: c.Mode, Reasons: c.Reasons, Since: now}, nil
}

func (c Change) state() dn.AgentState {
	switch c.Request {
	case peerpb.AgentRequest_AGENT_REQUEST_LOGIN:
		return dn.LoggedIn
	case peerpb.AgentRequest_AGENT_REQUEST_READY:
		return dn.Ready
	case peerpb.AgentRequest_AGENT_REQUEST_NOT_READY:
		return dn.NotReady
	}
	return dn.LoggedOut
}
