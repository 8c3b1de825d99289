"""Which pipelines this Python has: metadata, and a trial of each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ._installed import Package, packages
from ._trial import try_all
from .discovery import GROUPS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def installed() -> list[dict[str, Any]]:
    """Every installed pipeline, those that cannot be used with their `error`. Reads metadata alone and imports none."""
    return [row for row, _ in _rows(packages(GROUPS))]


def scan() -> dict[str, Any]:
    """The same after an import of each, with what has to change before the answer does.

    `paths` are folders whose packages were looked at, `files` are those that an answer was read from. `requested` are
    the distributions that someone asked for by name.
    """
    found = packages(GROUPS)
    rows = _rows(found)
    points = {row["name"]: point for row, point in rows if point is not None and row["error"] is None}
    outcomes = try_all(points)
    files = {path for package in found if package.points or package.error for path in package.metadata_files()}
    for row, _ in rows:
        if row["error"] is None:
            outcome = outcomes[row["name"]]
            row["error"], row["summary"] = outcome.error, outcome.summary
            files.update(outcome.files)
            files.update(_module_files(points[row["name"]].module))
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "paths": [path for path in sys.path if path and os.path.isabs(path)],
        "files": sorted(files),
        "requested": [{"name": it.name, "version": it.version, "url": it.url} for it in found if it.is_requested],
        "pipelines": [row for row, _ in rows],
    }


def _rows(found: list[Package]) -> list[tuple[dict[str, Any], EntryPoint | None]]:
    rows: list[tuple[dict[str, Any], EntryPoint | None]] = [
        (_row(package, package.name, error=package.error), None) for package in found if package.error
    ]
    seen: dict[str, str] = {}
    points = [(it, point) for group in GROUPS for it in found for point in it.points if point.group == group]
    for package, point in points:
        owner = f"{package.name} {point.value}"
        if seen.get(point.name) == owner:
            continue  # the same one in both groups
        error = _broken(point)
        if point.name in seen:
            error = f"the name is taken by `{seen[point.name]}`"
        seen.setdefault(point.name, owner)
        rows.append((_row(package, point.name, point.value, point.group, error), point))
    return sorted(rows, key=lambda it: (it[0]["name"], it[0]["error"] is not None))


def _row(package: Package, name: str, target: str = "", group: str = "", error: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "target": target,
        "distribution": package.name,
        "version": package.version,
        "group": group,
        "editable": package.is_editable,
        "summary": None,
        "error": error,
    }


def _broken(point: EntryPoint) -> str | None:
    from importlib.machinery import PathFinder

    if point.pattern.match(point.value) is None:
        return f"`{point.value}` is not of the form module:Class"
    top = point.module.partition(".")[0]
    if top in sys.builtin_module_names or top in sys.modules or _finds(PathFinder, top):
        return None
    if any(_finds(finder, top) for finder in sys.meta_path):
        return None  # what editable installs bring along
    return f"its module `{top}` is not installed"


def _finds(finder: Any, top: str) -> bool:
    try:
        return hasattr(finder, "find_spec") and finder.find_spec(top, None) is not None
    except Exception:  # noqa: BLE001 - any package may put one there
        return False


def _module_files(module: str) -> list[str]:
    """Where it lies, or would lie: one that could not be imported may be mended."""
    from importlib.util import find_spec

    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except Exception:  # noqa: BLE001 - any package may bring a finder of its own
        return []
    if spec is None or spec.origin is None or not os.path.isabs(spec.origin):
        return []
    files = [spec.origin]
    for at in range(len(parts)):
        path = os.path.join(os.path.dirname(spec.origin), *parts[: at + 1])
        files += [path + ".py", os.path.join(path, "__init__.py")]
    return [os.path.realpath(file) for file in files]
