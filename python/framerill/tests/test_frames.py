"""Frames that tests make by hand, and what they refuse."""

from fractions import Fraction

import numpy as np
import pytest

from framerill import AudioFrame, VideoFrame
from framerill.errors import ContractError, FramerillError, MissingPackageError

PICTURE = np.arange(16 * 32 * 3, dtype=np.uint8).reshape(16, 32, 3)


def test_a_frame_knows_its_place_in_time_and_its_size():
    frame = VideoFrame(PICTURE, id=7, pts=45_000, time_base=Fraction(1, 90_000), discontinuity=True)
    assert (frame.id, frame.pts, frame.time_base, frame.seconds) == (7, 45_000, Fraction(1, 90_000), 0.5)
    assert (frame.width, frame.height, frame.pixel_format, frame.discontinuity) == (32, 16, "rgb24", True)
    assert repr(frame) == "<VideoFrame 7 32x16 rgb24 at 0.500 s>"


def test_with_pixels_keeps_the_time_and_takes_the_picture():
    frame = VideoFrame(PICTURE, id=7, pts=3)
    changed = frame.with_pixels(255 - frame.pixels)
    assert (changed.id, changed.pts) == (7, 3)
    assert (changed.pixels == 255 - PICTURE).all()
    assert frame.with_pixels(frame.pixels) is frame


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (PICTURE.astype(np.float64), r"of float64; convert it with `np.clip\(array, 0, 255\).astype\(np.uint8\)`"),
        (PICTURE[:8], r"got shape \(8, 32, 3\) of uint8; an answer has the size of its frame"),
        (PICTURE[..., 0], r"got shape \(16, 32\) of uint8"),
        (PICTURE.tolist(), "got list"),
        (None, "got NoneType"),
        (type("Tensor", (), {"detach": None})(), "got Tensor; a tensor goes into `with_tensor`"),
    ],
)
def test_a_wrong_picture_says_what_was_expected_and_what_came(pixels, said):
    with pytest.raises(ContractError, match=r"expected an array of shape \(16, 32, 3\) of uint8 \(rgb24\), .*" + said):
        VideoFrame(PICTURE).with_pixels(pixels)


@pytest.mark.parametrize(
    ("pixel_format", "shape", "dtype", "size"),
    [
        ("rgb24", (16, 32, 3), np.uint8, (32, 16)),
        ("gray8", (16, 32), np.uint8, (32, 16)),
        ("rgbf32", (16, 32, 3), np.float32, (32, 16)),
        ("nv12", (24, 32), np.uint8, (32, 16)),
    ],
)
def test_each_pixel_format_has_its_shape(pixel_format, shape, dtype, size):
    frame = VideoFrame(np.zeros(shape, dtype), pixel_format=pixel_format)
    assert (frame.width, frame.height) == size
    out = frame.output()
    assert (out.shape, out.dtype, out.flags.writeable) == (shape, dtype, True)
    with pytest.raises(ContractError):
        VideoFrame(np.zeros((*shape, 2), dtype), pixel_format=pixel_format)


def test_a_copy_is_free_to_change():
    picture = PICTURE.copy()
    picture.flags.writeable = False
    copy = VideoFrame(picture, id=3).copy()
    copy.pixels[...] = 0
    assert (copy.id, picture.any()) == (3, True)


def test_sound_keeps_its_dtype_and_channels():
    frame = AudioFrame(np.zeros((480, 2), np.int16), rate=48_000, pts=90_000)
    assert (frame.rate, frame.channels, frame.seconds) == (48_000, 2, 1.0)
    assert frame.with_samples(np.ones((100, 2), np.int16)).samples.shape == (100, 2)
    for wrong in (np.zeros((480, 1), np.int16), np.zeros((480, 2), np.float32), np.zeros(480, np.int16), None):
        with pytest.raises(ContractError, match=r"expected samples of shape \(N, 2\) of int16"):
            frame.with_samples(wrong)


@pytest.mark.parametrize("time_base", [(0, 1), (1, 0), Fraction(-1, 3)])
def test_a_time_base_is_a_positive_fraction(time_base):
    with pytest.raises(ValueError, match="positive fraction"):
        VideoFrame(PICTURE, time_base=time_base)


def test_without_torch_a_tensor_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match="pip install torch") as caught:
        _ = VideoFrame(PICTURE).tensor
    assert isinstance(caught.value, (ImportError, FramerillError))
