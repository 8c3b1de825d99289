"""Code blocks of the documents parse; those that can be run are run."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import packer
import pytest
from blocks import ROOT, Block, blocks, every_block

BLOCKS = every_block()
OPTIONAL_IS_MISSING = 77

# Instructions that a Dockerfile of a document may have.
INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "USER", "ARG", "CMD", "ENTRYPOINT", "WORKDIR"}


def program_folder() -> Path | None:
    """Where `framerill` was built last."""
    if named := os.environ.get("FRAMERILL_BIN_DIR"):
        return Path(named)
    built = [ROOT / "target" / profile / "framerill" for profile in ("debug", "release")]
    built = sorted((it for it in built if it.exists()), key=lambda it: it.stat().st_mtime)
    return built[-1].parent if built else None


def of_kind(*kinds: str) -> list[Block]:
    return [block for block in BLOCKS if block.kind in kinds]


@pytest.mark.parametrize("block", of_kind("python"), ids=str)
def test_python_is_python(block):
    ast.parse(textwrap.dedent(block.text), str(block))


@pytest.mark.parametrize("block", of_kind("sh", "bash"), ids=str)
def test_shell_is_shell(block):
    # A placeholder such as STREAM or … is a word like any other.
    parsed = subprocess.run(["bash", "-n", "-c", block.text], capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("block", of_kind("json"), ids=str)
def test_json_is_json(block):
    if "…" in block.text:
        pytest.skip(f"{block}: parts are left out")
    json.loads(block.text)


@pytest.mark.parametrize("block", of_kind("toml"), ids=str)
def test_toml_is_toml(block):
    tomllib = pytest.importorskip("tomllib")
    tomllib.loads(block.text)


@pytest.mark.parametrize("block", of_kind("dockerfile"), ids=str)
def test_dockerfiles_have_instructions(block):
    lines = re.sub(r"\\\n", " ", block.text).splitlines()
    words = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
    assert words <= INSTRUCTIONS, words - INSTRUCTIONS


def test_every_block_says_its_language():
    assert not [str(block) for block in BLOCKS if not block.kind]


def test_a_mark_stands_before_what_it_is_about():
    marks = sum(
        len(re.findall(r"^ *<!-- (?:run|not run)\b", (ROOT / page).read_text(), re.MULTILINE))
        for page in {block.page for block in BLOCKS}
    )
    assert marks == sum(1 for block in BLOCKS if block.mark)


def test_blocks_are_found_with_what_is_said_of_them():
    page = "<!-- run: exits 2 -->\n\n```sh\na\n```\n\n  ```python\n  # x.py\n  b\n  ```\n"
    first, second = blocks("page", page)
    assert (first.kind, first.text, first.mark, first.said) == ("sh", "a\n", "run", "exits 2")
    assert (second.text, second.mark, second.file, second.line) == ("# x.py\nb\n", "", "x.py", 7)


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    """Wheels of what packages need, so that documents install some without an index."""
    folder = tmp_path_factory.mktemp("index")
    packer.make({"out": folder, "repack": ["numpy", "pydantic", "setuptools"]})
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A second of video, as `make demo` leaves one."""
    programs = program_folder()
    if programs is None:
        pytest.skip("framerill is not built: cargo build --workspace --bins")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    source = "lavfi:testsrc2=size=128x96:rate=12:duration=1"
    run = [programs / "framerill", "run", source, "--pipeline", "noop", "--quiet", "-o", path]
    subprocess.run(run, check=True)
    return path


def of_pages(wanted) -> list:
    """Pages with a block that is wanted."""
    return sorted({block.page for block in BLOCKS if wanted(block)})


def is_exercised(block: Block) -> bool:
    """Whether it is a module for authors: no fragment, and no part of a package."""
    imports = re.search(r"^(from|import) (framerill|app|runner|pydantic)\b", block.text, re.MULTILINE)
    # Examples of docstrings are about a reader's own modules.
    is_written_here = not block.page.startswith("docs/reference/")
    is_alone = is_written_here and "/" not in (block.file or "")
    return block.kind == "python" and bool(imports) and is_alone and block.mark != "not run"


@pytest.mark.parametrize("page", of_pages(is_exercised))
def test_python_of_a_page_runs(page, tmp_path):
    exercised = [block for block in BLOCKS if block.page == page and is_exercised(block)]
    tests, missing = [], []
    for number, block in enumerate(exercised):
        path = tmp_path / (block.file or f"block_{number}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        if path.name.startswith("test_"):
            tests.append(path)
            continue
        command = [sys.executable, ROOT / "tests/documents/exercise.py", path]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if ran.returncode == OPTIONAL_IS_MISSING:
            missing.append(f"{block}: {ran.stdout.strip()}")
            continue
        assert ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
    if tests:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{page}\n{ran.stdout}{ran.stderr}"
    if missing:
        pytest.skip("; ".join(missing))


def environment(folder: Path, index: Path) -> dict[str, str]:
    """What a reader's terminal has: the programs, a Python with the package, a home; and no index of packages."""
    beside = Path(sys.executable).parent
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "PATH": f"{program_folder()}:{beside}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "FRAMERILL_HOME": str(folder / "home/framerill"),
        "FRAMERILL_PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(index),
        "LANG": "C.UTF-8",
    }


@pytest.mark.parametrize("page", of_pages(lambda it: it.kind in ("sh", "bash") and it.mark == "run"))
def test_commands_of_a_page_run(page, tmp_path, clip, index):
    for folder in ("home", "tmp", "out"):
        (tmp_path / folder).mkdir()
    shutil.copy(clip, tmp_path / "clip.mp4")
    shutil.copy(clip, tmp_path / "out/demo.mp4")
    for block in (block for block in BLOCKS if block.page == page):
        if block.file:
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.kind not in ("sh", "bash") or block.mark != "run":
            continue
        expected = int(block.said.removeprefix("exits ")) if block.said else 0
        command = ["bash", "-euo", "pipefail", "-c", block.text]
        ran = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(tmp_path, index),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert ran.returncode == expected, f"{block}\n{ran.stdout}{ran.stderr}"
