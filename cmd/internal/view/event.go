package view

import (
	"strconv"

	"github.com/sipcluster/sipcluster/api/tcpb"
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
		Event: tlib.EventName(e.GetMessage()), DN: e.GetThisDn(), Time: RFC3339(e.GetTime()), Owner: e.GetOwner(), Site: e.GetSite(), Reason: eventReason(e),
		AgentID: e.GetAgent().GetId(), WorkMode: WorkModeName(uint32(max(e.GetAgent().GetWorkMode(), 0))), Reasons: e.GetAgent().GetReasons(),
		Status: statusWords(e.GetStatus()), Error: e.GetError().GetText(), Expires: RFC3339(e.GetAgentReserved().GetExpiresAt()),
	}
}

// eventReason is the reason for a DN's state, or what became of a reservation, as a word.
func eventReason(e *tlibpb.Event) string {
	switch {
	case e.GetStatus() != nil:
		return e.GetStatus().GetReason().Word()
	case e.GetAgentReserved() != nil:
		return ReservationWord(e.GetAgentReserved().GetOutcome())
	case e.GetNodeDraining() != nil:
		return DrainWord(e.GetNodeDraining())
	}
	return e.GetReason().Word()
}

// ReservationWord is "cancelled" or "over"; "" for one that holds.
func ReservationWord(o tlibpb.ReservationOutcome) string {
	switch o {
	case tlibpb.ReservationOutcome_RESERVATION_OUTCOME_CANCELLED:
		return "cancelled"
	case tlibpb.ReservationOutcome_RESERVATION_OUTCOME_OVER:
		return "over"
	}
	return ""
}

// DrainWord is "draining" or "undone".
func DrainWord(d *tlibpb.EventNodeDraining) string {
	if d.GetUndone() {
		return "undone"
	}
	return "draining"
}

// statusWords is a DN's status by the words of each; nil for none.
func statusWords(s *tcpb.DNStatus) map[string]string {
	if s == nil {
		return nil
	}
	words := map[string]string{
		"status": s.GetState().Word(), "kind": s.GetKind().Word(), "owner": s.GetOwner(), "site": s.GetSite(), "reason": s.GetReason().Word(),
		"routable": strconv.FormatBool(s.GetRoutable()), "busy": strconv.FormatBool(s.GetBusy()), "reserved": strconv.FormatBool(s.GetReserved()),
	}
	if a := s.GetAgent(); a != nil {
		words["agent-state"], words["agent-id"] = a.GetState().Word(), a.GetId()
	}
	return words
}
