"""From hospital-like tables to their audit: the right number, or one clear error; never a wrong number in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, roc_auc_score

import everygroup
from everygroup.audit import Audit
from everygroup.console import console, recorded_warnings
from everygroup.errors import EverygroupError, PredictionsError, SettingsError
from everygroup.tables.kinds import looks_measured

N = 240


@pytest.fixture
def save(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def write(table: pd.DataFrame) -> Path:
        table.to_csv(tmp_path / "t.csv", index=False)
        return tmp_path / "t.csv"

    return write


def audit(path: Path, **options: Any) -> tuple[Audit, str]:
    with console.capture() as capture:
        result = everygroup.audit(path, groups=["sex"], n_boot=19, **options)
    return result, " ".join([*capture.get().split(), *result.settings["asked"]["how it was read"]])


def overall(result: Audit, metric: str) -> float:
    return result.value("sex", "overall", metric)


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"image_id": [f"i{k}" for k in range(N)], "sex": np.tile(["f", "f", "m", "m"], N // 4), **columns}
    )


RNG = np.random.default_rng(0)
Y = np.arange(N) % 2
ANSWER = np.where(RNG.random(N) < 0.8, Y, 1 - Y)
RISK = 1 / (1 + np.exp(-RNG.normal(2 * Y - 1, 1)))
ACCURACY = float((Y == ANSWER).mean())
AUC = float(roc_auc_score(Y, RISK))


# ---- codings of labels and answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        (("False", "True"), ("0", "1")),
        (("False", "True"), ("FALSE", "TRUE")),
        (("false", "true"), ("0.0", "1.0")),
        (("benign", "malignant"), ("0", "1")),
        (("0", "1"), ("gutartig", "bösartig")),
        (("NV", "MEL"), ("nv", "mel")),
        (("No", "Yes"), ("N", "Y")),
        (("nein", "ja"), ("0", "1")),
        (("N", "J"), ("no", "yes")),
        (("No Finding", "Pneumonia"), ("False", "True")),
        (("0", "1"), (" 0", "1 ")),
        (("no  event", "event"), ("No event", "Event")),
        (("01", "02"), ("1", "2")),
        (("-1", "1"), ("-1.0", "1.0")),
        (("negative", "positive"), ("-", "+")),
    ],
)
def test_two_codings_of_one_thing_are_matched_and_said(save: Any, label: Any, answer: Any) -> None:
    path = save(table(y_true=np.array(label)[Y], y_pred=np.array(answer)[ANSWER]))
    result, _ = audit(path, positive=None if label[0] != "01" else "2")
    assert overall(result, "accuracy") == pytest.approx(ACCURACY, abs=1e-12)
    assert overall(result, "sensitivity") == pytest.approx(float(ANSWER[Y == 1].mean()), abs=1e-12)


def test_a_matched_coding_is_said(save: Any) -> None:
    _, said = audit(save(table(y_true=np.array(["benign", "malignant"])[Y], y_pred=ANSWER)))
    assert "'1' (answer) as 'malignant'" in said and "the positive class is 'malignant'" in said
    audit(save(table(y_true=np.array(["NV", "MEL"])[Y], y_pred=np.array(["nv", "mel"])[ANSWER])))
    assert any("'nv' as 'NV'" in text for text in recorded_warnings())


@pytest.mark.parametrize(
    ("label", "answer", "words"),
    [
        (("cat", "dog"), ("0", "1"), ["'cat', 'dog'", "'0', '1'", "--positive"]),
        (("0", "1"), ("1", "2"), ["two codings"]),
        (("-1", "1"), ("0", "1"), ["two codings"]),
        (("normal", "pneumonia"), ("normal", "covid"), ["two codings"]),
        (("a", "b"), ("c", "d"), ["two codings"]),
    ],
)
def test_codings_that_cannot_be_matched_are_refused(save: Any, label: Any, answer: Any, words: list[str]) -> None:
    path = save(table(y_true=np.array(label)[Y], y_pred=np.array(answer)[ANSWER]))
    with pytest.raises(EverygroupError) as caught:
        audit(path)
    assert all(word in str(caught.value) for word in words), caught.value


def test_the_named_positive_class_is_the_one_coded_1(save: Any) -> None:
    path = save(table(y_true=np.array(["cat", "dog"])[Y], y_pred=1 - ANSWER))
    assert overall(audit(path, positive="cat")[0], "accuracy") == pytest.approx(ACCURACY)


def test_several_classes_in_two_codings(save: Any) -> None:
    y = np.arange(N) % 4
    words = np.array(["akiec", "bcc", "df", "vasc"])[y]
    with pytest.raises(EverygroupError, match="two codings"):
        audit(save(table(y_true=words, y_pred=y)))
    with pytest.raises(EverygroupError, match="two codings"):
        audit(save(table(y_true=y, y_pred=y + 1)))
    result, _ = audit(save(table(y_true=words, y_pred=np.char.upper(words))))
    assert overall(result, "accuracy") == 1.0
    result, _ = audit(save(table(y_true=words, y_pred=np.where(y == 3, "df", words))))  # a class that is never answered
    assert overall(result, "accuracy") == 0.75


def test_uncertain_labels_are_never_counted_in_silence(save: Any) -> None:
    y = np.where(np.arange(N) % 10 == 9, -1, Y)
    for columns in ({"y_pred": ANSWER}, {"y_score": RISK}):
        path = save(table(y_true=y, **columns))
        with pytest.raises(EverygroupError, match="24 labels are -1") as caught:
            audit(path)
        assert "--missing" in caught.value.fix
    labels = {"true_a": y, "true_b": Y, "score_a": RISK, "score_b": RISK}
    with pytest.raises(EverygroupError, match="row 11: the column 'true_a' holds '-1' in 24 rows"):
        audit(save(table(**labels)))
    from everygroup.tables import Spelling

    result, _ = audit(save(table(**labels)), spelling=Spelling.make(missing="-1"))
    known = y >= 0
    assert overall(result, "auc[a]") == pytest.approx(float(roc_auc_score(Y[known], RISK[known])), abs=1e-12)
    assert any("24 of 240 samples have no known label" in str(flag) for flag in result.flags)


def test_scores_that_are_called_answers(save: Any) -> None:
    path = save(table(y_true=Y, prediction=RISK.round(4)))
    result, said = audit(path)
    assert overall(result, "auc") == pytest.approx(AUC, abs=1e-3) and "holds a score, no answers" in said
    with pytest.raises(EverygroupError, match="these are scores, no answers"):
        audit(path, y_pred="prediction")


# ---- positive class -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        *(("healthy", "disease"), ("benign", "malignant"), ("no edema", "edema"), ("non-referable", "referable")),
        *(("gesund", "krank"), ("sain", "malade"), ("normal", "tuberculosis"), ("ohne Befund", "Befund")),
        *(("False", "True"), ("0", "1"), ("Nein", "Ja"), ("Unauffällig", "Auffällig"), ("other", "melanoma")),
    ],
)
def test_names_decide_the_positive_class(save: Any, names: tuple[str, str]) -> None:
    result, said = audit(save(table(diagnosis=np.array(names)[Y], risk=RISK)))
    assert overall(result, "auc") == pytest.approx(AUC, abs=1e-12)
    assert f"the positive class is {names[1]!r}" in said and result.settings["positive"] == names[1]


def test_without_telling_names_the_positive_class_is_asked_for(save: Any) -> None:
    path = save(table(dx=np.array(["A", "B"])[Y], risk=1 - RISK))
    with pytest.raises(EverygroupError, match="which of the classes 'A' and 'B' is the positive one") as caught:
        audit(path)
    assert "--positive B" in caught.value.fix
    assert overall(audit(path, positive="A")[0], "auc") == pytest.approx(AUC)
    assert overall(audit(path, positive="a")[0], "auc") == pytest.approx(AUC)
    with pytest.raises(EverygroupError, match="'C' is not one of two classes"):
        audit(path, positive="C")


def test_the_name_of_the_score_tells_its_class(save: Any) -> None:
    result, said = audit(save(table(dx=np.array(["A", "B"])[Y], prob_A=1 - RISK)))
    assert (
        overall(result, "auc") == pytest.approx(AUC) and result.settings["positive"] == "A" and "speaks of it" in said
    )
    result, said = audit(save(table(dx=np.array(["benign", "malignant"])[Y], prob_benign=1 - RISK)))
    assert overall(result, "auc") == pytest.approx(AUC) and result.settings["positive"] == "malignant"
    assert "is 1 minus it" in said


# ---- scale of scores ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 8, 20])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda p: np.round(p, 2), "rounded"),
        (lambda p: np.round(p, 1), "rounded"),
        (lambda p: np.round(100 * p, 1), "percentages"),
        (lambda p: np.vectorize("{:.1f}%".format)(100 * p), "percentages"),
        (np.log, "logarithms"),
    ],
)
def test_scores_on_other_scales_are_converted_and_said(
    save: Any, classes: int, written: Callable[[Any], Any], said: str
) -> None:
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, N)
    p = np.exp(rng.normal(0, 1, (N, classes)) + 2 * np.eye(classes)[y])
    p /= p.sum(axis=1, keepdims=True)
    names = [f"c{k}" for k in range(classes)]
    shown = {f"p_{c}": written(p)[:, k] for k, c in enumerate(names)}
    options = {"positive": "c1"} if classes == 2 else {}
    right, _ = audit(
        save(table(y_true=np.array(names)[y], **{f"p_{c}": p[:, k] for k, c in enumerate(names)})), **options
    )
    result, text = audit(save(table(y_true=np.array(names)[y], **shown)), **options)
    assert overall(result, "accuracy") == pytest.approx(
        overall(right, "accuracy"), abs=0.2 if said == "rounded" else 1e-3
    )
    assert overall(result, "brier") == pytest.approx(overall(right, "brier"), abs=0.1 if said == "rounded" else 2e-3)
    assert said in text or (said == "rounded" and classes == 2)  # of two classes both sum to 1


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s * 8 - 4, ["row 2: the score", "in column 'y_score' is not in [0, 1]", "logits", "more cells"]),
        (lambda s: np.where(np.arange(N) == 7, 1.5, s), ["row 9: the score 1.5 in column 'y_score'"]),
        (lambda s: np.where(np.arange(N) == 7, np.nan, s), ["row 9: a score is missing"]),
        (lambda s: np.where(np.arange(N) % 2, "50%", "0.5"), ["where other cells are percentages"]),
        (lambda s: (s * 4 + 1).round(), ["is not in [0, 1]"]),
    ],
)
def test_scores_on_no_known_scale_are_refused_with_their_cells(save: Any, edit: Any, words: list[str]) -> None:
    with pytest.raises(EverygroupError) as caught:
        audit(save(table(y_true=Y, y_score=edit(RISK))))
    assert all(word in str(caught.value) for word in words), caught.value


def test_several_labels_have_the_same_scales(save: Any) -> None:
    risk = RISK.round(5)
    plain = {"true_a": Y, "true_b": 1 - Y, "score_a": risk, "score_b": 1 - risk}
    right, _ = audit(save(table(**plain)))
    percent = plain | {"score_a": (100 * risk).round(3), "score_b": (100 - 100 * risk).round(3)}
    result, said = audit(save(table(**percent)))
    assert "percentages" in said
    for metric in ("label_macro_f1", "label_macro_auc", "hamming_loss"):
        assert overall(result, metric) == pytest.approx(overall(right, metric), abs=1e-12)
    with pytest.raises(EverygroupError, match=r"in column 'score_a' is not in \[0, 1\]"):
        audit(save(table(**plain | {"score_a": np.log(RISK / (1 - RISK))})))
    with pytest.raises(EverygroupError, match="those of other columns are percentages"):
        audit(save(table(**percent | {"score_b": 1 - RISK})))
    words = plain | {"true_a": np.array(["No", "Yes"])[Y], "true_b": np.array(["absent", "present"])[1 - Y]}
    result, said = audit(save(table(**words)))
    assert overall(result, "label_macro_f1") == overall(right, "label_macro_f1") and "'Yes' as 1" in said


def test_an_anomaly_score_may_have_any_scale(save: Any) -> None:
    label = np.array(["normal", "anomaly"])[Y]
    for score in (RISK * 10 - 3, np.char.add((100 * RISK).round(3).astype(str), "%")):
        result, said = audit(save(table(label=label, anomaly_score=score)))
        assert overall(result, "auc") == pytest.approx(AUC, abs=1e-3) and "'anomaly' as 1" in said


# ---- ties and cuts --------------------------------------------------------------------------------------------------


def test_a_score_at_the_cut_is_positive_on_every_path(save: Any) -> None:
    score = np.where(np.arange(N) % 3 == 0, 0.5, RISK)
    expected = float((score >= 0.5)[Y == 1].mean())
    for options in ({}, {"threshold": "fixed:0.5"}):
        result, _ = audit(save(table(y_true=Y, y_score=score)), **options)
        assert overall(result, "sensitivity") == pytest.approx(expected, abs=1e-12)
    two = {"score_0": 1 - score, "score_1": score}
    for columns in (two, dict(reversed(two.items())), {k: 100 * v for k, v in two.items()}):
        assert overall(audit(save(table(y_true=Y, **columns)))[0], "sensitivity") == pytest.approx(expected, abs=1e-12)
    labels = {"true_a": Y, "true_b": Y, "score_a": score, "score_b": score}
    assert overall(audit(save(table(**labels)))[0], "recall[a]") == pytest.approx(expected, abs=1e-12)


def test_a_tie_of_classes_does_not_depend_on_the_order_of_columns(save: Any) -> None:
    rng = np.random.default_rng(1)
    names = np.array(["mel", "bcc", "nv"])
    p = rng.integers(0, 3, (N, 3)) + 0.0
    p[:, 0] += p.sum(axis=1) == 0
    p /= p.sum(axis=1, keepdims=True)
    y = names[rng.integers(0, 3, N)]
    found = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        path = save(table(y_true=y, **{f"score_{names[k]}": p[:, k] for k in order}))
        result, _ = audit(path)
        found.append([overall(result, m) for m in ("accuracy", "recall[mel]", "recall[bcc]", "auc")])
    np.testing.assert_allclose(found, [found[0]] * 3, atol=1e-12)


# ---- tasks ----------------------------------------------------------------------------------------------------------

AGE = RNG.integers(20, 90, N)
GUESS = AGE + RNG.normal(0, np.tile([2, 2, 8, 8], N // 4))


@pytest.mark.parametrize(
    ("true", "pred"),
    [
        (AGE, GUESS.round(1)),
        (AGE, GUESS.round()),
        (AGE, GUESS.round().astype(int)),
        (AGE + 0.5, GUESS.round().astype(int)),
        (AGE % 5, AGE % 5 + RNG.normal(0, 0.4, N)),
        (24 + AGE % 18, 24 + AGE % 18 + RNG.integers(-1, 2, N)),
    ],
)
def test_whole_numbers_that_are_measured(save: Any, true: Any, pred: Any) -> None:
    result, said = audit(save(table(y_true=true, y_pred=pred)))
    assert "taken as regression, as " in said and "--task to name another" in said
    for sex in "fm":
        here = np.tile(["f", "f", "m", "m"], N // 4) == sex
        assert result.value("sex", sex, "mae") == pytest.approx(mean_absolute_error(true[here], pred[here]), abs=1e-9)


def test_whole_numbers_that_are_classes_or_a_question(save: Any) -> None:
    rng = np.random.default_rng(2)
    few, many = rng.integers(0, 10, N), rng.integers(0, 60, N)
    for y, kind in ((few, "few"), (many, "many")):
        wrong = rng.permutation(y)
        path = save(table(y_true=y, y_pred=np.where(rng.random(N) < 0.8, y, wrong)))
        if kind == "few":
            assert "taken as classification, as 'y_true' holds 10 different values" in audit(path)[1]
            continue
        with pytest.raises(EverygroupError, match="different whole numbers: classes, or a measured number") as caught:
            audit(path)
        assert "--task regression" in caught.value.fix
        assert overall(audit(path, task="classification")[0], "accuracy") > 0.7


def test_audits_and_cohorts_have_one_rule_for_what_is_measured(save: Any) -> None:
    """More than 20 whole numbers, or more than 10 with decimals; a score for each says that they are codes."""
    rng = np.random.default_rng(3)
    for y in (rng.integers(0, 40, N), rng.integers(0, 11, N) / 2):
        assert looks_measured(y)
        with pytest.raises(EverygroupError, match="different measured numbers, no classes") as caught:
            audit(save(table(y_true=y, y_score=RISK)))
        assert "--task classification" in caught.value.fix
    y = rng.integers(0, 25, N)
    y[:25] = np.arange(25)
    score = rng.dirichlet(np.ones(25), N)
    score[np.arange(N), y] += 1
    score /= score.sum(axis=1, keepdims=True)
    scores = {f"score_{c}": score[:, c] for c in range(25)}
    for given in ({}, {"y_score": ["score_*"]}):
        result, said = audit(save(table(y_true=y, **scores)), **given)
        assert "taken as classification" in said and overall(result, "accuracy") == 1.0


def test_a_measured_label_against_few_classes(save: Any) -> None:
    with pytest.raises(EverygroupError, match="different measured numbers, but 'y_pred' 2 classes"):
        audit(save(table(y_true=GUESS, y_pred=Y)))
    with pytest.raises(EverygroupError, match="different measured numbers, no classes"):
        audit(save(table(y_true=GUESS, y_score=RISK)))


# ---- rows -----------------------------------------------------------------------------------------------------------


def test_ten_views_of_a_picture_are_no_ten_samples(save: Any) -> None:
    views = table(y_true=Y, y_score=RISK).loc[np.repeat(np.arange(N), 10)]
    plain, _ = audit(save(views))
    told, _ = audit(save(views), cluster="image_id")
    naive, _ = audit(save(views.assign(image_id=np.arange(10 * N))))

    def width(result: Audit) -> float:
        row = result.table.query("attribute == 'sex' and group == 'overall' and metric == 'accuracy'").iloc[0]
        return float(row["high"] - row["low"])

    assert width(plain) == width(told) and 2.5 < width(plain) / width(naive) < 3.9
    assert plain.settings["n_clusters"] == N


@pytest.mark.parametrize(
    ("words", "test"),
    [
        (("Train", "Val", "Test"), "Test"),
        (("development", "tuning", "holdout"), "holdout"),
        (("train", "val", "test_internal"), "test_internal"),
        (("TRAINING", "VALID", "external validation"), "external validation"),
        (("Lernen", "Validierung", "Testdaten"), "Testdaten"),
        (("tr", "dev", "hold-out"), "hold-out"),
    ],
)
def test_only_test_rows_count(save: Any, words: tuple[str, ...], test: str) -> None:
    split = np.repeat(words, [N // 2, N // 4, N // 4])
    score = np.where(split == words[0], Y, RISK)
    result, said = audit(save(table(y_true=Y, y_score=score, split=split)))
    assert overall(result, "auc") == pytest.approx(
        float(roc_auc_score(Y[split == test], RISK[split == test])), abs=1e-12
    )
    assert f"Auditing the rows of split {test!r}" in said


@pytest.mark.parametrize("words", [("0", "1", "2"), ("A", "B", "C")])
def test_split_words_that_are_not_understood_are_said(save: Any, words: tuple[str, ...]) -> None:
    split = np.repeat(words, [N // 2, N // 4, N // 4])
    result, said = audit(save(table(y_true=Y, y_score=RISK, split=split)))
    assert f"holds {words[0]} (120), {words[1]} (60), {words[2]} (60)" in said
    assert any("mix the splits" in str(flag) for flag in result.flags)
    result, _ = audit(save(table(y_true=Y, y_score=RISK, split=split)), split=words[2])
    assert result.settings["n"] == 60


def test_options_of_classes_are_refused_for_numbers(save: Any) -> None:
    path = save(table(y_true=AGE, y_pred=GUESS))
    for options in ({"metrics": "mae"}, {"intersections": 2}, {"threshold": "f1"}, {"critical": ["a"]}):
        with pytest.raises(SettingsError, match="for classes"):
            audit(path, **options)


def test_what_was_asked_travels_with_the_result(save: Any) -> None:
    result, _ = audit(save(table(y_true=Y, y_score=RISK)), threshold="fixed:0.4")
    asked = result.settings["asked"]
    assert asked["predictions"] == "t.csv" and asked["samples"] == N and asked["threshold"] == "0.4 (fixed)"
    assert asked["columns"] == "label: y_true; sample id: image_id; scores: y_score"


# ---- joining --------------------------------------------------------------------------------------------------------


@pytest.fixture
def joined(tmp_path: Path) -> Callable[..., tuple[float, str]]:
    """Audit shuffled predictions joined to the sexes; (accuracy of women, what was said)."""

    def run(
        ours: dict[str, Any], theirs: dict[str, Any], order: Any = None, second: Any = None, **options: Any
    ) -> tuple[float, str]:
        first = table(y_true=Y, y_pred=ANSWER).drop(columns=["sex", "image_id"]).assign(**ours)
        second = table()[["sex"]].assign(**theirs) if second is None else second
        first.iloc[SHUFFLED].assign(**(order or {})).to_csv(tmp_path / "p.csv", index=False)
        second.to_csv(tmp_path / "m.csv", index=False)
        result, said = audit(tmp_path / "p.csv", metadata=tmp_path / "m.csv", **options)
        return result.value("sex", "f", "accuracy"), said

    return run


SHUFFLED = RNG.permutation(N)
IDS = np.array([f"ISIC_{k:07d}" for k in range(N)])
RIGHT = float((Y == ANSWER)[np.tile([True, True, False, False], N // 4)].mean())
ROW = {"id": np.arange(N)}


def test_row_numbers_are_no_key_where_another_column_contradicts_them(joined: Any) -> None:
    value, said = joined({"image_id": IDS}, {"image_id": IDS} | ROW, ROW)
    assert value == pytest.approx(RIGHT) and "joined by 'image_id'" in said and "not joined by 'id'" in said
    value, said = joined({"image_id": IDS}, {"isic": IDS} | ROW, ROW)  # the true key has two names
    assert value == pytest.approx(RIGHT) and "joined by 'isic' = 'image_id'" in said
    with pytest.raises(EverygroupError, match="'image_id', which stands in both tables, differs in 100%") as caught:
        joined({"image_id": IDS}, {"image_id": IDS} | ROW, ROW, metadata_id="id", id_column="id")
    assert "--metadata-id image_id" in caught.value.fix


def test_row_numbers_alone_are_said(joined: Any) -> None:
    joined({}, ROW, ROW)
    assert any("only numbers the rows" in text for text in recorded_warnings())


@pytest.mark.parametrize("theirs", [np.arange(N) + 1, np.arange(2 * N)])
def test_row_numbers_of_two_kinds_are_no_key(joined: Any, tmp_path: Path, theirs: Any) -> None:
    sex = np.resize(["f", "f", "m", "m"], len(theirs))
    with pytest.raises(
        EverygroupError, match="both only number the rows, from different starts or in tables of"
    ) as err:
        joined({}, {"id": theirs}, ROW, second=pd.DataFrame({"id": theirs, "sex": sex}))
    assert "--metadata-id" in err.value.fix


def test_a_key_that_contradicts_is_refused_where_there_is_no_other(joined: Any) -> None:
    age = RNG.permutation(N) % 70
    ids = {"id": RNG.permutation(N) + 1000}
    with pytest.raises(EverygroupError, match="cannot be joined by 'id'"):
        joined({"age": age}, {"id": RNG.permutation(ids["id"]), "age": age}, ids)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (np.arange(N), [f"{k:04d}" for k in range(N)], "without leading zeros"),
        (np.arange(N) + 0.0, [f"{k:04d}" for k in range(N)], "without leading zeros"),
        (IDS, np.char.lower(IDS), "in small letters"),
        ([f"images/{k}.jpg" for k in IDS], IDS, "without folders"),
        (IDS, [f"{k}.dcm" for k in IDS], "without folders"),
    ],
)
def test_ids_in_two_spellings_are_joined_and_said(joined: Any, ours: Any, theirs: Any, said: str) -> None:
    assert joined({"image_id": ours}, {"image_id": theirs})[0] == pytest.approx(RIGHT)
    assert any(said in text for text in recorded_warnings())


def test_ids_that_would_become_one_are_not_joined(joined: Any) -> None:
    theirs = [f"0{k}" for k in range(N // 2)] + [f"00{k}" for k in range(N // 2)]
    with pytest.raises(EverygroupError, match=r"equal without leading zeros .*different ids would then be one"):
        joined({"image_id": np.arange(N)}, {"image_id": theirs})


def test_shared_columns_in_another_coding_or_rounding_do_not_contradict(joined: Any) -> None:
    age = RNG.normal(50, 15, N)
    more = {"image_id": IDS, "age": age, "site": np.where(Y, "Berlin", "Bern")}
    value, _ = joined(more, {"image_id": IDS, "age": age.round(), "site": np.where(Y, "B", "BE")})
    assert value == pytest.approx(RIGHT)


def test_raw_ages_of_new_predictions_are_cut_as_in_training_or_anew(tmp_path: Path) -> None:
    from everygroup.predictions import Predictions

    named = np.where(AGE <= 55, "<=55", ">55")
    trained = Predictions.from_arrays(
        Y, y_pred=ANSWER, sensitive_features={"age": named}, group=named, groups=["<=55", ">55"]
    )
    path = trained.with_attributes({"age": AGE}).to_csv(tmp_path / "new.csv")
    assert pd.read_csv(path)["age"].tolist() == AGE.tolist() and set(pd.read_csv(path)["group"]) == {"<=55", ">55"}
    with console.capture() as capture:
        result = everygroup.audit(path, n_boot=9)
    assert "'age' is cut at 55, as in training" in " ".join(capture.get().split())
    assert result.value("group", "<=55", "accuracy") == pytest.approx(float((Y == ANSWER)[AGE <= 55].mean()))
    assert result.settings["titles"] == {"group": "age"}
    anew = everygroup.audit(path, n_boot=9, groups=["age"], bins={"age": "40,60"})
    assert {"<=40", "(40,60]", ">60"} <= set(anew.table["group"])


def test_percentages_of_a_rare_disease_that_cannot_be_told_are_shouted(save: Any) -> None:
    y = (np.arange(N) % 80 == 0).astype(int)
    percent = np.where(y == 1, 0.9, 0.4) + RNG.uniform(-0.1, 0.1, N)
    result, _ = audit(save(table(y_true=y, y_score=percent)))
    assert any("percentages, of which none is above 1" in str(flag) for flag in result.flags)
    signed, said = audit(save(table(y_true=y, y_score=np.char.add(percent.round(4).astype(str), "%"))))
    assert "'y_score' are percentages" in said and overall(signed, "sensitivity") == 0.0
    with pytest.raises(EverygroupError, match="'y_pred' holds percentages, and the column it is compared with none"):
        audit(save(table(y_true=AGE, y_pred=np.char.add(AGE.astype(str), "%"))), task="regression")
    told, said = audit(save(table(y_true=y, risk_percent=percent)), y_score="risk_percent")
    assert "percentages by their names" in said and overall(told, "sensitivity") == 0.0


def test_an_outcome_in_per_cent_stays_so_and_units_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(55, 10, 80).round(1)
    pred = (true + rng.normal(0, 3, 80)).round(1)
    rows = pd.DataFrame({"y_true": true, "y_pred": pred, "sex": ["f", "m"] * 40})
    for name, sign in (("plain", ""), ("signs", "%")):
        rows.assign(**{c: rows[c].astype(str) + sign for c in ("y_true", "y_pred")}).to_csv(tmp_path / f"{name}.csv")
    errors = (rows["y_true"] - rows["y_pred"]).abs()
    for name in ("plain", "signs"):
        result = everygroup.audit(tmp_path / f"{name}.csv", groups=["sex"], n_boot=9)
        assert result.value("sex", "f", "mae") == pytest.approx(errors[rows["sex"] == "f"].mean())
    rows.assign(**{c: rows[c].astype(str) + " mm" for c in ("y_true", "y_pred")}).to_csv(tmp_path / "mm.csv")
    with pytest.raises(PredictionsError, match=r"numbers with a unit|holds measured numbers, and"):
        everygroup.audit(tmp_path / "mm.csv", groups=["sex"], n_boot=9)
    texts = [f"report {k}" for k in range(80)]
    rows.assign(y_true=texts, y_pred=texts).to_csv(tmp_path / "texts.csv")
    with pytest.raises(PredictionsError, match=r"80 different|80 rows|no classes|own in"):
        everygroup.audit(tmp_path / "texts.csv", groups=["sex"], n_boot=9)
