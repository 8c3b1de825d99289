"""What several test files share."""

from pathlib import Path

import pytest

PIPELINES = Path(__file__).with_name("pipelines_under_test.py")


@pytest.fixture
def target():
    """Names a class of `pipelines_under_test.py`."""
    return lambda name: f"{PIPELINES}:{name}"
