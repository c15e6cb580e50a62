// Package tlibpb is the T-Library protocol over gRPC; beside what is generated, what Go
// programs ask of an event of any kind.
package tlibpb

import "github.com/sipcluster/sipcluster/api/tcpb"

// ProtocolVersion is the version of the T-Library protocol that these messages are of.
const ProtocolVersion = 1

// Body is one message of an Event.
type Body = isEvent_Body

// GetMessage is the kind of the event; MESSAGE_UNSPECIFIED of one that this program
// does not know.
func (x *Event) GetMessage() Message {
	if b, ok := x.GetBody().(interface{ message() Message }); ok {
		return b.message()
	}
	return Message_MESSAGE_UNSPECIFIED
}

// GetCall is what the event says of a call, nil when it is about none.
func (x *Event) GetCall() *Call {
	if b, ok := x.GetBody().(interface{ call() *Call }); ok {
		return b.call()
	}
	return nil
}

// GetEnd says how a call ended, nil when none did.
func (x *Event) GetEnd() *CallEnd {
	switch b := x.GetBody().(type) {
	case *Event_Released:
		return b.Released.GetEnd()
	case *Event_Abandoned:
		return b.Abandoned.GetEnd()
	}
	return nil
}

// GetThirdPartyDn is where a call goes that leaves a routing point, who transferred it, or
// who joined or left it.
func (x *Event) GetThirdPartyDn() string {
	switch b := x.GetBody().(type) {
	case *Event_RouteUsed:
		return b.RouteUsed.GetThirdPartyDn()
	case *Event_Diverted:
		return b.Diverted.GetThirdPartyDn()
	case *Event_PartyChanged:
		return b.PartyChanged.GetThirdPartyDn()
	case *Event_PartyAdded:
		return b.PartyAdded.GetThirdPartyDn()
	case *Event_PartyDeleted:
		return b.PartyDeleted.GetThirdPartyDn()
	}
	return ""
}

// GetAgent is what the event says of an agent, nil when it is about none.
func (x *Event) GetAgent() *Agent {
	switch b := x.GetBody().(type) {
	case *Event_AgentLogin:
		return b.AgentLogin.GetAgent()
	case *Event_AgentLogout:
		return b.AgentLogout.GetAgent()
	case *Event_AgentReady:
		return b.AgentReady.GetAgent()
	case *Event_AgentNotReady:
		return b.AgentNotReady.GetAgent()
	}
	return nil
}

// GetStatus is the DN's status in an answer or a row, nil when there is none.
func (x *Event) GetStatus() *tcpb.DNStatus {
	switch b := x.GetBody().(type) {
	case *Event_Registered:
		return b.Registered.GetStatus()
	case *Event_AddressInfo:
		return b.AddressInfo.GetStatus()
	case *Event_DnOutOfService:
		return b.DnOutOfService.GetStatus()
	case *Event_DnBackInService:
		return b.DnBackInService.GetStatus()
	}
	return nil
}

// GetReason says why a DN went out of service, came back or changed its owner.
func (x *Event) GetReason() tcpb.Reason {
	switch b := x.GetBody().(type) {
	case *Event_DnOutOfService:
		return b.DnOutOfService.GetReason()
	case *Event_DnBackInService:
		return b.DnBackInService.GetReason()
	case *Event_DnOwnerChanged:
		return b.DnOwnerChanged.GetReason()
	}
	return tcpb.Reason_REASON_UNSPECIFIED
}

// GetServer is what the node says of itself, nil when the event is not about it.
func (x *Event) GetServer() *ServerInfo {
	switch b := x.GetBody().(type) {
	case *Event_ServerInfo:
		return b.ServerInfo.GetServer()
	case *Event_LinkConnected:
		return b.LinkConnected.GetServer()
	case *Event_LinkDisconnected:
		return b.LinkDisconnected.GetServer()
	case *Event_NodeDraining:
		return b.NodeDraining.GetServer()
	}
	return nil
}

// GetResumed tells whether a session, or a stream, went on where it was.
func (x *Event) GetResumed() bool {
	return x.GetLinkConnected().GetResumed() || x.GetEndOfSnapshot().GetResumed()
}
