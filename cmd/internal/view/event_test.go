package view

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestTlibJSON_IsAContract(t *testing.T) {
	clienttest.Same(t, clienttest.Line(t, NewEventJSON(&tlibpb.Event{
		ThisDn: "1001", Time: clienttest.Since, Owner: "sip1", Site: "dc1", Body: &tlibpb.Event_AgentReady{AgentReady: &tlibpb.EventAgentReady{
			Agent: &tlibpb.Agent{Id: "7001", WorkMode: tlibpb.AgentWorkMode_AGENT_WORK_MODE_AUTO_IN, Reasons: map[string]string{"site": "dc1"}},
		}},
	})), `{"event":"EventAgentReady","dn":"1001","time":"2026-11-22T11:56:48Z","owner":"sip1","site":"dc1","agent_id":"7001","work_mode":"auto-in","reasons":{"site":"dc1"}}`+"\n")
}
