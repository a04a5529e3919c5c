"""Metrics of one's own, from a file: in the audit, gates and lists, with interval and null."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from everygroup.audit import audit_arrays, gates
from everygroup.cli.main import app
from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, metric_info, registry
from everygroup.metrics.arrays import of_arrays
from everygroup.metrics.own import adopt, import_metrics

FILE = """
import numpy as np
from sklearn.metrics import f1_score

def f1_again(y_true, y_pred):
    '''F1 of the positive class.

    Anew.
    '''
    return f1_score(y_true, y_pred)

def brier_again(y_true, y_score):
    return ((y_true - y_score) ** 2).mean()

def right(counts):
    return counts.tp.sum(axis=-1), counts.n[..., 0]

def _helper(y_true, y_pred):
    return 1.0

def other(a, b):
    return a + b
"""


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_own", {})
    yield
    monkeypatch.undo()
    registry._metrics.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def two_classes(n: int = 240, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    site = np.array(["a", "b", "c"])[np.arange(n) % 3]
    p = np.clip(0.5 + 0.25 * (2 * y - 1) - 0.3 * ((site == "c") & (y == 1)) + rng.normal(0, 0.2, n), 0.01, 0.99)
    return {"y_true": y, "y_score": np.stack([1 - p, p], axis=1), "site": site, "unit": np.arange(n) // 2}


def audited(metrics: list[str], **options):
    d = two_classes()
    return audit_arrays(
        d["y_true"],
        y_score=d["y_score"],
        sensitive_features={"site": d["site"]},
        cluster=d["unit"],
        metrics=metrics,
        **{"n_boot": 80} | options,
    )


def test_plain_functions_of_a_file_are_measured_like_ours(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = import_metrics([file])
    assert names == ["f1_again", "brier_again", "right"] and set(names) <= set(list_metrics())
    said = capsys.readouterr().err
    assert "more is taken for better" in said and "every resample" in said
    assert metric_info("f1_again").title == "F1 of the positive class"
    assert metric_info("brier_again").title == "Brier again"
    table = audited([*names, "f1", "brier", "accuracy"], n_boot=400).table.set_index(["group", "metric"])
    # the brier score is resampled in the same way and the accuracy counted; counts of F1 are drawn otherwise
    for ours, theirs, apart in (("f1", "f1_again", 0.05), ("brier", "brier_again", 1e-9), ("accuracy", "right", 1e-9)):
        for group in ("overall", "a", "b", "c"):
            x, y = table.loc[(group, ours)], table.loc[(group, theirs)]
            assert y["value"] == pytest.approx(x["value"], abs=1e-12)
            assert (y["low"], y["high"]) == pytest.approx((x["low"], x["high"]), abs=apart)
            assert y["low"] < y["value"] < y["high"]
        gap = table.loc[("gap", theirs)]
        assert gap["value"] == pytest.approx(table.loc[("gap", ours), "value"], abs=1e-12)
        assert gap["p"] == pytest.approx(table.loc[("gap", ours), "p"], abs=apart) and gap["chance"] > 0
    assert table.loc[("a", "right"), "interval"] == "wilson" and table.loc[("a", "right"), "trials"] == 80


def test_direction_range_and_null_of_the_record_are_kept() -> None:
    @of_arrays("Cost of an answer", best="low", high=5.0, null="label")
    def cost(y_true, y_pred):
        return np.mean(np.where(y_true > y_pred, 5.0, y_true != y_pred))

    assert adopt(cost) == ["cost"] and cost.info.higher_is_better is False and cost.info.null == "label"
    result = audited(["cost"])
    d = two_classes()
    pred = d["y_score"].argmax(axis=1)
    wrong = np.where(d["y_true"] > pred, 5.0, d["y_true"] != pred)
    table = result.table.query("metric == 'cost'").set_index("group")
    assert table.loc["c", "value"] == pytest.approx(wrong[d["site"] == "c"].mean(), abs=1e-12)
    assert table.loc["worst", "note"] == "worst group: c" and result.settings["headline"] == "cost"
    assert cost(d["y_true"], pred, sensitive_features=d["site"]).per_group["c"] == table.loc["c", "value"]
    assert [gate.failed for gate in gates(result, ["gap(cost)>0.1", "worst(cost)<0.1"])] == [True, False]


def test_class_names_and_scores_of_more_than_two_classes_arrive() -> None:
    @of_arrays("Missed melanoma", best="low", name="missed")
    def of_melanoma(y_true, y_score, classes):
        assert y_score.shape[1] == 3
        at = classes.index("melanoma")
        return np.mean(y_score.argmax(axis=1)[y_true == at] != at)

    adopt(of_melanoma)
    rng = np.random.default_rng(1)
    classes = ["benign", "melanoma", "nevus"]
    y, score = rng.integers(0, 3, 150), rng.dirichlet(np.ones(3), 150)
    result = audit_arrays(
        np.array(classes)[y],
        y_score=score,
        classes=classes,
        sensitive_features={"site": np.arange(150) % 2},
        metrics=["missed", "recall[melanoma]"],
        n_boot=20,
    )
    for group in ("overall", "0", "1"):
        recall = result.value("site", group, "recall[melanoma]")
        assert result.value("site", group, "missed") == pytest.approx(1 - recall, abs=1e-12)


def test_undefined_is_nan_also_where_scikit_learn_says_0() -> None:
    f1 = of_arrays("F1 again", name="f1_sk")(lambda y_true, y_pred: f1_score(y_true, y_pred))
    bad = of_arrays("Raises", name="raises")(lambda y_true, y_pred: 1 / int(y_true.sum()))
    found = f1([0, 0, 1, 1], [0, 0, 1, 0], sensitive_features=["a", "a", "b", "b"])
    assert np.isnan(found.per_group["a"]) and found.per_group["b"] == pytest.approx(2 / 3) and found.n_undefined == 1
    assert np.isnan(bad([0, 0], [0, 1]).value)


@pytest.mark.parametrize(
    ("value", "words"),
    [(lambda y_true, y_pred: 7.0, "outside of 0 to 1"), (lambda y_true, y_pred: y_pred.nothing, "AttributeError")],
)
def test_what_cannot_be_right_names_the_metric(value, words: str) -> None:
    adopt(of_arrays("Wrong", name="wrong")(value))
    with pytest.raises(SettingsError, match=f"'wrong'.*{words}"):
        audited(["wrong"])


def test_without_scores_a_metric_of_scores_is_refused(file: Path) -> None:
    import_metrics([file])
    with pytest.raises(SettingsError, match="needs scores"):
        audit_arrays([0, 1] * 20, y_pred=[0, 1] * 20, sensitive_features=["a", "b"] * 20, metrics=["brier_again"])


@pytest.mark.parametrize(
    ("text", "words"), [("x = 1\n", "defines no metric"), ("def accuracy(y_true, y_pred): return 1\n", "already")]
)
def test_a_file_that_cannot_be_used_says_why(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    for _ in range(2):  # it is not taken for imported the second time
        with pytest.raises(SettingsError, match=words):
            import_metrics([file])


def test_names_that_mean_another_metric_are_refused() -> None:
    with pytest.raises(SettingsError, match="tpr already"):
        adopt(of_arrays("T", name="tpr")(lambda y_true, y_pred: 1.0))


def test_the_commands_know_it(file: Path, tmp_path: Path) -> None:
    d = two_classes()
    table = tmp_path / "p.csv"
    frame = pd.DataFrame({"id": range(240), "y_true": d["y_true"], "score_1": d["y_score"][:, 1], "site": d["site"]})
    frame.to_csv(table, index=False)
    run = CliRunner().invoke
    call = ["audit", str(table), "--group", "site", "--import", str(file), "--metrics", "f1_again", "--n-boot", "40"]
    done = run(app, [*call, "--no-report", "--fail-if", "gap(right)>0.9"])
    assert done.exit_code == 0, done.output
    written = pd.read_csv(tmp_path / "p-audit" / "summary.csv")
    assert {"f1_again", "right"} <= set(written["metric"])
    assert run(app, [*call, "--no-report", "--fail-if", "gap(f1_again)>0"]).exit_code == 1
    frame.assign(day=np.where(frame.index % 2, "2024-01-15", "2024-02-15"), sex=["f", "m"] * 120).to_csv(table)
    more = ["--baseline", str(table), "--time", "day", "--within", "sex", "--reference", "a", "--intersections", "1"]
    done = run(app, [*call, *more, "--n-boot", "20"])  # everywhere else it has its place, or is left out
    assert done.exit_code == 0, done.output
    for name in ("comparison", "series", "strata", "references"):
        assert "f1_again" in set(pd.read_csv(tmp_path / "p-audit" / f"{name}.csv")["metric"]), name
    assert "F1 of the positive class" in (tmp_path / "p-audit" / "report.html").read_text()
    assert "F1 of the positive class" in run(app, ["list", "metrics", "f1_*", "--import", str(file)]).output
    described = run(app, ["describe", "f1_again", "--import", str(file)]).output
    assert "requires: y_pred" in described and "Anew." in described
