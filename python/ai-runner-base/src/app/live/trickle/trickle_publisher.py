"""Writes a trickle channel."""

from ai_runner_base.trickle import TricklePublisher

__all__ = ["TricklePublisher"]
