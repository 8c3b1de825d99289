"""Pipelines that the tests run in worker processes; the variable ROOT says which root they are written for."""

import asyncio
import logging
import os
import time
from importlib import import_module

import numpy as np

_ROOT = os.environ["ROOT"]
_interface = import_module(f"{_ROOT}.live.pipelines.interface")
_frames = import_module(f"{_ROOT}.live.pipelines.trickle")
Pipeline, BaseParams = _interface.Pipeline, _interface.BaseParams
VideoFrame, VideoOutput = _frames.VideoFrame, _frames.VideoOutput


def said(what):
    logging.info(f"call: {what}")


class _Params(BaseParams):
    level: int = 0
    mode: str = ""


class _Base(Pipeline):
    """Says each call, and gives back what it got."""

    Params = _Params

    def __init__(self):
        super().__init__()
        said(f"__init__ {self.pipeline_name}")
        self.outputs = asyncio.Queue()

    async def initialize(self, **params):
        said(f"initialize {params}")

    async def put_video_frame(self, frame, request_id):
        said(f"put {frame.timestamp} {frame.time_base} {request_id}")
        await self.outputs.put(VideoOutput(frame, request_id))

    async def get_processed_video_frame(self):
        said("get")
        return await self.outputs.get()

    async def update_params(self, **params):
        said(f"update {params}")

    async def stop(self):
        said("stop")

    @classmethod
    def prepare_models(cls):
        said("prepare_models")


class Plain(_Base):
    """Gives back what it got."""


class Lacking(Pipeline):
    """Has not all that it needs."""

    async def initialize(self, **params): ...
    async def put_video_frame(self, frame, request_id): ...
    async def get_processed_video_frame(self): ...
    async def update_params(self, **params): ...


class Bare(_Base):
    """A constructor that calls no base's, and parameters of the base alone."""

    Params = BaseParams

    def __init__(self):
        self.outputs = asyncio.Queue()


class BrokenLoad(_Base):
    """Cannot load what it is told to, or anything."""

    async def initialize(self, **params):
        raise RuntimeError(f"no model with {params}")


class Suspended(_Base):
    """Takes a frame when it is told to, by its parameters."""

    def __init__(self):
        super().__init__()
        self.go = asyncio.Semaphore(0)

    async def put_video_frame(self, frame, request_id):
        said(f"put begins {frame.timestamp}")
        await self.go.acquire()
        said(f"put ends {frame.timestamp}")
        await self.outputs.put(VideoOutput(frame, request_id))

    async def update_params(self, **params):
        said(f"update {params['level']}")
        self.go.release()


class BadPut(_Base):
    """Will not have the first frame."""

    async def put_video_frame(self, frame, request_id):
        if frame.timestamp == 0:
            raise ValueError("not this one")
        await super().put_video_frame(frame, request_id)


class BadGet(_Base):
    """Raises, gives nothing, gives the wrong thing, and then goes well."""

    async def get_processed_video_frame(self):
        output = await self.outputs.get()
        if output.timestamp == 0:
            raise ValueError("no output")
        if output.timestamp == 3000:
            return None
        return output.frame if output.timestamp == 6000 else output


class Spinning(_Base):
    """Raises whenever it is asked."""

    times: list[float] = []  # noqa: RUF012  one instance a process

    async def get_processed_video_frame(self):
        self.times.append(time.monotonic())
        if len(self.times) == 6:
            said(f"gaps {[round(b - a, 4) for a, b in zip(self.times, self.times[1:], strict=False)]}")
        raise ValueError("again")


class Updated(_Base):
    """Takes, refuses or reloads, as it is told."""

    def __init__(self):
        super().__init__()
        self.reload = asyncio.Event()

    async def update_params(self, **params):
        said(f"update {params}")
        mode = params.get("mode", "")
        if mode == "refuse":
            raise ValueError("not now")
        if mode == "wrong":
            return 3
        if mode in ("reload", "fail"):
            return asyncio.create_task(self._reload(mode))
        return None

    async def _reload(self, mode):
        said("reload begins")
        if mode == "fail":
            raise RuntimeError("no such model")
        while not os.path.exists(os.environ["RELOADED"]):
            await asyncio.sleep(0.01)
        said("reload ends")


class SlowlyUpdated(_Base):
    """Takes its parameters when it is told to."""

    async def update_params(self, **params):
        said(f"update begins {params['level']}")
        while not os.path.exists(os.environ["RELOADED"]):
            await asyncio.sleep(0.01)
        said(f"update ends {params['level']}")


class BadStop(_Base):
    """Cannot end as it should."""

    async def stop(self):
        said("stop")
        raise RuntimeError("still busy")


class Several(_Base):
    """Three outputs for a frame, in its time and after it."""

    async def put_video_frame(self, frame, request_id):
        for nth in range(3):
            part = VideoFrame(frame.tensor, frame.timestamp + nth * 1000, frame.time_base)
            await self.outputs.put(VideoOutput(part, request_id))


class SeveralUntouched(_Base):
    """The same, of arrays, so that no torch is needed."""

    async def put_video_frame(self, frame, request_id):
        picture = np.full((1, 16, 32, 3), self.tensor_range[1], np.float32)
        for nth in range(3):
            part = VideoFrame(picture, frame.timestamp + nth * 1000, frame.time_base)
            await self.outputs.put(VideoOutput(part, request_id))


class Others(_Base):
    """An output of another request before its own."""

    async def put_video_frame(self, frame, request_id):
        await self.outputs.put(VideoOutput(frame, "another"))
        await self.outputs.put(VideoOutput(frame, request_id))


class Levels(_Base):
    """Answers with arrays of one value: black, gray, white, beyond both, no number."""

    async def put_video_frame(self, frame, request_id):
        low, high = self.tensor_range
        value = [low, (low + high) / 2, high, high + 9, low - 9, float("nan")][frame.timestamp // 3000]
        picture = np.full((1, 16, 32, 3), value, np.float32)
        await self.outputs.put(VideoOutput(frame.replace_tensor(picture), request_id))


class Tensors(_Base):
    """Answers with tensors, three times as far from the middle: most are out of range."""

    async def put_video_frame(self, frame, request_id):
        tensor = frame.tensor
        low, high = self.tensor_range
        said(f"tensor {tuple(tensor.shape)} {tensor.dtype} {tensor.min().item():.3f} {tensor.max().item():.3f}")
        middle = (low + high) / 2
        await self.outputs.put(VideoOutput(frame.replace_tensor((tensor - middle) * 3 + middle), request_id))


class InPlace(_Base):
    """Writes into the tensor that it was given, and gives the same frame back."""

    async def put_video_frame(self, frame, request_id):
        frame.tensor.fill_(self.tensor_range[1])
        await self.outputs.put(VideoOutput(frame, request_id))


class Reporting(_Base):
    """Reports an error of its own by a log record."""

    async def update_params(self, **params):
        logging.error("the prompt is too long", extra={"report_error": True})
