package routing

import (
	"cmp"
	"context"
	"errors"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// asks is what a phone that dials a feature's number asks for at its own DN, and what it is
// told: no media passes a node, so there is nothing to answer with but the words of a final
// response, which phones show.
var asks = map[configpb.FeatureAction]struct {
	request peerpb.AgentRequest
	done    string
}{
	configpb.FeatureAction_FEATURE_ACTION_LOGIN:     {peerpb.AgentRequest_AGENT_REQUEST_LOGIN, "Logged in"},
	configpb.FeatureAction_FEATURE_ACTION_LOGOUT:    {peerpb.AgentRequest_AGENT_REQUEST_LOGOUT, "Logged out"},
	configpb.FeatureAction_FEATURE_ACTION_READY:     {peerpb.AgentRequest_AGENT_REQUEST_READY, "Ready"},
	configpb.FeatureAction_FEATURE_ACTION_NOT_READY: {peerpb.AgentRequest_AGENT_REQUEST_NOT_READY, "Not ready"},
	configpb.FeatureAction_FEATURE_ACTION_DND_ON:    {peerpb.AgentRequest_AGENT_REQUEST_DND_ON, "Do not disturb"},
	configpb.FeatureAction_FEATURE_ACTION_DND_OFF:   {peerpb.AgentRequest_AGENT_REQUEST_DND_OFF, "Do not disturb is off"},
}

// featureDone is the status code of what was done.
const featureDone = 480

// serve does what the feature is for at the DN of the phone that dialled it.
func (j *journey) serve(ctx context.Context, f *configpb.DN, digits string) (cause int) {
	from := j.in.Origin()
	what, known := asks[f.GetFeature().GetAction()]
	if !known {
		return j.reject(404, "Not Found")
	}
	change := agent.Change{Request: what.request}
	if what.request == peerpb.AgentRequest_AGENT_REQUEST_LOGIN {
		change.AgentID = cmp.Or(digits, string(from.DN))
	}
	ctx, cancel := context.WithTimeout(ctx, agent.AnswerTimeout)
	defer cancel()
	var refused *refusal.Error
	switch _, err := j.r.agents.SetAgent(ctx, from.DN, change); {
	case errors.As(err, &refused):
		return j.reject(403, refused.Text)
	case err != nil:
		return j.reject(503, "The node that has the DN does not answer")
	}
	return j.reject(featureDone, what.done)
}
