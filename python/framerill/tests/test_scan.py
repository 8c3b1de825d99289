"""What `python -m framerill.pipelines scan` says of packages, good and bad."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Any

import pytest

from framerill import _scan, _target, _trial

GOOD = """
import framerill


class Mine(framerill.Pipeline):
    '''Good.'''

    def process(self, frame):
        return frame
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def put(
    site: Path, name: str, code: str, version: str = "1.0", group: str = "ai_runner.pipelines", **points: str
) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{key} = {value}\n" for key, value in (points or {name: f"{name}:Mine"}).items()]
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(lines))
    (site / f"{name}.py").write_text(code)


def rows() -> dict[str, Any]:
    return {row["name"]: row for row in _scan.scan()["pipelines"]}


# Its process ends with the import's, whose answer is whole only then.
FORKS = """
import os
reader, writer = os.pipe()
if os.fork() == 0:
    os.close(writer)
    os.read(reader, 1)
    os._exit(0)
"""
DEAF = """
import pathlib, signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
pathlib.Path(__file__).with_suffix(".deaf").touch()
while True:
    pass
"""


# It leaves its number, and has no end of its own.
ORPHANS = """
import os, pathlib, signal
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
os.kill(os.getppid(), signal.SIGKILL)
while True:
    signal.pause()
"""


def test_each_package_that_is_bad_is_named_and_the_others_work(site: Path) -> None:
    bad = {
        "raises": ("raise RuntimeError('no model here')", "RuntimeError: no model here"),
        "lacks": ("import nobody_has_this", "nobody_has_this"),
        "leaves": ("import os\nos._exit(7)", "ends the process (code 7)"),
        "dies": ("import os\nos.kill(os.getpid(), 9)", "ends the process (signal 9)"),
        "quits": ("raise SystemExit(0)", "SystemExit"),
        "closes": ("import os\nos.closerange(0, 100)", "ends the process"),
        "empty": ("", "nothing called `Mine`"),
        "orphans": (ORPHANS, "the process that looks after it"),
        "long": ("raise ValueError('x' * (9 << 20))", "ValueError: xxx"),
        "nowhere": ("open('/nowhere/\\udcff')", "FileNotFoundError"),
    }
    for name, (code, _) in bad.items():
        put(site, name, code)
    put(site, "good", GOOD)
    put(site, "loud", "import os, sys\nprint('x' * 5_000_000)\nos.write(2, b'x' * 5_000_000)\n" + GOOD)
    put(site, "patches", GOOD + "import json\njson.dumps = lambda *args, **named: 'x'\n")
    put(site, "leaves_a_child", "import os, signal\nif os.fork() == 0:\n    signal.pause()\n" + GOOD)
    put(site, "forks", FORKS + GOOD)
    found = rows()
    for name, (_, told) in bad.items():
        assert told in (found[name]["error"] or ""), (name, found[name])
    for name in ("good", "loud", "forks", "patches", "leaves_a_child"):
        assert found[name]["error"] is None, found[name]
        assert found[name]["summary"] == "Good."
    orphan = (site / "orphans.pid").read_text()
    patience = time.monotonic() + 60
    while os.path.exists(f"/proc/{orphan}") and time.monotonic() < patience:
        select.select([], [], [], 0.01)
    assert not os.path.exists(f"/proc/{orphan}")


BROKEN: dict[str, dict[str, bytes]] = {
    "latin": {"METADATA": "Metadata-Version: 2.1\nName: latin\nVersion: 1.0\nAuthor: Jörg\n".encode("latin-1")},
    "blank": {"METADATA": b""},
    "origin": {"direct_url.json": b'{"url": "file:///\xf6"}'},
    "deep": {"direct_url.json": b"[" * 100_000},
    "asked": {"REQUESTED": b"\xff"},
    "marked": {"entry_points.txt": b"\xef\xbb\xbf[ai_runner.pipelines]\nmarked = marked:Mine\n"},
}
UNREADABLE: dict[str, bytes] = {
    "umlaut": b"[ai_runner.pipelines]\n\xf6 = umlaut:Mine\n",
    "garbage": b"[ai_runner.pipelines]\njust a line\n = x\n",
    "many": b"[ai_runner.pipelines]\n" + b"".join(b"n%d = many:Mine\n" % at for at in range(600)),
}


def test_metadata_that_is_broken_hides_no_other_package(site: Path) -> None:
    for name, files in BROKEN.items():
        put(site, name, GOOD)
        for file, data in files.items():
            (site / f"{name}-1.0.dist-info" / file).write_bytes(data)
    for name, points in UNREADABLE.items():
        put(site, name, GOOD)
        (site / f"{name}-1.0.dist-info" / "entry_points.txt").write_bytes(points)
    put(site, "good", GOOD)
    found = rows()
    assert found["good"]["error"] is None
    for name in UNREADABLE:
        row = found[name] if name in found else next(it for it in found.values() if it["distribution"] == name)
        assert row["error"], row
    for name in set(BROKEN) - {"marked"}:
        assert found[name]["error"] is None, found[name]
    put(site, "imported_here", GOOD)
    assert _target.find("imported_here").pipeline.__name__ == "Mine"


def test_an_import_that_never_ends_is_ended_and_the_others_work(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(site, "hangs", "while True:\n    pass")
    put(site, "deaf", DEAF)
    put(site, "severs", "import os, signal\nos.closerange(3, 1024)\nsignal.pause()")
    put(site, "good", GOOD)
    # As long as this machine needs for the good one, and to make the other deaf.
    for within in (0.5, 1, 2, 4, 8, 16, 32):
        monkeypatch.setattr(_trial, "IMPORT_WITHIN", within)
        found = rows()
        for name in ("hangs", "deaf", "severs"):
            assert "its import does not end within" in found[name]["error"]
        if found["good"]["error"] is None and (site / "deaf.deaf").exists():
            return
    pytest.fail(f"{within} s were not enough: {found['good']}")


def test_nothing_is_imported_into_the_process_that_answers(site: Path) -> None:
    import sys

    put(site, "scanned_alone", GOOD)
    assert rows()["scanned_alone"]["error"] is None
    assert "scanned_alone" not in sys.modules
    assert "torch" not in sys.modules


def test_the_first_of_a_name_has_it(site: Path) -> None:
    put(site, "one", GOOD, same="one:Mine")
    put(site, "two", GOOD, group="ai_runner.pipeline", same="two:Mine", other="two:Mine")
    both = [row for row in _scan.scan()["pipelines"] if row["name"] == "same"]
    assert [row["distribution"] for row in both] == ["one", "two"]
    assert both[0]["error"] is None
    assert both[1]["error"] == "the name is taken by `one one:Mine`"
    assert rows()["other"]["error"] is None


def test_what_the_answer_was_read_from_is_told(site: Path) -> None:
    put(site, "good", "import good_helper\n" + GOOD)
    (site / "good_helper.py").write_text("")
    scan = _scan.scan()
    assert str(site) in scan["paths"]
    assert str(site / "good.py") in scan["files"]
    assert str(site / "good-1.0.dist-info/entry_points.txt") in scan["files"]


def test_a_variant_that_nobody_registers_is_its_familys(site: Path) -> None:
    from framerill import _target

    put(site, "family", GOOD)
    found = _target.find("family-sd15")
    assert (found.name, found.pipeline.__name__) == ("family-sd15", "Mine")


def test_a_module_that_fails_is_watched_so_that_it_can_be_mended(site: Path) -> None:
    put(site, "bad", "import bad_helper\n")
    put(site, "dead", "import os\nos._exit(1)\n")
    (site / "bad_helper.py").write_text("raise RuntimeError\n")
    files = _scan.scan()["files"]
    for name in ("bad.py", "bad_helper.py", "dead.py"):
        assert str(site / name) in files
