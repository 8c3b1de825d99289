"""Log lines in the runner's form, and how long things take."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ

__all__ = ["config_logging", "config_logging_fields", "log_passage", "log_timing"]

_STEPS = (
    ("frame_init", "pre_process_frame"),
    ("pre_process_frame", "post_process_frame"),
    ("post_process_frame", "frame_end"),
    ("frame_init", "frame_end"),
)


class _Ours(logging.StreamHandler):  # type: ignore[type-arg]
    """The handler that `config_logging` set up, so that the next call finds it."""


def config_logging(
    *, log_level: int | None = None, request_id: str = "", manifest_id: str = "", stream_id: str = ""
) -> logging.Handler:
    """Sends every log record to stderr with the ids of its stream; called again, it changes the ids and the level.

    The level is INFO, or DEBUG where `VERBOSE_LOGGING` is 1.
    """
    root = logging.getLogger()
    if log_level is None:
        log_level = logging.DEBUG if environ.get("VERBOSE_LOGGING") == "1" else logging.INFO
    root.setLevel(log_level)
    handler = next((it for it in root.handlers if isinstance(it, _Ours)), None)
    if handler is None:
        handler = _Ours(sys.stderr)
        root.addHandler(handler)
    config_logging_fields(handler, request_id, manifest_id, stream_id)
    return handler


def config_logging_fields(
    handler: logging.Handler, request_id: str = "", manifest_id: str = "", stream_id: str = ""
) -> None:
    """Gives `handler` lines of `name=value` fields, with these ids."""
    ids = f"gateway_request_id={request_id} manifest_id={manifest_id} stream_id={stream_id}".replace("%", "%%")
    form = (
        "timestamp=%(asctime)s level=%(levelname)s "
        f"location=%(filename)s:%(lineno)s:%(funcName)s {ids} message=%(message)s"
    )
    handler.setFormatter(logging.Formatter(form, datefmt="%Y-%m-%d %H:%M:%S"))


@contextmanager
def log_timing(operation_name: str) -> Iterator[None]:
    """Logs how long a block takes, and whether it succeeds."""
    began = time.monotonic()
    status = "failure"
    try:
        yield
        status = "success"
    finally:
        taken = time.monotonic() - began
        logging.info(f"operation={operation_name} status={status} duration_s={taken:.6f}s")


def log_passage(log: logging.Logger, frame_type: str, passed: Mapping[str, float]) -> None:
    """Logs the times that a frame took between the places that it passed."""
    for start, end in _STEPS:
        if start in passed and end in passed:
            taken = passed[end] - passed[start]
            log.debug(f"frame_type={frame_type} start_tag={start} end_tag={end} duration_s={taken:.6f}s")
