from sipcluster.tcpb import availability_pb2 as _availability_pb2
from sipcluster.tcpb import cluster_pb2 as _cluster_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CONDITION_KIND_AGENTS_DN: ConditionKind
CONDITION_KIND_AGENT_READY: ConditionKind
CONDITION_KIND_CONFIGURED: ConditionKind
CONDITION_KIND_ENABLED: ConditionKind
CONDITION_KIND_IN_SERVICE: ConditionKind
CONDITION_KIND_NOT_BUSY: ConditionKind
CONDITION_KIND_NOT_RESERVED: ConditionKind
CONDITION_KIND_NO_COOL_DOWN: ConditionKind
CONDITION_KIND_NO_DO_NOT_DISTURB: ConditionKind
CONDITION_KIND_PHONE_ANSWERS: ConditionKind
CONDITION_KIND_UNSPECIFIED: ConditionKind
DESCRIPTOR: _descriptor.FileDescriptor
DN_CHANGE_KIND_AGENT: DNChangeKind
DN_CHANGE_KIND_OWNER: DNChangeKind
DN_CHANGE_KIND_STATE: DNChangeKind
DN_CHANGE_KIND_UNSPECIFIED: DNChangeKind
DN_CHANGE_KIND_USE: DNChangeKind
HISTORY_KIND_AGENT: HistoryKind
HISTORY_KIND_CALL: HistoryKind
HISTORY_KIND_CONFIGURATION: HistoryKind
HISTORY_KIND_LINK: HistoryKind
HISTORY_KIND_STATE: HistoryKind
HISTORY_KIND_UNSPECIFIED: HistoryKind
HISTORY_KIND_USE: HistoryKind

class ClusterView(_message.Message):
    __slots__ = ["error", "node", "site", "status", "took"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    error: str
    node: str
    site: str
    status: _cluster_pb2.StatusResponse
    took: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., error: _Optional[str] = ..., status: _Optional[_Union[_cluster_pb2.StatusResponse, _Mapping]] = ..., took: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CollectReportsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CollectReportsResponse(_message.Message):
    __slots__ = ["error", "files", "node", "site", "took"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    error: str
    files: _containers.RepeatedCompositeFieldContainer[ReportFile]
    node: str
    site: str
    took: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., error: _Optional[str] = ..., files: _Optional[_Iterable[_Union[ReportFile, _Mapping]]] = ..., took: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ["kind", "met", "value"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: ConditionKind
    met: bool
    value: str
    def __init__(self, kind: _Optional[_Union[ConditionKind, str]] = ..., met: bool = ..., value: _Optional[str] = ...) -> None: ...

class DNBinding(_message.Message):
    __slots__ = ["contact", "expires", "instance", "path", "source", "transport", "unresponsive", "user_agent"]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    UNRESPONSIVE_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    contact: str
    expires: _timestamp_pb2.Timestamp
    instance: str
    path: _containers.RepeatedScalarFieldContainer[str]
    source: str
    transport: str
    unresponsive: bool
    user_agent: str
    def __init__(self, contact: _Optional[str] = ..., transport: _Optional[str] = ..., source: _Optional[str] = ..., expires: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., instance: _Optional[str] = ..., user_agent: _Optional[str] = ..., unresponsive: bool = ..., path: _Optional[_Iterable[str]] = ...) -> None: ...

class DNChange(_message.Message):
    __slots__ = ["cooling_down", "kind", "status", "time"]
    COOLING_DOWN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    cooling_down: bool
    kind: DNChangeKind
    status: _availability_pb2.DNStatus
    time: _timestamp_pb2.Timestamp
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[DNChangeKind, str]] = ..., status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ..., cooling_down: bool = ...) -> None: ...

class DNView(_message.Message):
    __slots__ = ["bindings", "changes", "error", "node", "site", "status", "took"]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedCompositeFieldContainer[DNBinding]
    changes: _containers.RepeatedCompositeFieldContainer[DNChange]
    error: str
    node: str
    site: str
    status: _availability_pb2.DNStatus
    took: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., error: _Optional[str] = ..., status: _Optional[_Union[_availability_pb2.DNStatus, _Mapping]] = ..., bindings: _Optional[_Iterable[_Union[DNBinding, _Mapping]]] = ..., changes: _Optional[_Iterable[_Union[DNChange, _Mapping]]] = ..., took: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class EventsNode(_message.Message):
    __slots__ = ["back", "error", "lost_before", "node"]
    BACK_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LOST_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    back: bool
    error: str
    lost_before: _timestamp_pb2.Timestamp
    node: str
    def __init__(self, node: _Optional[str] = ..., error: _Optional[str] = ..., back: bool = ..., lost_before: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventsPart(_message.Message):
    __slots__ = ["ahead", "began", "cut", "end", "error", "events", "lost", "node", "since", "site", "took"]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    ahead: _duration_pb2.Duration
    began: _timestamp_pb2.Timestamp
    cut: bool
    end: EventsPosition
    error: str
    events: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    lost: bool
    node: str
    since: _timestamp_pb2.Timestamp
    site: str
    took: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., error: _Optional[str] = ..., took: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., ahead: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., cut: bool = ..., events: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., began: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[EventsPosition, _Mapping]] = ..., lost: bool = ...) -> None: ...

class EventsPosition(_message.Message):
    __slots__ = ["next", "store"]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    next: _containers.RepeatedScalarFieldContainer[int]
    store: int
    def __init__(self, store: _Optional[int] = ..., next: _Optional[_Iterable[int]] = ...) -> None: ...

class ExplainDNRequest(_message.Message):
    __slots__ = ["changes", "dn"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    changes: int
    dn: str
    def __init__(self, dn: _Optional[str] = ..., changes: _Optional[int] = ...) -> None: ...

class ExplainDNResponse(_message.Message):
    __slots__ = ["conditions", "sentence", "views"]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    conditions: _containers.RepeatedCompositeFieldContainer[Condition]
    sentence: str
    views: _containers.RepeatedCompositeFieldContainer[DNView]
    def __init__(self, conditions: _Optional[_Iterable[_Union[Condition, _Mapping]]] = ..., sentence: _Optional[str] = ..., views: _Optional[_Iterable[_Union[DNView, _Mapping]]] = ...) -> None: ...

class HistoryCall(_message.Message):
    __slots__ = ["ani", "caller", "cause", "conn_id", "dnis", "other", "what", "why"]
    ANI_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DNIS_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    ani: str
    caller: bool
    cause: int
    conn_id: str
    dnis: str
    other: str
    what: str
    why: str
    def __init__(self, conn_id: _Optional[str] = ..., what: _Optional[str] = ..., caller: bool = ..., other: _Optional[str] = ..., cause: _Optional[int] = ..., why: _Optional[str] = ..., ani: _Optional[str] = ..., dnis: _Optional[str] = ...) -> None: ...

class HistoryEvent(_message.Message):
    __slots__ = ["call", "change", "dn", "kind", "link", "node", "position", "time", "write"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    WRITE_FIELD_NUMBER: _ClassVar[int]
    call: HistoryCall
    change: DNChange
    dn: str
    kind: HistoryKind
    link: HistoryLink
    node: str
    position: int
    time: _timestamp_pb2.Timestamp
    write: HistoryWrite
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., node: _Optional[str] = ..., kind: _Optional[_Union[HistoryKind, str]] = ..., dn: _Optional[str] = ..., change: _Optional[_Union[DNChange, _Mapping]] = ..., call: _Optional[_Union[HistoryCall, _Mapping]] = ..., link: _Optional[_Union[HistoryLink, _Mapping]] = ..., write: _Optional[_Union[HistoryWrite, _Mapping]] = ..., position: _Optional[int] = ...) -> None: ...

class HistoryLink(_message.Message):
    __slots__ = ["heard", "peer", "why"]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    heard: bool
    peer: str
    why: str
    def __init__(self, peer: _Optional[str] = ..., heard: bool = ..., why: _Optional[str] = ...) -> None: ...

class HistoryWrite(_message.Message):
    __slots__ = ["by", "changes", "index", "mutations", "refused"]
    BY_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    by: str
    changes: _containers.RepeatedScalarFieldContainer[str]
    index: int
    mutations: int
    refused: str
    def __init__(self, index: _Optional[int] = ..., by: _Optional[str] = ..., changes: _Optional[_Iterable[str]] = ..., mutations: _Optional[int] = ..., refused: _Optional[str] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ["agent", "conn_id", "dn", "each_node", "group", "kinds", "limit", "node", "page_token", "since", "until"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    EACH_NODE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    agent: str
    conn_id: str
    dn: str
    each_node: bool
    group: str
    kinds: _containers.RepeatedScalarFieldContainer[HistoryKind]
    limit: int
    node: str
    page_token: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    def __init__(self, since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., dn: _Optional[str] = ..., group: _Optional[str] = ..., agent: _Optional[str] = ..., conn_id: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[HistoryKind, str]]] = ..., node: _Optional[str] = ..., each_node: bool = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ["cursor", "events", "next_page_token", "parts"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    events: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    next_page_token: str
    parts: _containers.RepeatedCompositeFieldContainer[EventsPart]
    def __init__(self, events: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., parts: _Optional[_Iterable[_Union[EventsPart, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class ReportFile(_message.Message):
    __slots__ = ["cut", "gzip", "name"]
    CUT_FIELD_NUMBER: _ClassVar[int]
    GZIP_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    cut: bool
    gzip: bytes
    name: str
    def __init__(self, name: _Optional[str] = ..., gzip: _Optional[bytes] = ..., cut: bool = ...) -> None: ...

class SurveyRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class SurveyResponse(_message.Message):
    __slots__ = ["views"]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    views: _containers.RepeatedCompositeFieldContainer[ClusterView]
    def __init__(self, views: _Optional[_Iterable[_Union[ClusterView, _Mapping]]] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ["agent", "conn_id", "cursor", "dn", "group", "kinds", "node"]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    agent: str
    conn_id: str
    cursor: bytes
    dn: str
    group: str
    kinds: _containers.RepeatedScalarFieldContainer[HistoryKind]
    node: str
    def __init__(self, dn: _Optional[str] = ..., group: _Optional[str] = ..., agent: _Optional[str] = ..., conn_id: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[HistoryKind, str]]] = ..., node: _Optional[str] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ["cursor", "events", "nodes"]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    cursor: bytes
    events: _containers.RepeatedCompositeFieldContainer[HistoryEvent]
    nodes: _containers.RepeatedCompositeFieldContainer[EventsNode]
    def __init__(self, events: _Optional[_Iterable[_Union[HistoryEvent, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[EventsNode, _Mapping]]] = ..., cursor: _Optional[bytes] = ...) -> None: ...

class ConditionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DNChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class HistoryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
