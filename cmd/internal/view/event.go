package view

import (
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// EventJSON is an event of a T-Library session; names and order are a contract.
type EventJSON struct {
	Event    string            `json:"event"`
	DN       string            `json:"dn,omitempty"`
	Time     string            `json:"time"`
	Owner    string            `json:"owner,omitempty"`
	Site     string            `json:"site,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	AgentID  string            `json:"agent_id,omitempty"`
	WorkMode string            `json:"work_mode,omitempty"`
	Reasons  map[string]string `json:"reasons,omitempty"`
	Status   map[string]string `json:"status,omitempty"`
	Error    string            `json:"error,omitempty"`
	Until    string            `json:"until,omitempty"`
	Expires  string            `json:"expires_at,omitempty"`
}

// EventJSONHelp documents it.
const EventJSONHelp = `{"event","dn","time","owner","site","reason","agent_id","work_mode","reasons","status","error","until","expires_at"}`

// NewEventJSON is the event for scripts.
func NewEventJSON(e *tlibpb.Event) EventJSON {
	return EventJSON{
		Event: tlib.EventName(e.GetMessage()), DN: e.GetThisDn(), Time: RFC3339(e.GetTime()), Owner: e.GetOwner(), Site: e.GetSite(), Reason: e.GetReason(),
		AgentID: e.GetAgentId(), WorkMode: WorkModeName(uint32(max(e.GetWorkMode(), 0))), Reasons: e.GetReasons(),
		Status: e.GetExtensions(), Error: e.GetErrorMessage(), Expires: RFC3339(e.GetExpiresAt()),
	}
}
