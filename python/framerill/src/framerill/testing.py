"""Tests for pipelines, without a server, a GPU or a network.

::

    from framerill import testing
    from invert import Invert

    def test_inverting_twice_changes_nothing():
        clip = testing.clip(frames=8, size=(64, 48))
        once = testing.run(Invert, clip)
        twice = testing.run(Invert, once.frames)
        assert (twice.frames[0] == clip[0]).all()

`run` uses what a worker process uses: the same frames in shared memory, the same checks, the same rule for kept frames.
Only the other side of the link is made up.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._caps import Array, Caps
from ._engine import Engine
from ._fake_media import DEPTH, FakeMedia
from ._function import Function, adapted
from ._link import Link
from ._pipeline import Pipeline
from ._stream import Counts, Notices, Stream
from ._wait import Waiter
from .errors import LinkClosed, ParamsError

__all__ = ["run", "clip", "Run"]

_TICKS = 90_000


@dataclass(frozen=True)
class Run:
    """What came of a clip."""

    frames: list[Array]
    """The answers in order, as arrays in the pipeline's pixel format."""
    seconds: list[float]
    """The answers' presentation times; several answers to one frame share the time up to the next."""
    skipped: list[int]
    """Ids of the frames without an answer (the first frame is 0)."""
    reasons: list[str]
    """The author's reason for each of them."""
    passed: int
    """Answers that were the frame itself, with nothing copied."""
    copies: int
    """Frames that came as copies because the pipeline kept more than its `history`."""
    process_seconds: list[float]
    """Time inside `process`, for each answer."""
    logs: list[str]
    """What the runtime would have logged, such as `warn: ...`."""


def clip(frames: int = 30, size: tuple[int, int] = (64, 48)) -> Array:
    """A made-up clip, always the same: `(frames, height, width, 3)` uint8, a gradient with a moving square.

    `size` is (width, height) in pixels.
    """
    width, height = size
    pictures = np.empty((frames, height, width, 3), np.uint8)
    pictures[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)[None, None, :]
    pictures[..., 1] = np.linspace(0, 255, height, dtype=np.uint8)[None, :, None]
    pictures[..., 2] = (np.arange(frames) * 8 % 256).astype(np.uint8)[:, None, None]
    side = max(1, min(width, height) // 4)
    for index in range(frames):
        left = index * 3 % max(1, width - side)
        top = index * 2 % max(1, height - side)
        pictures[index, top : top + side, left : left + side] = 255
    return pictures


def run(
    pipeline: type[Pipeline] | Pipeline | Function[..., Any],
    clip: Array | Sequence[Array] | int,
    params: Mapping[str, Any] | Any = None,
    *,
    fps: float = 30.0,
    updates: Mapping[int, Mapping[str, Any]] | None = None,
) -> Run:
    """Runs a pipeline over a clip and returns what came out.

    `pipeline` is the class, an instance of it, or a function that `@framerill.pipeline` made one. `clip` is
    `(N, H, W, 3)` uint8, a list of such pictures, or a number of made-up ones; a pipeline that sees another format than
    `rgb24` gets them converted, or takes arrays of its own format. `params` are a dict or an instance of the pipeline's
    `Params`; `updates` changes them before the frame with that number. Raises what the pipeline raises, and
    ContractError, ParamsError, TargetError as a worker reports them.
    """
    given = params if isinstance(params, Mapping) or params is None else params.model_dump(exclude_unset=True)
    engine = Engine(adapted(pipeline), dict(given or {}))
    pictures, caps = _pictures(clip, engine.kind.pixel_format)
    engine.load()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    interval, depth = round(_TICKS / fps), max(DEPTH, 2 * engine.batch_size)
    media = FakeMedia(theirs, pictures, caps, engine.pipeline.history, interval, depth)
    counts, logs, reasons = Counts(), list[str](), list[str]()
    notices = Notices(
        log=lambda level, text: logs.append(f"{level}: {text}"),
        stopping=lambda stream: False,
        skipped=lambda frame, reason: reasons.append(reason),
        stray=lambda text, _: logs.append(f"error: {text}"),
    )
    link, changes = Link(ours), dict(updates or {})
    stream = None if engine.is_decoupled else Stream(link, "test", 1, engine, counts, notices)
    media.start()
    try:
        if stream is None:
            _serve_decoupled(link, engine, changes, counts, notices)
        else:
            _serve(stream, engine, changes)
    finally:
        link.close()
        if stream is not None:
            stream.close()
        media.join()
    if media.failure is not None:
        raise media.failure
    engine.close()
    return Run(
        frames=[it.pixels for it in media.answers],
        seconds=[(it.frame + it.index / it.of if it.of else it.pts / interval) / fps for it in media.answers],
        skipped=media.skipped,
        reasons=reasons,
        passed=sum(it.passthrough for it in media.answers),
        copies=counts.copies,
        process_seconds=[it.process_ns / 1e9 for it in media.answers],
        logs=logs,
    )


def _serve_decoupled(
    link: Link, engine: Engine, updates: dict[int, Mapping[str, Any]], counts: Counts, notices: Notices
) -> None:
    from ._flow import Flow, Told
    from ._flow_stream import FlowStream

    def say(answer: dict[str, Any]) -> None:
        if answer["type"] == "rejected":
            raise ParamsError(answer["problems"])

    async def update(frame: int) -> None:
        changes = updates.pop(frame, None)
        if changes is not None:
            await flow.change(dict(changes))

    waiter = Waiter()
    waiter.add(link.fileno())
    flow = Flow(engine, counts, Told(say=say, failed=lambda step, error: None, over=waiter.interrupt), {})
    flow.before_put = update
    flow.begin()
    stream = FlowStream(link, "test", 1, flow, counts, notices)
    try:
        while True:
            waiter.wait(None, engine.loop)
            flow.check()
            if stream.is_joined:
                stream.receive()
            else:
                stream.join()
    except LinkClosed:
        return
    finally:
        stream.close()
        flow.stop()


def _serve(stream: Stream, engine: Engine, updates: dict[int, Mapping[str, Any]]) -> None:
    waiter = Waiter()
    waiter.add(stream.link.fileno())
    try:
        while not stream.is_joined:
            waiter.wait(None, None)
            stream.join()
        while True:
            if waiter.wait(0 if stream.is_ready else None, engine.loop):
                stream.receive()
            elif stream.is_ready:
                due = stream.next_frame
                changes = None if due is None else updates.pop(due, None)
                if changes is not None and engine.update(dict(changes)):
                    engine.load()
                stream.answer_next()
    except LinkClosed:
        return


def _pictures(given: Array | Sequence[Array] | int, pixel_format: str) -> tuple[list[Array], Caps]:
    pictures = list(clip(given) if isinstance(given, int) else given)
    if not pictures:
        raise ValueError("a clip has at least one picture")
    if pixel_format != "rgb24" and _is_rgb(pictures[0]):
        pictures = [_converted(picture, pixel_format) for picture in pictures]
    caps = Caps.of_array(pixel_format, np.asarray(pictures[0]))
    for index, picture in enumerate(pictures):
        problem = caps.problem(picture)
        if problem is not None:
            raise ValueError(f"picture {index} of the clip: {problem}")
    return pictures, caps


def _is_rgb(picture: Array) -> bool:
    return picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8


def _converted(picture: Array, pixel_format: str) -> Array:
    """The same picture in another format; BT.601, as in a standard-definition source."""
    scaled: Array = picture.astype(np.float32) / np.float32(255)
    if pixel_format == "rgbf32":
        return scaled
    luma = scaled @ np.array([0.299, 0.587, 0.114], np.float32)
    if pixel_format == "gray8":
        gray: Array = np.rint(luma * 255).astype(np.uint8)
        return gray
    blue = (scaled[..., 2] - luma) / np.float32(1.772)
    red = (scaled[..., 0] - luma) / np.float32(1.402)
    height, width = luma.shape
    halved = np.stack([blue, red], axis=-1).reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3))
    y = np.rint(16 + 219 * luma).astype(np.uint8)
    uv = np.rint(128 + 224 * halved).astype(np.uint8).reshape(height // 2, width)
    return np.concatenate([y, uv])
