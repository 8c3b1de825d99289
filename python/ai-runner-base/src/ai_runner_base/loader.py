"""From a name or a path to a pipeline's class and its parameters."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .params import BaseParams
from .spec import PipelineSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from .interface import Pipeline

__all__ = ["available", "load_pipeline", "load_pipeline_class", "params_of", "parse_pipeline_params"]

GROUPS = ("ai_runner.pipelines", "ai_runner.pipeline")
PARAMS_GROUP = "ai_runner.pipeline_params"
HEAVY = ("torch", "streamdiffusion", "comfystream")
"""What a module of parameters does not import."""
LONGEST_PARSE = 0.5
"""Seconds that importing and parsing parameters may take."""


def available() -> dict[str, EntryPoint]:
    """The installed pipelines by name, none of them imported. Of two with one name the first counts."""
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for group in GROUPS:
        for point in entry_points(group=group):
            first = found.setdefault(point.name, point)
            if first.value != point.value:
                logging.warning(
                    f"two packages name a pipeline `{point.name}`: {first.value} counts, {point.value} does not"
                )
    return found


def load_pipeline_class(pipeline: str | PipelineSpec) -> type[Pipeline]:
    """The class that a spec, a path `package.module:Class`, or an installed name means. Imports its module.

    An installed name that is not there means what is called like its part before the first `-`. Raises ValueError for
    an unknown one.
    """
    path = pipeline.pipeline_cls if isinstance(pipeline, PipelineSpec) else pipeline
    cls = _object(path) if ":" in path else _point(path).load()
    return _checked(cls, path)


def load_pipeline(pipeline: str | PipelineSpec) -> Pipeline:
    """A new instance of the pipeline, not initialized."""
    from .interface import made

    return made(load_pipeline_class(pipeline), pipeline.name if isinstance(pipeline, PipelineSpec) else pipeline)


def parse_pipeline_params(pipeline: str | PipelineSpec, params: dict[str, Any]) -> BaseParams:
    """The parameters as the pipeline's own class reads them.

    Raises pydantic's ValidationError; TimeoutError where it takes half a second or more, and ImportError where it
    imports torch: a server reads parameters, too, while streams run.
    """
    if not (isinstance(pipeline, PipelineSpec) and pipeline.params_cls) and not _has_params_point(pipeline):
        # Parameters that hang on the pipeline's class come with all that it imports.
        load_pipeline_class(pipeline)
    with _cheap(pipeline):
        model = _params_class(pipeline)
        return model.model_validate(params)


def params_of(kind: type[Any], name: str | None = None) -> type[BaseParams]:
    """The class of parameters: that of `name` in `ai_runner.pipeline_params`, else the attribute `Params`."""
    if name:
        point = _params_point(name)
        if point is not None:
            found: type[BaseParams] = point.load()
            return found
    model = getattr(kind, "Params", None)
    return model if isinstance(model, type) and issubclass(model, BaseParams) else BaseParams


def _params_class(pipeline: str | PipelineSpec) -> type[BaseParams]:
    if isinstance(pipeline, PipelineSpec):
        if pipeline.params_cls is not None:
            model: type[BaseParams] = _object(pipeline.params_cls)
            return model
        return params_of(load_pipeline_class(pipeline))
    point = _params_point(pipeline)
    if point is not None:
        found: type[BaseParams] = point.load()
        return found
    return params_of(load_pipeline_class(pipeline))


def _has_params_point(pipeline: str | PipelineSpec) -> bool:
    return isinstance(pipeline, str) and _params_point(pipeline) is not None


def _point(name: str) -> EntryPoint:
    points = available()
    point = points.get(name) or points.get(name.partition("-")[0])
    if point is None:
        raise ValueError(f"Unknown pipeline: {name}. Available pipelines: {', '.join(sorted(points))}")
    return point


def _params_point(name: str) -> EntryPoint | None:
    from importlib.metadata import entry_points

    points = entry_points(group=PARAMS_GROUP)
    for wanted in (name, name.partition("-")[0]):
        for point in points:
            if point.name == wanted:
                return point
    return None


def _object(path: str) -> Any:
    module, _, attribute = path.rpartition(":")
    value: Any = import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


def _checked(cls: Any, path: str) -> type[Pipeline]:
    if not (isinstance(cls, type) and hasattr(cls, "put_video_frame")):
        raise TypeError(f"`{path}` is no pipeline: it has no `put_video_frame`")
    return cls


@contextmanager
def _cheap(pipeline: str | PipelineSpec) -> Iterator[None]:
    name = pipeline.name if isinstance(pipeline, PipelineSpec) else pipeline
    known = {it for it in HEAVY if it in sys.modules}
    began = time.monotonic()
    yield
    taken = time.monotonic() - began
    heavy = [it for it in HEAVY if it in sys.modules and it not in known]
    if heavy:
        raise ImportError(
            f"reading the parameters of `{name}` imports {', '.join(heavy)}: "
            "keep them in a module of their own that imports no model, and leave the package's __init__ empty"
        )
    if taken >= LONGEST_PARSE:
        raise TimeoutError(
            f"reading the parameters of `{name}` took {taken:.2f} s, of {LONGEST_PARSE} s: "
            "keep them in a module of their own that imports little"
        )
