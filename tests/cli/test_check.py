"""everygroup check, and the options that commands on cohorts share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from everygroup.cli.check import check
from everygroup.cli.options import mapping
from everygroup.errors import CohortError, SettingsError

app = typer.Typer()
app.command()(check)
N = 80


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    ids = [f"i{k}" for k in range(N)]
    pd.DataFrame(
        {
            "image_id": ids,
            "dx": ["nv", "mel"] * (N // 2),
            "age": [30, 30, 70, 70] * (N // 4),
            "patient_id": [f"p{k // 2}" for k in range(N)],
        }
    ).to_csv(folder / "metadata.csv", index=False)
    images = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)
    np.savez(folder / "images-4.npz", images=images, ids=np.array(ids))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_check_prints_the_fingerprint_of_the_split(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(data, "--label", "dx", "--group", "age", "--bins", "age=60", "--split-by", "patient_id")
    assert result.exit_code == 0, result.output
    shown = result.output + capsys.readouterr().err
    assert "80 images (4 x 4 x 3) of 40 patients or lesions" in shown
    assert "20 = 12 + 4 + 4" in shown
    assert "cells of the test part with fewer than 10 samples" in shown


def test_check_writes_json(data: Path, tmp_path: Path) -> None:
    options = (data, "--label", "dx", "--group", "age", "--bins", "age=60", "--json")
    assert run(*options, tmp_path / "f.json").exit_code == 0
    value = json.loads((tmp_path / "f.json").read_text())
    assert value["units"][0]["n"] == N
    assert any("--split-by patient_id" in w for w in value["warnings"])
    result = run(*options, "-")
    assert json.loads(result.stdout) == value


def test_the_seed_decides_the_split_and_the_limit_the_size(data: Path, tmp_path: Path) -> None:
    options = (data, "--label", "dx", "--group", "age", "--bins", "age=60", "--sample-limit", "40", "--json", "-")
    assert json.loads(run(*options).stdout)["units"][0]["n"] == 40


def test_a_cohort_too_small_to_split_is_still_counted(data: Path) -> None:
    result = run(data, "--label", "dx", "--group", "patient_id", "--sample-limit", "4", "--json", "-")
    assert result.exit_code == 0, result.output
    assert [u["part"] for u in json.loads(result.stdout)["units"]] == ["all"]


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Skin-coloured pictures with recorded types; one picture is there twice, the second a little brighter."""
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "skin"
    folder.mkdir()
    ids = [f"i{k}" for k in range(N)]
    types = [1 + k % 6 for k in range(N)]
    table = {"image_id": ids, "dx": ["nv", "nv", "mel", "mel"] * (N // 4), "skin_type": types}
    pd.DataFrame(table).to_csv(folder / "metadata.csv", index=False)
    rng = np.random.default_rng(0)
    shade = np.array([235, 190, 150]) - 18 * (np.array(types)[:, None] - 1)
    rough = rng.normal(0, 12, (N, 4, 4, 1)).repeat(6, axis=1).repeat(6, axis=2)
    images = shade[:, None, None] + rough + rng.normal(0, 3, (N, 24, 24, 1))
    images[9] = images[2] + 6
    np.savez(folder / "images-24.npz", images=np.clip(images, 0, 255).astype(np.uint8), ids=np.array(ids))
    return folder


def test_copies_skin_tone_and_the_page(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    options = (
        pictures,
        "--label",
        "dx",
        "--group",
        "skin_type",
        "--bins",
        "skin_type=3",
        "--json",
        tmp_path / "f.json",
    )
    result = run(*options, "--page", page, "--mean-images", "--skin-tone")
    assert result.exit_code == 0, result.output
    shown = result.output + capsys.readouterr().err
    assert "1 pair of images nearly the same" in shown and "Skin tone agreement" in shown
    value = json.loads((tmp_path / "f.json").read_text())
    assert [(p["id_a"], p["id_b"], p["kind"]) for p in value["pairs_of_copies"]] == [("i2", "i9", "near")]
    assert {row["against"] for row in value["skin_tone_agreement"]} >= {"ycbcr_mask", "skin_median"}
    written = page.read_text(encoding="utf-8")
    assert 'id="means"' in written and "skin_type (rows) against ycbcr_mask (columns), images." in written
    assert "whole_image (rows)" not in written
    assert run(*options, "--units-with-duplicates").exit_code == 0
    again = json.loads((tmp_path / "f.json").read_text())
    assert again["units"][0]["n_units"] == N - 1 and again["pairs_of_copies"][0]["same_part"]
    assert isinstance(run(*options, "--mean-images").exception, SettingsError)


def test_mistakes_are_errors_of_ours(data: Path) -> None:
    assert isinstance(run(data, "--label", "dxx", "--group", "age").exception, CohortError)
    assert isinstance(run(data, "--label", "dx").exception, CohortError)
    assert isinstance(run(data, "--label", "dx", "--group", "age", "--bins", "age").exception, SettingsError)
    assert run(data, "--on-bad-image", "ignore").exit_code == 2


def test_bins_are_split_at_the_first_equals_sign() -> None:
    assert mapping(None, "--bins") == {}
    assert mapping(["age=40,60", "skin type = a:x=1|b:2"], "--bins") == {"age": "40,60", "skin type": "a:x=1|b:2"}


@pytest.mark.parametrize("text", ["age", "age=", "=60", " = "])
def test_unreadable_bins(text: str) -> None:
    with pytest.raises(SettingsError, match="Cannot read --bins") as caught:
        mapping([text], "--bins")
    assert "--bins COLUMN=RULE" in caught.value.fix


def test_bins_given_twice() -> None:
    with pytest.raises(SettingsError, match="'age' twice"):
        mapping(["age=40", "age=60"], "--bins")
