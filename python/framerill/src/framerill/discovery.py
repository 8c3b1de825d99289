"""Installed pipelines by name: their entry points, and which of them a name means. Imports none of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ._installed import packages
from .errors import TargetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUPS", "PARAMS_GROUP", "entry_point", "entry_points", "is_path", "name_of_class", "params_entry_point"]

GROUPS = ("ai_runner.pipelines", "ai_runner.pipeline")
"""Entry-point groups of pipelines, the first one wins."""
PARAMS_GROUP = "ai_runner.pipeline_params"
"""Entry-point group of parameters' classes, under the names of their pipelines."""


def entry_points() -> list[EntryPoint]:
    """Every entry point of `GROUPS`, also those whose names occur twice."""
    points = [point for package in packages(GROUPS) for point in package.points]
    return [point for group in GROUPS for point in points if point.group == group]


def entry_point(name: str) -> EntryPoint:
    """The entry point that a name means: its own, else that of its part before the first `-`.

    Of two with one name the first counts, which is logged as a warning. Raises TargetError for a name that none has.
    """
    points = entry_points()
    same = _called(points, name)
    if not same:
        names = sorted({it.name for it in points})
        raise TargetError(
            "unknown_pipeline",
            f"Unknown pipeline: {name}. Available pipelines: {', '.join(names)}",
            hint=f"{near(name, names)}install its package into this Python; a file is named by its path, ./mine.py",
        )
    first = same[0]
    for other in same[1:]:
        if other.value != first.value:
            import logging

            said = f"two packages name a pipeline `{first.name}`: {first.value} counts, {other.value} does not"
            logging.getLogger("framerill").warning(said)
    return first


def params_entry_point(name: str) -> EntryPoint | None:
    """The entry point of the parameters' class of a pipeline of that name, which means what it means there."""
    points = [point for package in packages((PARAMS_GROUP,)) for point in package.points]
    return next(iter(_called(points, name)), None)


def is_path(target: str) -> bool:
    """Whether a target names a file, a folder, a class or a whole specification, and no installed pipeline."""
    return target.endswith(".py") or any(it in target for it in "/:{") or target in (".", "..")


def name_of_class(path: str) -> str:
    """What a pipeline is called that only its class names: `package.module:GreenPipeline` is `green`."""
    lower = path.rpartition(":")[2].lower()
    return lower.removesuffix("pipeline") or lower


def near(name: str, names: Iterable[str]) -> str:
    """A question about the one of `names` that differs least, if one is near; to be put before a hint."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean `{close[0]}`? " if close else ""


def _called(points: Iterable[EntryPoint], name: str) -> list[EntryPoint]:
    points = list(points)
    # A variant without an entry point of its own, `glow-fast`, is `glow`, which is told the name.
    return [it for it in points if it.name == name] or [it for it in points if it.name == name.partition("-")[0]]
