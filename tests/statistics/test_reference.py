"""The reference page names what there is, and its example runs."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/reference/statistics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["delong", "detectable", "multiple", "paired", "power", "ranks", "signed_rank"])
def test_every_public_function_is_on_the_page_and_exported(name: str) -> None:
    module = importlib.import_module(f"everygroup.statistics.{name}")
    room = importlib.import_module("everygroup.statistics")
    for key, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_"):
            assert key in room.__all__
            assert f"`{key}`" in PAGE or f"`{key}(" in PAGE or key == "mcnemar_counts"


def test_names_on_the_page_exist() -> None:
    room = importlib.import_module("everygroup.statistics")
    for name in re.findall(r"^\| ((?:`\w+[^`]*`(?:, )?)+) \|", PAGE, flags=re.MULTILINE):
        for function in re.findall(r"`(\w+)", name):
            assert hasattr(room, function), function


def test_signatures_on_the_page_bind() -> None:
    room = importlib.import_module("everygroup.statistics")
    found = re.findall(r"`(\w+)\(([^`]*)\)`", PAGE)
    assert len(found) > 15
    for function, arguments in found:
        known = inspect.signature(getattr(room, function)).parameters
        for argument in (a.split("=")[0].strip() for a in arguments.split(",")):
            assert argument == "*" or argument in known, f"{function}: {argument}"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(example, "statistics.md", "exec"), {})
    assert (tmp_path / "ranks.svg").read_text().startswith("<svg")
