"""Parameters that every live pipeline has. Imports pydantic and nothing heavy: servers parse parameters, too."""

from __future__ import annotations

from pydantic import BaseModel, Field

from .frames import DEFAULT_HEIGHT, DEFAULT_WIDTH

__all__ = ["BaseParams"]


class BaseParams(BaseModel):
    """Parameters of a live pipeline. Inherit it and add fields; unknown names are passed over.

    Keep the module that defines them apart from the pipeline's own, so that it is imported fast and without a model.
    """

    width: int = Field(
        default=DEFAULT_WIDTH, ge=384, le=1024, multiple_of=64, description="Width of pictures, in pixels."
    )
    height: int = Field(
        default=DEFAULT_HEIGHT, ge=384, le=1024, multiple_of=64, description="Height of pictures, in pixels."
    )
    show_reloading_frame: bool = Field(default=True, description="Show an overlay while the pipeline reloads.")

    def get_output_resolution(self) -> tuple[int, int]:
        """Width and height of what the pipeline gives. Override it in a pipeline that changes the size."""
        return self.width, self.height
