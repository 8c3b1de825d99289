"""One pipeline at work: its life, its parameters, and the contract of its answers. Knows nothing of sockets.

`Engine.step` names the author's method that is running; whoever catches an exception tells by it whose it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ._describe import check, is_decoupled, name_of, params_model
from ._pipeline import Pipeline, Update
from ._sizes import Size, kept, output_size, size_of
from .errors import ContractError, ParamsError
from .frames import AudioFrame, Skip, VideoFrame, pictured

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_SIZES = ("width", "height")
_MOST_ANSWERS = 256
_UPDATES = tuple(it.value for it in Update)


@dataclass(frozen=True)
class Base:
    """What a stream's own parameters say, for pipelines whose parameters have the same names."""

    values: dict[str, Any] = field(default_factory=dict)
    """`width`, `height` and `show_reloading_frame` as they hold."""
    given: frozenset[str] = frozenset()
    """Which of them were asked for; the others are usual."""

    @property
    def frame_size(self) -> Size | None:
        """Width and height of the stream's frames."""
        return size_of([self.values.get(side) for side in _SIZES])


_NO_BASE = Base()


class ReloadFailed(Exception):  # noqa: N818  the end of the process, not an error of ours
    """The task that an update was answered with failed; its cause is the author's exception."""


class Engine:
    """Runs one instance of a pipeline, always in the thread that made it."""

    def __init__(
        self,
        pipeline: type[Pipeline] | Pipeline,
        given: dict[str, Any],
        name: str | None = None,
        base: Base = _NO_BASE,
    ) -> None:
        """Makes the instance, which loads nothing yet; `name` is the entry point's.

        Raises ParamsError, TargetError, and what the author raises.
        """
        cls = pipeline if isinstance(pipeline, type) else type(pipeline)
        check(cls)
        self.kind = cls
        self.name = name_of(cls, name)
        self.loop: AbstractEventLoop | None = None
        self.step: str | None = None
        self.is_decoupled = is_decoupled(cls)
        self.batch_size = 1 if self.is_decoupled else cls.batch_size
        self.max_wait = cls.max_wait_ms / 1000
        self._model = params_model(cls)
        self._given = self._with_base(given, base)
        self._device: Any = None
        params = self.valid(self._given)
        self.size = self.size_under(params, base)
        if isinstance(pipeline, Pipeline):
            self.pipeline = pipeline
            self._set_params(params)
            return
        self.step = "__init__"
        self.pipeline = cls.__new__(cls)
        self._set_params(params)
        if name is not None or self.is_decoupled:
            cast("Any", self.pipeline).pipeline_name = name
        # Not before the parameters are there: an author's `__init__` may use them.
        self.pipeline.__init__()  # type: ignore[misc]
        self.step = None

    def _with_base(self, given: dict[str, Any], base: Base) -> dict[str, Any]:
        if not base.values:
            return given
        defaults = {} if self._model is None else {key: it.default for key, it in self._model.model_fields.items()}
        added = {}
        for key, value in base.values.items():
            if key in given:
                continue
            if self.is_decoupled:
                # What has its usual value is left out, as whoever asked has left it out; of sizes the stream's counts.
                wanted = key in base.given or (key in _SIZES and key in defaults and defaults[key] != value)
            else:
                wanted = key in defaults
            if wanted:
                added[key] = value
        return {**given, **added}

    def valid(self, given: dict[str, Any]) -> Any:
        """The parameters of these values. Raises ParamsError."""
        if self._model is None and (not given or self.is_decoupled):
            return None
        from ._params import Params, validate

        return validate(self._model or Params, given)

    def _set_params(self, params: Any) -> None:
        self._params = params
        if params is not None:
            self.pipeline.params = params

    # The author's methods

    def load(self) -> None:
        """Runs the pipeline's `load`, or `start`."""
        pipeline: Any = self.pipeline
        if self.is_decoupled:
            self._call("start", pipeline.start, dict(self._given))
        else:
            self._call("load", self.pipeline.load)

    def flush(self) -> None:
        """Runs the pipeline's `flush`."""
        self._call("flush", self.pipeline.flush)

    def close(self) -> None:
        """Runs the pipeline's `close`, or `stop`."""
        pipeline: Any = self.pipeline
        if self.is_decoupled:
            self._call("stop", pipeline.stop)
        else:
            self._call("close", self.pipeline.close)
        if self.loop is not None:
            self.loop.run_until_complete(_end_tasks())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
            self.loop = None

    def merged(self, changes: dict[str, Any], replace: bool = False, base: Base = _NO_BASE) -> dict[str, Any]:
        """The parameters with these changes, or these alone; not yet checked."""
        given = self._with_base(changes, base)
        return given if replace else {**self._given, **given}

    def size_under(self, params: Any, base: Base, keeps: Size | None = None) -> Size | None:
        """The size of pictures under these parameters, where the stream's own is known.

        Raises ParamsError when there is none, or when it is not the one that pictures are to keep.
        """
        frame = base.frame_size
        if frame is None:
            return None
        size = output_size(self.kind, self.name, params, frame)
        if keeps is not None:
            kept(size, keeps)
        return size

    def size_for(self, frame: Size) -> Size:
        """The size of the answers to frames of that size. Raises ContractError."""
        try:
            return output_size(self.kind, self.name, self._params, frame)
        except ParamsError as error:
            raise ContractError(str(error)) from error

    def check(self, changes: dict[str, Any], replace: bool = False, base: Base = _NO_BASE) -> Size | None:
        """Raises ParamsError unless the fields of `changes` are valid, and changes nothing. The size of pictures then.

        What the pipeline's own `update` refuses, it refuses when they come.
        """
        return self.size_under(self.valid(self.merged(changes, replace, base)), base)

    def adopt(self, given: dict[str, Any], params: Any, size: Size | None) -> None:
        """These hold from here on."""
        self._given = given
        self._set_params(params)
        self.size = size

    def update(
        self, changes: dict[str, Any], replace: bool = False, base: Base = _NO_BASE, keeps: Size | None = None
    ) -> bool:
        """Changes parameters; True when a reload is needed. Raises ParamsError, and then nothing has changed.

        With `keeps`, the size that a stream's pictures have, what would change it is refused.
        """
        given = self.merged(changes, replace, base)
        params = self.valid(given)
        size = self.size_under(params, base, keeps)
        try:
            answer = self._call("update", self.pipeline.update, params)
            if not (answer is None or (isinstance(answer, str) and answer in _UPDATES)):
                raise ContractError(
                    f"`{self.name}.update` returns None or Update.RELOAD, not {_kind(answer)}; "
                    "raise ValueError to refuse"
                )
        except BaseException as error:
            self.step = None
            raise _refused(error, changes) from error
        self.adopt(given, params, size)
        return bool(answer == Update.RELOAD)

    def process(self, frame: VideoFrame) -> list[VideoFrame] | Skip:
        """Runs `process` on one frame and checks its answer. Raises ContractError."""
        self.step = "process"
        answer = self.pipeline.process(frame)
        if type(answer) is VideoFrame:  # the common case first
            self.step = None
            return [self._checked(answer, frame)]
        settled = self._settle(answer, frame)
        self.step = None
        return settled

    def process_batch(self, frames: list[VideoFrame], live: bool = False) -> list[list[VideoFrame] | Skip | Exception]:
        """Runs `process` on several frames; an answer for each, in their order.

        With `live`, what the pipeline raises, or answers wrongly, is the answer of the frames that it concerns;
        otherwise it is raised.
        """
        self.step = "process"
        try:
            answers: Any = self.pipeline.process(frames)  # type: ignore[arg-type]
            if hasattr(answers, "__await__"):
                answers = self._await(answers)
            if getattr(answers, "ndim", 0) == 4:
                answers = list(answers)
            if not isinstance(answers, (list, tuple)) or len(answers) != len(frames):
                given = f"{len(answers)}" if isinstance(answers, (list, tuple)) else _kind(answers)
                raise ContractError(
                    f"`{self.name}.process` answers {len(frames)} frames with a list of {len(frames)} answers, "
                    f"not with {given}: `batch_size = {self.batch_size}`"
                )
        except Exception as error:
            if not live:
                raise
            return [error] * len(frames)
        settled: list[list[VideoFrame] | Skip | Exception] = []
        for answer, frame in zip(answers, frames):  # noqa: B905  Python 3.10
            try:
                settled.append(self._settle(answer, frame))
            except Exception as error:
                if not live:
                    raise
                settled.append(error)
        self.step = None
        return settled

    def process_audio(self, frame: AudioFrame) -> AudioFrame | Skip:
        """Runs `process_audio` on one block of sound and checks its answer. Raises ContractError."""
        answer = self._call("process_audio", self.pipeline.process_audio, frame)
        if isinstance(answer, Skip):
            return answer
        if not isinstance(answer, AudioFrame):
            raise ContractError(
                f"`{self.name}.process_audio` returns an AudioFrame or Skip(reason), not {_kind(answer)}"
            )
        mine, theirs = frame.samples, answer.samples
        if answer is not frame and (theirs.dtype != mine.dtype or theirs.shape[1] != mine.shape[1]):
            raise ContractError(
                f"`{self.name}.process_audio` answers {mine.dtype} of {mine.shape[1]} channels with "
                f"{theirs.dtype} of {theirs.shape[1]}"
            )
        return answer

    def device(self) -> Any:
        """The torch device of the pipeline's tensors."""
        if self._device is None:
            from ._tensor import device_of

            self._device = device_of(self.pipeline.device)
        return self._device

    # Answers

    def _settle(self, answer: Any, frame: VideoFrame) -> list[VideoFrame] | Skip:
        if hasattr(answer, "__await__"):
            answer = self._await(answer)
        if isinstance(answer, Skip):
            return answer
        picture = self._picture(answer, frame)
        if picture is not None:
            return [picture]
        outputs: list[VideoFrame] = []
        if isinstance(answer, (list, tuple)):
            for it in answer:
                self._add(outputs, it, frame)
        elif hasattr(answer, "__anext__"):
            stepper = answer.__aiter__()
            end = object()
            while (it := self._await(_next(stepper, end))) is not end:
                self._add_yielded(outputs, it, frame)
        elif hasattr(answer, "__next__"):
            for it in answer:
                self._add_yielded(outputs, it, frame)
        else:
            raise ContractError(self._expected(answer))
        if not outputs:
            raise ContractError(
                f"`{self.name}.process` answered with no frame at all; return Skip(reason) to answer without a picture"
            )
        return outputs

    def _add_yielded(self, outputs: list[VideoFrame], it: object, frame: VideoFrame) -> None:
        self._add(outputs, it, frame)
        last = outputs[-1]
        if last is not frame:
            # The generator goes on and may write its array again before this answer is sent.
            outputs[-1] = _settled(last)

    def _add(self, outputs: list[VideoFrame], it: object, frame: VideoFrame) -> None:
        if len(outputs) >= _MOST_ANSWERS:
            raise ContractError(f"`{self.name}.process` answers one frame with more than {_MOST_ANSWERS}")
        picture = self._picture(it, frame)
        if picture is None:
            raise ContractError(f"`{self.name}.process` answers with several pictures, one of which is {_kind(it)}")
        outputs.append(picture)

    def _picture(self, answer: object, frame: VideoFrame) -> VideoFrame | None:
        """What a frame, an array or a tensor answers; None for anything else."""
        if isinstance(answer, VideoFrame):
            return self._checked(answer, frame)
        try:
            return pictured(answer, frame)
        except ContractError as error:
            raise self._wrong_picture(frame, str(error)) from None

    def _checked(self, answer: VideoFrame, frame: VideoFrame) -> VideoFrame:
        if answer is not frame:
            problem = frame._answer_problem(answer._pixels)
            if problem is not None:
                raise self._wrong_picture(frame, problem)
        return answer

    def _wrong_picture(self, frame: VideoFrame, problem: str) -> ContractError:
        return ContractError(f"`{self.name}.process` answers frame {frame.id} with a wrong picture: {problem}")

    def _expected(self, answer: object) -> str:
        advice = "; return Skip(reason) to answer without a picture" if answer is None else ""
        return (
            f"`{self.name}.process` returns a VideoFrame, an array or a tensor, several of them, or Skip(reason), "
            f"not {_kind(answer)}{advice}"
        )

    # Awaiting

    def _call(self, step: str, method: Callable[..., Any], *args: Any) -> Any:
        self.step = step
        answer = method(*args)
        if hasattr(answer, "__await__"):
            answer = self._await(answer)
        self.step = None
        return answer

    def _await(self, awaitable: Any) -> Any:
        return self.event_loop().run_until_complete(_wrapped(awaitable))

    def event_loop(self) -> AbstractEventLoop:
        """The loop that the author's coroutines run in."""
        if self.loop is None:
            import asyncio

            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop


async def _end_tasks() -> None:
    """Ends what the author left running in the loop."""
    import asyncio

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _wrapped(awaitable: Any) -> Any:
    return await awaitable


async def _next(stepper: Any, end: object) -> Any:
    try:
        return await stepper.__anext__()
    except StopAsyncIteration:
        return end


def _settled(answer: VideoFrame) -> VideoFrame:
    if getattr(answer._host, "is_output", _never)(answer._pixels):
        return answer
    import numpy as np

    out = answer.output()
    np.copyto(out, answer._pixels)
    return answer._like(out)


def _never(pixels: object) -> bool:
    return False


def _kind(value: object) -> str:
    if value is None:
        return "None"
    shape = getattr(value, "shape", None)
    return f"`{type(value).__name__}`" + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def _refused(error: BaseException, changes: dict[str, Any]) -> Exception:
    from ._said import named, words_of
    from .errors import Problem

    # A refusal is in the author's words; anything else is a failure.
    said = words_of(error) if isinstance(error, (ValueError, ContractError)) else named(error)
    field = next(iter(changes)) if len(changes) == 1 else ""
    value = changes[field] if field else changes
    return ParamsError([Problem(field=field, rule="pipeline", value=value, message=said)])
