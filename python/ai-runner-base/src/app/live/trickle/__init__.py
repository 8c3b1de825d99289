"""Frames, and clients of trickle channels."""

from ai_runner_base.frames import (
    DEFAULT_HEIGHT,
    DEFAULT_WIDTH,
    AudioFrame,
    AudioOutput,
    InputFrame,
    OutputFrame,
    VideoFrame,
    VideoOutput,
)
from ai_runner_base.trickle import TricklePublisher, TrickleSubscriber

from .media import run_publish, run_subscribe

__all__ = [
    "DEFAULT_HEIGHT",
    "DEFAULT_WIDTH",
    "AudioFrame",
    "AudioOutput",
    "InputFrame",
    "OutputFrame",
    "TricklePublisher",
    "TrickleSubscriber",
    "VideoFrame",
    "VideoOutput",
    "run_publish",
    "run_subscribe",
]
