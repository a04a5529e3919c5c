"""The map of when SPARE helps: one cell of each part, resumption after a kill, and nulls shown as nulls."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everygroup.advise.verdict import POOLED, UNKNOWN, VERDICTS, WEIGHTING

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
OWN_MODULES = ("common", "toy", "when_spare_helps", "when_spare_helps_page")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in OWN_MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import when_spare_helps  # type: ignore[import-not-found]

    yield when_spare_helps
    for name in OWN_MODULES:
        sys.modules.pop(name, None)


def test_a_cell_of_the_vector_part_and_its_advice(bench: ModuleType) -> None:
    cell = {"n_in": 24, "shift": 1.6, "noise": 0.1, "seed": 0}
    row = bench.vector_cell(**cell)
    scores = {k: v for k, v in row.items() if not k.endswith("_name")}
    assert all(0.1 < v < 1 for v in scores.values())
    assert row["baseline"] == row[row["baseline_name"]]
    assert row["chosen_name"].startswith("spare ")
    assert row["median"] > row["erm"]  # the known end of the map
    assert bench.advice_cell("vectors", **cell)["verdict"] in VERDICTS


def test_a_cell_of_the_image_part(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"IMAGE_OUT": 60, "IMAGE_TEST": 40, "IMAGE_CURVE": 20}.items():
        monkeypatch.setattr(bench, name, value)
    row = bench.image_cell(40, 0.8, 0.2, 0, updates=20)
    assert 20 < row["n_dark_train"] < 60 and row["n_dark_validation"] >= 5
    assert {k for k in row if k.startswith("curve ")} == {
        *("curve erm", "curve group_model"),
        *(f"curve {bench.name_of(c)}" for c in bench.IMAGE_CANDIDATES),
    }
    assert 0 < row["paper"] < 1


def test_choices_come_from_validation_and_never_from_test(bench: ModuleType) -> None:
    names = ["erm", "group_model", *map(bench.name_of, bench.VECTOR_CANDIDATES)]
    validation = dict.fromkeys(names, (0.5, -1.0))
    validation["group_model"] = (0.5, -0.9)  # a tie in macro F1, decided by the log-loss
    validation[bench.name_of(bench.MEDIAN)] = (0.6, -2.0)
    test = dict.fromkeys(names, 0.9) | {"group_model": 0.1, bench.name_of(bench.MEDIAN): 0.2}
    row = bench.outcome(validation, test)
    assert (row["baseline_name"], row["baseline"]) == ("group_model", 0.1)
    assert (row["chosen"], row["everything"]) == (0.2, 0.2)


def test_label_noise_replaces_its_share_and_nests(bench: ModuleType) -> None:
    train = bench.rotating_sectors(2000, 0, 0.0, n_test=1).train
    light, heavy = (bench.noisy(train, rate, 0) for rate in (0.1, 0.3))
    assert (light.y != train.y).mean() == pytest.approx(0.1, abs=0.03)
    assert (heavy.y != train.y).mean() == pytest.approx(0.3, abs=0.03)
    assert ((light.y != train.y) <= (heavy.y != train.y)).all()


def test_a_stopped_run_goes_on_where_it_was(bench: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    grid = {"n_in": (20, 40), "shift": (0.0,), "noise": (0.0,)}
    measured: list[int] = []

    def measure(n_in: int, **_: Any) -> dict[str, float]:
        if n_in == 40 and not path.exists():
            raise AssertionError("the first cell was not kept")
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(n_in)
        return {"value": n_in / 10}

    with pytest.raises(KeyboardInterrupt):
        bench.complete(path, bench.cells(grid, 2), measure, minutes=1)
    assert len(pd.read_csv(path)) == 3
    measured.clear()
    rows = bench.complete(path, bench.cells(grid, 2), measure, minutes=1)
    assert measured == [40]
    assert rows[["n_in", "seed"]].to_numpy().tolist() == [[20, 0], [40, 0], [20, 1], [40, 1]]


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two cells over four seeds: 'median' surely gains .1 with a shift, and nothing without."""
    rng = np.random.default_rng(0)
    made = []
    for shift, gain in ((0.0, 0.0), (1.6, 0.1)):
        for seed in range(4):
            erm = 0.7 + 0.01 * seed
            made.append(
                {"n_in": 20, "shift": shift, "noise": 0.0, "seed": seed, "erm": erm, "group_model": 0.5}
                | {"baseline": erm, "baseline_name": "erm", "median": erm + gain + 0.001 * rng.normal()}
                | {"paper": erm, "chosen": erm - 0.001 * seed, "everything": erm}
            )
    return pd.DataFrame(made)


def test_nulls_are_shown_as_nulls(bench: ModuleType, rows: pd.DataFrame, tmp_path: Path) -> None:
    page = sys.modules["when_spare_helps_page"]
    means = page.cell_means(rows)
    gained = means[means["variant"] == "median"].set_index("shift")
    assert gained.loc[1.6, "minus_baseline"] == pytest.approx(0.1, abs=0.005) and gained.loc[1.6, "minus_erm_low"] > 0
    assert gained.loc[0.0, "minus_baseline_low"] < 0 < gained.loc[0.0, "minus_baseline_high"]
    assert any(line.startswith("| 'median'") and line.endswith("| 2 | 1 | 0 | 1 | 1 |") for line in page.counts(means))
    text = "\n".join(page.table(means))
    assert text.count("**") == 2  # one bold cell
    page.heat_maps(means, tmp_path / "map.svg", sizes="n", seeds=4)
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert page.GRID in drawn and "mean of 4 seed(s)" in drawn


def test_worth_of_the_advice_is_counted(bench: ModuleType, rows: pd.DataFrame) -> None:
    page = sys.modules["when_spare_helps_page"]
    advice = rows[["n_in", "shift", "noise", "seed"]].assign(
        verdict=[POOLED, POOLED, UNKNOWN, WEIGHTING, POOLED, WEIGHTING, WEIGHTING, WEIGHTING]
    )
    advice["everybody - own only f1"], advice["weighted - everybody f1"] = (
        0.7 - rows["erm"],
        rows["median"] - rows["erm"],
    )
    text = "\n".join(page.advice_tables(rows, advice))
    assert f"| {POOLED} | 3 |" in text and "2 of 3" in text  # once 'median' gained .1 after all
    assert f"| {WEIGHTING} | 4 |" in text
    followed = next(line for line in text.splitlines() if line.startswith("| advice followed"))
    assert "| 2.0 |" in followed  # half of the cells with one network, half with three
