// Package tcpb is what the availability plane and the cluster are asked and tell, with the
// words for it.
package tcpb

import "strings"

// Word is "InSrv" or "OOS"; "" for no state.
func (x DNState) Word() string {
	switch x {
	case DNState_DN_STATE_IN_SRV:
		return "InSrv"
	case DNState_DN_STATE_OOS:
		return "OOS"
	}
	return ""
}

// Word is "peer-lost" for REASON_PEER_LOST; "" for no reason.
func (x Reason) Word() string { return word(x.String(), "REASON_") }

// Word is "not-ready" for AGENT_STATE_NOT_READY; "" for no state.
func (x AgentState) Word() string { return word(x.String(), "AGENT_STATE_") }

// Word is "not-busy" for CONDITION_KIND_NOT_BUSY; "" for no condition.
func (x ConditionKind) Word() string { return word(x.String(), "CONDITION_KIND_") }

// Word is "state" for DN_CHANGE_KIND_STATE; "" for no change.
func (x DNChangeKind) Word() string { return word(x.String(), "DN_CHANGE_KIND_") }

// Word is "no-answer" for COOL_DOWN_REASON_NO_ANSWER; "" for no reason.
func (x CoolDownReason) Word() string { return word(x.String(), "COOL_DOWN_REASON_") }

// Word is "inbound" for CALL_KIND_INBOUND; "" where it is not known.
func (x CallKind) Word() string { return word(x.String(), "CALL_KIND_") }

// Word is "ringing" for CALL_PARTY_STATE_RINGING; "" for no state.
func (x CallPartyState) Word() string { return word(x.String(), "CALL_PARTY_STATE_") }

// Word is "state" for HISTORY_KIND_STATE; "" for no kind.
func (x HistoryKind) Word() string { return word(x.String(), "HISTORY_KIND_") }

func word(name, prefix string) string {
	if name = strings.TrimPrefix(name, prefix); name == "UNSPECIFIED" {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}
