from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DNCounts(_message.Message):
    __slots__ = ["in_service", "out_of_service", "owned", "total", "with_standby"]
    IN_SERVICE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_SERVICE_FIELD_NUMBER: _ClassVar[int]
    OWNED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    WITH_STANDBY_FIELD_NUMBER: _ClassVar[int]
    in_service: int
    out_of_service: int
    owned: int
    total: int
    with_standby: int
    def __init__(self, total: _Optional[int] = ..., in_service: _Optional[int] = ..., out_of_service: _Optional[int] = ..., owned: _Optional[int] = ..., with_standby: _Optional[int] = ...) -> None: ...

class DrainNodeRequest(_message.Message):
    __slots__ = ["deadline_ms", "name", "undo"]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    deadline_ms: int
    name: str
    undo: bool
    def __init__(self, name: _Optional[str] = ..., undo: bool = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class DrainNodeResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Feature(_message.Message):
    __slots__ = ["field", "level"]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    field: str
    level: int
    def __init__(self, field: _Optional[str] = ..., level: _Optional[int] = ...) -> None: ...

class PeerStatus(_message.Message):
    __slots__ = ["clock_skew_ms", "from_peer_ms", "gossip", "lag_entries", "lag_ms", "last_answer_ms", "node", "owned", "reachable", "reason", "receive_queue_bytes", "role", "rtt_ms", "send_queue", "send_queue_bytes", "since", "site", "tc_addr", "to_peer_ms"]
    CLOCK_SKEW_MS_FIELD_NUMBER: _ClassVar[int]
    FROM_PEER_MS_FIELD_NUMBER: _ClassVar[int]
    GOSSIP_FIELD_NUMBER: _ClassVar[int]
    LAG_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_ANSWER_MS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    OWNED_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_QUEUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    RTT_MS_FIELD_NUMBER: _ClassVar[int]
    SEND_QUEUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SEND_QUEUE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    TC_ADDR_FIELD_NUMBER: _ClassVar[int]
    TO_PEER_MS_FIELD_NUMBER: _ClassVar[int]
    clock_skew_ms: float
    from_peer_ms: float
    gossip: str
    lag_entries: int
    lag_ms: float
    last_answer_ms: float
    node: str
    owned: int
    reachable: bool
    reason: str
    receive_queue_bytes: int
    role: str
    rtt_ms: float
    send_queue: int
    send_queue_bytes: int
    since: _timestamp_pb2.Timestamp
    site: str
    tc_addr: str
    to_peer_ms: float
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., reachable: bool = ..., reason: _Optional[str] = ..., rtt_ms: _Optional[float] = ..., owned: _Optional[int] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., clock_skew_ms: _Optional[float] = ..., gossip: _Optional[str] = ..., tc_addr: _Optional[str] = ..., to_peer_ms: _Optional[float] = ..., from_peer_ms: _Optional[float] = ..., last_answer_ms: _Optional[float] = ..., send_queue: _Optional[int] = ..., send_queue_bytes: _Optional[int] = ..., receive_queue_bytes: _Optional[int] = ..., role: _Optional[str] = ..., lag_entries: _Optional[int] = ..., lag_ms: _Optional[float] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ["advice", "code", "since", "text"]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    advice: str
    code: str
    since: _timestamp_pb2.Timestamp
    text: str
    def __init__(self, code: _Optional[str] = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., text: _Optional[str] = ..., advice: _Optional[str] = ...) -> None: ...

class RaftStatus(_message.Message):
    __slots__ = ["applied_index", "digest", "digest_index", "feature_known", "feature_level", "features", "lag_entries", "lag_ms", "leader", "parked", "quorum", "role", "state", "term"]
    APPLIED_INDEX_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIGEST_INDEX_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_KNOWN_FIELD_NUMBER: _ClassVar[int]
    FEATURE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    LAG_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    PARKED_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    applied_index: int
    digest: str
    digest_index: int
    feature_known: int
    feature_level: int
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    lag_entries: int
    lag_ms: float
    leader: str
    parked: str
    quorum: bool
    role: str
    state: str
    term: int
    def __init__(self, state: _Optional[str] = ..., leader: _Optional[str] = ..., term: _Optional[int] = ..., applied_index: _Optional[int] = ..., quorum: bool = ..., feature_level: _Optional[int] = ..., feature_known: _Optional[int] = ..., digest: _Optional[str] = ..., digest_index: _Optional[int] = ..., parked: _Optional[str] = ..., role: _Optional[str] = ..., lag_entries: _Optional[int] = ..., lag_ms: _Optional[float] = ..., features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ...) -> None: ...

class RemoveNodeRequest(_message.Message):
    __slots__ = ["force", "name"]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    force: bool
    name: str
    def __init__(self, name: _Optional[str] = ..., force: bool = ...) -> None: ...

class RemoveNodeResponse(_message.Message):
    __slots__ = ["lost"]
    LOST_FIELD_NUMBER: _ClassVar[int]
    lost: str
    def __init__(self, lost: _Optional[str] = ...) -> None: ...

class SiteStatus(_message.Message):
    __slots__ = ["heard", "in_service", "lost", "nodes_lost", "since", "site"]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    IN_SERVICE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    NODES_LOST_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    heard: _containers.RepeatedScalarFieldContainer[str]
    in_service: int
    lost: bool
    nodes_lost: _containers.RepeatedScalarFieldContainer[str]
    since: _timestamp_pb2.Timestamp
    site: str
    def __init__(self, site: _Optional[str] = ..., heard: _Optional[_Iterable[str]] = ..., nodes_lost: _Optional[_Iterable[str]] = ..., in_service: _Optional[int] = ..., lost: bool = ..., since: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ["cluster_id", "dns", "draining", "insecure", "node", "peers", "problems", "raft", "recovery", "site", "sites", "started", "version", "warnings"]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    DNS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    INSECURE_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    RAFT_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_FIELD_NUMBER: _ClassVar[int]
    SITES_FIELD_NUMBER: _ClassVar[int]
    SITE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    dns: DNCounts
    draining: bool
    insecure: bool
    node: str
    peers: _containers.RepeatedCompositeFieldContainer[PeerStatus]
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    raft: RaftStatus
    recovery: str
    site: str
    sites: _containers.RepeatedCompositeFieldContainer[SiteStatus]
    started: _timestamp_pb2.Timestamp
    version: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node: _Optional[str] = ..., site: _Optional[str] = ..., version: _Optional[str] = ..., started: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., raft: _Optional[_Union[RaftStatus, _Mapping]] = ..., peers: _Optional[_Iterable[_Union[PeerStatus, _Mapping]]] = ..., dns: _Optional[_Union[DNCounts, _Mapping]] = ..., draining: bool = ..., cluster_id: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ..., insecure: bool = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., recovery: _Optional[str] = ..., sites: _Optional[_Iterable[_Union[SiteStatus, _Mapping]]] = ...) -> None: ...

class WatchNodeRequest(_message.Message):
    __slots__ = ["name"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class WatchNodeResponse(_message.Message):
    __slots__ = ["calls", "drain_until", "draining", "heard", "left", "moved"]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    DRAIN_UNTIL_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    MOVED_FIELD_NUMBER: _ClassVar[int]
    calls: int
    drain_until: _timestamp_pb2.Timestamp
    draining: bool
    heard: bool
    left: int
    moved: int
    def __init__(self, heard: bool = ..., draining: bool = ..., drain_until: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., moved: _Optional[int] = ..., left: _Optional[int] = ..., calls: _Optional[int] = ...) -> None: ...
