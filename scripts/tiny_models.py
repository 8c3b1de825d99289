#!/usr/bin/env python3
"""Tiny ONNX models with the layouts of real ones, for tests of plates on pictures that tests draw themselves.

    tiny_models.py write DIR                  the models and their registry (crates/plates/tests/models is written so)
    tiny_models.py check DIR                  exit code 1 if a file there is another one
    tiny_models.py draw TEXT [options]        raw rgb24 frames on stdout: a vehicle with that plate drives through; pipe it into
                                              `ffmpeg -f rawvideo -pix_fmt rgb24 -s 640x360 -r 25 -i - clip.mp4`

What the models see. Everything is a rectangle with upright sides; there is at most one of a colour in a picture.

* A vehicle is a rectangle of one pure colour: blue (0,0,255) is a car, green (0,255,0) a truck, red (255,0,0) a bus.
  Confidence 0.9. At least 12 pixels on a canvas of 416, that is 37 pixels of a picture 1280 wide.
* A plate is a rectangle with a border of one pure colour: yellow (255,255,0) or cyan (0,255,255) has one line of text,
  magenta (255,0,255) two. Confidence 0.9. It lies in a vehicle (or anywhere, for whole pictures). Border 3 % of the width
  (at least 3 pixels, so that a video's coarse colours keep it).
* Inside of the border lies a grid of grey cells: 9 columns, 2 rows; for two lines 4 rows, the upper two for the upper line.
  A column is a character: the upper cell is level N // 7, the lower one level N % 7 of its number N in
  `0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_`, where `_` is no character. Level K is grey 18 + 36 K. Texts end with `_`.
* Grey, black and white are background. What lies between two levels is read with less confidence.

The files are made of plain protobuf bytes: no package is needed, and the same bytes come everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
SLOTS = 9
LEVELS = 7
Colour = tuple[int, int, int]
VEHICLES: dict[str, tuple[Colour, int]] = {
    "car": ((0, 0, 255), 2),
    "truck": ((0, 255, 0), 7),
    "bus": ((255, 0, 0), 5),
}
PLATES: dict[str, tuple[Colour, int]] = {
    "yellow": ((255, 255, 0), 1),
    "cyan": ((0, 255, 255), 1),
    "magenta": ((255, 0, 255), 2),
}


def grey_of(level: int) -> int:
    """Grey of a level."""
    return 18 + 36 * level


# Protobuf, as far as ONNX needs it: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto


def varint(value: int) -> bytes:
    """A number in base 128."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes | str) -> bytes:
    """A field that holds bytes, a text or a message."""
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


FLOAT, UINT8, INT64 = 1, 2, 7


def floats(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    """A constant of floats."""
    assert math.prod(shape) == len(values), name
    dims = b"".join(number(1, it) for it in shape)
    return (
        dims
        + number(2, FLOAT)
        + data(8, name)
        + data(9, struct.pack(f"<{len(values)}f", *values))
    )


def integers(name: str, values: Sequence[int]) -> bytes:
    """A constant list of integers."""
    return (
        number(1, len(values))
        + number(2, INT64)
        + data(8, name)
        + data(9, struct.pack(f"<{len(values)}q", *values))
    )


def node(
    op: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]
) -> bytes:
    """An operation."""
    out = (
        b"".join(data(1, it) for it in inputs)
        + data(2, output)
        + data(3, output)
        + data(4, op)
    )
    for name, value in attributes.items():
        if isinstance(value, int):
            out += data(5, data(1, name) + number(3, value) + number(20, 2))
        else:
            out += data(
                5,
                data(1, name) + b"".join(number(8, it) for it in value) + number(20, 7),
            )
    return out


def tensor(name: str, element: int, shape: Sequence[int | str]) -> bytes:
    """What goes in or comes out. A side with a name may be of any length."""
    dims = b"".join(
        data(1, number(1, it) if isinstance(it, int) else data(2, it)) for it in shape
    )
    return data(1, name) + data(2, data(1, number(1, element) + data(2, dims)))


def model(
    name: str,
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    given: bytes,
    made: bytes,
) -> bytes:
    """A model of opset 13."""
    graph = b"".join(data(1, it) for it in nodes) + data(2, name)
    graph += (
        b"".join(data(5, it) for it in constants) + data(11, given) + data(12, made)
    )
    return (
        number(1, 8)
        + data(2, "framerill")
        + data(7, graph)
        + data(8, data(1, "") + number(2, 13))
    )


def likeness(colour: Colour, is_bgr: bool) -> list[float]:
    """Weights of the channels: their sum is 1 for the pure colour and far below for others and for grey."""
    on = sum(it > 0 for it in colour)
    off = -1.0
    weights = [1.0 / on if it else off for it in colour]
    return weights[::-1] if is_bgr else weights


def boxes(
    side: int, colours: Sequence[Colour], white: float, is_bgr: bool
) -> tuple[list[bytes], list[bytes]]:
    """Operations that make of `input` the tensors x1, y1, x2, y2 and there (0 or 1), each [1, colours, 1], in pixels."""
    count = len(colours)
    weights = [it / white for colour in colours for it in likeness(colour, is_bgr)]
    # One colour on: 0.5 is half way to grey. Two on: a single one of them is 0.5 as well, so 0.75 is half way from there.
    least = [0.5 if sum(it > 0 for it in colour) == 1 else 0.75 for colour in colours]
    constants = [
        floats("weights", (count, 3, 1, 1), weights),
        floats("least", (1, count, 1, 1), least),
        floats("from_start", (1, 1, side), [float(it + 1) for it in range(side)]),
        floats("from_end", (1, 1, side), [float(side - it) for it in range(side)]),
        floats("side", (1,), [float(side)]),
        # Fewer pixels in a row or column are noise.
        floats("few", (1,), [2.5]),
        integers("rows", [2]),
        integers("columns", [3]),
    ]
    nodes = [
        node("Conv", ["input", "weights"], "likeness"),
        node("Greater", ["likeness", "least"], "is_like"),
        node("Cast", ["is_like"], "mask", to=FLOAT),
    ]
    for axis, over in (("x", "rows"), ("y", "columns")):
        nodes += [
            node("ReduceSum", ["mask", over], f"{axis}_sum", keepdims=0),
            node("Greater", [f"{axis}_sum", "few"], f"{axis}_some"),
            node("Cast", [f"{axis}_some"], f"{axis}_on", to=FLOAT),
            node("Mul", [f"{axis}_on", "from_start"], f"{axis}_ends"),
            node("ReduceMax", [f"{axis}_ends"], f"{axis}2", axes=[2], keepdims=1),
            node("Mul", [f"{axis}_on", "from_end"], f"{axis}_starts"),
            node("ReduceMax", [f"{axis}_starts"], f"{axis}_room", axes=[2], keepdims=1),
            node("Sub", ["side", f"{axis}_room"], f"{axis}1"),
        ]
    nodes += [node("ReduceMax", ["x_on"], "there", axes=[2], keepdims=1)]
    return nodes, constants


def centre_and_size() -> tuple[list[bytes], list[bytes]]:
    """Operations that make of x1 to y2 the tensors cx, cy, w, h; w and h are at least 1."""
    nodes = []
    for axis, centre, size in (("x", "cx", "w"), ("y", "cy", "h")):
        nodes += [
            node("Add", [f"{axis}1", f"{axis}2"], f"{axis}_both"),
            node("Mul", [f"{axis}_both", "half"], centre),
            node("Sub", [f"{axis}2", f"{axis}1"], f"{axis}_size"),
            node("Max", [f"{axis}_size", "one"], size),
        ]
    return nodes, [floats("half", (1,), [0.5]), floats("one", (1,), [1.0])]


def vehicle_model() -> bytes:
    """A YOLOX for 80 classes: `input` f32 [1,3,416,416], BGR, 0 to 255; `output` f32 [1,3549,85]."""
    side, rows = 416, 3549
    nodes, constants = boxes(
        side, [it[0] for it in VEHICLES.values()], 255.0, is_bgr=True
    )
    more_nodes, more_constants = centre_and_size()
    count = len(VEHICLES)
    classes = [0.0] * (count * 80)
    for row, (_, number_of_class) in enumerate(VEHICLES.values()):
        classes[row * 80 + number_of_class] = 1.0
    # Row N belongs to cell N of the first line of the grid with stride 8.
    constants += [
        *more_constants,
        floats("stride", (1,), [8.0]),
        floats("cell", (1, count, 1), [float(it) for it in range(count)]),
        floats("sure", (1,), [0.9]),
        floats("classes", (1, count, 80), classes),
        integers("pads", [0, 0, 0, 0, rows - count, 0]),
    ]
    nodes += [
        *more_nodes,
        node("Div", ["cx", "stride"], "cx_cells"),
        node("Sub", ["cx_cells", "cell"], "dx"),
        node("Div", ["cy", "stride"], "dy"),
        node("Div", ["w", "stride"], "w_cells"),
        node("Log", ["w_cells"], "log_w"),
        node("Div", ["h", "stride"], "h_cells"),
        node("Log", ["h_cells"], "log_h"),
        node("Mul", ["there", "sure"], "objectness"),
        node(
            "Concat",
            ["dx", "dy", "log_w", "log_h", "objectness", "classes"],
            "found",
            axis=2,
        ),
        node("Pad", ["found", "pads"], "output"),
    ]
    given, made = (
        tensor("input", FLOAT, (1, 3, side, side)),
        tensor("output", FLOAT, (1, rows, 85)),
    )
    return model("tiny_vehicle", nodes, constants, given, made)


def plate_model() -> bytes:
    """A YOLOv5-face: `input` f32 [1,3,320,320], RGB, 0 to 1; `output` f32 [1,3,15] with four corners and two classes."""
    side, count = 320, len(PLATES)
    nodes, constants = boxes(side, [it[0] for it in PLATES.values()], 1.0, is_bgr=False)
    more_nodes, more_constants = centre_and_size()
    classes = [
        it
        for _, lines in PLATES.values()
        for it in ((1.0, 0.0) if lines == 1 else (0.0, 1.0))
    ]
    constants += [
        *more_constants,
        floats("sure", (1,), [0.9]),
        floats("classes", (1, count, 2), classes),
    ]
    corners = ["x1", "y1", "x2", "y1", "x2", "y2", "x1", "y2"]
    nodes += [
        *more_nodes,
        node("Mul", ["there", "sure"], "objectness"),
        node(
            "Concat",
            ["cx", "cy", "w", "h", "objectness", *corners, "classes"],
            "output",
            axis=2,
        ),
    ]
    given, made = (
        tensor("input", FLOAT, (1, 3, side, side)),
        tensor("output", FLOAT, (1, count, 15)),
    )
    return model("tiny_plate", nodes, constants, given, made)


def window(start: float, end: float, cells: int, cell: int, pixels: int) -> list[float]:
    """Weights of pixels: the middle half of a cell of a grid that lies between two shares of the pixels."""
    size = (end - start) / cells
    first, last = start + size * (cell + 0.25), start + size * (cell + 0.75)
    inside = [
        1.0 if first <= (it + 0.5) / pixels <= last else 0.0 for it in range(pixels)
    ]
    return [it / sum(inside) for it in inside]


def ocr_model() -> bytes:
    """Slots: `input` u8 [N,64,128,3]; `output` f32 [N,9,37], a distribution over the alphabet for each column."""
    # A crop goes 8 to 10 % of the width and 12 to 20 % of the height beyond the plate; the border is 3 %.
    across = [window(0.105, 0.895, SLOTS, it, 128) for it in range(SLOTS)]
    down = [window(0.16, 0.84, 2, it, 64) for it in range(2)]
    # Of -(v - L)^2 / T only what differs from character to character matters to a softmax: (2 v L - L^2) / T.
    spread = 220.0
    levels = [
        (grey_of(it // LEVELS), grey_of(it % LEVELS)) for it in range(len(ALPHABET))
    ]
    constants = [
        floats(
            "across",
            (128, SLOTS),
            [across[slot][x] for x in range(128) for slot in range(SLOTS)],
        ),
        floats("down", (2, 64), [it for row in down for it in row]),
        floats(
            "to_characters",
            (2, len(ALPHABET)),
            [2.0 * it[row] / spread for row in range(2) for it in levels],
        ),
        floats(
            "bias", (len(ALPHABET),), [-(a * a + b * b) / spread for a, b in levels]
        ),
    ]
    nodes = [
        node("Cast", ["input"], "floats", to=FLOAT),
        node("ReduceMean", ["floats"], "grey", axes=[3], keepdims=0),
        node("MatMul", ["grey", "across"], "columns"),
        node("MatMul", ["down", "columns"], "cells"),
        node("Transpose", ["cells"], "levels", perm=[0, 2, 1]),
        node("MatMul", ["levels", "to_characters"], "products"),
        node("Add", ["products", "bias"], "logits"),
        node("Softmax", ["logits"], "output", axis=2),
    ]
    given, made = (
        tensor("input", UINT8, ("n", 64, 128, 3)),
        tensor("output", FLOAT, ("n", SLOTS, len(ALPHABET))),
    )
    return model("tiny_ocr", nodes, constants, given, made)


REGISTRY = """\
# Written by scripts/tiny_models.py, which says what these models see.
replaces = true

[[model]]
name = "tiny_vehicle"
role = "vehicle"
file = "tiny_vehicle.onnx"
sha256 = "{vehicle}"
licence = "MIT OR Apache-2.0"

[model.input]
width = 416
height = 416
layout = "nchw"
element = "f32"
colour = "bgr"
fit = "top_left"
fill = 114

[model.output]
layout = "yolox"

[[model]]
name = "tiny_plate"
role = "plate"
file = "tiny_plate.onnx"
sha256 = "{plate}"
licence = "MIT OR Apache-2.0"

[model.input]
width = 320
height = 320
layout = "nchw"
element = "f32"
colour = "rgb"
divide_by = 255
fit = "centred"

[model.output]
layout = "yolov5-face"
two_line_classes = [1]

[[model]]
name = "tiny_ocr"
role = "ocr"
file = "tiny_ocr.onnx"
sha256 = "{ocr}"
licence = "MIT OR Apache-2.0"

[model.input]
width = 128
height = 64
layout = "nhwc"
element = "u8"
colour = "rgb"
fit = "stretch"

[model.output]
layout = "slots"
slots = 9
alphabet = "{alphabet}"
empty = "_"
"""


def files() -> dict[str, bytes]:
    """Every file by its name."""
    made = {"vehicle": vehicle_model(), "plate": plate_model(), "ocr": ocr_model()}
    hashes = {name: hashlib.sha256(it).hexdigest() for name, it in made.items()}
    registry = REGISTRY.format(alphabet=ALPHABET, **hashes)
    return {
        **{f"tiny_{name}.onnx": it for name, it in made.items()},
        "models.toml": registry.encode(),
    }


class Picture:
    """Pixels to draw on."""

    def __init__(self, width: int, height: int, grey: int = 90) -> None:
        self.width, self.height = width, height
        self.rgb = bytearray([grey]) * (width * height * 3)

    def fill(self, box: tuple[float, float, float, float], colour: Colour) -> None:
        """Fills x1, y1, x2, y2, rounded and clipped."""
        x1, x2 = (min(max(round(it), 0), self.width) for it in (box[0], box[2]))
        y1, y2 = (min(max(round(it), 0), self.height) for it in (box[1], box[3]))
        for y in range(y1, y2):
            start = (y * self.width + x1) * 3
            self.rgb[start : start + (x2 - x1) * 3] = bytes(colour) * max(0, x2 - x1)

    def plate(
        self, box: tuple[float, float, float, float], text: str, colour: str = "yellow"
    ) -> None:
        """Draws a plate; the lines of a text are parted by a space."""
        border, _ = PLATES[colour]
        x1, y1, x2, y2 = box
        self.fill(box, border)
        edge = max(3.0, 0.03 * (x2 - x1))
        lines = text.split(" ")
        across, down = (
            (x2 - x1 - 2 * edge) / SLOTS,
            (y2 - y1 - 2 * edge) / (2 * len(lines)),
        )
        for line, characters in enumerate(lines):
            for slot, character in enumerate(characters.ljust(SLOTS, "_")[:SLOTS]):
                for row, level in enumerate(divmod(ALPHABET.index(character), LEVELS)):
                    x, y = (
                        x1 + edge + across * slot,
                        y1 + edge + down * (2 * line + row),
                    )
                    self.fill((x, y, x + across, y + down), (grey_of(level),) * 3)


def drive(
    text: str, vehicle: str, plate: str, size: tuple[int, int], frames: int
) -> None:
    """Writes frames to stdout: a vehicle comes nearer, from 30 % to 60 % of the width."""
    width, height = size
    for frame in range(frames):
        near = 0.3 + 0.3 * frame / max(1, frames - 1)
        w, h = width * near, width * near * 0.6
        x, y = width * (0.25 + 0.2 * frame / frames), height * 0.9 - h
        picture = Picture(width, height)
        picture.fill((x, y, x + w, y + h), VEHICLES[vehicle][0])
        pw, ph = w * 0.5, w * (0.125 if PLATES[plate][1] == 1 else 0.25)
        picture.plate(
            (x + w * 0.25, y + h * 0.55, x + w * 0.25 + pw, y + h * 0.55 + ph),
            text,
            plate,
        )
        sys.stdout.buffer.write(picture.rgb)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("write", "check"):
        commands.add_parser(name).add_argument("dir", type=Path)
    draw = commands.add_parser("draw")
    draw.add_argument("text", help="a space parts two lines")
    draw.add_argument("--vehicle", choices=VEHICLES, default="car")
    draw.add_argument("--plate", choices=PLATES, default="yellow")
    draw.add_argument("--size", default="640x360")
    draw.add_argument("--frames", type=int, default=50)
    args = parser.parse_args()
    if args.command == "draw":
        width, height = map(int, args.size.split("x"))
        drive(args.text, args.vehicle, args.plate, (width, height), args.frames)
        return 0
    differ = []
    for name, content in files().items():
        path = args.dir / name
        if args.command == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif not path.is_file() or path.read_bytes() != content:
            differ.append(name)
    for name in differ:
        print(
            f"{args.dir / name} is not what scripts/tiny_models.py makes",
            file=sys.stderr,
        )
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
