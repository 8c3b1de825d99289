"""Arrays and tensors as answers, and pictures as arrays and tensors of other libraries."""

import numpy as np
import pytest

import framerill
from framerill import VideoFrame, testing
from framerill.errors import ContractError

CLIP = testing.clip(frames=3, size=(32, 16))
PICTURE = CLIP[0]
ODD = [-7.0, 7.0, float("nan"), float("inf"), float("-inf"), 0.0]
LEVELS = [0, 255, 0, 255, 0, 128]


def answer(value, **attributes):
    """What comes out when every frame is answered with this, or with what it makes of the frame."""
    made = framerill.pipeline(**attributes)(lambda frame: value(frame) if callable(value) else value)
    return testing.run(made, CLIP[:1]).frames[0]


class Foreign:
    """An array of another library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Elsewhere(Foreign):
    """One on a device that nobody here can read."""

    def __dlpack__(self, **options):
        raise BufferError("it lies on the moon")

    def __dlpack_device__(self):
        return (2, 0)


class Image:
    """What has an array's interface and nothing else, as images of Pillow have."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


@pytest.mark.parametrize("wrap", [np.asarray, Foreign, Image])
@pytest.mark.parametrize("shape", [(16, 32, 3), (1, 16, 32, 3)])
def test_uint8_is_pixels(wrap, shape):
    assert (answer(wrap(np.array(PICTURE).reshape(shape))) == PICTURE).all()


@pytest.mark.parametrize("wrap", [np.asarray, Foreign])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(16, 32, 3), (1, 16, 32, 3)])
def test_float_is_in_the_range_of_tensors_clamped_and_nan_is_black(wrap, dtype, shape):
    values = np.zeros(PICTURE.shape, dtype)
    values[0, :6, 0] = ODD
    got = answer(wrap(values.reshape(shape)))
    assert got[0, :6, 0].tolist() == LEVELS
    assert (got[1:] == 128).all()
    assert (answer(wrap(np.full(shape, 0.2, dtype)), tensor_range=(0.0, 1.0)) == 51).all()


def test_every_level_survives_as_float():
    levels = np.arange(256, dtype=np.uint8).repeat(6).reshape(16, 32, 3)
    for low, high in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)):
        values = (levels / 255 * (high - low) + low).astype(np.float32)
        assert (answer(values, tensor_range=(low, high)) == levels).all()


def test_a_number_too_large_for_float32_is_white_without_a_warning(recwarn):
    assert answer(np.full(PICTURE.shape, 1e300)).min() == 255
    assert not recwarn.list


def test_arrays_may_be_several_answers():
    @framerill.pipeline
    def listed(frame):
        return [frame, 255 - frame.pixels, np.zeros(frame.pixels.shape, np.float32)]

    @framerill.pipeline
    def yielded(frame):
        work = np.array(frame.pixels)
        yield work
        work[...] = 7
        yield work

    run = testing.run(listed, CLIP)
    assert (run.frames[1] == 255 - CLIP[0]).all()
    assert (run.frames[2] == 128).all()
    run = testing.run(yielded, CLIP)
    assert (run.frames[0] == CLIP[0]).all()
    assert (run.frames[1] == 7).all()


def test_the_frames_own_pixels_are_the_frame_and_an_output_array_is_not_copied():
    assert testing.run(framerill.pipeline(lambda frame: frame.pixels), CLIP).passed == len(CLIP)

    @framerill.pipeline
    def fills(frame):
        out = frame.output()
        np.subtract(255, frame.pixels, out=out)
        return out

    run = testing.run(fills, CLIP)
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))


def test_pixels_of_other_formats():
    gray = np.full((16, 32), 9, np.uint8)
    assert (answer(gray, pixel_format="gray8") == 9).all()
    assert (answer(gray[None], pixel_format="gray8") == 9).all()
    halves = answer(lambda frame: frame.pixels * np.float32(0.5), pixel_format="rgbf32", tensor_range=(-1.0, 1.0))
    assert np.allclose(halves, PICTURE / 510.0)


@pytest.mark.parametrize(
    ("value", "attributes", "said"),
    [
        (np.zeros((16, 32, 3), np.int64), {}, r"uint8 pixels, or float in -1 to 1\), got .* of int64; convert it"),
        (np.zeros((16, 32, 3), bool), {}, "got shape .* of bool"),
        (np.zeros((3, 16, 32), np.float32), {}, "move the channels last"),
        (np.zeros((2, 16, 32, 3), np.uint8), {}, "answer several pictures with a list"),
        (np.zeros((8, 8, 3), np.uint8), {}, "an answer has the size of its frame"),
        (np.float32(3), {}, r"got shape \(\) of float32"),
        (Foreign(np.zeros((8, 8, 3), np.float32)), {}, r"got shape \(8, 8, 3\) of float32"),
        (Elsewhere(PICTURE), {}, "numpy cannot take .it lies on the moon"),
        (np.zeros((16, 32), np.float32), {"pixel_format": "gray8"}, "not of gray8"),
        (np.zeros((16, 32, 3), np.uint8), {"pixel_format": "rgbf32"}, "of uint8; convert it"),
    ],
)
def test_what_cannot_be_a_picture_says_what_was_expected_and_what_came(value, attributes, said, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)  # as if it were not installed
    with pytest.raises(ContractError, match=rf"`<lambda>.process` answers frame 0 with a wrong picture: .*{said}"):
        answer(value, **attributes)
    with pytest.raises(ContractError, match=r"one of which|wrong picture"):
        answer([value], **attributes)


def lent():
    """A frame as workers get it: read-only."""
    pixels = np.array(PICTURE)
    pixels.flags.writeable = False
    return VideoFrame(pixels)


def test_a_frame_is_an_array_without_a_copy():
    frame = lent()
    assert np.asarray(frame) is frame.pixels
    copy = np.array(frame)
    copy[...] = 0
    assert (frame.pixels == PICTURE).all()
    assert np.asarray(frame, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="only in a copy"):
        frame.__array__(np.float32, copy=False)


def test_a_frame_is_a_dlpack_tensor_that_nobody_can_write_by_accident():
    frame = lent()
    array = np.from_dlpack(frame)
    assert (array == PICTURE).all()
    assert frame.__dlpack_device__() == (1, 0)
    # Numpy before 2.1 cannot mark it.
    is_shared = np.lib.NumpyVersion(np.__version__) >= "2.1.0"
    assert (array.ctypes.data == frame.pixels.ctypes.data) is is_shared
    assert not array.flags.writeable


def test_who_cannot_be_told_that_it_is_read_only_gets_a_copy():
    frame = lent()

    class Old:
        def __dlpack__(self, **_):
            return frame.__dlpack__()

        def __dlpack_device__(self):
            return frame.__dlpack_device__()

    array = np.from_dlpack(Old())
    assert (array == PICTURE).all()
    assert array.ctypes.data != frame.pixels.ctypes.data
    with pytest.raises(BufferError, match="as a copy only"):
        frame.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="as a copy only"):
        frame.__dlpack__(dl_device=(2, 0))


def test_a_batch_may_be_answered_with_one_array():
    @framerill.pipeline(batch_size=2)
    def inverts(frames):
        return 255 - np.stack([frame.pixels for frame in frames])

    run = testing.run(inverts, CLIP)
    assert all((got == 255 - sent).all() for got, sent in zip(run.frames, CLIP, strict=True))
