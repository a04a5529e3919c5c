"""`everygroup benchmark` and `everygroup collect`, as a user meets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from everygroup.cli.benchmark import benchmark
from everygroup.cli.collect import collect
from everygroup.cli.main import _kindly

RECIPE = """
title: tiny
cohorts:
  - {name: toy, source: toy, n: 240}
  - {name: mine, source: nowhere, label: label, split_by: patient_id, attributes: {old: {group: age, bins: {age: 55}}}}
methods: [erm, group_model, {name: fair_adabn, label: adabn}]
backbones: linear
settings: {updates: 16, batch_size: 24, augment: none, device: cpu}
sizes:
  small: {cohort: {image_size: 10}}
  large: {settings: {updates: 99}}
  pictures: {cohort: {image_size: 10}, backbones: small_cnn}
"""
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run() -> Run:
    app = typer.Typer(rich_markup_mode=None)
    app.command("benchmark")(_kindly(benchmark))
    app.command("collect")(_kindly(collect))

    def call(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return call


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def test_from_recipe_to_tables(run: Run, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--cohort", "toy", "--methods", "erm,group_model", "--seeds", "0", "--seeds", "3", "--out", out)
    code, text = run("benchmark", recipe, *options)
    assert code == 0, text
    assert "Together 4 runs" in text and "4 jobs finished" in text and "differences.csv" in text
    assert set(pd.read_csv(out / "tables" / "results.csv")["seed"]) == {0, 3}
    code, text = run("benchmark", recipe, *options)
    assert code == 0 and "4 were finished before" in text
    (out / "tables" / "values.csv").unlink()
    code, text = run("collect", out)
    assert code == 0 and (out / "tables" / "values.csv").exists()


def test_files_of_a_user(run: Run, recipe: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--size", "pictures", "--methods", "erm", "--seeds", "0", "--out", tmp_path / "out")
    code, text = run("benchmark", recipe, "--cohort", "mine", *options)
    assert code == 2 and "--cohort mine=FOLDER" in text and not (tmp_path / "out").exists()
    code, text = run("benchmark", recipe, "--cohort", f"mine={folder}", *options)
    assert code == 0, text
    rows = pd.read_csv(tmp_path / "out" / "tables" / "results.csv")
    assert set(rows["group"]) == {"overall", "<=55", ">55"} and set(rows["attribute"]) == {"old"}
    # the same data elsewhere are the same jobs
    moved = folder.rename(tmp_path / "nowhere")
    monkeypatch.setenv("EVERYGROUP_DATA", str(moved.parent))
    code, text = run("benchmark", recipe, "--cohort", "mine", *options[:-1], tmp_path / "b")
    jobs = [sorted(p.name for p in (tmp_path / o / "jobs").iterdir()) for o in ("out", "b")]
    assert code == 0 and jobs[0] == jobs[1]
    code, text = run("benchmark", recipe, "--cohort", "mine", *options)
    assert code == 0 and "1 were finished before" in text


def test_dry_run_writes_nothing(run: Run, recipe: Path, tmp_path: Path) -> None:
    code, text = run(
        "benchmark", recipe, "--cohort", "toy", "--size", "large", "--out", tmp_path / "out", "--dry-run", "--jobs", 2
    )
    assert code == 0 and "Together 9 runs" in text and "Expected time" in text and "with 2 jobs" in text
    assert f"{3 * (99 + 2 * 99 + 99):,} updates" in text and not (tmp_path / "out").exists()


def test_set_reaches_settings_cohorts_and_methods(run: Run, recipe: Path, tmp_path: Path) -> None:
    base = ("benchmark", recipe, "--cohort", "toy", "--seeds", "0", "--out", tmp_path / "out", "--dry-run")
    code, text = run(*base, "--set", "updates=7", "--set", "group_model.small_groups=erm", "--set", "n=300")
    assert code == 0 and f"{7 + 14 + 7} updates" in text
    for wrong, word in (
        ("lrr=1", "lrr"),
        ("nobody.alpha=1", "no method 'nobody'"),
        ("group_model.alhpa=1", "alhpa"),
        ("image_size=9", "means nothing"),
        ("draws=x", "draws"),
    ):
        code, text = run(*base, "--set", wrong)
        assert code == 2 and word in text and "Fix:" in text, text


def test_failures_end_with_code_1_and_are_named(run: Run, recipe: Path, tmp_path: Path) -> None:
    code, text = run("benchmark", recipe, "--cohort", "toy", "--seeds", "0", "--out", tmp_path / "out")
    assert code == 1 and "2 jobs finished, 0 were finished before, 1 failed" in text
    assert "adabn on toy" in text and "failed.json" in text and "Traceback" not in text
    assert "Failed, and so in no table" in (tmp_path / "out" / "tables" / "results.md").read_text()


def test_bad_input_is_one_message(run: Run, recipe: Path, tmp_path: Path) -> None:
    for arguments, word in (
        (("nothing/here",), "spare/main"),
        ((recipe, "--methods", "emr"), "group_model"),
        ((recipe, "--cohort", "tony"), "toy, mine"),
        ((recipe, "--cohort", "toy", "--seeds", "-1"), "--seeds"),
        ((recipe, "--size", "tiny"), "small, large, pictures"),
    ):
        code, text = run("benchmark", *arguments, "--out", tmp_path / "out")
        assert code == 2 and word in text and "Fix:" in text, text
    code, text = run("collect", tmp_path)
    assert code == 2 and "everygroup benchmark first" in text


def test_one_cohort_of_a_recipe_at_a_size_that_names_another(run: Run, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE + "  named: {cohorts: {mine: {image_size: 8}}}\n")
    code, text = run("benchmark", recipe, "--cohort", "toy", "--size", "named", "--out", tmp_path / "o", "--dry-run")
    assert code == 0 and "toy by own" in text, text


def test_a_comma_among_the_options_of_a_method_separates_no_methods() -> None:
    from everygroup.cli.benchmark import _listed

    assert _listed(["erm, spare(alpha=0.3, scale=rank) + thresholds(target=0.9),auto", " multitask "]) == [
        "erm",
        "spare(alpha=0.3, scale=rank) + thresholds(target=0.9)",
        "auto",
        "multitask",
    ]
