"""What exceptions of an author's say."""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """What an exception says, also if its author's `__str__` fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  the border to the author's class
        return f"<its text cannot be had: {type(failure).__name__}>"
