"""Tensors. Needs torch, and says so where it is missing."""

import numpy as np
import pytest

import framerill
from framerill import Pipeline, VideoFrame, testing
from framerill._caps import Caps
from framerill._resize import fitted
from framerill.errors import ContractError

torch = pytest.importorskip("torch", reason="torch is not installed: tensors are NOT TESTED")

PICTURE = testing.clip(1)[0]


def on_cpu(limits):
    class Tensors(Pipeline):
        device = "cpu"
        tensor_range = limits

        def process(self, frame: VideoFrame) -> VideoFrame:
            tensor = frame.tensor
            assert tensor.shape == (1, frame.height, frame.width, 3)
            assert tensor.dtype == torch.float32
            assert limits[0] <= tensor.min() <= tensor.max() <= limits[1]
            return frame.with_tensor(tensor)

    return Tensors


@pytest.mark.parametrize("limits", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)])
def test_every_level_survives_the_way_there_and_back(limits):
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert (testing.run(on_cpu(limits), levels).frames[0] == levels[0]).all()


def test_values_outside_are_clamped_and_nan_is_black():
    frame = VideoFrame(PICTURE)
    tensor = torch.zeros(PICTURE.shape)
    tensor[0, :5, 0] = torch.tensor([-7.0, 7.0, float("nan"), float("inf"), float("-inf")])
    assert frame.with_tensor(tensor).pixels[0, :6, 0].tolist() == [0, 255, 0, 255, 0, 128]


def test_a_tensor_never_aliases_the_picture():
    frame = VideoFrame(PICTURE.copy())
    frame.tensor.fill_(0)
    assert (frame.pixels == PICTURE).all()


def test_a_wrong_shape_says_what_was_expected():
    frame = VideoFrame(PICTURE)
    with pytest.raises(ContractError, match=r"expected a picture of shape .*permute"):
        frame.with_tensor(frame.tensor.permute(0, 3, 1, 2))
    with pytest.raises(ContractError, match=r"expected a picture of shape .* got str"):
        frame.with_tensor("a picture")
    with pytest.raises(ContractError, match="not of gray8"):
        _ = VideoFrame(PICTURE[..., 0].copy(), pixel_format="gray8").tensor


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (1,)])
def test_a_tensor_is_an_answer(dtype, lead):
    @framerill.pipeline(tensor_range=(0.0, 1.0))
    def flat(frame):
        values = torch.full((*lead, *frame.pixels.shape), 1.0, dtype=dtype, requires_grad=True)
        return values * torch.tensor([0.0, 1.0, float("nan")], dtype=dtype)

    assert (testing.run(flat, 1).frames[0] == [0, 255, 0]).all()


def test_a_uint8_tensor_is_pixels_and_another_integer_is_refused():
    @framerill.pipeline
    def halves(frame):
        return torch.from_dlpack(frame) // 2

    assert (testing.run(halves, PICTURE[None]).frames[0] == PICTURE // 2).all()
    with pytest.raises(ContractError, match="of int32; convert it"):
        testing.run(framerill.pipeline(lambda frame: torch.zeros(frame.pixels.shape, dtype=torch.int32)), 1)


def test_dlpack_keeps_the_frames_memory():
    frame = VideoFrame(PICTURE.copy())
    assert torch.from_dlpack(frame).data_ptr() == frame.pixels.ctypes.data
    assert torch.equal(torch.from_dlpack(frame), torch.from_numpy(PICTURE))


def devices():
    missing = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: tensors on a GPU are NOT TESTED")
    return ["cpu", pytest.param("cuda", marks=missing)]


@pytest.mark.parametrize("device", devices())
def test_a_frame_goes_to_a_device_as_uint8_and_becomes_a_tensor_there(device):
    frame = VideoFrame(PICTURE.copy(), id=3, pts=7)
    there = frame.to(device)
    assert (there.id, there.pts, there.pixels is frame.pixels) == (3, 7, True)
    raw = torch.from_dlpack(there)
    assert (raw.dtype, raw.device.type, tuple(raw.shape)) == (torch.uint8, device, PICTURE.shape)
    tensor = there.tensor
    assert tensor.device.type == device
    assert torch.equal(tensor.cpu(), _on_cpu(frame))
    tensor.fill_(0)
    raw.fill_(0)
    assert (frame.pixels == PICTURE).all()


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("made", [lambda it: it.tensor, torch.from_dlpack, lambda it: it])
def test_what_lies_on_a_device_is_an_answer(device, made):
    through = framerill.pipeline(lambda frame: made(frame.to(device)))
    assert (testing.run(through, PICTURE[None]).frames[0] == PICTURE).all()


def test_floats_of_a_frame_on_a_device_are_its_own():
    frame = VideoFrame(PICTURE.astype(np.float32) / 255, pixel_format="rgbf32").to("cpu")
    assert torch.equal(frame.tensor, frame.tensor)


def test_a_tensor_of_another_size_is_scaled_where_it_lies_as_an_array_is():
    height, width, _ = PICTURE.shape
    large = Caps.of("rgb24", width * 2, height * 2)
    arrays = fitted(PICTURE, large).astype(np.int16)
    bytes_of = fitted(torch.from_numpy(PICTURE), large)
    assert (bytes_of.dtype, tuple(bytes_of.shape)) == (torch.uint8, (1, *large.shape))
    assert abs(bytes_of.numpy()[0] - arrays).max() <= 1
    floats = fitted(torch.from_numpy(PICTURE)[None] / 255, large)
    assert floats.dtype == torch.float32
    assert abs(floats.numpy()[0] * 255 - arrays).max() <= 1
    small = fitted(torch.full((1, height, width, 3), 7, dtype=torch.uint8), Caps.of("rgb24", 6, 4))
    assert small.shape == (1, 4, 6, 3)
    assert (small == 7).all()


def _on_cpu(frame):
    return framerill.VideoFrame(frame.pixels).to("cpu").tensor
