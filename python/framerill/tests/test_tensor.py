"""Tensors. Needs torch, and says so where it is missing."""

import numpy as np
import pytest

from framerill import Pipeline, VideoFrame, testing
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
    with pytest.raises(ContractError, match=r"expected a tensor of shape .*permute"):
        frame.with_tensor(frame.tensor.permute(0, 3, 1, 2))
    with pytest.raises(ContractError, match="expected a torch tensor"):
        frame.with_tensor(frame.pixels)
    with pytest.raises(ContractError, match="not of gray8"):
        _ = VideoFrame(PICTURE[..., 0].copy(), pixel_format="gray8").tensor
