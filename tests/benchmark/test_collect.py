"""Tables are a pure function of result files, and their numbers can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.benchmark.collect import collect, differences, gap_values, gaps, read_costs, read_results, values
from everygroup.benchmark.measure import long_rows
from everygroup.benchmark.recipe import Recipe
from everygroup.benchmark.study import run_study
from everygroup.errors import OutputError
from everygroup.files import write_json
from everygroup.predictions import Predictions

Make = Callable[..., Recipe]


def rows_of(table: dict[tuple[str, int], tuple[float, float]]) -> pd.DataFrame:
    """Results from (method, seed) -> macro F1 of two groups."""
    records = [
        {
            **{"cohort": "c", "attribute": "a", "backbone": "b", "method": method, "seed": seed, "part": "test"},
            **{"group": group, "metric": "macro_f1", "value": value, "n": n},
        }
        for (method, seed), pair in table.items()
        for group, value, n in (("g", pair[0], 30), ("h", pair[1], 20), ("overall", 0.5, 50))
    ]
    return pd.DataFrame(records)


ROWS = rows_of({("erm", 0): (0.6, 0.5), ("erm", 1): (0.5, 0.6), ("m", 0): (0.7, 0.6), ("m", 1): (0.8, 0.6)})


def test_values_and_gaps_by_hand() -> None:
    mean = values(ROWS).set_index(["method", "group"])
    assert mean.loc[("m", "g"), "value"] == pytest.approx(0.75) and mean.loc[("m", "g"), "seeds"] == 2
    assert mean.loc[("m", "g"), "sd"] == pytest.approx(np.std([0.7, 0.8], ddof=1))
    each = gaps(ROWS).set_index(["method", "seed"])
    assert each["value"].round(9).tolist() == [0.1, 0.1, 0.1, 0.2] and (each["n"] == 20).all()
    gap = gap_values(ROWS).set_index("method")
    # ERM's groups change places: the mean of its gaps is .1, the gap of its means 0
    assert gap.loc["erm", "mean_of_gaps"] == pytest.approx(0.1) and gap.loc["erm", "gap_of_means"] == pytest.approx(0)


def test_differences_are_paired_by_seed() -> None:
    found = differences(ROWS).set_index("group")
    assert found.loc["g", "difference"] == pytest.approx(0.2) and found.loc["g", "seeds"] == 2
    half = 12.7062047 * np.std([0.1, 0.3], ddof=1) / np.sqrt(2)  # t quantile with one degree of freedom
    assert found.loc["g", "low"] == pytest.approx(0.2 - half) and found.loc["g", "high"] == pytest.approx(0.2 + half)
    assert found.loc["gap", "difference"] == pytest.approx(0.05)
    shuffled = ROWS.sample(frac=1, random_state=0)
    again = differences(shuffled).set_index("group").loc[found.index]
    pd.testing.assert_frame_equal(again, found, check_like=True)
    assert differences(ROWS[ROWS["method"] != "erm"]).empty


def test_what_is_undefined_stays_so() -> None:
    undefined = ROWS.copy()
    undefined.loc[(undefined["method"] == "m") & (undefined["group"] == "h"), "value"] = np.nan
    assert gaps(undefined).set_index("method").loc["m", "value"].isna().all()
    assert np.isnan(values(undefined).set_index(["method", "group"]).loc[("m", "h"), "value"])
    one_group = ROWS[ROWS["group"] != "h"]
    assert gaps(one_group)["value"].isna().all(), "one group has no gap"
    assert gap_values(one_group)["gap_of_means"].isna().all()


def test_long_rows_show_missing_groups_and_undefined_values() -> None:
    score = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]])
    predictions = Predictions.from_arrays(
        np.array([0, 1, 0, 0, 1]),
        y_score=score,
        classes=["no", "yes"],
        sensitive_features={"sex": ["f", "f", "f", "m", None]},
        group=np.array([0, 0, 0, 1, -1]),
        groups=["f", "m"],
        split=np.array(["test"] * 5),
    )
    rows = long_rows(predictions, "sex").set_index(["group", "metric"])
    assert rows.loc[("f", "auc"), "value"] == 1.0 and rows.loc[("f", "auc"), "n"] == 3
    assert np.isnan(rows.loc[("m", "auc"), "value"]), "one class has no AUC"
    assert rows.loc[("missing", "macro_f1"), "n"] == 1 and rows.loc[("overall", "macro_f1"), "n"] == 5


def test_collect_is_a_pure_function_of_the_files(recipe: Make, tmp_path: Path) -> None:
    run_study(recipe(seeds=[0, 1]), tmp_path)
    first = {p.name: p.read_bytes() for p in collect(tmp_path)}
    assert first == {p.name: p.read_bytes() for p in collect(tmp_path)}
    assert set(first) == {"results.csv", "values.csv", "gaps.csv", "differences.csv", "costs.csv", "results.md"}
    rows = read_results(tmp_path)
    assert len(rows) == 4 * 2 * 3 * 4 and rows["job"].nunique() == 4  # jobs, parts, groups, metrics
    predictions = Predictions.read_csv(tmp_path / "jobs" / rows["job"].iloc[0] / "predictions.csv").of_split("test")
    accuracy_n = rows[(rows["job"] == rows["job"].iloc[0]) & (rows["part"] == "test") & (rows["group"] == "overall")]
    assert (accuracy_n["n"] == len(predictions)).all()
    costs = read_costs(tmp_path)
    assert (costs.groupby("method")["updates"].mean() == [24.0, 48.0]).all() and "networks" not in costs
    text = (tmp_path / "tables" / "results.md").read_text()
    assert text.startswith("# tiny") and "Difference to ERM" in text and "Failed" not in text

    folder = tmp_path / "jobs" / str(rows["job"].iloc[0])
    write_json(tmp_path / "jobs" / "bad" / "failed.json", {"job": "spare on toy"})
    (folder.parent / "copy").mkdir()
    for path in folder.iterdir():
        (folder.parent / "copy" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(OutputError, match="two results of erm on toy"):
        collect(tmp_path)
    (folder.parent / "copy" / "done").unlink()  # an unfinished job counts for nothing
    collect(tmp_path)
    assert "Failed, and so in no table: spare on toy" in (tmp_path / "tables" / "results.md").read_text()


def test_nothing_to_collect(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no finished job"):
        collect(tmp_path)
