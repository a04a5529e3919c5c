"""EOpp0, EOpp1 and EOdds in all variants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import SettingsError
from everygroup.metrics import VARIANTS, confusion_counts, eodds, eopp0, eopp1, lineage_gap, one_vs_rest

Y = [0, 0, 1, 1, 2, 2] * 2
ANSWERS = [0, 0, 1, 2, 2, 2, 0, 1, 1, 1, 2, 0]
GROUP = [0] * 6 + [1] * 6


@pytest.mark.parametrize(
    ("function", "variant", "value"),
    [
        (eopp0, "lab", 0.25),
        (eopp0, "sum", 0.75),
        (eopp0, "fairadabn", 0.25),
        (eopp1, "lab", 0.5),
        (eopp1, "sum", 1.5),
        (eopp1, "max", 0.5),
        (eodds, "lab", 0.291667),
        (eodds, "sum", 1.75),
        (eodds, "fairadabn", 0.416667),
        (eodds, "strict", 0.375),
        (eodds, "max", 0.5),
    ],
)
def test_worked_example(function, variant: str, value: float) -> None:
    measured = function(Y, ANSWERS, sensitive_features=GROUP, variant=variant)
    assert measured.value == pytest.approx(value, abs=1e-6)
    assert measured.n == 12 and measured.n_per_group == {0: 6, 1: 6}


def test_group_values_are_the_mean_rates() -> None:
    assert dict(eopp1(Y, ANSWERS, sensitive_features=GROUP).per_group) == pytest.approx({0: 5 / 6, 1: 2 / 3})
    assert dict(eopp0(Y, ANSWERS, sensitive_features=GROUP).per_group) == pytest.approx({0: 11 / 12, 1: 5 / 6})


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), min_size=6, max_size=40)


@settings(deadline=None, max_examples=40)
@given(rows)
def test_swapping_groups_changes_nothing_and_lab_never_exceeds_strict(data: list[tuple[int, int, int]]) -> None:
    y, answer, group = (np.array(c) for c in zip(*data, strict=True))
    if len(set(group)) < 2:
        return
    for function in (eopp0, eopp1, eodds):
        for variant in VARIANTS:
            a = function(y, answer, sensitive_features=group, variant=variant).value
            b = function(y, answer, sensitive_features=1 - group, variant=variant).value
            assert a == pytest.approx(b, nan_ok=True)
    lab = eodds(y, answer, sensitive_features=group).value
    strict = eodds(y, answer, sensitive_features=group, variant="strict", zero_division=0.0).value
    assert lab <= strict + 1e-12


@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_answers_have_no_gap(variant: str) -> None:
    for function in (eopp0, eopp1, eodds):
        assert function(Y[:6] * 2, ANSWERS[:6] * 2, sensitive_features=GROUP, variant=variant).value == 0


def test_lab_eodds_is_half_of_eopp1_when_false_positive_rates_agree() -> None:
    counts = np.array([[[8, 1, 1], [1, 8, 1], [1, 1, 8]], [[7, 2, 1], [1, 8, 1], [1, 0, 9]]])
    table = one_vs_rest(counts)
    np.testing.assert_array_equal(table.fp[0], table.fp[1])
    assert lineage_gap(table, "eopp1") == pytest.approx(0.2 / 3)
    assert lineage_gap(table, "eodds") == pytest.approx(0.1 / 3)


def test_undefined_classes_are_zero_in_lab_and_left_out_and_counted_in_strict() -> None:
    y, answer, group = [0, 1, 0, 0], [0, 1, 0, 0], ["a", "a", "b", "b"]
    lab = eopp1(y, answer, sensitive_features=group)
    assert lab.value == 0.5 and lab.n_undefined == 1
    strict = eopp1(y, answer, sensitive_features=group, variant="strict")
    assert strict.value == 0.0 and strict.n_undefined == 1
    nothing = eopp1([0, 1], [0, 1], sensitive_features=["a", "b"], variant="strict")
    assert np.isnan(nothing.value)
    assert np.isnan(eopp1([0, 1], [0, 1], sensitive_features=["a", "b"], variant="sum", zero_division=np.nan).value)


def test_more_than_two_groups_take_the_largest_pair_of_every_class() -> None:
    counts = np.zeros((3, 2, 2))
    for g, (a, b) in enumerate([(10, 10), (6, 8), (2, 9)]):
        counts[g] = [[a, 10 - a], [10 - b, b]]
    table = one_vs_rest(counts)
    assert lineage_gap(table, "eopp1") == pytest.approx((0.8 + 0.2) / 2)
    pairs = ((0.4 + 0.8 + 0.4) / 3 + (0.2 + 0.1 + 0.1) / 3) / 2
    assert lineage_gap(table, "eopp1", pairs="mean") == pytest.approx(pairs)


def test_batch_axes_and_missing_groups() -> None:
    batch = one_vs_rest(np.stack([confusion_counts(Y, ANSWERS, n_classes=3, group=GROUP)] * 4))
    assert lineage_gap(batch, "eodds").shape == (4,)
    assert np.isnan(lineage_gap(batch[:, :1], "eodds")).all()
    with_missing = eopp1([*Y, 0], [*ANSWERS, 1], sensitive_features=[*GROUP, -1])
    assert with_missing.value == 0.5 and with_missing.n_missing == 1 and with_missing.n == 12


def test_unknown_variant_is_named() -> None:
    with pytest.raises(SettingsError, match="Unknown variant 'fair'"):
        eopp0(Y, ANSWERS, sensitive_features=GROUP, variant="fair")  # type: ignore[arg-type]


def rederived(name: str, variant: str, pairs: str, y: list[int], answer: list[int], group: list[int]) -> float:
    """The definition again, one sample after the other: counts in dictionaries, no arrays."""
    undefined = 0.0 if variant in ("lab", "sum", "fairadabn") else None
    classes = range(max([*y, *answer]) + 1) if variant == "lab" else sorted({*y, *answer})

    def share(picked: list[bool]) -> float | None:
        return picked.count(True) / len(picked) if picked else undefined

    rates: dict[tuple[int, int], tuple[float | None, float | None, float | None]] = {}
    for g in sorted(set(group)):
        inside = [(t, a) for t, a, h in zip(y, answer, group, strict=True) if h == g]
        for k in classes:
            tpr = share([a == k for t, a in inside if t == k])
            fpr = share([a == k for t, a in inside if t != k])
            rates[g, k] = (tpr, fpr, share([a != k for t, a in inside if t != k]))
    per_class = []
    for k in classes:
        terms = []
        for g in set(group):
            for h in set(group):
                if g >= h:
                    continue
                if name == "eopp0":
                    needed = [(rates[g, k][2], rates[h, k][2])]
                elif name == "eopp1":
                    needed = [(rates[g, k][0], rates[h, k][0])]
                else:
                    second = 2 if variant == "fairadabn" else 1
                    needed = [(rates[g, k][0], rates[h, k][0]), (rates[g, k][second], rates[h, k][second])]
                if any(a is None or b is None for a, b in needed):
                    continue
                d = [a - b for a, b in needed]  # type: ignore[operator]
                if len(d) == 1:
                    terms.append(abs(d[0]))
                elif variant == "strict":
                    terms.append((abs(d[0]) + abs(d[1])) / 2)
                elif variant == "max":
                    terms.append(max(abs(d[0]), abs(d[1])))
                else:
                    terms.append(abs(d[0] + d[1]) / (2 if variant == "lab" else 1))
        if terms:
            per_class.append(max(terms) if pairs == "max" else sum(terms) / len(terms))
    if not per_class or len(set(group)) < 2:
        return float("nan")
    if variant == "sum":
        return sum(per_class)
    return max(per_class) if variant == "max" else sum(per_class) / len(per_class)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2)), min_size=3, max_size=40))
def test_equals_an_independent_derivation(variant: str, data: list[tuple[int, int, int]]) -> None:
    y, answer, group = (list(c) for c in zip(*data, strict=True))
    for function in (eopp0, eopp1, eodds):
        for pairs in ("max", "mean"):
            value = function(y, answer, sensitive_features=group, variant=variant, pairs=pairs).value
            expected = rederived(function.name, variant, pairs, y, answer, group)
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True), (function.name, pairs)


def test_the_lab_code_counts_classes_that_nowhere_occur() -> None:
    y, answer, group = [0, 0, 2, 2], [0, 2, 2, 2], ["a", "b", "a", "b"]
    assert eopp1(y, answer, sensitive_features=group).value == pytest.approx(1 / 3)
    assert eopp1(y, answer, sensitive_features=group, variant="strict").value == pytest.approx(1 / 2)
    names = np.array(["x", "", "z"])
    assert eopp1(names[y], names[answer], sensitive_features=group).value == pytest.approx(1 / 2)
