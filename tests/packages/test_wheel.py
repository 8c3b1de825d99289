"""The wheel with both programs is the package of development, and says so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
tomllib = pytest.importorskip("tomllib")


def described(path: str) -> dict:
    return tomllib.loads((ROOT / path).read_text())


def test_both_descriptions_of_the_package_agree():
    pure = described("python/framerill/pyproject.toml")["project"]
    whole = described("deploy/wheel/pyproject.toml")["project"]
    for field in ("name", "requires-python", "dependencies", "optional-dependencies", "dynamic"):
        assert whole[field] == pure[field], field
    assert set(pure["classifiers"]) <= set(whole["classifiers"])
    assert pure["license"] in whole["license"]


def test_the_package_has_the_version_of_the_programs():
    workspace = described("Cargo.toml")["workspace"]["package"]["version"]
    package = (ROOT / "python/framerill/src/framerill/_version.py").read_text()
    assert re.search(r'__version__ = "([^"]+)"', package).group(1) == workspace


def test_the_wheel_is_made_of_what_is_there():
    maturin = described("deploy/wheel/pyproject.toml")["tool"]["maturin"]
    manifest = described(maturin["manifest-path"])
    assert (ROOT / "python/framerill" / maturin["python-source"] / maturin["python-packages"][0]).is_dir()
    assert [it["name"] for it in manifest["bin"]] == ["framerill"]
