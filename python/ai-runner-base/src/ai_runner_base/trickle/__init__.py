"""Clients of trickle channels, with nothing but the standard library; pictures and sound over them need PyAV."""

from .media import run_publish, run_subscribe
from .publisher import SegmentWriter, TricklePublisher
from .subscriber import SegmentReader, TrickleSubscriber
from .wire import ChannelEnded, TrickleError

__all__ = [
    "ChannelEnded",
    "SegmentReader",
    "SegmentWriter",
    "TrickleError",
    "TricklePublisher",
    "TrickleSubscriber",
    "run_publish",
    "run_subscribe",
]
