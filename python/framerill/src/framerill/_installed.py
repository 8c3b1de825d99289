"""The distributions of this Python and the entry points that they bring, also where one of them is broken."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ._said import named

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

_POINTS_MAX = 500


@dataclass(frozen=True)
class Package:
    """One distribution."""

    dist: Distribution
    points: list[EntryPoint] = field(default_factory=list)
    error: str | None = None
    """Why its entry points are not known."""

    @property
    def name(self) -> str:
        """As its metadata says, else as its folder is called."""
        return self._name_and_version[0]

    @property
    def version(self) -> str:
        """The same of its version."""
        return self._name_and_version[1]

    @cached_property
    def _name_and_version(self) -> tuple[str, str]:
        # Read for those that are told of alone: there may be hundreds.
        return name_and_version(self.dist)

    @property
    def url(self) -> Any:
        """What it was installed from, where that was no index."""
        return self._origin().get("url")

    @property
    def is_editable(self) -> bool:
        """Whether its sources are used where they lie."""
        folder = self._origin().get("dir_info")
        return isinstance(folder, dict) and folder.get("editable") is True

    @property
    def is_requested(self) -> bool:
        """Whether someone asked for it by name."""
        return _text(self.dist, "REQUESTED") is not None

    def metadata_files(self) -> Iterator[str]:
        """Those that the answer was read from."""
        folder = _folder(self.dist)
        for name in ("entry_points.txt", "direct_url.json", "METADATA", "PKG-INFO"):
            path = os.path.join(folder, name)
            if folder and os.path.isfile(path):
                yield os.path.realpath(path)

    def _origin(self) -> dict[str, Any]:
        try:
            value = json.loads(_text(self.dist, "direct_url.json") or "{}")
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def packages(groups: tuple[str, ...]) -> list[Package]:
    """Every distribution with its entry points of `groups`; of two of one name the first on the path counts."""
    from importlib.metadata import distributions

    found: dict[str, Package] = {}
    for dist in distributions():
        stem = _stem(dist)
        name = stem.partition("-")[0] if stem else name_and_version(dist)[0]
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key not in found:
            found[key] = _package(dist, groups)
    return list(found.values())


def _package(dist: Distribution, groups: tuple[str, ...]) -> Package:
    text = _text(dist, "entry_points.txt")
    if text is None or not any(f"[{group}]" in text for group in groups):
        return Package(dist)
    try:
        points = [point for point in dist.entry_points if point.group in groups]
    except Exception as error:  # noqa: BLE001 - whatever the library makes of what is not in its form
        return Package(dist, [], f"its entry_points.txt cannot be read: {named(error)}")
    if len(points) > _POINTS_MAX:
        return Package(dist, [], f"it registers {len(points)} pipelines; {_POINTS_MAX} are the most")
    return Package(dist, points)


def name_and_version(dist: Distribution) -> tuple[str, str]:
    """As its metadata says, else as its folder is called."""
    name = version = None
    # There may be no file, no UTF-8, no header.
    with suppress(Exception):
        name, version = dist.metadata["Name"], dist.metadata["Version"]
    stem, _, rest = _stem(dist).partition("-")
    return str(name or stem or "?"), str(version or rest)


def _stem(dist: Distribution) -> str:
    """Its folder's name without what says that it is one: `glow-1.0` of `glow-1.0.dist-info`."""
    return os.path.splitext(os.path.basename(_folder(dist)))[0]


def _text(dist: Distribution, name: str) -> str | None:
    """A file of its metadata; None where there is none. What is no UTF-8 is replaced."""
    folder = _folder(dist)
    if not folder:
        try:
            return dist.read_text(name)
        except (OSError, ValueError):
            return None
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _folder(dist: Distribution) -> str:
    folder = getattr(dist, "_path", None)
    return os.path.abspath(str(folder)) if folder else ""
