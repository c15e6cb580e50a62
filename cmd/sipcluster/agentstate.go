package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// agentJSON is the agent at a DN; names and order are a contract.
type agentJSON struct {
	ID       string            `json:"id"`
	State    string            `json:"state"`
	WorkMode string            `json:"work_mode"`
	Reasons  map[string]string `json:"reasons"`
	Since    string            `json:"since"`
}

func newAgentJSON(a *tcpb.AgentStatus) *agentJSON {
	if a == nil {
		return nil
	}
	reasons := a.Reasons
	if reasons == nil {
		reasons = map[string]string{}
	}
	return &agentJSON{a.Id, agentStateName(a.State), workModeName(a.WorkMode), reasons, rfc3339(a.Since)}
}

// agentStateName is "logged-out", "logged-in", "not-ready" or "ready".
func agentStateName(s tcpb.AgentState) string {
	name := strings.TrimPrefix(s.String(), "AGENT_STATE_")
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// workModes are the names of the T-Library's AgentWorkMode, by its number.
var workModes = []string{"", "manual-in", "auto-in", "after-call-work", "aux-work", "no-call-disconnect"}

// workModeName is "" for an unknown one.
func workModeName(mode uint32) string {
	if int(mode) < len(workModes) {
		return workModes[mode]
	}
	return ""
}

// agentCell is "7001 ready", with the work mode when there is one.
func agentCell(a *tcpb.AgentStatus) cell {
	if a == nil {
		return text("-")
	}
	c := cell{text: a.Id + " " + agentStateName(a.State)}
	if mode := workModeName(a.WorkMode); mode != "" {
		c.text += ", " + mode
	}
	switch a.State {
	case tcpb.AgentState_AGENT_STATE_READY:
		c.tint = green
	case tcpb.AgentState_AGENT_STATE_NOT_READY:
		c.tint = yellow
	case tcpb.AgentState_AGENT_STATE_LOGGED_OUT:
		c.tint = dim
	}
	return c
}

// useName is "busy", "reserved", both, or "".
func useName(busy, reserved bool) string {
	switch {
	case busy && reserved:
		return "busy, reserved"
	case busy:
		return "busy"
	case reserved:
		return "reserved"
	}
	return ""
}

// reasonsText is "break=lunch floor=2".
func reasonsText(reasons map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(reasons)) {
		all = append(all, fmt.Sprintf("%s=%s", key, reasons[key]))
	}
	return strings.Join(all, " ")
}
