from sipcluster.configpb import access_pb2 as _access_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

AGENT_LOGIN_REFUSE: AgentLogin
AGENT_LOGIN_TAKE_OVER: AgentLogin
AGENT_LOGIN_UNSPECIFIED: AgentLogin
DESCRIPTOR: _descriptor.FileDescriptor
DESKTOP_LOST_KEEP: DesktopLost
DESKTOP_LOST_LOGOUT: DesktopLost
DESKTOP_LOST_NOT_READY: DesktopLost
DESKTOP_LOST_UNSPECIFIED: DesktopLost
DIGEST_ALGORITHM_MD5: DigestAlgorithm
DIGEST_ALGORITHM_SHA256: DigestAlgorithm
DIGEST_ALGORITHM_UNSPECIFIED: DigestAlgorithm
DN_KIND_FEATURE: DNKind
DN_KIND_PSTN: DNKind
DN_KIND_ROUTING_POINT: DNKind
DN_KIND_SIP: DNKind
DN_KIND_TRUNK: DNKind
DN_KIND_UNSPECIFIED: DNKind
FEATURE_ACTION_DND_OFF: FeatureAction
FEATURE_ACTION_DND_ON: FeatureAction
FEATURE_ACTION_LOGIN: FeatureAction
FEATURE_ACTION_LOGOUT: FeatureAction
FEATURE_ACTION_NOT_READY: FeatureAction
FEATURE_ACTION_READY: FeatureAction
FEATURE_ACTION_UNSPECIFIED: FeatureAction
NO_ANSWER_ACTION_COOL_DOWN: NoAnswerAction
NO_ANSWER_ACTION_NONE: NoAnswerAction
NO_ANSWER_ACTION_NOT_READY: NoAnswerAction
NO_ANSWER_ACTION_UNSPECIFIED: NoAnswerAction
OUTBOUND_CLASS_INTERNAL: OutboundClass
OUTBOUND_CLASS_NONE: OutboundClass
OUTBOUND_CLASS_PREFIXES: OutboundClass
OUTBOUND_CLASS_UNSPECIFIED: OutboundClass
TRUNK_TRANSPORT_TCP: TrunkTransport
TRUNK_TRANSPORT_TLS: TrunkTransport
TRUNK_TRANSPORT_UDP: TrunkTransport
TRUNK_TRANSPORT_UNSPECIFIED: TrunkTransport

class AgentGroup(_message.Message):
    __slots__ = ["login_required", "name", "policy", "revision"]
    LOGIN_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    login_required: bool
    name: str
    policy: Policy
    revision: int
    def __init__(self, name: _Optional[str] = ..., login_required: bool = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class CallerID(_message.Message):
    __slots__ = ["name", "number", "withheld"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WITHHELD_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: str
    withheld: bool
    def __init__(self, number: _Optional[str] = ..., name: _Optional[str] = ..., withheld: bool = ...) -> None: ...

class DN(_message.Message):
    __slots__ = ["algorithm", "caller_id", "capacity", "dids", "disabled", "dual_registration", "external", "feature", "groups", "ha1", "kind", "number", "outbound", "revision", "routing_point", "skills", "trunk"]
    class SkillsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    CALLER_ID_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    DIDS_FIELD_NUMBER: _ClassVar[int]
    DISABLED_FIELD_NUMBER: _ClassVar[int]
    DUAL_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    HA1_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ROUTING_POINT_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    TRUNK_FIELD_NUMBER: _ClassVar[int]
    algorithm: DigestAlgorithm
    caller_id: CallerID
    capacity: int
    dids: _containers.RepeatedScalarFieldContainer[str]
    disabled: bool
    dual_registration: bool
    external: str
    feature: Feature
    groups: _containers.RepeatedScalarFieldContainer[str]
    ha1: str
    kind: DNKind
    number: str
    outbound: Outbound
    revision: int
    routing_point: RoutingPoint
    skills: _containers.ScalarMap[str, int]
    trunk: Trunk
    def __init__(self, number: _Optional[str] = ..., kind: _Optional[_Union[DNKind, str]] = ..., disabled: bool = ..., algorithm: _Optional[_Union[DigestAlgorithm, str]] = ..., ha1: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., external: _Optional[str] = ..., routing_point: _Optional[_Union[RoutingPoint, _Mapping]] = ..., trunk: _Optional[_Union[Trunk, _Mapping]] = ..., outbound: _Optional[_Union[Outbound, _Mapping]] = ..., feature: _Optional[_Union[Feature, _Mapping]] = ..., capacity: _Optional[int] = ..., skills: _Optional[_Mapping[str, int]] = ..., dual_registration: bool = ..., revision: _Optional[int] = ..., dids: _Optional[_Iterable[str]] = ..., caller_id: _Optional[_Union[CallerID, _Mapping]] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ["action"]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    action: FeatureAction
    def __init__(self, action: _Optional[_Union[FeatureAction, str]] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ["invite", "node", "secret"]
    INVITE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    invite: str
    node: Node
    secret: bytes
    def __init__(self, node: _Optional[_Union[Node, _Mapping]] = ..., invite: _Optional[str] = ..., secret: _Optional[bytes] = ...) -> None: ...

class Mutation(_message.Message):
    __slots__ = ["delete_dn", "delete_group", "delete_invite", "delete_node", "delete_token", "if_revision", "join", "keep_ha1", "mask", "put_dn", "put_group", "put_invite", "put_level", "put_node", "put_options", "put_security", "put_token", "restore"]
    DELETE_DN_FIELD_NUMBER: _ClassVar[int]
    DELETE_GROUP_FIELD_NUMBER: _ClassVar[int]
    DELETE_INVITE_FIELD_NUMBER: _ClassVar[int]
    DELETE_NODE_FIELD_NUMBER: _ClassVar[int]
    DELETE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    IF_REVISION_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    KEEP_HA1_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    PUT_DN_FIELD_NUMBER: _ClassVar[int]
    PUT_GROUP_FIELD_NUMBER: _ClassVar[int]
    PUT_INVITE_FIELD_NUMBER: _ClassVar[int]
    PUT_LEVEL_FIELD_NUMBER: _ClassVar[int]
    PUT_NODE_FIELD_NUMBER: _ClassVar[int]
    PUT_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    PUT_SECURITY_FIELD_NUMBER: _ClassVar[int]
    PUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    delete_dn: str
    delete_group: str
    delete_invite: str
    delete_node: str
    delete_token: str
    if_revision: int
    join: Join
    keep_ha1: bool
    mask: _field_mask_pb2.FieldMask
    put_dn: DN
    put_group: AgentGroup
    put_invite: _access_pb2.Invite
    put_level: int
    put_node: Node
    put_options: Options
    put_security: _access_pb2.Security
    put_token: _access_pb2.Token
    restore: bytes
    def __init__(self, put_dn: _Optional[_Union[DN, _Mapping]] = ..., delete_dn: _Optional[str] = ..., put_group: _Optional[_Union[AgentGroup, _Mapping]] = ..., delete_group: _Optional[str] = ..., put_node: _Optional[_Union[Node, _Mapping]] = ..., delete_node: _Optional[str] = ..., put_options: _Optional[_Union[Options, _Mapping]] = ..., put_token: _Optional[_Union[_access_pb2.Token, _Mapping]] = ..., delete_token: _Optional[str] = ..., put_invite: _Optional[_Union[_access_pb2.Invite, _Mapping]] = ..., delete_invite: _Optional[str] = ..., put_security: _Optional[_Union[_access_pb2.Security, _Mapping]] = ..., join: _Optional[_Union[Join, _Mapping]] = ..., put_level: _Optional[int] = ..., restore: _Optional[bytes] = ..., if_revision: _Optional[int] = ..., keep_ha1: bool = ..., mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ["cluster_addr", "default_addr", "drain_for_ms", "drain_until_ms", "draining", "feature_level", "gossip_addr", "http_addr", "id", "key_sha256", "name", "non_voter", "revision", "sip_addr", "site", "tc_addr"]
    CLUSTER_ADDR_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_ADDR_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FOR_MS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    FEATURE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    GOSSIP_ADDR_FIELD_NUMBER: _ClassVar[int]
    HTTP_ADDR_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NON_VOTER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SIP_ADDR_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TC_ADDR_FIELD_NUMBER: _ClassVar[int]
    cluster_addr: str
    default_addr: str
    drain_for_ms: int
    drain_until_ms: int
    draining: bool
    feature_level: int
    gossip_addr: str
    http_addr: str
    id: str
    key_sha256: _containers.RepeatedScalarFieldContainer[str]
    name: str
    non_voter: bool
    revision: int
    sip_addr: str
    site: str
    tc_addr: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., site: _Optional[str] = ..., sip_addr: _Optional[str] = ..., default_addr: _Optional[str] = ..., tc_addr: _Optional[str] = ..., cluster_addr: _Optional[str] = ..., gossip_addr: _Optional[str] = ..., http_addr: _Optional[str] = ..., non_voter: bool = ..., draining: bool = ..., drain_until_ms: _Optional[int] = ..., key_sha256: _Optional[_Iterable[str]] = ..., drain_for_ms: _Optional[int] = ..., revision: _Optional[int] = ..., feature_level: _Optional[int] = ...) -> None: ...

class NumberRule(_message.Message):
    __slots__ = ["match", "prepend", "strip"]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    PREPEND_FIELD_NUMBER: _ClassVar[int]
    STRIP_FIELD_NUMBER: _ClassVar[int]
    match: str
    prepend: str
    strip: int
    def __init__(self, match: _Optional[str] = ..., strip: _Optional[int] = ..., prepend: _Optional[str] = ...) -> None: ...

class NumberRules(_message.Message):
    __slots__ = ["called", "caller"]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    called: _containers.RepeatedCompositeFieldContainer[NumberRule]
    caller: _containers.RepeatedCompositeFieldContainer[NumberRule]
    def __init__(self, called: _Optional[_Iterable[_Union[NumberRule, _Mapping]]] = ..., caller: _Optional[_Iterable[_Union[NumberRule, _Mapping]]] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ["agent_login", "dead_voter_s", "default_expires_s", "desktop_grace_s", "dual_registration", "first_word_ms", "flow_grace_s", "max_contacts", "max_expires_s", "max_voters", "min_expires_s", "orphan_ring_ms", "ping_interval_s", "ping_misses", "policy", "raft_log_bytes", "realm", "reservation_collect_ms", "revision", "trunk_options_s", "voicemail_trunk"]
    AGENT_LOGIN_FIELD_NUMBER: _ClassVar[int]
    DEAD_VOTER_S_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    DESKTOP_GRACE_S_FIELD_NUMBER: _ClassVar[int]
    DUAL_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    FIRST_WORD_MS_FIELD_NUMBER: _ClassVar[int]
    FLOW_GRACE_S_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTACTS_FIELD_NUMBER: _ClassVar[int]
    MAX_EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    MAX_VOTERS_FIELD_NUMBER: _ClassVar[int]
    MIN_EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    ORPHAN_RING_MS_FIELD_NUMBER: _ClassVar[int]
    PING_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    PING_MISSES_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    RAFT_LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    REALM_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_COLLECT_MS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TRUNK_OPTIONS_S_FIELD_NUMBER: _ClassVar[int]
    VOICEMAIL_TRUNK_FIELD_NUMBER: _ClassVar[int]
    agent_login: AgentLogin
    dead_voter_s: int
    default_expires_s: int
    desktop_grace_s: int
    dual_registration: bool
    first_word_ms: int
    flow_grace_s: int
    max_contacts: int
    max_expires_s: int
    max_voters: int
    min_expires_s: int
    orphan_ring_ms: int
    ping_interval_s: int
    ping_misses: int
    policy: Policy
    raft_log_bytes: int
    realm: str
    reservation_collect_ms: int
    revision: int
    trunk_options_s: int
    voicemail_trunk: str
    def __init__(self, realm: _Optional[str] = ..., min_expires_s: _Optional[int] = ..., max_expires_s: _Optional[int] = ..., default_expires_s: _Optional[int] = ..., max_contacts: _Optional[int] = ..., ping_interval_s: _Optional[int] = ..., ping_misses: _Optional[int] = ..., desktop_grace_s: _Optional[int] = ..., reservation_collect_ms: _Optional[int] = ..., flow_grace_s: _Optional[int] = ..., orphan_ring_ms: _Optional[int] = ..., first_word_ms: _Optional[int] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., agent_login: _Optional[_Union[AgentLogin, str]] = ..., revision: _Optional[int] = ..., dual_registration: bool = ..., voicemail_trunk: _Optional[str] = ..., raft_log_bytes: _Optional[int] = ..., max_voters: _Optional[int] = ..., dead_voter_s: _Optional[int] = ..., trunk_options_s: _Optional[int] = ...) -> None: ...

class Outbound(_message.Message):
    __slots__ = ["prefixes"]
    CLASS_FIELD_NUMBER: _ClassVar[int]
    PREFIXES_FIELD_NUMBER: _ClassVar[int]
    prefixes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prefixes: _Optional[_Iterable[str]] = ..., **kwargs) -> None: ...

class Policy(_message.Message):
    __slots__ = ["cool_down_s", "desktop_lost", "no_answer_action", "ring_timeout_ms", "wrap_up_s"]
    COOL_DOWN_S_FIELD_NUMBER: _ClassVar[int]
    DESKTOP_LOST_FIELD_NUMBER: _ClassVar[int]
    NO_ANSWER_ACTION_FIELD_NUMBER: _ClassVar[int]
    RING_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    WRAP_UP_S_FIELD_NUMBER: _ClassVar[int]
    cool_down_s: int
    desktop_lost: DesktopLost
    no_answer_action: NoAnswerAction
    ring_timeout_ms: int
    wrap_up_s: int
    def __init__(self, ring_timeout_ms: _Optional[int] = ..., no_answer_action: _Optional[_Union[NoAnswerAction, str]] = ..., cool_down_s: _Optional[int] = ..., wrap_up_s: _Optional[int] = ..., desktop_lost: _Optional[_Union[DesktopLost, str]] = ...) -> None: ...

class RoutingPoint(_message.Message):
    __slots__ = ["default_group", "policy", "prefer_same_media", "tell_position", "timeout_ms"]
    DEFAULT_GROUP_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    PREFER_SAME_MEDIA_FIELD_NUMBER: _ClassVar[int]
    TELL_POSITION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    default_group: str
    policy: Policy
    prefer_same_media: bool
    tell_position: bool
    timeout_ms: int
    def __init__(self, default_group: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., prefer_same_media: bool = ..., tell_position: bool = ...) -> None: ...

class Trunk(_message.Message):
    __slots__ = ["address", "caller_id", "inbound_auth", "inbound_limit", "inbound_numbers", "more_addresses", "no_options", "outbound_auth", "outbound_limit", "outbound_numbers", "outbound_realm", "preferred_identity", "prefix", "priority", "registration", "sources", "tls_name", "transport", "trusted", "user_phone"]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CALLER_ID_FIELD_NUMBER: _ClassVar[int]
    INBOUND_AUTH_FIELD_NUMBER: _ClassVar[int]
    INBOUND_LIMIT_FIELD_NUMBER: _ClassVar[int]
    INBOUND_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    MORE_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    NO_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_AUTH_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_LIMIT_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    OUTBOUND_REALM_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_IDENTITY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    TLS_NAME_FIELD_NUMBER: _ClassVar[int]
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    USER_PHONE_FIELD_NUMBER: _ClassVar[int]
    address: str
    caller_id: CallerID
    inbound_auth: TrunkAuth
    inbound_limit: TrunkLimit
    inbound_numbers: NumberRules
    more_addresses: _containers.RepeatedScalarFieldContainer[str]
    no_options: bool
    outbound_auth: TrunkAuth
    outbound_limit: TrunkLimit
    outbound_numbers: NumberRules
    outbound_realm: str
    preferred_identity: bool
    prefix: str
    priority: int
    registration: TrunkRegistration
    sources: _containers.RepeatedScalarFieldContainer[str]
    tls_name: str
    transport: TrunkTransport
    trusted: bool
    user_phone: bool
    def __init__(self, address: _Optional[str] = ..., prefix: _Optional[str] = ..., priority: _Optional[int] = ..., sources: _Optional[_Iterable[str]] = ..., tls_name: _Optional[str] = ..., trusted: bool = ..., inbound_auth: _Optional[_Union[TrunkAuth, _Mapping]] = ..., outbound_auth: _Optional[_Union[TrunkAuth, _Mapping]] = ..., outbound_realm: _Optional[str] = ..., more_addresses: _Optional[_Iterable[str]] = ..., transport: _Optional[_Union[TrunkTransport, str]] = ..., no_options: bool = ..., inbound_numbers: _Optional[_Union[NumberRules, _Mapping]] = ..., outbound_numbers: _Optional[_Union[NumberRules, _Mapping]] = ..., caller_id: _Optional[_Union[CallerID, _Mapping]] = ..., preferred_identity: bool = ..., user_phone: bool = ..., inbound_limit: _Optional[_Union[TrunkLimit, _Mapping]] = ..., outbound_limit: _Optional[_Union[TrunkLimit, _Mapping]] = ..., registration: _Optional[_Union[TrunkRegistration, _Mapping]] = ...) -> None: ...

class TrunkAuth(_message.Message):
    __slots__ = ["algorithm", "ha1", "sha256_ha1", "user"]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    HA1_FIELD_NUMBER: _ClassVar[int]
    SHA256_HA1_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    algorithm: DigestAlgorithm
    ha1: str
    sha256_ha1: str
    user: str
    def __init__(self, user: _Optional[str] = ..., algorithm: _Optional[_Union[DigestAlgorithm, str]] = ..., ha1: _Optional[str] = ..., sha256_ha1: _Optional[str] = ...) -> None: ...

class TrunkLimit(_message.Message):
    __slots__ = ["calls", "calls_per_s"]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_S_FIELD_NUMBER: _ClassVar[int]
    calls: int
    calls_per_s: int
    def __init__(self, calls: _Optional[int] = ..., calls_per_s: _Optional[int] = ...) -> None: ...

class TrunkRegistration(_message.Message):
    __slots__ = ["called", "domain", "expires_s", "user"]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_S_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    called: str
    domain: str
    expires_s: int
    user: str
    def __init__(self, domain: _Optional[str] = ..., user: _Optional[str] = ..., called: _Optional[str] = ..., expires_s: _Optional[int] = ...) -> None: ...

class DNKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class NoAnswerAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DesktopLost(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class FeatureAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class AgentLogin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DigestAlgorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class TrunkTransport(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OutboundClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
