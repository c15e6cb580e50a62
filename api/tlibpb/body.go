package tlibpb

// What each message of an Event is: its number, and the call that it is about.

func (*Event_Error) message() Message        { return Message_MESSAGE_EVENT_ERROR }
func (*Event_Registered) message() Message   { return Message_MESSAGE_EVENT_REGISTERED }
func (*Event_Unregistered) message() Message { return Message_MESSAGE_EVENT_UNREGISTERED }
func (*Event_Queued) message() Message       { return Message_MESSAGE_EVENT_QUEUED }
func (*Event_Diverted) message() Message     { return Message_MESSAGE_EVENT_DIVERTED }
func (*Event_Abandoned) message() Message    { return Message_MESSAGE_EVENT_ABANDONED }
func (*Event_Ringing) message() Message      { return Message_MESSAGE_EVENT_RINGING }
func (*Event_Dialing) message() Message      { return Message_MESSAGE_EVENT_DIALING }
func (*Event_AttachedDataChanged) message() Message {
	return Message_MESSAGE_EVENT_ATTACHED_DATA_CHANGED
}
func (*Event_DnUseChanged) message() Message     { return Message_MESSAGE_EVENT_DN_USE_CHANGED }
func (*Event_Established) message() Message      { return Message_MESSAGE_EVENT_ESTABLISHED }
func (*Event_Released) message() Message         { return Message_MESSAGE_EVENT_RELEASED }
func (*Event_Held) message() Message             { return Message_MESSAGE_EVENT_HELD }
func (*Event_Retrieved) message() Message        { return Message_MESSAGE_EVENT_RETRIEVED }
func (*Event_PartyChanged) message() Message     { return Message_MESSAGE_EVENT_PARTY_CHANGED }
func (*Event_PartyAdded) message() Message       { return Message_MESSAGE_EVENT_PARTY_ADDED }
func (*Event_PartyDeleted) message() Message     { return Message_MESSAGE_EVENT_PARTY_DELETED }
func (*Event_UserEvent) message() Message        { return Message_MESSAGE_EVENT_USER_EVENT }
func (*Event_RouteRequest) message() Message     { return Message_MESSAGE_EVENT_ROUTE_REQUEST }
func (*Event_RouteUsed) message() Message        { return Message_MESSAGE_EVENT_ROUTE_USED }
func (*Event_AgentLogin) message() Message       { return Message_MESSAGE_EVENT_AGENT_LOGIN }
func (*Event_AgentLogout) message() Message      { return Message_MESSAGE_EVENT_AGENT_LOGOUT }
func (*Event_AgentReady) message() Message       { return Message_MESSAGE_EVENT_AGENT_READY }
func (*Event_AgentNotReady) message() Message    { return Message_MESSAGE_EVENT_AGENT_NOT_READY }
func (*Event_DndOn) message() Message            { return Message_MESSAGE_EVENT_DND_ON }
func (*Event_DndOff) message() Message           { return Message_MESSAGE_EVENT_DND_OFF }
func (*Event_AddressInfo) message() Message      { return Message_MESSAGE_EVENT_ADDRESS_INFO }
func (*Event_ServerInfo) message() Message       { return Message_MESSAGE_EVENT_SERVER_INFO }
func (*Event_LinkDisconnected) message() Message { return Message_MESSAGE_EVENT_LINK_DISCONNECTED }
func (*Event_LinkConnected) message() Message    { return Message_MESSAGE_EVENT_LINK_CONNECTED }
func (*Event_AgentReserved) message() Message    { return Message_MESSAGE_EVENT_AGENT_RESERVED }
func (*Event_DnOutOfService) message() Message   { return Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE }
func (*Event_DnBackInService) message() Message  { return Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE }
func (*Event_EndOfSnapshot) message() Message    { return Message_MESSAGE_END_OF_SNAPSHOT }
func (*Event_NodeDraining) message() Message     { return Message_MESSAGE_EVENT_NODE_DRAINING }
func (*Event_RouteWithdrawn) message() Message   { return Message_MESSAGE_EVENT_ROUTE_WITHDRAWN }
func (*Event_QueueChanged) message() Message     { return Message_MESSAGE_EVENT_QUEUE_CHANGED }
func (*Event_DnOwnerChanged) message() Message   { return Message_MESSAGE_EVENT_DN_OWNER_CHANGED }
func (*Event_SiteLost) message() Message         { return Message_MESSAGE_EVENT_SITE_LOST }
func (*Event_SiteBack) message() Message         { return Message_MESSAGE_EVENT_SITE_BACK }

func (b *Event_Queued) call() *Call              { return b.Queued.GetCall() }
func (b *Event_RouteWithdrawn) call() *Call      { return b.RouteWithdrawn.GetCall() }
func (b *Event_QueueChanged) call() *Call        { return b.QueueChanged.GetCall() }
func (b *Event_Diverted) call() *Call            { return b.Diverted.GetCall() }
func (b *Event_Abandoned) call() *Call           { return b.Abandoned.GetCall() }
func (b *Event_Ringing) call() *Call             { return b.Ringing.GetCall() }
func (b *Event_Established) call() *Call         { return b.Established.GetCall() }
func (b *Event_Released) call() *Call            { return b.Released.GetCall() }
func (b *Event_Held) call() *Call                { return b.Held.GetCall() }
func (b *Event_Retrieved) call() *Call           { return b.Retrieved.GetCall() }
func (b *Event_PartyChanged) call() *Call        { return b.PartyChanged.GetCall() }
func (b *Event_PartyAdded) call() *Call          { return b.PartyAdded.GetCall() }
func (b *Event_PartyDeleted) call() *Call        { return b.PartyDeleted.GetCall() }
func (b *Event_UserEvent) call() *Call           { return b.UserEvent.GetCall() }
func (b *Event_RouteRequest) call() *Call        { return b.RouteRequest.GetCall() }
func (b *Event_RouteUsed) call() *Call           { return b.RouteUsed.GetCall() }
func (b *Event_Dialing) call() *Call             { return b.Dialing.GetCall() }
func (b *Event_AttachedDataChanged) call() *Call { return b.AttachedDataChanged.GetCall() }
