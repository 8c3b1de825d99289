"""What `import framerill` gives and what it costs."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import framerill

PACKAGE = Path(framerill.__file__).parent


def modules_after(statement):
    script = f"{statement}\nimport sys; print(' '.join(sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_it_pulls_in_neither_torch_nor_opencv_nor_pydantic():
    loaded = modules_after("import framerill")
    assert "numpy" in loaded
    assert not loaded & {"torch", "cv2", "pydantic", "asyncio", "importlib.metadata", "framerill.testing"}


def test_params_bring_pydantic_and_nothing_else():
    assert not modules_after("from framerill import Params") & {"torch", "cv2"}


@pytest.mark.parametrize("name", ["framerill", "framerill.testing", "framerill.errors", "framerill.frames",
                                  "framerill.pipelines", "framerill.worker",
                                  "framerill.decoupled", "framerill.discovery", "framerill.plates"])  # fmt: skip
def test_all_is_what_is_there(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for exported in module.__all__:
        value = getattr(module, exported)
        assert exported.startswith("__") or value.__doc__, f"{exported} has a docstring"
    public = {
        key for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name and isinstance(value, type)
    }  # fmt: skip
    assert public <= set(module.__all__)


def test_every_other_module_is_underscored():
    public = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("_")}
    assert public == {"decoupled", "discovery", "testing", "errors", "frames", "pipelines", "plates", "worker"}
    assert (PACKAGE / "py.typed").is_file()


def test_optional_packages_are_imported_in_one_module_only():
    for path in PACKAGE.glob("*.py"):
        imported = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "torch" not in imported or path.stem == "_tensor"
        assert "cv2" not in imported


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        framerill.Pipelin  # noqa: B018
