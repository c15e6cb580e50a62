from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
ROLE_ADMIN: Role
ROLE_CONFIG: Role
ROLE_GATEWAY: Role
ROLE_METRICS: Role
ROLE_OPERATOR: Role
ROLE_ROUTER: Role
ROLE_STAT: Role
ROLE_UNSPECIFIED: Role

class Actor(_message.Message):
    __slots__ = ["name", "node", "role", "source", "token"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    node: str
    role: Role
    source: str
    token: str
    def __init__(self, token: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., source: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ["actor", "changes", "index", "mutations", "refused", "request_id", "time_ms"]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    MUTATIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    actor: Actor
    changes: _containers.RepeatedScalarFieldContainer[str]
    index: int
    mutations: int
    refused: str
    request_id: str
    time_ms: int
    def __init__(self, index: _Optional[int] = ..., time_ms: _Optional[int] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., request_id: _Optional[str] = ..., changes: _Optional[_Iterable[str]] = ..., mutations: _Optional[int] = ..., refused: _Optional[str] = ...) -> None: ...

class Authority(_message.Message):
    __slots__ = ["certificate", "cross", "made_ms", "previous", "sealed_key"]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CROSS_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    SEALED_KEY_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    cross: bytes
    made_ms: int
    previous: bytes
    sealed_key: bytes
    def __init__(self, certificate: _Optional[bytes] = ..., sealed_key: _Optional[bytes] = ..., made_ms: _Optional[int] = ..., cross: _Optional[bytes] = ..., previous: _Optional[bytes] = ...) -> None: ...

class Invite(_message.Message):
    __slots__ = ["expires_ms", "id", "node_name", "revision", "secret_sha256"]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    expires_ms: int
    id: str
    node_name: str
    revision: int
    secret_sha256: str
    def __init__(self, id: _Optional[str] = ..., secret_sha256: _Optional[str] = ..., node_name: _Optional[str] = ..., expires_ms: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class Key(_message.Message):
    __slots__ = ["id", "made_ms", "secret"]
    ID_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    id: int
    made_ms: int
    secret: bytes
    def __init__(self, id: _Optional[int] = ..., secret: _Optional[bytes] = ..., made_ms: _Optional[int] = ...) -> None: ...

class Keyring(_message.Message):
    __slots__ = ["keys", "primary"]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    primary: int
    def __init__(self, keys: _Optional[_Iterable[_Union[Key, _Mapping]]] = ..., primary: _Optional[int] = ...) -> None: ...

class Scope(_message.Message):
    __slots__ = ["dn_prefixes", "external_prefixes", "groups", "routing_points"]
    DN_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINTS_FIELD_NUMBER: _ClassVar[int]
    dn_prefixes: _containers.RepeatedScalarFieldContainer[str]
    external_prefixes: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    routing_points: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, routing_points: _Optional[_Iterable[str]] = ..., groups: _Optional[_Iterable[str]] = ..., dn_prefixes: _Optional[_Iterable[str]] = ..., external_prefixes: _Optional[_Iterable[str]] = ...) -> None: ...

class Security(_message.Message):
    __slots__ = ["authorities", "gossip", "revision", "routes"]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    GOSSIP_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    authorities: _containers.RepeatedCompositeFieldContainer[Authority]
    gossip: Keyring
    revision: int
    routes: Keyring
    def __init__(self, authorities: _Optional[_Iterable[_Union[Authority, _Mapping]]] = ..., gossip: _Optional[_Union[Keyring, _Mapping]] = ..., routes: _Optional[_Union[Keyring, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ["certificate_sha256", "expires_ms", "id", "name", "not_before_ms", "revision", "role", "scope", "secret_sha256"]
    CERTIFICATE_SHA256_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    SECRET_SHA256_FIELD_NUMBER: _ClassVar[int]
    certificate_sha256: str
    expires_ms: int
    id: str
    name: str
    not_before_ms: int
    revision: int
    role: Role
    scope: Scope
    secret_sha256: str
    def __init__(self, id: _Optional[str] = ..., secret_sha256: _Optional[str] = ..., certificate_sha256: _Optional[str] = ..., name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ..., not_before_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ..., revision: _Optional[int] = ...) -> None: ...

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
