#!/usr/bin/env python3
"""What OpenCV makes of a noisy plate, for the tests of `crates/plates/src/picture/denoise`.

    denoise_vectors.py write DIR       the pictures (crates/plates/src/picture/denoise/vectors is written so)
    denoise_vectors.py check DIR       exit code 1 if a picture there is another one

It needs opencv-python-headless, and numpy; the pictures were written with OpenCV 5.0.0. Each has 64 x 24 pixels of three bytes
without gaps:

* `noisy.rgb`: a drawn plate with noise from a generator of its own;
* `lab.bytes`: the same in Lab with 8 bits each (`COLOR_LBGR2Lab`);
* `lab_means.bytes`: that after `fastNlMeansDenoising` with h 8, template 7, search 21, of lightness and colours;
* `lab_whole.bytes`: that after `createCLAHE(2, (4, 2))` and an unsharp mask (sigma 1, 0.5) of the lightness;
* `means.rgb`: `fastNlMeansDenoisingColored` of the first, with h and hColor 8;
* `whole.rgb`: `lab_whole.bytes` as RGB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 24
H = 8


def noise() -> Iterator[float]:
    """Numbers around 0 with a standard deviation of 10, the same each time."""
    state = 20260722
    while True:
        total = 0.0
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            total += (state >> 33) / 2**31
        yield 10 * (total - 6)


def plate() -> np.ndarray:
    """A light plate with dark strokes on something dark."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.float64)
    picture[:] = (70, 64, 58)
    picture[3:21, 4:60] = (206, 202, 184)
    for character in range(6):
        left = 8 + 8 * character
        picture[6:18, left : left + 2] = (30, 32, 48)
        top = 6 + 2 * character
        picture[top : top + 2, left : left + 6] = (30, 32, 48)
    picture[3:21, 56:60] = (40, 70, 190)
    grain = noise()
    for at in np.ndindex(picture.shape):
        picture[at] += next(grain)
    return picture.round().clip(0, 255).astype(np.uint8)


def pictures() -> dict[str, bytes]:
    """All of them by name."""
    noisy = plate()
    bgr = np.ascontiguousarray(noisy[:, :, ::-1])
    lab = cv2.cvtColor(bgr, cv2.COLOR_LBGR2Lab)
    light = cv2.fastNlMeansDenoising(lab[:, :, 0].copy(), None, H, 7, 21)
    # As a picture of two channels: what `fastNlMeansDenoisingColored` does with them.
    colours = cv2.fastNlMeansDenoising(lab[:, :, 1:].copy(), None, H, 7, 21)
    enhanced = cv2.createCLAHE(2.0, (4, 2)).apply(light)
    enhanced = cv2.addWeighted(
        enhanced, 1.5, cv2.GaussianBlur(enhanced, (7, 7), 1.0), -0.5, 0
    )
    means = cv2.fastNlMeansDenoisingColored(bgr, None, H, H, 7, 21)
    whole = cv2.cvtColor(np.dstack([enhanced, colours]), cv2.COLOR_Lab2LBGR)
    return {
        "noisy.rgb": noisy.tobytes(),
        "lab.bytes": lab.tobytes(),
        "lab_means.bytes": np.dstack([light, colours]).tobytes(),
        "lab_whole.bytes": np.dstack([enhanced, colours]).tobytes(),
        "means.rgb": np.ascontiguousarray(means[:, :, ::-1]).tobytes(),
        "whole.rgb": np.ascontiguousarray(whole[:, :, ::-1]).tobytes(),
    }


def main(argv: list[str]) -> int:
    """Writes or checks. Returns the exit code."""
    if len(argv) != 3 or argv[1] not in ("write", "check"):
        print(__doc__, file=sys.stderr)
        return 2
    folder, others = Path(argv[2]), []
    for name, content in pictures().items():
        file = folder / name
        if argv[1] == "write":
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        elif not file.is_file() or file.read_bytes() != content:
            others.append(name)
    if others:
        print(f"other pictures: {', '.join(others)}", file=sys.stderr)
    return int(bool(others))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
