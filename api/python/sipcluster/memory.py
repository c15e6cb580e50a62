"""What outlives a connection: what to ask for again at the next one, and who waits for
an answer. It knows nothing of gRPC."""

from __future__ import annotations

import threading
from typing import Dict, List, Optional

from sipcluster.tlibpb import tlib_pb2
from sipcluster.tlibpb.tlib_pb2 import ClientMessage, Event, EventLinkConnected, MonitorFilter

PROTOCOL_VERSION = 1


class Request:
    """A request, and the place for its answer. What is in it is guarded by the Memory."""

    def __init__(self, message: ClientMessage, waits: bool = True) -> None:
        self.message = message
        self.waits = waits
        """Somebody waits for the answer; otherwise it is an event."""
        self.sent = False
        self.answer: Optional[Event] = None
        self.done = threading.Event()
        """There is an answer, or there will be none."""


class Memory:
    """One client's. Its methods may be called by many threads."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._ref = 0
        # Registered DNs with their modes.
        self._dns: Dict[str, int] = {}
        # What monitor_all asked for, by that request. whole: its snapshot ended, so
        # it can go on behind monitored.
        self._monitor: Optional[MonitorFilter] = None
        self._monitor_ref = 0
        self._whole = False
        self._monitored = b""
        # Up to there the node told everything.
        self._heard = b""
        # Of the session at that address.
        self._token = ""
        self._addr = -1
        # Requests that were sent in this session and have no answer.
        self._session = 0
        self._asked: Dict[int, Request] = {}

    def opening(self, addr: int) -> ClientMessage:
        """The request that opens the next session, at that address."""
        with self._lock:
            o = tlib_pb2.OpenSession(application=self._application, protocol_version=PROTOCOL_VERSION)
            if self._token and self._addr == addr:
                o.resume_token, o.resume_cursor = self._token, self._heard
            return ClientMessage(reference_id=1, open_session=o)

    def opened(self, addr: int, link: EventLinkConnected) -> int:
        """Learns what a new session is; returns its number."""
        with self._lock:
            self._token, self._addr = link.session_token, addr
            if not link.resumed:
                self._heard = b""
            self._monitor_ref, self._whole = 0, False
            self._ref = max(self._ref, 1)  # OpenSession's
            self._session += 1
            self._asked = {}
            return self._session

    def again(self, resumed: bool) -> List[Request]:
        """The requests that bring a new session to where the last one was."""
        with self._lock:
            dns = [] if resumed else sorted(self._dns.items())
            all_of_it = [ClientMessage(register_address=tlib_pb2.RegisterAddress(dn=dn, mode=mode))  # type: ignore[arg-type]
                         for dn, mode in dns]
            if self._monitor is not None:
                all_of_it.append(ClientMessage(monitor_all=tlib_pb2.MonitorAll(
                    filter=self._monitor, resume_cursor=self._monitored)))
        return [Request(m, waits=False) for m in all_of_it]

    def sends(self, r: Request, session: int) -> bool:
        """Gives a request its number when it is sent. False when it is not to be sent any
        more: nobody waits, or the session is over. What it gives up is not asked for
        again."""
        with self._lock:
            if r.done.is_set() or session != self._session:
                r.done.set()
                return False
            self._ref += 1
            r.message.reference_id = self._ref
            r.sent = True
            self._asked[self._ref] = r
            self._asks(r.message, r.waits)
            return True

    def _asks(self, m: ClientMessage, anew: bool) -> None:
        which = m.WhichOneof("body")
        if which == "unregister_address":
            self._dns.pop(m.unregister_address.dn, None)
        elif which == "monitor_all":
            if anew:
                self._monitored = b""
            self._monitor, self._monitor_ref, self._whole = m.monitor_all.filter, m.reference_id, False
        elif which == "stop_monitor":
            self._monitor, self._monitor_ref, self._whole, self._monitored = None, 0, False, b""

    def takes(self, e: Event) -> bool:
        """Gives an answer to who waits for it; False when the event is for the queue."""
        with self._lock:
            if e.snapshot:
                self._accept(e)
                return False
            r = self._asked.pop(e.reference_id, None)
            if r is None:
                if e.unregistered.superseded:  # by another client: not asked for again
                    self._dns.pop(e.this_dn, None)
                return False
            monitors = r.message.WhichOneof("body") == "monitor_all"
            replaced = monitors and e.reference_id != self._monitor_ref
            refused = e.WhichOneof("body") == "error"
            self._learns(r.message, refused)
            waited = r.waits
            if waited:
                self._answer(r, e)
            return (waited or replaced) and not (monitors and not refused)

    def _learns(self, m: ClientMessage, refused: bool) -> None:
        """What is refused at a new node stays wished for: the next one may be able to."""
        which = m.WhichOneof("body")
        if which == "register_address" and not refused:
            self._dns[m.register_address.dn] = m.register_address.mode
        if which == "monitor_all" and m.reference_id == self._monitor_ref:
            if refused:
                self._monitor, self._monitor_ref = None, 0
            self._whole = not refused  # the message's cursor follows

    def _accept(self, row: Event) -> None:
        """Answers monitor_all by the first row of its snapshot: its user has to read the
        rows for the end to come."""
        r = self._asked.get(self._monitor_ref)
        if r is not None and r.waits:
            self._answer(r, row)

    @staticmethod
    def _answer(r: Request, e: Event) -> None:
        r.answer, r.waits = e, False
        r.done.set()

    def hears(self, cursor: bytes) -> None:
        """Everything up to the cursor was told; an empty one says nothing."""
        if not cursor:
            return
        with self._lock:
            self._heard = cursor
            if self._whole:
                self._monitored = cursor

    def gives_up(self, r: Request) -> None:
        """Nobody waits for the answer any more: when it comes now, it is an event."""
        with self._lock:
            r.waits = False
            r.done.set()

    def lost(self) -> None:
        """The session is over: no answer will come."""
        with self._lock:
            self._session += 1
            asked, self._asked = self._asked, {}
            for r in asked.values():
                r.done.set()
