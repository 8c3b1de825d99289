"""Placeholder."""

from __future__ import annotations

from typing import Any

__all__ = ["run_publish", "run_subscribe"]


async def run_subscribe(*args: Any, **options: Any) -> None:
    """Later."""
    raise NotImplementedError


async def run_publish(*args: Any, **options: Any) -> None:
    """Later."""
    raise NotImplementedError
