"""The group-fairness criteria of one attribute: which hold, which are violated, which cannot hold together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from everygroup.audit.engine import Plan
from everygroup.audit.flags import Flag
from everygroup.audit.measurement import Measurement, measure
from everygroup.audit.partition import Partition
from everygroup.metrics.classification import Classification
from everygroup.metrics.families import Array, Family, Index, SumFamily, Sums
from everygroup.metrics.rates import ratio_of
from everygroup.statistics import permutation_p

HOLDS, VIOLATED, UNDECIDED = "holds within the interval", "violated", "undecided"
TOLERANCE = 0.05
LEVEL = 0.95
HEALTHY = ("no finding", "healthy", "normal")
"""Names of the class whose false positives are the ill who are called healthy."""

RATES_OF = {
    "demographic parity": ("selection_rate",),
    "accuracy parity": ("accuracy",),
    "equal opportunity": ("recall",),
    "equalized odds": ("recall", "fpr"),
    "predictive parity": ("precision",),
    "underdiagnosis": ("fpr",),
    "calibration": ("expected_minus_observed",),
}
"""The rates that each criterion asks to be equal."""


class Expectation(SumFamily):
    """Mean score minus share of some classes, from the sums of both.

    Parameters
    ----------
    y_true : (n,) class index; y_score : (n, K) probabilities.
    wanted : index of the classes.
    """

    def __init__(self, y_true: Index, y_score: Array, classes: Sequence[str], wanted: Sequence[int]) -> None:
        self.metrics = tuple(f"expected_minus_observed[{classes[k]}]" for k in wanted)
        self._true, self._score, self._wanted = y_true, y_score, np.asarray(wanted)

    def values(self, sums: Array) -> Sums:
        """Mean errors (...) from sums (..., 1 + K)."""
        return {m: ratio_of(sums[..., j], sums[..., 0]) for j, m in enumerate(self.metrics, start=1)}

    def take(self, rows: Index) -> Array:
        """Features (m, 1 + K) of some rows."""
        out = np.ones((rows.size, 1 + self._wanted.size))
        out[:, 1:] = self._score[rows] if self._everything else self._score[np.ix_(rows, self._wanted)]
        out[:, 1:] -= self._true[rows][:, None] == self._wanted
        return out

    @property
    def _everything(self) -> bool:
        return self._wanted.size == self._score.shape[1]


@dataclass(frozen=True)
class _Gaps:
    """Gaps of some quantities, with limits that hold for all of them together."""

    names: list[str]
    gap: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Judged:
    """What the criteria of a set of classes look at.

    Attributes
    ----------
    names_of : criterion -> quantities that it asks to be equal.
    prevalence : shares of the same classes.
    """

    names_of: dict[str, list[str]]
    prevalence: list[str]

    @classmethod
    def of(cls, classes: Sequence[str], *, scored: bool) -> Judged:
        """With two classes the second one counts, with more every class; with fewer there are no criteria."""
        if len(classes) < 2:
            return cls({}, [])
        wanted = _wanted(classes)
        names_of = {
            criterion: ["accuracy"] if rates == ("accuracy",) else [f"{r}[{classes[k]}]" for r in rates for k in wanted]
            for criterion, rates in RATES_OF.items()
            if scored or criterion != "calibration"
        }
        names_of["underdiagnosis"] = [f"fpr[{c}]" for c in classes if c.lower() in HEALTHY]
        return cls(names_of, [f"prevalence[{classes[k]}]" for k in wanted])

    @property
    def counted(self) -> tuple[str, ...]:
        """Metrics of `Classification` that are needed."""
        asked = [n for c, names in self.names_of.items() if c != "calibration" for n in names]
        return tuple(dict.fromkeys([*asked, *self.prevalence]))

    def rows(self, m: Measurement, *, tolerance: float = TOLERANCE) -> tuple[list[dict[str, Any]], list[Flag]]:
        """Rows and flags as of `criteria_rows`, from a measurement that holds the quantities."""
        rows = [_row(m, criterion, names, tolerance) for criterion, names in self.names_of.items() if names]
        return rows, _conflict(m, rows, self.prevalence) if rows else []


def _wanted(classes: Sequence[str]) -> list[int]:
    return [1] if len(classes) == 2 else list(range(len(classes)))


def expectation(y_true: Index, y_score: Array | None, classes: Sequence[str]) -> list[Family]:
    """The family that calibration is judged by; none without scores or with fewer than two classes."""
    return [] if y_score is None or len(classes) < 2 else [Expectation(y_true, y_score, classes, _wanted(classes))]


def criteria_rows(
    y_true: Index,
    y_pred: Index,
    y_score: Array | None,
    classes: Sequence[str],
    partition: Partition,
    cluster: Index,
    plan: Plan,
    *,
    tolerance: float = TOLERANCE,
) -> tuple[list[dict[str, Any]], list[Flag]]:
    """Measure every criterion between the comparable groups of an attribute.

    With two classes the second one counts, with more the class with the largest gap. The limits of several quantities
    (classes; true and false positive rates) are widened so that they hold together (Bonferroni), and p is that of the
    largest gap under shuffled groups; it does not depend on the tolerance. A rate that rests on fewer than `min_n`
    samples in a group is left out where others do not, and the note says so.

    Parameters
    ----------
    y_true, y_pred : (n,) class index; y_score : (n, K) probabilities or None, which leaves calibration out.
    partition, cluster, plan : as for `measure`.
    tolerance : the largest gap that still counts as equal: 'violated' if the interval of the largest gap lies above
        it and p is at most 0.05, 'holds within the interval' if it lies at or below it and no rate was left out, else
        'undecided'.

    Returns
    -------
    rows : attribute, criterion, quantity, gap, low, high, p, verdict, note; one row per criterion.
    flags : plain sentences on criteria that cannot hold together.

    Notes
    -----
    With fewer than two classes there are no criteria.

    References
    ----------
    Chouldechova, Big Data 2017; Kleinberg, Mullainathan, Raghavan 2016: Inherent trade-offs.
    """
    judged = Judged.of(classes, scored=y_score is not None)
    if not judged.counted:
        return [], []
    counted = Classification(y_true, y_pred, tuple(classes), metrics=judged.counted)
    m = measure([*expectation(y_true, y_score, classes), counted], partition, cluster, plan, y_true)
    return judged.rows(m, tolerance=tolerance)


def _gaps(m: Measurement, names: Sequence[str]) -> _Gaps:
    """Gaps of the quantities that are defined in two comparable groups."""
    used = [n for n in names if len(m.slots(n)) >= 2]
    if not used:
        return _Gaps([], np.empty(0), np.empty(0), np.empty(0))
    at, quantile = [m.metrics.index(n) for n in used], NormalDist().inv_cdf
    widen = quantile(0.5 + (1 - (1 - LEVEL) / len(used)) / 2) / quantile(0.5 + LEVEL / 2)
    values = np.array([m.point.performance[n][0, list(m.partition.comparable)] for n in used])
    difference = values[:, :, None] - values[:, None, :]
    low, high = (difference + widen * (side[at] - difference) for side in m.pair_limits)
    most = 2.0 if any(n.startswith("expected") for n in used) else 1.0
    other = ~np.eye(values.shape[1], dtype=bool)

    def largest(side: Array) -> Array:
        return np.where(other & ~np.isnan(side), side, -np.inf).max(axis=(1, 2))

    lows, highs = largest(low), largest(high)
    unknown = np.isinf(lows)
    return _Gaps(
        used,
        np.nanmax(values, axis=1) - np.nanmin(values, axis=1),
        np.where(unknown, np.nan, np.clip(lows, 0.0, most)),
        np.where(unknown, np.nan, np.clip(highs, 0.0, most)),
    )


def _few(m: Measurement, names: Sequence[str]) -> dict[str, str]:
    """The rates that rest on fewer than `min_n` samples in a comparable group, with the n and the group."""
    few: dict[str, str] = {}
    slots = list(m.partition.comparable)
    for family, sums in m.sums.items():
        if isinstance(family, SumFamily):
            for name, (_, trials) in family.proportions(sums[slots]).items():
                # none at all is undefined, and said so
                at = int(np.argmin(np.where(trials > 0, trials, np.inf)))
                if name in names and 0 < trials[at] < m.plan.min_n:
                    few[name] = f"n = {int(trials[at])} in {m.partition.names[slots[at]]}"
    return few


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def _row(m: Measurement, criterion: str, names: Sequence[str], tolerance: float) -> dict[str, Any]:
    """Judge one criterion."""
    row: dict[str, Any] = {"attribute": m.partition.attribute, "criterion": criterion, "quantity": names[0]}
    nothing = {"gap": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "verdict": UNDECIDED}
    comparable = set(m.partition.comparable)
    few = _few(m, names) if len(comparable) >= 2 else {}
    # a rate on a handful of samples is not judged beside rates on many
    kept = [n for n in names if n not in few]
    found = _gaps(m, kept)
    judged = bool(found.names)
    if not judged:
        kept, found = list(names), _gaps(m, names)
    if not found.names:
        note = "fewer than two groups can be compared" if len(comparable) < 2 else "undefined in all groups but one"
        return row | nothing | {"note": note}
    worst = int(found.gap.argmax())
    name = found.names[worst]
    unknown = bool(np.isnan(found.low).any())
    low, high = (float("nan"), float("nan")) if unknown else (float(found.low.max()), float(found.high.max()))
    tested = [n for n in found.names if not np.isnan(m.p.get(n, np.nan))]
    p = float("nan")
    if tested:
        observed = max(float(found.gap[found.names.index(n)]) for n in tested)
        p = float(permutation_p(observed, np.max([m.null_gaps[n] for n in tested], axis=0)))
    verdict = UNDECIDED
    if low > tolerance and p <= 1 - LEVEL:
        verdict = VIOLATED
    elif high <= tolerance and len(kept) == len(names):
        verdict = HOLDS
    most, least = _ends(m, name, 3)
    notes = [f"highest {most}, lowest {least}"]
    left_out = [n for n in kept if set(m.slots(n)) < comparable]
    if left_out:
        notes.append(f"undefined in a group: {_listed(left_out)}")
    if few:
        what = "not judged, too few samples" if judged else "few samples"
        notes.append(f"{what}: {_listed([f'{n} ({why})' for n, why in few.items()])}")
    if unknown:
        notes.append("no interval")
    return row | {
        "quantity": name,
        "gap": float(found.gap[worst]),
        "low": low,
        "high": high,
        "p": p,
        "verdict": verdict,
        "note": "; ".join(notes),
    }


def _conflict(m: Measurement, rows: Sequence[dict[str, Any]], prevalence: Sequence[str]) -> list[Flag]:
    """Say which criteria cannot hold together, where prevalence differs and predictions err.

    Chouldechova's identity sets precision against equalized odds only where there are true and false positives.
    """
    found = _gaps(m, prevalence)
    accuracy = m.point.performance["accuracy"][0, list(m.slots("accuracy"))]
    if not found.names or not (found.low > 0).any() or (accuracy == 1).all():
        return []
    worst = int(np.where(found.low > 0, found.gap, -1).argmax())
    name = found.names[worst]
    most, least = _ends(m, name, 2)
    verdict = {r["criterion"]: r["verdict"] for r in rows}
    label = name.partition("[")[2][:-1]
    start = f"{m.partition.attribute}: {label} is not equally frequent in the groups ({most}, {least})"
    slots = list(m.partition.comparable)
    # without a false positive every precision is 1, whatever the prevalence
    if not all((m.point.performance[f"{rate}[{label}]"][0, slots] > 0).all() for rate in ("recall", "fpr")):
        text = (
            f"{start}, so demographic parity ({verdict['demographic parity']}) and equalized odds "
            f"({verdict['equalized odds']}) cannot both hold, unless answers ignore the label; which one matters is a "
            "clinical choice."
        )
        return [Flag("note", text, m.partition.attribute)]
    text = (
        f"{start} and the answers are imperfect, so predictive parity ({verdict['predictive parity']}) and equalized "
        f"odds ({verdict['equalized odds']}) cannot both hold (Chouldechova 2017; Kleinberg et al. 2016); nor can "
        f"demographic parity ({verdict['demographic parity']}) and equalized odds, unless answers ignore the label; "
        "which one matters is a clinical choice."
    )
    return [Flag("note", text, m.partition.attribute)]


def _ends(m: Measurement, name: str, digits: int) -> tuple[str, str]:
    """Name and value of the groups with the highest and the lowest value."""
    slots, values = m.slots(name), m.point.performance[name][0]
    top, bottom = max(slots, key=lambda s: values[s]), min(slots, key=lambda s: values[s])
    return tuple(f"{m.partition.names[s]} {round(float(values[s]), digits) + 0.0:.{digits}f}" for s in (top, bottom))  # type: ignore[return-value]
