from app.live.pipelines.interface import BaseParams
from pydantic import Field

class MyPipelineParams(BaseParams):
    """Parameters for MyPipeline."""

    # Add your custom parameters
    strength: float = Field(
        default=0.8,
        ge=0.0,
        le=1.0,
        description="Processing strength"
    )

    # BaseParams already provides: width, height, show_reloading_frame
