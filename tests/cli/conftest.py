"""A small cohort on disk, and the command line as a user meets it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from everygroup.cli.main import app


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pristine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 pictures of 10 px: red ones are ill, blue ones well; two groups and a patient for every two pictures."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    rows = []
    for i in range(100):
        ill, old = i % 2, (i // 2) % 2
        image = rng.integers(0, 60, (10, 10, 3), dtype=np.uint8)
        image[..., 0 if ill else 2] += 120
        image[..., 1] += 90 * old
        Image.fromarray(image).save(folder / "images" / f"p{i:03d}.png")
        age = (70 if old else 30) + i % 7
        rows.append((f"p{i:03d}", "ill" if ill else "well", age, "f" if i % 3 else "m", f"patient{i // 4:02d}"))
    table = pd.DataFrame(rows, columns=["image_id", "label", "age", "sex", "patient_id"])
    table.to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture
def folder(pristine_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(pristine_folder, tmp_path / "data"))


@pytest.fixture
def change(folder: Path) -> Callable[[Callable[[pd.DataFrame], pd.DataFrame]], None]:
    """Rewrite metadata.csv."""

    def apply(edit: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        path = folder / "metadata.csv"
        edit(pd.read_csv(path)).to_csv(path, index=False)

    return apply


COHORT = "--label label --group age --bins age=55 --split-by patient_id --image-size 10"
FIT = f"{COHORT} --epochs 1 --batch-size 16 --n-boot 20"


@pytest.fixture
def everygroup() -> Callable[..., tuple[int, str]]:
    """Run the command line; returns exit code and everything printed."""

    def run(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return run


@pytest.fixture
def fit_options() -> list[str]:
    """Options of the shortest fit."""
    return FIT.split()
