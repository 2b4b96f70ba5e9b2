from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import potentiate

HEAVY = {
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "pandas",
    "pooch",
    "jinja2",
    "pydantic",
}


def loaded_by(statement: str) -> set[str]:
    """The heavy packages in memory after a statement in a fresh interpreter."""
    code = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return HEAVY & set(answer.stdout.split())


def declared() -> dict[str, str]:
    """Names and homes as the type checker sees them."""
    tree = ast.parse(Path(potentiate.__file__).read_text(encoding="utf-8"))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return {
        alias.name: node.module
        for node in imports
        if node.module and node.module.startswith("potentiate.")
        for alias in node.names
    }


@pytest.mark.parametrize("name", potentiate.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(potentiate, name) is not None


@pytest.mark.parametrize(("name", "home"), declared().items())
def test_a_lazy_name_is_the_one_that_the_type_checker_sees(name: str, home: str) -> None:
    assert getattr(potentiate, name) is getattr(import_module(home), name)


def test_all_lists_exactly_the_declared_names() -> None:
    assert set(potentiate.__all__) == set(declared()) | {"__version__"}
    assert potentiate.__all__ == sorted(potentiate.__all__)
    assert dir(potentiate) == sorted(potentiate.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'potentiate' has no attribute 'tarin'"):
        _ = potentiate.tarin


def test_the_version_has_three_parts() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", potentiate.__version__)


@pytest.mark.parametrize("module", ["potentiate", "potentiate.errors", "potentiate.machine"])
def test_importing_is_cheap(module: str) -> None:
    assert loaded_by(f"import {module}") == set()


def test_an_error_is_available_without_torch() -> None:
    assert loaded_by("from potentiate import Refused") == set()
