package session

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Who was logged out by another login is told why, and where the agent is.
func TestLogin_TheOtherDesktopIsTold(t *testing.T) {
	o := newOffice(t)
	before, after := o.connect(TCport, nil), o.connect(TCport, nil)
	before.ask(registerAddress("2001", private))
	before.ask(agentLogin("2001", "7001"))
	before.ask(agentReady("2001"))
	before.heard()
	after.ask(registerAddress("2002", private))
	after.says("EVENT_AGENT_LOGIN 2002", agentLogin("2002", "7001"))
	before.wait("EventAgentLogout", func(e *tlibpb.Event) bool {
		out := e.GetAgentLogout()
		if out != nil && (e.GetThisDn() != "2001" || out.GetCause() != tlibpb.AgentCause_AGENT_CAUSE_LOGGED_IN_ELSEWHERE ||
			out.GetAgent().GetId() != "7001" || out.GetAgent().GetReasons()["dn"] != "2002") {
			t.Errorf("told %v", e)
		}
		return out != nil
	})
	before.says("EVENT_ERROR 2001 UNSUPPORTED_OPERATION", agentReady("2001"))
	after.says("EVENT_AGENT_READY 2002 7001 dc1", agentReady("2002"))
	before.says("EVENT_AGENT_LOGIN 2001", agentLogin("2001", "7001"))
	after.awaits("EVENT_AGENT_LOGOUT 2002")
}
