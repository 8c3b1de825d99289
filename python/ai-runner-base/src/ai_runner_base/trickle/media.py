"""Pictures and sound over trickle channels, for tools and tests. The runner itself decodes and encodes elsewhere.

Needs PyAV: `pip install 'ai-runner-base[media]'`. Tensors are torch's where torch is installed, else numpy arrays.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np

from ai_runner_base.frames import DEFAULT_HEIGHT, DEFAULT_WIDTH, InputFrame, VideoOutput

from .publisher import SegmentWriter, TricklePublisher
from .subscriber import TrickleSubscriber
from .wire import TrickleError

__all__ = ["run_publish", "run_subscribe"]

MIME = "video/mp2t"
SEGMENT = 2
"""Seconds of a segment that is written."""
_TICKS = Fraction(1, 90_000)
_WAITING = 8
"""Decoded frames that may wait for the callback; then decoding waits."""


async def run_subscribe(
    subscribe_url: str,
    image_callback: Callable[[InputFrame], Any],
    put_metadata: Callable[[dict[str, Any] | None], Any] | None = None,
    monitoring_callback: Callable[[dict[str, Any], str], Any] | None = None,
    target_width: int = DEFAULT_WIDTH,
    target_height: int = DEFAULT_HEIGHT,
    tensor_range: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Reads a channel to its end and gives each picture and each block of sound to `image_callback`, in order.

    Pictures are scaled and cropped to the target's size. `put_metadata` gets what the source is, or None where it has
    neither; `monitoring_callback` gets `runner_receive_first_ingest_segment`. Callbacks may be async.
    Raises ImportError without PyAV.
    """
    av = _av()
    loop = asyncio.get_running_loop()
    source, sink = os.pipe()
    frames: asyncio.Queue[InputFrame | None] = asyncio.Queue(_WAITING)

    def give(what: Any) -> None:
        asyncio.run_coroutine_threadsafe(frames.put(what), loop).result()

    def tell(metadata: dict[str, Any] | None) -> None:
        if put_metadata is not None:
            asyncio.run_coroutine_threadsafe(_call(put_metadata, metadata), loop).result()

    decoder = _Decoder(av, (target_width, target_height), tensor_range, give, tell)
    decoding = asyncio.create_task(asyncio.to_thread(decoder.run, source))
    feeding = asyncio.create_task(_feed(subscribe_url, sink, monitoring_callback))
    try:
        while (frame := await frames.get()) is not None:
            await _call(image_callback, frame)
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        decoder.stop()
        while not decoding.done():
            # A decoder that waits for room finds it, and then the end of its source.
            while not frames.empty():
                frames.get_nowait()
            await asyncio.wait([decoding], timeout=0.01)


async def run_publish(
    publish_url: str,
    image_generator: Callable[[], Any],
    get_metadata: Callable[[], Any] | None = None,
    monitoring_callback: Callable[[dict[str, Any], str], Any] | None = None,
    tensor_range: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Writes the outputs that `image_generator` gives, until it gives None, and deletes the channel.

    H.264 in segments of two seconds, each of which can be decoded alone; times are the outputs' own. The generator may
    be async, else it runs in a thread. Sound is not written. `get_metadata` is called before the first output;
    `monitoring_callback` gets `runner_send_first_processed_segment`. Raises ImportError without PyAV.
    """
    av = _av()
    if get_metadata is not None:
        await _call(get_metadata)
    encoder = _Encoder(av, tensor_range)
    async with TricklePublisher(publish_url, MIME) as publisher:
        segment: SegmentWriter | None = None
        while (output := await _next(image_generator)) is not None:
            if not isinstance(output, VideoOutput):
                continue
            if encoder.begins_segment(output):
                if segment is not None:
                    await segment.write(await asyncio.to_thread(encoder.end))
                    await segment.close()
                elif monitoring_callback is not None:
                    await _call(monitoring_callback, {"type": "runner_send_first_processed_segment"}, "stream_trace")
                segment = await publisher.next()
            data = await asyncio.to_thread(encoder.encode, output)
            if segment is not None:
                await segment.write(data)
        if segment is not None:
            await segment.write(await asyncio.to_thread(encoder.end))
            await segment.close()


async def _feed(url: str, sink: int, monitoring: Callable[[dict[str, Any], str], Any] | None) -> None:
    """Writes the channel's bytes into the pipe, and closes it at the end."""
    pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
    room = asyncio.Event()
    loop = asyncio.get_running_loop()

    def write() -> None:
        try:
            with os.fdopen(sink, "wb", buffering=0) as pipe:
                while (piece := pieces.get()) is not None:
                    loop.call_soon_threadsafe(room.set)
                    left = memoryview(piece)
                    while left:
                        left = left[pipe.write(left) or 0 :]
        except OSError:
            # The decoder has ended: what still comes is dropped.
            while pieces.get() is not None:
                loop.call_soon_threadsafe(room.set)

    writer = threading.Thread(target=write, name="trickle-feed", daemon=True)
    writer.start()

    async def put(piece: bytes | None) -> None:
        while pieces.full():
            room.clear()
            if pieces.full():
                await room.wait()
        pieces.put_nowait(piece)

    first = True
    try:
        async with TrickleSubscriber(url) as subscriber:
            while segment := await subscriber.next():
                if first and monitoring is not None:
                    await _call(monitoring, {"type": "runner_receive_first_ingest_segment"}, "stream_trace")
                first = False
                try:
                    while piece := await segment.read():
                        await put(piece)
                except TrickleError:
                    # What is missing shows as a gap; the next segment begins with a keyframe.
                    continue
    finally:
        # Cancelled while the pipe is full: the oldest piece makes way for the end.
        while pieces.full():
            with suppress(queue.Empty):
                pieces.get_nowait()
        pieces.put_nowait(None)


class _Decoder:
    """Decodes what comes through a pipe, in a thread of its own."""

    def __init__(
        self,
        av: Any,
        size: tuple[int, int],
        limits: tuple[float, float],
        give: Callable[[InputFrame | None], None],
        tell: Callable[[dict[str, Any] | None], None],
    ) -> None:
        self._av = av
        self._size = size
        self._limits = limits
        self._give = give
        self._tell = tell
        self._is_stopping = False

    def stop(self) -> None:
        """Decodes no more."""
        self._is_stopping = True

    def run(self, source: int) -> None:
        """Decodes to the end of the pipe."""
        try:
            with os.fdopen(source, "rb") as pipe:
                self._decode(pipe)
        finally:
            self._give(None)

    def _decode(self, pipe: Any) -> None:
        try:
            container = self._av.open(pipe, mode="r")
        except self._av.FFmpegError:
            # A channel that ends before anything that can be decoded.
            self._tell(None)
            return
        with container:
            streams = [*container.streams.video[:1], *container.streams.audio[:1]]
            self._tell(_metadata(container))
            for packet in container.demux(streams) if streams else ():
                if self._is_stopping:
                    return
                try:
                    decoded = packet.decode()
                except self._av.FFmpegError:
                    continue
                for frame in decoded:
                    if frame.pts is not None:
                        self._give(self._frame(frame, packet.stream.type == "video"))

    def _frame(self, frame: Any, is_video: bool) -> InputFrame:
        if not is_video:
            return InputFrame.from_av_audio(frame)
        pixels = _fitted(frame, *self._size)
        return InputFrame.from_av_video(_tensor(pixels, self._limits), frame.pts, frame.time_base)


class _Encoder:
    """Encodes outputs into MPEG-TS, a muxer and a coder a segment."""

    def __init__(self, av: Any, limits: tuple[float, float]) -> None:
        self._av = av
        self._limits = limits
        self._written = _Sink()
        self._container: Any = None
        self._stream: Any = None
        self._began = 0
        self._last: int | None = None

    def begins_segment(self, output: VideoOutput) -> bool:
        """Whether this output is the first of a segment."""
        return self._container is None or _ticks(output) - self._began >= SEGMENT * 90_000

    def encode(self, output: VideoOutput) -> bytes:
        """The bytes that an output adds; none for one that is not later than the one before."""
        time = _ticks(output)
        if self._last is not None and time <= self._last:
            return b""
        pixels = _pixels(output.tensor, self._limits)
        if self._container is None:
            self._open(pixels.shape[1], pixels.shape[0], time)
        frame = self._av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = time, _TICKS
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
        self._last = time
        return self._written.take()

    def end(self) -> bytes:
        """The bytes that end a segment."""
        if self._container is None:
            return b""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        self._container = None
        return self._written.take()

    def _open(self, width: int, height: int, time: int) -> None:
        # Times go out as they are, without the muxer's own delay.
        options = {"mpegts_copyts": "1", "flush_packets": "1"}
        self._container = self._av.open(self._written, mode="w", format="mpegts", options=options)
        stream = self._container.add_stream("libx264", options={"preset": "superfast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TICKS
        self._stream = stream
        self._began = time


class _Sink:
    """A file that is written and taken from."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keeps a copy."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        data, self._pieces = b"".join(self._pieces), []
        return data


def _fitted(frame: Any, width: int, height: int) -> np.ndarray[Any, Any]:
    """The picture's middle in that size, scaled so that as much of it as possible is there."""
    fit = max(width / frame.width, height / frame.height)
    wide, high = (max(size, round(fit * it) // 2 * 2) for size, it in ((width, frame.width), (height, frame.height)))
    pixels: np.ndarray[Any, Any] = frame.reformat(width=wide, height=high, format="rgb24").to_ndarray()
    left, top = wide // 2 - width // 2, high // 2 - height // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _tensor(pixels: np.ndarray[Any, Any], limits: tuple[float, float]) -> Any:
    low, high = limits
    values = (pixels.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low))[np.newaxis]
    try:
        import torch
    except ModuleNotFoundError:
        return values
    return torch.from_numpy(values)


def _pixels(tensor: Any, limits: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Bytes for a tensor `(1, H, W, 3)`: clamped, NaN as black."""
    values = tensor.detach().float().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor, np.float32)
    if values.ndim == 4:
        if values.shape[0] != 1:
            raise ValueError(f"an output is one picture, not a batch of {values.shape[0]}")
        values = values[0]
    low, high = limits
    scaled = np.nan_to_num((values - low) * (255 / (high - low)), nan=0.0)
    pixels: np.ndarray[Any, Any] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return pixels


def _ticks(output: VideoOutput) -> int:
    ticks: Fraction = output.timestamp * output.time_base / _TICKS
    return round(ticks)


def _metadata(container: Any) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for stream in container.streams.video[:1]:
        coder = stream.codec_context
        found["video"] = {
            "codec": coder.name,
            "width": coder.width,
            "height": coder.height,
            "pix_fmt": coder.pix_fmt,
            "time_base": stream.time_base,
            "framerate": stream.average_rate,
            "stream_index": stream.index,
        }
    for stream in container.streams.audio[:1]:
        coder = stream.codec_context
        found["audio"] = {
            "codec": coder.name,
            "sample_rate": coder.sample_rate,
            "format": coder.format.name,
            "channels": coder.layout.nb_channels,
            "layout": coder.layout.name,
            "time_base": stream.time_base,
            "stream_index": stream.index,
        }
    return found or None


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    answer = function(*args)
    return await answer if inspect.isawaitable(answer) else answer


async def _next(generator: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(generator):
        return await generator()
    answer = await asyncio.to_thread(generator)
    return await answer if inspect.isawaitable(answer) else answer


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise ImportError(
            "pictures over trickle channels need PyAV, which is not installed here: pip install 'ai-runner-base[media]'"
        ) from error
    return av
