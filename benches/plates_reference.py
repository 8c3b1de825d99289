#!/usr/bin/env python3
"""A plain number-plate loop with ONNX Runtime and OpenCV: what `framerill plates bench` is compared with.

    benches/plates_reference.py --models DIR [--stills DIR] [--clips DIR] [--cascade] [--json]

One thread, every picture and every frame, no step skipped: the 640 plate detector on the whole picture (or, with
`--cascade`, on each vehicle box), each plate read as a plain and as a corner-rectified crop, the reading whose weakest
character is stronger kept. In clips an IoU tracker and a confidence vote make one row a track. Seconds are CPU seconds
of this process, decoding included.
"""

import argparse
import csv
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Image = NDArray[Any]
Floats = NDArray[np.float32]

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
VEHICLES = (2, 3, 5, 7)
PLATE_SCORE = 0.25
PLATE_NMS = 0.5
VEHICLE_SCORE = 0.3
VEHICLE_NMS = 0.45
CROP_PADDING = 0.04
CROP_SIZE = (128, 64)
TRACK_IOU = 0.3
TRACK_SECONDS = 1.0
MIN_SAMPLES = 2
MIN_CONFIDENCE = 0.15
LOCATED_IOU = 0.3


@dataclasses.dataclass
class Plate:
    """A plate as read: box as left, top, right, bottom in pixels; `confidence` is that of the weakest character."""

    box: Floats
    text: str
    confidence: float


@dataclasses.dataclass
class Track:
    """Boxes that overlap from frame to frame, and what was read in them."""

    box: Floats
    first: int
    last: int
    seen_at: float
    plates: list[Plate]


class Model:
    """One ONNX model on one thread of the CPU."""

    def __init__(self, path: pathlib.Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name

    def run(self, tensor: NDArray[np.generic]) -> Floats:
        """The first output."""
        output: Floats = self.session.run(None, {self.input: tensor})[0]
        return output


class Reader:
    """The models and the two ways from a picture to its plates."""

    def __init__(self, models: pathlib.Path, cascade: bool) -> None:
        self.cascade = cascade
        self.plates = Model(models / "y5fu_640x_sim.onnx")
        self.text = Model(models / "cct_xs_v1_global.onnx")
        self.vehicles = Model(models / "yolox_nano.onnx")

    def read(self, image: Image) -> list[tuple[Floats, list[Plate]]]:
        """What is tracked (a vehicle, or without the cascade the plate itself) and the plates in it."""
        if not self.cascade:
            return [(plate.box, [plate]) for plate in self.read_plates(image)]
        found = []
        for box in self.detect_vehicles(image):
            left, top, right, bottom = clip(box, image)
            inside = self.read_plates(image[top:bottom, left:right])
            shift = np.array([left, top, left, top], np.float32)
            found.append(
                (
                    box,
                    [
                        dataclasses.replace(plate, box=plate.box + shift)
                        for plate in inside[:1]
                    ],
                )
            )
        return found

    def read_plates(self, image: Image) -> list[Plate]:
        """The plates of a picture, the surest box first."""
        found = []
        for box, corners in self.detect_plates(image):
            crops = [
                crop
                for crop in (box_crop(image, box), corner_crop(image, corners))
                if crop is not None
            ]
            readings = self.text.run(
                np.stack([cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) for crop in crops])
            )
            best = max(readings, key=lambda slots: slots.max(axis=1).min())
            text = "".join(ALPHABET[slot] for slot in best.argmax(axis=1)).replace(
                "_", ""
            )
            found.append(Plate(box, text, float(best.max(axis=1).min())))
        return found

    def detect_plates(self, image: Image) -> list[tuple[Floats, Floats]]:
        """Boxes and their four corners, clockwise from the top left."""
        size = 640
        height, width = image.shape[:2]
        if height < 2 or width < 2:
            return []
        scale = min(size / height, size / width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
        canvas = np.zeros((size, size, 3), np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner)
        tensor = np.ascontiguousarray(
            canvas[:, :, ::-1].transpose(2, 0, 1), np.float32
        )[None] / np.float32(255)
        rows = self.plates.run(tensor)[0]
        scores = rows[:, 4] * rows[:, 13:15].max(axis=1)
        rows, scores = rows[scores > PLATE_SCORE], scores[scores > PLATE_SCORE]
        boxes = (
            centred(rows[:, :4]) - np.tile(np.array([left, top], np.float32), 2)
        ) / np.float32(scale)
        corners = (
            rows[:, 5:13].reshape(-1, 4, 2) - np.array([left, top], np.float32)
        ) / np.float32(scale)
        return [
            (boxes[index], clockwise(corners[index]))
            for index in keep_best(boxes, scores, PLATE_NMS)
        ]

    def detect_vehicles(self, image: Image) -> list[Floats]:
        """Boxes of cars, motorcycles, buses and trucks."""
        size = 416
        height, width = image.shape[:2]
        scale = min(size / height, size / width)
        inner = (round(width * scale), round(height * scale))
        canvas = np.full((size, size, 3), 114, np.uint8)
        canvas[: inner[1], : inner[0]] = cv2.resize(image, inner)
        rows = self.vehicles.run(
            np.ascontiguousarray(canvas.transpose(2, 0, 1), np.float32)[None]
        )[0]
        cells, strides = [], []
        for stride in (8, 16, 32):
            side = size // stride
            y, x = np.mgrid[:side, :side]
            cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
            strides.append(np.full((side * side, 1), stride))
        grid, step = np.concatenate(cells), np.concatenate(strides)
        classes = [5 + number for number in VEHICLES]
        scores = rows[:, 4] * rows[:, classes].max(axis=1)
        sure = scores > VEHICLE_SCORE
        placed = np.concatenate(
            [(rows[:, :2] + grid) * step, np.exp(rows[:, 2:4]) * step], axis=1
        )[sure]
        boxes = (centred(placed) / scale).astype(np.float32)
        return [boxes[index] for index in keep_best(boxes, scores[sure], VEHICLE_NMS)]


def centred(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Boxes from centre, width and height."""
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)


def clip(box: Floats, image: Image) -> tuple[int, int, int, int]:
    """Whole pixels inside the picture."""
    height, width = image.shape[:2]
    left, top, right, bottom = (int(value) for value in box)
    return max(0, left), max(0, top), min(width, right), min(height, bottom)


def clockwise(corners: Floats) -> Floats:
    """Top left, top right, bottom right, bottom left."""
    total, difference = corners.sum(axis=1), corners[:, 1] - corners[:, 0]
    order = [total.argmin(), difference.argmin(), total.argmax(), difference.argmax()]
    return corners[order]


def box_crop(image: Image, box: Floats) -> Image | None:
    """The box and a little more, at the reader's size; nothing when it has no area."""
    grown = np.array([box[2] - box[0], box[3] - box[1]], np.float32) * CROP_PADDING
    left, top, right, bottom = clip(
        np.concatenate([box[:2] - grown, box[2:] + grown]), image
    )
    if right - left < 2 or bottom - top < 2:
        return None
    return cv2.resize(image[top:bottom, left:right], CROP_SIZE)


def corner_crop(image: Image, corners: Floats) -> Image:
    """The four corners, grown likewise, made upright."""
    across = (corners[1] - corners[0] + corners[2] - corners[3]) * (CROP_PADDING / 2)
    down = (corners[3] - corners[0] + corners[2] - corners[1]) * (CROP_PADDING / 2)
    grown = corners + np.array(
        [-across - down, across - down, across + down, down - across]
    )
    width, height = CROP_SIZE
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(grown.astype(np.float32), upright),
        CROP_SIZE,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, float(across)) * max(0.0, float(down))
    total = (
        (one[2] - one[0]) * (one[3] - one[1])
        + (other[2] - other[0]) * (other[3] - other[1])
        - shared
    )
    return shared / float(total) if total > 0 else 0.0


def keep_best(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], limit: float
) -> list[int]:
    """Non-maximum suppression: indices, the surest first."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if all(overlap(boxes[index], boxes[other]) <= limit for other in kept):
            kept.append(int(index))
    return kept


def edits(one: str, other: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        before, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (left != right)))
    return row[-1]


def cpu_seconds() -> float:
    """User and system time of this process."""
    times = os.times()
    return times.user + times.system


def truths(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, Floats, str]]:
    """Picture, plate box and text from the one-line tab-separated files beside the pictures."""
    for path in sorted(folder.glob("openalpr_*/*.txt")):
        name, x, y, width, height, text = (
            path.read_text().splitlines()[0].split("\t")[:6]
        )
        left, top = float(x), float(y)
        yield (
            path.parent / name,
            np.array([left, top, left + float(width), top + float(height)], np.float32),
            text,
        )


def run_stills(reader: Reader, folder: pathlib.Path) -> dict[str, float]:
    """Score over all pictures. Only the plate of the ground truth counts; others in the picture may be right too."""
    pictures = exact = located = right = characters = extra = 0
    spent = 0.0
    for path, box, text in truths(folder):
        start = cpu_seconds()
        image = cv2.imread(str(path))
        found = (
            [plate for _, plates in reader.read(image) for plate in plates]
            if image is not None
            else []
        )
        spent += cpu_seconds() - start
        near = [plate for plate in found if overlap(plate.box, box) > LOCATED_IOU]
        best = max(near, key=lambda plate: overlap(plate.box, box), default=None)
        wrong = min(len(text), edits(best.text, text)) if best else len(text)
        pictures += 1
        exact += wrong == 0
        located += best is not None
        right += len(text) - wrong
        characters += len(text)
        extra += len(found) - len(near)
    return {
        "pictures": pictures,
        "exact": exact / pictures,
        "characters": right / characters,
        "located": located / pictures,
        "extra_reads": extra,
        "cpu_ms": 1000 * spent / pictures,
        "images_per_second": pictures / spent,
    }


def vote(plates: list[Plate]) -> tuple[str, float]:
    """The text with the largest sum of confidences, and its highest confidence."""
    sums: dict[str, float] = {}
    for plate in plates:
        sums[plate.text] = sums.get(plate.text, 0.0) + plate.confidence
    text = max(sums, key=lambda key: sums[key])
    return text, max(plate.confidence for plate in plates if plate.text == text)


def run_clip(
    reader: Reader, path: pathlib.Path
) -> tuple[list[tuple[str, int, int]], int, float]:
    """Rows (text, first frame, last frame), frames, CPU seconds."""
    start = cpu_seconds()
    video = cv2.VideoCapture(str(path))
    open_tracks: list[Track] = []
    closed: list[Track] = []
    frame = 0
    while True:
        more, image = video.read()
        if not more:
            break
        now = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
        for box, plates in reader.read(image):
            candidates = [
                (overlap(track.box, box), track)
                for track in open_tracks
                if track.last < frame
            ]
            best = max(candidates, key=lambda pair: pair[0], default=None)
            if best and best[0] >= TRACK_IOU:
                track = best[1]
                track.box, track.last, track.seen_at = box, frame, now
                track.plates += plates
            else:
                open_tracks.append(Track(box, frame, frame, now, list(plates)))
        closed += [
            track for track in open_tracks if now - track.seen_at > TRACK_SECONDS
        ]
        open_tracks = [
            track for track in open_tracks if now - track.seen_at <= TRACK_SECONDS
        ]
        frame += 1
    rows = []
    for track in closed + open_tracks:
        samples = [plate for plate in track.plates if plate.text]
        if len(samples) >= MIN_SAMPLES:
            text, confidence = vote(samples)
            if confidence >= MIN_CONFIDENCE:
                rows.append((text, track.first, track.last))
    return rows, frame, cpu_seconds() - start


def clip_truth(path: pathlib.Path) -> list[tuple[str, int, int]]:
    """Text, first and last frame of every car (`~` marks a rough number); empty where no plate is readable."""
    table = path.with_suffix(".csv")
    if not table.exists():
        return []
    with table.open(newline="") as lines:
        return [
            (
                row["text"],
                int(row["first_frame"].strip("~")),
                int(row["last_frame"].strip("~")),
            )
            for row in csv.DictReader(lines)
            if row.get("text")
        ]


def run_clips(reader: Reader, folder: pathlib.Path) -> dict[str, object]:
    """Cars whose row is exact, and all rows that are no car's first exact one, over every clip of the folder."""
    cars = exact = spoiled = frames = 0
    spent = 0.0
    each = {}
    for path in sorted(folder.glob("*.mp4")):
        rows, count, seconds = run_clip(reader, path)
        truth = clip_truth(path)
        texts = [text for text, _, _ in truth]
        for text, _, _ in rows:
            if text in texts:
                texts.remove(text)
                exact += 1
            else:
                spoiled += 1
        cars += len(truth)
        frames += count
        spent += seconds
        each[path.stem] = {
            "cars": len(truth),
            "exact": len(truth) - len(texts),
            "rows": len(rows),
            "frames_per_second": count / seconds,
        }
    return {
        "cars": cars,
        "cars_exact": exact,
        "rows_wrong_or_extra": spoiled,
        "frames": frames,
        "frames_per_second": frames / spent,
        "cpu_ms": 1000 * spent / frames,
        "clips": each,
    }


def show(title: str, numbers: dict[str, object]) -> None:
    """One block of plain lines."""
    print(title)
    for name, value in numbers.items():
        print(
            f"  {name}: {value:.3f}"
            if isinstance(value, float)
            else f"  {name}: {value}"
        )


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument(
        "--stills", type=pathlib.Path, help="folder with openalpr_*/*.txt"
    )
    parser.add_argument(
        "--clips", type=pathlib.Path, help="folder with *.mp4 and their .csv"
    )
    parser.add_argument(
        "--cascade", action="store_true", help="plates inside vehicle boxes only"
    )
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    cv2.setNumThreads(1)
    reader = Reader(args.models, args.cascade)
    result: dict[str, object] = {"mode": "cascade" if args.cascade else "full"}
    if args.stills:
        result["stills"] = run_stills(reader, args.stills)
    if args.clips:
        result["clips"] = run_clips(reader, args.clips)
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    for name, numbers in result.items():
        if isinstance(numbers, dict):
            show(name, numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
