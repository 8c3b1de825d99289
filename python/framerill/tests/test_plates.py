"""A stage of an author's own, driven as `framerill plates run` drives it."""

import array
import base64
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys

import numpy as np
import pytest

from framerill._plates_task import _cleaned, answer
from framerill.errors import ContractError, LinkError
from framerill.plates import Plate, Text

HERE = pathlib.Path(__file__).parent
STAGES = HERE / "plates_under_test.py"
SLOT = 8192
WIDTH, HEIGHT = 60, 40
TIMEOUT = 30.0


class Wire:
    """One end of a socket of length-prefixed JSON."""

    def __init__(self, sock):
        self.socket = sock
        sock.settimeout(TIMEOUT)

    def send(self, message, fds=()):
        body = json.dumps({**message, **({"fds": len(fds)} if fds else {})}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("<I", len(body)) + body], rights)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            got = self.socket.recv(count - len(data))
            if not got:
                raise EOFError
            data += got
        return data

    def recv(self):
        (length,) = struct.unpack("<I", self.exactly(4))
        return json.loads(self.exactly(length))

    def until(self, kind):
        """The next message of a kind; what comes before it is passed over."""
        while True:
            message = self.recv()
            if message["type"] == kind:
                return message


class Worker:
    """A worker process, its control socket and its work link."""

    def __init__(self, target, category="ocr"):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "framerill._plates_worker", target],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        theirs.close()
        self.control = Wire(ours)
        self.control.send({"type": "load", "id": 1, "pipeline": target, "params": {"category": category}})
        self.link = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.control.socket.close()
        if self.link is not None:
            self.link.socket.close()
        self.process.kill()
        self.process.communicate()

    def attach(self):
        """Attaches, lends pool 1 whose pixel (x, y) of slot 1 is x + y, and waits for the first `take`."""
        assert self.control.until("ready")["id"] == 1
        ours, theirs = socket.socketpair()
        self.control.send({"type": "attach", "id": 2, "stream": "work", "incarnation": 1}, [theirs.fileno()])
        theirs.close()
        assert self.control.until("attached")["incarnation"] == 1
        self.link = Wire(ours)
        memory = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        os.ftruncate(memory, 2 * SLOT)
        pixels = bytes(min(x + y, 255) for y in range(HEIGHT) for x in range(WIDTH) for _ in range(3))
        os.pwrite(memory, pixels, SLOT)
        fcntl.fcntl(memory, 1033, 0x2 | 0x4 | 0x10)
        assert self.link.recv() == {"type": "take", "max": 1}
        self.link.send({"type": "pool", "pool": 1, "slots": 2, "slot_bytes": SLOT}, [memory])
        os.close(memory)
        return self.link

    def ask(self, video="v", lease=1, **task):
        """One task's outcome."""
        self.link.send({"type": "tasks", "lease": lease, "category": "ocr", "tasks": [ocr(video, **task)]})
        done = self.link.until("take")["done"]
        assert done["lease"] == lease
        (outcome,) = done["outcomes"]
        return outcome["result"]


def ocr(video="v", slot=1, **more):
    plate = {"bbox": [5.0, 5.0, 15.0, 10.0], "conf": 0.8, "lines": 1}
    payload = {"stage": "ocr", "car_bbox": [10.0, 10.0, 50.0, 30.0], "plate": plate, "keep_crop": False}
    frame = {"pool": 1, "slot": slot, "width": WIDTH, "height": HEIGHT}
    task = {"id": 7, "category": "ocr", "video_id": video, "frame_idx": 3, "attempt": 0, "meta": {}}
    return {**task, "frame": frame, "payload": payload, **more}


def test_a_stage_gets_the_plate_with_a_margin_and_says_a_text():
    with Worker(f"{STAGES}:Sees") as worker:
        worker.attach()
        # The box is 15 to 25 and 15 to 20 of the frame, 0.8 and 0.6 more on each side: from (14, 14) on.
        assert worker.ask() == {"Ok": {"stage": "ocr", "text": "12X728", "conf": 0.75, "chars": [0.75] * 6}}
        assert worker.ask(lease=2)["Ok"]["text"] == "12X728"


def cleaned(left, top, width, height, pixels):
    rgb = base64.b64encode(pixels).decode()
    return {"region": {"x": left, "y": top, "width": width, "height": height}, "rgb": rgb}


def test_a_plate_that_was_made_clean_is_what_a_stage_sees():
    frame = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(4, 5, 3)
    frame.flags.writeable = False
    seen = _cleaned(frame, cleaned(1, 2, 3, 2, b"\xc8" * 18))
    assert (seen[2:, 1:4] == 200).all()
    assert (seen[:2] == frame[:2]).all()
    assert (seen[:, [0, 4]] == frame[:, [0, 4]]).all()
    assert _cleaned(frame, None) is frame
    payload = {**ocr()["payload"], "cleaned": cleaned(0, 0, WIDTH, HEIGHT, b"\x07" * WIDTH * HEIGHT * 3)}
    with Worker(f"{STAGES}:Sees") as worker:
        worker.attach()
        assert worker.ask()["Ok"]["text"] == "12X728"
        assert worker.ask(lease=2, payload=payload)["Ok"]["text"] == "12X77"


@pytest.mark.parametrize(
    "wrong",
    [
        cleaned(3, 0, 3, 1, b"\x00" * 9),
        cleaned(0, -1, 1, 1, b"\x00" * 3),
        cleaned(0, 0, 0, 1, b""),
        cleaned(0, 0, 2, 1, b"\x00" * 5),
    ],
)
def test_a_part_that_does_not_fit_its_frame_is_refused(wrong):
    with pytest.raises(LinkError):
        _cleaned(np.zeros((4, 5, 3), np.uint8), wrong)


def test_what_a_stage_raises_fails_its_task_alone_with_its_words():
    with Worker(f"{STAGES}:Fails") as worker:
        worker.attach()
        failed = worker.ask("v")["Err"]
        assert not failed["is_transient"]
        assert failed["reason"].endswith("plates_under_test.py:Fails`: ValueError: no such letter")
        log = worker.control.until("log")["message"]
        assert "task 7, frame 3 of v" in log
        assert "Traceback" in log
        assert worker.ask("later", 2)["Err"]["is_transient"]
        wrong = worker.ask("wrong", 3)["Err"]
        assert "framerill.plates.Text or None, not dict" in wrong["reason"]
        assert (
            "slot 2 of pool 1"
            in worker.ask("v", 4, frame={"pool": 1, "slot": 2, "width": 60, "height": 40})["Err"]["reason"]
        )


def test_a_stage_that_dies_takes_its_link_along():
    with Worker(f"{STAGES}:Fails") as worker:
        worker.attach()
        with pytest.raises(EOFError):
            worker.ask("dies")
        assert worker.process.wait(TIMEOUT) == 7


def test_a_stage_that_cannot_load_says_so_and_tries_again():
    with Worker(f"{STAGES}:Slow") as worker:
        link = worker.attach()
        link.send({"type": "tasks", "lease": 1, "category": "ocr", "tasks": [ocr()]})
        failed = link.until("load_failed")
        assert failed["lease"] == 1
        assert failed["reason"].endswith("Slow` cannot load: RuntimeError: the file is being written")
        assert "done" not in link.until("take")
        assert worker.ask(lease=2) == {"Ok": {"stage": "ocr", "text": "", "conf": 0.0, "chars": []}}


def test_a_drain_ends_it_after_what_is_in_hand():
    with Worker(f"{STAGES}:Sees") as worker:
        worker.attach()
        worker.ask()
        worker.control.send({"type": "drain", "id": 9})
        assert worker.control.until("drained")["id"] == 9
        assert worker.process.wait(TIMEOUT) == 0


@pytest.mark.parametrize(
    ("name", "category", "why"),
    [
        ("Missing", "ocr", "plates_under_test.py` has no class `Missing`, it has `Sees`, "),
        ("NoStage", "ocr", "is no framerill.plates.Stage"),
        ("Finds", "ocr", "is for `plate_yolo`, not for `ocr`"),
        ("Sees", "final_write", "is nothing that a stage of your own can do"),
    ],
)
def test_a_target_that_does_not_do_is_told_and_ends_the_worker(name, category, why):
    with Worker(f"{STAGES}:{name}", category) as worker:
        error = worker.control.until("error")
        assert (error["code"], error["fatal"]) == ("load_failed", True)
        assert why in error["message"]
        assert worker.process.wait(TIMEOUT) == 1


def test_plates_are_told_by_falling_confidence():
    with Worker(f"{STAGES}:Finds", "plate_yolo") as worker:
        worker.attach()
        payload = {"stage": "plate_detect", "car_bbox": [-5.0, 0.0, 900.0, 30.0]}
        said = worker.ask(payload=payload, category="plate_yolo")["Ok"]
        assert said["stage"] == "plate_detect"
        assert [it["conf"] for it in said["plates"]] == [0.9, 0.4]
        assert said["plates"][0]["corners"] == [[2.0, 2.0], [9.0, 2.0], [9.0, 5.0], [2.0, 5.0]]
        assert (said["plates"][0]["lines"], said["plates"][1]["bbox"]) == (2, [1.0, 2.0, 9.0, 5.0])


@pytest.mark.parametrize(
    ("category", "said"),
    [
        ("ocr", "AB123"),
        ("ocr", Text("A" * 33, 0.5)),
        ("ocr", Text("AB", float("nan"))),
        ("ocr", Text("AB", 0.5, (0.1,))),
        ("ocr", Text("AB", 0.5, crop=b"x" * 500_001)),
        ("plate_yolo", Text("AB", 0.5)),
        ("plate_yolo", [Plate((1, 2, 3, float("inf")), 0.5)]),
        ("plate_yolo", [Plate((1, 2, 3), 0.5)]),
        ("plate_yolo", [Plate((1, 2, 3, 4), 0.5, ((1, 2),))]),
        ("plate_yolo", [Plate((1, 2, 3, 4), 0.5)] * 65),
    ],
)
def test_an_answer_that_is_none_is_refused(category, said):
    with pytest.raises(ContractError):
        answer(category, said)


def test_texts_are_what_records_hold():
    said = answer("ocr", Text("ab-12 ü3", 2.0, crop=b"\xff\xd8\xff"))
    assert said == {"stage": "ocr", "text": "AB123", "conf": 1.0, "chars": [1.0] * 5, "crop": "/9j/"}
