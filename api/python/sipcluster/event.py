"""What programs ask of an event of any kind, and the words for its enums."""

from __future__ import annotations

from typing import Any, Optional

from google.protobuf.message import Message

from sipcluster.tcpb import availability_pb2
from sipcluster.tlibpb import tlib_pb2


def body(event: tlib_pb2.Event) -> Optional[Message]:
    """The event's one message; None of one that this program does not know."""
    which = event.WhichOneof("body")
    return None if which is None else getattr(event, which)


def name(event: tlib_pb2.Event) -> str:
    """The T-Library's name of the event, EventDNBackInService; "" where it is not known."""
    b = body(event)
    return "" if b is None else b.DESCRIPTOR.name


def kind(event: tlib_pb2.Event) -> int:
    """The T-Library's number of the event, a value of Message; 0 where it is not known."""
    which = event.WhichOneof("body")
    return 0 if which is None else event.DESCRIPTOR.fields_by_name[which].number


def agent(event: tlib_pb2.Event) -> Optional[tlib_pb2.Agent]:
    """What the event says of an agent, None when it is about none."""
    return _part(event, "agent")  # type: ignore[no-any-return]


def call(event: tlib_pb2.Event) -> Optional[tlib_pb2.Call]:
    """What the event says of a call, None when it is about none."""
    return _part(event, "call")  # type: ignore[no-any-return]


def status(event: tlib_pb2.Event) -> Optional[availability_pb2.DNStatus]:
    """The DN's status in an answer or a row, None when there is none."""
    return _part(event, "status")  # type: ignore[no-any-return]


def server(event: tlib_pb2.Event) -> Optional[tlib_pb2.ServerInfo]:
    """What the node says of itself, None when the event is not about it."""
    return _part(event, "server")  # type: ignore[no-any-return]


def _part(event: tlib_pb2.Event, field: str) -> Any:
    b = body(event)
    if b is None or field not in b.DESCRIPTOR.fields_by_name or not b.HasField(field):
        return None
    return getattr(b, field)


def word(enum: Any, number: int) -> str:
    """The word for a value of an enum: peer-lost for word(Reason, REASON_PEER_LOST); ""
    for UNSPECIFIED, and the number where this program does not know the value."""
    if number == 0:
        return ""
    if number not in enum.values():
        return str(number)
    said: str = enum.Name(number)[len(enum.Name(0)) - len("UNSPECIFIED"):]
    return _STATES.get(said, said.lower().replace("_", "-")) if enum.DESCRIPTOR.name == "DNState" else said.lower().replace("_", "-")


_STATES = {"IN_SRV": "InSrv", "OOS": "OOS"}
