"""Where the author's code is when it does not come back: told on stderr before the parent's patience is over.

The heartbeat's thread looks once a second. While it runs, it writes the threads' stacks itself, late in the time that a
frame has. A pipeline that holds the interpreter's lock stops that thread, too; for this it arms `faulthandler`, which
needs no lock, each time a little ahead.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable
from dataclasses import dataclass

LOAD_SECONDS = 180.0
"""After so long a live runner's guardian gives up a load."""
FIRST_FRAME_SECONDS = 60.0
"""What the first frame may take."""
_LOCKED = 4.0
"""Seconds without a look after which the interpreter's lock is held: the parent waits five for a heartbeat."""
_SHARE = 0.8
"""Of the time that a step has, after which is told where it is."""
_LOOKS = 2.0
"""Seconds: one look to see a step first, and one to find that its time has come."""


@dataclass(frozen=True)
class Work:
    """What the main thread is at."""

    step: str | None
    """The author's method that runs, or what is declared long work; None between frames."""
    headway: int
    """Grows with every frame that is done."""
    may_take: float
    """Seconds before its parent ends it."""
    may_lock: float = _LOCKED
    """Seconds for which it may hold the interpreter's lock."""


class Watch:
    """When to tell where a step is. A pure machine: the times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._seen: tuple[str | None, int] | None = None
        self._since = 0.0
        self._told = False

    def is_due(self, work: Work, now: float) -> bool:
        """Whether the step has lasted so long that it is told; True once for each."""
        seen = (work.step, work.headway)
        if work.step is None or seen != self._seen:
            self._seen, self._since, self._told = seen, now, False
            return False
        patience = max(min(_SHARE * work.may_take, work.may_take - _LOOKS), 1.0)
        if self._told or now - self._since < patience:
            return False
        self._told = True
        return True

    def lasted(self, now: float) -> float:
        """Seconds since the step was seen first."""
        return now - self._since


class Watchdog:
    """The driver: looks, arms and writes."""

    def __init__(self, work: Callable[[], Work]) -> None:
        self._work = work
        self._watch = Watch()
        # Not the author's to close by `sys.stderr.close()`.
        self._fd = os.dup(2)
        faulthandler.enable(self._fd)

    def look(self, now: float) -> None:
        """Once a second, from a thread of its own."""
        try:
            work = self._work()
            if self._watch.is_due(work, now):
                said = f"`{work.step}` has not come back for {self._watch.lasted(now):.0f} s; it is here:\n"
                os.write(self._fd, said.encode())
                faulthandler.dump_traceback(self._fd)
            faulthandler.dump_traceback_later(work.may_lock, file=self._fd)
        except (OSError, RuntimeError, ValueError):
            pass  # The author closed it or uses `faulthandler` itself, or all is over. Nothing is told then.
