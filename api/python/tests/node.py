"""A node of the tests: it says what it is told to, and shows what it was asked."""

from __future__ import annotations

import queue
import threading
from concurrent import futures
from typing import Any, Iterator, List, Tuple

import grpc

from sipcluster import tlib
from sipcluster.tlibpb import tlib_pb2_grpc

PATIENCE = 20.0
"""How many seconds a test waits for what it is sure of, on a machine under load."""


class Link:
    """One session, as the node has it."""

    def __init__(self) -> None:
        self.asked: "queue.Queue[tlib.ClientMessage]" = queue.Queue()
        self.said: "queue.Queue[Any]" = queue.Queue()
        self.left = threading.Event()
        """The client has closed its side in good order."""

    def wants(self) -> tlib.ClientMessage:
        """The client's next request."""
        return self.asked.get(timeout=PATIENCE)

    def says(self, cursor: bytes, *events: tlib.Event) -> None:
        self.said.put(tlib.ServerMessage(cursor=cursor, events=events))

    def answers(self, event: tlib.Event) -> tlib.ClientMessage:
        """Takes the next request, and answers it by the event."""
        m = self.wants()
        event.reference_id = m.reference_id
        self.says(b"", event)
        return m

    def breaks(self) -> None:
        """Ends the session as a lost connection does."""
        self.said.put(None)

    def asks(self, n: int) -> List[str]:
        """The next requests, in short."""
        return [brief(self.wants()) for _ in range(n)]


def brief(m: tlib.ClientMessage) -> str:
    which = m.WhichOneof("body")
    if which == "register_address":
        return f"register {m.register_address.dn} {m.register_address.mode}"
    if which == "monitor_all":
        return f"monitor {m.monitor_all.filter.group} {m.monitor_all.resume_cursor.decode()}"
    return str(which)


class Node(tlib_pb2_grpc.TLibraryServicer):
    """Serves from the start to stop()."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.links: "queue.Queue[Link]" = queue.Queue()
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        tlib_pb2_grpc.add_TLibraryServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Session(self, requests: Iterator[tlib.ClientMessage], context: grpc.ServicerContext) -> Iterator[tlib.ServerMessage]:
        link = Link()
        self.links.put(link)

        def read() -> None:
            try:
                for m in requests:
                    link.asked.put(m)
                link.left.set()
                link.said.put(StopIteration)
            except Exception:  # the stream is over
                link.said.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            m = link.said.get()
            if m is StopIteration:
                return
            if m is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the node stops")
            yield m

    def greets(self, resumed: bool = False) -> Tuple[Link, tlib.OpenSession]:
        """Takes the next session in."""
        link = self.links.get(timeout=PATIENCE)
        m = link.wants()
        link.says(b"", tlib.Event(reference_id=m.reference_id, link_connected=tlib.EventLinkConnected(
            server=tlib.ServerInfo(node=self.name), session_token=f"token of {self.name}", resumed=resumed, protocol_version=1)))
        return link, m.open_session

    def stop(self) -> None:
        self._server.stop(0).wait()


def told(dn: str, **more: Any) -> tlib.Event:
    return tlib.Event(this_dn=dn, dn_back_in_service=tlib.EventDNBackInService(), **more)


def registered(dn: str = "") -> tlib.Event:
    return tlib.Event(this_dn=dn, registered=tlib.EventRegistered())
