"""Stages of test_plates.py."""

import os

from framerill.plates import Later, Plate, Stage, Text


class Sees(Stage):
    """Says what it was given."""

    category = "ocr"

    def process(self, task, picture):
        height, width = picture.shape[:2]
        assert task.frame.shape[:2] == (40, 60)
        return Text(f"{width}x{height} {int(picture[0, 0, 0])}", 0.75)


class Fails(Stage):
    """Fails as its video says."""

    def process(self, task, picture):
        if task.video_id == "later":
            raise Later("the service is away")
        if task.video_id == "dies":
            os._exit(7)
        if task.video_id == "wrong":
            return {"text": "AB1"}
        raise ValueError("no such letter")


class Slow(Stage):
    """Loads at the second try."""

    tries = 0

    def load(self):
        Slow.tries += 1
        if Slow.tries == 1:
            raise RuntimeError("the file is being written")

    def process(self, task, picture):
        return None


class Finds(Stage):
    """Two plates, the surer one second."""

    category = "plate_yolo"

    def process(self, task, picture):
        return [Plate((1, 2, 9, 5), 0.4), Plate((2, 2, 9, 5), 0.9, ((2, 2), (9, 2), (9, 5), (2, 5)), 2)]


class NoStage:
    """Nothing of ours."""
