"""The worker's main loop: requests and frames, one after the other, on the thread that the process began with.

A driver: `Session` decides which request is in order, `Engine` runs the pipeline, `Stream` answers frames.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from . import _control, _session
from ._engine import Base, Engine, ReloadFailed
from ._link import Link, close_all
from ._parent import ASKED, FAILED, DrainWatch, Parent
from ._said import named, text_of, words_of
from ._sizes import size_of
from ._stream import JOIN_WITHIN, Counts, Interrupted, Notices, Stream
from ._wait import Waiter
from ._watchdog import FIRST_FRAME_SECONDS, LOAD_SECONDS, Watchdog, Work
from .errors import ContractError, LinkClosed, LinkError, ParamsError, TargetError

if TYPE_CHECKING:
    from ._flow import Flow
    from ._target import Found

_MOST_MESSAGES = 64
"""Messages that are read before the next frame is answered, whatever else waits."""


class Worker:
    """One process, at most one pipeline, any number of streams."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._session = _session.Session()
        self._engine: Engine | None = None
        self._flow: Flow | None = None
        self._has_turned = True
        self._description: dict[str, Any] = {}
        self._streams: dict[str, Stream] = {}
        self._joining: dict[str, tuple[int, float]] = {}
        self._by_fd: dict[int, Stream] = {}
        self._counts = Counts()
        self._waiter = Waiter()
        self._notices = Notices(
            log=parent.log, stopping=parent.wants_detach, failed=self._frame_failed, stray=self._parent.report
        )
        self._draining: int | None = None
        self._is_forwarding = False

    # What other threads ask

    def stats(self) -> dict[str, Any]:
        """Counters since the process began; empty before the first frame."""
        counts = self._counts
        return dict(vars(counts)) if any(vars(counts).values()) else {}

    def headway(self) -> int:
        """Grows with every frame that is done."""
        counts = self._counts
        return counts.frames + counts.skipped + counts.failed + counts.flushed + counts.dropped

    def may_wait(self) -> float:
        """Seconds that a drain waits for a frame, or for `close`; before the pipeline is loaded nothing is accepted."""
        if self._engine is None:
            return 0.0
        return float(self._engine.pipeline.max_frame_time)

    def work(self) -> Work:
        """What the main thread is at."""
        busy, engine, headway = self._parent.busy, self._engine, self.headway()
        if busy is not None:
            return Work(busy, headway, LOAD_SECONDS, LOAD_SECONDS)
        if engine is None:
            return Work(None, headway, LOAD_SECONDS)
        told = os.environ.get("FRAMERILL_MAX_FRAME_TIME")
        may_take = float(told) if told else self.may_wait()
        step = engine.step or self._stuck(engine)
        return Work(step, headway, may_take if headway else max(may_take, FIRST_FRAME_SECONDS))

    def _stuck(self, engine: Engine) -> str | None:
        """Whether the loop of a decoupled pipeline has not turned since the last look."""
        if self._flow is None or engine.loop is None:
            return None
        if not self._has_turned:
            return "the event loop"
        self._has_turned = False
        engine.loop.call_soon_threadsafe(self._turn)
        return None

    def _turn(self) -> None:
        self._has_turned = True

    def forked(self) -> None:
        """In a child that the author forked off: what it does there is no answer, and holds no stream open."""
        self._parent.forked()
        for stream in self._streams.values():
            stream.link.close()

    # The loop

    def run(self) -> int:
        """Serves until the parent ends it. Returns the exit code; raises what the author raises."""
        self._waiter.add(self._parent.wake_fd)
        unanswered = 0
        while True:
            while self._parent.has_requests:
                message, fds = self._parent.next_request()
                self._serve(message, fds)
            ready = self._ready()
            came = self._wait(0 if ready else self._timeout())
            if ready and came and unanswered < _MOST_MESSAGES:
                unanswered += 1
                continue
            unanswered = 0
            if not ready and not self._parent.has_requests:
                # What woke an idle worker has nothing before it.
                ready = self._ready()
            self._answer(ready)
            if self._draining is not None and not came and all(it.is_idle for it in self._streams.values()):
                return self._drained(self._draining)

    def _answer(self, ready: list[Stream]) -> None:
        # Not in the loop itself, whose names would keep the last stream with its pools until the next one.
        for stream in ready:
            self._guarded(stream, stream.answer_next)

    def _ready(self) -> list[Stream]:
        ready = []  # a loop, since a comprehension costs each frame a call
        for stream in self._streams.values():
            if stream.is_ready:
                ready.append(stream)
        return ready

    def _timeout(self) -> float | None:
        if self._draining is not None:
            # What was accepted may still lie in a socket, but not in one that has nothing to read.
            return 0 if all(stream.is_idle for stream in self._streams.values()) else 0.1
        for stream in self._streams.values():
            if stream.link.has_postponed:
                return 0.01
        deadlines = [deadline for _, deadline in self._joining.values()]
        if self._engine is not None and self._engine.batch_size > 1:
            deadlines += [stream.due for stream in self._streams.values() if stream.due is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _wait(self, seconds: float | None) -> bool:
        engine = self._engine
        events = self._waiter.wait(seconds, engine.loop if engine is not None else None)
        for fd, _ in events:
            if fd == self._parent.wake_fd:
                self._parent.woken()
                continue
            stream = self._by_fd.get(fd)
            if stream is not None:
                self._guarded(stream, stream.receive if stream.is_joined else lambda it=stream: self._join(it))
        if self._joining:
            self._give_up_late()
        if self._flow is not None:
            self._flow.check()
        return bool(events)

    def _guarded(self, stream: Stream, step: Any) -> None:
        """One step of a stream. The end of its link ends the stream and nothing else."""
        try:
            step()
        except Interrupted:
            return  # The request that interrupts is next, and ends the stream.
        except LinkError as error:
            self._ended(stream, error)

    # Streams

    def _join(self, stream: Stream) -> None:
        if stream.join():
            number, _ = self._joining.pop(stream.name)
            answer = {"id": number, "stream": stream.name, "incarnation": stream.incarnation}
            self._parent.say({"type": "attached", **answer})

    def _give_up_late(self) -> None:
        now = time.monotonic()
        for name, (_, deadline) in list(self._joining.items()):
            if now >= deadline:
                self._ended(self._streams[name], LinkError(f"no pool came in {JOIN_WITHIN:g} s"))

    def _ended(self, stream: Stream, error: LinkError) -> None:
        if isinstance(error.__cause__, OSError) and _control.is_lost(error.__cause__):
            # It is not media that left. Nobody else would notice.
            os._exit(_control.DescriptorLost.exit_code)
        joining = self._joining.get(stream.name)
        self._forget(stream)
        if joining is not None:
            self._parent.say(_session.error(joining[0], "link", str(error)))
            return
        if not isinstance(error, LinkClosed):
            self._parent.say(_session.error(None, "link", f"media broke the frame link's rules: {error}"))
        ended = {"id": None, "stream": stream.name, "incarnation": stream.incarnation}
        self._parent.say({"type": "detached", **ended})

    def _forget(self, stream: Stream) -> None:
        self._joining.pop(stream.name, None)
        del self._streams[stream.name]
        fd = stream.link.fileno()
        del self._by_fd[fd]
        self._waiter.remove(fd)
        stream.close()

    # Requests

    def _serve(self, message: dict[str, Any], fds: list[int]) -> None:
        refusal = self._session.judge(message, len(fds))
        if refusal is not None:
            close_all(fds)
            self._parent.say(refusal)
            return
        kind, number = message["type"], message["id"]
        if kind == "attach":
            self._attach(number, message, fds[0])
            return
        close_all(fds)
        if kind == "load":
            self._load(number, message["pipeline"], message.get("params", {}), _base(message))
        elif kind == "describe":
            self._describe(number, message["pipeline"])
        elif kind == "update":
            self._update(number, message)
        elif kind == "detach":
            self._detach(number, message["stream"])
        elif kind == "flush":
            if self._engine is not None:
                self._engine.flush()
            self._parent.say({"type": "flushed", "id": number, "stream": message["stream"]})
        elif kind == "drain":
            self._begin_drain(number)

    def _describe(self, number: int, target: str) -> None:
        from ._describe import describe
        from ._target import find

        try:
            description = describe(find(target))
        except TargetError as error:
            self._parent.say(_of_target(number, error))
        else:
            self._parent.say({"type": "description", "id": number, "description": description})

    def _load(self, number: int, target: str, params: dict[str, Any], base: Base) -> None:
        from ._describe import describe, is_decoupled
        from ._logging import forward
        from ._target import called_of, find

        called = called_of(target)
        self._parent.set_busy(f"loading {called}")
        if not self._is_forwarding:
            self._is_forwarding = True
            forward(self._parent)
        failure: dict[str, Any] | None = None
        engine: Engine | None = None
        found: Found | None = None
        try:
            found = find(target)
            self._description = describe(found)
            engine = made = Engine(found.pipeline, params, found.name, base)
            # Whoever waits for a stream need not wait for the model to hear what its parameters are worth.
            self._parent.answer_checks(lambda message: _checked(made, message))
            engine.load()
        except TargetError as error:
            failure = _of_target(number, error)
        except ParamsError as error:
            text = f"parameters of `{called}` break {len(error.problems)} rule(s)"
            failure = _session.error(number, "params", text, problems=list(error.problems))
        except BaseException as error:  # noqa: BLE001  the border to the author's `__init__` and `load`
            text = f"`{called}` failed to load: {type(error).__name__}: {text_of(error)}"
            if found is not None and is_decoupled(found.pipeline) and isinstance(error, Exception):
                # Whoever wrote it for ai-runner is told what its exception says, and nothing before it.
                text = words_of(error)
            failure = _session.error(number, "load_failed", text, traceback=_traceback(error))
        self._parent.answer_checks(None)
        self._parent.set_busy(None)
        if failure is not None:
            self._session.load_failed()
            self._parent.say(failure)
            return
        self._engine = engine
        if engine is not None and engine.is_decoupled:
            self._flow = self._begin_flow(engine)
        # What a model brought along lives as long as the process: collections need not look at it again.
        gc.freeze()
        self._parent.say({"type": "ready", "id": number, "description": self._description})

    def _begin_flow(self, engine: Engine) -> Flow:
        from ._flow import Flow, Told

        told = Told(
            say=self._parent.say, failed=self._step_failed, busy=self._parent.set_busy, over=self._waiter.interrupt
        )
        flow = Flow(engine, self._counts, told, self._description)
        flow.begin()
        return flow

    def _update(self, number: int, message: dict[str, Any]) -> None:
        engine = self._engine
        if engine is None:
            return
        if message.get("check") is True:
            self._parent.say(_checked(engine, message))
            return
        changes, replace, base = message["params"], message.get("replace") is True, _base(message)
        keeps = size_of(message.get("output_size"))
        if self._flow is not None:
            self._flow.update(number, changes, replace, base, keeps)
            return
        try:
            reload = engine.update(changes, replace, base, keeps)
        except ParamsError as error:
            if error.__cause__ is not None and not isinstance(error.__cause__, ValueError):
                self._parent.log("error", _traceback(error.__cause__).rstrip())
            self._parent.say({"type": "rejected", "id": number, "problems": error.problems})
            return
        if not reload:
            self._parent.say(_session.applied(number, engine.size))
            return
        self._parent.say({"type": "reloading", "id": number})
        self._parent.set_busy(f"reloading {engine.name}")
        engine.load()
        self._parent.set_busy(None)
        gc.freeze()
        self._parent.say({"type": "ready", "id": number, "description": self._description})

    def _attach(self, number: int, message: dict[str, Any], fd: int) -> None:
        name, incarnation, live = message["stream"], message["incarnation"], message.get("live") is True
        engine = self._engine
        if name in self._streams:
            self._forget(self._streams[name])
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
        except OSError as error:
            close_all([fd])
            self._parent.say(_session.error(number, "link", f"the descriptor is no frame link: {error.strerror}"))
            return
        if engine is None:
            sock.close()
            return
        stream: Stream
        link = Link(sock)
        output_size = size_of(message.get("output_size"))
        if self._flow is None:
            stream = Stream(
                link, name, incarnation, engine, self._counts, self._notices, live=live, output_size=output_size
            )
        else:
            from ._flow_stream import FlowStream

            asked = message.get("request_id")
            request_id = asked if isinstance(asked, str) else ""
            stream = FlowStream(
                link,
                name,
                incarnation,
                self._flow,
                self._counts,
                self._notices,
                live=live,
                request_id=request_id,
                output_size=output_size,
            )
        self._streams[name] = stream
        self._by_fd[sock.fileno()] = stream
        self._joining[name] = (number, time.monotonic() + JOIN_WITHIN)
        self._waiter.add(sock.fileno())

    def _detach(self, number: int, name: str) -> None:
        stream = self._streams.get(name)
        incarnation = 0
        if stream is not None:
            incarnation = stream.incarnation
            self._forget(stream)
        self._parent.say({"type": "detached", "id": number, "stream": name, "incarnation": incarnation})

    def _begin_drain(self, number: int) -> None:
        self._draining = number
        for stream in self._streams.values():
            stream.drain()

    def _drained(self, number: int) -> int:
        for stream in list(self._streams.values()):
            self._forget(stream)
        if self._flow is not None:
            self._flow.stop()
        if self._engine is not None:
            self._engine.close()
        self._parent.say({"type": "drained", "id": number})
        return ASKED

    def _frame_failed(self, error: BaseException) -> None:
        self._parent.say({**self.report(error), "fatal": False})

    def _step_failed(self, step: str, error: BaseException) -> None:
        """What a decoupled pipeline's `put` or `get` raised, in its own words. A `change` is answered with it, too."""
        if step == "change":
            self._parent.log("error", _traceback(error).rstrip())
            return
        code = "process_failed" if step == "put" else "output_failed"
        text = words_of(error)
        self._parent.say(_session.error(None, code, text, traceback=_traceback(error)))

    def report(self, error: BaseException) -> dict[str, Any]:
        """The fatal `error` for what ended the loop."""
        if isinstance(error, ReloadFailed):
            cause = _traceback(error.__cause__ or error)
            return _session.error(None, "load_failed", str(error), traceback=cause, fatal=True)
        engine = self._engine
        step = engine.step if engine is not None else None
        name = engine.name if engine is not None else ""
        if isinstance(error, ContractError):
            text = _traceback(error) if _is_authors(error) else None
            return _session.error(None, "bad_output", str(error), traceback=text, fatal=True)
        said = named(error)
        if step is None:
            return _session.error(
                None, "internal", f"the worker failed: {said}", traceback=_traceback(error), fatal=True
            )
        text = f"`{name}` failed in `{step}`: {said}"
        code = "load_failed" if step == "load" else "process_failed"
        return _session.error(None, code, text, traceback=_traceback(error), fatal=True)


def _checked(engine: Engine, message: dict[str, Any]) -> dict[str, Any]:
    """The answer to an `update` that only asks."""
    number, changes, replace = message["id"], message["params"], message.get("replace") is True
    try:
        size = engine.check(changes, replace, _base(message))
    except ParamsError as error:
        return {"type": "rejected", "id": number, "problems": error.problems}
    return _session.applied(number, size)


def _base(message: dict[str, Any]) -> Base:
    base = message.get("base")
    values, given = (base.get("values"), base.get("given")) if isinstance(base, dict) else (None, None)
    if not isinstance(values, dict):
        return Base()
    return Base(
        values, frozenset(it for it in given if isinstance(it, str)) if isinstance(given, list) else frozenset()
    )


def _of_target(number: int, error: TargetError) -> dict[str, Any]:
    return _session.error(number, error.code, str(error), hint=error.hint, traceback=error.traceback)


def _is_authors(error: BaseException) -> bool:
    """Whether the author's code was running when it was raised, so that a traceback tells where."""
    ours = os.path.dirname(__file__) + os.sep
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename.startswith(ours):
        step = step.tb_next
    return step is not None


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def main(argv: list[str]) -> NoReturn:
    """Runs a worker over the control socket and exits. `argv[1]`, when given, only names the process."""
    # Ctrl-C reaches the whole foreground group; the parent decides what it means for its workers.
    _control.leave_to_parent(signal.SIGINT)
    if len(argv) > 1:
        _name_process(argv[1])
    # The author's imports see their own folder and this one, not the options of this module.
    sys.argv = argv[:1]
    parent = Parent(_control.take())
    worker = Worker(parent)
    os.register_at_fork(after_in_child=worker.forked)
    watchdog = Watchdog(worker.work)
    parent.start(worker.stats, DrainWatch(worker.headway, worker.may_wait), watchdog)
    try:
        code = worker.run()
    except BaseException as error:  # noqa: BLE001  the process border: whatever it was, the parent is told
        parent.say(worker.report(error))
        code = FAILED
    for stream in (sys.stdout, sys.stderr):
        # The author may have closed them, or put something else there.
        with contextlib.suppress(Exception):
            stream.flush()
    # Threads and exit handlers of an author's libraries cannot keep the process.
    os._exit(code)


def _name_process(target: str) -> None:
    name = os.path.basename(target).removesuffix(".py").rpartition(":")[2]
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write(f"fr {name}"[:15])
    except OSError:
        pass  # A nicety: a system without it shows `python`.
