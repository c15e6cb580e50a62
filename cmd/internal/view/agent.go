package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// AgentJSON is the agent at a DN; names and order are a contract.
type AgentJSON struct {
	ID       string            `json:"id"`
	State    string            `json:"state"`
	WorkMode string            `json:"work_mode"`
	Reasons  map[string]string `json:"reasons"`
	Since    string            `json:"since"`
	// Until is left out when the state does not end by itself.
	Until string `json:"until,omitempty"`
}

// NewAgentJSON is nil when nobody ever logged in.
func NewAgentJSON(a *tcpb.AgentStatus) *AgentJSON {
	if a == nil {
		return nil
	}
	reasons := a.Reasons
	if reasons == nil {
		reasons = map[string]string{}
	}
	return &AgentJSON{a.Id, a.State.Word(), WorkModeName(a.WorkMode), reasons, RFC3339(a.Since), RFC3339(a.Until)}
}

// WorkModes are the names of the T-Library's AgentWorkMode, by its number.
var WorkModes = []string{"", "manual-in", "auto-in", "after-call-work", "aux-work", "no-call-disconnect"}

// WorkModeName is "" for an unknown one.
func WorkModeName(mode uint32) string {
	if int(mode) < len(WorkModes) {
		return WorkModes[mode]
	}
	return ""
}

// AgentCell is "7001 ready", with the work mode when there is one.
func AgentCell(a *tcpb.AgentStatus) console.Cell {
	if a == nil {
		return console.Text("-")
	}
	c := console.Cell{Text: a.Id + " " + a.State.Word()}
	if mode := WorkModeName(a.WorkMode); mode != "" {
		c.Text += ", " + mode
	}
	switch a.State {
	case tcpb.AgentState_AGENT_STATE_READY:
		c.Tint = console.Green
	case tcpb.AgentState_AGENT_STATE_NOT_READY:
		c.Tint = console.Yellow
	case tcpb.AgentState_AGENT_STATE_LOGGED_OUT:
		c.Tint = console.Dim
	}
	return c
}

// ReasonsText is "break=lunch floor=2".
func ReasonsText(reasons map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(reasons)) {
		all = append(all, fmt.Sprintf("%s=%s", key, reasons[key]))
	}
	return strings.Join(all, " ")
}
