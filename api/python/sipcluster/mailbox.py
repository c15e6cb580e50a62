"""A queue between two threads that has a bound and an end."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Deque, Generic, List, Optional, TypeVar

T = TypeVar("T")


class Ended(Exception):
    """The mailbox was closed, and everything in it was taken out."""


class Mailbox(Generic[T]):
    """Things in order, from any thread to any other."""

    def __init__(self, room: int = 0) -> None:
        """At most room things wait at a time; with 0 as many as are put."""
        self._room = room
        self._things: Deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, thing: T) -> bool:
        """Waits for room. False when the mailbox is closed: the thing is not in it."""
        with self._changed:
            while self._room and len(self._things) >= self._room and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._things.append(thing)
            self._changed.notify_all()
            return True

    def get(self, timeout: Optional[float] = None) -> T:
        """Waits for a thing. Raises TimeoutError, and Ended when there will be no more."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._things:
                if self._closed:
                    raise Ended
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._changed.wait(left)
            thing = self._things.popleft()
            self._changed.notify_all()
            return thing

    def close(self) -> None:
        """Nothing can be put any more; what is in it can be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def empty(self) -> List[T]:
        """Takes everything out."""
        with self._changed:
            things = list(self._things)
            self._things.clear()
            self._changed.notify_all()
            return things
