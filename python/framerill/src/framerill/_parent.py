"""The parent, as a worker's threads see it: what is said to it, heartbeats, and the requests that it sends.

Two threads live here. One beats once a second. One reads the control socket all the time, so that a parent that wants
the worker gone, or is gone itself, is obeyed even while a pipeline hangs. While a model loads, parameters are checked
there, too: a validator without an end keeps it. Other requests wait for the main thread.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from . import _session
from ._control import Control, Message, ParentGone
from ._link import close_all
from ._said import text_of
from ._version import __version__
from ._watchdog import Watchdog
from .errors import ProtocolError

_BEAT_SECONDS = 1.0
_MOST_REQUESTS = 256
ASKED, FAILED, BROKEN = 0, 1, 2


class Parent:
    """Says things to the parent and keeps its requests."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._requests: deque[tuple[Message, list[int]]] = deque()
        self._checker: Callable[[Message], Message] | None = None
        self._checking = threading.Lock()
        self._beating = threading.Lock()
        self._beats = 0
        self._busy: str | None = None
        self._stats: Callable[[], dict[str, Any]] = dict
        self._last_stats: dict[str, Any] = {}
        self._drain: DrainWatch | None = None
        self._watchdog: Watchdog | None = None
        self.wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def start(self, stats: Callable[[], dict[str, Any]], drain: DrainWatch, watchdog: Watchdog | None) -> None:
        """Says hello and starts the threads."""
        self._stats, self._drain, self._watchdog = stats, drain, watchdog
        self.say(
            {
                "type": "hello",
                "protocol": 1,
                "role": "worker",
                "name": "framerill-worker",
                "version": __version__,
                "language": "python",
                "pid": os.getpid(),
            }
        )
        threading.Thread(target=self._beat_for_ever, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._read_for_ever, name="control", daemon=True).start()

    # Saying

    def say(self, message: Message) -> None:
        """Sends one message. A parent that does not take it is gone, and this process with it."""
        try:
            self._control.send(message)
        except ParentGone as gone:
            os._exit(gone.exit_code)

    def forked(self) -> None:
        """In a child that the author forked off: the socket is the worker's alone."""
        self._control.close()

    def log(self, level: str, text: str) -> None:
        """A line for the log: `error`, `warn`, `info` or `debug`."""
        self.say({"type": "log", "level": level, "message": text})

    def report(self, text: str, traceback: str | None = None) -> None:
        """An error for the stream's owner, which ends nothing."""
        self.say(_session.error(None, "reported", text, traceback=traceback))

    @property
    def busy(self) -> str | None:
        """The declared long work, while it lasts."""
        return self._busy

    def set_busy(self, what: str | None) -> None:
        """Declares long work, or that it is over. A heartbeat says so before the work begins."""
        self._busy = what
        if what is not None:
            self._beat()
        # The lock may be held for longer now, or no longer.
        self._look()

    def _beat(self) -> None:
        with self._beating:
            message: Message = {"type": "heartbeat", "seq": self._beats}
            if self._busy is not None:
                message["busy"] = self._busy
            self._beats += 1
            self.say(message)

    def _look(self) -> None:
        if self._watchdog is not None:
            self._watchdog.look(time.monotonic())

    def _beat_for_ever(self) -> None:
        while True:
            self._beat()
            stats = self._stats()
            if stats != self._last_stats:
                self._last_stats = stats
                self.say({"type": "stats", "stats": stats})
            self._look()
            time.sleep(_BEAT_SECONDS)

    # Listening

    @property
    def has_requests(self) -> bool:
        """Whether `next_request` would give one."""
        return bool(self._requests)

    def next_request(self) -> tuple[Message, list[int]]:
        """The oldest request and its descriptors, which are the caller's."""
        return self._requests.popleft()

    def answer_checks(self, answer: Callable[[Message], Message] | None) -> None:
        """Updates that only ask are answered by the thread that reads them from here on; None ends that."""
        with self._checking:
            self._checker = answer
            if answer is None:
                return
            asked = [it for it in self._requests if _is_check(it[0])]
            for request in asked:
                self._requests.remove(request)
        for message, fds in asked:
            self._answer_check(answer, message, fds)

    def _answer_check(self, answer: Callable[[Message], Message], message: Message, fds: list[int]) -> None:
        close_all(fds)
        try:
            self.say(answer(message))
        except BaseException as error:  # noqa: BLE001  the author's validators run here
            text = f"the parameters cannot be checked: {type(error).__name__}: {text_of(error)}"
            self.say(_session.error(_session.request_id(message), "internal", text))

    def wants_detach(self, stream: str) -> bool:
        """Whether a request waits that ends this stream."""
        return any(it.get("type") == "detach" and it.get("stream") == stream for it, _ in tuple(self._requests))

    def woken(self) -> None:
        """Takes the wake-up that came with requests."""
        try:
            os.eventfd_read(self.wake_fd)
        except BlockingIOError:
            pass  # Taken already.

    def _read_for_ever(self) -> NoReturn:
        while True:
            self._watch_drain()
            try:
                message, fds = self._control.recv()
            except ParentGone as gone:
                os._exit(gone.exit_code)
            except ProtocolError as error:
                self.say(_session.error(None, "protocol", str(error), fatal=True))
                os._exit(BROKEN)
            if message.get("type") == "bye":
                os._exit(ASKED)
            if len(self._requests) >= _MOST_REQUESTS:
                close_all(fds)
                text = f"{_MOST_REQUESTS} requests wait already"
                self.say(_session.error(_session.request_id(message), "internal", text))
                continue
            if message.get("type") == "drain" and self._drain is not None:
                self._drain.begin(_session.request_id(message))
            with self._checking:
                checker = self._checker if _is_check(message) else None
                if checker is None:
                    self._requests.append((message, fds))
            if checker is not None:
                self._answer_check(checker, message, fds)
                continue
            os.eventfd_write(self.wake_fd, 1)

    def _watch_drain(self) -> None:
        """Waits for the next message; while draining, ends a process whose pipeline makes no headway."""
        drain = self._drain
        if drain is None or not drain.begun:
            return
        poller = select.poll()
        poller.register(self._control.fileno(), select.POLLIN)
        while not poller.poll(100):
            if drain.is_overdue(time.monotonic()):
                self.say({"type": "drained", "id": drain.request})
                os._exit(ASKED)


def _is_check(message: Message) -> bool:
    """Whether it asks what parameters are worth, in a form that can be answered at once."""
    return (
        message.get("type") == "update"
        and message.get("check") is True
        and isinstance(message.get("params"), dict)
        and _session.request_id(message) is not None
    )


class DrainWatch:
    """How long a drain may take without headway: nothing before the pipeline is loaded, else its own time for a frame.

    A pure machine: `headway` and `may_wait` say where the main thread stands, `now` is in seconds.
    """

    def __init__(self, headway: Callable[[], int], may_wait: Callable[[], float]) -> None:
        self._headway = headway
        self._may_wait = may_wait
        self._seen = -1
        self._since = 0.0
        self.begun = False
        self.request: int | None = None

    def begin(self, request: int | None) -> None:
        """The parent wants a drain."""
        self.begun = True
        self.request = request

    def is_overdue(self, now: float) -> bool:
        """Whether nothing was finished for longer than it may take."""
        headway = self._headway()
        if headway != self._seen:
            self._seen, self._since = headway, now
            return False
        return now - self._since > self._may_wait()
