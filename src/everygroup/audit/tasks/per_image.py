"""Values that were measured of every image before, such as Dice or PSNR: checked, and what is missing of them told."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import ArrayLike

from everygroup.audit.flags import Flag
from everygroup.errors import PredictionsError
from everygroup.metrics import metric_info
from everygroup.metrics._grouped import numbers
from everygroup.metrics.families import Array


def checked_scores(scores: Mapping[str, ArrayLike], known: Collection[str]) -> dict[str, Array]:
    """Return (n,) values by metric, NaN where undefined.

    Raises
    ------
    PredictionsError
        For other metrics than those known, different numbers of values, and values outside the metric's range.
    """
    if not isinstance(scores, Mapping) or not scores:
        raise PredictionsError("There are no scores.", fix=f"give a mapping such as {{'{next(iter(known))}': [...]}}")
    values: dict[str, Array] = {}
    n: int | None = None
    for name, given in scores.items():
        if name not in known:
            raise PredictionsError(f"Unknown score {name!r}.", fix=f"choose among {', '.join(known)}")
        found, info = numbers(name, given, length=n, undefined=True), metric_info(name)
        wrong = (found < info.low) | (found > info.high)
        if wrong.any():
            at = int(wrong.argmax())
            raise PredictionsError(
                f"Position {at} of {name} is {found[at]:g}, outside [{info.low:g}, {info.high:g}].",
                fix="give one value per image on this scale",
            )
        values[name], n = found, found.size
    return values


def same_scores(other: Mapping[str, Array], ours: Mapping[str, Array]) -> dict[str, Array]:
    """Return another model's scores in the order of ours.

    Raises
    ------
    PredictionsError
        If they are others, or of another number of images.
    """
    n, n_other = len(next(iter(ours.values()))), len(next(iter(other.values())))
    if set(other) != set(ours) or n_other != n:
        raise PredictionsError(
            f"The baseline has {', '.join(other)} of {n_other} images, the model {', '.join(ours)} of {n}.",
            fix="give the same scores of the same images",
        )
    return {name: other[name] for name in ours}


def undefined_flags(values: Mapping[str, Array]) -> list[Flag]:
    """How many images have no value."""
    undefined = {name: int(np.isnan(v).sum()) for name, v in values.items()}
    told = "{} is undefined in {} of {} images; they are left out of its means."
    return [Flag("caution", told.format(name, n, len(values[name])), metric=name) for name, n in undefined.items() if n]
