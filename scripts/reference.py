"""Writes the pages of docs/reference that the code itself can tell: cli.md, settings.md, python.md, metrics.md.

`reference.py PROGRAM` writes them, PROGRAM being a built `framerill`; `reference.py PROGRAM --check` changes nothing and
ends with 1, and a difference, when a page is not what it would write. It needs Python's standard library alone.
"""

import ast
import difflib
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs/reference"
PACKAGE = ROOT / "python/framerill/src/framerill"
BASE = ROOT / "python/ai-runner-base/src/ai_runner_base"
NOTE = "<!-- Written by `make reference` from the code. Change the code, not this page. -->"

OF_SETTINGS = """\
A flag counts before its variable, a `FRAMERILL_…` variable before the name that other runners have for it, and for
`serve` and `infer` both before `.env` in the working folder. What each does: [command line](cli.md); those of the live
runner, with their defaults: [operate it](../guides/operator.md#settings)."""
OF_METRICS = """\
In Prometheus' text format. Their labels, and what to watch: [the live runtime](../concepts/runtime-overview.md#metrics),
[trickle](../guides/trickle.md)."""

# Variables that no flag of a command stands for.
OTHER_VARIABLES = {
    "FRAMERILL_DEFAULT_HOST": "where `serve` listens when nothing else says where, `.env` included; `ai-runner-base` sets it",
    "FRAMERILL_HOME": "the folder of environments; `$XDG_DATA_HOME/framerill` or `~/.local/share/framerill` where it is not set",
    "DIFFUSERS_CACHE": "handed to pipelines; the model folder where it is not set",
    "FRAMERILL_CONTROL_FD": "a worker's: the descriptor of its control socket, set by whoever starts it",
    "FRAMERILL_INFER_PROGRAM": "tests: what `serve` starts in place of its own infer",
    "FRAMERILL_MEDIA": "the program `framerill-media`, where it is neither beside `framerill` nor on the `PATH`",
    "FRAMERILL_POSTGRES_PASSWORD": "before `POSTGRES_PASSWORD`",
    "FRAMERILL_SEED": "tests: the seed of random delays",
    "HUGGINGFACE_HUB_CACHE": "handed to pipelines; the model folder where it is not set",
    "POSTGRES_PASSWORD": "plates: PostgreSQL's password; also in `.env`",
    "PYTHONPATH": "where the Python of pipelines looks for packages, besides its own folders",
    "STREAM_PROTOCOL": "`trickle` or nothing; anything else is refused",
    "VERBOSE_LOGGING": "exactly `1`: more lines of the log, of pipelines too",
    "VIRTUAL_ENV": "the active virtual environment: its Python runs pipelines where no other is named",
}
# What `ai-runner-base` does with a variable itself; it hands all of them on to `framerill serve`.
VARIABLES_OF_BASE = {
    "AUTH_TOKEN": "the token that `LiveVideoToVideoPipeline` sends to its server",
    "AUTO_INSTALL_PIPELINE": "the start may take as long as an installation does; the pipeline is not looked for in this Python",
    "DIFFUSERS_CACHE": "of `prepare_models`; the model folder where it is not set",
    "FRAMERILL_AUTH_TOKEN": "before `AUTH_TOKEN`",
    "FRAMERILL_BIN": "the program `framerill`, where it is neither beside this Python nor on the `PATH`",
    "FRAMERILL_DEFAULT_HOST": "where the server listens when nothing else says where, `.env` included; `python -m app.main` and `start_app` set it to `0.0.0.0`",
    "FRAMERILL_INSTALL": "as `AUTO_INSTALL_PIPELINE`",
    "FRAMERILL_MODEL_DIR": "before `MODEL_DIR`",
    "FRAMERILL_MODEL_ID": "the pipeline is not looked for in this Python: `framerill` finds it",
    "FRAMERILL_PIPELINE": "as `FRAMERILL_MODEL_ID`",
    "FRAMERILL_PYTHON": "what pipelines run with; this Python where it is not set",
    "HF_HUB_OFFLINE": "set to `0` for `prepare_models`",
    "HOST": "where a batch pipeline listens; every address where it is not set",
    "HUGGINGFACE_HUB_CACHE": "of `prepare_models`; the model folder where it is not set",
    "MODEL_DIR": "the model folder; `~/.lpData/models` where it is not set",
    "MODEL_ID": "the pipeline to prepare, before `PIPELINE`; the `model_id` of a batch pipeline's answers",
    "PIPELINE": "the pipeline to prepare; the name of a batch pipeline in its answers",
    "PORT": "where a batch pipeline listens; 8000 where it is not set",
    "PREPARE_MODELS": "exactly `1`: models are prepared, and nothing is served",
    "VERBOSE_LOGGING": "exactly `1`: more lines of the log",
    "VERSION": "the version in a batch pipeline's answers; `undefined` where it is not set",
}
# What every program reads, and what words of other kinds look like.
NOT_OURS = {"HOME", "PATH", "COLUMNS", "TERM"}


# A metric's name, kind where it stands beside it, and what it is.
METRIC = re.compile(
    r'(sum_and_count\( ?)?"((?:framerill|process|stream)_[a-z_]+|version)", '
    r'(?:"(gauge|counter|summary|histogram)", )?"([A-Z][^"]+)"'
)


def help_of(program: Path, *command: str) -> str:
    """What `--help` of a command says, without a terminal and without variables that it would show."""
    said = subprocess.run(
        [program, *command, "--help"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return "\n".join(line.rstrip() for line in said.stdout.strip().splitlines())


def commands(program: Path, *above: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every command with its help, in the order of the program's own list."""
    text = help_of(program, *above)
    yield above, text
    listed = re.search(r"^Commands:\n((?:  .*\n|\n)*)", text + "\n", re.MULTILINE)
    for line in listed.group(1).splitlines() if listed else ():
        name = re.match(r"  ([a-z-]+)", line)
        if name and name.group(1) != "help":
            yield from commands(program, *above, name.group(1))


def command_line(program: Path) -> str:
    """Page of every command."""
    parts = [
        "# Command line",
        NOTE,
        "What `--help` of each command says. Exit codes: [exit codes](exit-codes.md). Variables: [settings](settings.md).",
    ]
    for command, text in commands(program):
        parts += [
            f"## `{' '.join(('framerill', *command))}`",
            f"```text\n{text}\n```",
        ]
    return "\n\n".join(parts) + "\n"


def flags(text: str) -> Iterator[tuple[str, str]]:
    """Flags of a help text and what is said of each."""
    options = text.partition("Options:\n")[2]
    name, said = "", []
    for line in [*options.splitlines(), "      --end"]:
        match = re.match(r" {2,6}(?:-\w, )?(--[a-z-]+)", line)
        if match:
            if name:
                yield name, " ".join(said)
            name, said = match.group(1), [line[match.end() :].strip()]
        else:
            said.append(line.strip())


def settings(program: Path) -> str:
    """Page of every variable."""
    found: dict[str, dict[str, list[str]]] = {}
    for command, text in commands(program):
        for flag, said in flags(text):
            listed = re.search(r"\[env: ([^\]]*)\]", said)
            for name in re.findall(r"[A-Z][A-Z_]+", listed.group(1) if listed else ""):
                found.setdefault(name, {}).setdefault(flag, []).append(
                    " ".join(command)
                )
    named = set(found) | set(OTHER_VARIABLES)
    unknown = variables_of_the_code() - named - NOT_OURS
    if unknown:
        raise SystemExit(
            f"variables that scripts/reference.py does not know: {', '.join(sorted(unknown))}"
        )
    rows = [
        f"| `{name}` | {'; '.join(f'`{flag}` of {listing(of)}' for flag, of in flags.items())} |"
        for name, flags in sorted(found.items())
    ]
    others = [
        f"| `{name}` | {text} |"
        for name, text in sorted(OTHER_VARIABLES.items())
        if name not in found
    ]
    of_base = variables_of_python(BASE) - NOT_OURS
    if of_base != set(VARIABLES_OF_BASE):
        differ = ", ".join(sorted(of_base ^ set(VARIABLES_OF_BASE)))
        raise SystemExit(
            f"ai-runner-base and scripts/reference.py differ in variables: {differ}"
        )
    rows_of_base = [
        f"| `{name}` | {text} |" for name, text in VARIABLES_OF_BASE.items()
    ]
    parts = [
        "# Settings",
        NOTE,
        OF_SETTINGS,
        "\n".join(["| variable | stands for |", "|---|---|", *rows]),
        "Variables without a flag:",
        "\n".join(["| variable | what |", "|---|---|", *others]),
        "Variables that the import roots `app` and `runner` (`ai-runner-base`) act on themselves, in the process that starts `framerill`:",
        "\n".join(["| variable | what |", "|---|---|", *rows_of_base]),
    ]
    return "\n\n".join(parts) + "\n"


def listing(names: list[str]) -> str:
    """Names in backticks, parted by commas."""
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def sources(*folders: str) -> Iterator[str]:
    """Rust files without their tests."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.rs")):
            if path.name != "tests.rs" and "tests" not in path.parts[len(ROOT.parts) :]:
                yield path.read_text().partition("#[cfg(test)]\nmod tests")[0]


def variables_of_the_code() -> set[str]:
    """Names that programs look up in their environment."""
    found = set()
    for text in sources(*(f"crates/{it}/src" for it in ("server", "av", "worker"))):
        found.update(re.findall(r'"(FRAMERILL_[A-Z_]+)"', text))
        found.update(re.findall(r'(?:var|var_os|from_env)\(\s*"([A-Z_]+)"', text))
        if "Name::new(" in text:
            found.update(re.findall(r'Some\("([A-Z_]{4,})"\)', text))
    return found | variables_of_python(PACKAGE)


def variables_of_python(package: Path) -> set[str]:
    """The same of a Python package: what is looked up by name, and names in modules that look some up."""
    found = set()
    for path in sorted(package.rglob("*.py")):
        text = path.read_text()
        if "environ" in text:
            found.update(
                re.findall(r'env(?:iron)?(?:\.get\(|\.pop\(|\[)\s*"([A-Z_]+)"', text)
            )
            found.update(re.findall(r'"([A-Z]+_[A-Z_]+)"', text))
    return found


def metrics(_: Path) -> str:
    """Page of every metric."""
    rows = set()
    for text in sources("crates/server/src/serve", "crates/server/src/infer"):
        for call, name, kind, said in METRIC.findall(re.sub(r"\s+", " ", text)):
            usual = "counter" if name.endswith("_total") else "gauge"
            rows.add((name, "summary" if call else kind or usual, said))
    own = "\n".join(
        ["| metric | kind | is |", "|---|---|---|"]
        + [f"| `{name}` | {kind} | {said} |" for name, kind, said in sorted(rows)]
    )
    text = next(it for it in sources("crates/server/src/trickle") if "fn table(" in it)
    flat = re.sub(r"\s+", " ", text.partition("fn table(")[2])
    rows = re.findall(r'\( ?"([a-z_]+)", (gauge|counter), "([^"]+)"', flat)
    rows.append(
        ("wait_seconds", "histogram", "How long readers waited for their first byte")
    )
    trickle = "\n".join(
        ["| metric | kind | is |", "|---|---|---|"]
        + [
            f"| `framerill_trickle_{name}` | {kind} | {said} |"
            for name, kind, said in sorted(rows)
        ]
    )
    of_plates = {
        (name, kind, said)
        for text in sources("crates/server/src/plates/status/board")
        for _, name, kind, said in METRIC.findall(re.sub(r"\s+", " ", text))
    }
    plates = "\n".join(
        ["| metric | kind | is |", "|---|---|---|"]
        + [f"| `{name}` | {kind} | {said} |" for name, kind, said in sorted(of_plates)]
    )
    parts = [
        "# Metrics",
        NOTE,
        OF_METRICS,
        "`GET /metrics` of `framerill serve`:",
        own,
        "`GET /metrics` of `framerill plates run --http ADDR`:",
        plates,
        "`GET /metrics` of `framerill trickle serve --metrics-addr ADDR`:",
        trickle,
    ]
    return "\n\n".join(parts) + "\n"


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A function's head without `self`."""
    arguments = ast.unparse(node.args)
    arguments = re.sub(r"^(self|cls)(, |$)", "", arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    head = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{head}{node.name}({arguments}){returns}"


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    """Names of what decorates it."""
    return {ast.unparse(it).partition("(")[0] for it in node.decorator_list}


def prose(text: str | None) -> str:
    """A docstring as text of a page: what is indented behind `::` is code."""
    parts = re.split(r"(?:^|\n)::\n\n((?:    .*\n|\n)+)", f"{(text or '').strip()}\n")
    parts[1::2] = map(fenced, parts[1::2])
    return "\n\n".join(part.strip() for part in parts if part.strip())


def fenced(text: str) -> str:
    """A block of code of Python, or of something else."""
    text = textwrap.dedent(text).strip()
    try:
        ast.parse(text)
    except SyntaxError:
        return f"```text\n{text}\n```"
    return f"```python\n{text}\n```"


def of_class(node: ast.ClassDef, module: str) -> list[str]:
    """Parts of a page about a class."""
    bases = [
        ast.unparse(it) for it in node.bases if not ast.unparse(it).startswith("_")
    ]
    parts = [
        f"### `class {module}.{node.name}{'(' + ', '.join(bases) + ')' if bases else ''}`",
        prose(ast.get_docstring(node)),
    ]
    fields = []
    for it in node.body:
        if isinstance(it, ast.AnnAssign) and isinstance(it.target, ast.Name):
            if not it.target.id.startswith("_"):
                value = f" = {ast.unparse(it.value)}" if it.value else ""
                fields.append(f"{it.target.id}: {ast.unparse(it.annotation)}{value}")
        elif isinstance(it, ast.Assign) and "Enum" in "".join(bases):
            fields += [ast.unparse(target) for target in it.targets]
    if fields:
        parts.append("```python\n" + "\n".join(fields) + "\n```")
    rows = []
    for it in node.body:
        if not isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        known = decorators(it)
        is_setter = any(name.endswith((".setter", ".deleter")) for name in known)
        if (it.name.startswith("_") and it.name != "__init__") or is_setter:
            continue
        if "overload" in known:
            continue
        said = prose(ast.get_docstring(it))
        if known & {"property", "cached_property"}:
            returns = f": {ast.unparse(it.returns)}" if it.returns else ""
            rows.append((f"{it.name}{returns}", said))
        else:
            kind = "classmethod " if "classmethod" in known else ""
            rows.append((f"{kind}{signature(it)}", said))
    for head, said in rows:
        parts.append(f"`{head}`" + (f"\n\n{said}" if said else ""))
    return [part for part in parts if part]


def members(module: str) -> dict[str, tuple[ast.AST, str]]:
    """Public names of a module and where they are defined."""
    path = PACKAGE / ("__init__.py" if module == "framerill" else f"{module}.py")
    tree = ast.parse(path.read_text())
    names = next(
        (
            [ast.literal_eval(it) for it in node.value.elts]
            for node in tree.body
            if isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "__all__"
            and isinstance(node.value, ast.List | ast.Tuple)
        ),
        None,
    )
    imported = {
        (name.asname or name.name): (node.module or "", name.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for name in node.names
    }
    defined = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    found: dict[str, tuple[ast.AST, str]] = {}
    for name in names or [it for it in defined if not it.startswith("_")]:
        if name in defined:
            found[name] = (defined[name], module)
        elif name in imported and imported[name][0]:
            source, original = imported[name]
            inner = ast.parse((PACKAGE / f"{source}.py").read_text())
            for node in inner.body:
                if getattr(node, "name", None) == original:
                    found[name] = (node, source)
    return found


def python_api(_: Path) -> str:
    """Page of what authors import."""
    parts = [
        "# Python API",
        NOTE,
        "What `import framerill` gives, from the docstrings. A first pipeline: [write a pipeline](../guides/write-a-pipeline.md).",
    ]
    modules = ["framerill"] + sorted(
        path.stem
        for path in PACKAGE.glob("*.py")
        if not path.stem.startswith("_")
        and path.stem not in ("frames", "pipelines", "worker")
    )
    for module in modules:
        shown = module if module == "framerill" else f"framerill.{module}"
        path = PACKAGE / ("__init__.py" if module == "framerill" else f"{module}.py")
        parts += [
            f"## `{shown}`",
            prose(ast.get_docstring(ast.parse(path.read_text()))),
        ]
        for name, (node, _) in members(module).items():
            if isinstance(node, ast.ClassDef):
                parts += of_class(node, shown)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.decorator_list and "overload" in decorators(node):
                    continue
                parts.append(f"### `{shown}.{signature(node)}`")
                parts.append(prose(ast.get_docstring(node)))
            else:
                raise SystemExit(f"{shown}.{name} is neither a class nor a function")
    return "\n\n".join(part for part in parts if part) + "\n"


PAGES_BY_NAME = {
    "cli.md": command_line,
    "settings.md": settings,
    "python.md": python_api,
    "metrics.md": metrics,
}


def main(arguments: list[str]) -> int:
    """Writes or checks every page."""
    program = Path(arguments[0]).resolve()
    stale = 0
    for name, page in PAGES_BY_NAME.items():
        path, text = PAGES / name, page(program)
        before = path.read_text() if path.exists() else ""
        if "--check" not in arguments:
            path.write_text(text)
        elif before != text:
            stale = 1
            difference = difflib.unified_diff(
                before.splitlines(),
                text.splitlines(),
                f"docs/reference/{name}",
                "the code",
                lineterm="",
                n=0,
            )
            sys.stdout.write(
                "\n".join([*list(difference)[:40], "it is stale: make reference", ""])
            )
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
