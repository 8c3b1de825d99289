"""What an author of a live pipeline imports."""

from .interface import BaseParams, Pipeline
from .spec import PipelineSpec, builtin_pipeline_spec

__all__ = ["BaseParams", "Pipeline", "PipelineSpec", "builtin_pipeline_spec"]
