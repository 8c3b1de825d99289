"""A `Decoupled` pipeline at work: its three loops. A driver.

`Matching` decides which output answers which input; `Flow` calls the author's methods, `FlowStream` speaks to media.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import _descriptor as wire
from ._engine import Base, Engine, ReloadFailed
from ._flow_stream import FlowStream
from ._matching import Stray
from ._said import text_of, words_of
from ._session import applied
from ._stream import Counts, forget
from .decoupled import Output
from .errors import ContractError, LinkError, ParamsError, Problem

if TYPE_CHECKING:
    from ._sizes import Size

_PAUSE = 0.01
"""Seconds after the first of several failures in a row; it doubles."""
_PAUSE_MOST = 0.25
_END_WITHIN = 2.0
"""Seconds that the loops have to end."""
_STRAYS_AT_ONCE = 16
"""Outputs in a row that answer no frame, after which each one costs a pause."""
_SHARE = 0.8
"""Of the time for a frame, what the last frames of a recording are waited for at most."""
_TOLD = {
    Stray.LATE: "an output for a frame that was passed by, or given up, already",
    Stray.DUPLICATE: "a second output for one time",
    Stray.UNMATCHED: "an output whose time is that of no frame",
}


@dataclass(frozen=True)
class Told:
    """Whom the loops tell of what happens."""

    say: Callable[[dict[str, Any]], None]
    """An answer to a request."""
    failed: Callable[[str, BaseException], None]
    """The author's method (`put`, `get` or `change`) and what it raised; the loops go on."""
    busy: Callable[[str | None], None] = lambda what: None
    """Long work begins, or is over."""
    over: Callable[[], None] = lambda: None
    """`Flow.check` would raise, or an answer went out: whoever waits in the loop looks again."""


def linger(configured: float, slowest: float | None, max_frame_time: float) -> float:
    """Seconds that the next output of a source that has ended is waited for.

    `slowest` is the longest time between two outputs so far, None before the first.
    """
    most = _SHARE * max_frame_time
    return most if slowest is None else min(max(configured, 3 * slowest), most)


def pause_after(failures: int) -> float:
    """Seconds before the next call of a `get` that has failed so often in a row, and once more now."""
    return float(min(_PAUSE * 2 ** min(failures, 8), _PAUSE_MOST))


@dataclass(frozen=True)
class _Wanted:
    """A set of parameters that waits for the change loop."""

    number: int | None
    changes: dict[str, Any]
    replace: bool
    base: Base
    keeps: Size | None

    def after(self, former: _Wanted) -> _Wanted:
        """It in the place of one that waits."""
        if self.replace:
            return self
        return replace(self, changes={**former.changes, **self.changes}, replace=former.replace)


def _superseded(wanted: _Wanted, text: str) -> Problem:
    return Problem(field="", rule="superseded", value=wanted.changes, message=text)


class Flow:
    """The loops of one instance.

    Everything here runs in the loop's own thread; only `update` and what a `FlowStream` calls may be called while it
    does not run.
    """

    def __init__(self, engine: Engine, counts: Counts, told: Told, description: dict[str, Any]) -> None:
        self.engine = engine
        self.before_put: Callable[[int], Awaitable[None]] | None = None
        """Awaited before a frame is put, with its id."""
        self._pipeline: Any = engine.pipeline
        self._counts = counts
        self._told = told
        self._description = description
        self._loop = engine.event_loop()
        self._stream: FlowStream | None = None
        self._came = asyncio.Event()
        self._ready = asyncio.Event()
        self._ready.set()
        self._shows_reload = True
        self._wanted: _Wanted | None = None
        self._asked = asyncio.Event()
        self._failure: BaseException | None = None
        self._is_stopping = False
        self._last: tuple[int, int] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Starts the loops, of a pipeline that is loaded."""
        for loop in (self._put_for_ever(), self._get_for_ever(), self._change_for_ever()):
            task = self._loop.create_task(loop)
            task.add_done_callback(self._loop_over)
            self._tasks.append(task)

    def stop(self) -> None:
        """Ends the loops."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            # What an author's method goes on with although it is cancelled ends with the process.
            self._loop.run_until_complete(asyncio.wait(self._tasks, timeout=_END_WITHIN))

    def check(self) -> None:
        """Raises what ended a loop."""
        if self._failure is not None:
            raise self._failure

    # Streams

    def enter(self, stream: FlowStream) -> None:
        """A stream begins. The one before, if it is still there, gets nothing more."""
        self._stream = stream
        self.came()

    def leave(self, stream: FlowStream) -> None:
        """A stream is over."""
        if self._stream is stream:
            self._stream = None

    def came(self) -> None:
        """Something waits for the put loop."""
        self._came.set()

    # Requests

    def update(
        self, number: int | None, changes: dict[str, Any], replace: bool, base: Base, keeps: Size | None = None
    ) -> None:
        """Asks for parameters; the answer is said when the pipeline has taken or refused them.

        One set waits at most, and the newest wins (`latest`): it is the whole set, so that nothing of the one before
        is lost, or the changes of both. A set that is passed over is refused, and says so.
        """
        wanted = _Wanted(number, changes, replace, base, keeps)
        former = self._wanted
        if former is not None:
            wanted = wanted.after(former)
            text = "newer parameters came before these could be taken"
            self._told.say({"type": "rejected", "id": former.number, "problems": [_superseded(former, text)]})
        self._wanted = wanted
        self._asked.set()

    async def change(self, changes: dict[str, Any]) -> None:
        """Changes parameters, and waits until that is done."""
        await self._change(_Wanted(None, changes, False, Base(), None))

    # The loops

    def _loop_over(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            error: BaseException | None = None if self._is_stopping else ContractError("a loop was cancelled")
        else:
            error = task.exception()
        if error is not None and self._failure is None:
            self._failure = error
            self._told.over()

    async def _put_for_ever(self) -> None:
        while True:
            stream = self._stream
            message = stream.next_message() if stream is not None else None
            if stream is None or message is None:
                self._came.clear()
                await self._came.wait()
                continue
            try:
                await self._put_next(stream, message)
            except LinkError:
                stream.link.end()

    async def _put_next(self, stream: FlowStream, message: wire.Descriptor) -> None:
        if message.type == wire.EOS:
            stream.begin_end()
            self._tasks = [it for it in self._tasks if not it.done()]
            self._tasks.append(self._loop.create_task(self._end(stream)))
            return
        if message.kind == wire.AUDIO:
            stream.sound(message)
            return
        if self.before_put is not None:
            await self.before_put(message.frame)
        if not self._ready.is_set() and self._shows_reload:
            if stream.live:
                stream.pass_over(message)
                return
            await self._ready.wait()
        if stream is self._stream:
            await self._put(stream, message)

    async def _put(self, stream: FlowStream, message: wire.Descriptor) -> None:
        frame = stream.take(message)
        began = time.monotonic_ns()
        failure: Exception | None = None
        try:
            await self._pipeline.put(frame, stream.request_id)
        except asyncio.CancelledError as error:
            if self._is_stopping:
                raise
            failure = ContractError(f"it was cancelled: {text_of(error)}")
        except Exception as error:  # noqa: BLE001  the border to the author's `put`
            failure = error
        del frame
        if failure is None:
            stream.taken(message.frame, time.monotonic_ns() - began)
            return
        self._fail("put", failure, stream.live)
        stream.refuse(message.frame, wire.FAILED)

    async def _end(self, stream: FlowStream) -> None:
        while stream is self._stream and stream.may_lack:
            stream.answered.clear()
            seconds = linger(self._pipeline.linger, stream.slowest, self._pipeline.max_frame_time)
            try:
                await asyncio.wait_for(stream.answered.wait(), seconds)
            except asyncio.TimeoutError:
                break
        if stream is self._stream:
            try:
                stream.end()
            except LinkError:
                stream.link.end()
            self._told.over()

    async def _get_for_ever(self) -> None:
        failures = strays = 0
        while True:
            failure: Exception | None = None
            try:
                output = await self._pipeline.get()
                if not isinstance(output, Output):
                    raise ContractError(f"`{self.engine.name}.get` returns an Output, not {_kind(output)}")
                strays = 0 if await self._deliver(output) else strays + 1
                del output
            except asyncio.CancelledError as error:
                if self._is_stopping:
                    raise
                failure = ContractError(f"it was cancelled: {text_of(error)}")
            except Exception as error:  # noqa: BLE001  the border to the author's `get`
                failure = error
            if failure is not None:
                stream = self._stream
                self._fail("get", failure, stream is None or stream.live)
                await asyncio.sleep(pause_after(failures))
                failures += 1
                continue
            failures = 0
            # A `get` that never waits leaves the other loops their turn.
            await asyncio.sleep(_PAUSE if strays > _STRAYS_AT_ONCE else 0)

    async def _deliver(self, output: Output) -> bool:
        """Sends an output. False when it answers no frame."""
        stream = self._stream
        if stream is None or not stream.is_joined:
            return False
        if stream.live and self._shows_reload and not self._ready.is_set():
            return False
        if output.request_id and output.request_id != stream.request_id:
            stream.tell("unmatched", f"an output of the request `{output.request_id}`, which is not the present one")
            return False
        num, den = _ticks(output.time_base)
        while not stream.has_room:
            stream.room.clear()
            await stream.room.wait()
            if stream is not self._stream:
                return False
        pixels = stream.picture(output)
        try:
            stray = stream.answer(int(output.pts), (num, den), pixels)
        except LinkError:
            stream.link.end()
            return False
        if stray is not None:
            stream.tell(stray.value, f"{_TOLD[stray]} (pts {output.pts}, time base {num}/{den})")
            return False
        return True

    async def _change_for_ever(self) -> None:
        while True:
            while (wanted := self._wanted) is not None:
                self._wanted = None
                await self._change(wanted)
            self._asked.clear()
            await self._asked.wait()

    async def _change(self, wanted: _Wanted) -> None:
        number, changes = wanted.number, wanted.changes
        given = self.engine.merged(changes, wanted.replace, wanted.base)
        try:
            params = self.engine.valid(given)
            size = self.engine.size_under(params, wanted.base, wanted.keeps)
            reload = await self._pipeline.change(dict(given))
            if reload is not None and not hasattr(reload, "__await__"):
                raise ContractError(f"`{self.engine.name}.change` returns None or a task, not {_kind(reload)}")
        except ParamsError as error:
            self._told.say({"type": "rejected", "id": number, "problems": error.problems})
            return
        except asyncio.CancelledError:
            if self._is_stopping:
                raise
            self._refused(number, changes, "it was cancelled")
            return
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  the border to the author's `change`
            self._told.failed("change", error)
            self._refused(number, changes, words_of(error))
            forget(error)
            return
        self.engine.adopt(given, params, size)
        self._shows_reload = bool(getattr(params, "show_reloading_frame", True))
        if reload is None:
            self._told.say(applied(number, size))
            return
        self._ready.clear()
        self._told.say({"type": "reloading", "id": number})
        self._told.busy(f"reloading {self.engine.name}")
        try:
            await reload
        except asyncio.CancelledError as error:
            if self._is_stopping:
                raise
            raise ReloadFailed("the reload was cancelled") from error
        except GeneratorExit:
            raise
        except BaseException as error:
            raise ReloadFailed(words_of(error)) from error
        self._told.busy(None)
        self._ready.set()
        self._told.say({"type": "ready", "id": number, "description": self._description})

    def _refused(self, number: int | None, changes: dict[str, Any], text: str) -> None:
        field = next(iter(changes)) if len(changes) == 1 else ""
        problem = Problem(field=field, rule="pipeline", value=changes[field] if field else changes, message=text)
        self._told.say({"type": "rejected", "id": number, "problems": [problem]})

    def _fail(self, step: str, error: Exception, goes_on: bool) -> None:
        if not goes_on:
            self.engine.step = step
            raise error
        self._told.failed(step, error)
        forget(error)


def _ticks(time_base: Any) -> tuple[int, int]:
    num, den = time_base if isinstance(time_base, tuple) else (time_base.numerator, time_base.denominator)
    if num <= 0 or den <= 0:
        raise ContractError(f"a time base is a positive fraction of a second, not {num}/{den}")
    return int(num), int(den)


def _kind(value: object) -> str:
    return "None" if value is None else f"`{type(value).__name__}`"
