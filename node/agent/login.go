package agent

import (
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// refusesLogin says where the agent is logged in already, when the cluster wants the
// second login refused. Otherwise, and when two didn't know of each other, the table ends
// the earlier one.
func (reg *Registry) refusesLogin(n dn.Number, c Change) *refusal.Error {
	if c.Request != peerpb.AgentRequest_AGENT_REQUEST_LOGIN || reg.cfg.View().Options().GetAgentLogin() != configpb.AgentLogin_AGENT_LOGIN_REFUSE {
		return nil
	}
	if s, in := reg.table.LoggedIn(c.AgentID); in && s.Number != n && s.State == dn.InSrv {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "agent %s is logged in at DN %s: log out there first", c.AgentID, s.Number)
	}
	return nil
}
