"""Wheels that tests install without an index.

As a program it reads what to make as JSON on stdin, into the folder `out`. `repack` names packages of this Python that
are made into wheels again with all they need. `wheels` are packages whose content stands there. `sources` are such
packages too, each a folder `out/NAME` that builds itself.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ANY = "py3-none-any"
PYPROJECT = """
[project]
name = "{name}"
version = "{version}"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# With `write` it is the whole backend of a folder of sources, which has to work without this file.
BACKEND = """
import base64, hashlib, os, zipfile
from pathlib import Path

HEAD, FILES, INFO = {facts!r}

{write}

def _build(folder, files):
    return write(Path(folder), HEAD, "py3-none-any", {{**files, **INFO}})


def build_wheel(folder, settings=None, metadata=None):
    waits = os.environ.get("BUILD_WAITS")
    if waits:
        open(waits, "w").close()
        while True:
            __import__("time").sleep(60)
    return _build(folder, {{path: Path(path).read_bytes() for path in FILES}})


def build_editable(folder, settings=None, metadata=None):
    return _build(folder, {{HEAD + ".pth": os.getcwd().encode()}})


def get_requires_for_build_wheel(settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_wheel
"""


def write(folder: Path, head: str, tag: str, content: dict[str, bytes]) -> str:
    """Writes a wheel with its record; `head` is its name and version. Answers with the file's name."""
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in content.items()
    ]
    list_of_all = f"{head}.dist-info/RECORD"
    whole = {**content, list_of_all: "".join([*record, f"{list_of_all},,\n"]).encode()}
    name = f"{head}-{tag}.whl"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, data in whole.items():
            entry = zipfile.ZipInfo(path)
            # Installers look at the mode of programs.
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            wheel.writestr(entry, data)
    return name


def needed(names: list[str]) -> dict[str, Distribution]:
    """The packages of this Python and, without extras, what they need."""
    found: dict[str, Distribution] = {}
    asked = [(name, "") for name in names]
    while asked:
        name, marker = asked.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            if not marker:
                raise
            continue  # not for this Python
        for requirement in found[name].requires or []:
            spec, _, marker = requirement.partition(";")
            if "extra" not in marker:
                asked.append((re.split(r"[^A-Za-z0-9._-]", spec.strip())[0], marker))
    return found


def repack(installed: Distribution, folder: Path) -> None:
    """Packs the files that its installer recorded; programs beside the interpreter are left out."""
    files = [file for file in installed.files or [] if ".." not in file.parts and file.suffix != ".pyc"]
    info = next(file.parts[0] for file in files if file.parts[0].endswith(".dist-info"))
    tag = next(line for line in (installed.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    of_the_installer = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    content = {
        str(file): Path(str(file.locate())).read_bytes()
        for file in files
        if not (file.parts[0] == info and file.name in of_the_installer)
    }
    write(folder, info.removesuffix(".dist-info"), tag.removeprefix("Tag: "), content)


def package(about: dict[str, Any], folder: Path) -> None:
    """Makes a wheel of `name`, `version` and, where it has them, `requires`, `files`, `scripts` and `entry_points`."""
    head = _head(about)
    files = {**about.get("files", {})}
    files.update({f"{head}.data/scripts/{name}": text for name, text in about.get("scripts", {}).items()})
    write(folder, head, ANY, {**_encoded(files), **_info(about)})


def source(about: dict[str, Any], folder: Path) -> None:
    """Makes a folder, called by the package's name, that builds it, also editable."""
    made = folder / about["name"]
    made.mkdir(parents=True, exist_ok=True)
    for path, text in about["files"].items():
        (made / path).write_text(text)
    (made / "pyproject.toml").write_text(PYPROJECT.format(**about))
    facts = (_head(about), list(about["files"]), _info(about))
    (made / "backend.py").write_text(BACKEND.format(facts=facts, write=inspect.getsource(write)))


def _head(about: dict[str, Any]) -> str:
    return f"{about['name'].replace('-', '_')}-{about['version']}"


def _info(about: dict[str, Any]) -> dict[str, bytes]:
    requires = "".join(f"Requires-Dist: {it}\n" for it in about.get("requires", []))
    points = ""
    for group, entries in about.get("entry_points", {}).items():
        points += f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
    info = {
        "METADATA": f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n{requires}",
        "WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {ANY}\n",
        "entry_points.txt": points,
    }
    return _encoded({f"{_head(about)}.dist-info/{name}": text for name, text in info.items()})


def _encoded(texts: dict[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}


def make(asked: dict[str, Any]) -> None:
    """Makes what the module's docstring names."""
    out = Path(asked["out"])
    out.mkdir(parents=True, exist_ok=True)
    for installed in needed(asked.get("repack", [])).values():
        repack(installed, out)
    for about in asked.get("wheels", []):
        package(about, out)
    for about in asked.get("sources", []):
        source(about, out)


if __name__ == "__main__":
    make(json.load(sys.stdin))
