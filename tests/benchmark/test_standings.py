"""Comparisons of methods against scipy, and against numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from everygroup.benchmark.rankings import choices, cost_multiples, rank_methods, wins
from everygroup.benchmark.standings import (
    all_gaps,
    best_baselines,
    differences,
    fates,
    gap_values,
    gaps,
    values,
)
from everygroup.statistics import detectable_mean

Pair = tuple[float, float]


def rows_of(
    table: dict[tuple[str, int], Pair], *, part: str = "test", cohort: str = "c", metric: str = "macro_f1"
) -> pd.DataFrame:
    """Results from (method, seed) -> values of two groups."""
    records = [
        {
            **{"cohort": cohort, "attribute": "a", "backbone": "b", "method": method, "seed": seed, "part": part},
            **{"group": group, "metric": metric, "value": value, "n": n},
        }
        for (method, seed), pair in table.items()
        for group, value, n in (("g", pair[0], 30), ("h", pair[1], 20), ("overall", 0.5, 50))
    ]
    return pd.DataFrame(records)


ROWS = rows_of({("erm", 0): (0.6, 0.5), ("erm", 1): (0.5, 0.6), ("m", 0): (0.7, 0.6), ("m", 1): (0.8, 0.6)})


def test_values_and_gaps_by_hand() -> None:
    mean = values(ROWS).set_index(["method", "group"])
    assert mean.loc[("m", "g"), "value"] == pytest.approx(0.75) and mean.loc[("m", "g"), "seeds"] == 2
    low, high = stats.t.interval(0.95, 1, 0.75, stats.sem([0.7, 0.8]))
    assert mean.loc[("m", "g"), ["low", "high"]].tolist() == pytest.approx([low, high])
    each = gaps(ROWS).set_index(["method", "seed"])
    assert each["value"].round(9).tolist() == [0.1, 0.1, 0.1, 0.2] and (each["n"] == 20).all()
    gap = gap_values(ROWS, gaps(ROWS)).set_index("method")
    # ERM's groups change places: the mean of its gaps is .1, the gap of its means 0
    assert gap.loc["erm", "mean_of_gaps"] == pytest.approx(0.1) and gap.loc["erm", "gap_of_means"] == pytest.approx(0)


def test_differences_are_paired_by_seed_and_corrected_over_methods() -> None:
    rng = np.random.default_rng(0)
    scores = {(m, s): tuple(rng.normal(0.6, 0.05, 2)) for m in ("erm", "m", "k", "l") for s in range(5)}
    rows = rows_of(scores)  # type: ignore[arg-type]
    found = differences(rows, gaps(rows)).set_index(["group", "method"])
    for group, column in (("g", 0), ("h", 1)):
        p = []
        for method in ("m", "k", "l"):
            a, b = ([scores[who, s][column] for s in range(5)] for who in (method, "erm"))
            test = stats.ttest_rel(a, b)
            one = found.loc[(group, method)]
            assert one["p"] == pytest.approx(test.pvalue) and one["difference"] == pytest.approx(
                np.mean(a) - np.mean(b)
            )
            interval = test.confidence_interval()
            assert [one["low"], one["high"]] == pytest.approx([interval.low, interval.high])
            assert one["detectable"] == pytest.approx(detectable_mean(np.std(np.subtract(a, b), ddof=1), 5), rel=1e-6)
            p.append(test.pvalue)
        order = np.argsort(p)
        by_hand = np.empty(3)
        by_hand[order] = np.maximum.accumulate(np.minimum(1, np.sort(p) * [3, 2, 1]))
        assert found.loc[group].loc[["m", "k", "l"], "p_holm"].tolist() == pytest.approx(by_hand.tolist())
    gap = [abs(np.subtract(*scores["m", s])) - abs(np.subtract(*scores["erm", s])) for s in range(5)]
    assert found.loc[("gap", "m"), "difference"] == pytest.approx(np.mean(gap))
    shuffled = rows.sample(frac=1, random_state=0)
    again = differences(shuffled, gaps(shuffled)).set_index(["group", "method"]).loc[found.index]
    pd.testing.assert_frame_equal(again, found, check_like=True)
    assert differences(rows[rows["method"] != "erm"], gaps(rows)).query("group != 'gap'").empty


def test_one_seed_has_no_interval_and_undefined_stays_undefined() -> None:
    one = differences(ROWS[ROWS["seed"] == 0], gaps(ROWS[ROWS["seed"] == 0])).set_index("group")
    assert one.loc["g", "difference"] == pytest.approx(0.1) and one.loc["g", ["low", "p", "detectable"]].isna().all()
    assert values(ROWS[ROWS["seed"] == 0])[["low", "high", "sd"]].isna().all(axis=None)
    undefined = ROWS.copy()
    undefined.loc[(undefined["method"] == "m") & (undefined["group"] == "h"), "value"] = np.nan
    assert gaps(undefined).set_index("method").loc["m", "value"].isna().all()
    assert np.isnan(values(undefined).set_index(["method", "group"]).loc[("m", "h"), "value"])
    assert np.isnan(gap_values(undefined, gaps(undefined)).set_index("method").loc["m", "gap_of_means"])
    one_group = ROWS[ROWS["group"] != "h"]
    assert gaps(one_group)["value"].isna().all(), "one group has no gap"
    assert gap_values(one_group, gaps(one_group))["gap_of_means"].isna().all()


def test_the_best_baseline_is_chosen_on_validation_and_never_ours() -> None:
    seen = rows_of(
        {("erm", 0): (0.5, 0.6), ("m", 0): (0.6, 0.5), ("k", 0): (0.59, 0.59), ("s", 0): (0.9, 0.9)}, part="validation"
    )
    test = rows_of({("erm", 0): (0.9, 0.1), ("m", 0): (0.1, 0.9), ("k", 0): (0.2, 0.2), ("s", 0): (0.3, 0.3)})
    names = {"erm": "erm", "m": "group_model", "k": "multitask", "s": "spare"}
    rows = pd.concat([test, seen], ignore_index=True)
    best = best_baselines(rows, names)
    place = ("c", "a", "b")
    assert {g: best[(*place, g)] for g in ("g", "h", "gap")} == {"g": "m", "h": "erm", "gap": "k"}
    moved = differences(rows, gaps(rows), best).set_index(["group", "method"])
    assert moved.loc[("g", "s"), "baseline"] == "m" and moved.loc[("g", "s"), "difference"] == pytest.approx(0.2)
    assert moved.loc[("h", "s"), "difference"] == pytest.approx(0.2), "against ERM, the best there on validation"
    changed = rows.copy()
    changed.loc[changed["part"] == "test", "value"] *= -1
    assert best_baselines(changed, names) == best, "the test part plays no role"


def test_a_lucky_seed_makes_no_baseline() -> None:
    seen = {
        ("erm", 0): (0.5, 0.5),
        ("erm", 1): (0.5, 0.5),
        ("m", 0): (0.6, 0.6),
        ("m", 1): (0.6, 0.6),
        ("k", 0): (0.9, 0.9),
    }
    best = best_baselines(rows_of(seen, part="validation"), {"erm": "erm", "m": "group_model", "k": "multitask"})
    assert {best["c", "a", "b", group] for group in ("g", "h", "gap")} == {"m"}


def test_methods_that_answer_alike_tell_nothing_of_power() -> None:
    alike = rows_of({(m, s): (0.5 + s / 10, 0.6) for m in ("erm", "auto") for s in (0, 1)})
    assert differences(alike, gaps(alike))["detectable"].isna().all()


def test_fate_is_the_papers_example() -> None:
    f1 = rows_of({("erm", 0): (0.743, 0.758), ("spare", 0): (0.780, 0.796)})
    gap = pd.DataFrame(
        [
            {"cohort": "c", "attribute": "a", "backbone": "b", "method": m, "seed": 0, "part": "test", **v, "n": 20}
            for m, e in (("erm", 0.018), ("spare", 0.015))
            for v in ({"metric": "eopp0_lab", "value": e}, {"metric": "eopp1_lab", "value": 0.0})
        ]
    )
    found = fates(f1, gap).set_index(["method", "metric"])["value"]
    assert found["spare", "eopp0_lab"] == pytest.approx(0.217, abs=5e-4) and found["erm", "eopp0_lab"] == 0
    assert np.isnan(found["spare", "eopp1_lab"]), "ERM's gap is 0"
    without = fates(f1[f1["method"] != "erm"], gap[gap["method"] != "erm"])
    assert without["value"].isna().all()


def test_ranks_are_friedmans() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(0.6, 0.05, (4, 2, 3))
    rows = pd.concat(
        [
            rows_of({(m, 0): tuple(table[c, :, i]) for i, m in enumerate(("erm", "m", "k"))}, cohort=f"c{c}")
            for c in range(4)
        ]  # type: ignore[misc]
    )
    ranking = rank_methods(rows)
    assert ranking is not None and ranking.test.n == 8
    expected = stats.friedmanchisquare(*table.reshape(8, 3).T)
    assert ranking.test.p == pytest.approx(expected.pvalue)
    ranks = stats.rankdata(-table.reshape(8, 3), axis=1).mean(axis=0)
    assert ranking.table["mean_rank"].tolist() == pytest.approx(ranks.tolist())
    assert np.isnan(ranking.table["p_against_erm"][0]) and ranking.cd == pytest.approx(
        2.344 * np.sqrt(12 / 48), abs=1e-3
    )
    lacking = rows[~((rows["method"] == "k") & (rows["cohort"] == "c0"))]
    partly = rank_methods(lacking)
    assert partly is not None and partly.left_out == ["k"] and list(partly.table["method"]) == ["erm", "m"]
    assert rank_methods(rows[rows["method"] == "m"]) is None
    assert rank_methods(rows[rows["method"] != "erm"]).table["p_against_erm"].isna().all()  # type: ignore[union-attr]


def test_wins_ties_and_losses() -> None:
    moved = pd.DataFrame(
        [
            {
                "metric": "macro_f1",
                "group": g,
                "method": "m",
                "difference": d,
                "low": d - 0.1,
                "high": d + 0.1,
                "p_holm": p,
            }
            for g, d, p in (
                ("g", 0.2, 0.01),
                ("h", 0.05, 0.5),
                ("i", -0.2, 0.2),
                ("overall", 0.9, 0.0),
                ("gap", 0.9, 0.0),
            )
        ]
    )
    counted = wins(moved).iloc[0]
    assert counted[["wins", "ties", "losses", "wins_after_holm", "losses_after_holm"]].tolist() == [1, 1, 1, 1, 0]
    assert counted["higher"] == 2 and counted["rows"] == 3


def test_choices_are_made_on_validation() -> None:
    seen = {("erm", 0): (0.90, 0.80), ("m", 0): (0.88, 0.86), ("k", 0): (0.92, 0.78), ("l", 0): (0.80, 0.70)}
    test = {("erm", 0): (0.5, 0.5), ("m", 0): (0.4, 0.4), ("k", 0): (0.6, 0.4), ("l", 0): (0.6, 0.6)}
    rows = pd.concat([rows_of(seen, part="validation"), rows_of(test)])
    found = choices(rows).set_index("method")
    assert found["dto"][:3].round(6).tolist() == [0.073076, 0.043478, 0.093023]
    assert found["on_front"].tolist() == [True, True, True, False]
    assert found.loc["m", "chosen_by"] == "DTO, Pareto minimax" and (found.drop("m")["chosen_by"] == "").all()
    assert found["against_erm"].tolist() == ["", "levelled down", "trade", "improved all"]
    assert found.loc["k", "test_worst"] == pytest.approx(0.4)


def test_cost_is_in_multiples_of_erm() -> None:
    def job(method: str, seed: int, stage: str, factor: float) -> dict[str, object]:
        return {
            **{"cohort": "c", "attribute": "a", "backbone": "b", "method": method, "seed": seed, "stage": stage},
            **{"updates": 100 * factor, "passes": 3000 * factor, "distance_gradient_passes": 600 * (factor - 1)},
            **{
                "distance_forward_passes": 300 * (factor - 1),
                "wall_seconds": 5.0,
                "seconds_alone_reused": 5 * (factor - 1),
            },
            **{"peak_memory_mb": 200.0, "parameters_answering": 10 * factor, "networks_trained": factor},
        }

    costs = pd.DataFrame(
        [job("erm", s, "final", 1) for s in (0, 1)] + [job("m", 0, "final", 3), job("m", 9, "search", 3)]
    )
    found = cost_multiples(costs, {"erm": "erm", "m": "group_model"}).set_index("method")
    assert found.loc["m", ["updates_x", "passes_x", "seconds_alone_x", "peak_memory_mb_x"]].tolist() == [3, 3, 3, 1]
    assert found.loc["m", "passes_with_distances_x"] == pytest.approx((9000 + 1200 + 200) / 3000)
    assert found["search_runs"].tolist() == [0, 1] and found["runs"].tolist() == [2, 1]


def test_gaps_without_a_null_stand_beside_those_with_one() -> None:
    rows = pd.concat([ROWS, rows_of({("erm", 0): (0.9, 0.7)}, metric="auc")])
    measured = gaps(ROWS).assign(chance=0.05, chance_high=0.1, p=0.04)
    found = gap_values(rows, all_gaps(rows, measured)).set_index(["method", "metric"])
    assert found.loc[("erm", "macro_f1"), "seeds_beyond_chance"] == 2
    assert np.isnan(found.loc[("erm", "auc"), "chance"]) and np.isnan(found.loc[("erm", "auc"), "seeds_beyond_chance"])
    assert found.loc[("erm", "auc"), "mean_of_gaps"] == pytest.approx(0.2)
