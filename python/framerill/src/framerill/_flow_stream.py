"""A stream of a `Decoupled` pipeline: its frames go into the put loop, its pictures come out of the get loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from . import _descriptor as wire
from ._caps import Array, Caps
from ._matching import Closed, Matching, Picture, Skipped, Step, Stray
from ._stream import Counts, Notices, Stream
from .decoupled import Output

if TYPE_CHECKING:
    from ._flow import Flow
    from ._link import Link
    from ._sizes import Size

_AHEAD = 10
"""Seconds that an output may lie after the newest frame."""


def picture_of(
    value: Any, caps: Caps, out: Callable[[], Array], limits: tuple[float, float], has_nan: Callable[[], None]
) -> Array:
    """The pixels of an output, as they are or converted into `out()`; of another size, scaled. Raises ContractError."""
    pixels = caps.pixels_of(value)
    if pixels is not None:
        return pixels
    from ._resize import fitted
    from ._tensor import write

    value = fitted(value, caps)

    into = out()
    if write(value, into, caps, limits):
        has_nan()
    return into


class FlowStream(Stream):
    """A stream whose frames go into the put loop and whose pictures come out of the get loop."""

    def __init__(
        self,
        link: Link,
        name: str,
        incarnation: int,
        flow: Flow,
        counts: Counts,
        notices: Notices,
        *,
        live: bool = False,
        request_id: str = "",
        output_size: Size | None = None,
    ) -> None:
        super().__init__(link, name, incarnation, flow.engine, counts, notices, live=live, output_size=output_size)
        self.live = live
        self.request_id = request_id
        self.room = asyncio.Event()
        self.answered = asyncio.Event()
        self.slowest: float | None = None
        self._flow = flow
        self._answered_at: float | None = None
        self._matching: Matching | None = None
        self._messages: dict[int, tuple[wire.Descriptor, int]] = {}
        self._is_ending = False
        self._has_ended = False
        flow.enter(self)

    # For the worker's loop

    @property
    def is_ready(self) -> bool:
        """Never: frames are taken by the put loop."""
        return False

    @property
    def is_idle(self) -> bool:
        """Whether everything that came is answered."""
        return not self._waiting and not self._messages and not self._is_ending

    def close(self) -> None:
        """Ends the link; what is inside answers nobody any more."""
        self._flow.leave(self)
        self.room.set()
        self.answered.set()
        super().close()

    def receive(self) -> None:
        """Takes one message: a release or a flush at once, a frame when the put loop is free. Raises LinkError."""
        super().receive()
        if self._flushes:
            if self._matching is not None:
                self._do(self._matching.end(wire.FLUSHED), None)
            self._flush()
        self.room.set()
        self._flow.came()

    # For the loops

    def drain(self) -> None:
        """As if the source had ended: what is inside comes out, or is given up."""
        if self._output is not None and not self._has_ended and not self._is_ending:
            self._waiting.append(wire.Descriptor(type=wire.EOS))
            self._flow.came()

    def next_message(self) -> wire.Descriptor | None:
        """The oldest message that waits, which is the caller's."""
        return self._waiting.popleft() if self._waiting and self._output is not None else None

    def take(self, message: wire.Descriptor) -> Any:
        """The frame of a message, which is inside from here on. Raises LinkError."""
        frame = self._frame(message)
        self._messages[message.frame] = (message, time.monotonic_ns())
        self._do(self._match(message).put(message.frame, message.pts), None)
        return frame

    def taken(self, frame: int, took: int) -> None:
        """The pipeline has it."""
        if frame in self._messages:
            self.link.send(wire.taken(frame, took))

    def refuse(self, frame: int, reason: int) -> None:
        """The pipeline did not take it: it leaves without a picture."""
        if self._matching is not None and frame in self._messages:
            self._do(self._matching.refuse(frame, reason), None)

    def pass_over(self, message: wire.Descriptor) -> None:
        """A frame that the pipeline does not see."""
        self._checked_slot(message)
        self.link.release(message.slot)
        self._messages[message.frame] = (message, time.monotonic_ns())
        matching = self._match(message)
        self._do(matching.put(message.frame, message.pts), None)
        self._do(matching.refuse(message.frame, wire.CHOSEN), None)

    def sound(self, message: wire.Descriptor) -> None:
        """Sound goes back as it came."""
        self._answer_sound(message)

    @property
    def has_room(self) -> bool:
        """Whether a picture has a slot to travel in."""
        return self._pool().has_free()

    def picture(self, output: Output) -> Array:
        """The output's pixels. Raises ContractError."""
        caps, seen = self._pool().caps, self._caps
        if seen is not None and tuple(getattr(output.picture, "shape", ()))[-len(seen.shape) :] == seen.shape:
            # The encoder scales what has the size of a frame.
            caps = seen
        return picture_of(output.picture, caps, lambda: self.output(caps), self.tensor_range, self.has_nan)

    def answer(self, pts: int, ticks: tuple[int, int], pixels: Array) -> Stray | None:
        """Sends a picture at that time; why not, if it answers no frame."""
        matching = self._matching
        if matching is None or not self._messages:
            return Stray.UNMATCHED
        message = next(iter(self._messages.values()))[0]
        at, slack = _converted(pts, ticks, (message.tb_num, message.tb_den))
        steps = matching.output(at, slack)
        if isinstance(steps, Stray):
            return steps
        self._do(steps, pixels)
        now = time.monotonic()
        if self._answered_at is not None:
            self.slowest = max(self.slowest or 0.0, now - self._answered_at)
        elif self.slowest is None:
            self.slowest = 0.0
        self._answered_at = now
        self.answered.set()
        return None

    @property
    def may_lack(self) -> bool:
        """Whether a further output is to be expected though no frame comes."""
        return self._matching is not None and (len(self._matching) > 0 or self._matching.has_several)

    def begin_end(self) -> None:
        """No frame will come."""
        self._is_ending = self._has_ended = True

    def end(self) -> None:
        """What is inside has no output, and the link is told that all is out."""
        if self._matching is not None:
            self._do(self._matching.end(), None)
        self._is_ending = False
        self.link.send(wire.eos())

    def tell(self, kind: str, what: str) -> None:
        """Says once what comes again and again, and counts it."""
        setattr(self._counts, kind, getattr(self._counts, kind) + 1)
        if kind not in self._told:
            self._told.add(kind)
            self._notices.stray(
                f"`{self._engine.name}` gave {what}; it is dropped and counted, as others will be", None
            )

    # The work

    def _match(self, message: wire.Descriptor) -> Matching:
        if self._matching is None:
            pipeline: Any = self._engine.pipeline
            self._matching = Matching(pipeline.max_in_flight, _AHEAD * message.tb_den // message.tb_num)
        return self._matching

    def _do(self, steps: list[Step], pixels: Array | None) -> None:
        for step in steps:
            if isinstance(step, Picture):
                message, began = self._messages[step.frame]
                self._counts.frames += step.nth == 0
                if pixels is not None:
                    took = time.monotonic_ns() - began
                    self._send_picture(message._replace(pts=step.pts), pixels, step.nth, 0, took)
            elif isinstance(step, Closed):
                del self._messages[step.frame]
                self.link.send(wire.skip(step.frame, wire.CHOSEN))
            else:
                self._leave_out(step)

    def _leave_out(self, step: Skipped) -> None:
        del self._messages[step.frame]
        if step.reason == wire.LATE:
            pipeline: Any = self._engine.pipeline
            self._counts.dropped += 1
            if "dropped" not in self._told:
                self._told.add("dropped")
                self._notices.stray(
                    f"`{self._engine.name}` holds {pipeline.max_in_flight} frames without an output "
                    "(`max_in_flight`): the oldest is given up, as others will be",
                    None,
                )
        elif step.reason == wire.FLUSHED:
            self._counts.flushed += 1
        elif step.reason == wire.FAILED:
            self._counts.failed += 1
        else:
            self._counts.skipped += 1
        self.link.send(wire.skip(step.frame, step.reason))


def _converted(pts: int, ticks: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """A time in other ticks, and by how much it may be rounded."""
    if ticks == into:
        return pts, 0
    num, den = ticks[0] * into[1], ticks[1] * into[0]
    return (2 * pts * num + den) // (2 * den), ceil(num / den)
