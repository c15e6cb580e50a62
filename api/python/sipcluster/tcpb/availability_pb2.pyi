from sipcluster.configpb import config_pb2 as _config_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

AGENT_STATE_LOGGED_IN: AgentState
AGENT_STATE_LOGGED_OUT: AgentState
AGENT_STATE_NOT_READY: AgentState
AGENT_STATE_READY: AgentState
AGENT_STATE_UNSPECIFIED: AgentState
CHANGE_AGENT: Change
CHANGE_OWNER: Change
CHANGE_STATE: Change
CHANGE_UNSPECIFIED: Change
CHANGE_USE: Change
COOL_DOWN_REASON_NO_ANSWER: CoolDownReason
COOL_DOWN_REASON_UNSPECIFIED: CoolDownReason
DESCRIPTOR: _descriptor.FileDescriptor
DN_STATE_IN_SRV: DNState
DN_STATE_OOS: DNState
DN_STATE_UNSPECIFIED: DNState
REASON_ADMIN: Reason
REASON_DELETED: Reason
REASON_DESKTOP_LOST: Reason
REASON_EXPIRED: Reason
REASON_OWNER_MOVED: Reason
REASON_PEER_LOST: Reason
REASON_REGISTERED: Reason
REASON_UNREGISTERED: Reason
REASON_UNRESPONSIVE: Reason
REASON_UNSPECIFIED: Reason

class AgentStatus(_message.Message):
    __slots__ = ["id", "reasons", "since", "state", "until", "work_mode"]
    class ReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    WORK_MODE_FIELD_NUMBER: _ClassVar[int]
    id: str
    reasons: _containers.ScalarMap[str, str]
    since: _timestamp_pb2.Timestamp
    state: AgentState
    until: _timestamp_pb2.Timestamp
    work_mode: int
    def __init__(self, id: _Optional[str] = ..., state: _Optional[_Union[AgentState, str]] = ..., work_mode: _Optional[int] = ..., reasons: _Optional[_Mapping[str, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CoolDown(_message.Message):
    __slots__ = ["ends", "reason"]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ends: _timestamp_pb2.Timestamp
    reason: CoolDownReason
    def __init__(self, ends: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[CoolDownReason, str]] = ...) -> None: ...

class DNEvent(_message.Message):
    __slots__ = ["agent", "busy", "change", "cool_down", "dn", "do_not_disturb", "owner", "reason", "reserved", "routable", "seq", "site", "snapshot", "state", "time", "uses"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    COOL_DOWN_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_DISTURB_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    ROUTABLE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    agent: AgentStatus
    busy: bool
    change: Change
    cool_down: CoolDown
    dn: str
    do_not_disturb: bool
    owner: str
    reason: Reason
    reserved: bool
    routable: bool
    seq: int
    site: str
    snapshot: bool
    state: DNState
    time: _timestamp_pb2.Timestamp
    uses: Uses
    def __init__(self, dn: _Optional[str] = ..., state: _Optional[_Union[DNState, str]] = ..., owner: _Optional[str] = ..., site: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., seq: _Optional[int] = ..., snapshot: bool = ..., change: _Optional[_Union[Change, str]] = ..., agent: _Optional[_Union[AgentStatus, _Mapping]] = ..., busy: bool = ..., reserved: bool = ..., routable: bool = ..., do_not_disturb: bool = ..., cool_down: _Optional[_Union[CoolDown, _Mapping]] = ..., uses: _Optional[_Union[Uses, _Mapping]] = ...) -> None: ...

class DNStatus(_message.Message):
    __slots__ = ["agent", "busy", "capacity", "cool_down", "dn", "do_not_disturb", "kind", "owner", "reason", "reserved", "routable", "since", "site", "skills", "standby", "standby_site", "state", "trunk_addresses", "trunk_registered", "uses"]
    class SkillsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    AGENT_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    COOL_DOWN_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    DO_NOT_DISTURB_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    ROUTABLE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    STANDBY_FIELD_NUMBER: _ClassVar[int]
    STANDBY_SITE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRUNK_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    TRUNK_REGISTERED_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    agent: AgentStatus
    busy: bool
    capacity: int
    cool_down: CoolDown
    dn: str
    do_not_disturb: bool
    kind: _config_pb2.DNKind
    owner: str
    reason: Reason
    reserved: bool
    routable: bool
    since: _timestamp_pb2.Timestamp
    site: str
    skills: _containers.ScalarMap[str, int]
    standby: str
    standby_site: str
    state: DNState
    trunk_addresses: _containers.RepeatedCompositeFieldContainer[TrunkAddress]
    trunk_registered: TrunkRegistered
    uses: Uses
    def __init__(self, dn: _Optional[str] = ..., kind: _Optional[_Union[_config_pb2.DNKind, str]] = ..., state: _Optional[_Union[DNState, str]] = ..., owner: _Optional[str] = ..., site: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., routable: bool = ..., agent: _Optional[_Union[AgentStatus, _Mapping]] = ..., busy: bool = ..., reserved: bool = ..., standby: _Optional[str] = ..., standby_site: _Optional[str] = ..., do_not_disturb: bool = ..., capacity: _Optional[int] = ..., skills: _Optional[_Mapping[str, int]] = ..., cool_down: _Optional[_Union[CoolDown, _Mapping]] = ..., uses: _Optional[_Union[Uses, _Mapping]] = ..., trunk_addresses: _Optional[_Iterable[_Union[TrunkAddress, _Mapping]]] = ..., trunk_registered: _Optional[_Union[TrunkRegistered, _Mapping]] = ...) -> None: ...

class EndOfSnapshot(_message.Message):
    __slots__ = ["cursor", "seq"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    seq: int
    def __init__(self, seq: _Optional[int] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ["cursor", "events"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    events: _containers.RepeatedCompositeFieldContainer[DNEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[DNEvent, _Mapping]]] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ["group", "kind", "owner", "prefix", "site", "state"]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    group: str
    kind: _config_pb2.DNKind
    owner: str
    prefix: str
    site: str
    state: DNState
    def __init__(self, owner: _Optional[str] = ..., site: _Optional[str] = ..., group: _Optional[str] = ..., kind: _Optional[_Union[_config_pb2.DNKind, str]] = ..., prefix: _Optional[str] = ..., state: _Optional[_Union[DNState, str]] = ...) -> None: ...

class GetDNStatusRequest(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: str
    def __init__(self, dn: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ["cursor", "seq"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    seq: int
    def __init__(self, seq: _Optional[int] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class ListDNsRequest(_message.Message):
    __slots__ = ["filter", "page_size", "page_token"]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: Filter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDNsResponse(_message.Message):
    __slots__ = ["dns", "next_page_token"]
    DNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dns: _containers.RepeatedCompositeFieldContainer[DNStatus]
    next_page_token: str
    def __init__(self, dns: _Optional[_Iterable[_Union[DNStatus, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListRoutableRequest(_message.Message):
    __slots__ = ["filter", "page_size", "page_token"]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: Filter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRoutableResponse(_message.Message):
    __slots__ = ["dns", "next_page_token"]
    DNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dns: _containers.RepeatedCompositeFieldContainer[DNStatus]
    next_page_token: str
    def __init__(self, dns: _Optional[_Iterable[_Union[DNStatus, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RouteExit(_message.Message):
    __slots__ = ["address", "caller", "number", "passed_over", "trunk"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PASSED_OVER_FIELD_NUMBER: _ClassVar[int]
    TRUNK_FIELD_NUMBER: _ClassVar[int]
    address: str
    caller: str
    number: str
    passed_over: str
    trunk: str
    def __init__(self, trunk: _Optional[str] = ..., address: _Optional[str] = ..., number: _Optional[str] = ..., caller: _Optional[str] = ..., passed_over: _Optional[str] = ...) -> None: ...

class TestRouteRequest(_message.Message):
    __slots__ = ["called", "caller"]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    called: str
    caller: str
    def __init__(self, called: _Optional[str] = ..., caller: _Optional[str] = ..., **kwargs) -> None: ...

class TestRouteResponse(_message.Message):
    __slots__ = ["called", "code", "dn", "exits", "reason", "why"]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    EXITS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    called: str
    code: int
    dn: str
    exits: _containers.RepeatedCompositeFieldContainer[RouteExit]
    reason: str
    why: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, called: _Optional[str] = ..., dn: _Optional[str] = ..., exits: _Optional[_Iterable[_Union[RouteExit, _Mapping]]] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., why: _Optional[_Iterable[str]] = ...) -> None: ...

class TrunkAddress(_message.Message):
    __slots__ = ["address", "error", "leads_to", "since", "up"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LEADS_TO_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    address: str
    error: str
    leads_to: str
    since: _timestamp_pb2.Timestamp
    up: bool
    def __init__(self, address: _Optional[str] = ..., leads_to: _Optional[str] = ..., up: bool = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class TrunkRegistered(_message.Message):
    __slots__ = ["error", "node", "until"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    error: str
    node: str
    until: _timestamp_pb2.Timestamp
    def __init__(self, node: _Optional[str] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class Uses(_message.Message):
    __slots__ = ["reserved", "ringing", "up"]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    RINGING_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    reserved: int
    ringing: int
    up: int
    def __init__(self, up: _Optional[int] = ..., ringing: _Optional[int] = ..., reserved: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ["agents", "filter", "own_only", "resume_cursor"]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    OWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    RESUME_CURSOR_FIELD_NUMBER: _ClassVar[int]
    agents: bool
    filter: Filter
    own_only: bool
    resume_cursor: bytes
    def __init__(self, resume_cursor: _Optional[bytes] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ..., own_only: bool = ..., agents: bool = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ["end_of_snapshot", "events", "heartbeat", "started"]
    END_OF_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    end_of_snapshot: EndOfSnapshot
    events: EventBatch
    heartbeat: Heartbeat
    started: WatchStarted
    def __init__(self, started: _Optional[_Union[WatchStarted, _Mapping]] = ..., events: _Optional[_Union[EventBatch, _Mapping]] = ..., end_of_snapshot: _Optional[_Union[EndOfSnapshot, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class WatchStarted(_message.Message):
    __slots__ = ["incarnation", "node", "resumed"]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    incarnation: int
    node: str
    resumed: bool
    def __init__(self, node: _Optional[str] = ..., incarnation: _Optional[int] = ..., resumed: bool = ...) -> None: ...

class DNState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AgentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CoolDownReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Change(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
