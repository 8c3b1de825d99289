"""The interface of batch pipelines, and what a server tells of itself."""

from ai_runner_base.batch import HealthCheck, Pipeline, Version

__all__ = ["HealthCheck", "Pipeline", "Version"]
