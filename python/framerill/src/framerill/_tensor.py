"""Pictures to tensors and back, on any device. torch is imported here and nowhere else."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._caps import Array, Caps
from .errors import ContractError, MissingPackageError

HERE = (1, 0)
"""Ordinary memory, as DLPack names devices."""
_TENSOR_FORMATS = ("rgb24", "rgbf32")


def _torch() -> Any:
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError(
            "`frame.tensor` and `frame.to` need torch, which is not installed here: pip install torch"
        ) from error
    return torch


def default_device() -> Any:
    """The first CUDA device when there is one, else the CPU."""
    torch = _torch()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(name: str | None) -> Any:
    """The device that a pipeline named, or the default."""
    return default_device() if name is None else _torch().device(name)


# From a picture to a tensor


def moved(pixels: Array, device: Any) -> Any:
    """The pixels as they are, in a tensor of their own on `device`."""
    torch = _torch()
    device = torch.device(device)
    # A slot is read-only and lent: its bytes go through memory of torch's own, page-locked when they go to a GPU.
    staging = torch.empty(
        pixels.shape,
        dtype=torch.uint8 if pixels.dtype == np.uint8 else torch.float32,
        pin_memory=device.type == "cuda",
    )
    np.copyto(staging.numpy(), pixels)
    return staging.to(device, non_blocking=True)


def converted(pixels: Any, caps: Caps, limits: tuple[float, float]) -> Any:
    """A new float32 tensor `(1, H, W, 3)` in `limits`, made where the tensor `pixels` lies. Raises ContractError."""
    _check(caps)
    torch = _torch()
    low, high = limits
    if caps.format == "rgb24":
        picture = pixels.to(torch.float32).mul_((high - low) / 255.0)
    else:
        picture = pixels.mul(high - low)
    return picture.add_(low).unsqueeze_(0)


def exported(pixels: Array, options: dict[str, Any]) -> Any:
    """A DLPack capsule of a picture: its memory where it can be marked read-only, else a copy."""
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return pixels.__dlpack__(**given)
    except (BufferError, TypeError, ValueError) as error:
        # A mark takes numpy 2.1, and a taker that asks for DLPack 1.0.
        if given.get("copy") is False or given.get("dl_device", HERE) != HERE:
            raise BufferError("a read-only picture in ordinary memory goes there as a copy only") from error
    return pixels.copy().__dlpack__()


# From a tensor to a picture


def write(value: Any, out: Array, caps: Caps, limits: tuple[float, float]) -> bool:
    """Writes the picture in an array or tensor into `out`; whether there was a NaN in it.

    uint8 as it is; float from `limits`, clamped, NaN as black. Raises ContractError for anything else.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _write_tensor(torch, value, out, caps, limits)
    if isinstance(value, np.ndarray):
        return _write_array(value, out, caps, limits)
    if hasattr(value, "__dlpack__"):
        return _write_foreign(value, out, caps, limits)
    if hasattr(value, "__array_interface__"):
        return _write_array(np.asarray(value), out, caps, limits)
    raise ContractError(f"{_expected(caps, limits)}, got {type(value).__name__}")


def _write_foreign(value: Any, out: Array, caps: Caps, limits: tuple[float, float]) -> bool:
    try:
        array = np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        # It lies on a device, or has a type that numpy lacks.
        try:
            torch = _torch()
        except MissingPackageError:
            raise ContractError(
                f"{_expected(caps, limits)}, got {type(value).__name__}, which numpy cannot take ({error}); "
                "with torch installed it can be taken from its device"
            ) from error
        return _write_tensor(torch, torch.from_dlpack(value), out, caps, limits)
    return _write_array(array, out, caps, limits)


def _write_array(array: Array, out: Array, caps: Caps, limits: tuple[float, float]) -> bool:
    is_float = array.dtype.kind == "f"
    _fits(array.shape, str(array.dtype), array.dtype == np.uint8, is_float, caps, limits)
    picture = array.reshape(caps.shape)
    if not is_float:
        np.copyto(out, picture)
        return False
    low, high = limits
    full = 255.0 if caps.format == "rgb24" else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        scaled: Array = picture.astype(np.float32)
        scaled -= np.float32(low)
        scaled *= np.float32(full / (high - low))
        np.clip(scaled, 0.0, full, out=scaled)
    has_nan = blacken(scaled)
    if caps.format == "rgb24":
        np.rint(scaled, out=scaled)
    np.copyto(out, scaled, casting="unsafe")
    return has_nan


def blacken(picture: Array) -> bool:
    """Puts 0 where a float picture has a NaN; whether it had one."""
    nan = np.isnan(picture)
    if not nan.any():
        return False
    picture[nan] = 0.0
    return True


def _write_tensor(torch: Any, tensor: Any, out: Array, caps: Caps, limits: tuple[float, float]) -> bool:
    is_float = tensor.dtype.is_floating_point
    dtype = str(tensor.dtype).removeprefix("torch.")
    _fits(tuple(tensor.shape), dtype, tensor.dtype == torch.uint8, is_float, caps, limits)
    low, high = limits
    full = 255.0 if caps.format == "rgb24" else 1.0
    nan: Any = False
    with torch.no_grad():
        picture = tensor.detach().reshape(caps.shape)
        if is_float:
            picture = picture.to(torch.float32).sub(low).mul_(full / (high - low))
            nan = torch.isnan(picture).any()
            picture = torch.nan_to_num(picture, nan=0.0, posinf=full, neginf=0.0).clamp_(0.0, full)
            if caps.format == "rgb24":
                picture = picture.round_().to(torch.uint8)
        torch.from_numpy(out).copy_(picture)
    # Not before the picture is here: the device has worked it out by then, and nobody waits for it twice.
    return bool(nan)


def scaled(tensor: Any, caps: Caps) -> Any:
    """`(1, H, W, 3)` at the size of `caps`, on the device where it lies."""
    torch = _torch()
    with torch.no_grad():
        planes = tensor.detach().permute(0, 3, 1, 2).to(torch.float32)
        size = (caps.height, caps.width)
        sized = torch.nn.functional.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
        sized = sized.permute(0, 2, 3, 1)
        return sized if tensor.dtype.is_floating_point else sized.round_().clamp_(0, 255).to(tensor.dtype)


def _fits(
    shape: tuple[int, ...], dtype: str, is_pixels: bool, is_float: bool, caps: Caps, limits: tuple[float, float]
) -> None:
    """Raises ContractError unless a picture of these caps can be made of that."""
    if is_float:
        _check(caps)
    elif not is_pixels or caps.format == "rgbf32":
        advice = "; convert it with `.to(torch.float32)` or `.astype(np.float32)`"
        raise ContractError(f"{_expected(caps, limits)}, got {_of(shape, dtype)}{advice}")
    if shape in (caps.shape, (1, *caps.shape)):
        return
    raise ContractError(f"{_expected(caps, limits)}, got {_of(shape, dtype)}{_advice(shape, caps)}")


def _advice(shape: tuple[int, ...], caps: Caps) -> str:
    if caps.format in _TENSOR_FORMATS and shape[-3:] == (3, caps.height, caps.width):
        return "; move the channels last with `.permute(0, 2, 3, 1)`"
    if shape[1:] == caps.shape:
        return "; answer several pictures with a list of them"
    if len(shape) >= len(caps.shape):
        return "; an answer has the size of its frame, or of the pipeline's `output_size`"
    return ""


def _expected(caps: Caps, limits: tuple[float, float]) -> str:
    kinds = []
    if caps.format != "rgbf32":
        kinds.append("uint8 pixels")
    if caps.format in _TENSOR_FORMATS:
        kinds.append(f"float in {limits[0]:g} to {limits[1]:g}")
    return f"expected a picture of shape {(1, *caps.shape)} or {caps.shape} ({', or '.join(kinds)})"


def _of(shape: tuple[int, ...], dtype: str) -> str:
    return f"shape {tuple(shape)} of {dtype}"


def _check(caps: Caps) -> None:
    if caps.format not in _TENSOR_FORMATS:
        raise ContractError(
            f'tensors are made of rgb24 and rgbf32 pictures, not of {caps.format}; set pixel_format = "rgb24"'
        )
