"""Scores on the scale of probabilities: rounded, in percent or as logarithms they are converted and that is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from everygroup.console import say
from everygroup.errors import PredictionsError

Scores = NDArray[np.float64]
_CLOSE = 0.01
_NOISE = 1e-6
_MOST_NAMED = 5
_JUMP, _JUMP_ROWS = 5, 10
"""So many times more scores just below 1 than just above it, and so many of them, are no one scale."""
_FIX = (
    "give probabilities in [0, 1] (softmax or sigmoid of the logits) in every row; for any other score of abnormality "
    "use the task 'anomaly'"
)


def as_probabilities(
    name: str, score: Scores, columns: Sequence[str], place: Callable[[int], str], *, exclusive: bool
) -> Scores:
    """Return scores (n, K) as probabilities.

    Parameters
    ----------
    name : of the file, for messages; columns : of the K scores.
    place : names a row for messages.
    exclusive : whether the K classes exclude each other, so that a row sums to 1 (never so for K = 1).

    Raises
    ------
    PredictionsError
        For cells that are empty, or on no scale that can be told; names the first of them.
    """
    exclusive = exclusive and score.shape[1] > 1
    if not score.size:
        return score
    if not np.isfinite(score).all():
        raise _cells(name, ~np.isfinite(score), "a score is missing or no number", score, columns, place, "fill it in")
    low, high = float(score.min()), float(score.max())
    if not exclusive and low >= 0 and high <= 1 and _named_percent(columns):
        say(f"{name}: the scores are percentages by their names; they are divided by 100.")
        return score / 100.0
    total = score.sum(axis=1) if exclusive else np.ones(len(score))
    if low >= -_NOISE and high <= 1 + _NOISE:
        return _summing_to_one(name, np.clip(score, 0.0, 1.0), columns, place) if exclusive else score.clip(0.0, 1.0)
    if low >= 0 and high <= 100 + _NOISE and _percent(score, total, columns, exclusive):
        say(f"{name}: the scores are percentages; they are divided by 100.")
        small = [c for c, top in zip(columns, score.max(axis=0), strict=True) if top <= 1]
        if small and not exclusive:
            raise PredictionsError(
                f"{name}: no score in {small[0]!r} is above 1, but those of other columns are percentages.",
                fix="write all scores in one unit",
            )
        _one_scale(name, score, columns)
        score = score / 100.0
        return _summing_to_one(name, score, columns, place) if exclusive else score
    if exclusive and high <= _NOISE and np.abs(np.exp(score).sum(axis=1) - 1.0).max() <= _CLOSE:
        say(f"{name}: the scores are logarithms of probabilities; they are exponentiated.")
        return np.exp(score)
    outside = (score < 0) | (score > 1)
    many = float(outside.any(axis=1).mean()) > 0.5
    looks = " They look like logits." if many and low < 0 < high else ""
    raise _cells(name, outside, "is not in [0, 1]", score, columns, place, _FIX, looks)


def _percent(score: Scores, total: Scores, columns: Sequence[str], exclusive: bool) -> bool:
    """Whether scores in [0, 100] are percentages: their rows sum to 100, their names say so, or they fill the range."""
    if exclusive:
        return bool((np.abs(total - 100.0) <= 100 * _tolerance(score / 100.0)).all())
    return _named_percent(columns) or (
        float(score.max()) > 10 and np.unique(score).size > 10 and float((score > 1).mean()) > 0.1
    )


def _one_scale(name: str, score: Scores, columns: Sequence[str]) -> None:
    """Refuse a column of which some rows are percentages and others fractions: its numbers end at 1 and go on above.

    Percentages thin out or stay as they are beyond 1; those of rare diseases may be few above 2, but not suddenly.
    """
    for column, values in zip(columns, score.T, strict=True):
        below, above = int(((values > 0.5) & (values <= 1)).sum()), int(((values > 1) & (values <= 2)).sum())
        if below >= _JUMP_ROWS and below > _JUMP * max(above, 1):
            raise PredictionsError(
                f"{name}: {int((values <= 1).sum()):,} scores in {column!r} are at most 1 and "
                f"{int((values > 1).sum()):,} are above, up to {values.max():g}: they seem to be fractions and "
                "percentages in one column.",
                fix="write all cells of the column in one unit (two sites or exports may have been put together)",
            )


def _named_percent(columns: Sequence[str]) -> bool:
    return all(any(word in c.lower() for word in ("percent", "pct", "prozent", "%")) for c in columns)


def _tolerance(score: Scores) -> float:
    """By how much a row may miss 1: half a unit of the last written digit for every class, and at least .01."""
    few = score[:1000]
    digits = next((d for d in range(1, 4) if _written(few, d) and _written(score, d)), 4)
    return max(_CLOSE, 0.5 * 10.0**-digits * score.shape[1]) + 1e-9


def _written(score: Scores, digits: int) -> bool:
    return bool((np.abs(np.round(score, digits) - score) < 1e-9).all())


def _summing_to_one(name: str, score: Scores, columns: Sequence[str], place: Callable[[int], str]) -> Scores:
    total = score.sum(axis=1)
    miss = np.abs(total - 1.0)
    if miss.max() <= _CLOSE:
        return score
    off = (miss > _tolerance(score)) | (total <= 0)
    if off.any():
        rows = np.flatnonzero(off)
        more = f" (and {rows.size - 1:,} rows more)" if rows.size > 1 else ""
        raise PredictionsError(
            f"{place(int(rows[0]))}: the scores sum to {total[rows[0]]:.4g}, not 1{more}.",
            fix="give a score for every class, normalised to sum to 1; where several classes can be true of one sample "
            "use the task 'multilabel'",
        )
    say(
        f"{name}: the scores are rounded and sum to {total.min():.4g} to {total.max():.4g}; every row is divided by "
        "its sum."
    )
    return score / total[:, None]


def _cells(
    name: str,
    wrong: NDArray[np.bool_],
    what: str,
    score: Scores,
    columns: Sequence[str],
    place: Callable[[int], str],
    fix: str,
    more: str = "",
) -> PredictionsError:
    """All wrong cells in one error, the first few by row and column."""
    rows, at = np.nonzero(wrong)
    named: list[str] = []
    for row, k in list(zip(rows.tolist(), at.tolist(), strict=True))[:_MOST_NAMED]:
        value = f"the score {score[row, k]:g}" if np.isfinite(score[row, k]) else ""
        told = f"{value} in column {columns[k]!r} {what}" if value else f"{what} in column {columns[k]!r}"
        named.append(f"{place(row) if not named else place(row).rpartition(', ')[2]}: {told}")
    rest = f"; and {rows.size - len(named):,} more cells" if rows.size > len(named) else ""
    return PredictionsError(f"{'; '.join(named)}{rest}.{more}", fix=fix)
