"""Recipes so small that a whole benchmark takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from everygroup.benchmark.recipe import Recipe, build_recipe
from everygroup.settings import write_config

TINY: dict[str, Any] = {
    "title": "tiny",
    "cohorts": [{"name": "toy", "source": "toy", "n": 240, "options": {"theta": 0.5}}],
    "methods": ["erm", "group_model"],
    "backbones": "linear",
    "seeds": [0, 1],
    "settings": {"updates": 24, "batch_size": 24, "lr": 0.03, "augment": "none", "device": "cpu", "optimiser": "adamw"},
}

SCRIPT = """
import sys
from pathlib import Path
from everygroup.benchmark.recipe import read_recipe
from everygroup.benchmark.study import run_study
recipe = read_recipe(sys.argv[1])
methods = [m.model_dump(exclude_unset=True) for m in recipe.methods if m.title in sys.argv[3].split(",")]
run_study(recipe.but(methods=methods), Path(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Recipe]:
    """Give the tiny recipe with some parts replaced."""

    def make(**changes: Any) -> Recipe:
        return build_recipe({**TINY, **changes}, where="tiny.yaml")

    return make


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a benchmark in a process of its own; gives the process."""

    def begin(recipe: Recipe, out: Path, methods: str) -> subprocess.Popen[str]:
        path = tmp_path / "recipe.yaml"
        write_config(path, recipe.model_dump(mode="json", exclude_none=True))
        command = [sys.executable, "-c", SCRIPT, str(path), str(out), methods]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)

    return begin


def results(out: Path) -> dict[str, bytes]:
    """Read what must not depend on how a benchmark was run, by file."""
    names = ("predictions.csv", "metrics.csv", "done")
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for n in names for p in sorted(out.glob(f"jobs/*/{n}"))}


@pytest.fixture(scope="session")
def read() -> Callable[[Path], dict[str, bytes]]:
    """Give `results`."""
    return results
