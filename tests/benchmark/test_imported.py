"""A method in a file of one's own: the page's text copied out, benchmarked by two processes, trained, and loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from everygroup.benchmark.plan import make_plan
from everygroup.benchmark.recipe import Recipe, read_recipe
from everygroup.benchmark.study import run_study
from everygroup.cli.train_options import RunKeys, resolve
from everygroup.errors import OutputError, SettingsError
from everygroup.methods.imported import code_hash, import_again
from everygroup.methods.parts import REGISTERED
from everygroup.methods.registry import method_class
from everygroup.reading import Reading
from everygroup.settings import TrainSettings, build

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/add-a-method.md").read_text(encoding="utf-8")
Make = Callable[..., Recipe]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert found
    return found.group(1)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "group_balanced.py"
    path.write_text(block("python"), encoding="utf-8")
    yield path
    REGISTERED.pop("group_balanced", None)


def test_the_page_works_by_copy_and_paste(file: Path) -> None:
    # a process of its own: nothing but the recipe may bring the method into it
    small = block("yaml").replace("n: 400", "n: 240, image_size: 16").replace("updates: 60", "updates: 2")
    file.with_name("recipe.yaml").write_text(small.replace("[0, 1, 2]", "[0]"), encoding="utf-8")
    command = next(line for line in PAGE.splitlines() if line.startswith("everygroup benchmark")).split()[1:]
    assert command[-2:] == ["--jobs", "2"]
    ran = subprocess.run(
        [sys.executable, "-m", "everygroup", *command], cwd=file.parent, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0 and "4 jobs finished" in ran.stderr + ran.stdout, ran.stderr
    assert "group_balanced" in (file.parent / "runs/balancing/tables/results.csv").read_text()


def test_content_identifies_only_jobs_of_the_file(file: Path, recipe: Make, tmp_path: Path) -> None:
    methods = ["erm", "group_balanced"]
    before = make_plan(recipe(methods=methods, imports=[str(file)], seeds=[0]))
    alone = make_plan(recipe(methods=["erm"], seeds=[0]))
    assert {j.method: bool(j.code_hash) for j in before.final} == {"erm": False, "group_balanced": True}
    assert [j.id for j in before.final if j.method == "erm"] == [j.id for j in alone.final]
    run_study(before.recipe, tmp_path / "out", plan=before)

    file.write_text(file.read_text() + "\n# better\n")
    with pytest.raises(SettingsError, match="changed"):
        import_again(before.final[0].imports)
    after = make_plan(recipe(methods=methods, imports=[str(file)], seeds=[0]))
    same = {a.method: a.id == b.id for a, b in zip(before.final, after.final, strict=True)}
    assert same == {"erm": True, "group_balanced": False}
    with pytest.raises(OutputError, match="group_balanced"):
        run_study(after.recipe, tmp_path / "out", plan=after)


def test_paths_are_relative_to_the_recipe(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "title: t\ncohorts: [{name: toy, source: toy}]\nmethods: [group_balanced]\n"
    path = tmp_path / "r.yaml"
    monkeypatch.chdir("/")
    path.write_text(text + "imports: group_balanced.py\n")
    assert read_recipe(path).imports == [str(file)]
    path.write_text(text)
    REGISTERED.pop("group_balanced")
    with pytest.raises(SettingsError, match="--import"):
        read_recipe(path)
    assert read_recipe(path, [file]).at(None).but(seeds=[4]).imports == [str(file)]
    assert code_hash(method_class("group_balanced")) and not code_hash(method_class("erm"))


def test_fit_records_the_file_and_a_config_repeats_it(file: Path, tmp_path: Path) -> None:
    from everygroup.settings import write_config

    def plan(flags: dict[str, Any], config: Path | None = None) -> dict[str, Any]:
        given = Reading(), build(RunKeys, flags), TrainSettings()
        return resolve(*given, config=config, assignments=["power=0.5"]).to_dict()

    first = plan({"method": "group_balanced", "imports": [str(file)]})
    assert first["imports"] == [str(file)] and first["hyperparameters"] == {"power": 0.5}
    write_config(tmp_path / "config.yaml", {"source": "x", **first})
    REGISTERED.pop("group_balanced")
    assert plan({}, tmp_path / "config.yaml") == first
    file.write_text(file.read_text() + "\n")
    assert plan({}, tmp_path / "config.yaml") != first


def test_a_metric_of_a_file_stands_in_the_tables(recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from everygroup.benchmark.collect import collect
    from everygroup.metrics import registry

    monkeypatch.setattr(registry, "_own", {})
    path, out = tmp_path / "right.py", tmp_path / "out"
    path.write_text("def right(y_true, y_pred):\n    return (y_true == y_pred).mean()\n", encoding="utf-8")
    try:
        run_study(recipe(methods=["erm"], imports=[str(path)], seeds=[0, 1]), out)
        registry._own.clear()  # as in a process that only collects
        registry._metrics.cache_clear()
        collect(out)
        rows = pd.read_csv(out / "tables/results.csv")
        assert {"right", "macro_f1"} <= set(rows["metric"])
        right = rows[(rows["metric"] == "right") & (rows["group"] == "overall") & (rows["part"] == "test")]
        predictions = [pd.read_csv(done.parent / "predictions.csv") for done in out.glob("jobs/*/done")]
        tests = [p[p["split"] == "test"] for p in predictions]
        accuracy = [(p["y_true"] == p["y_pred"]).mean() for p in tests]
        assert sorted(right["value"]) == pytest.approx(sorted(accuracy), abs=1e-12)
        assert "right" in (out / "tables/results.md").read_text()
        path.unlink()
        collect(out)  # without the file all else is still there
        assert "right" not in set(pd.read_csv(out / "tables/results.csv")["metric"])
    finally:
        monkeypatch.undo()
        registry._metrics.cache_clear()
