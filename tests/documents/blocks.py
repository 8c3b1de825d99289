"""Code blocks of the documents, and what a comment before each says about it (CONTRIBUTING.md, Proof)."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>[\w,]*)$")
MARK = re.compile(r"^ *<!-- (?P<word>run|not run)(?:: (?P<text>.*))? -->$")


@dataclass(frozen=True)
class Block:
    """One block of code."""

    page: str
    line: int
    kind: str
    text: str
    # `run` or `not run`, and what stands behind the colon.
    mark: str = ""
    said: str = ""

    @property
    def file(self) -> str | None:
        """The file that its first line names."""
        named = re.match(r"# ([\w./-]+\.(?:py|toml))\n", self.text)
        return named.group(1) if named else None

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of a page, in their order."""
    found: list[Block] = []
    mark, fence, lines, began = None, None, [], 0
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            fence, lines, began = FENCE.match(line), [], number
            if fence is None and line.strip():
                mark = MARK.match(line)
        elif line.strip() == "```":
            words = (mark["word"], mark["text"] or "") if mark else ("", "")
            indent = len(fence["indent"])
            code = "".join(f"{line[indent:]}\n" for line in lines)
            found.append(Block(page, began, fence["kind"], code, *words))
            mark, fence = None, None
        else:
            lines.append(line)
    assert fence is None, f"{page}:{began}: the block has no end"
    return found


def pages() -> list[str]:
    """Documents that are committed, or will be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [page for page in listed.stdout.split() if (ROOT / page).exists()]


def every_block() -> list[Block]:
    """The blocks of all documents."""
    return [it for page in pages() for it in blocks(page, (ROOT / page).read_text())]
