package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	login    = peerpb.AgentRequest_AGENT_REQUEST_LOGIN
	logout   = peerpb.AgentRequest_AGENT_REQUEST_LOGOUT
	ready    = peerpb.AgentRequest_AGENT_REQUEST_READY
	notReady = peerpb.AgentRequest_AGENT_REQUEST_NOT_READY
)

// codeOf is the T-Library code of an error, 0 for none.
func codeOf(t testing.TB, err error) tlibpb.ErrorCode {
	t.Helper()
	var e *refusal.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("no T-Library error: %v", err)
	}
	if e == nil {
		return 0
	}
	if e.Text == "" {
		t.Error("an error without a text")
	}
	return e.Code
}

func TestAgentChange_Decide(t *testing.T) {
	lunch := []dn.KeyValue{{Key: "why", Value: "lunch"}}
	agent := func(s dn.AgentState) *dn.Agent { return &dn.Agent{ID: "7", State: s, Mode: 2, Since: 1} }
	for name, c := range map[string]struct {
		agent  *dn.Agent
		oos    bool
		change Change
		code   tlibpb.ErrorCode
		state  dn.AgentState
		// same: it is so already, and the record's agent is the answer.
		same bool
	}{
		"login":                      {change: Change{Request: login, AgentID: "7"}, state: dn.LoggedIn},
		"login after a logout":       {agent: agent(dn.LoggedOut), change: Change{Request: login, AgentID: "8"}, state: dn.LoggedIn},
		"login out of service":       {oos: true, change: Change{Request: login, AgentID: "7"}, code: tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE},
		"login twice":                {agent: agent(dn.Ready), change: Change{Request: login, AgentID: "7"}, same: true},
		"login of another":           {agent: agent(dn.Ready), change: Change{Request: login, AgentID: "8"}, code: tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
		"logout":                     {agent: agent(dn.NotReady), change: Change{Request: logout}, state: dn.LoggedOut},
		"logout out of service":      {oos: true, agent: agent(dn.Ready), change: Change{Request: logout}, state: dn.LoggedOut},
		"logout by name":             {agent: agent(dn.Ready), change: Change{Request: logout, AgentID: "7"}, state: dn.LoggedOut},
		"logout of another":          {agent: agent(dn.Ready), change: Change{Request: logout, AgentID: "8"}, code: tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
		"logout of nobody":           {change: Change{Request: logout}, code: tlibpb.ErrorCode_ERROR_CODE_IN_SAME_STATE},
		"logout twice":               {agent: agent(dn.LoggedOut), change: Change{Request: logout}, same: true},
		"ready":                      {agent: agent(dn.LoggedIn), change: Change{Request: ready, Mode: 2}, state: dn.Ready},
		"ready out of service":       {oos: true, agent: agent(dn.NotReady), change: Change{Request: ready}, state: dn.Ready},
		"ready twice":                {agent: agent(dn.Ready), change: Change{Request: ready, Mode: 2}, same: true},
		"ready in another mode":      {agent: agent(dn.Ready), change: Change{Request: ready, Mode: 1}, state: dn.Ready},
		"ready of nobody":            {change: Change{Request: ready}, code: tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION},
		"not ready":                  {agent: agent(dn.Ready), change: Change{Request: notReady, Reasons: lunch}, state: dn.NotReady},
		"not ready with a reason":    {agent: agent(dn.NotReady), change: Change{Request: notReady, Mode: 2, Reasons: lunch}, state: dn.NotReady},
		"not ready twice":            {agent: agent(dn.NotReady), change: Change{Request: notReady, Mode: 2}, same: true},
		"not ready of a logged out":  {agent: agent(dn.LoggedOut), change: Change{Request: notReady}, code: tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION},
		"not ready of another agent": {agent: agent(dn.Ready), change: Change{Request: notReady, AgentID: "8"}, code: tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED},
	} {
		t.Run(name, func(t *testing.T) {
			r := dn.Record{Number: "1001", State: dn.InSrv, Agent: c.agent}
			if c.oos {
				r.State = dn.OOS
			}
			got, refused := c.change.decide(&r, 5)
			if refused != nil {
				if got != nil || refused.Code != c.code {
					t.Errorf("refused with %v, want %v: %s", refused.Code, c.code, refused.Text)
				}
				return
			}
			if c.same {
				if got != c.agent {
					t.Errorf("repeated: got %+v, want what is", got)
				}
				return
			}
			if c.code != 0 || got.State != c.state || got.Since != 5 || got.Mode != c.change.Mode || got.ID == "" {
				t.Errorf("got %+v, want %v %v", got, c.code, c.state)
			}
		})
	}
}

func TestAgentChange_Checked(t *testing.T) {
	many := make([]dn.KeyValue, dn.MaxReasons+1)
	for i := range many {
		many[i].Key = strings.Repeat("k", i+1)
	}
	for name, c := range map[string]struct {
		change Change
		code   tlibpb.ErrorCode
	}{
		"reasons out of order": {Change{Request: ready, Reasons: []dn.KeyValue{{Key: "b"}, {Key: "a"}}}, 0},
		"a key twice":          {Change{Request: ready, Reasons: []dn.KeyValue{{Key: "b"}, {Key: "b"}}}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"too many reasons":     {Change{Request: ready, Reasons: many}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"an empty key":         {Change{Request: ready, Reasons: []dn.KeyValue{{}}}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"a value too long":     {Change{Request: ready, Reasons: []dn.KeyValue{{Key: "a", Value: strings.Repeat("v", 257)}}}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"no UTF-8":             {Change{Request: login, AgentID: "\xff"}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"no id":                {Change{Request: login}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"an id too long":       {Change{Request: login, AgentID: strings.Repeat("i", 65)}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"an unknown mode":      {Change{Request: ready, Mode: dn.WorkModes}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE},
		"a logout's mode":      {Change{Request: logout, Mode: 77}, 0},
		"an unknown request":   {Change{Request: 9}, tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION},
	} {
		t.Run(name, func(t *testing.T) {
			got, wrong := c.change.checked()
			switch {
			case wrong == nil && c.code != 0, wrong != nil && wrong.Code != c.code:
				t.Errorf("got %v, want %v", wrong, c.code)
			case wrong == nil && len(got.Reasons) > 1 && got.Reasons[0].Key > got.Reasons[1].Key:
				t.Errorf("reasons are out of order: %v", got.Reasons)
			}
		})
	}
}
