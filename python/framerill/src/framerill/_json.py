"""JSON that every language takes, whatever an author's value holds."""

from __future__ import annotations

import json
import math
from typing import Any

# An author's module may put something else there.
_dumps = json.dumps


def encoded(value: object, indent: int | None = None) -> bytes:
    """`value` as JSON: no number but finite ones (null stands for others), no half of a surrogate pair (`?`)."""
    separators = (",", ":") if indent is None else None

    def text_of(value: object) -> str:
        return _dumps(value, default=str, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)

    try:
        text = text_of(value)
    except ValueError:
        text = text_of(_finite(value))
    return text.encode(errors="replace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_finite_key(key): _finite(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(it) for it in value]
    return value


def _finite_key(key: Any) -> Any:
    return str(key) if isinstance(key, float) else key
