from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from everygroup.errors import EverygroupError
from everygroup.figures import (
    cell_heatmap,
    change_against_baseline,
    inline_svg,
    metric_by_group,
    save,
    training_curves,
    utility_against_similarity,
    weight_quantiles,
    weights_by_source_group,
)


def drawn(chart: object) -> tuple[ET.Element, str]:
    """Draw, parse, and return the tree and all its text."""
    root = ET.fromstring(inline_svg(chart))  # type: ignore[arg-type]
    return root, " | ".join(root.itertext())


def test_forest_shows_every_number_with_its_interval_and_n(audit_rows: pd.DataFrame) -> None:
    _, text = drawn(metric_by_group(audit_rows, "macro_f1"))
    assert "0.800 (0.750 to 0.840)" in text and "0.820 (0.770 to 0.860)" in text
    assert "young (n = 100)" in " ".join(text.split())
    assert "erm" in text and "spare" in text and "macro F1" in text


def test_forest_keeps_undefined_values_as_words(audit_rows: pd.DataFrame) -> None:
    audit_rows.loc[0, ["value", "low", "high"]] = np.nan
    root, text = drawn(metric_by_group(audit_rows, "macro_f1"))
    assert "undefined" in text
    assert "NaN" not in ET.tostring(root, encoding="unicode")


def test_forest_of_nothing_but_undefined_values_draws() -> None:
    rows = pd.DataFrame({"group": ["a"], "metric": ["auc"], "value": [np.nan]})
    _, text = drawn(metric_by_group(rows, "auc"))
    assert "undefined" in text


def test_groups_with_the_same_short_label_keep_their_rows() -> None:
    names = ["x" * 60 + "a" + "y" * 60, "x" * 60 + "b" + "y" * 60]
    rows = pd.DataFrame({"group": names, "metric": "auc", "value": [0.5, 0.6], "n": [10.0, np.nan]})
    _, text = drawn(metric_by_group(rows, "auc"))
    assert "(2)" in text and "0.500" in text and "0.600" in text


def test_differing_counts_are_given_as_a_range(audit_rows: pd.DataFrame) -> None:
    audit_rows.loc[0, "n"] = 90
    _, text = drawn(metric_by_group(audit_rows, "macro_f1"))
    assert "n = 90 to 100" in text


def changes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attribute": "age",
            "group": ["a", "b", "c", "d"],
            "metric": "macro_f1",
            "value": [0.1, -0.1, 0.01, np.nan],
            "low": [0.05, -0.2, -0.1, np.nan],
            "high": [0.2, -0.05, 0.1, np.nan],
            "n": [10, 20, 30, 0],
        }
    )


@pytest.mark.parametrize(("lower", "first"), [(False, "better"), (True, "worse")])
def test_changes_are_named_by_their_interval(lower: bool, first: str) -> None:
    root, text = drawn(change_against_baseline(changes(), lower_is_better=lower, baseline="erm"))
    titles = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")]
    said = {name: next(t for t in titles if t.startswith(name)) for name in "abc"}
    assert first in said["a"] and "no clear change" in said["c"]
    assert ("better" in said["b"]) == lower
    assert "+0.100 (+0.050 to +0.200)" in text and "undefined" in text and "against erm" in text


def test_changes_of_several_methods_get_panels() -> None:
    both = pd.concat([changes().assign(method="one"), changes().assign(method="two")])
    _, text = drawn(change_against_baseline(both))
    assert "one · age" in text and "two · age" in text


def test_cells_show_value_and_count_and_say_undefined() -> None:
    cells = pd.DataFrame(
        {"label": ["mel", "mel", "nev", "nev"], "group": ["a", "b"] * 2, "value": [0.1, 0.9, np.nan, 0.5], "n": 7}
    )
    cells.loc[3, "n"] = np.nan
    _, text = drawn(cell_heatmap(cells))
    assert "0.10" in text and "n = 7" in text and "undefined" in text and "n unknown" in text
    panels = pd.concat([cells.assign(method="erm"), cells.assign(method="spare")])
    assert "spare" in drawn(cell_heatmap(panels))[1]


def test_long_names_above_cells_are_broken_into_lines() -> None:
    names = ["Hispanic or Latino", "Native Hawaiian or Other Pacific Islander"]
    _, text = drawn(cell_heatmap(pd.DataFrame({"label": "mel", "group": names, "value": 0.5, "n": 7})))
    assert "Hispanic or | Latino" in text and "Native | Hawaiian or" in text


def test_training_curves_mark_the_selected_epoch(log: pd.DataFrame) -> None:
    chart = training_curves(log)
    root, text = drawn(chart)
    titles = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any("epoch: 123" in t for t in titles)
    assert "worst group macro F1" in text and "validation loss" in text
    data = [row for rows in chart.to_dict(validate=False)["datasets"].values() for row in rows]
    assert len({row["epoch"] for row in data}) <= 81
    assert {1, 123, 200} <= {row["epoch"] for row in data}


def test_training_curves_of_a_single_epoch_and_model() -> None:
    _, text = drawn(training_curves(pd.DataFrame({"epoch": [1], "train_loss": [0.7]})))
    assert "train loss" in text


def test_selected_may_have_been_through_a_csv_file(log: pd.DataFrame) -> None:
    root, _ = drawn(training_curves(log.assign(selected=log["selected"].map({True: "True", False: "False"}))))
    assert any("epoch: 123" in (t.text or "") for t in root.iter("{http://www.w3.org/2000/svg}title"))


def test_progress_pictures_are_quick(log: pd.DataFrame, tmp_path) -> None:  # type: ignore[no-untyped-def]
    save(training_curves(log), tmp_path / "progress.png")
    start = time.process_time()
    save(training_curves(log), tmp_path / "progress.png")
    assert time.process_time() - start < 3  # half a second on a free core; tests may share theirs


def test_weight_quantiles(weights: pd.DataFrame) -> None:
    table = weight_quantiles(weights)
    assert set(table["source_group"]) >= {"young", "old", "missing"}
    assert table["n"].sum() == len(weights) - 1
    own = table[(table["target_group"] == "old") & (table["source_group"] == "old")].iloc[0]
    w = weights.query("target_group == 'old' and source_group == 'old'")["weight"]
    assert own["median"] == pytest.approx(w.median()) and own["p05"] == pytest.approx(w.quantile(0.05))


def test_weights_by_source_group(weights: pd.DataFrame) -> None:
    _, text = drawn(weights_by_source_group(weights))
    assert "model for young" in text and "missing" in text and "in-group" in text


def test_scatter_says_when_it_is_a_sample(weights: pd.DataFrame) -> None:
    _, text = drawn(utility_against_similarity(weights, limit=50))
    assert "A random 50 of 179 samples." in text
    _, text = drawn(utility_against_similarity(weights.drop(columns="source_group")))
    assert "All 179 samples." in text


def test_scatter_sample_depends_on_the_seed_only(weights: pd.DataFrame) -> None:
    def points(seed: int) -> object:
        return utility_against_similarity(weights, limit=20, seed=seed).to_dict(validate=False)["datasets"]

    assert points(1) == points(1)
    assert points(1) != points(2)


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: metric_by_group(t, "macro_f1"),
        change_against_baseline,
        cell_heatmap,
        training_curves,
        weights_by_source_group,
        utility_against_similarity,
    ],
)
def test_tables_that_do_not_fit_raise_with_a_fix(draw: Callable[[pd.DataFrame], object]) -> None:
    with pytest.raises(EverygroupError, match="lacks the column") as error:
        draw(pd.DataFrame({"other": [1]}))
    assert error.value.fix


def test_empty_tables_raise(audit_rows: pd.DataFrame) -> None:
    with pytest.raises(EverygroupError, match="no rows"):
        metric_by_group(audit_rows, "auc")
