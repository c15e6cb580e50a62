package agent

import (
	"context"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// noAnswerReason is why an agent who did not answer is not ready.
var noAnswerReason = []dn.KeyValue{{Key: "reason", Value: "no-answer"}}

// unanswered makes of a record what the rules want of a DN at which a call rang in vain:
// the agent who was ready is not, and whom nobody can make not ready is left alone for a
// while. agent is who was rung, "" for whoever it was; somebody else who has logged in
// meanwhile is not to blame. False: nothing changes.
func unanswered(r *dn.Record, agent string, rules configpb.Rules, now int64) bool {
	in := r.Agent != nil && r.Agent.State != dn.LoggedOut
	switch {
	case rules.NoAnswer == configpb.NoAnswerAction_NO_ANSWER_ACTION_NONE, agent != "" && (!in || r.Agent.ID != agent):
		return false
	case in && r.Agent.State != dn.Ready:
		return false // no call is sent to him
	case in && rules.NoAnswer == configpb.NoAnswerAction_NO_ANSWER_ACTION_NOT_READY:
		r.Agent = &dn.Agent{ID: r.Agent.ID, State: dn.NotReady, Reasons: noAnswerReason, Since: now}
		r.AgentLeft = 0
		return true
	}
	r.CoolLeft = int64(rules.CoolDown)
	return r.CoolLeft > 0
}

// WasAbsent tells whether an agent is not ready because a call was not answered.
func WasAbsent(a *dn.Agent) bool {
	return a != nil && a.State == dn.NotReady && slices.Equal(a.Reasons, noAnswerReason)
}

// Unanswered tells the DN's keeper that a call rang there in vain, which a routing point
// sent, "" for none.
func (reg *Registry) Unanswered(ctx context.Context, n, point dn.Number) error {
	agent := ""
	if s, _ := reg.table.Get(n); s.Agent != nil && s.Agent.State != dn.LoggedOut {
		agent = s.Agent.ID
	}
	_, err := reg.SetAgent(ctx, n, Change{Request: peerpb.AgentRequest_AGENT_REQUEST_NO_ANSWER, AgentID: agent, Point: point})
	return err
}

// watchEnds plans the ends of what a DN's status says: everywhere that of a cool-down,
// which each node sees by itself, and at its keeper that of the agent's state.
func (reg *Registry) watchEnds(st *dn.Status) {
	if st.CoolUntil != 0 {
		reg.schedule.planAt(alarm{n: st.Number, what: endCool}, time.Unix(0, st.CoolUntil).Add(time.Millisecond))
	}
	if st.AgentUntil != 0 && st.Keeper == reg.table.Self() {
		reg.schedule.planAt(alarm{n: st.Number, what: endState}, time.Unix(0, st.AgentUntil))
	}
}

// endState makes the agent ready whose wrap-up is over.
func (reg *Registry) endState(n dn.Number) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok || r.AgentLeft == 0 {
			return
		}
		if left := time.Duration(r.AgentLeft); left > time.Millisecond {
			reg.schedule.planAt(alarm{n: n, what: endState}, time.Now().Add(left))
			return
		}
		r.AgentLeft = 0
		if r.Agent != nil && r.Agent.State == dn.NotReady {
			r.Agent = &dn.Agent{ID: r.Agent.ID, State: dn.Ready, Since: time.Now().UnixNano()}
		}
		if _, ok := reg.table.Amend(r); ok {
			reg.sync(n)
			return
		}
	}
}
