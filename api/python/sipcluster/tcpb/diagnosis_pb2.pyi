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

class ConditionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DNChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
