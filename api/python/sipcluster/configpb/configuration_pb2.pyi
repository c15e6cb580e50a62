from sipcluster.configpb import config_pb2 as _config_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackupRequest(_message.Message):
    __slots__ = ["linearizable"]
    LINEARIZABLE_FIELD_NUMBER: _ClassVar[int]
    linearizable: bool
    def __init__(self, linearizable: bool = ...) -> None: ...

class BackupResponse(_message.Message):
    __slots__ = ["data", "sent", "total"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    sent: int
    total: int
    def __init__(self, data: _Optional[bytes] = ..., sent: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ["change", "kind", "name"]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    change: str
    kind: str
    name: str
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., change: _Optional[str] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ["linearizable", "secrets"]
    LINEARIZABLE_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    linearizable: bool
    secrets: bool
    def __init__(self, linearizable: bool = ..., secrets: bool = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ["dns", "groups", "nodes", "options"]
    DNS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    dns: _containers.RepeatedCompositeFieldContainer[_config_pb2.DN]
    groups: _containers.RepeatedCompositeFieldContainer[_config_pb2.AgentGroup]
    nodes: _containers.RepeatedCompositeFieldContainer[_config_pb2.Node]
    options: _config_pb2.Options
    def __init__(self, options: _Optional[_Union[_config_pb2.Options, _Mapping]] = ..., nodes: _Optional[_Iterable[_Union[_config_pb2.Node, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[_config_pb2.AgentGroup, _Mapping]]] = ..., dns: _Optional[_Iterable[_Union[_config_pb2.DN, _Mapping]]] = ...) -> None: ...

class GetDNRequest(_message.Message):
    __slots__ = ["linearizable", "number"]
    LINEARIZABLE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    linearizable: bool
    number: str
    def __init__(self, number: _Optional[str] = ..., linearizable: bool = ...) -> None: ...

class GetDNResponse(_message.Message):
    __slots__ = ["dn"]
    DN_FIELD_NUMBER: _ClassVar[int]
    dn: _config_pb2.DN
    def __init__(self, dn: _Optional[_Union[_config_pb2.DN, _Mapping]] = ...) -> None: ...

class GetOptionsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetOptionsResponse(_message.Message):
    __slots__ = ["options"]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    options: _config_pb2.Options
    def __init__(self, options: _Optional[_Union[_config_pb2.Options, _Mapping]] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ["mutations"]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    mutations: _containers.RepeatedCompositeFieldContainer[_config_pb2.Mutation]
    def __init__(self, mutations: _Optional[_Iterable[_Union[_config_pb2.Mutation, _Mapping]]] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ["refused", "total", "written"]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    refused: _containers.RepeatedCompositeFieldContainer[Refusal]
    total: int
    written: int
    def __init__(self, written: _Optional[int] = ..., total: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ["linearizable"]
    LINEARIZABLE_FIELD_NUMBER: _ClassVar[int]
    linearizable: bool
    def __init__(self, linearizable: bool = ...) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ["nodes"]
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[_config_pb2.Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[_config_pb2.Node, _Mapping]]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ["mutation", "text"]
    MUTATION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    mutation: int
    text: str
    def __init__(self, mutation: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class RestoreRequest(_message.Message):
    __slots__ = ["data", "dry_run"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    dry_run: bool
    def __init__(self, data: _Optional[bytes] = ..., dry_run: bool = ...) -> None: ...

class RestoreResponse(_message.Message):
    __slots__ = ["changes", "cluster_id", "differences", "dns", "index", "revision"]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    changes: int
    cluster_id: str
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    dns: int
    index: int
    revision: int
    def __init__(self, revision: _Optional[int] = ..., cluster_id: _Optional[str] = ..., index: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ..., changes: _Optional[int] = ..., dns: _Optional[int] = ...) -> None: ...

class WriteRequest(_message.Message):
    __slots__ = ["mutations", "request_id"]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    mutations: _containers.RepeatedCompositeFieldContainer[_config_pb2.Mutation]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ..., mutations: _Optional[_Iterable[_Union[_config_pb2.Mutation, _Mapping]]] = ...) -> None: ...

class WriteResponse(_message.Message):
    __slots__ = ["revision"]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...
