"""Values of every group one after another: by period of time, or by version of the model; and where they changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.choice import proportions_of
from everygroup.audit.chosen import Both
from everygroup.audit.further import Changed
from everygroup.audit.partition import RESERVED
from everygroup.audit.result import Audit
from everygroup.audit.words import LEVEL
from everygroup.errors import PredictionsError, SettingsError
from everygroup.predictions import Predictions
from everygroup.predictions.audit_options import Every
from everygroup.statistics import holm, permutation_p
from everygroup.tables.dates import read_dates, texts_of

FEWEST_TRIALS = 10
"""A change is looked for only where both sides of it have as many trials."""
SHUFFLES = 999


@dataclass(frozen=True)
class Periods:
    """The period of every row.

    Attributes
    ----------
    names : in order of time, such as '2026-03', '2026-Q1'.
    index : (n,) into `names`, -1 where there is no date.
    """

    names: tuple[str, ...]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, column: Any, name: str, every: Every) -> Periods:
        """Read a column of dates (n,).

        Raises
        ------
        SettingsError
            For an unknown length of a period.
        PredictionsError
            For texts that are no dates, or dates whose day and month nothing tells apart.
        """
        if every not in get_args(Every):
            raise SettingsError(f"Unknown period {every!r}.", fix=f"choose one of {', '.join(get_args(Every))}")
        texts = texts_of(column)
        found = read_dates([text if text is None else _day(text) for text in texts])
        for wrong, why in (
            (found.ambiguous, "have day and month in an order that nothing tells"),
            (found.unreadable, "are no dates"),
        ):
            if wrong.any():
                n, first = int(wrong.sum()), texts[int(wrong.argmax())]
                raise PredictionsError(
                    f"{n} of {len(texts)} values of {name!r} {why}, the first {first!r}.",
                    fix="write dates as 2026-03-31, or leave the cells empty",
                )
        labels = [None if np.isnat(day) else _label(day, every) for day in found.days]
        names = tuple(sorted({label for label in labels if label is not None}))
        position = {label: i for i, label in enumerate(names)}
        return cls(names, np.array([-1 if label is None else position[label] for label in labels], dtype=np.int64))


def _day(text: str) -> str:
    """The day of a date with a time of day: '2026-03-31T08:15', '31.3.2026 08:15:00'."""
    return text.split("T")[0].split(" ")[0] if any(c.isdigit() for c in text[:4]) else text


def _label(day: np.datetime64, every: Every) -> str:
    moment = day.astype(object)
    if every == "week":
        year, week, _ = moment.isocalendar()
        return f"{year}-W{week:02d}"
    if every == "quarter":
        return f"{moment.year}-Q{(moment.month + 2) // 3}"
    return f"{moment.year}-{moment.month:02d}" if every == "month" else f"{moment.year}"


def series_rows(over: Literal["time", "version"], audits: Sequence[tuple[str, Audit]]) -> list[dict[str, Any]]:
    """Rows of `Audit.series` from the audits of the periods or versions, in order."""
    columns = ("attribute", "group", "metric", "value", "low", "high", "n", "successes", "trials", "note")
    return [
        {"over": over, "period": name, "order": order} | {c: row[c] for c in columns}
        for order, (name, audit) in enumerate(audits)
        for row in audit.table[audit.table["group"] != "worst"].to_dict("records")
    ]


def by_period(rows: Both, periods: Periods, audit_of: Callable[[Both], Audit]) -> list[tuple[str, Audit]]:
    """The audit of every period in which something can be measured, by name."""
    found = []
    for k, name in enumerate(periods.names):
        try:
            found.append((name, audit_of(rows.where(periods.index == k))))
        except PredictionsError:  # no label, or no group large enough, in this period
            continue
    return found


def changes(rows: Predictions, periods: Periods, attributes: Sequence[str], metric: str, seed: int) -> list[Changed]:
    """Groups whose rate changed at some period, by a permutation of the patients over the periods.

    The statistic is the largest difference between the rate before and after a period, in standard errors, over all
    periods; its null shuffles which period a patient's samples belong to. p is Holm's over the groups of an attribute.

    Parameters
    ----------
    metric : a proportion of labels and answers, such as 'sensitivity'; of any other nothing is said.

    References
    ----------
    Page, Continuous inspection schemes, Biometrika 1954 (the cumulative sum); Antoch and Huskova, Statistics and
    Probability Letters 2001 (its permutation null).
    """
    known = rows.y_true >= 0
    found = proportions_of(rows.where(known), [metric])
    if metric not in found:
        return []
    success, trial = found[metric]
    unit, period = rows.unit_index[known], periods.index[known]
    made = []
    for attribute in attributes:
        names, group = rows.attribute(attribute)
        group = group[known]
        tested = []
        for g, name in enumerate(names):
            inside = (group == g) & (period >= 0) & (trial > 0)
            if name in RESERVED or not inside.any():
                continue
            change = largest_change(success[inside], trial[inside], period[inside], unit[inside], seed=seed)
            if change is not None:
                tested.append((name, change))
        adjusted = holm([change.p for _, change in tested])
        for (name, c), p in zip(tested, adjusted, strict=True):
            if p < LEVEL:
                since, numbers = periods.names[c.at], (c.before, c.after, c.n_before, c.n_after)
                made.append(Changed(attribute, name, metric, since, *numbers, p=float(p)))
    return made


@dataclass(frozen=True)
class Change:
    """The largest change of a rate: first period after it, rates and trials before and after, p."""

    at: int
    before: float
    after: float
    n_before: int
    n_after: int
    p: float


def largest_change(
    success: NDArray[np.float64],
    trial: NDArray[np.float64],
    period: NDArray[np.int64],
    unit: NDArray[np.int64],
    *,
    seed: int,
    shuffles: int = SHUFFLES,
) -> Change | None:
    """Find the period before and after which a rate differs most.

    Parameters
    ----------
    success, trial : (n,) of every row; period : (n,) its number; unit : (n,) its patient.

    Returns
    -------
    None where no period has `FEWEST_TRIALS` trials on both sides.
    """
    blocks, of_row = np.unique(np.stack([unit, period]), axis=1, return_inverse=True)
    of_row = of_row.reshape(-1)
    s, t = (np.bincount(of_row, weights=v) for v in (success, trial))
    at = blocks[1]
    width = int(at.max()) + 1

    def steps(order: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        before_s, before_t = (np.cumsum(np.bincount(at, weights=v[order], minlength=width))[:-1] for v in (s, t))
        after_s, after_t = s.sum() - before_s, t.sum() - before_t
        usable = (before_t >= FEWEST_TRIALS) & (after_t >= FEWEST_TRIALS)
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = before_s / before_t, after_s / after_t
            size = np.sqrt(1 / before_t + 1 / after_t)
        return [*rates, before_t, after_t, np.where(usable, np.abs(rates[1] - rates[0]) / size, -1.0)]

    observed = steps(np.arange(s.size))
    if width < 2 or not (observed[4] >= 0).any():
        return None
    rng = np.random.default_rng(seed)
    null = np.array([steps(rng.permutation(s.size))[4].max() for _ in range(shuffles)])
    best = int(observed[4].argmax())
    before, after, n_before, n_after = (float(v[best]) for v in observed[:4])
    return Change(best + 1, before, after, int(n_before), int(n_after), float(permutation_p(observed[4][best], null)))
