"""Pictures to torch tensors and back. torch is imported here and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._caps import Array, Caps
from .errors import ContractError, MissingPackageError

_TENSOR_FORMATS = ("rgb24", "rgbf32")


def _torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError(
            "`frame.tensor` and `with_tensor` need torch, which is not installed here: pip install torch"
        ) from error
    return torch


def default_device() -> Any:
    """The first CUDA device when there is one, else the CPU."""
    torch = _torch()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(name: str | None) -> Any:
    """The device that a pipeline named, or the default."""
    return default_device() if name is None else _torch().device(name)


def upload(pixels: Array, caps: Caps, device: Any, limits: tuple[float, float]) -> Any:
    """Float32 `(1, H, W, 3)` on `device`, converted there."""
    torch = _torch()
    _check(caps)
    low, high = limits
    u8 = caps.format == "rgb24"
    # A slot is read-only and lent: its bytes go through memory of torch's own, page-locked when they go to a GPU.
    staging = torch.empty(
        caps.shape, dtype=torch.uint8 if u8 else torch.float32, pin_memory=torch.device(device).type == "cuda"
    )
    np.copyto(staging.numpy(), pixels)
    moved = staging.to(device, non_blocking=True)
    full = 255.0 if u8 else 1.0
    if u8:
        moved = moved.to(torch.float32)
    return moved.mul_((high - low) / full).add_(low).unsqueeze_(0)


def download(tensor: Any, out: Array, caps: Caps, limits: tuple[float, float]) -> None:
    """Writes the picture in `tensor` into `out`: clamped, NaN as 0. Raises ContractError for another shape."""
    torch = _torch()
    _check(caps)
    if not isinstance(tensor, torch.Tensor):
        raise ContractError(f"expected a torch tensor of shape {(1, *caps.shape)}, got {type(tensor).__name__}")
    shape = tuple(tensor.shape)
    if shape not in ((1, *caps.shape), caps.shape):
        advice = "; move the channels last with `t.permute(0, 2, 3, 1)`" if _channels_first(shape, caps) else ""
        raise ContractError(f"expected a tensor of shape {(1, *caps.shape)}, got {shape}{advice}")
    low, high = limits
    u8 = caps.format == "rgb24"
    full = 255.0 if u8 else 1.0
    with torch.no_grad():
        picture = tensor.detach().reshape(caps.shape).to(torch.float32)
        picture = picture.sub(low).mul_(full / (high - low))
        picture = torch.nan_to_num(picture, nan=0.0, posinf=full, neginf=0.0)
        if u8:
            picture = picture.round_().clamp_(0.0, full).to(torch.uint8)
        else:
            picture = picture.clamp_(0.0, full)
        torch.from_numpy(out).copy_(picture)


def _check(caps: Caps) -> None:
    if caps.format not in _TENSOR_FORMATS:
        raise ContractError(
            f'tensors are made of rgb24 and rgbf32 pictures, not of {caps.format}; set pixel_format = "rgb24"'
        )


def _channels_first(shape: tuple[int, ...], caps: Caps) -> bool:
    return shape[-3:] == (3, caps.height, caps.width)
