"""`python -m framerill._plates_worker TARGET`: a worker of `framerill plates run` with a stage of an author's own.

It speaks the child protocol over descriptor 0 and, over the socket that comes with `attach`, the work link: it says
`take`, is given tasks of its category, and says what came of them with the next `take`. A driver: `_plates_task` knows
what tasks and answers are.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from . import _control, _session
from ._control import Control, Message, ParentGone
from ._link import close_all
from ._parent import ASKED, BROKEN, FAILED, DrainWatch, Parent
from ._plates_task import CATEGORIES, Pictures, answer, failure, outcome
from ._pool import PeerPool
from ._said import named
from ._target import of_author
from .discovery import near
from .errors import ContractError, LinkError, ProtocolError, TargetError

if TYPE_CHECKING:
    from .plates import Stage

_LEAVES_WITHIN = 3600.0
"""Seconds of a drain: a task that takes too long is the orchestrator's to end."""


_NONE = object()
"""What a module has under a name that it does not have."""


class Leaving(DrainWatch):
    """A drain: what is in hand is finished, and nothing more is taken in."""

    def __init__(self) -> None:
        super().__init__(lambda: 0, lambda: _LEAVES_WITHIN)
        self.link: socket.socket | None = None

    def begin(self, request: int | None) -> None:
        """The parent wants a drain."""
        super().begin(request)
        if self.link is not None:
            try:
                self.link.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # It has ended already.


class Worker:
    """One process, one stage."""

    def __init__(self, parent: Parent, leaving: Leaving) -> None:
        self._parent = parent
        self._leaving = leaving
        self._pictures = Pictures()
        self._target = ""
        self._category = ""
        self._kind: type[Stage] | None = None
        self._stage: Stage | None = None

    def run(self) -> int:
        """Until the parent wants it gone. Returns the exit code."""
        while True:
            while not self._parent.has_requests:
                _wait(self._parent)
            message, fds = self._parent.next_request()
            number, kind = _session.request_id(message), message.get("type")
            if kind == "load":
                close_all(fds)
                if not self._find(number, message):
                    return FAILED
            elif kind == "attach" and len(fds) == 1 and self._kind is not None:
                return self._work(message, fds[0])
            elif kind == "drain":
                self._parent.say({"type": "drained", "id": number})
                return ASKED
            else:
                close_all(fds)
                text = "a worker of plates takes `load`, then `attach` with one descriptor, and `drain`"
                self._parent.say(_session.error(number, "unknown_message", text))

    def _find(self, number: int | None, message: Message) -> bool:
        """The class that `load` names. One that is not there will not be there at another try either."""
        params = message.get("params") or {}
        self._target, self._category = str(message.get("pipeline") or ""), str(params.get("category") or "")
        self._parent.set_busy("load")
        try:
            self._kind = find(self._target, self._category)
        except TargetError as error:
            text = f"the stage of `{self._category}` cannot be used: {error}"
            said = _session.error(number, "load_failed", text, hint=error.hint, traceback=error.traceback, fatal=True)
            self._parent.say(said)
            return False
        self._parent.set_busy(None)
        self._parent.say({"type": "ready", "id": number})
        return True

    # The work link

    def _work(self, message: Message, fd: int) -> int:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)
        self._leaving.link = sock
        if self._leaving.begun:
            self._leaving.begin(self._leaving.request)
        said = {"type": "attached", **{key: message.get(key) for key in ("id", "stream", "incarnation")}}
        self._parent.say(said)
        try:
            self._turns(Control(sock))
        except ParentGone:
            pass  # The link ended: nobody wants more.
        except (ProtocolError, LinkError) as error:
            self._parent.say(_session.error(None, "link", str(error), fatal=True))
            return BROKEN
        if self._leaving.begun:
            self._parent.say({"type": "drained", "id": self._leaving.request})
        return ASKED

    def _turns(self, link: Control) -> None:
        done: Message | None = None
        while True:
            take: Message = {"type": "take", "max": 0 if self._leaving.begun else 1}
            if done is not None:
                take["done"] = done
            link.send(take)
            if not take["max"]:
                return
            lease, tasks = self._next(link)
            done = self._lease(link, lease, tasks)

    def _next(self, link: Control) -> tuple[int, list[Message]]:
        while True:
            message, fds = link.recv()
            kind = message.get("type")
            try:
                if kind == "pool":
                    if len(fds) != 1:
                        raise LinkError("`pool` carries memory")
                    pool = PeerPool(fds[0], message["slots"], message["slot_bytes"])
                    self._pictures.lend(message["pool"], pool)
                elif kind == "pool_gone":
                    self._pictures.gone(message["pool"])
                elif kind == "tasks" and message.get("tasks"):
                    return message["lease"], message["tasks"]
                else:
                    raise LinkError(f"no message of the work link is called `{kind}`")
            except KeyError as error:
                raise LinkError(f"a `{kind}` without {error}") from error
            finally:
                close_all(fds)

    def _lease(self, link: Control, lease: int, tasks: list[Message]) -> Message | None:
        """What came of a lease; none when the stage could not be loaded, which is said."""
        stage = self._stage or self._loaded(link, lease)
        if stage is None:
            return None
        began = time.monotonic()
        outcomes = [self._task(stage, it) for it in tasks]
        return {"lease": lease, "outcomes": outcomes, "stage_us": int(1e6 * (time.monotonic() - began))}

    def _loaded(self, link: Control, lease: int) -> Stage | None:
        kind = self._kind
        if kind is None:  # `run` has seen to it.
            raise LinkError("tasks came before `load`")
        link.send({"type": "loading", "stage": self._category})
        self._parent.set_busy("load")
        began = time.monotonic()
        try:
            stage = kind()
            stage.load()
        except Exception as error:  # noqa: BLE001  an author's code
            self._parent.log("error", _traceback(error))
            link.send(
                {"type": "load_failed", "lease": lease, "reason": f"`{self._target}` cannot load: {named(error)}"}
            )
            return None
        finally:
            self._parent.set_busy(None)
        link.send({"type": "loaded", "stage": self._category, "ms": int(1e3 * (time.monotonic() - began))})
        self._stage = stage
        return stage

    def _task(self, stage: Stage, message: Message) -> Message:
        try:
            task, picture = self._pictures.of(message)
        except (LinkError, KeyError, TypeError, ValueError) as error:
            return failure(message, error, f"a task that cannot be read: {named(error)}")
        try:
            return outcome(message, answer(self._category, stage.process(task, picture)))
        except ContractError as error:
            return failure(message, error, f"`{self._target}`: {error}")
        except Exception as error:  # noqa: BLE001  an author's code: its task fails, and no other
            where = f"task {task.id}, frame {task.frame_idx} of {task.video_id}"
            self._parent.log("error", f"`{self._target}` failed ({where})\n{_traceback(error)}")
            return failure(message, error, f"`{self._target}`: {named(error)}")


def find(target: str, category: str) -> type[Stage]:
    """The class that a target names, `FILE.py:CLASS` or `module:CLASS`, for a category. Raises TargetError."""
    from . import _target
    from .plates import Stage

    if category not in CATEGORIES:
        text = f"`{category}` is nothing that a stage of your own can do"
        raise TargetError("unknown_pipeline", text, hint=f"use one of {', '.join(CATEGORIES)}")
    path, _, name = target.rpartition(":")
    if not path or not name.isidentifier():
        hint = "write FILE.py:CLASS or module:CLASS"
        raise TargetError("unknown_pipeline", f"`{target}` names no class", hint=hint)
    module = _target.module_of(path, target)
    with of_author(target):
        value = getattr(module, name, _NONE)
    if value is _NONE:
        there = [it for it, found in vars(module).items() if _is_stage(found, Stage) and not it.startswith("_")]
        has = f"it has {', '.join(f'`{it}`' for it in there)}" if there else "it has no framerill.plates.Stage at all"
        text = f"`{target}`: `{path}` has no class `{name}`, {has}"
        raise TargetError("unknown_pipeline", text, hint=f"{near(name, there)}name a class that is there")
    if not (isinstance(value, type) and issubclass(value, Stage)):
        hint = f"write `class {name}(framerill.plates.Stage):`"
        raise TargetError("import_failed", f"`{target}` is no framerill.plates.Stage", hint=hint)
    if value.category not in ("", category):
        text = f"`{target}` is for `{value.category}`, not for `{category}`"
        raise TargetError("import_failed", text, hint=f"write `--stage {value.category}={target}`")
    return value


def _is_stage(value: object, stage: type[Stage]) -> bool:
    return isinstance(value, type) and issubclass(value, stage) and value is not stage


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()


def _wait(parent: Parent) -> None:
    import select

    poller = select.poll()
    poller.register(parent.wake_fd, select.POLLIN)
    poller.poll()
    parent.woken()


def main(argv: list[str]) -> NoReturn:
    """Runs a worker over the control socket and exits. `argv[1]` only names the process."""
    _control.leave_to_parent(signal.SIGINT, signal.SIGTERM)
    sys.argv = argv[:1]
    parent = Parent(_control.take())
    leaving = Leaving()
    worker = Worker(parent, leaving)
    parent.start(dict, leaving, None)
    try:
        code = worker.run()
    except BaseException as error:  # noqa: BLE001  the process border: whatever it was, the parent is told
        text = f"the worker failed: {named(error)}"
        parent.say(_session.error(None, "internal", text, traceback=_traceback(error), fatal=True))
        code = FAILED
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S110  the author may have closed them
            pass
    # Threads and exit handlers of an author's libraries cannot keep the process.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv)
