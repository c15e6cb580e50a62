from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetGroupsRequest(_message.Message):
    __slots__ = ["groups"]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, groups: _Optional[_Iterable[str]] = ...) -> None: ...

class GetGroupsResponse(_message.Message):
    __slots__ = ["rows", "time"]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[GroupStatistics]
    time: _timestamp_pb2.Timestamp
    def __init__(self, rows: _Optional[_Iterable[_Union[GroupStatistics, _Mapping]]] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GroupStatistics(_message.Message):
    __slots__ = ["busy", "group", "logged_out", "not_ready", "not_ready_reasons", "oldest_waiting", "out_of_service", "ready", "reserved", "ringing", "site", "unresponsive", "waiting", "wrap_up"]
    class NotReadyReasonsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    BUSY_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LOGGED_OUT_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_FIELD_NUMBER: _ClassVar[int]
    NOT_READY_REASONS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAITING_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_SERVICE_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    RINGING_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    UNRESPONSIVE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    WRAP_UP_FIELD_NUMBER: _ClassVar[int]
    busy: int
    group: str
    logged_out: int
    not_ready: int
    not_ready_reasons: _containers.ScalarMap[str, int]
    oldest_waiting: _timestamp_pb2.Timestamp
    out_of_service: int
    ready: int
    reserved: int
    ringing: int
    site: str
    unresponsive: int
    waiting: int
    wrap_up: int
    def __init__(self, group: _Optional[str] = ..., site: _Optional[str] = ..., ready: _Optional[int] = ..., reserved: _Optional[int] = ..., ringing: _Optional[int] = ..., busy: _Optional[int] = ..., wrap_up: _Optional[int] = ..., not_ready: _Optional[int] = ..., logged_out: _Optional[int] = ..., unresponsive: _Optional[int] = ..., out_of_service: _Optional[int] = ..., not_ready_reasons: _Optional[_Mapping[str, int]] = ..., waiting: _Optional[int] = ..., oldest_waiting: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListWaitingRequest(_message.Message):
    __slots__ = ["group", "page_size", "routing_point"]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINT_FIELD_NUMBER: _ClassVar[int]
    group: str
    page_size: int
    routing_point: str
    def __init__(self, group: _Optional[str] = ..., routing_point: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListWaitingResponse(_message.Message):
    __slots__ = ["calls", "total"]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    calls: _containers.RepeatedCompositeFieldContainer[WaitingCall]
    total: int
    def __init__(self, calls: _Optional[_Iterable[_Union[WaitingCall, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class WaitingCall(_message.Message):
    __slots__ = ["ani", "conn_id", "dnis", "group", "node", "routing_point", "since", "site"]
    ANI_FIELD_NUMBER: _ClassVar[int]
    CONN_ID_FIELD_NUMBER: _ClassVar[int]
    DNIS_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    ani: str
    conn_id: str
    dnis: str
    group: str
    node: str
    routing_point: str
    since: _timestamp_pb2.Timestamp
    site: str
    def __init__(self, conn_id: _Optional[str] = ..., routing_point: _Optional[str] = ..., group: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., node: _Optional[str] = ..., site: _Optional[str] = ..., ani: _Optional[str] = ..., dnis: _Optional[str] = ...) -> None: ...

class WatchGroupsRequest(_message.Message):
    __slots__ = ["groups", "interval"]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedScalarFieldContainer[str]
    interval: _duration_pb2.Duration
    def __init__(self, groups: _Optional[_Iterable[str]] = ..., interval: _Optional[_Union[_duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchGroupsResponse(_message.Message):
    __slots__ = ["groups", "rows", "time"]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedScalarFieldContainer[str]
    rows: _containers.RepeatedCompositeFieldContainer[GroupStatistics]
    time: _timestamp_pb2.Timestamp
    def __init__(self, groups: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[_Union[GroupStatistics, _Mapping]]] = ..., time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
