"""The pipeline that an author writes, and its parameters."""

from typing import ClassVar

from ai_runner_base.interface import Pipeline as _Pipeline
from ai_runner_base.params import BaseParams

__all__ = ["BaseParams", "Pipeline"]


class Pipeline(_Pipeline):
    """A live pipeline whose tensors are in [-1, 1], given and taken."""

    tensor_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
