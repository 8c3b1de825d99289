"""Pipelines whose pictures have another size than their frames; what `says` names, their `output_size` does."""

import os
from typing import Any

import framerill


class Grows(framerill.Pipeline):
    """Repeats pixels."""

    class Params(framerill.Params):
        factor: int = 2
        width: int = 512
        height: int = 512

    @classmethod
    def output_size(cls, params: Any, width: int, height: int) -> tuple[int, int]:
        return width * params.factor, height * params.factor

    def process(self, frame):
        return frame.pixels.repeat(self.params.factor, 0).repeat(self.params.factor, 1)


class Waits(Grows):
    """Loads until somebody opens the pipe that GATE names."""

    def load(self):
        with open(os.environ["GATE"], encoding="utf-8") as gate:
            gate.read()
