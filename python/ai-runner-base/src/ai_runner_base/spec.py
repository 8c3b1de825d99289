"""A pipeline by the paths of its classes."""

from __future__ import annotations

from typing import Any

from framerill.discovery import name_of_class
from pydantic import BaseModel, Field, field_validator, model_validator

__all__ = ["PipelineSpec"]


class PipelineSpec(BaseModel):
    """Names a pipeline by its classes, which nobody imports before they are needed.

    As JSON it is a target of framerill: `framerill serve --pipeline '{"pipeline_cls": "my_pipeline.pipeline:Mine"}'`.
    """

    name: str = ""
    """What requests call it; without one, its class's name in lower case, less `pipeline` at its end."""
    pipeline_cls: str
    """`package.module:Class`."""
    params_cls: str | None = None
    """`package.module:Class` of its parameters; without one, what its class says."""
    initial_params: dict[str, Any] = Field(default_factory=dict)
    """What it is loaded with, and what holds again when no stream runs."""
    tensor_range: tuple[float, float] | None = None
    """Black and white in its tensors; without one, what its class says."""

    @field_validator("pipeline_cls", "params_cls")
    @classmethod
    def _is_a_path(cls, path: str | None) -> str | None:
        if path is not None:
            module, colon, name = path.rpartition(":")
            if not (module and colon and name):
                raise ValueError(f"a class is named as `package.module:Class`, not `{path}`")
        return path

    @model_validator(mode="after")
    def _has_a_name(self) -> PipelineSpec:
        if not self.name:
            self.name = name_of_class(self.pipeline_cls)
        return self

    def target(self) -> str:
        """The JSON that framerill takes for a pipeline."""
        return self.model_dump_json(exclude_none=True)
