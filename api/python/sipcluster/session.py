"""One connection's session."""

from __future__ import annotations

import math
import threading
import time
from typing import Any, Callable, Iterator, Optional

import grpc

from sipcluster.errors import NotConnected, Refused
from sipcluster.mailbox import Ended, Mailbox
from sipcluster.memory import Memory, Request
from sipcluster.tlibpb import tlib_pb2, tlib_pb2_grpc

SILENCE = 3.0
"""How many seconds a node may say nothing: it speaks every second."""


class Silent(NotConnected):
    """The node said nothing for SILENCE."""


class Session:
    """The thread that opens it pumps it; a thread of gRPC's writes requests, and one of
    its own cancels the stream when the node is silent."""

    def __init__(self, channel: grpc.Channel, memory: Memory) -> None:
        self._channel = channel
        self._memory = memory
        self._out: Mailbox[Request] = Mailbox()
        self._number = 0
        self._greeting = tlib_pb2.ServerMessage()
        self._why: Optional[NotConnected] = None
        self._call: Any = None
        self._quiet = _Alarm(lambda: self.cancel(Silent(f"the node said nothing for {SILENCE:.0f}s")))

    def open(self, addr: int, timeout: float) -> tlib_pb2.Event:
        """Opens the session at that address; returns the node's EventLinkConnected. The
        session has to be ended whether or not that raises NotConnected or Refused."""
        self._quiet.start()
        stub = tlib_pb2_grpc.TLibraryStub(self._channel)
        self._call = stub.Session(self._requests(self._memory.opening(addr)))
        if self._why is not None:  # cancelled meanwhile
            self._call.cancel()
        self._greeting = self._receive(min(timeout, SILENCE))
        events = list(self._greeting.events)
        for i, e in enumerate(events):
            if e.WhichOneof("body") == "error":
                raise Refused("open a session", e.error)
            if e.WhichOneof("body") == "link_connected":
                del self._greeting.events[:i + 1]
                self._begin(addr, e)
                return e
        raise NotConnected("its first word is not EventLinkConnected")

    def _begin(self, addr: int, e: tlib_pb2.Event) -> None:
        self._number = self._memory.opened(addr, e.link_connected)
        e.reference_id, e.link_connected.session_token = 0, ""
        for r in self._memory.again(e.link_connected.resumed):
            self._out.put(r)

    def _requests(self, opening: tlib_pb2.ClientMessage) -> Iterator[tlib_pb2.ClientMessage]:
        """What gRPC's thread sends; its end closes this side of the stream."""
        yield opening
        while True:
            try:
                r = self._out.get()
            except Ended:
                return
            if self._memory.sends(r, self._number):
                yield r.message

    def send(self, r: Request) -> bool:
        """Has a request sent; False when the session is over."""
        return self._out.put(r)

    def leave(self) -> None:
        """Ends the session in good order, behind what is still to be sent."""
        self._out.close()

    def pump(self, push: Callable[[tlib_pb2.Event], object]) -> NotConnected:
        """Passes on what the node says until the connection ends; returns why. While push
        waits for room nothing is read."""
        m = self._greeting
        try:
            while True:
                for e in m.events:
                    if not self._memory.takes(e):
                        push(e)
                self._memory.hears(m.cursor)
                m = self._receive(SILENCE)
        except NotConnected as why:
            return why

    def _receive(self, timeout: float) -> tlib_pb2.ServerMessage:
        """Waits for the node's next word."""
        self._quiet.set(timeout)
        try:
            return next(self._call)
        except StopIteration:
            raise self._why or NotConnected("the node ended the session") from None
        except grpc.RpcError as e:
            raise self._why or NotConnected(e.details() or e.code().name, e.code()) from None
        finally:
            self._quiet.set(math.inf)

    def cancel(self, why: NotConnected) -> None:
        """Ends the stream at once."""
        self._why = self._why or why
        call = self._call
        if call is not None:
            call.cancel()

    def end(self) -> None:
        """Closes the connection and fails what is still asked."""
        self._quiet.stop()
        self._out.close()
        for r in self._out.empty():
            r.done.set()
        self._memory.lost()
        self.cancel(NotConnected("the session is over"))
        self._channel.close()


class _Alarm(threading.Thread):
    """Does something when the time that was set last is over. Set for every message, so
    the thread is only woken for a time before that at which it wakes anyway."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__(name="sipcluster-silence", daemon=True)
        self._act = act
        self._changed = threading.Condition()
        self._at = self._wakes = math.inf
        self._over = False

    def set(self, seconds: float) -> None:
        """In so many seconds; math.inf: never."""
        with self._changed:
            self._at = time.monotonic() + seconds
            if self._at < self._wakes:
                self._changed.notify()

    def stop(self) -> None:
        """Ends the thread."""
        with self._changed:
            self._over = True
            self._changed.notify()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        while self._sleep():
            self._act()

    def _sleep(self) -> bool:
        """Returns when it is time; False when the alarm is stopped."""
        with self._changed:
            while not self._over:
                left = self._at - time.monotonic()
                if left <= 0:
                    self._at = math.inf
                    return True
                self._wakes = self._at
                self._changed.wait(None if left == math.inf else left)
            return False
