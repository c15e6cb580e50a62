"""What goes wrong, as exceptions: each says by its outcome whether the request was done."""

from __future__ import annotations

import enum
from typing import Dict, Iterator, Optional, Tuple, Union

import grpc

from sipcluster.tlibpb import tlib_pb2


class Outcome(enum.Enum):
    """What became of a request that failed, as in docs/clients.md."""

    NOT_APPLIED = "NOT_APPLIED"
    """Nothing was changed, and nothing will be."""
    UNKNOWN = "UNKNOWN_OUTCOME"
    """It may have been done, or may be still: look before it is repeated."""
    PARTLY_APPLIED = "PARTLY_APPLIED"
    """Of an import, a part was applied."""


class Error(Exception):
    """Any failure of this package."""

    outcome: Outcome = Outcome.NOT_APPLIED
    code: Union[int, grpc.StatusCode, None] = None
    """An ErrorCode of the T-Library, a gRPC status where no session came about, or None."""


class ContextError(Error):
    """How to reach the cluster, or as whom, is not known, or can't be used."""


class NotConnected(Error):
    """There is no connection to a node at present, or none came about: nothing was sent."""

    def __init__(self, text: str, code: Optional[grpc.StatusCode] = None) -> None:
        super().__init__(text)
        self.code = code


class UnknownOutcome(Error):
    """The request was sent, and its answer did not come."""

    outcome = Outcome.UNKNOWN


class Closed(Error):
    """close() was called, or without reconnecting the connection was lost."""


class Refused(Error):
    """A node's refusal of a request: EventError."""

    code: int

    def __init__(self, what: str, error: tlib_pb2.EventError) -> None:
        self.code = error.code
        self.name = error_name(error.code)
        """The T-Library's name of the code: RESOURCE_SEIZED."""
        self.text = error.text or self.name
        """Says to people what failed and what to do."""
        if error.code in (tlib_pb2.ERROR_CODE_TIMEOUT, tlib_pb2.ERROR_CODE_INTERNAL_ERROR):
            self.outcome = Outcome.UNKNOWN
        super().__init__(f"{what}: {self.text}")


def error_name(code: int) -> str:
    """The T-Library's name of an error code; its number where this program knows none."""
    try:
        return tlib_pb2.ErrorCode.Name(code)[len("ERROR_CODE_"):]  # type: ignore[arg-type]
    except ValueError:
        return str(code)


# Codes that a node or a library gives before anything was done.
_NOTHING_DONE = frozenset(grpc.StatusCode[name] for name in (
    "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED",
    "FAILED_PRECONDITION", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"))


def outcome_of(error: grpc.RpcError) -> Outcome:
    """What is known of a request to one of the other services, of availability or of the
    configuration, after it failed: what the node said in its ErrorInfo, else what the
    code means."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            said = _reason(value)
            if said is not None:
                return said
    return Outcome.NOT_APPLIED if error.code() in _NOTHING_DONE else Outcome.UNKNOWN


def _reason(status: bytes) -> Optional[Outcome]:
    """The reason of the ErrorInfo of the domain sipcluster in a google.rpc.Status, read by
    field numbers: the messages are in no package of Debian's that this one needs."""
    try:
        for detail in _fields(status, 3):  # details, each an Any: type_url 1, value 2
            if not b"".join(_fields(detail, 1)).endswith(b"/google.rpc.ErrorInfo"):
                continue
            info = b"".join(_fields(detail, 2))  # reason 1, domain 2
            if b"".join(_fields(info, 2)) != b"sipcluster":
                continue
            reason = b"".join(_fields(info, 1)).decode("utf-8", "replace")
            return _REASONS.get(reason, Outcome.UNKNOWN)
    except (IndexError, ValueError):
        pass
    return None


_REASONS: Dict[str, Outcome] = {o.value: o for o in Outcome}


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """The fields of that number, which have a length, of an encoded message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        size = 0
        if key & 7 == 0:
            _, at = _varint(message, at)
        elif key & 7 == 2:
            size, at = _varint(message, at)
        else:
            raise ValueError("not a field of a google.rpc.Status")
        if key == number << 3 | 2:
            yield message[at:at + size]
        at += size


def _varint(message: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
