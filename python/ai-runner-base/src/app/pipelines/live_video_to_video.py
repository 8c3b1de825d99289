"""A live pipeline, served by processes of its own."""

from ai_runner_base.live import LiveVideoToVideoPipeline

__all__ = ["LiveVideoToVideoPipeline"]
