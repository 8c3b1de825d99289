"""From a name or a path to a pipeline's class and its parameters."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from framerill import discovery
from framerill.errors import TargetError

from .params import BaseParams
from .spec import PipelineSpec

if TYPE_CHECKING:
    from .interface import Pipeline

__all__ = ["load_pipeline", "load_pipeline_class", "params_of", "parse_pipeline_params"]

HEAVY = ("torch", "streamdiffusion", "comfystream")
"""What a module of parameters does not import."""
LONGEST_PARSE = 0.5
"""Seconds that importing and parsing parameters may take."""


def load_pipeline_class(pipeline: str | PipelineSpec) -> type[Pipeline]:
    """The class that a spec, a path `package.module:Class`, or an installed name means. Imports its module.

    An installed name that is not there means what is called like its part before the first `-`. Raises ValueError for
    an unknown one.
    """
    path = pipeline.pipeline_cls if isinstance(pipeline, PipelineSpec) else pipeline
    cls = _object(path) if ":" in path else _installed(path)
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
    return _named_params(name) or _own_params(kind)


def _named_params(name: str | None) -> type[BaseParams] | None:
    point = discovery.params_entry_point(name) if name else None
    model: type[BaseParams] | None = point.load() if point is not None else None
    return model


def _own_params(kind: type[Any]) -> type[BaseParams]:
    model = getattr(kind, "Params", None)
    return model if isinstance(model, type) and issubclass(model, BaseParams) else BaseParams


def _params_class(pipeline: str | PipelineSpec) -> type[BaseParams]:
    if isinstance(pipeline, str):
        return _named_params(pipeline) or _own_params(load_pipeline_class(pipeline))
    if pipeline.params_cls is None:
        return _own_params(load_pipeline_class(pipeline))
    model: type[BaseParams] = _object(pipeline.params_cls)
    return model


def _has_params_point(pipeline: str | PipelineSpec) -> bool:
    return isinstance(pipeline, str) and discovery.params_entry_point(pipeline) is not None


def _installed(name: str) -> Any:
    try:
        return discovery.entry_point(name).load()
    except TargetError as error:
        raise ValueError(str(error)) from None


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
