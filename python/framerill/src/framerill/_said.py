"""What exceptions of an author's say."""

from __future__ import annotations

import os


def text_of(error: BaseException) -> str:
    """What an exception says, also if its author's `__str__` fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  the border to the author's class
        return f"<its text cannot be had: {type(failure).__name__}>"


def words_of(error: BaseException) -> str:
    """What it says, else what it is called."""
    return text_of(error) or type(error).__name__


def named(error: BaseException) -> str:
    """What it is called, and what it says if it says anything."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def author_stack(kind: type) -> str | None:
    """Where the author's code is now, like a traceback; else where its method begins, if that is known."""
    import inspect
    import traceback

    ours, library = os.path.dirname(__file__) + os.sep, os.path.dirname(os.__file__) + os.sep

    def is_authors(file: str) -> bool:
        is_library = file.startswith(library) and "site-packages" not in file
        return not (is_library or file.startswith((ours, "<frozen ")))

    authors = [it for it in traceback.extract_stack() if is_authors(it.filename)]
    if authors:
        return "".join(traceback.format_list(authors))
    code = getattr(inspect.unwrap(getattr(kind, "process", kind)), "__code__", None)
    return (
        None
        if code is None or not is_authors(code.co_filename)
        else f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n'
    )
