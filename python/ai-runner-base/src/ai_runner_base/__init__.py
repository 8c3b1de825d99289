"""What stands behind the import roots `app` and `runner`: pipelines written for ai-runner, run by framerill.

Reading order: `interface` (what an author writes), `frames` (what it gets and answers), `adapter` (how framerill runs
it), `spec` and `loader` (how it is named and found), `live` and `application` (how it is served).

Pipelines import from `app.*` (pictures in [-1, 1]) or `runner.*` (pictures in [0, 1]), not from here.
"""

from __future__ import annotations

from ._version import __version__

__all__ = ["__version__"]
