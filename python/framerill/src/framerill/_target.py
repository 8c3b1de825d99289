"""From the name of a pipeline to its class.

A target is `FILE.py`, `FILE.py:Class`, `module:Class`, or the name of an installed entry point.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._said import text_of
from .errors import TargetError
from .pipeline import Pipeline

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

GROUPS = ("ai_runner.pipelines", "ai_runner.pipeline")
"""Entry-point groups, the first one wins."""

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<attribute>[A-Za-z_]\w*))?")
_OBJECT = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_][\w.]*)")


@dataclass(frozen=True)
class Found:
    """A pipeline's class and where it comes from."""

    pipeline: type[Pipeline]
    target: str
    origin: str
    name: str | None = None
    """The entry point's name."""


def find(target: str) -> Found:
    """The class that `target` names; its module is imported. Raises TargetError."""
    if match := _FILE.fullmatch(target):
        return Found(_in_file(match["path"], match["attribute"]), target, "file")
    if match := _OBJECT.fullmatch(target):
        module = _import(match["module"], target)
        return Found(_attribute(module, match["attribute"], target), target, f"module {match['module']}")
    return _installed(target)


def entry_points() -> list[EntryPoint]:
    """Every entry point of the groups, also those whose names occur twice. Imports none of them."""
    from importlib.metadata import entry_points as of_group

    return [point for group in GROUPS for point in of_group(group=group)]


def _installed(name: str) -> Found:
    points = entry_points()
    base = name.partition("-")[0]
    point = next((it for wanted in (name, base) for it in points if it.name == wanted), None)
    if point is None:
        names = sorted({it.name for it in points})
        installed = f"installed pipelines: {', '.join(names)}" if names else "no pipeline package is installed here"
        raise TargetError(
            "unknown_pipeline",
            f"no installed pipeline is called `{name}`",
            hint=f"{_near(name, names)}{installed}; a file is named by its path, for example ./mine.py",
        )
    return of_point(point, name)


def of_point(point: EntryPoint, name: str) -> Found:
    """The class of an entry point, asked for as `name`, which may be a variant of its own. Raises TargetError."""
    module = _import(point.module, name)
    found = _attribute(module, point.attr, name) if point.attr else _the_one(module, name)
    origin = f"package {point.dist.name} {point.dist.version}" if point.dist else "package"
    return Found(found, name, origin, name)


def _in_file(path: str, attribute: str | None) -> type[Pipeline]:
    full = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(full):
        folder = os.path.dirname(full)
        names = [name for name in os.listdir(folder) if name.endswith(".py")] if os.path.isdir(folder) else []
        raise TargetError(
            "unknown_pipeline",
            f"there is no file `{path}`",
            hint=_near(os.path.basename(full), names) + "give the path of a Python file that defines a Pipeline",
        )
    module = _run(full, path)
    return _attribute(module, attribute, path) if attribute else _the_one(module, path)


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
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the border to the author's module
        del sys.modules[name]
        raise _import_failed(path, error) from error
    return module


def _import(name: str, target: str) -> ModuleType:
    from importlib import import_module

    # Last, so that a file there which is called like a module of the library does not stand in for it.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _import_failed(target, error) from error
        raise TargetError(
            "unknown_pipeline",
            f"no module is called `{error.name}` (for `{target}`)",
            hint="install the package that brings it into this Python, or give the path of a file",
        ) from error
    except (Exception, SystemExit) as error:  # the border to the author's module
        raise _import_failed(target, error) from error


def _import_failed(target: str, error: BaseException) -> TargetError:
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install what it needs into this Python ({sys.executable}): pip install {error.name.split('.')[0]}"
    return TargetError(
        "import_failed",
        f"`{target}` cannot be imported: {type(error).__name__}: {text_of(error)}",
        hint=hint,
        traceback="".join(traceback.format_exception(error)),
    )


def _attribute(module: ModuleType, attribute: str, target: str) -> type[Pipeline]:
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            names = [it.__name__ for it in _classes(module)]
            raise TargetError(
                "unknown_pipeline",
                f"`{target}` has nothing called `{attribute}`",
                hint=_near(attribute, names)
                + (f"there are: {', '.join(names)}" if names else "it defines no Pipeline"),
            )
        value = getattr(value, part)
    adapt = getattr(value, "__framerill_pipeline__", None)
    if adapt is not None:
        value = adapt()
    if not (isinstance(value, type) and issubclass(value, Pipeline)):
        raise TargetError(
            "import_failed",
            f"`{attribute}` of `{target}` is no framerill.Pipeline but {value!r:.80}",
            hint=f"write `class {attribute.rsplit('.', 1)[-1]}(framerill.Pipeline):`",
        )
    return value


def _the_one(module: ModuleType, target: str) -> type[Pipeline]:
    classes = _classes(module)
    if len(classes) == 1:
        return classes[0]
    if not classes:
        raise TargetError(
            "unknown_pipeline",
            f"`{target}` defines no pipeline",
            hint="define one class that inherits framerill.Pipeline and has a `process` method",
        )
    names = [f"{target}:{it.__name__}" for it in classes]
    raise TargetError(
        "unknown_pipeline", f"`{target}` defines {len(classes)} pipelines", hint=f"name one: {', '.join(names)}"
    )


def _classes(module: ModuleType) -> list[type[Pipeline]]:
    """Pipelines that the module itself defines and that can run; a leading underscore hides a base."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Pipeline)
        and value.__module__ == module.__name__
        and value.process is not Pipeline.process
        and not name.startswith("_")
    ]


def _near(name: str, names: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean `{near[0]}`? " if near else ""
