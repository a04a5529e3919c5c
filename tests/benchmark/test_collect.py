"""Tables and pages are a pure function of result files, and their numbers can be checked by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, precision_score

from everygroup.benchmark.collect import collect
from everygroup.benchmark.job_gaps import gap_rows
from everygroup.benchmark.measure import long_rows
from everygroup.benchmark.patients import N_BOOT, compare_patients
from everygroup.benchmark.published import published_cells, published_for, read_published
from everygroup.benchmark.recipe import Recipe
from everygroup.benchmark.results import Results
from everygroup.benchmark.silent_classes import silent_classes
from everygroup.benchmark.study import run_study
from everygroup.benchmark.weight_facts import fine_groups, weight_sources, weight_tests
from everygroup.cohort import Cohort
from everygroup.errors import OutputError
from everygroup.files import write_json, write_text
from everygroup.metrics import eopp1
from everygroup.predictions import Predictions
from everygroup.settings import write_config

Make = Callable[..., Recipe]
CLASSES = ["no", "yes"]


def predictions_of(seed: int, right: float, *, n: int = 120, per_patient: int = 1) -> Predictions:
    """Answers of a method that is right with a probability, in two groups; test and validation."""
    rng = np.random.default_rng([seed, round(100 * right)])
    truth = np.random.default_rng(seed)
    y, group = truth.integers(0, 2, 2 * n), truth.integers(0, 2, 2 * n)
    answer = np.where(rng.random(2 * n) < right, y, 1 - y)
    score = np.where(answer == 1, 0.8, 0.2)
    ids = np.array([f"i{k:03d}" for k in range(2 * n)])
    return Predictions.from_arrays(
        y,
        y_score=np.stack([1 - score, score], 1),
        classes=CLASSES,
        sensitive_features={"sex": np.array(["f", "m"])[group]},
        group=group,
        groups=["f", "m"],
        ids=ids,
        units=np.array([f"p{k // per_patient:03d}" for k in range(2 * n)]),
        split=np.array(["test"] * n + ["validation"] * n),
    )


def write_job(out: Path, label: str, seed: int, predictions: Predictions, *, cohort: str = "made", **more: Any) -> Path:
    """Write the folder of a finished job."""
    folder = out / "jobs" / f"{cohort}-{label}-s{seed}"
    folder.mkdir(parents=True)
    entry = {"name": cohort, "source": "files", **more.get("entry", {})}
    config = {"stage": "final", "cohort": entry, "attribute": "sex", "backbone": "linear", "seed": seed}
    settings = {"epochs": 2, "lr": 0.1}
    write_config(
        folder / "config.yaml",
        config | {"label": label, "method": more.get("method", label), "draw": 0, "settings": settings},
    )
    predictions.to_csv(folder / "predictions.csv")
    long_rows(predictions, "sex").to_csv(folder / "metrics.csv", index=False)
    if more.get("gaps", True):
        gap_rows(predictions, n_permutations=50).to_csv(folder / "gaps.csv", index=False)
    cost = {"updates": 10, "passes": 100, "distance_gradient_passes": 0, "distance_forward_passes": 0}
    cost |= {"wall_seconds": 1.0, "seconds_alone_reused": 0.0, "peak_memory_mb": 100.0, "parameters_answering": 5}
    write_json(folder / "cost.json", cost | {"networks_trained": 1, "networks": []})
    hashes = {"split_hash": more.get("split", f"s{seed}"), "cohort_hash": more.get("data", cohort)}
    write_json(folder / "environment.json", {"command": "everygroup benchmark x", **hashes})
    write_text(folder / "done", "x\n")
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Three methods, three seeds; one failed, one never ran."""
    for seed in range(3):
        for label, right in (("erm", 0.7), ("better", 0.9), ("spare", 0.8)):
            write_job(tmp_path, label, seed, predictions_of(seed, right))
    write_json(tmp_path / "jobs" / "bad" / "failed.json", {"job": "multitask on made", "message": "no <b>luck</b>"})
    recipe = {"title": "A <made> study", "question": "who | wins?", "seeds": [0, 1, 2], "backbones": ["linear"]}
    recipe["cohorts"] = [{"name": "made", "attributes": {"sex": {"group": ["sex"]}}}]
    recipe["methods"] = [{"name": n} for n in ("erm", "better", "spare", "auto")]
    write_config(tmp_path / "recipe.yaml", recipe)
    return tmp_path


def test_tables_hold_the_numbers_of_the_predictions(made: Path) -> None:
    first = {p.name: p.read_bytes() for p in collect(made)}
    assert first == {p.name: p.read_bytes() for p in collect(made)}, "the same files give the same bytes"
    f1: dict[str, list[float]] = {}
    for label, right in (("erm", 0.7), ("better", 0.9), ("spare", 0.8)):
        for seed in range(3):
            test = predictions_of(seed, right).of_split("test")
            mask = test.group == 0
            f1.setdefault(label, []).append(f1_score(test.y_true[mask], test.y_pred[mask], average="macro"))
    summary = pd.read_csv(made / "tables" / "summary.csv")
    front = summary[(summary["metric"] == "macro_f1") & (summary["group"] == "f")].set_index(["measure", "method"])
    low, high = stats.t.interval(0.95, 2, np.mean(f1["spare"]), stats.sem(f1["spare"]))
    assert front.loc[("value", "spare"), ["value", "low", "high"]].tolist() == pytest.approx(
        [np.mean(f1["spare"]), low, high]
    )
    test = stats.ttest_rel(f1["spare"], f1["erm"])
    to_erm = front.loc[("difference to ERM", "spare")]
    assert to_erm["p"] == pytest.approx(test.pvalue) and to_erm["seeds"] == 3 and to_erm["detectable_patients"] > 0
    to_best = front.loc[("difference to best baseline", "spare")]
    assert to_best["against"] == "better" and to_best["value"] == pytest.approx(
        np.mean(f1["spare"]) - np.mean(f1["better"])
    )


def test_the_page_stands_alone_and_names_what_is_missing(made: Path) -> None:
    collect(made)
    page = (made / "report.html").read_text()
    assert "A &lt;made&gt; study" in page and "<made>" not in page
    assert "no &lt;b&gt;luck&lt;/b&gt;" in page and "auto on made by sex (linear), seed 0, 1, 2" in page
    assert len(page) < 2_000_000 and not re.search(r"(src|href)=\"https?:", page)
    for words in ("Critical-difference diagram", "Wins, ties and losses", "Holm", "by chance", "McNemar", "× ERM"):
        assert words in page, words
    text = (made / "tables" / "results.md").read_text()
    assert text.startswith("# A &lt;made&gt; study") and r"who \| wins?" in text and "Failed" in text
    latex = (made / "tables" / "results.tex").read_text()
    assert (
        r"\toprule" in latex
        and r"\cmidrule(lr)" in latex
        and r"$\pm$" in latex
        and latex.count(r"\begin{tabular}") == 1
    )


def test_two_results_of_one_run_are_refused(made: Path) -> None:
    write_job(made, "erm", 0, predictions_of(0, 0.7), cohort="made2")
    config = (made / "jobs" / "made2-erm-s0" / "config.yaml").read_text().replace("made2", "made")
    (made / "jobs" / "made2-erm-s0" / "config.yaml").write_text(config)
    with pytest.raises(OutputError, match="two results of erm on made"):
        collect(made)
    (made / "jobs" / "made2-erm-s0" / "done").unlink()  # an unfinished job counts for nothing
    collect(made)


def test_other_data_under_the_same_name_are_no_pair(made: Path) -> None:
    write_job(made, "multitask", 0, predictions_of(0, 0.7), data="a later release")
    with pytest.raises(OutputError, match=r"made-erm-s0 .*made-multitask-s0|made-multitask-s0 .*made-") as caught:
        collect(made)
    assert "different data" in caught.value.message and "delete" in caught.value.fix


def test_what_was_never_answered_is_said(tmp_path: Path) -> None:
    seen = predictions_of(0, 0.8)
    only_no = Predictions.from_arrays(
        seen.y_true,
        y_score=np.tile([0.9, 0.1], (len(seen), 1)),
        classes=CLASSES,
        sensitive_features={"sex": np.array(["f", "m"])[seen.group]},
        group=seen.group,
        groups=["f", "m"],
        ids=seen.ids,
        units=seen.units,
        split=seen.table["split"].to_numpy(),
    )
    for label, predictions in (("erm", seen), ("shy", only_no)):
        write_job(tmp_path, label, 0, predictions)
    found = silent_classes(Results(tmp_path).final)
    test = seen.of_split("test")
    shares = [float((test.y_true[test.group == g] == 0).mean()) for g in (0, 1)]  # precision of 'no', alone and halved
    assert (found.cases, found.of) == (2, 4) and found.most == pytest.approx(max(shares) / 2)
    # a class answered that is not there is skipped, as macro precision skips it, and adds nothing
    y_true = ["no"] * 2 + ["yes"] * 2
    stranger = Predictions.from_arrays(
        np.array([0, 0, 1, 1]),
        y_score=np.eye(3)[[0, 0, 2, 0]],
        classes=[*CLASSES, "other"],
        sensitive_features={"sex": np.array(["f"] * 4)},
        group=np.zeros(4, dtype=int),
        groups=["f"],
        split=np.array(["test"] * 4),
    )
    write_job(tmp_path / "odd", "erm", 0, stranger)
    by_hand = [precision_score(y_true, ["no", "no", "other", "no"], labels=["no"], average="macro")]
    assert silent_classes(Results(tmp_path / "odd").final).most == pytest.approx(by_hand[0] - by_hand[0] / 2)
    collect(tmp_path)
    assert "In 2 of 4 runs and groups some class was never answered" in (tmp_path / "report.html").read_text()


def test_what_parts_chose_is_told_and_that_they_changed_nothing(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    run_study(recipe(methods=["erm", "erm + fairprune(share=0)", "erm + feature_edit"], seeds=[0]), tmp_path)
    collect(tmp_path)
    table = pd.read_csv(tmp_path / "tables" / "chosen.csv").set_index("by")
    assert sorted(table.index) == ["fairprune", "feature_edit"]
    assert table.loc["fairprune", "chosen"] == "unchanged: erm (no round)"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "changed nothing in 1 of 1 runs" in page


def test_nothing_to_collect(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no finished job"):
        collect(tmp_path)


def test_one_method_one_seed_and_no_recipe(tmp_path: Path) -> None:
    write_job(tmp_path, "spare", 0, predictions_of(0, 0.8), gaps=False)
    collect(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "no ERM to compare with" in page and "one seed have no interval" in page
    gaps = pd.read_csv(tmp_path / "tables" / "gaps.csv")
    assert gaps.loc[gaps["metric"] == "macro_f1", "chance"].notna().all(), "measured again from the predictions"


def test_patients_of_one_split_are_drawn_alike_and_flipped_together(tmp_path: Path) -> None:
    for seed in range(2):
        for label, right in (("erm", 0.7), ("better", 0.9)):
            write_job(tmp_path, label, seed, predictions_of(0, right + seed / 50, per_patient=2), split="one")
    errors, tests = compare_patients(Results(tmp_path).final, {("made", "sex", "linear", "f"): "better"})
    one = tests.set_index(["group", "method", "baseline"]).loc[("overall", "better", "erm")]
    assert one["test"] == "sign flips of patients" and one["n"] == 240 and one["patients"] == 60 and one["p"] < 0.05
    a, b = (
        np.concatenate([(p := predictions_of(0, r + s / 50).of_split("test")).y_true == p.y_pred for s in (0, 1)])
        for r in (0.9, 0.7)
    )
    assert (one["only_method"], one["only_baseline"]) == ((a & ~b).sum(), (~a & b).sum())
    assert one["accuracy_difference"] == pytest.approx(a.mean() - b.mean())
    rows = errors.set_index(["group", "method", "baseline"])
    better = rows.loc[("overall", "better", "erm")]
    assert 0 < better["low_patients"] < better["high_patients"] < 0.4  # 0.9 right against 0.7
    back = rows.loc[("f", "erm", "better")]
    assert back["high_patients"] == pytest.approx(-rows.loc[("f", "better", "erm"), "low_patients"]), "the same draws"
    found = rows["se_patients"]
    assert 0.01 < found["overall", "better", "erm"] < 0.1 and found["f", "erm", "better"] == pytest.approx(
        found["f", "better", "erm"]
    )


def test_a_patient_counts_once_over_all_splits(tmp_path: Path) -> None:
    entry = {"split_seed": "each"}
    for seed in range(3):
        for label, right in (("erm", 0.7), ("better", 0.9)):
            made_of = predictions_of(seed, right)  # the same 120 test patients in every split
            write_job(tmp_path, label, seed, made_of, split=f"s{seed}", data="one", entry=entry)
    results = Results(tmp_path)
    errors, tests = compare_patients(results.final, {})
    assert set(tests["test"]) == {"sign flips of patients"}
    whole = tests.set_index(["group", "method"]).loc[("overall", "better")]
    assert (whole["n"], whole["patients"]) == (360, 120)
    # the mean over seeds by hand, with the same patients drawn in every split
    drawn = np.random.default_rng([0, *b"one"]).multinomial(120, np.full(120, 1 / 120), size=N_BOOT)
    moved = np.zeros(N_BOOT)
    for seed in range(3):
        for right, sign in ((0.9, 1), (0.7, -1)):
            test = predictions_of(seed, right).of_split("test")
            two = [
                [(drawn * part).sum(1) for part in ((y & a), (y & ~a) | (~y & a))]
                for y, a in ((test.y_true == c, test.y_pred == c) for c in (0, 1))
            ]
            moved += sign * np.mean([2 * hit / (2 * hit + miss) for hit, miss in two], axis=0) / 3
    se = errors.set_index(["group", "method"]).loc[("overall", "better"), "se_patients"]
    assert se == pytest.approx(moved.std(ddof=1))


def test_splits_that_overlap_widen_the_interval_over_seeds(tmp_path: Path) -> None:
    for name, entry in (("fixed", {}), ("torn", {"split_seed": "each"})):
        for seed in range(3):
            for label, right in (("erm", 0.7), ("better", 0.9)):
                write_job(tmp_path / name, label, seed, predictions_of(seed, right), entry=entry)
        collect(tmp_path / name)
    fixed, torn = (pd.read_csv(tmp_path / name / "tables" / "differences.csv") for name in ("fixed", "torn"))
    wider = ((torn["high"] - torn["low"]) / (fixed["high"] - fixed["low"])).dropna()
    assert len(wider) and wider.to_numpy() == pytest.approx(np.sqrt((1 / 3 + 0.2 / 0.6) / (1 / 3)))
    assert torn["detectable"].to_numpy() == pytest.approx(fixed["detectable"] * np.sqrt(2), nan_ok=True)
    ours, theirs = (pd.read_csv(tmp_path / name / "tables" / "values.csv") for name in ("torn", "fixed"))
    assert (ours["high"] - ours["low"]).to_numpy() == pytest.approx(
        (theirs["high"] - theirs["low"]) * np.sqrt(2), nan_ok=True
    )
    assert "every seed splits the same samples anew" in (tmp_path / "torn" / "report.html").read_text()


def test_gaps_of_a_job_and_their_null() -> None:
    predictions = predictions_of(0, 0.8, n=400)
    table = gap_rows(predictions, n_permutations=99).set_index(["part", "metric"])
    test = predictions.of_split("test")
    by_group = [f1_score(test.y_true[test.group == g], test.y_pred[test.group == g], average="macro") for g in (0, 1)]
    assert table.loc[("test", "macro_f1"), "value"] == pytest.approx(abs(by_group[0] - by_group[1]))
    one = eopp1(test.y_true, test.y_pred, sensitive_features=test.group)
    assert table.loc[("test", "eopp1_lab"), "value"] == pytest.approx(one.value)
    assert (table["p"] > 0.01).all() and (table["chance"] > 0).all() and (table["chance_high"] > table["chance"]).all()
    assert (table["n"] <= 200).all() and set(table["groups"]) == {2}
    wrong_in_one = test.y_true.copy()
    wrong_in_one[test.group == 1] = 1 - wrong_in_one[test.group == 1]
    unfair = Predictions.from_arrays(
        test.y_true,
        y_score=np.eye(2)[wrong_in_one],
        classes=CLASSES,
        sensitive_features={"sex": test.group.astype(str)},
        group=test.group,
        groups=["f", "m"],
        split=np.array(["test"] * len(test)),
    )
    clear = gap_rows(unfair, n_permutations=99).set_index("metric")
    assert clear.loc["macro_f1", "value"] == 1.0 and clear.loc["macro_f1", "p"] == pytest.approx(0.01)
    # a third group without a sample: undefined, not 0
    empty = Predictions.from_arrays(
        test.y_true,
        y_score=np.eye(2)[test.y_true],
        classes=CLASSES,
        sensitive_features={"sex": test.group.astype(str)},
        group=test.group,
        groups=["f", "m", "x"],
        split=np.array(["test"] * len(test)),
    )
    assert gap_rows(empty)[["value", "chance", "p"]].isna().all(axis=None)


def test_long_rows_show_missing_groups_and_undefined_values() -> None:
    score = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9]])
    predictions = Predictions.from_arrays(
        np.array([0, 1, 0, 0, 1]),
        y_score=score,
        classes=CLASSES,
        sensitive_features={"sex": ["f", "f", "f", "m", None]},
        group=np.array([0, 0, 0, 1, -1]),
        groups=["f", "m"],
        split=np.array(["test"] * 5),
    )
    rows = long_rows(predictions, "sex").set_index(["group", "metric"])
    assert rows.loc[("f", "auc"), "value"] == 1.0 and rows.loc[("f", "auc"), "n"] == 3
    assert np.isnan(rows.loc[("m", "auc"), "value"]), "one class has no AUC"
    assert rows.loc[("missing", "macro_f1"), "n"] == 1 and rows.loc[("overall", "macro_f1"), "n"] == 5


def test_weights_by_source_and_their_tests() -> None:
    ages = np.array([0, 15, 16, 50, 65, 80, 12, 28, np.nan, 90, 33, 44, 71, 85])
    cohort = Cohort.from_table(
        np.zeros((14, 2, 2, 3), dtype=np.uint8),
        pd.DataFrame({"id": [str(i) for i in range(14)], "y": ["a", "b"] * 7, "age": ages}),
        label="y",
        group=["age"],
        bins={"age": 55},
    )
    fine = fine_groups(cohort)
    assert fine is not None and fine[0] == "age"
    assert fine[1][:4].tolist() == ["0-15", "0-15", "15-30", "45-60"] and fine[1][8] == "" and fine[1][9] == "75-90"
    few = fine_groups(cohort.where(np.arange(14) < 6))
    assert few is not None and few[1].tolist() == ["0", "15", "16", "50", "65", "80"]
    weights = pd.DataFrame(
        {
            "target_group": ["young"] * 14 + ["old"] * 14,
            "source_group": ["young", "old"] * 14,
            "weight": [*np.linspace(0.1, 1, 14), *np.linspace(0.05, 0.5, 14)],
        }
    )
    table = weight_sources(weights, fine).set_index(["target_group", "level", "source_group"])
    assert table.loc[("young", "group", "old"), "median"] == pytest.approx(np.linspace(0.1, 1, 14)[7])
    assert table.loc[("young", "group", "young"), "own"] and not table.loc[("young", "group", "old"), "own"]
    assert table.loc[("young", "age", "missing"), "n"] == 1
    tested = weight_tests(weights).iloc[0]
    outside = weights[weights["source_group"] != weights["target_group"]].groupby("target_group")["weight"]
    a, b = (outside.get_group(g).to_numpy() for g in ("young", "old"))
    assert tested["p"] == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    assert tested["cliffs_delta"] == pytest.approx(np.sign(a[:, None] - b).mean())
    assert fine_groups(cohort.where(np.arange(14) == 8)) is None, "no age is known"


def test_published_figures_stand_beside_the_papers_settings_only() -> None:
    table = read_published()
    assert set(table["table"]) == {1, 2, 3, 4, 5, 6} and table["doubtful"].ne("").any()
    rates = table[["precision", "recall", "f1", "eopp0", "eopp1", "eodds"]].to_numpy()
    assert ((rates >= 0) & (rates <= 1) | np.isnan(rates)).all()
    isic = published_for("isic2019", "age", "small_cnn")
    assert set(isic["backbone"]) == {"resnet18"} and set(isic["group"]) == {"young", "old", "all"}
    cells = published_cells(isic, "spare")
    assert cells["young", "f1"] == "0.780" and cells["all", "fate_eopp0"] == "0.217"
    assert published_cells(isic, "erm")["young", "recall"].endswith("?")
    assert published_for("ham10000", "age", "resnet18").empty and published_for("isic2019", "sex", "resnet18").empty
    assert set(published_for("fitzpatrick17k-subset", "skin", "vgg11")["table"]) == {3}
    assert set(published_for("fitzpatrick17k", "skin", "tiny_vgg")["table"]) == {3}
    assert published_for("fitzpatrick17k", "skin_type", "tiny_cnn", 6).empty, "the paper has light and dark only"
    # FATE of the clean rows follows from the other columns, as it must
    wide = isic[isic["method"].isin(["erm", "spare"]) & (isic["table"] == 1)].set_index(["method", "group"])
    f1 = {m: wide.loc[[(m, "young"), (m, "old")], "f1"].mean() for m in ("erm", "spare")}
    e0 = wide.xs("all", level="group")["eopp0"]
    fate = f1["spare"] / f1["erm"] - e0["spare"] / e0["erm"]
    assert fate == pytest.approx(wide.loc[("spare", "all"), "fate_eopp0"], abs=2e-3)


def test_a_real_run_from_jobs_to_page(recipe: Make, tmp_path: Path) -> None:
    methods = ["erm", "group_model", {"name": "spare", "label": "mine", "hyperparameters": {"min_group": 5}}]
    run_study(recipe(methods=methods, seeds=[0, 1]), tmp_path)
    collect(tmp_path)
    held = {p.name for p in next((tmp_path / "jobs").glob("*mine*")).iterdir()}
    assert {"gaps.csv", "weight_summary.csv", "weight_sources.csv", "weight_tests.csv"} <= held
    rows = Results(tmp_path).rows
    assert len(rows) == 6 * 2 * 3 * 4 and rows["job"].nunique() == 6  # jobs, parts, groups, metrics
    costs = pd.read_csv(tmp_path / "tables" / "cost_multiples.csv").set_index("method")
    assert costs.loc["group_model", "updates_x"] == 2 and costs.loc["mine", "updates_x"] == 5
    assert costs.loc["mine", "passes_with_distances_x"] == 5, "a linear model's distances have a closed form"
    text = (tmp_path / "tables" / "results.md").read_text()
    assert "mine against ERM" in text and "out-of-group share of weight" in text
    assert "Sample weight by source" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("seeds", "rights"), [(3, (0.7, 0.9, 0.72)), (2, (0.7, 0.9, 0.8)), (3, (0.7, 0.7, 0.7))])
def test_the_answer_is_plain(seeds: int, rights: tuple[float, ...], tmp_path: Path) -> None:
    for seed in range(seeds):
        for label, right in zip(("erm", "better", "spare"), rights, strict=True):
            write_job(tmp_path, label, seed, predictions_of(seed, right))
    collect(tmp_path)
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "tables" / "results.md").read_text()
    first = next(line for line in text.splitlines() if "spare against ERM" in line)
    assert " in 0" not in first and ("clearly" in first)
    if rights[1] == rights[2]:
        assert first.endswith("over 2 groups. No group is clearly better or worse, over seeds or patients.")
    assert ("cannot show anything" in first) == (seeds == 2)
    assert seeds > 2 or "(no interval)" in page
    assert ("could have been shown" in text) == (seeds > 2)


def test_epochs_or_updates_decide() -> None:
    from everygroup.benchmark.study_page import _training

    assert _training({"epochs": 20, "updates": 20, "lr": 0.1, "seed": 0}) == {"updates": 20, "lr": "0.1"}
    assert _training({"epochs": 20, "updates": None, "lr": 0.0003}) == {"epochs": 20, "lr": "0.0003"}
