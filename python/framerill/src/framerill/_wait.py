"""Waiting for descriptors: with poll, or inside an event loop so that an author's own tasks go on meanwhile."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable


class Waiter:
    """A set of descriptors, and the wait for one of them to become readable."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._fds: set[int] = set()
        self._wake: Callable[[], None] | None = None

    def add(self, fd: int) -> None:
        """Watches a descriptor."""
        self._poll.register(fd, select.POLLIN)
        self._fds.add(fd)

    def remove(self, fd: int) -> None:
        """Watches it no more; before it is closed."""
        self._poll.unregister(fd)
        self._fds.discard(fd)

    def wait(self, seconds: float | None, loop: AbstractEventLoop | None) -> list[tuple[int, int]]:
        """Readable (or ended) descriptors. None waits for ever, 0 not at all; tasks of `loop` run while it waits."""
        if loop is None or seconds == 0:
            return self._poll.poll(None if seconds is None else seconds * 1000)
        ready = self._poll.poll(0)
        return ready or self._in_loop(seconds, loop)

    def interrupt(self) -> None:
        """Ends the wait that a task of the loop runs in."""
        if self._wake is not None:
            self._wake()

    def _in_loop(self, seconds: float | None, loop: AbstractEventLoop) -> list[tuple[int, int]]:
        woken = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        self._wake = wake
        timer = None if seconds is None else loop.call_later(seconds, wake)
        for fd in self._fds:
            loop.add_reader(fd, wake)
        try:
            loop.run_until_complete(woken)
        finally:
            self._wake = None
            for fd in self._fds:
                loop.remove_reader(fd)
            if timer is not None:
                timer.cancel()
        return self._poll.poll(0)
