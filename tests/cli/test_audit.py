"""`everygroup audit` from the command line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from everygroup.cli.audit import audit
from everygroup.console import console
from everygroup.errors import EverygroupError
from everygroup.predictions import Predictions


def run(*arguments: str | Path, report: bool = False):
    arguments = (*arguments, "--verbose") if report else (*arguments, "--verbose", "--no-report")
    app = typer.Typer()
    app.command()(audit)
    with console.capture() as capture:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return " ".join(capture.get().split())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    dx = rng.choice(["mel", "nv"], 80)
    risk = np.where(dx == "nv", 0.7, 0.3) + rng.uniform(-0.29, 0.29, 80)
    frame = pd.DataFrame(
        {"dx": dx, "risk": risk, "sex": rng.choice(["f", "m", ""], 80), "age": rng.integers(20, 80, 80)}
    )
    frame["patient"], frame["part"], frame["image"] = np.arange(80) // 2, ["dev"] * 40 + ["test"] * 40, np.arange(80)
    frame["p_mel"], frame["p_nv"] = 1 - frame["risk"], frame["risk"]
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def test_anybodys_table(table: Path) -> None:
    text = run(
        *(table, "--y-true", "dx", "--y-score", "p_*", "--group", "sex", "--group", "age", "--bins", "age=50"),
        *("--cluster", "patient", "--id", "image", "--split", "all", "--n-boot", "20"),
        report=True,
    )
    assert "By sex" in text and "By age" in text and "missing" in text and "eopp1_lab" in text
    folder = table.parent / "mine-audit"
    summary = pd.read_csv(folder / "summary.csv")
    assert set(summary["attribute"]) == {"sex", "age"}
    assert {"<=50", ">50"} <= set(summary["group"])
    loaded = json.loads((folder / "audit.json").read_text())
    assert loaded["settings"]["n_clusters"] == 40 and loaded["settings"]["n_boot"] == 20
    assert "summary.csv" in text
    made = {p.name for p in folder.iterdir()}
    page = (folder / "report.html").read_text()
    for asked in ("label: dx; sample id: image; patient: patient; split: part; scores: p_mel, p_nv", "age at 50"):
        assert asked in page and asked.replace("_", "\\_") in (folder / "model-card.md").read_text()
    assert "<dt>patients or lesions</dt><dd>40</dd>" in page and "<dt>attributes</dt><dd>sex, age</dd>" in page
    assert {"report.html", "model-card.md", "groups.tex", "gaps.md", "cells.csv", "differences.csv"} <= made


def test_rows_without_labels_and_groups_without_rows_are_said(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    rows["sex"] = rows["sex"].where(rows.index > 2, "x")  # none of them is a test row
    rows.to_csv(table, index=False)
    common = (table, "--y-true", "dx", "--y-score", "risk", "--group", "sex", "--n-boot", "5", "--out", tmp_path / "o")
    assert "sex: group x has no sample here" in run(*common)
    assert "no sample here" not in run(*common, "--split", "all")
    rows.assign(answer=rows["dx"], dx="").to_csv(table, index=False)
    with pytest.raises(EverygroupError, match="No row has a label: y_true is empty in all 40 rows"):
        run(table, "--y-true", "dx", "--y-pred", "answer", "--group", "sex")


def test_the_grouping_goes_by_the_name_of_its_attribute(tmp_path: Path) -> None:
    y = np.arange(120) % 3
    light = np.array(["bright"] * 60 + ["dark"] * 52 + ["dim"] * 8)
    p = Predictions.from_arrays(
        y, y_pred=np.where(np.arange(120) % 7 == 0, 0, y), sensitive_features={"light": light}, group=light
    )
    p.to_csv(tmp_path / "run" / "predictions.csv")
    with pytest.raises(AssertionError):  # the gate fails
        run(tmp_path / "run", "--n-boot", "20", "--fail-if", "gap(accuracy,light)>=0", report=True)
    folder = tmp_path / "run" / "predictions-audit"
    kept = json.loads((folder / "audit.json").read_text())
    assert "in the group bright (light) (n = 60)" in kept["summary"] and "dim (light)" not in kept["summary"]
    assert "light: group dim has 8 samples (fewer than 10): n too small, left out of gaps." in [
        flag["text"] for flag in kept["flags"]
    ]
    card, page = (folder / "model-card.md").read_text(), (folder / "report.html").read_text()
    assert "Groups of light." in card and "(light) (n\u00a0=\u00a060)" in page
    assert all("FAILED: gap(accuracy,light)&gt;=0: by light" in text for text in (page, card))


def test_splits(table: Path, tmp_path: Path) -> None:
    common = (table, "--y-true", "dx", "--y-score", "risk", "--group", "sex", "--n-boot", "5", "--out", tmp_path / "o")
    assert "Auditing the rows of split 'test'" in run(*common, "--split-column", "part")
    assert pd.read_csv(tmp_path / "o" / "summary.csv")["n"].max() == 40
    run(*common, "--split-column", "part", "--split", "dev")
    assert json.loads((tmp_path / "o" / "audit.json").read_text())["settings"]["n"] == 40
    assert "mix the splits" in run(*common, "--split-column", "part", "--split", "all")
    assert json.loads((tmp_path / "o" / "audit.json").read_text())["settings"]["n"] == 80


def test_run_folder_with_a_baseline(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    y[84:] = 0
    for name, right in (("ours", 0.9), ("erm", 0.6)):
        answer = np.where(rng.random(90) < right, y, (y + 1) % 3)
        p = Predictions.from_arrays(
            y, 0.1 + 0.7 * np.eye(3)[answer], group=[0] * 44 + [1] * 40 + [2] * 6, groups=["a", "b", "[red]c"]
        )
        p.to_csv(tmp_path / name / "predictions.csv")
    text = run(tmp_path / "ours", "--baseline", tmp_path / "erm", "--n-boot", "20")
    assert "Change against the baseline, by group" in text and "no clear change" in text and "improved all" not in text
    assert "95 % interval (continued)" in text and "undefined" in text and "fate_eopp1_lab: " in text
    assert "p < 0.001" in text
    assert "[red]c" in text and "n too small" in text
    assert (tmp_path / "ours" / "predictions-audit" / "audit.json").exists()


def test_a_group_of_one_patient_is_shown_without_an_interval(tmp_path: Path) -> None:
    y = np.arange(90) % 3
    for name, answer in (("ours", y), ("erm", np.where(np.arange(90) % 4 == 0, 0, y))):
        p = Predictions.from_arrays(
            y,
            y_pred=answer,
            group=[0] * 40 + [1] * 40 + [2] * 10,
            groups=["a", "b", "c"],
            units=[*range(80), *[99] * 10],
        )
        p.to_csv(tmp_path / name / "predictions.csv")
    text = run(tmp_path / "ours", "--baseline", tmp_path / "erm", "--n-boot", "20")
    assert "one patient or lesion" in text and "nan" not in text


def test_a_finished_run_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    y = [0, 1] * 20
    Predictions.from_arrays(y, y_pred=y, group=[0] * 20 + [1] * 20, groups=["a", "b"]).to_csv(
        folder / "predictions.csv"
    )
    for name in ("config.yaml", "summary.csv"):
        (folder / name).write_text("of the run")
    with pytest.raises(EverygroupError, match="is the folder of a run") as caught:
        run(folder, "--out", folder, "--n-boot", "5")
    assert "--out" in caught.value.fix and (folder / "summary.csv").read_text() == "of the run"
    run(folder, "--n-boot", "5")
    assert (folder / "predictions-audit" / "summary.csv").exists()


def test_mistakes_name_the_fix(table: Path) -> None:
    with pytest.raises(EverygroupError) as caught:
        run(table, "--y-true", "dx", "--y-score", "p_*")
    assert "--group" in caught.value.fix
    with pytest.raises(EverygroupError, match="did you mean 'dx'"):
        run(table, "--y-true", "dxx", "--y-score", "p_*", "--group", "sex")
