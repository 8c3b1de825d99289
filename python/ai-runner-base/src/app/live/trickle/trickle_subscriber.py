"""Reads a trickle channel."""

from ai_runner_base.trickle import TrickleSubscriber

__all__ = ["TrickleSubscriber"]
