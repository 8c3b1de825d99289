"""A `framerill serve` of our own: started, watched, ended, and never left behind."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from . import program

__all__ = ["Child", "DidNotStart"]

_STARTS_WITHIN = 30.0
_INSTALLS_WITHIN = 1860.0
"""Seconds; a server that installs its pipeline does so before it listens, and gives up by itself."""
_STOPS_WITHIN = 10.0
_PR_SET_PDEATHSIG = 1


class DidNotStart(RuntimeError):  # noqa: N818  it says what happened
    """The server ended, or said nothing, before it listened."""


class Child:
    """One `framerill serve`. It is told to end when this process ends, however it ends."""

    def __init__(
        self, arguments: list[str], ended: Callable[[int], None] | None = None, *, announce: bool = False
    ) -> None:
        """Starts it; another thread calls `ended` with what `wait` returns. `announce` prints where it listens."""
        self._argv = [program.find(), "serve", *arguments, "--json"]
        self._ended = ended
        self._announce = announce
        self._process: subprocess.Popen[bytes] | None = None
        self._failed: OSError | None = None
        self._url = ""
        self._error = ""
        self._started = threading.Event()
        self._listens = threading.Event()
        self._over = threading.Event()
        # The kernel signals a child when the thread that started it ends: this one ends with the child.
        threading.Thread(target=self._run, name="framerill-serve", daemon=True).start()
        self._started.wait()
        if self._failed is not None:
            raise self._failed

    @property
    def pid(self) -> int:
        """Its process id."""
        return 0 if self._process is None else self._process.pid

    @property
    def has_listened(self) -> bool:
        """Whether it has begun to serve."""
        return bool(self._url)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._over.is_set()

    def url(self, within: float | None = None) -> str:
        """Where it listens; waits for it. Raises DidNotStart."""
        if within is None:
            installs = any(os.environ.get(name) for name in ("AUTO_INSTALL_PIPELINE", "FRAMERILL_INSTALL"))
            within = _INSTALLS_WITHIN if installs else _STARTS_WITHIN
        self._listens.wait(within)
        if not self._url:
            what = f"ended with exit code {self.wait()}" if self.is_over else f"does not listen after {within:g} s"
            why = f": {self._error}" if self._error else "; its last lines are on stderr"
            raise DidNotStart(f"`framerill serve` {what}{why}")
        return self._url

    def wait(self) -> int:
        """Waits for its end. Returns its exit code, as a shell counts."""
        self._over.wait()
        code = self._process.returncode if self._process is not None else 1
        return 128 - code if code < 0 else code

    def signal(self, number: int) -> None:
        """Passes a signal on."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> int:
        """Ends it in order: it closes its streams' channels first. Returns its exit code."""
        if not self.is_over:
            self.signal(signal.SIGTERM)
            if not self._over.wait(_STOPS_WITHIN):
                self.signal(signal.SIGKILL)
        return self.wait()

    def _run(self) -> None:
        ours = os.getpid()
        libc = ctypes.CDLL(None, use_errno=True)

        def dies_with_us() -> None:
            # A group of its own: Ctrl-C reaches this process, which ends the child in order.
            os.setpgid(0, 0)
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != ours:
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            process = subprocess.Popen(  # noqa: S603  it is the program that was looked for
                self._argv,
                stdout=subprocess.PIPE,
                env=program.environment(),
                preexec_fn=dies_with_us,  # noqa: PLW1509  it calls libc alone, which is loaded by now
            )
        except OSError as error:
            self._failed = error
            self._over.set()
            self._listens.set()
            self._started.set()
            return
        self._process = process
        self._started.set()
        if process.stdout is not None:
            for line in process.stdout:
                self._read(line)
        process.wait()
        self._over.set()
        self._listens.set()
        if self._ended is not None:
            self._ended(self.wait())

    def _read(self, line: bytes) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if isinstance(said, dict) and isinstance(said.get("error"), dict):
            # Its stderr, which is ours, has told it.
            self._error = str(said["error"].get("message", ""))
            return
        if isinstance(said, dict) and said.get("event") == "listening":
            self._url = str(said["url"])
            self._listens.set()
            if not self._announce:
                return
            beside = said.get("trickle")
            text = f"serving at {self._url}\n" + (f"serving channels at {beside}\n" if beside else "")
            line = text.encode()
        sys.stdout.write(line.decode(errors="replace"))
        sys.stdout.flush()
