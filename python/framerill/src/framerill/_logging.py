"""What a pipeline says through `logging`, as lines of the parent's log.

Records of every logger reach the parent with their level; one with `extra={"report_error": True}` is also told to the
stream's owner as an `error` event, with its message and nothing else (runner contract §4.5). Debug records are said
when `VERBOSE_LOGGING` is 1.
"""

from __future__ import annotations

import logging
import os
from typing import Protocol


class Listener(Protocol):
    """Who takes lines and errors."""

    def log(self, level: str, text: str) -> None:
        """A line for the log: `error`, `warn`, `info` or `debug`."""

    def report(self, text: str) -> None:
        """An error for the stream's owner, which ends nothing."""


class Forward(logging.Handler):
    """Hands records to a listener, one call a line."""

    def __init__(self, to: Listener) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        """Tells one record. A record that cannot be formatted is told as `logging` tells it."""
        try:
            lines = self.format(record).splitlines() or [""]
            message = record.getMessage()
        except Exception:  # noqa: BLE001  what the author wrote in the call
            self.handleError(record)
            return
        name = "" if record.name == "root" else f"{record.name}: "
        for line in lines:
            self._to.log(_level(record.levelno), name + line)
        if getattr(record, "report_error", False) is True:
            self._to.report(message)


def forward(to: Listener) -> None:
    """From now on the root logger's records go to the listener. Handlers of the author's own stay beside."""
    root = logging.getLogger()
    root.addHandler(Forward(to))
    root.setLevel(logging.DEBUG if os.environ.get("VERBOSE_LOGGING") == "1" else logging.INFO)


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"
