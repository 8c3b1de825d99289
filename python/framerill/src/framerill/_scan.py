"""Which pipelines this Python has: metadata, and an import of each in a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _target, discovery
from ._said import text_of
from .errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, EntryPoint

IMPORT_WITHIN = 20.0
"""Seconds that one pipeline's import may take."""
ALL_WITHIN = 50.0
"""Seconds for all of them."""
_ANSWER_MAX = 1 << 18
_FILES_MAX = 200


def installed() -> list[dict[str, Any]]:
    """Every installed pipeline, those that cannot be used with their `error`. Reads metadata alone and imports none."""
    return [row for row, _ in _rows()]


def scan() -> dict[str, Any]:
    """The same after an import of each, with what has to change before the answer does.

    `paths` are folders whose packages were looked at, `files` are those that an answer was read from. `requested` are
    the distributions that someone asked for by name.
    """
    rows = list(_rows())
    points = {row["name"]: point for row, point in rows if row["error"] is None}
    checks = _check(points)
    files = {path for _, point in rows for path in _metadata_files(point.dist)}
    for row, _ in rows:
        if row["error"] is None:
            check = checks[row["name"]]
            row["error"], row["summary"] = check.error, check.summary
            files.update(check.files)
            files.update(_module_files(points[row["name"]].module))
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "paths": [path for path in sys.path if path and os.path.isabs(path)],
        "files": sorted(files),
        "requested": _requested(),
        "pipelines": [row for row, _ in rows],
    }


def _rows() -> list[tuple[dict[str, Any], EntryPoint]]:
    rows: list[tuple[dict[str, Any], EntryPoint]] = []
    seen: dict[str, str] = {}
    for point in discovery.entry_points():
        owner = point.dist.name if point.dist else "?"
        if seen.get(point.name) == f"{owner} {point.value}":
            continue  # the same one in both groups
        error = _broken(point)
        if point.name in seen:
            error = f"the name is taken by `{seen[point.name]}`"
        seen.setdefault(point.name, f"{owner} {point.value}")
        row = {
            "name": point.name,
            "target": point.value,
            "distribution": owner,
            "version": point.dist.version if point.dist else "",
            "group": point.group,
            "editable": _is_editable(point.dist),
            "summary": None,
            "error": error,
        }
        rows.append((row, point))
    return sorted(rows, key=lambda it: (it[0]["name"], it[0]["error"] is not None))


def _broken(point: EntryPoint) -> str | None:
    from importlib.machinery import PathFinder

    if point.pattern.match(point.value) is None:
        return f"`{point.value}` is not of the form module:Class"
    top = point.module.partition(".")[0]
    if top in sys.builtin_module_names or top in sys.modules or PathFinder.find_spec(top) is not None:
        return None
    if any(finder.find_spec(top, None) for finder in sys.meta_path if hasattr(finder, "find_spec")):
        return None  # what editable installs bring along
    return f"its module `{top}` is not installed"


def _direct_url(dist: Distribution | None) -> dict[str, Any]:
    text = dist.read_text("direct_url.json") if dist else None
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_editable(dist: Distribution | None) -> bool:
    folder = _direct_url(dist).get("dir_info")
    return isinstance(folder, dict) and folder.get("editable") is True


def _metadata_files(dist: Distribution | None) -> Iterator[str]:
    for name in ("entry_points.txt", "direct_url.json", "METADATA", "PKG-INFO"):
        path = dist.locate_file(_info(dist) + "/" + name) if dist else None
        if path is not None and os.path.isfile(str(path)):
            yield os.path.realpath(str(path))


def _info(dist: Distribution) -> str:
    folder = getattr(dist, "_path", None)
    return os.path.abspath(str(folder)) if folder else f"{dist.name}.dist-info"


def _requested() -> list[dict[str, Any]]:
    from importlib.metadata import distributions

    return [
        {"name": dist.name, "version": dist.version, "url": _direct_url(dist).get("url")}
        for dist in distributions()
        if dist.read_text("REQUESTED") is not None
    ]


@dataclass
class _Check:
    """What became of one import."""

    error: str | None = None
    summary: str | None = None
    files: list[str] = field(default_factory=list)


@dataclass
class _Child:
    pid: int
    answer: int
    deadline: float
    heard: bytearray = field(default_factory=bytearray)


def _check(points: dict[str, EntryPoint]) -> dict[str, _Check]:
    """Imports each pipeline in a fork, some at the same time. A crash or a hang of one is its own."""
    waiting = list(points)
    running: dict[str, _Child] = {}
    done: dict[str, _Check] = {}
    at_once = max(2, len(os.sched_getaffinity(0)))
    end = time.monotonic() + ALL_WITHIN
    while waiting or running:
        while waiting and len(running) < at_once:
            name = waiting.pop(0)
            running[name] = _start(name, points[name], end)
        now = time.monotonic()
        wait = max(0.0, min(child.deadline for child in running.values()) - now)
        readable, _, _ = select.select([child.answer for child in running.values()], [], [], wait)
        now = time.monotonic()
        for name, child in list(running.items()):
            if child.answer in readable:
                part = os.read(child.answer, 1 << 16)
                child.heard += part
                if part and len(child.heard) <= _ANSWER_MAX:
                    continue
            elif now < child.deadline:
                continue
            del running[name]
            done[name] = _end(child, is_late=child.answer not in readable)
    return done


def _start(name: str, point: EntryPoint, end: float) -> _Child:
    reader, writer = os.pipe()
    within = max(0.1, min(IMPORT_WITHIN, end - time.monotonic()))
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            _be_child(name, point, writer, within)
        finally:
            os._exit(1)
    os.close(writer)
    return _Child(pid, reader, time.monotonic() + within)


def _be_child(name: str, point: EntryPoint, writer: int, within: float) -> None:
    os.setpgid(0, 0)
    # Also where nobody is left to end it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, within + 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    before = set(sys.modules)
    answer = _try(name, point)
    answer.setdefault("files", []).extend(_files_of(point.module.partition(".")[0], before))
    data = json.dumps(answer, default=str).encode()
    while data:
        data = data[os.write(writer, data) :]
    os._exit(0)


def _try(name: str, point: EntryPoint) -> dict[str, Any]:
    from ._describe import describe

    try:
        return {"error": None, "summary": describe(_target.of_point(point, name))["summary"]}
    except TargetError as error:
        return {"error": f"{error}; {error.hint}" if error.hint else str(error), "files": _files_in(error)}
    except BaseException as error:  # noqa: BLE001 - the border to the author's package
        return {"error": f"{type(error).__name__}: {text_of(error)}", "files": _files_in(error)}


def _files_in(error: BaseException) -> list[str]:
    """Those that it came through."""
    import traceback

    files: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(files) < _FILES_MAX:
        files += [frame.filename for frame in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__
    return sorted({os.path.realpath(file) for file in files if os.path.isfile(file)})[:_FILES_MAX]


def _module_files(module: str) -> list[str]:
    """Where it lies, or would lie: one that could not be imported may be mended."""
    from importlib.util import find_spec

    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None or spec.origin is None or not os.path.isabs(spec.origin):
        return []
    files = [spec.origin]
    for at in range(len(parts)):
        path = os.path.join(os.path.dirname(spec.origin), *parts[: at + 1])
        files += [path + ".py", os.path.join(path, "__init__.py")]
    return [os.path.realpath(file) for file in files]


def _files_of(top: str, before: set[str]) -> list[str]:
    """The package's own modules that were imported; a change of one may mend or break it."""
    names = [name for name in list(sys.modules) if name not in before and (name == top or name.startswith(top + "."))]
    files = [getattr(sys.modules[name], "__file__", None) for name in names]
    return [os.path.realpath(file) for file in files if isinstance(file, str)][:_FILES_MAX]


def _end(child: _Child, *, is_late: bool) -> _Check:
    os.close(child.answer)
    if is_late or len(child.heard) > _ANSWER_MAX:
        _kill(child.pid)
    _, status = os.waitpid(child.pid, 0)
    if is_late:
        return _Check(error=f"its import does not end within {IMPORT_WITHIN:.0f} s")
    try:
        answer = json.loads(bytes(child.heard))
        return _Check(answer["error"], answer.get("summary") or None, answer["files"])
    except (ValueError, KeyError, TypeError):
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return _Check(error=f"its import ends the process ({how})")


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so that the number is its own
