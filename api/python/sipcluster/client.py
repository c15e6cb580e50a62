"""The client of a node's T-Library port."""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Type, Union

from google.protobuf.timestamp_pb2 import Timestamp

from sipcluster.channel import dial
from sipcluster.context import Context, find_context
from sipcluster.errors import Closed, ContextError, Error, NotConnected, Refused, UnknownOutcome
from sipcluster.mailbox import Ended, Mailbox
from sipcluster.memory import Memory, Request
from sipcluster.requests import Requests
from sipcluster.session import Session, Silent
from sipcluster.tlibpb import tlib_pb2
from sipcluster.tlibpb.tlib_pb2 import Event, ServerInfo

DIAL_WITHIN = 3.0
"""How many seconds one attempt to connect may take."""
CLOSE_WITHIN = 1.0
"""How many seconds close() waits for the node."""
STEADY = 5.0
"""A connection that lives for so many seconds was no failed attempt."""


class Client(Requests):
    """One application's session with a node, and with the next one when that is lost.

    Its methods may be called by many threads at once; next_event and iteration by one.
    A request is a method that returns its answer. Everything else that the node says,
    what happens to the DNs that are registered or monitored, are the events, in order::

        with sipcluster.Client(["10.0.1.10:7001", "10.0.2.10:7001"]) as c:
            c.monitor_all()
            for event in c:
                print(sipcluster.event.name(event), event.this_dn)

    Events wait in a queue. When it is full the client reads no more from the node, so its
    memory is bounded; the node then tells several changes of a DN as the last of them, and
    ends the session when nothing is read for 10 s. Answers come on the same stream, behind
    events for which there is no room: so read the events.

    A connection on which nothing arrives for 3 s is given up. The client then queues an
    EventLinkDisconnected, dials the addresses in turn until one answers, and queues that
    node's EventLinkConnected. When the session is resumed there, what happened meanwhile
    follows, and no registration was lost. Otherwise the client registers and monitors
    again what it had: the answers come as events, EventRegistered with the present status
    of each DN, EventError for what is not possible any more. Requests that were on their
    way raise UnknownOutcome, and what is asked while there is no connection NotConnected.
    """

    def __init__(
        self, addresses: Union[str, Sequence[str]] = (), *, context: Union[Context, str, None] = None, insecure: bool = False,
        application: str = "python", queue: int = 1024, reconnect: bool = True, timeout: float = 10.0,
    ) -> None:
        """Opens a session with the first of the addresses that answers, HOST:PORT of a
        TCport or default port; without any those of the context. The context is one of the
        user's, or the one by that name, or found as the commands find it; insecure asks in
        the clear, as nobody, which is for laboratories. application is what the node's
        operator reads in its log. At most queue events wait to be read. timeout bounds the
        dialling, and each request that says nothing else. Raises NotConnected, ContextError,
        and Refused when the node refuses the session."""
        if insecure and context is not None:
            raise ContextError("insecure asks as nobody: a context is of no use")
        addresses = [addresses] if isinstance(addresses, str) else list(addresses)
        self._find = _finder(context, insecure, addresses[0] if addresses else "")
        found = self._find()
        self._addresses = addresses or list(found.addresses if found else ())
        if not self._addresses:
            raise ContextError(f"no address: give one, or a context that has one{' (' + found.name + ' has none)' if found else ''}")
        self._timeout, self._reconnect = timeout, reconnect
        self._events: Mailbox[Event] = Mailbox(max(queue, 1))
        self._memory = Memory(application)
        self._learned: Tuple[str, ...] = ()
        self._lock = threading.Lock()
        # The session, None while there is no connection; and the one that is being opened.
        self._session: Optional[Session] = None
        self._opening: Optional[Session] = None
        self._server = ServerInfo()
        self._capabilities: Tuple[int, ...] = ()
        self._closing = threading.Event()
        self._end: Error = Closed("the session is closed")
        session = self._dial_first(time.monotonic() + timeout)
        self._thread = threading.Thread(target=self._run, args=(session,), name="sipcluster", daemon=True)
        self._thread.start()

    @property
    def server(self) -> ServerInfo:
        """What the node said of itself when the session opened last. nodes is as it was
        then: query_server asks anew."""
        with self._lock:
            copy = ServerInfo()
            copy.CopyFrom(self._server)
            return copy

    def can(self, capability: int) -> bool:
        """Whether the node at which the session opened last has the Capability."""
        with self._lock:
            return capability in self._capabilities

    @property
    def connected(self) -> bool:
        """Whether there is a connection at present."""
        return self._session is not None

    def next_event(self, timeout: Optional[float] = None) -> Event:
        """Waits for the next event. Raises TimeoutError, and Closed when there will be no
        more."""
        try:
            return self._events.get(timeout)
        except Ended:
            raise self._end from None

    def __iter__(self) -> Iterator[Event]:
        """The events, until close(). Raises Closed when something else ended them."""
        while True:
            try:
                yield self._events.get()
            except Ended:
                if self._closing.is_set():
                    return
                raise self._end from None

    def close(self) -> None:
        """Ends the session: what it registered ends with it, at once when the node has no
        grace for its clients. Events that are queued can still be read. Returns when all
        threads of the client have ended."""
        with self._lock:
            self._closing.set()
            session, opening = self._session, self._opening
        self._events.close()
        if opening is not None:
            opening.cancel(NotConnected("the client is closed"))
        if session is not None:
            session.leave()
        if self._thread is threading.current_thread():
            return
        self._thread.join(CLOSE_WITHIN)
        if session is not None:
            session.cancel(NotConnected("the client is closed"))
        self._thread.join()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def _ask(self, what: str, message: tlib_pb2.ClientMessage, timeout: Optional[float]) -> Event:
        session = self._session
        r = Request(message)
        if self._closing.is_set() or session is None or not session.send(r):
            raise self._absent(what)
        r.done.wait(self._timeout if timeout is None else timeout)
        self._memory.gives_up(r)
        if r.answer is not None:
            if r.answer.WhichOneof("body") == "error":
                raise Refused(what, r.answer.error)
            return r.answer
        if r.sent:
            raise UnknownOutcome(f"{what}: sent but not answered: it may or may not have been done")
        raise self._absent(what)

    def _absent(self, what: str) -> Error:
        if self._closing.is_set() or not self._thread.is_alive():
            return Closed(f"{what}: {self._end}")
        return NotConnected(f"{what}: not connected to a node at present")

    def _dial_first(self, until: float) -> Session:
        failed: List[Error] = []
        for i in range(len(self._addresses)):
            try:
                return self._open(i, max(until - time.monotonic(), 0.01))[0]
            except (NotConnected, Refused, ContextError) as e:
                failed.append(e)
            if time.monotonic() >= until:
                break
        if len(failed) == 1:
            raise failed[0]
        raise NotConnected("; ".join(str(e) for e in failed))

    def _open(self, i: int, timeout: float) -> Tuple[Session, Event]:
        """Opens a session at the i-th address; returns it with its EventLinkConnected."""
        began, addr = time.monotonic(), self._addresses[i]
        session: Optional[Session] = None
        try:
            channel, authorities = dial(addr, self._context(), min(timeout, DIAL_WITHIN))
            self._learned = tuple(dict.fromkeys(authorities + self._learned))[:8]
            session = Session(channel, self._memory)
            with self._lock:
                self._opening = session
                if self._closing.is_set():
                    raise NotConnected("the client is closed")
            e = session.open(i, timeout - (time.monotonic() - began))
        except BaseException as why:
            self._opening = None
            if session is not None:
                session.end()
            if isinstance(why, NotConnected):
                raise NotConnected(f"no session with the node at {addr}: {why}", why.code) from None
            raise
        link = e.link_connected
        with self._lock:
            self._session, self._opening = session, None
            self._server.CopyFrom(link.server)
            self._capabilities = tuple(link.capabilities)
            self._first = i
            if self._closing.is_set():
                session.leave()
        return session, e

    _first = 0  # the address that is tried first

    def _context(self) -> Optional[Context]:
        """The context as it is now: the commands keep it."""
        found = self._find()
        return found.knowing(self._learned) if found is not None else None

    def _run(self, session: Session) -> None:
        """Serves the client over as many connections as it takes."""
        pauses = Backoff()
        while True:
            began = time.monotonic()
            why = session.pump(self._events.put)
            with self._lock:
                self._session = None
            session.end()
            hasty = time.monotonic() - began < STEADY  # a node that ends every session is not asked at once again
            if not hasty:
                pauses = Backoff()
            if self._closing.is_set() or not self._reconnect:
                break
            now = Timestamp()
            now.GetCurrentTime()
            self._events.put(Event(time=now, link_disconnected=tlib_pb2.EventLinkDisconnected(server=self._server, text=str(why))))
            if isinstance(why, Silent):  # one that hangs would take an attempt's whole time
                self._first = (self._first + 1) % len(self._addresses)
            again = self._redial(pauses, hasty)
            if again is None:
                break
            session, e = again
            self._events.put(e)
        if not self._closing.is_set():
            self._end = Closed(f"the session is closed: {why}")
        self._events.close()

    def _redial(self, pauses: "Backoff", pause: bool) -> Optional[Tuple[Session, Event]]:
        """Opens a session at one of the addresses, as a rule that of the last one first;
        None when the client is closed."""
        first = self._first
        while not (pause and self._closing.wait(pauses.next())):
            for i in range(len(self._addresses)):
                try:
                    return self._open((first + i) % len(self._addresses), DIAL_WITHIN)
                except (Error, OSError):
                    if self._closing.is_set():
                        return None
            pause = True
        return None


def _finder(context: Union[Context, str, None], insecure: bool, address: str) -> Callable[[], Optional[Context]]:
    """What finds the context each time that a node is dialled."""
    if insecure:
        return lambda: None
    if isinstance(context, Context):
        given = context
        return lambda: given
    name = context or ""
    return lambda: find_context(name, address)


class Backoff:
    """Pauses between attempts to connect, one at every address each: 0.1 s, doubled each
    time, to 5 s."""

    FIRST, LAST = 0.1, 5.0

    def __init__(self) -> None:
        self._last = 0.0

    def next(self) -> float:
        """The pause to make, of which up to a half is left to chance so that the clients of
        a node that died don't come all at once."""
        self._last = min(max(2 * self._last, self.FIRST), self.LAST)
        return self._last * random.uniform(0.5, 1)
