from sipcluster.tcpb import availability_pb2 as _availability_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ADDRESS_MODE_MONITOR: AddressMode
ADDRESS_MODE_PRIVATE: AddressMode
ADDRESS_MODE_SHARED: AddressMode
ADDRESS_MODE_UNSPECIFIED: AddressMode
AGENT_CAUSE_ADMIN: AgentCause
AGENT_CAUSE_DESKTOP_LOST: AgentCause
AGENT_CAUSE_LOGGED_IN_ELSEWHERE: AgentCause
AGENT_CAUSE_NO_ANSWER: AgentCause
AGENT_CAUSE_UNSPECIFIED: AgentCause
AGENT_CAUSE_WRAP_UP: AgentCause
AGENT_WORK_MODE_AFTER_CALL_WORK: AgentWorkMode
AGENT_WORK_MODE_AUTO_IN: AgentWorkMode
AGENT_WORK_MODE_AUX_WORK: AgentWorkMode
AGENT_WORK_MODE_MANUAL_IN: AgentWorkMode
AGENT_WORK_MODE_NO_CALL_DISCONNECT: AgentWorkMode
AGENT_WORK_MODE_UNSPECIFIED: AgentWorkMode
CALL_STATE_ABANDONED: CallState
CALL_STATE_BUSY: CallState
CALL_STATE_CONFERENCED: CallState
CALL_STATE_GENERAL_ERROR: CallState
CALL_STATE_NO_ANSWER: CallState
CALL_STATE_REDIRECTED: CallState
CALL_STATE_SIT_INVALIDNUM: CallState
CALL_STATE_SYSTEM_ERROR: CallState
CALL_STATE_TRANSFERRED: CallState
CALL_STATE_UNSPECIFIED: CallState
CALL_TYPE_CONSULT: CallType
CALL_TYPE_INBOUND: CallType
CALL_TYPE_INTERNAL: CallType
CALL_TYPE_OUTBOUND: CallType
CALL_TYPE_UNSPECIFIED: CallType
CAPABILITY_DISTRIBUTE_USER_EVENT: Capability
CAPABILITY_MAKE_CALL: Capability
CAPABILITY_RELEASE_CALL: Capability
CAPABILITY_ROUTE_CALL: Capability
CAPABILITY_SET_DND: Capability
CAPABILITY_SITE_EVENTS: Capability
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_UPDATE_USER_DATA: Capability
CAPABILITY_WITHDRAW_ROUTE: Capability
DESCRIPTOR: _descriptor.FileDescriptor
DN_ROLE_DESTINATION: DNRole
DN_ROLE_ORIGINATION: DNRole
DN_ROLE_UNSPECIFIED: DNRole
END_REASON_HANGUP: EndReason
END_REASON_NODE_LOST: EndReason
END_REASON_REFUSED: EndReason
END_REASON_UNSPECIFIED: EndReason
ERROR_CODE_INTERNAL_ERROR: ErrorCode
ERROR_CODE_INVALID_ATTRIBUTE: ErrorCode
ERROR_CODE_INVALID_CONN_ID: ErrorCode
ERROR_CODE_IN_SAME_STATE: ErrorCode
ERROR_CODE_NOT_CONFIGURED: ErrorCode
ERROR_CODE_NOT_CONNECTED: ErrorCode
ERROR_CODE_NOT_REGISTERED: ErrorCode
ERROR_CODE_OUT_OF_SERVICE: ErrorCode
ERROR_CODE_PROTOCOL_VERSION: ErrorCode
ERROR_CODE_RESOURCE_SEIZED: ErrorCode
ERROR_CODE_TIMEOUT: ErrorCode
ERROR_CODE_UNSPECIFIED: ErrorCode
ERROR_CODE_UNSUPPORTED_OPERATION: ErrorCode
EVENT_KIND_AGENT: EventKind
EVENT_KIND_CALL: EventKind
EVENT_KIND_DN: EventKind
EVENT_KIND_QUEUE: EventKind
EVENT_KIND_SITE: EventKind
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_USE: EventKind
MESSAGE_END_OF_SNAPSHOT: Message
MESSAGE_EVENT_ABANDONED: Message
MESSAGE_EVENT_ADDRESS_INFO: Message
MESSAGE_EVENT_AGENT_LOGIN: Message
MESSAGE_EVENT_AGENT_LOGOUT: Message
MESSAGE_EVENT_AGENT_NOT_READY: Message
MESSAGE_EVENT_AGENT_READY: Message
MESSAGE_EVENT_AGENT_RESERVED: Message
MESSAGE_EVENT_ATTACHED_DATA_CHANGED: Message
MESSAGE_EVENT_DIALING: Message
MESSAGE_EVENT_DIVERTED: Message
MESSAGE_EVENT_DND_OFF: Message
MESSAGE_EVENT_DND_ON: Message
MESSAGE_EVENT_DN_BACK_IN_SERVICE: Message
MESSAGE_EVENT_DN_OUT_OF_SERVICE: Message
MESSAGE_EVENT_DN_OWNER_CHANGED: Message
MESSAGE_EVENT_DN_USE_CHANGED: Message
MESSAGE_EVENT_ERROR: Message
MESSAGE_EVENT_ESTABLISHED: Message
MESSAGE_EVENT_HELD: Message
MESSAGE_EVENT_LINK_CONNECTED: Message
MESSAGE_EVENT_LINK_DISCONNECTED: Message
MESSAGE_EVENT_NODE_DRAINING: Message
MESSAGE_EVENT_PARTY_ADDED: Message
MESSAGE_EVENT_PARTY_CHANGED: Message
MESSAGE_EVENT_PARTY_DELETED: Message
MESSAGE_EVENT_QUEUED: Message
MESSAGE_EVENT_QUEUE_CHANGED: Message
MESSAGE_EVENT_REGISTERED: Message
MESSAGE_EVENT_RELEASED: Message
MESSAGE_EVENT_RETRIEVED: Message
MESSAGE_EVENT_RINGING: Message
MESSAGE_EVENT_ROUTE_REQUEST: Message
MESSAGE_EVENT_ROUTE_USED: Message
MESSAGE_EVENT_ROUTE_WITHDRAWN: Message
MESSAGE_EVENT_SERVER_INFO: Message
MESSAGE_EVENT_SITE_BACK: Message
MESSAGE_EVENT_SITE_LOST: Message
MESSAGE_EVENT_UNREGISTERED: Message
MESSAGE_EVENT_USER_EVENT: Message
MESSAGE_UNSPECIFIED: Message
PORT_DEFAULT: Port
PORT_TCPORT: Port
PORT_UNSPECIFIED: Port
RESERVATION_OUTCOME_CANCELLED: ReservationOutcome
RESERVATION_OUTCOME_OVER: ReservationOutcome
RESERVATION_OUTCOME_RESERVED: ReservationOutcome
RESERVATION_OUTCOME_UNSPECIFIED: ReservationOutcome

class Agent(_message.Message):
    __slots__ = ["id", "reasons", "work_mode"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WORK_MODE_FIELD_NUMBER: _ClassVar[int]
    id: str
    reasons: _containers.ScalarMap[str, str]
    work_mode: AgentWorkMode
    def __init__(self, id: _Optional[str] = ..., work_mode: _Optional[_Union[AgentWorkMode, str]] = ..., reasons: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AgentLogin(_message.Message):
    __slots__ = ["agent_id", "dn", "reasons", "work_mode"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WORK_MODE_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    dn: str
    reasons: _containers.ScalarMap[str, str]
    work_mode: AgentWorkMode
    def __init__(self, dn: _Optional[str] = ..., agent_id: _Optional[str] = ..., work_mode: _Optional[_Union[AgentWorkMode, str]] = ..., reasons: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AgentLogout(_message.Message):
    __slots__ = ["dn", "reasons"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    dn: str
    reasons: _containers.ScalarMap[str, str]
    def __init__(self, dn: _Optional[str] = ..., reasons: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AgentNotReady(_message.Message):
    __slots__ = ["dn", "reasons", "work_mode"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WORK_MODE_FIELD_NUMBER: _ClassVar[int]
    dn: str
    reasons: _containers.ScalarMap[str, str]
    work_mode: AgentWorkMode
    def __init__(self, dn: _Optional[str] = ..., work_mode: _Optional[_Union[AgentWorkMode, str]] = ..., reasons: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AgentReady(_message.Message):
    __slots__ = ["dn", "reasons", "work_mode"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DN_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WORK_MODE_FIELD_NUMBER: _ClassVar[int]
    dn: str
    reasons: _containers.ScalarMap[str, str]
    work_mode: AgentWorkMode
    def __init__(self, dn: _Optional[str] = ..., work_mode: _Optional[_Union[AgentWorkMode, str]] = ..., reasons: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ["ani", "call_state", "call_type", "call_uuid", "conn_id", "dnis", "other_dn", "previous_conn_id", "this_dn_role", "this_queue", "user_data"]
    class UserDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ANI_FIELD_NUMBER: _ClassVar[int]
    CALL_STATE_FIELD_NUMBER: _ClassVar[int]
    CALL_TYPE_FIELD_NUMBER: _ClassVar[int]
    CALL_UUID_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DNIS_FIELD_NUMBER: _ClassVar[int]
    OTHER_DN_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_CONN_ID_FIELD_NUMBER: _ClassVar[int]
    THIS_DN_ROLE_FIELD_NUMBER: _ClassVar[int]
    THIS_QUEUE_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    ani: str
    call_state: CallState
    call_type: CallType
    call_uuid: str
    conn_id: str
    dnis: str
    other_dn: str
    previous_conn_id: str
    this_dn_role: DNRole
    this_queue: str
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, conn_id: _Optional[str] = ..., other_dn: _Optional[str] = ..., this_dn_role: _Optional[_Union[DNRole, str]] = ..., ani: _Optional[str] = ..., dnis: _Optional[str] = ..., user_data: _Optional[_Mapping[str, str]] = ..., call_type: _Optional[_Union[CallType, str]] = ..., this_queue: _Optional[str] = ..., call_uuid: _Optional[str] = ..., call_state: _Optional[_Union[CallState, str]] = ..., previous_conn_id: _Optional[str] = ...) -> None: ...

class CallEnd(_message.Message):
    __slots__ = ["reason", "sip_status", "text"]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SIP_STATUS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    reason: EndReason
    sip_status: int
    text: str
    def __init__(self, reason: _Optional[_Union[EndReason, str]] = ..., sip_status: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ClientMessage(_message.Message):
    __slots__ = ["agent_login", "agent_logout", "agent_not_ready", "agent_ready", "distribute_user_event", "make_call", "monitor_all", "open_session", "query_address", "query_server", "reference_id", "register_address", "release_call", "reserve_agent", "route_call", "set_dnd_off", "set_dnd_on", "stop_monitor", "unregister_address", "update_user_data", "withdraw_route"]
    AGENT_LOGIN_FIELD_NUMBER: _ClassVar[int]
    AGENT_LOGOUT_FIELD_NUMBER: _ClassVar[int]
    AGENT_NOT_READY_FIELD_NUMBER: _ClassVar[int]
    AGENT_READY_FIELD_NUMBER: _ClassVar[int]
    DISTRIBUTE_USER_EVENT_FIELD_NUMBER: _ClassVar[int]
    MAKE_CALL_FIELD_NUMBER: _ClassVar[int]
    MONITOR_ALL_FIELD_NUMBER: _ClassVar[int]
    OPEN_SESSION_FIELD_NUMBER: _ClassVar[int]
    QUERY_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    QUERY_SERVER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_CALL_FIELD_NUMBER: _ClassVar[int]
    RESERVE_AGENT_FIELD_NUMBER: _ClassVar[int]
    ROUTE_CALL_FIELD_NUMBER: _ClassVar[int]
    SET_DND_OFF_FIELD_NUMBER: _ClassVar[int]
    SET_DND_ON_FIELD_NUMBER: _ClassVar[int]
    STOP_MONITOR_FIELD_NUMBER: _ClassVar[int]
    UNREGISTER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_USER_DATA_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_ROUTE_FIELD_NUMBER: _ClassVar[int]
    agent_login: AgentLogin
    agent_logout: AgentLogout
    agent_not_ready: AgentNotReady
    agent_ready: AgentReady
    distribute_user_event: DistributeUserEvent
    make_call: MakeCall
    monitor_all: MonitorAll
    open_session: OpenSession
    query_address: QueryAddress
    query_server: QueryServer
    reference_id: int
    register_address: RegisterAddress
    release_call: ReleaseCall
    reserve_agent: ReserveAgent
    route_call: RouteCall
    set_dnd_off: SetDNDOff
    set_dnd_on: SetDNDOn
    stop_monitor: StopMonitor
    unregister_address: UnregisterAddress
    update_user_data: UpdateUserData
    withdraw_route: WithdrawRoute
    def __init__(self, reference_id: _Optional[int] = ..., query_server: _Optional[_Union[QueryServer, _Mapping]] = ..., query_address: _Optional[_Union[QueryAddress, _Mapping]] = ..., register_address: _Optional[_Union[RegisterAddress, _Mapping]] = ..., unregister_address: _Optional[_Union[UnregisterAddress, _Mapping]] = ..., agent_login: _Optional[_Union[AgentLogin, _Mapping]] = ..., agent_logout: _Optional[_Union[AgentLogout, _Mapping]] = ..., agent_ready: _Optional[_Union[AgentReady, _Mapping]] = ..., agent_not_ready: _Optional[_Union[AgentNotReady, _Mapping]] = ..., set_dnd_on: _Optional[_Union[SetDNDOn, _Mapping]] = ..., set_dnd_off: _Optional[_Union[SetDNDOff, _Mapping]] = ..., make_call: _Optional[_Union[MakeCall, _Mapping]] = ..., release_call: _Optional[_Union[ReleaseCall, _Mapping]] = ..., update_user_data: _Optional[_Union[UpdateUserData, _Mapping]] = ..., route_call: _Optional[_Union[RouteCall, _Mapping]] = ..., distribute_user_event: _Optional[_Union[DistributeUserEvent, _Mapping]] = ..., reserve_agent: _Optional[_Union[ReserveAgent, _Mapping]] = ..., open_session: _Optional[_Union[OpenSession, _Mapping]] = ..., monitor_all: _Optional[_Union[MonitorAll, _Mapping]] = ..., stop_monitor: _Optional[_Union[StopMonitor, _Mapping]] = ..., withdraw_route: _Optional[_Union[WithdrawRoute, _Mapping]] = ...) -> None: ...

class DistributeUserEvent(_message.Message):
    __slots__ = ["conn_id", "dn", "user_data"]
    class UserDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    dn: str
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, dn: _Optional[str] = ..., conn_id: _Optional[str] = ..., user_data: _Optional[_Mapping[str, str]] = ...) -> None: ...

class EndOfSnapshot(_message.Message):
    __slots__ = ["resumed"]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    resumed: bool
    def __init__(self, resumed: bool = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ["abandoned", "address_info", "agent_login", "agent_logout", "agent_not_ready", "agent_ready", "agent_reserved", "attached_data_changed", "call_seq", "dialing", "diverted", "dn_back_in_service", "dn_out_of_service", "dn_owner_changed", "dn_use_changed", "dnd_off", "dnd_on", "end_of_snapshot", "error", "established", "held", "link_connected", "link_disconnected", "node_draining", "owner", "party_added", "party_changed", "party_deleted", "queue_changed", "queued", "reference_id", "registered", "released", "retrieved", "ringing", "route_request", "route_used", "route_withdrawn", "seq", "server_info", "site", "site_back", "site_lost", "snapshot", "this_dn", "time", "unregistered", "user_event"]
    ABANDONED_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_INFO_FIELD_NUMBER: _ClassVar[int]
    AGENT_LOGIN_FIELD_NUMBER: _ClassVar[int]
    AGENT_LOGOUT_FIELD_NUMBER: _ClassVar[int]
    AGENT_NOT_READY_FIELD_NUMBER: _ClassVar[int]
    AGENT_READY_FIELD_NUMBER: _ClassVar[int]
    AGENT_RESERVED_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_DATA_CHANGED_FIELD_NUMBER: _ClassVar[int]
    CALL_SEQ_FIELD_NUMBER: _ClassVar[int]
    DIALING_FIELD_NUMBER: _ClassVar[int]
    DIVERTED_FIELD_NUMBER: _ClassVar[int]
    DND_OFF_FIELD_NUMBER: _ClassVar[int]
    DND_ON_FIELD_NUMBER: _ClassVar[int]
    DN_BACK_IN_SERVICE_FIELD_NUMBER: _ClassVar[int]
    DN_OUT_OF_SERVICE_FIELD_NUMBER: _ClassVar[int]
    DN_OWNER_CHANGED_FIELD_NUMBER: _ClassVar[int]
    DN_USE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    END_OF_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ESTABLISHED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    LINK_CONNECTED_FIELD_NUMBER: _ClassVar[int]
    LINK_DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    NODE_DRAINING_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PARTY_ADDED_FIELD_NUMBER: _ClassVar[int]
    PARTY_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PARTY_DELETED_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    QUEUE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    RINGING_FIELD_NUMBER: _ClassVar[int]
    ROUTE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    ROUTE_USED_FIELD_NUMBER: _ClassVar[int]
    ROUTE_WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SERVER_INFO_FIELD_NUMBER: _ClassVar[int]
    SITE_BACK_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    SITE_LOST_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    THIS_DN_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    UNREGISTERED_FIELD_NUMBER: _ClassVar[int]
    USER_EVENT_FIELD_NUMBER: _ClassVar[int]
    abandoned: EventAbandoned
    address_info: EventAddressInfo
    agent_login: EventAgentLogin
    agent_logout: EventAgentLogout
    agent_not_ready: EventAgentNotReady
    agent_ready: EventAgentReady
    agent_reserved: EventAgentReserved
    attached_data_changed: EventAttachedDataChanged
    call_seq: int
    dialing: EventDialing
    diverted: EventDiverted
    dn_back_in_service: EventDNBackInService
    dn_out_of_service: EventDNOutOfService
    dn_owner_changed: EventDNOwnerChanged
    dn_use_changed: EventDNUseChanged
    dnd_off: EventDNDOff
    dnd_on: EventDNDOn
    end_of_snapshot: EndOfSnapshot
    error: EventError
    established: EventEstablished
    held: EventHeld
    link_connected: EventLinkConnected
    link_disconnected: EventLinkDisconnected
    node_draining: EventNodeDraining
    owner: str
    party_added: EventPartyAdded
    party_changed: EventPartyChanged
    party_deleted: EventPartyDeleted
    queue_changed: EventQueueChanged
    queued: EventQueued
    reference_id: int
    registered: EventRegistered
    released: EventReleased
    retrieved: EventRetrieved
    ringing: EventRinging
    route_request: EventRouteRequest
    route_used: EventRouteUsed
    route_withdrawn: EventRouteWithdrawn
    seq: int
    server_info: EventServerInfo
    site: str
    site_back: EventSiteBack
    site_lost: EventSiteLost
    snapshot: bool
    this_dn: str
    time: _timestamp_pb2.Timestamp
    unregistered: EventUnregistered
    user_event: EventUserEvent
    def __init__(self, reference_id: _Optional[int] = ..., this_dn: _Optional[str] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., seq: _Optional[int] = ..., snapshot: bool = ..., owner: _Optional[str] = ..., site: _Optional[str] = ..., call_seq: _Optional[int] = ..., error: _Optional[_Union[EventError, _Mapping]] = ..., registered: _Optional[_Union[EventRegistered, _Mapping]] = ..., unregistered: _Optional[_Union[EventUnregistered, _Mapping]] = ..., queued: _Optional[_Union[EventQueued, _Mapping]] = ..., diverted: _Optional[_Union[EventDiverted, _Mapping]] = ..., abandoned: _Optional[_Union[EventAbandoned, _Mapping]] = ..., ringing: _Optional[_Union[EventRinging, _Mapping]] = ..., dialing: _Optional[_Union[EventDialing, _Mapping]] = ..., established: _Optional[_Union[EventEstablished, _Mapping]] = ..., released: _Optional[_Union[EventReleased, _Mapping]] = ..., held: _Optional[_Union[EventHeld, _Mapping]] = ..., retrieved: _Optional[_Union[EventRetrieved, _Mapping]] = ..., party_changed: _Optional[_Union[EventPartyChanged, _Mapping]] = ..., party_added: _Optional[_Union[EventPartyAdded, _Mapping]] = ..., party_deleted: _Optional[_Union[EventPartyDeleted, _Mapping]] = ..., route_request: _Optional[_Union[EventRouteRequest, _Mapping]] = ..., route_used: _Optional[_Union[EventRouteUsed, _Mapping]] = ..., agent_login: _Optional[_Union[EventAgentLogin, _Mapping]] = ..., agent_logout: _Optional[_Union[EventAgentLogout, _Mapping]] = ..., agent_ready: _Optional[_Union[EventAgentReady, _Mapping]] = ..., agent_not_ready: _Optional[_Union[EventAgentNotReady, _Mapping]] = ..., dnd_on: _Optional[_Union[EventDNDOn, _Mapping]] = ..., dnd_off: _Optional[_Union[EventDNDOff, _Mapping]] = ..., attached_data_changed: _Optional[_Union[EventAttachedDataChanged, _Mapping]] = ..., address_info: _Optional[_Union[EventAddressInfo, _Mapping]] = ..., server_info: _Optional[_Union[EventServerInfo, _Mapping]] = ..., link_disconnected: _Optional[_Union[EventLinkDisconnected, _Mapping]] = ..., link_connected: _Optional[_Union[EventLinkConnected, _Mapping]] = ..., user_event: _Optional[_Union[EventUserEvent, _Mapping]] = ..., agent_reserved: _Optional[_Union[EventAgentReserved, _Mapping]] = ..., dn_out_of_service: _Optional[_Union[EventDNOutOfService, _Mapping]] = ..., dn_back_in_service: _Optional[_Union[EventDNBackInService, _Mapping]] = ..., end_of_snapshot: _Optional[_Union[EndOfSnapshot, _Mapping]] = ..., node_draining: _Optional[_Union[EventNodeDraining, _Mapping]] = ..., dn_owner_changed: _Optional[_Union[EventDNOwnerChanged, _Mapping]] = ..., dn_use_changed: _Optional[_Union[EventDNUseChanged, _Mapping]] = ..., site_lost: _Optional[_Union[EventSiteLost, _Mapping]] = ..., site_back: _Optional[_Union[EventSiteBack, _Mapping]] = ..., route_withdrawn: _Optional[_Union[EventRouteWithdrawn, _Mapping]] = ..., queue_changed: _Optional[_Union[EventQueueChanged, _Mapping]] = ...) -> None: ...

class EventAbandoned(_message.Message):
    __slots__ = ["call", "end"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    call: Call
    end: CallEnd
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., end: _Optional[_Union[CallEnd, _Mapping]] = ...) -> None: ...

class EventAddressInfo(_message.Message):
    __slots__ = ["status"]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _availability_pb2.DNStatus
    def __init__(self, status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ...) -> None: ...

class EventAgentLogin(_message.Message):
    __slots__ = ["agent"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ...) -> None: ...

class EventAgentLogout(_message.Message):
    __slots__ = ["agent", "cause"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    cause: AgentCause
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., cause: _Optional[_Union[AgentCause, str]] = ...) -> None: ...

class EventAgentNotReady(_message.Message):
    __slots__ = ["agent", "cause", "until"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    cause: AgentCause
    until: _timestamp_pb2.Timestamp
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., cause: _Optional[_Union[AgentCause, str]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventAgentReady(_message.Message):
    __slots__ = ["agent", "cause"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    agent: Agent
    cause: AgentCause
    def __init__(self, agent: _Optional[_Union[Agent, _Mapping]] = ..., cause: _Optional[_Union[AgentCause, str]] = ...) -> None: ...

class EventAgentReserved(_message.Message):
    __slots__ = ["expires_at", "outcome"]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    expires_at: _timestamp_pb2.Timestamp
    outcome: ReservationOutcome
    def __init__(self, outcome: _Optional[_Union[ReservationOutcome, str]] = ..., expires_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventAttachedDataChanged(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventDNBackInService(_message.Message):
    __slots__ = ["reason", "status"]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    reason: _availability_pb2.Reason
    status: _availability_pb2.DNStatus
    def __init__(self, reason: _Optional[_Union[_availability_pb2.Reason, str]] = ..., status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ...) -> None: ...

class EventDNDOff(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class EventDNDOn(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class EventDNOutOfService(_message.Message):
    __slots__ = ["reason", "status"]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    reason: _availability_pb2.Reason
    status: _availability_pb2.DNStatus
    def __init__(self, reason: _Optional[_Union[_availability_pb2.Reason, str]] = ..., status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ...) -> None: ...

class EventDNOwnerChanged(_message.Message):
    __slots__ = ["previous_owner", "previous_site", "reason"]
    PREVIOUS_OWNER_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SITE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    previous_owner: str
    previous_site: str
    reason: _availability_pb2.Reason
    def __init__(self, previous_owner: _Optional[str] = ..., previous_site: _Optional[str] = ..., reason: _Optional[_Union[_availability_pb2.Reason, str]] = ...) -> None: ...

class EventDNUseChanged(_message.Message):
    __slots__ = ["busy", "cool_down", "reserved", "routable", "uses"]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    COOL_DOWN_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    ROUTABLE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    busy: bool
    cool_down: _availability_pb2.CoolDown
    reserved: bool
    routable: bool
    uses: _availability_pb2.Uses
    def __init__(self, busy: bool = ..., reserved: bool = ..., routable: bool = ..., uses: _Optional[_Union[_availability_pb2.Uses, _Mapping]] = ..., cool_down: _Optional[_Union[_availability_pb2.CoolDown, _Mapping]] = ...) -> None: ...

class EventDialing(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventDiverted(_message.Message):
    __slots__ = ["call", "third_party_dn"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_DN_FIELD_NUMBER: _ClassVar[int]
    call: Call
    third_party_dn: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., third_party_dn: _Optional[str] = ...) -> None: ...

class EventError(_message.Message):
    __slots__ = ["code", "text"]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: ErrorCode
    text: str
    def __init__(self, code: _Optional[_Union[ErrorCode, str]] = ..., text: _Optional[str] = ...) -> None: ...

class EventEstablished(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventHeld(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventLinkConnected(_message.Message):
    __slots__ = ["capabilities", "protocol_version", "resumed", "server", "session_token"]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.RepeatedScalarFieldContainer[Capability]
    protocol_version: int
    resumed: bool
    server: ServerInfo
    session_token: str
    def __init__(self, server: _Optional[_Union[ServerInfo, _Mapping]] = ..., session_token: _Optional[str] = ..., resumed: bool = ..., protocol_version: _Optional[int] = ..., capabilities: _Optional[_Iterable[_Union[Capability, str]]] = ...) -> None: ...

class EventLinkDisconnected(_message.Message):
    __slots__ = ["server", "text"]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    server: ServerInfo
    text: str
    def __init__(self, server: _Optional[_Union[ServerInfo, _Mapping]] = ..., text: _Optional[str] = ...) -> None: ...

class EventNodeDraining(_message.Message):
    __slots__ = ["server", "undone", "until"]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    server: ServerInfo
    undone: bool
    until: _timestamp_pb2.Timestamp
    def __init__(self, server: _Optional[_Union[ServerInfo, _Mapping]] = ..., undone: bool = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventPartyAdded(_message.Message):
    __slots__ = ["call", "third_party_dn"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_DN_FIELD_NUMBER: _ClassVar[int]
    call: Call
    third_party_dn: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., third_party_dn: _Optional[str] = ...) -> None: ...

class EventPartyChanged(_message.Message):
    __slots__ = ["call", "third_party_dn"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_DN_FIELD_NUMBER: _ClassVar[int]
    call: Call
    third_party_dn: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., third_party_dn: _Optional[str] = ...) -> None: ...

class EventPartyDeleted(_message.Message):
    __slots__ = ["call", "third_party_dn"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_DN_FIELD_NUMBER: _ClassVar[int]
    call: Call
    third_party_dn: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., third_party_dn: _Optional[str] = ...) -> None: ...

class EventQueueChanged(_message.Message):
    __slots__ = ["call", "group"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    call: Call
    group: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., group: _Optional[str] = ...) -> None: ...

class EventQueued(_message.Message):
    __slots__ = ["call", "group", "tried", "tries"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    call: Call
    group: str
    tried: _containers.RepeatedScalarFieldContainer[str]
    tries: _containers.RepeatedCompositeFieldContainer[Try]
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., tried: _Optional[_Iterable[str]] = ..., group: _Optional[str] = ..., tries: _Optional[_Iterable[_Union[Try, _Mapping]]] = ...) -> None: ...

class EventRegistered(_message.Message):
    __slots__ = ["status"]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _availability_pb2.DNStatus
    def __init__(self, status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ...) -> None: ...

class EventReleased(_message.Message):
    __slots__ = ["call", "end"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    call: Call
    end: CallEnd
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., end: _Optional[_Union[CallEnd, _Mapping]] = ...) -> None: ...

class EventRetrieved(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventRinging(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventRouteRequest(_message.Message):
    __slots__ = ["call", "tried", "tries"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    TRIES_FIELD_NUMBER: _ClassVar[int]
    call: Call
    tried: _containers.RepeatedScalarFieldContainer[str]
    tries: _containers.RepeatedCompositeFieldContainer[Try]
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., tried: _Optional[_Iterable[str]] = ..., tries: _Optional[_Iterable[_Union[Try, _Mapping]]] = ...) -> None: ...

class EventRouteUsed(_message.Message):
    __slots__ = ["call", "third_party_dn"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    THIRD_PARTY_DN_FIELD_NUMBER: _ClassVar[int]
    call: Call
    third_party_dn: str
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., third_party_dn: _Optional[str] = ...) -> None: ...

class EventRouteWithdrawn(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: Call
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class EventServerInfo(_message.Message):
    __slots__ = ["server"]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    server: ServerInfo
    def __init__(self, server: _Optional[_Union[ServerInfo, _Mapping]] = ...) -> None: ...

class EventSiteBack(_message.Message):
    __slots__ = ["nodes"]
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class EventSiteLost(_message.Message):
    __slots__ = ["nodes"]
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class EventUnregistered(_message.Message):
    __slots__ = ["superseded"]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    superseded: bool
    def __init__(self, superseded: bool = ...) -> None: ...

class EventUserEvent(_message.Message):
    __slots__ = ["call", "user_data"]
    class UserDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CALL_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    call: Call
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, call: _Optional[_Union[Call, _Mapping]] = ..., user_data: _Optional[_Mapping[str, str]] = ...) -> None: ...

class MakeCall(_message.Message):
    __slots__ = ["dn", "number", "request_id"]
    DN_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    dn: str
    number: str
    request_id: str
    def __init__(self, dn: _Optional[str] = ..., number: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class MonitorAll(_message.Message):
    __slots__ = ["filter", "resume_cursor"]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    RESUME_CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: MonitorFilter
    resume_cursor: bytes
    def __init__(self, filter: _Optional[_Union[MonitorFilter, _Mapping]] = ..., resume_cursor: _Optional[bytes] = ...) -> None: ...

class MonitorFilter(_message.Message):
    __slots__ = ["group", "kinds", "own_only", "owner"]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    OWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    group: str
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    own_only: bool
    owner: str
    def __init__(self, kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., group: _Optional[str] = ..., owner: _Optional[str] = ..., own_only: bool = ...) -> None: ...

class OpenSession(_message.Message):
    __slots__ = ["application", "protocol_version", "resume_cursor", "resume_token"]
    APPLICATION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    RESUME_CURSOR_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    application: str
    protocol_version: int
    resume_cursor: bytes
    resume_token: str
    def __init__(self, application: _Optional[str] = ..., protocol_version: _Optional[int] = ..., resume_token: _Optional[str] = ..., resume_cursor: _Optional[bytes] = ...) -> None: ...

class QueryAddress(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: str
    def __init__(self, dn: _Optional[str] = ...) -> None: ...

class QueryServer(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RegisterAddress(_message.Message):
    __slots__ = ["dn", "mode"]
    DN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    dn: str
    mode: AddressMode
    def __init__(self, dn: _Optional[str] = ..., mode: _Optional[_Union[AddressMode, str]] = ...) -> None: ...

class ReleaseCall(_message.Message):
    __slots__ = ["conn_id", "dn"]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    dn: str
    def __init__(self, dn: _Optional[str] = ..., conn_id: _Optional[str] = ...) -> None: ...

class ReserveAgent(_message.Message):
    __slots__ = ["detached", "dn", "duration", "priority"]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    detached: bool
    dn: str
    duration: _duration_pb2.Duration
    priority: int
    def __init__(self, dn: _Optional[str] = ..., duration: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., priority: _Optional[int] = ..., detached: bool = ...) -> None: ...

class RouteCall(_message.Message):
    __slots__ = ["conn_id", "dn", "external", "group", "overflow", "reject", "timeout", "user_data"]
    class UserDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    dn: str
    external: str
    group: str
    overflow: _containers.RepeatedCompositeFieldContainer[RoutePlace]
    reject: int
    timeout: _duration_pb2.Duration
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, conn_id: _Optional[str] = ..., dn: _Optional[str] = ..., group: _Optional[str] = ..., external: _Optional[str] = ..., reject: _Optional[int] = ..., user_data: _Optional[_Mapping[str, str]] = ..., timeout: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., overflow: _Optional[_Iterable[_Union[RoutePlace, _Mapping]]] = ...) -> None: ...

class RoutePlace(_message.Message):
    __slots__ = ["dn", "external", "group"]
    DN_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    dn: str
    external: str
    group: str
    def __init__(self, dn: _Optional[str] = ..., group: _Optional[str] = ..., external: _Optional[str] = ...) -> None: ...

class ServerInfo(_message.Message):
    __slots__ = ["draining", "incarnation", "lost_sites", "node", "nodes", "port", "site", "version"]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    LOST_SITES_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    draining: _containers.RepeatedScalarFieldContainer[str]
    incarnation: int
    lost_sites: _containers.RepeatedScalarFieldContainer[str]
    node: str
    nodes: _containers.RepeatedScalarFieldContainer[str]
    port: Port
    site: str
    version: str
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., version: _Optional[str] = ..., port: _Optional[_Union[Port, str]] = ..., nodes: _Optional[_Iterable[str]] = ..., draining: _Optional[_Iterable[str]] = ..., incarnation: _Optional[int] = ..., lost_sites: _Optional[_Iterable[str]] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ["cursor", "events"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class SetDNDOff(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: str
    def __init__(self, dn: _Optional[str] = ...) -> None: ...

class SetDNDOn(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: str
    def __init__(self, dn: _Optional[str] = ...) -> None: ...

class StopMonitor(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Try(_message.Message):
    __slots__ = ["dn", "end"]
    DN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    dn: str
    end: CallEnd
    def __init__(self, dn: _Optional[str] = ..., end: _Optional[_Union[CallEnd, _Mapping]] = ...) -> None: ...

class UnregisterAddress(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: str
    def __init__(self, dn: _Optional[str] = ...) -> None: ...

class UpdateUserData(_message.Message):
    __slots__ = ["conn_id", "user_data"]
    class UserDataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    USER_DATA_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, conn_id: _Optional[str] = ..., user_data: _Optional[_Mapping[str, str]] = ...) -> None: ...

class WithdrawRoute(_message.Message):
    __slots__ = ["conn_id"]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    def __init__(self, conn_id: _Optional[str] = ...) -> None: ...

class AddressMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AgentWorkMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Message(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AgentCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ReservationOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CallState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DNRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CallType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Port(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ErrorCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
