"""Wheels of what is installed in this Python, so that tests install packages without an index.

`repack.py FOLDER NAME...` packs each package and what it needs. `repack.py FOLDER --script NAME VERSION TEXT` makes one
whose only content is a program of that name.
"""

import base64
import hashlib
import re
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path


def needed(names: list[str]) -> dict[str, Distribution]:
    """The packages and, without extras, what they need."""
    found: dict[str, Distribution] = {}
    while names:
        name = names.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        for requirement in found[name].requires or []:
            spec, _, marker = requirement.partition(";")
            if "extra" not in marker:
                names.append(re.split(r"[^A-Za-z0-9._-]", spec.strip())[0])
    return found


def repack(package: Distribution, folder: Path) -> None:
    """Packs the files that its installer recorded; programs beside the interpreter are left out."""
    files = [file for file in package.files or [] if ".." not in file.parts and file.suffix != ".pyc"]
    head = next(file.parts[0] for file in files if file.parts[0].endswith(".dist-info"))
    tag = next(line for line in (package.read_text("WHEEL") or "").splitlines() if line.startswith("Tag: "))
    installers = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    content = {
        str(file): Path(str(file.locate())).read_bytes()
        for file in files
        if not (file.parts[0] == head and file.name in installers)
    }
    write(folder, head, tag.removeprefix("Tag: "), content)


def script(name: str, version: str, text: str, folder: Path) -> None:
    """A package that is one program."""
    head = f"{name}-{version}.dist-info"
    content = {
        f"{name}-{version}.data/scripts/{name}": text.encode(),
        f"{head}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{head}/WHEEL": b"Wheel-Version: 1.0\nGenerator: repack\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    write(folder, head, "py3-none-any", content)


def write(folder: Path, head: str, tag: str, content: dict[str, bytes]) -> None:
    """Writes the wheel and its record."""
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in content.items()
    ]
    record.append(f"{head}/RECORD,,\n")
    with zipfile.ZipFile(folder / f"{head.removesuffix('.dist-info')}-{tag}.whl", "w") as wheel:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path)
            # Installers look at the mode of programs.
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            wheel.writestr(entry, data)
        wheel.writestr(f"{head}/RECORD", "\n".join(record))


def main(arguments: list[str]) -> None:
    """Does what the module's docstring says."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    if arguments[1] == "--script":
        script(*arguments[2:5], folder)
        return
    for package in needed(arguments[1:]).values():
        repack(package, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
