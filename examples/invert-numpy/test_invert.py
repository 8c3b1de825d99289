from framerill import testing
from invert import Invert


def test_inverting_twice_changes_nothing():
    clip = testing.clip(frames=8)
    once = testing.run(Invert, clip)
    twice = testing.run(Invert, once.frames)
    assert all((got == sent).all() for got, sent in zip(twice.frames, clip, strict=True))
