import numpy as np
import pytest
from framerill import testing

pytest.importorskip("cv2", reason="opencv-python-headless is not installed: the example is NOT TESTED")

from stylise import Stylise


def test_outlines_are_darker_than_what_they_surround():
    picture = np.full((1, 48, 64, 3), 200, np.uint8)
    picture[:, 16:32, 16:32] = 60
    drawn = testing.run(Stylise, picture).frames[0]
    assert drawn[16, 24].max() < drawn[24, 24].min()
    assert drawn[4, 4].min() > 180


def test_there_are_no_more_levels_than_asked_for():
    run = testing.run(Stylise, testing.clip(frames=2), {"levels": 4, "outline": 0.0})
    assert len(np.unique(run.frames[0])) <= 4


def test_white_stays_white_and_black_stays_black():
    for levels in (2, 7, 12, 64):
        for level in (0, 255):
            run = testing.run(Stylise, np.full((1, 16, 16, 3), level, np.uint8), {"levels": levels})
            assert (run.frames[0] == level).all()


def test_parameters_change_while_it_runs():
    clip = np.repeat(testing.clip(frames=1), 4, axis=0)
    run = testing.run(Stylise, clip, updates={2: {"outline": 0.0}})
    assert (run.frames[0] == run.frames[1]).all()
    assert run.frames[2].mean() > run.frames[1].mean()
