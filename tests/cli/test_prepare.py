"""everygroup prepare."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from everygroup.cli.prepare import prepare
from everygroup.datasets.reader import read_cohort
from everygroup.errors import ImageError, OutputError, SettingsError

app = typer.Typer()
app.command()(prepare)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    for k in range(12):
        Image.new("RGB", (8, 6), (k, k, k)).save(folder / "images" / f"i{k}.png")
    pd.DataFrame({"image_id": [f"i{k}" for k in range(12)], "dx": ["a", "b"] * 6, "age": range(30, 42)}).to_csv(
        folder / "metadata.csv", index=False
    )
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_prepare_then_read(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "cohorts" / "mine"
    options = ("--image-size", 4, "--label", "dx", "--group", "age", "--bins", "age=35", "--resize", "pad")
    result = run(data, "-o", out, *options)
    assert result.exit_code == 0, result.output
    cohort = read_cohort(out)
    assert len(cohort) == 12
    assert cohort.groups == ("<=35", ">35")
    assert np.asarray(cohort.images[7])[1:3].max() == 7
    assert run(data, "-o", out, *options).exit_code == 0, "a second time changes nothing"


def test_bad_images_and_occupied_folders(data: Path, tmp_path: Path) -> None:
    (data / "images" / "i3.png").write_bytes(b"")
    out = tmp_path / "out"
    assert isinstance(run(data, "-o", out, "--image-size", 4).exception, ImageError)
    assert run(data, "-o", out, "--image-size", 4, "--on-bad-image", "skip").exit_code == 0
    assert len(read_cohort(out, label="dx", group="age", bins={"age": "35"})) == 11
    assert isinstance(run(data, "-o", out, "--image-size", 5, "--on-bad-image", "skip").exception, OutputError)
    result = run(data, "-o", out, "--image-size", 5, "--on-bad-image", "skip", "--overwrite")
    assert result.exit_code == 0


def test_images_elsewhere(data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in (data / "images").iterdir():
            archive.write(path, path.name)
    result = run(
        data / "metadata.csv", "--out", tmp_path / "o", "--images", tmp_path / "pictures.zip", "--image-size", 3
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "o" / "images.npy").exists()


@pytest.mark.parametrize("target", ["mask", "image"])
def test_a_simulated_cohort_is_written(tmp_path: Path, target: str) -> None:
    out = tmp_path / "out"
    result = run("sim", "--target", target, "--samples", 60, "--image-size", 16, "--seed", 2, "-o", out)
    assert result.exit_code == 0, result.output
    cohort = read_cohort(out)
    assert (cohort.target, len(cohort), cohort.provenance["settings"]["seed"]) == (target, 60, 2)
    for words in (["sim", "--label", "dx"], ["sim", "--label-map", "x"], [tmp_path, "--samples", 60]):
        assert isinstance(run(*words, "-o", tmp_path / "other").exception, SettingsError)


def test_dials_of_a_simulation(tmp_path: Path) -> None:
    words = ("sim", "--target", "mask", "-n", 30, "--image-size", 16)
    assert run(*words, "--dial", "outline_shift=0.2", "--dial", "hair=0", "-o", tmp_path / "out").exit_code == 0
    settings = read_cohort(tmp_path / "out").provenance["settings"]
    assert (settings["outline_shift"], settings["hair"]) == (0.2, 0)
