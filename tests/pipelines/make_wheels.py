"""Makes what tests install, without an index. Reads JSON on stdin, writes into the folder that it names.

`repack` are distributions of this Python that are made into wheels again, with what they need; `wheels` are packages of
text files; `sources` are folders of such packages, which build themselves.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

BACKEND = """
import os, zipfile

NAME, VERSION, FILES, INFO = {facts!r}


def _wheel(folder, files):
    name = NAME.replace("-", "_") + "-" + VERSION + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in {{**files, **INFO}}.items():
            wheel.writestr(path, text)
    return name


def build_wheel(folder, settings=None, metadata=None):
    waits = os.environ.get("BUILD_WAITS")
    if waits:
        open(waits, "w").close()
        while True:
            __import__("time").sleep(60)
    return _wheel(folder, {{path: open(path).read() for path in FILES}})


def build_editable(folder, settings=None, metadata=None):
    return _wheel(folder, {{NAME.replace("-", "_") + ".pth": os.getcwd()}})


def get_requires_for_build_wheel(settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_wheel
"""


def _info(package: dict[str, Any], files: list[str]) -> dict[str, str]:
    name, version = package["name"], package["version"]
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {it}\n" for it in package.get("requires", []))
    points = ""
    for group, entries in package.get("entry_points", {}).items():
        points += f"[{group}]\n" + "".join(
            f"{key} = {value}\n" for key, value in entries.items()
        )
    info = {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/entry_points.txt": points,
    }
    rows = [*files, *info, f"{folder}/RECORD"]
    return {**info, f"{folder}/RECORD": "".join(f"{row},,\n" for row in rows)}


def _wheel(package: dict[str, Any], out: Path) -> None:
    name = f"{package['name'].replace('-', '_')}-{package['version']}-py3-none-any.whl"
    with zipfile.ZipFile(out / name, "w") as wheel:
        for path, text in {
            **package["files"],
            **_info(package, list(package["files"])),
        }.items():
            wheel.writestr(path, text)


def _source(package: dict[str, Any], out: Path) -> None:
    name, version = package["name"], package["version"]
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in package["files"].items():
        (folder / path).write_text(text)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    files = list(package["files"])
    (folder / "backend.py").write_text(
        BACKEND.format(facts=(name, version, files, _info(package, files)))
    )


def _repack(name: str, out: Path, done: set[str]) -> None:
    if name in done:
        return
    done.add(name)
    dist = distribution(name)
    for needed in dist.requires or []:
        match = re.match(r"[A-Za-z0-9._-]+", needed)
        if match and "extra ==" not in needed:
            try:
                _repack(match[0], out, done)
            except PackageNotFoundError:
                continue  # not for this Python
    _pack(dist, out)


def _pack(dist: Distribution, out: Path) -> None:
    tag = re.findall(r"^Tag: (\S+)", dist.read_text("WHEEL") or "", re.MULTILINE)[0]
    stem = re.sub(r"[-_.]+", "_", dist.name)
    with zipfile.ZipFile(out / f"{stem}-{dist.version}-{tag}.whl", "w") as wheel:
        record = ""
        for file in dist.files or []:
            made_by_installer = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
            if (
                ".." in file.parts
                or file.suffix == ".pyc"
                or file.name in made_by_installer
            ):
                continue
            wheel.write(file.locate(), str(file))
            record += f"{file},,\n"
        info = next(
            file.parts[0]
            for file in dist.files or []
            if file.parts[0].endswith(".dist-info")
        )
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


def main() -> None:
    """Makes all of it."""
    asked = json.load(sys.stdin)
    out = Path(asked["out"])
    os.makedirs(out, exist_ok=True)
    done: set[str] = set()
    for name in asked.get("repack", []):
        _repack(name, out, done)
    for package in asked.get("wheels", []):
        _wheel(package, out)
    for package in asked.get("sources", []):
        _source(package, out)


if __name__ == "__main__":
    main()
