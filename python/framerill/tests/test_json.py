"""What is said as JSON can be read by anybody."""

from __future__ import annotations

import json
import math

import pytest

import framerill
from framerill import _target
from framerill._describe import describe
from framerill._json import encoded


def strict(data: bytes) -> object:
    def refuse(constant: str) -> object:
        raise AssertionError(constant)

    return json.loads(data, parse_constant=refuse)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_not_finite_is_null(value: float) -> None:
    assert strict(encoded({"a": [value, (1.5, {"b": value})]})) == {"a": [None, [1.5, {"b": None}]]}
    assert strict(encoded({value: 1})) == {str(value): 1}


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert strict(encoded({"a": "half \ud800"})) == {"a": "half ?"}


def test_what_json_does_not_know_is_said_as_text() -> None:
    assert strict(encoded({"a": {1}})) == {"a": "{1}"}


def test_a_pipeline_whose_default_is_infinite_can_be_described() -> None:
    class Far(framerill.Pipeline):
        class Params(framerill.Params):
            far: float = math.inf

        def process(self, frame: framerill.VideoFrame) -> framerill.VideoFrame:
            return frame

    said = strict(encoded(describe(_target.Found(Far, "far.py", "file"))))
    assert isinstance(said, dict)
    assert said["defaults"] == {"far": None}
