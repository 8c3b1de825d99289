"""From a name, a path or a spec to a pipeline and its parameters."""

from typing import Any

from ai_runner_base import loader as _loader

from .interface import BaseParams
from .spec import PipelineSpec, builtin_pipeline_spec

__all__ = ["load_pipeline", "load_pipeline_class", "parse_pipeline_params"]


def load_pipeline_class(pipeline: str | PipelineSpec) -> type[Any]:
    """The class that a spec, a path `package.module:Class`, or an installed name means. Imports its module."""
    return _loader.load_pipeline_class(_built_in(pipeline))


def load_pipeline(pipeline: str | PipelineSpec) -> Any:
    """A new instance of the pipeline, not initialized."""
    return _loader.load_pipeline(_built_in(pipeline))


def parse_pipeline_params(pipeline: str | PipelineSpec, params: dict[str, Any]) -> BaseParams:
    """The parameters as the pipeline's own class reads them, which has half a second and no torch."""
    return _loader.parse_pipeline_params(_built_in(pipeline), params)


def _built_in(pipeline: str | PipelineSpec) -> str | PipelineSpec:
    if isinstance(pipeline, str):
        return builtin_pipeline_spec(pipeline) or pipeline
    return pipeline
