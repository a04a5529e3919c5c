"""The miniatures of published layouts, found by name: miniatures/NAME.py beside this file holds `build(folder)`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "miniatures"


def build(name: str, folder: Path) -> Path:
    """Draw the miniature of a data set into a folder."""
    path = FOLDER / f"{name}.py"
    assert path.exists(), f"{path.relative_to(FOLDER.parents[3])} is missing: draw the published layout there"
    spec = importlib.util.spec_from_file_location(f"miniature_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder.mkdir(parents=True, exist_ok=True)
    module.build(folder)
    return folder


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def miniature(tmp_path: Path) -> Callable[[str], Path]:
    """Draw the miniature of a data set and return its folder."""
    return lambda name: build(name, tmp_path / "raw" / name)
