"""From the name of a pipeline to its class.

A target is `FILE.py` or `./FOLDER`, either with `:Class`, `module:Class`, an installed entry point's name, or a
specification as JSON: `{"pipeline_cls": "module:Class"}`, and maybe `name`, `params_cls` and `tensor_range`.

What is no `framerill.Pipeline` but has a function `__framerill_pipeline__(name)` stands for the class that it returns;
`name` is the entry point's or the specification's, else None.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._installed import name_and_version
from ._pipeline import Pipeline
from ._said import text_of
from .discovery import entry_point, name_of_class, near
from .errors import TargetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")
_FOLDER = re.compile(r"(?P<path>\.{1,2}|(?!\{).*/.*?)(?::(?P<attribute>[A-Za-z_]\w*))?")
_NO_AUTHORS = ("framerill", "ai_runner_base", "pydantic", "numpy")
"""Packages between an author's lines and their faults."""
_OF_AN_INSTALLATION = "being-made"
"""A file in each environment that `framerill pipelines install` makes; the next installation replaces all of it."""
_OBJECT = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_][\w.]*)")


@dataclass(frozen=True)
class Found:
    """A pipeline's class and where it comes from."""

    pipeline: type[Pipeline]
    target: str
    origin: str
    name: str | None = None
    """What it was asked for by: an entry point's name, or a specification's."""


def find(target: str) -> Found:
    """The class that `target` names; its module is imported. Raises TargetError."""
    if target.startswith("{"):
        return _specified(target)
    return _at_path(target) or of_point(entry_point(target), target)


def _at_path(target: str, name: str | None = None) -> Found | None:
    if match := _FILE.fullmatch(target):
        return Found(_in_file(match["path"], match["attribute"], name), target, "file", name)
    if match := _FOLDER.fullmatch(target):
        return Found(_in_folder(match["path"], match["attribute"], name), target, "folder", name)
    if match := _OBJECT.fullmatch(target):
        module = _import(match["module"], target)
        return Found(_attribute(module, match["attribute"], target, name), target, f"module {match['module']}", name)
    return None


def _specified(target: str) -> Found:
    """The pipeline of a specification, with its name, its parameters' class and its range."""
    spec = _spec(target)
    path = spec["pipeline_cls"]
    name = spec.get("name") or name_of_class(path)
    found = _at_path(path, name)
    if found is None:
        raise _wrong_spec(f"`pipeline_cls` is module:Class, not `{path}`")
    members: dict[str, Any] = {"name": name}
    if spec.get("params_cls"):
        members["Params"] = _params(spec["params_cls"])
    if spec.get("tensor_range"):
        members["tensor_range"] = tuple(spec["tensor_range"])
    for kept in ("__doc__", "__module__"):
        members[kept] = found.pipeline.__dict__.get(kept)
    kind: Any = type(found.pipeline)
    with of_author(path):
        pipeline = kind(found.pipeline.__name__, (found.pipeline,), members)
    return Found(pipeline, target, found.origin, name)


def _spec(target: str) -> dict[str, Any]:
    import json

    try:
        spec = json.loads(target)
    except ValueError as error:
        raise _wrong_spec(f"it is no JSON: {error}") from None
    for key, is_needed in (("pipeline_cls", True), ("name", False), ("params_cls", False)):
        value = spec.get(key)
        if not (isinstance(value, str) or (value is None and not is_needed)):
            raise _wrong_spec(f"`{key}` is a text")
    limits = spec.get("tensor_range")
    if not (limits is None or (isinstance(limits, list) and [type(it) in (int, float) for it in limits] == [True] * 2)):
        raise _wrong_spec("`tensor_range` is a list of two numbers")
    return dict(spec)


def _wrong_spec(what: str) -> TargetError:
    return TargetError(
        "unknown_pipeline",
        f"the specification of a pipeline cannot be used: {what}",
        hint='write it like {"pipeline_cls": "my_pipeline.pipeline:MyPipeline"}',
    )


def _params(path: str) -> Any:
    match = _OBJECT.fullmatch(path)
    if match is None:
        raise _wrong_spec(f"`params_cls` is module:Class, not `{path}`")
    value: Any = _import(match["module"], path)
    with of_author(path):
        for part in match["attribute"].split("."):
            if not hasattr(value, part):
                raise TargetError("import_failed", f"`{match['module']}` has nothing called `{match['attribute']}`")
            value = getattr(value, part)
    return value


def called_of(target: str) -> str:
    """What a target is called in messages: of a specification its name, since parameters may be secret."""
    if not target.startswith("{"):
        return target
    import json

    spec = json.loads(target)
    return str(spec.get("name") or spec.get("pipeline_cls")) if isinstance(spec, dict) else "a specification"


def of_point(point: EntryPoint, name: str) -> Found:
    """The class of an entry point, asked for as `name`, which may be a variant of its own. Raises TargetError."""
    module = _import(point.module, name)
    found = _attribute(module, point.attr, name, name) if point.attr else _the_one(module, name, name)
    origin = f"package {' '.join(name_and_version(point.dist))}" if point.dist else "package"
    return Found(found, name, origin, name)


def module_of(path: str, target: str) -> ModuleType:
    """The module that is a file, or has this name; `target` is what it was asked for by. Raises TargetError."""
    if not path.endswith(".py"):
        return _import(path, target)
    full = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(full):
        raise TargetError("unknown_pipeline", f"there is no file `{path}`", hint="give the path of a Python file")
    return _run(full, path)


def _in_file(path: str, attribute: str | None, name: str | None) -> type[Pipeline]:
    full = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(full):
        folder = os.path.dirname(full)
        names = [name for name in os.listdir(folder) if name.endswith(".py")] if os.path.isdir(folder) else []
        raise TargetError(
            "unknown_pipeline",
            f"there is no file `{path}`",
            hint=near(os.path.basename(full), names) + "give the path of a Python file that defines a Pipeline",
        )
    module = _run(full, path)
    return _attribute(module, attribute, path, name) if attribute else _the_one(module, path, name)


def _in_folder(path: str, attribute: str | None, name: str | None) -> type[Pipeline]:
    """In `pipeline.py` of the folder, or in its `__init__.py`, which makes a package of it."""
    full = os.path.abspath(os.path.expanduser(path))
    file, init = os.path.join(full, "pipeline.py"), os.path.join(full, "__init__.py")
    has_file, is_package = os.path.isfile(file), os.path.isfile(init)
    if not (has_file or is_package):
        raise TargetError(
            "unknown_pipeline",
            f"there is no pipeline in the folder `{path}`",
            hint="a folder has its pipeline in `pipeline.py`, or in `__init__.py`",
        )
    above, package = os.path.split(full)
    if not (is_package and package.isidentifier()):
        return _in_file(file if has_file else init, attribute, name)
    if above not in sys.path:
        sys.path.insert(0, above)
    module = _import(f"{package}.pipeline" if has_file else package, path)
    return _attribute(module, attribute, path, name) if attribute else _the_one(module, path, name)


def _run(full: str, path: str) -> ModuleType:
    from importlib.machinery import ModuleSpec, SourceFileLoader
    from importlib.util import module_from_spec

    folder, file = os.path.split(full)
    if folder not in sys.path:
        # Modules beside the file can be imported, as when it is run as a script.
        sys.path.insert(0, folder)
    stem = file[: -len(".py")]
    known = sys.modules.get(stem)
    if known is not None and getattr(known, "__file__", None) == full:
        return known
    name = stem if stem.isidentifier() and stem not in sys.modules else f"_pipeline_{abs(hash(full)):x}"
    loader = SourceFileLoader(name, full)
    spec = ModuleSpec(name, loader, origin=full)
    spec.has_location = True
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with of_author(path):
            loader.exec_module(module)
    except TargetError:
        sys.modules.pop(name, None)
        raise
    return module


def _import(name: str, target: str) -> ModuleType:
    from importlib import import_module

    # Last, so that a file there which is called like a module of the library does not stand in for it.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    with of_author(target):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise
            raise TargetError(
                "unknown_pipeline",
                f"no module is called `{error.name}` (for `{target}`)",
                hint="install the package that brings it into this Python, or give the path of a file",
            ) from error


@contextmanager
def of_author(target: str) -> Iterator[None]:
    """The border to an author's code that is no frame's: whatever it raises, `SystemExit` too, is a TargetError."""
    try:
        yield
    except TargetError:
        raise
    except BaseException as error:
        raise _import_failed(target, error) from error


def _import_failed(target: str, error: BaseException) -> TargetError:
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = _how_to_have(error.name.partition(".")[0])
    elif isinstance(error, ImportError) and "relative import" in text_of(error):
        hint = "it is part of a package: name the package's folder instead of the file"
    return TargetError(
        "import_failed",
        f"`{target}` cannot be imported: {type(error).__name__}: {text_of(error)}{_place(error)}",
        hint=hint,
        traceback="".join(traceback.format_exception(error)),
    )


def _how_to_have(module: str) -> str:
    if os.path.isfile(os.path.join(sys.prefix, _OF_AN_INSTALLATION)):
        return f"add `{module}` to the `dependencies` of its pyproject.toml and install it again"
    import shlex

    return f"install what it needs: {shlex.quote(sys.executable)} -m pip install {module}"


def _place(error: BaseException) -> str:
    """The author's last line that it came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return ""  # it says so itself
    steps = [it for it in traceback.extract_tb(error.__traceback__) if _is_authors(it.filename)]
    return f" ({steps[-1].filename}, line {steps[-1].lineno})" if steps else ""


def _is_authors(file: str) -> bool:
    if not os.path.isfile(file):
        return False
    folders = [os.path.dirname(sys.modules[it].__file__ or "") for it in _NO_AUTHORS if it in sys.modules]
    if any(file.startswith(folder + os.sep) for folder in folders):
        return False
    is_library = file.startswith(os.path.dirname(os.__file__) + os.sep)
    return not is_library or "-packages" in file


def _attribute(module: ModuleType, attribute: str, target: str, name: str | None) -> type[Pipeline]:
    with of_author(target):
        value: Any = module
        for part in attribute.split("."):
            if not hasattr(value, part):
                names = _pipelines(module)
                raise TargetError(
                    "unknown_pipeline",
                    f"`{target}` has nothing called `{attribute}`",
                    hint=near(attribute, names)
                    + (f"there are: {', '.join(names)}" if names else "it defines no Pipeline"),
                )
            value = getattr(value, part)
        adapt = getattr(value, "__framerill_pipeline__", None)
        if adapt is not None:
            value = adapt(name)
        if isinstance(value, type) and issubclass(value, Pipeline):
            return value
        raise TargetError(
            "import_failed",
            f"`{attribute}` of `{target}` is no framerill.Pipeline but {value!r:.80}",
            hint=f"write `class {attribute.rsplit('.', 1)[-1]}(framerill.Pipeline):`",
        )


def _the_one(module: ModuleType, target: str, name: str | None) -> type[Pipeline]:
    with of_author(target):
        found = _pipelines(module)
    if len(found) == 1:
        return _attribute(module, found[0], target, name)
    if not found:
        raise TargetError(
            "unknown_pipeline",
            f"`{target}` defines no pipeline",
            hint="define one class that inherits framerill.Pipeline and has a `process` method, "
            "or one function with `@framerill.pipeline` before it",
        )
    names = [f"{target}:{it}" for it in found]
    raise TargetError(
        "unknown_pipeline", f"`{target}` defines {len(found)} pipelines", hint=f"name one: {', '.join(names)}"
    )


def _pipelines(module: ModuleType) -> list[str]:
    """Names of what the module itself defines and what can run; a leading underscore hides a base."""
    return [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and _can_run(value) and not name.startswith("_")
    ]


def _can_run(value: Any) -> bool:
    if isinstance(value, type) and issubclass(value, Pipeline):
        return value.process is not Pipeline.process
    return hasattr(value, "__framerill_pipeline__") and not getattr(value, "__abstractmethods__", None)
