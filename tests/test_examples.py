"""The examples run: the README's, the recipes, and what CONTRIBUTING shows; and a run leaves its files."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.cohort import Cohort, split_cohort
from everygroup.datasets import simulated
from everygroup.metrics import macro_f1

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).resolve().parent.parent
RECIPES = {"spare-by-skin-tone": "spare", "group-model-by-age": "group_model"}


def marked_region(code: str) -> str:
    found = re.search(r"^# \[quickstart\]\n(.*?)^# \[/quickstart\]", code, flags=re.DOTALL | re.MULTILINE)
    assert found
    return found.group(1)


def python_blocks(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)


def load(code: str) -> Any:
    """A module made of a documented file."""
    module = types.ModuleType("documented")
    exec(compile(code, "documented", "exec"), module.__dict__)
    return module


# ---- the README's example -------------------------------------------------------------------------------------------

QUICKSTART = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")


def test_readme_shows_the_quickstart_as_it_is() -> None:
    assert marked_region(QUICKSTART) in python_blocks("README.md")
    lines = [line for line in marked_region(QUICKSTART).splitlines() if line]
    assert len(lines) <= 12


def test_quickstart_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = QUICKSTART
    for long, short in (("n=2400", "n=260"), ("image_size=32", "image_size=16"), ('"epochs": 20', '"epochs": 1')):
        assert code.count(long) == 1
        code = code.replace(long, short)
    load(code)
    printed = capsys.readouterr().out
    assert "in the group dark" in printed and "Against erm" in printed, printed


# ---- the recipes ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: metadata.csv and PNG files."""
    folder = tmp_path_factory.mktemp("cohort")
    cohort = simulated.dermatology(260, image_size=16, seed=3).cohort
    for sample_id, image in zip(cohort.ids, cohort.batch(np.arange(len(cohort))), strict=True):
        Image.fromarray(image).save(folder / f"{sample_id}.png")
    cohort.table.to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(folder_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The run folder of every recipe."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVERYGROUP_CACHE", str(out / "cache"))
        for recipe, method in RECIPES.items():
            words = ["fit", str(folder_cohort), "--config", str(ROOT / "examples" / f"{recipe}.yaml")]
            words += ["--method", method, "--out", str(out / recipe), "--device", "cpu", "--n-boot", "20"]
            result = CliRunner().invoke(app, words, catch_exceptions=False)
            assert result.exit_code == 0, result.output
        yield {recipe: out / recipe for recipe in RECIPES}


def test_every_recipe_is_tested() -> None:
    assert {p.stem for p in (ROOT / "examples").glob("*.yaml")} == set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_says_how_to_run_it(recipe: str) -> None:
    text = (ROOT / "examples" / f"{recipe}.yaml").read_text(encoding="utf-8")
    assert f"everygroup fit DATA --config examples/{recipe}.yaml --method {RECIPES[recipe]} --out " in text


def test_recipes_make_the_groups_they_name(runs: dict[str, Path]) -> None:
    predictions = pd.read_csv(runs["spare-by-skin-tone"] / "predictions.csv")
    assert set(predictions["group"].dropna()) <= {"light", "medium", "dark"}
    assert set(predictions["split"]) == {"validation", "test"}
    predictions = pd.read_csv(runs["group-model-by-age"] / "predictions.csv")
    assert set(predictions["group"].dropna()) == {"<=55", ">55"}


def test_run_folder_holds_what_its_page_says(runs: dict[str, Path]) -> None:
    page = (ROOT / "docs/reference/run-folder.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", page.partition("## predictions.csv")[0], flags=re.MULTILINE)
    documented = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {p.name for p in runs["spare-by-skin-tone"].iterdir()} == documented
    assert {p.name for p in runs["group-model-by-age"].iterdir()} == documented - {"weights.csv"}


@pytest.mark.parametrize("table", ["predictions.csv", "weights.csv", "summary.csv"])
def test_tables_have_the_columns_their_page_says(table: str, runs: dict[str, Path]) -> None:
    page = (ROOT / "docs/reference/run-folder.md").read_text(encoding="utf-8")
    part = page.partition(f"## {table}\n")[2].partition("\n## ")[0]
    documented = [n for row in re.findall(r"^\| ([^|]*) \|", part, flags=re.M) for n in re.findall(r"`([^`]+)`", row)]
    columns = list(pd.read_csv(runs["spare-by-skin-tone"] / table, nrows=1).columns)
    actual = ["score_<class>" if c.startswith("score_") else c for c in columns if c != "skin_type"]
    assert set(actual) == set(documented)


def test_tutorial_predicts_joins_and_audits(
    runs: dict[str, Path], folder_cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "NEW").symlink_to(folder_cohort)
    run = str(runs["group-model-by-age"])
    commands = [
        ["predict", run, "NEW", "--out", "new-predictions.csv", "--device", "cpu"],
        ["audit", "new-predictions.csv", "--n-boot", "20"],
        ["audit", "joined.csv", "--group", "age", "--group", "sex", "--bins", "age=40,60", "--n-boot", "20"],
    ]
    for words in commands:
        if words[1] == "joined.csv":
            load(python_blocks("docs/tutorials/your-own-data.md")[0])
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    measured = pd.read_csv("joined-audit/summary.csv")
    assert set(measured["attribute"]) >= {"age", "sex"}
    assert {"<=40", "(40,60]", ">60", "female", "male"} <= set(measured["group"])


# ---- what CONTRIBUTING shows ----------------------------------------------------------------------------------------


def test_contributed_method_works_and_how_to_shows_the_same(tiny_cohort: Any, tmp_path: Path) -> None:
    from everygroup.errors import SettingsError
    from everygroup.methods import create_method, import_files, method_class
    from everygroup.methods.parts import REGISTERED
    from everygroup.settings import TrainSettings

    code = python_blocks("CONTRIBUTING.md")[0]
    assert code in python_blocks("docs/how-to/add-a-method.md")
    path = tmp_path / "group_balanced.py"
    path.write_text(code, encoding="utf-8")
    try:
        import_files([path])
        split = split_cohort(tiny_cohort(120, missing=6))
        settings = TrainSettings.make({"epochs": 2, "batch_size": 24, "device": "cpu"})
        model = create_method("group_balanced", {"power": 0.5}).fit(split.train, split.validation, settings=settings)
        assert model.predict_proba(split.test).shape == (len(split.test), 2)
        with pytest.raises(SettingsError, match="less than or equal to 1"):
            method_class("group_balanced")(power=2.0)
    finally:
        REGISTERED.pop("group_balanced", None)


def test_the_adversary_of_the_how_to_learns_and_is_read_back_without_its_file(tiny_cohort: Any, tmp_path: Path) -> None:
    from everygroup.methods import Lab, create_method, import_files
    from everygroup.methods.parts import REGISTERED
    from everygroup.models import RoutedModel
    from everygroup.settings import TrainSettings

    (code,) = (block for block in python_blocks("docs/how-to/add-a-method.md") if "class BlindFeatures" in block)
    path = tmp_path / "blind_features.py"
    path.write_text(code, encoding="utf-8")
    split = split_cohort(tiny_cohort(120, missing=6))
    settings = TrainSettings.make({"epochs": 2, "batch_size": 24, "device": "cpu"})
    try:
        import_files([path])
        lab = Lab(split.train, split.validation, settings)
        (part,) = create_method("blind_features(lam=0.5)")
        start = {name: w.clone() for name, w in part.learner(lab).state_dict().items() if "adversary" in name}
        trained = lab.train_network(part, "blind").learner.state_dict()
        assert all((trained[name] != w).any() for name, w in start.items()), "the second optimiser trains the adversary"
        model = create_method("resampling + blind_features(lam=0.5)").fit(
            split.train, split.validation, settings=settings
        )
    finally:
        REGISTERED.pop("blind_features", None)
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))


def test_contributed_metric_is_measured_and_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.metrics import balanced_accuracy_score

    from everygroup.audit import audit_arrays, gates
    from everygroup.metrics import registry
    from everygroup.metrics.own import adopt

    module = load(python_blocks("CONTRIBUTING.md")[1])
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    answer = np.where(rng.random(200) < 0.6, y, rng.integers(0, 2, 200))
    measured = module.youden(y, answer, sensitive_features=group)
    assert measured.value == pytest.approx(balanced_accuracy_score(y, answer, adjusted=True), abs=1e-12)
    assert measured.n_per_group == macro_f1(y, answer, sensitive_features=group).n_per_group
    monkeypatch.setattr(registry, "_own", {})
    try:
        assert adopt(module) == ["youden"]
        result = audit_arrays(y, y_pred=answer, sensitive_features={"site": group}, metrics=["youden"], n_boot=50)
        for g in (0, 1):
            assert result.value("site", str(g), "youden") == pytest.approx(measured.per_group[g], abs=1e-12)
        row = result.table.set_index(["group", "metric"]).loc[("gap", "youden")]
        assert row["value"] == pytest.approx(measured.gap, abs=1e-12) and row["low"] <= row["value"] <= row["high"]
        assert result.settings["headline"] == "youden" and "Youden's index" in result.summary()
        assert gates(result, ["gap(youden)>2"])[0].failed is False
    finally:
        monkeypatch.undo()
        registry._metrics.cache_clear()


def test_the_metric_of_the_pages_works_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.metrics import metric_info, registry
    from everygroup.metrics.own import import_metrics

    code = python_blocks("CONTRIBUTING.md")[2]
    of_arrays, with_sklearn, _ = python_blocks("docs/how-to/own-metric.md")
    assert code == of_arrays
    (tmp_path / "cost.py").write_text(f"{code}\n\n{with_sklearn}", encoding="utf-8")
    monkeypatch.setattr(registry, "_own", {})
    try:
        assert import_metrics([tmp_path / "cost.py"]) == ["cost", "f2"]
        assert metric_info("cost").function([0, 0, 1, 1], [0, 1, 1, 0]).value == 1.5
        assert metric_info("f2").function([0, 1, 1, 1], [1, 1, 1, 0]).value == pytest.approx(2 / 3)
    finally:
        monkeypatch.undo()
        registry._metrics.cache_clear()


def test_contributed_data_set_is_one_of_ours_and_prepares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.datasets import prepare_published, published, read_cohort

    code = python_blocks("CONTRIBUTING.md")[3]
    assert code == (Path(published.__file__).parent / "ddi.py").read_text(encoding="utf-8")
    monkeypatch.setitem(published.ADAPTERS, "ddi", published.ADAPTERS["ddi"])  # is put back afterwards
    module = load(code)
    assert type(published.ADAPTERS["ddi"]) is module.Ddi
    miniature = load((ROOT / "tests/datasets/published/miniatures/ddi.py").read_text(encoding="utf-8"))
    (tmp_path / "raw").mkdir()
    miniature.build(tmp_path / "raw")
    cohort = read_cohort(prepare_published("ddi", tmp_path / "raw", tmp_path / "out", image_size=8), group="skin_tone")
    assert isinstance(cohort, Cohort)
    assert (len(cohort), cohort.sample_shape, cohort.groups) == (18, (8, 8, 3), ("12", "34", "56"))
    assert (cohort.group < 0).sum() == 1 and cohort.provenance["citation"] == module.Ddi.info.citation
