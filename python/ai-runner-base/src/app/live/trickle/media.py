"""Pictures and sound over trickle channels."""

from ai_runner_base.trickle import run_publish, run_subscribe

__all__ = ["run_publish", "run_subscribe"]
