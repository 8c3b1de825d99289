"""Pictures and sound over trickle channels; tensors are in [0, 1]."""

from functools import partial

from ai_runner_base.trickle import run_publish as _run_publish
from ai_runner_base.trickle import run_subscribe as _run_subscribe

__all__ = ["run_publish", "run_subscribe"]

run_publish = partial(_run_publish, tensor_range=(0.0, 1.0))
run_subscribe = partial(_run_subscribe, tensor_range=(0.0, 1.0))
