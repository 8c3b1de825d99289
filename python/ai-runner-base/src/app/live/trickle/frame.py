"""Pictures and sound."""

from ai_runner_base.frames import (
    AudioFrame,
    AudioOutput,
    InputFrame,
    OutputFrame,
    SideData,
    VideoFrame,
    VideoOutput,
)

__all__ = ["AudioFrame", "AudioOutput", "InputFrame", "OutputFrame", "SideData", "VideoFrame", "VideoOutput"]
