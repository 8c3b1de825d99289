"""The pipeline that changes nothing."""

from ai_runner_base.noop import PassOn

from .interface import Pipeline

__all__ = ["Noop"]


class Noop(PassOn, Pipeline):
    """Gives every picture back as it came."""
