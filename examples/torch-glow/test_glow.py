import numpy as np
import pytest
from framerill import testing
from glow import Glow

pytest.importorskip("torch", reason="torch is not installed: the example is NOT TESTED")


def lamp():
    picture = np.zeros((1, 48, 64, 3), np.uint8)
    picture[:, 20:28, 28:36] = 255
    return picture


def test_a_bright_area_shines_on_its_surroundings_and_never_wraps():
    shining = testing.run(Glow, lamp(), {"strength": 2.0}).frames[0]
    assert shining[18, 32].min() > 0
    assert (shining[22:26, 30:34] == 255).all()
    assert shining[0, 0].max() == 0


def test_without_strength_nothing_changes():
    clip = testing.clip(frames=3)
    run = testing.run(Glow, clip, {"strength": 0.0})
    assert all((got == sent).all() for got, sent in zip(run.frames, clip, strict=True))
