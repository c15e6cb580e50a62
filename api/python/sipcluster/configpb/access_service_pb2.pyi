from sipcluster.configpb import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditRequest(_message.Message):
    __slots__ = ["after", "follow"]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    after: int
    follow: bool
    def __init__(self, after: _Optional[int] = ..., follow: bool = ...) -> None: ...

class AuditResponse(_message.Message):
    __slots__ = ["entries"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_access_pb2.AuditEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[_access_pb2.AuditEntry, _Mapping]]] = ...) -> None: ...

class AuthorityInfo(_message.Message):
    __slots__ = ["certificate", "expires_ms", "sha256"]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    certificate: str
    expires_ms: int
    sha256: str
    def __init__(self, certificate: _Optional[str] = ..., sha256: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class Ban(_message.Message):
    __slots__ = ["dn", "failures", "source", "until_ms"]
    DN_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    dn: str
    failures: int
    source: str
    until_ms: int
    def __init__(self, source: _Optional[str] = ..., dn: _Optional[str] = ..., failures: _Optional[int] = ..., until_ms: _Optional[int] = ...) -> None: ...

class ClearBansRequest(_message.Message):
    __slots__ = ["dn", "source"]
    DN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    dn: str
    source: str
    def __init__(self, source: _Optional[str] = ..., dn: _Optional[str] = ...) -> None: ...

class ClearBansResponse(_message.Message):
    __slots__ = ["cleared"]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    cleared: int
    def __init__(self, cleared: _Optional[int] = ...) -> None: ...

class CreateInviteRequest(_message.Message):
    __slots__ = ["lifetime_s", "node_name"]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    lifetime_s: int
    node_name: str
    def __init__(self, node_name: _Optional[str] = ..., lifetime_s: _Optional[int] = ...) -> None: ...

class CreateInviteResponse(_message.Message):
    __slots__ = ["invite", "line"]
    INVITE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    invite: _access_pb2.Invite
    line: str
    def __init__(self, invite: _Optional[_Union[_access_pb2.Invite, _Mapping]] = ..., line: _Optional[str] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ["certificate", "lifetime_s", "name", "role", "scope"]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_S_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    certificate: bytes
    lifetime_s: int
    name: str
    role: _access_pb2.Role
    scope: _access_pb2.Scope
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[_access_pb2.Role, str]] = ..., scope: _Optional[_Union[_access_pb2.Scope, _Mapping]] = ..., lifetime_s: _Optional[int] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class CreateTokenResponse(_message.Message):
    __slots__ = ["secret", "token"]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    secret: str
    token: _access_pb2.Token
    def __init__(self, token: _Optional[_Union[_access_pb2.Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class DistrustNodeRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DistrustNodeResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class KeyInfo(_message.Message):
    __slots__ = ["id", "made_ms", "primary"]
    ID_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    id: int
    made_ms: int
    primary: bool
    def __init__(self, id: _Optional[int] = ..., made_ms: _Optional[int] = ..., primary: bool = ...) -> None: ...

class ListBansRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListBansResponse(_message.Message):
    __slots__ = ["bans"]
    BANS_FIELD_NUMBER: _ClassVar[int]
    bans: _containers.RepeatedCompositeFieldContainer[Ban]
    def __init__(self, bans: _Optional[_Iterable[_Union[Ban, _Mapping]]] = ...) -> None: ...

class ListInvitesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListInvitesResponse(_message.Message):
    __slots__ = ["invites"]
    INVITES_FIELD_NUMBER: _ClassVar[int]
    invites: _containers.RepeatedCompositeFieldContainer[_access_pb2.Invite]
    def __init__(self, invites: _Optional[_Iterable[_Union[_access_pb2.Invite, _Mapping]]] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ["gossip", "routes"]
    GOSSIP_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    gossip: _containers.RepeatedCompositeFieldContainer[KeyInfo]
    routes: _containers.RepeatedCompositeFieldContainer[KeyInfo]
    def __init__(self, gossip: _Optional[_Iterable[_Union[KeyInfo, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[KeyInfo, _Mapping]]] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListTokensResponse(_message.Message):
    __slots__ = ["tokens"]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[_access_pb2.Token]
    def __init__(self, tokens: _Optional[_Iterable[_Union[_access_pb2.Token, _Mapping]]] = ...) -> None: ...

class NodeCertificate(_message.Message):
    __slots__ = ["authority_sha256", "expires_ms", "node"]
    AUTHORITY_SHA256_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    authority_sha256: str
    expires_ms: int
    node: str
    def __init__(self, node: _Optional[str] = ..., authority_sha256: _Optional[str] = ..., expires_ms: _Optional[int] = ...) -> None: ...

class RekeyNodeRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RekeyNodeResponse(_message.Message):
    __slots__ = ["key_sha256"]
    KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
    key_sha256: str
    def __init__(self, key_sha256: _Optional[str] = ...) -> None: ...

class RevokeInviteRequest(_message.Message):
    __slots__ = ["id"]
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RevokeInviteResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ["here", "id"]
    HERE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    here: bool
    id: str
    def __init__(self, id: _Optional[str] = ..., here: bool = ...) -> None: ...

class RevokeTokenResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RotateAuthorityRequest(_message.Message):
    __slots__ = ["force"]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    force: bool
    def __init__(self, force: bool = ...) -> None: ...

class RotateAuthorityResponse(_message.Message):
    __slots__ = ["waiting_for"]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, waiting_for: _Optional[_Iterable[str]] = ...) -> None: ...

class RotateKeysRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class RotateKeysResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ShowAuthorityRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ShowAuthorityResponse(_message.Message):
    __slots__ = ["authorities", "nodes"]
    AUTHORITIES_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    authorities: _containers.RepeatedCompositeFieldContainer[AuthorityInfo]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeCertificate]
    def __init__(self, authorities: _Optional[_Iterable[_Union[AuthorityInfo, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[NodeCertificate, _Mapping]]] = ...) -> None: ...

class WhoAmIRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class WhoAmIResponse(_message.Message):
    __slots__ = ["cluster_id", "token"]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    token: _access_pb2.Token
    def __init__(self, token: _Optional[_Union[_access_pb2.Token, _Mapping]] = ..., cluster_id: _Optional[str] = ...) -> None: ...
