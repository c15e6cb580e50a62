from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

CALL_KIND_CONSULT: CallKind
CALL_KIND_INBOUND: CallKind
CALL_KIND_INTERNAL: CallKind
CALL_KIND_OUTBOUND: CallKind
CALL_KIND_UNSPECIFIED: CallKind
CALL_PARTY_STATE_DIALING: CallPartyState
CALL_PARTY_STATE_ESTABLISHED: CallPartyState
CALL_PARTY_STATE_RINGING: CallPartyState
CALL_PARTY_STATE_UNSPECIFIED: CallPartyState
DESCRIPTOR: _descriptor.FileDescriptor

class CallInfo(_message.Message):
    __slots__ = ["ani", "began", "caller", "conn_id", "dnis", "goes_on", "kind", "last_queue", "node", "parties", "queue", "site", "transferred_by"]
    ANI_FIELD_NUMBER: _ClassVar[int]
    BEGAN_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DNIS_FIELD_NUMBER: _ClassVar[int]
    GOES_ON_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LAST_QUEUE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PARTIES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TRANSFERRED_BY_FIELD_NUMBER: _ClassVar[int]
    ani: str
    began: _timestamp_pb2.Timestamp
    caller: str
    conn_id: str
    dnis: str
    goes_on: str
    kind: CallKind
    last_queue: str
    node: str
    parties: _containers.RepeatedCompositeFieldContainer[CallParty]
    queue: CallQueue
    site: str
    transferred_by: str
    def __init__(self, conn_id: _Optional[str] = ..., node: _Optional[str] = ..., site: _Optional[str] = ..., kind: _Optional[_Union[CallKind, str]] = ..., caller: _Optional[str] = ..., ani: _Optional[str] = ..., dnis: _Optional[str] = ..., began: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., parties: _Optional[_Iterable[_Union[CallParty, _Mapping]]] = ..., queue: _Optional[_Union[CallQueue, _Mapping]] = ..., last_queue: _Optional[str] = ..., goes_on: _Optional[str] = ..., transferred_by: _Optional[str] = ...) -> None: ...

class CallParty(_message.Message):
    __slots__ = ["caller", "dn", "held_since", "node", "other", "since", "state"]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    DN_FIELD_NUMBER: _ClassVar[int]
    HELD_SINCE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    caller: bool
    dn: str
    held_since: _timestamp_pb2.Timestamp
    node: str
    other: str
    since: _timestamp_pb2.Timestamp
    state: CallPartyState
    def __init__(self, dn: _Optional[str] = ..., caller: bool = ..., state: _Optional[_Union[CallPartyState, str]] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., held_since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., other: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

class CallQueue(_message.Message):
    __slots__ = ["group", "routing_point", "since"]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    group: str
    routing_point: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, routing_point: _Optional[str] = ..., group: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CallTrace(_message.Message):
    __slots__ = ["ahead", "call_id", "conn_id", "cut", "error", "messages", "node", "off", "since", "site", "took"]
    AHEAD_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    OFF_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TOOK_FIELD_NUMBER: _ClassVar[int]
    ahead: _duration_pb2.Duration
    call_id: str
    conn_id: str
    cut: bool
    error: str
    messages: _containers.RepeatedCompositeFieldContainer[SIPMessage]
    node: str
    off: bool
    since: _timestamp_pb2.Timestamp
    site: str
    took: _duration_pb2.Duration
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., error: _Optional[str] = ..., took: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., ahead: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ..., call_id: _Optional[str] = ..., conn_id: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[SIPMessage, _Mapping]]] = ..., cut: bool = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., off: bool = ...) -> None: ...

class GetCallRequest(_message.Message):
    __slots__ = ["conn_id"]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    conn_id: str
    def __init__(self, conn_id: _Optional[str] = ...) -> None: ...

class GetCallResponse(_message.Message):
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
    call: CallInfo
    user_data: _containers.ScalarMap[str, str]
    def __init__(self, call: _Optional[_Union[CallInfo, _Mapping]] = ..., user_data: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListCallsRequest(_message.Message):
    __slots__ = ["dn", "node", "page_size", "page_token", "routing_point", "waiting"]
    DN_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    dn: str
    node: str
    page_size: int
    page_token: str
    routing_point: str
    waiting: bool
    def __init__(self, dn: _Optional[str] = ..., node: _Optional[str] = ..., routing_point: _Optional[str] = ..., waiting: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCallsResponse(_message.Message):
    __slots__ = ["calls", "next_page_token", "total"]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[CallInfo]
    next_page_token: str
    total: int
    def __init__(self, calls: _Optional[_Iterable[_Union[CallInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class SIPMessage(_message.Message):
    __slots__ = ["address", "again", "code", "cseq", "method", "peer", "reason", "sent", "size", "time", "transport", "uri"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    CSEQ_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    address: str
    again: bool
    code: int
    cseq: int
    method: str
    peer: str
    reason: str
    sent: bool
    size: int
    time: _timestamp_pb2.Timestamp
    transport: str
    uri: str
    def __init__(self, time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., sent: bool = ..., peer: _Optional[str] = ..., transport: _Optional[str] = ..., address: _Optional[str] = ..., method: _Optional[str] = ..., cseq: _Optional[int] = ..., code: _Optional[int] = ..., reason: _Optional[str] = ..., uri: _Optional[str] = ..., size: _Optional[int] = ..., again: bool = ...) -> None: ...

class TraceCallRequest(_message.Message):
    __slots__ = ["call"]
    CALL_FIELD_NUMBER: _ClassVar[int]
    call: str
    def __init__(self, call: _Optional[str] = ...) -> None: ...

class TraceCallResponse(_message.Message):
    __slots__ = ["views"]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    views: _containers.RepeatedCompositeFieldContainer[CallTrace]
    def __init__(self, views: _Optional[_Iterable[_Union[CallTrace, _Mapping]]] = ...) -> None: ...

class CallKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class CallPartyState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
