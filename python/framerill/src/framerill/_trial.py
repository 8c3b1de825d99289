"""Pipelines tried out: each is imported and described in a process of its own, under the eyes of another one.

    this process ── keeper ── trial
    this process ── keeper ── trial

A trial may do what it likes: exit, hang, close its descriptors, kill its parent, leave a child behind. Its keeper
waits for its end, ends its group and says what became of it; a keeper that is killed says so by that.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _target
from ._json import encoded
from ._said import text_of
from .errors import TargetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

IMPORT_WITHIN = 20.0
"""Seconds that one pipeline's import may take."""
ALL_WITHIN = 50.0
"""Seconds for all of them."""
_KEEPER_WITHIN = 2.0
"""Seconds that a keeper has for its own work after that."""
_ANSWER_MAX = 1 << 18
_PR_SET_PDEATHSIG = 1
_ERROR_MAX = 2000
_FILES_MAX = 200


@dataclass
class Outcome:
    """What became of one trial."""

    error: str | None = None
    summary: str | None = None
    files: list[str] = field(default_factory=list)
    """Those that the answer was read from."""


def try_all(points: dict[str, EntryPoint]) -> dict[str, Outcome]:
    """Tries each, some at the same time. A crash or a hang of one is its own."""
    waiting = list(points)
    running: dict[str, _Keeper] = {}
    done: dict[str, Outcome] = {}
    at_once = max(2, len(os.sched_getaffinity(0)))
    end = time.monotonic() + ALL_WITHIN
    while waiting or running:
        while waiting and len(running) < at_once:
            name = waiting.pop(0)
            running[name] = _start(name, points[name], end)
        wait = max(0.0, min(keeper.deadline for keeper in running.values()) - time.monotonic())
        readable, _, _ = select.select([keeper.reader for keeper in running.values()], [], [], wait)
        now = time.monotonic()
        for name, keeper in list(running.items()):
            if (keeper.reader in readable and keeper.is_done()) or now >= keeper.deadline:
                del running[name]
                done[name] = keeper.end()
    return done


@dataclass
class _Keeper:
    pid: int
    reader: int
    deadline: float
    within: float
    heard: bytearray = field(default_factory=bytearray)

    def is_done(self) -> bool:
        """Takes what it says; whether that was all."""
        part = os.read(self.reader, 1 << 16)
        self.heard += part
        return not part or len(self.heard) > 2 * _ANSWER_MAX

    def end(self) -> Outcome:
        os.close(self.reader)
        # Not reaped yet, so that the number is its own.
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        try:
            return Outcome(**json.loads(bytes(self.heard)))
        except (ValueError, TypeError):
            return Outcome(
                error=f"its import ends or stops the process that looks after it, or takes {self.within:.0f} s"
            )


def _start(name: str, point: EntryPoint, end: float) -> _Keeper:
    reader, writer = os.pipe()
    within = max(0.1, min(IMPORT_WITHIN, end - time.monotonic()))
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            outcome = _keep(name, point, writer, within)
            os.write(writer, encoded(vars(outcome)))
        finally:
            os._exit(1)
    os.close(writer)
    return _Keeper(pid, reader, time.monotonic() + within + _KEEPER_WITHIN, within)


def _keep(name: str, point: EntryPoint, writer: int, within: float) -> Outcome:
    """The keeper's work: has the trial run to its end or its deadline."""
    answer, keeper = os.memfd_create("answer"), os.getpid()
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        try:
            os.close(writer)
            signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
            _die_with(keeper)
            _run_trial(name, point, answer)
        finally:
            os._exit(1)
    is_late = not _ends(pid, time.monotonic() + within)
    _end_group(pid)
    _, status = os.waitpid(pid, 0)
    if is_late:
        return Outcome(error=f"its import does not end within {within:.0f} s")
    said = os.pread(answer, _ANSWER_MAX, 0)
    try:
        told = json.loads(said)
        return Outcome(told["error"], told["summary"] or None, told["files"])
    except (ValueError, KeyError, TypeError):
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return Outcome(error=f"its import ends the process ({how})")


def _ends(pid: int, deadline: float) -> bool:
    """Waits for its end, and does not reap it: until then the number is its own."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        signal.sigtimedwait({signal.SIGCHLD}, left)
    return True


def _end_group(pid: int) -> None:
    for end in (os.killpg, os.kill):
        try:
            end(pid, signal.SIGKILL)
        except OSError:
            continue  # it had no group yet, or is gone


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _run_trial(name: str, point: EntryPoint, answer: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    before = set(sys.modules)
    told = _try(name, point)
    told.setdefault("files", []).extend(_files_of(point.module.partition(".")[0], before))
    told.setdefault("summary", None)
    os.write(answer, encoded(told))
    os._exit(0)


def _try(name: str, point: EntryPoint) -> dict[str, Any]:
    from ._describe import describe

    try:
        return {"error": None, "summary": describe(_target.of_point(point, name))["summary"]}
    except TargetError as error:
        return {"error": _short(f"{error}; {error.hint}" if error.hint else str(error)), "files": _files_in(error)}
    except BaseException as error:  # noqa: BLE001 - the border to the author's package
        return {"error": _short(f"{type(error).__name__}: {text_of(error)}"), "files": _files_in(error)}


def _short(text: str) -> str:
    return text if len(text) <= _ERROR_MAX else text[:_ERROR_MAX] + "…"


def _files_in(error: BaseException) -> list[str]:
    """Those that it came through."""
    files: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(files) < _FILES_MAX:
        files += [frame.filename for frame in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__
    return sorted({os.path.realpath(file) for file in files if os.path.isfile(file)})[:_FILES_MAX]


def _files_of(top: str, before: set[str]) -> list[str]:
    """The package's own modules that were imported; a change of one may mend or break it."""
    names = [name for name in list(sys.modules) if name not in before and (name == top or name.startswith(top + "."))]
    files = [getattr(sys.modules[name], "__file__", None) for name in names]
    return [os.path.realpath(file) for file in files if isinstance(file, str)][:_FILES_MAX]
