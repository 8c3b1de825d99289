"""What can be changed while the pipeline runs."""

import framerill
from pydantic import Field


class ExternalPipelineExampleParams(framerill.Params):
    """Checked before the pipeline sees them; bounds and descriptions show up in `framerill pipelines describe`."""

    strength: float = Field(0.8, ge=0.0, le=1.0, description="How far pictures go towards their negative")
