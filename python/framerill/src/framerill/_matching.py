"""Which output answers which input, where both come on their own time: a pure machine.

::

    put ──> inside ──output──> open ──later output──> closed
              └──passed by a later output, given up, refused──> skipped

Frames leave in the order in which they came. Times are ticks of one time base. No clock, no socket.

Invariant: every frame that was put leaves exactly once, closed or skipped, and the pictures' times strictly increase.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import NamedTuple

from . import _descriptor as wire

MAX_PICTURES = 256
"""Pictures that one frame may have."""
_REMEMBERED = 256


class Stray(str, Enum):
    """Why an output answers no frame."""

    LATE = "late"
    """Its frame has been passed by, or given up."""
    DUPLICATE = "duplicate"
    """There is a picture at its time or after it."""
    UNMATCHED = "unmatched"
    """No frame was put that it could belong to."""


class Picture(NamedTuple):
    """The output is the frame's picture number `nth`, at `pts`."""

    frame: int
    pts: int
    nth: int


class Closed(NamedTuple):
    """No further picture of an answered frame will come."""

    frame: int


class Skipped(NamedTuple):
    """A frame leaves without a picture."""

    frame: int
    reason: int


Step = Picture | Closed | Skipped


class _InFlight:
    __slots__ = ("frame", "pts", "refused")

    def __init__(self, frame: int, pts: int) -> None:
        self.frame = frame
        self.pts = pts
        self.refused: int | None = None


class _Open:
    __slots__ = ("frame", "pts", "nth", "last")

    def __init__(self, frame: int, pts: int, at: int) -> None:
        self.frame = frame
        self.pts = pts
        self.nth = 0
        self.last = at


class Matching:
    """The frames of one stream.

    `max_in_flight` bounds those without an output, `ahead` how far after the newest frame an output may lie, in ticks.
    """

    def __init__(self, max_in_flight: int, ahead: int) -> None:
        self._max_in_flight = max_in_flight
        self._ahead = ahead
        self._in_flight: deque[_InFlight] = deque()
        self._open: _Open | None = None
        self._past: deque[tuple[int, bool]] = deque(maxlen=_REMEMBERED)
        self.has_several = False
        """Whether a frame has had more than one picture."""

    def __len__(self) -> int:
        """Frames that wait for an output."""
        return sum(it.refused is None for it in self._in_flight)

    def put(self, frame: int, pts: int) -> list[Step]:
        """A frame goes in; the oldest one is given up when there are too many."""
        steps = self._leave(1, wire.LATE) if len(self._in_flight) >= self._max_in_flight else []
        self._in_flight.append(_InFlight(frame, pts))
        return steps

    def refuse(self, frame: int, reason: int) -> list[Step]:
        """No output is to be waited for: it leaves in its turn."""
        for it in self._in_flight:
            if it.frame == frame:
                it.refused = reason
        return self._leave_refused()

    def output(self, pts: int, slack: int = 0) -> list[Step] | Stray:
        """An output; `slack` is by how much its time may be rounded."""
        if slack:
            pts = self._snapped(pts, slack)
        place = next((at for at in reversed(range(len(self._in_flight))) if self._in_flight[at].pts <= pts), None)
        newest = self._in_flight[-1].pts if self._in_flight else self._open.pts if self._open else pts
        if pts - newest > self._ahead:
            return Stray.UNMATCHED
        if place is None:
            return self._further(pts)
        last = self._open.last if self._open else self._past[-1][0] if self._past else None
        if last is not None and pts <= last:
            return Stray.DUPLICATE
        steps = self._leave(place, wire.CHOSEN)
        if not place:
            steps += self._close()
        it = self._in_flight.popleft()
        self._open = _Open(it.frame, it.pts, pts)
        steps.append(Picture(it.frame, pts, 0))
        return steps + self._leave_refused()

    def end(self, reason: int = wire.CHOSEN) -> list[Step]:
        """Nothing more comes of what is inside."""
        return self._leave(len(self._in_flight), reason) if self._in_flight else self._close()

    def _further(self, pts: int) -> list[Step] | Stray:
        it = self._open
        if it is None or pts < it.pts:
            return self._missed(pts)
        if pts <= it.last or it.nth + 1 >= MAX_PICTURES:
            return Stray.DUPLICATE
        it.nth, it.last = it.nth + 1, pts
        self.has_several = True
        return [Picture(it.frame, pts, it.nth)]

    def _missed(self, pts: int) -> Stray:
        for past, answered in self._past:
            if past == pts:
                return Stray.DUPLICATE if answered else Stray.LATE
        return Stray.LATE if self._past and pts >= self._past[0][0] else Stray.UNMATCHED

    def _snapped(self, pts: int, slack: int) -> int:
        times = [it.pts for it in self._in_flight] + ([self._open.pts] if self._open else [])
        nearest = min(times, key=lambda it: abs(it - pts), default=pts)
        return nearest if abs(nearest - pts) <= slack else pts

    def _close(self) -> list[Step]:
        it, self._open = self._open, None
        if it is None:
            return []
        self._past.append((it.last, True))
        return [Closed(it.frame)]

    def _leave(self, count: int, reason: int) -> list[Step]:
        """The oldest `count` frames leave without an output."""
        if not count:
            return []
        steps = self._close()
        for _ in range(count):
            it = self._in_flight.popleft()
            self._past.append((it.pts, False))
            steps.append(Skipped(it.frame, reason if it.refused is None else it.refused))
        return steps

    def _leave_refused(self) -> list[Step]:
        count = 0
        while count < len(self._in_flight) and self._in_flight[count].refused is not None:
            count += 1
        return self._leave(count, wire.CHOSEN)
