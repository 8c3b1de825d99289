"""One stream's frames: taken from its frame link, answered in order.

::

    joining ──pool──> serving ──frame──> waiting ──answer──> answered        any ──end of file, broken rule──> over

The worker's loop calls `receive` when the link is readable and `answer_next` while `is_ready`.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from os import close as close_fd
from typing import TYPE_CHECKING

import numpy as np

from . import _descriptor as wire
from ._caps import SAMPLE_FORMATS, Array, Caps
from ._lease import Leases
from ._link import Link, close_all
from ._pool import OutputPool, PeerPool
from ._resize import fitted
from ._said import author_stack
from ._tensor import blacken
from .errors import ContractError, LinkError
from .frames import AudioFrame, Skip, VideoFrame, _video

if TYPE_CHECKING:
    from ._engine import Engine
    from ._sizes import Size

JOIN_WITHIN = 5.0
"""Seconds that a peer has to lend its pool."""
_WAIT_FOR_SLOT_MS = 100
_OUTPUT_SLOTS = 6
_FAILURE_PAUSE = 0.01
"""Seconds after the first of several frames in a row that the pipeline failed with; it doubles."""
_FAILURE_PAUSE_MOST = 0.1


class Interrupted(Exception):  # noqa: N818  an ordinary way for an answer to end
    """The stream is about to be detached; what it was answering is given up."""


@dataclass
class Counts:
    """What became of a worker's frames."""

    frames: int = 0
    skipped: int = 0
    failed: int = 0
    flushed: int = 0
    copies: int = 0
    not_a_number: int = 0
    late: int = 0
    duplicate: int = 0
    unmatched: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class Notices:
    """Whom a stream tells of what happens."""

    log: Callable[[str, str], None]
    """Level and text of a line for the log."""
    stopping: Callable[[str], bool]
    """Whether the stream of that name is to end, asked while it waits for a slot."""
    skipped: Callable[[int, str], None] = lambda frame, reason: None
    """A frame's id and the author's reason."""
    failed: Callable[[BaseException], None] = lambda error: None
    """What the pipeline of a live stream raised; the worker goes on."""
    stray: Callable[[str, str | None], None] = lambda text, traceback: None
    """An output that answers no frame or is no picture, or a frame that no output answers: a sentence, and where in the
    author's code that was, if it is known. Once a stream and kind."""


class Stream:
    """A frame link and both its pools. The host of the frames that come over it."""

    def __init__(
        self,
        link: Link,
        name: str,
        incarnation: int,
        engine: Engine,
        counts: Counts,
        notices: Notices,
        *,
        live: bool = False,
        output_size: Size | None = None,
    ) -> None:
        self.link = link
        self.name = name
        self.incarnation = incarnation
        self.tensor_range = engine.pipeline.tensor_range
        self.device = engine.device
        self._engine = engine
        self._counts = counts
        self._notices = notices
        self._waiting: deque[wire.Descriptor] = deque()
        self._flushes = 0
        self._batch_size = engine.batch_size
        self._batch_began: float | None = None
        self._leases = Leases(engine.pipeline.history + engine.batch_size - 1, link.release)
        self._caps: Caps | None = None
        self._output_size = output_size
        self.answer_caps: Caps | None = None
        self._input: PeerPool | None = None
        self._output: OutputPool | None = None
        self._answer = bytearray(wire.BYTES)
        self._told: set[str] = set()
        self._live = live
        self._failures = 0

    def close(self) -> None:
        """Ends the link. Frames that the author keeps stay readable."""
        self.link.close()
        if self._output is not None:
            self._output.close()

    # For the loop

    @property
    def is_joined(self) -> bool:
        """Whether both pools have changed hands."""
        return self._output is not None

    @property
    def is_ready(self) -> bool:
        """Whether `answer_next` has something to do and, for a frame, a slot to answer into."""
        if not self._waiting or self._output is None:
            return False
        if self._batch_size > 1 and not self._is_batch_due():
            return False
        return self._waiting[0].type != wire.FRAME or self._output.has_free()

    @property
    def due(self) -> float | None:
        """When a batch that is not full goes on as it is, on the monotonic clock."""
        if self._batch_began is None or not self._waiting:
            return None
        return self._batch_began + self._engine.max_wait

    @property
    def is_idle(self) -> bool:
        """Whether everything that came is answered."""
        return not self._waiting

    def drain(self) -> None:
        """What came is to be answered, and nothing more will come."""

    def join(self) -> bool:
        """Takes the peer's pool and lends ours; True once that is done. Raises LinkError."""
        received = self.link.recv_with()
        if received is None:
            return False
        message, fds = received
        try:
            if message.type != wire.POOL or len(fds) != 1:
                raise LinkError("the first message of a frame link is a pool with one descriptor")
            caps = Caps.of_code(message.format, message.width, message.height)
            if caps.format != self._engine.kind.pixel_format:
                raise LinkError(f"the pool holds {caps.format}, the pipeline sees {self._engine.kind.pixel_format}")
            if message.nbytes < caps.nbytes:
                raise LinkError(f"a slot of {message.nbytes} bytes does not hold a picture of {caps.nbytes}")
            self._input = PeerPool(fds[0], message.slot, message.nbytes)
        finally:
            close_all(fds)
        size = self._output_size or self._engine.size_for((caps.width, caps.height))
        out = caps if size == (caps.width, caps.height) else Caps.of_code(caps.code, *size)
        output = OutputPool(out, max(_OUTPUT_SLOTS, self._batch_size + 4))
        self.link.send_with(wire.pool(output.slots, output.slot_bytes, out.code, out.width, out.height), output.fd)
        close_fd(output.fd)
        output.fd = -1
        self._caps, self._output = caps, output
        self.answer_caps = None if out is caps else out
        return True

    def receive(self) -> None:
        """Takes one message: a release at once, anything else in its turn. Raises LinkError."""
        if self.link.has_postponed:
            self.link.send_postponed()
        message = self.link.recv()
        if message is None:
            return
        kind = message.type
        if kind == wire.RELEASE:
            self._pool().released(message.slot)
        elif kind in (wire.FRAME, wire.FLUSH, wire.EOS):
            if len(self._waiting) > self._peer().slots + 16:
                raise LinkError("more frames than slots")
            self._waiting.append(message)
            self._flushes += kind == wire.FLUSH
            if self._batch_began is None and self._batch_size > 1:
                self._batch_began = time.monotonic()
        else:
            raise LinkError("media sends neither a second pool nor a skip")

    def answer_next(self) -> None:
        """Does the oldest thing that waits. Raises LinkError, ContractError, and what the author raises."""
        if self._flushes:
            self._flush()
            return
        message = self._waiting.popleft()
        if message.type == wire.EOS:
            self.link.send(wire.eos())
        elif message.kind == wire.AUDIO:
            self._answer_sound(message)
        elif self._batch_size > 1:
            self._answer_batch(message)
        else:
            self._answer_picture(message)

    @property
    def next_frame(self) -> int | None:
        """Id of the frame that is answered next, when one waits."""
        return self._waiting[0].frame if self._waiting and self._waiting[0].type == wire.FRAME else None

    # For frames

    def output(self, caps: Caps) -> Array:
        """A writable picture: a slot of the output pool, or ordinary memory when the author keeps too many."""
        pool = self._pool()
        array = pool.lend_array() if caps is pool.caps else None
        if array is None:
            array = np.empty(caps.shape, caps.dtype)
        return array

    def is_output(self, pixels: Array) -> bool:
        """Whether these pixels lie in a slot that `output` gave out."""
        return self._pool().slot_of(pixels) is not None

    def has_nan(self) -> None:
        """Counts a picture with a NaN, and tells of the first."""
        self._counts.not_a_number += 1
        if "not_a_number" not in self._told:
            self._told.add("not_a_number")
            said = f"`{self._engine.name}` answers with a picture that has NaN in it, which is black"
            self._notices.stray(f"{said}; such pictures are counted", author_stack(self._engine.kind))

    # The work

    def _pool(self) -> OutputPool:
        if self._output is None:
            raise LinkError("a message before the pools")
        return self._output

    def _peer(self) -> PeerPool:
        if self._input is None:
            raise LinkError("a message before the pools")
        return self._input

    def _flush(self) -> None:
        while self._flushes:
            message = self._waiting.popleft()
            if message.type == wire.FRAME:
                self._checked_slot(message)
                self.link.send(wire.skip(message.frame, wire.FLUSHED))
                self.link.release(message.slot)
                self._counts.flushed += 1
            elif message.type == wire.FLUSH:
                self._flushes -= 1
                self._engine.flush()
                self.link.send(wire.flush(message.frame))

    def _checked_slot(self, message: wire.Descriptor) -> PeerPool:
        peer = self._peer()
        if message.slot >= peer.slots:
            raise LinkError(f"a frame lies in slot {message.slot} of {peer.slots}")
        if message.slot in self._leases:
            raise LinkError(f"a frame lies in slot {message.slot}, which is lent to us already")
        if not message.tb_num or not message.tb_den:
            raise LinkError("a time base with a zero")
        return peer

    def _frame(self, message: wire.Descriptor) -> VideoFrame:
        """The frame that a message tells of; its slot is lent to whoever looks at it."""
        peer, caps = self._checked_slot(message), self._caps
        if caps is None or (message.format, message.width, message.height) != (caps.code, caps.width, caps.height):
            raise LinkError("a frame's caps are the pool's")
        slot = message.slot
        must_copy = self._leases.exhausted
        pixels = peer.array(slot, caps.shape, caps.dtype)
        self._leases.lend(slot, pixels)
        if must_copy:
            pixels = self._copied(pixels)  # with the only array of the slot it goes back at once
            slot = -1
        return _video(
            pixels,
            caps,
            self,
            message.frame,
            message.pts,
            (message.tb_num, message.tb_den),
            bool(message.flags & wire.DISCONTINUITY),
            slot,
        )

    def _answer_picture(self, message: wire.Descriptor) -> None:
        frame = self._frame(message)
        began = time.monotonic_ns()
        try:
            answer = self._engine.process(frame)
        except BaseException as error:
            if not self._live or isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise
            self._fail(message, error, time.monotonic_ns() - began)
            self._pause()
            return
        self._settle(message, frame, answer, time.monotonic_ns() - began)

    def _is_batch_due(self) -> bool:
        ready = 0
        for message in self._waiting:
            if message.type != wire.FRAME or message.kind != wire.VIDEO:
                return True
            ready += 1
        return ready >= self._batch_size or time.monotonic() >= (self.due or 0.0)

    def _answer_batch(self, first: wire.Descriptor) -> None:
        messages = [first]
        while len(messages) < self._batch_size and self._waiting:
            message = self._waiting[0]
            if message.type != wire.FRAME or message.kind != wire.VIDEO:
                break
            messages.append(self._waiting.popleft())
        self._batch_began = time.monotonic() if self._waiting else None
        frames = [self._frame(message) for message in messages]
        began = time.monotonic_ns()
        answers = self._engine.process_batch(frames, self._live)
        took = (time.monotonic_ns() - began) // len(messages)
        told: Exception | None = None
        for message, frame, answer in zip(messages, frames, answers):  # noqa: B905  Python 3.10
            if isinstance(answer, Exception):
                self._fail(message, answer, took, is_news=answer is not told)
                told = answer
            else:
                self._settle(message, frame, answer, took)
        del frames
        if told is not None:
            self._pause()

    def _settle(self, message: wire.Descriptor, frame: VideoFrame, answer: list[VideoFrame] | Skip, took: int) -> None:
        self._failures = 0
        self._counts.frames += 1
        if isinstance(answer, Skip):
            self._skip(message, answer, took)
            return
        slot = frame._slot
        of = len(answer)
        for index, output in enumerate(answer):
            if output is frame and slot >= 0:
                self._send(message, slot, message.flags | wire.PASSTHROUGH, index, of, took)
            else:
                self._send_picture(message, output._pixels, index, of, took)

    def _answer_sound(self, message: wire.Descriptor) -> None:
        peer = self._checked_slot(message)
        dtype = SAMPLE_FORMATS.get(message.format)
        channels = message.height
        if dtype is None or not 1 <= channels <= 64 or not message.width:
            raise LinkError("impossible sound")
        count, odd = divmod(message.nbytes, dtype.itemsize * channels)
        if odd or message.nbytes > peer.slot_bytes:
            raise LinkError(f"{message.nbytes} bytes are no block of sound")
        samples = peer.array(message.slot, (count, channels), dtype)
        self._leases.lend(message.slot, samples)
        frame = AudioFrame(
            samples,
            rate=message.width,
            id=message.frame,
            pts=message.pts,
            time_base=(message.tb_num, message.tb_den),
            discontinuity=bool(message.flags & wire.DISCONTINUITY),
        )
        began = time.monotonic_ns()
        answer = self._engine.process_audio(frame) if self._engine.pipeline.audio else frame
        took = time.monotonic_ns() - began
        if isinstance(answer, Skip):
            self._skip(message, answer, took)
        elif answer is frame:
            self._send(message, message.slot, message.flags | wire.PASSTHROUGH, 0, 1, took)
        else:
            out = answer.samples
            pool = self._pool()
            if out.nbytes > pool.slot_bytes:
                raise ContractError(f"{out.nbytes} bytes of sound do not fit into a slot of {pool.slot_bytes}")
            slot = self._free_slot()
            np.copyto(pool.block(slot, out.shape, dtype), out)
            pool.publish(slot)
            self._send(message._replace(nbytes=out.nbytes), slot, message.flags, 0, 1, took)

    def _copied(self, pixels: Array) -> Array:
        if not self._counts.copies:
            history = self._engine.pipeline.history
            self._notices.log(
                "warn",
                f"`{self._engine.name}` keeps more than {history} frames (`history = {history}`): "
                "from here on frames come as copies while it does",
            )
        self._counts.copies += 1
        copy: Array = pixels.copy()
        copy.flags.writeable = False
        return copy

    def _fail(self, message: wire.Descriptor, error: BaseException, took: int, is_news: bool = True) -> None:
        self._counts.failed += 1
        if is_news:
            self._notices.failed(error)
        self._engine.step = None
        forget(error)
        self.link.send(wire.skip(message.frame, wire.FAILED, took))

    def _pause(self) -> None:
        # A pipeline that always fails shall not spin.
        time.sleep(min(_FAILURE_PAUSE * 2 ** min(self._failures, 8), _FAILURE_PAUSE_MOST))
        self._failures += 1

    def _skip(self, message: wire.Descriptor, skip: Skip, took: int) -> None:
        self._counts.skipped += 1
        self._notices.skipped(message.frame, skip.reason)
        if skip.reason not in self._told and len(self._told) < 16:
            self._told.add(skip.reason)
            self._notices.log(
                "debug", f"`{self._engine.name}` skips frame {message.frame}: {skip.reason or 'no reason'}"
            )
        self.link.send(wire.skip(message.frame, wire.CHOSEN, took))

    def _send_picture(self, message: wire.Descriptor, pixels: Array, index: int, of: int, took: int) -> None:
        """Sends pixels of the answer's size, or of the frame's."""
        pool = self._pool()
        slot, caps = pool.slot_of(pixels), pool.caps
        if slot is None:
            slot = self._free_slot()
            picture = pool.picture(slot)
            if pixels.shape != caps.shape and pixels.nbytes <= pool.slot_bytes and self._caps is not None:
                # The encoder scales it, and better.
                caps = self._caps
                picture = pool.block(slot, caps.shape, caps.dtype)
            np.copyto(picture, fitted(pixels, caps))
        else:
            picture = pool.picture(slot)
        if caps.format == "rgbf32":
            if blacken(picture):
                self.has_nan()
            np.clip(picture, 0.0, 1.0, out=picture)
        pool.publish(slot)
        if caps is not self._caps:
            message = message._replace(nbytes=caps.nbytes, width=caps.width, height=caps.height)
        self._send(message, slot, message.flags, index, of, took)

    def _free_slot(self) -> int:
        pool = self._pool()
        slot = pool.take()
        while slot is None:
            # Every slot is under way. Releases come over the link; frames that come before them wait their turn.
            poller = select.poll()
            poller.register(self.link.fileno(), select.POLLIN)
            if poller.poll(_WAIT_FOR_SLOT_MS):
                self.receive()
            elif self._notices.stopping(self.name):
                raise Interrupted
            slot = pool.take()
        return slot

    def _send(self, message: wire.Descriptor, slot: int, flags: int, index: int, of: int, took: int) -> None:
        # An answer repeats its input: magic, type and kind before `flags`, bytes to height after `slot`.
        wire.LAYOUT.pack_into(
            self._answer,
            0,
            *message[:3],
            flags,
            slot,
            *message[5:13],
            0,
            index,
            of,
            1,
            0,
            message.frame,
            0,
            0,
            0,
            time.monotonic_ns(),
            took,
            0,
        )
        self.link.send(self._answer)


def forget(error: BaseException) -> None:
    """Lets go of what a traceback holds on to: frames, and with them their slots."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
