// Package view is how DNs, agents and events are shown, to people as cells and to
// scripts as JSON, wherever a command shows them.
package view

import (
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// EventName is the T-Library's name of the event.
func EventName(e *tcpb.DNEvent) string {
	if e.Change == tcpb.Change_CHANGE_OWNER {
		return "EventDNOwnerChanged"
	}
	if e.State == tcpb.DNState_DN_STATE_IN_SRV {
		return "EventDNBackInService"
	}
	return "EventDNOutOfService"
}

// Owner is a DN's owner, with who stands by.
func Owner(d *tcpb.DNStatus) string {
	if d.Standby != "" {
		return d.Owner + " +" + d.Standby
	}
	return console.Dash(d.Owner)
}

// StateName is the state as people and scripts read it.
func StateName(s tcpb.DNState) string {
	if s == tcpb.DNState_DN_STATE_IN_SRV {
		return "InSrv"
	}
	return "OOS"
}

// StateCell is the state with its colour.
func StateCell(s tcpb.DNState) console.Cell {
	if s == tcpb.DNState_DN_STATE_IN_SRV {
		return console.Tinted("● InSrv", console.Green)
	}
	return console.Tinted("○ OOS", console.Red)
}

// ReasonName is "registered", "peer-lost" and so on; "" when there is none.
func ReasonName(r tcpb.Reason) string {
	return r.Word()
}

// The states of a DN.
const (
	InSrv = tcpb.DNState_DN_STATE_IN_SRV
	OOS   = tcpb.DNState_DN_STATE_OOS
)
