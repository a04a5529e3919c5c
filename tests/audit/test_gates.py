"""Gates: the grammar, what fails, what is undefined, and what an audit does not hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.audit import Audit, audit
from everygroup.audit.gates import Gate, GateResult, gate_table, gates
from everygroup.errors import SettingsError
from everygroup.predictions import Predictions


@pytest.fixture(scope="module")
def result() -> Audit:
    y = np.arange(120) % 3
    wrong = (np.arange(120) % 5 == 0) & (np.arange(120) < 60)
    p = Predictions.from_arrays(
        y,
        y_pred=np.where(wrong, (y + 1) % 3, y),
        classes=["a", "b", "c"],
        sensitive_features={
            "sex": ["f"] * 60 + ["m"] * 60,
            "age group": ["(40,60]"] * 50 + ["<=40"] * 50 + [">60"] * 20,
            "lonely": ["x"] * 115 + ["y"] * 5,
        },
    )
    names = ["accuracy", "balanced_accuracy", "macro_recall", "macro_f1"]
    return audit(p, n_boot=50, metrics=names)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("gap(accuracy)>0.10", ("gap", "value", "accuracy", None, None, ">", 0.1)),
        (" gap_high ( macro_f1 , age group ) >= 1e-2 ", ("gap", "high", "macro_f1", "age group", None, ">=", 0.01)),
        ("worst(accuracy,sex)<.5", ("worst", "value", "accuracy", "sex", None, "<", 0.5)),
        (
            "value_low(accuracy, 'age group', \"(40,60]\")<=-1",
            ("value", "low", "accuracy", "age group", "(40,60]", "<=", -1),
        ),
        ("value(recall[a, b],sex,<=40)<1", ("value", "value", "recall[a, b]", "sex", "<=40", "<", 1)),
    ],
)
def test_grammar(text: str, parts: tuple[object, ...]) -> None:
    g = Gate.parse(text)
    assert (g.function, g.end, g.metric, g.attribute, g.group, g.operator, g.limit) == parts


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("", "expected a name", "write gap"),
        ("gap", "expected '('", ""),
        ("gab(accuracy)>1", "unknown function 'gab'", "did you mean 'gap'"),
        ("gap(accuracy)", "expected an operator", ""),
        ("gap(accuracy)=0.1", "expected an operator, found '=0.1'", ""),
        ("gap(accuracy)>", "expected a number, found 'the end'", ""),
        ("gap(accuracy)>0.1x", "expected nothing more, found 'x'", ""),
        ("gap(accuracy)>0.1 or 1", "nothing more", ""),
        ("gap()>1", "expected a name", ""),
        ("gap(accuracy,)>1", "expected a name", ""),
        ("gap(accuracy,sex,f)>1", "does not take", ""),
        ("value(accuracy,sex)>1", "does not take", ""),
        ("gap(acuracy)>0.1", "Unknown metric 'acuracy'", "accuracy"),
        ("gap(sensitivite)>0.1", "Unknown metric 'sensitivite'", "did you mean sensitivity"),
        ("__import__('os')>1", "unknown function", ""),
    ],
)
def test_what_is_no_gate(text: str, message: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Gate.parse(text)
    assert message in caught.value.message and fix in caught.value.fix


@given(st.text(st.sampled_from("gapvlue_worst(),<>=.0123 [']\""), max_size=40))
def test_any_text_is_a_gate_or_our_own_error(text: str) -> None:
    try:
        assert isinstance(Gate.parse(text), Gate)
    except SettingsError as error:
        assert error.fix


def one(result: Audit, text: str) -> GateResult:
    found = gates(result, [text])
    assert len(found) == 1
    return found[0]


def test_values_and_ends(result: Audit) -> None:
    gap = one(result, "gap(accuracy,sex)>0.1")
    assert gap.failed and gap.value == pytest.approx(0.2) and gap.n == 120
    assert f"FAILED: gap(accuracy,sex)>0.1: by sex, the gap in accuracy is 0.200, 95 % interval {gap.low:.3f}" in str(
        gap
    )
    assert not one(result, "gap(accuracy,sex)>0.2001").failed and not one(result, "gap(accuracy,sex)<0.1").failed
    assert one(result, "gap_high(accuracy,sex)>0.2").measured == gap.high > gap.value > gap.low
    worst = one(result, "worst(accuracy,sex)<0.9")
    assert worst.failed and worst.value == pytest.approx(0.8) and worst.note == "worst group: f" and worst.n == 60
    group = one(result, "value(accuracy,age group,'(40,60]')<0.8")
    assert not group.failed and group.measured == pytest.approx(0.8) and "accuracy of (40,60] is" in str(group)
    assert one(result, "value(accuracy,sex,overall)>=0").n == 120


def test_without_an_attribute_every_one_is_looked_at_and_undefined_fails(result: Audit) -> None:
    found = gates(result, ["gap(accuracy)>0.9"])
    assert [(o.attribute, o.failed) for o in found] == [("sex", False), ("age group", False), ("lonely", True)]
    assert math.isnan(found[2].measured) and "undefined (fewer than two groups" in str(found[2])
    assert gate_table(found)["failed"].tolist() == [False, False, True]
    assert gate_table([]).empty


def test_a_macro_average_may_be_called_by_its_short_name(result: Audit) -> None:
    recall = one(result, "gap(tpr,sex)>1")
    assert recall.metric == "macro_recall" and "macro_recall (tpr without a class means the average" in str(recall)
    assert "means the average" not in str(one(result, "gap(macro_recall,sex)>1"))
    assert one(result, "gap(f1,sex)>1").value == result.value("sex", "gap", "macro_f1")


def test_the_n_of_a_rate_of_one_class_is_said() -> None:
    y = np.arange(120) % 3
    p = Predictions.from_arrays(
        y, y_pred=np.where(np.arange(120) % 5 == 0, 0, y), classes=["a", "b", "c"],
        sensitive_features={"sex": ["f"] * 60 + ["m"] * 54 + [""] * 6},
    )  # fmt: skip
    audited = audit(p, n_boot=20, metrics=["recall[b]", "accuracy"])
    worst = one(audited, "worst(recall[b],sex)<0.9")
    group = worst.note.removeprefix("worst group: ")
    assert worst.n == {"f": 60, "m": 54}[group] and worst.trials == {"f": 20, "m": 18}[group]
    assert f"(in {group}), 95 % interval of the worst over groups" in str(worst)
    assert f"n = {worst.n}, of them {worst.trials} in the denominator." in str(worst)
    assert one(audited, "gap(recall[b],sex)>1").trials == 38
    assert one(audited, "value(recall[b],sex,overall)>1").trials == 40
    assert "denominator" not in str(one(audited, "gap(accuracy,sex)>1"))
    assert gate_table([worst])["trials"].tolist() == [worst.trials]


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        ("gap(accuracy,sexe)>1", "attribute 'sexe'", "did you mean 'sex'"),
        ("gap(auc)>1", "metric 'auc'", "It has"),
        ("value(accuracy,sex,male)>1", "group 'male'", "It has: overall, f, m"),
    ],
)
def test_what_the_audit_does_not_hold(result: Audit, text: str, message: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        gates(result, [text])
    assert message in caught.value.message and fix in caught.value.fix
