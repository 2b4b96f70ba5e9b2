from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import potentiate

SOURCES = sorted(Path(potentiate.__file__).parent.rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "marshal", "cloudpickle", "shelve", "joblib"}


def is_true(call: ast.Call, keyword: str) -> bool:
    return any(
        k.arg == keyword and isinstance(k.value, ast.Constant) and k.value.value is True
        for k in call.keywords
    )


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return {node.module.split(".")[0]}
    if isinstance(node, ast.Call):  # import_module("..."), __import__("...")
        return {a.value for a in node.args if isinstance(a, ast.Constant) and a.value in MODULES}
    return set()


def banned(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        yield from sorted(imported(node) & MODULES)
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            yield from ("torch.load under another name" for a in node.names if a.name == "load")
        if isinstance(node, ast.ImportFrom) and node.module == "builtins":
            yield from (a.name for a in node.names if a.name in {"eval", "exec"})
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called.removeprefix("builtins.") in {"eval", "exec"}:
            yield called
        if called == "torch.load" and not is_true(node, "weights_only"):
            yield "torch.load without weights_only=True"
        if any(k.arg == "allow_pickle" for k in node.keywords) and is_true(node, "allow_pickle"):
            yield "allow_pickle=True"


def test_the_source_is_found() -> None:
    assert len(SOURCES) > 10


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: "/".join(p.parts[-2:]))
def test_no_file_runs_code_from_data(path: Path) -> None:
    assert list(banned(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "snippet",
    [
        "import pickle",
        "import os, dill.source as d",
        "from marshal import loads",
        "def f():\n    from cloudpickle import dumps",
        "importlib.import_module('pickle')",
        "eval('1')",
        "builtins.exec('1')",
        "from builtins import eval as e",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "from torch import load",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_scan_sees(snippet: str) -> None:
    assert len(list(banned(snippet))) == 1


@pytest.mark.parametrize(
    "snippet",
    [
        "model.eval()",
        "torch.load(p, weights_only=True)",
        "np.load(p, allow_pickle=False)",
        "x = 'exec'",
    ],
)
def test_the_scan_lets_pass(snippet: str) -> None:
    assert list(banned(snippet)) == []
