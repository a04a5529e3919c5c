"""From differences to words: what is worth trying for a group, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping

from everygroup.advise.paired import Contrast
from everygroup.figures.theme import estimate, number

POOLED = "pooled training is enough"
OWN = "own data help"
WEIGHTING = "weighting is worth trying"
UNKNOWN = "cannot be told"
VERDICTS = (POOLED, OWN, WEIGHTING, UNKNOWN)

SHARING, WEIGHED, WEIGHED_OWN = "everybody - own only", "weighted - everybody", "weighted - own only"
CONTRASTS = (SHARING, WEIGHED, WEIGHED_OWN)


def verdict_of(contrasts: Mapping[str, Contrast], *, worthwhile: float) -> tuple[str, str]:
    """Return a verdict and its reason in one or two sentences.

    A diet is *surely better* than another where the interval of the log-loss lies on its side of 0 and macro F1 is
    larger too. The log-loss decides because it uses every probability; macro F1 alone moves in steps of one patient.

    1. Own data surely beat everybody: `OWN`, or `WEIGHTING` where weighting surely beats own data.
    2. Else weighting surely beats everybody: `WEIGHTING`.
    3. Else no gain of `worthwhile` in macro F1 is compatible with the intervals: `POOLED`.
    4. Else `UNKNOWN`.

    Parameters
    ----------
    contrasts : mapping of `CONTRASTS` to Contrast; empty where the group cannot be probed
    worthwhile : float
        Smallest gain in macro F1 that would be worth the further networks.
    """
    if not contrasts:
        return UNKNOWN, "n is too small: fewer than ten patients, or no two classes with two patients each."
    sharing, weighed, against_own = (contrasts[name] for name in CONTRASTS)
    own_wins, others_help = _worse(sharing), _better(sharing)
    if own_wins:
        if _better(against_own):
            return WEIGHTING, (
                f"Weighting everybody beats own data alone by {_f1(against_own)}, which beat the plain mixture."
            )
        return OWN, (
            f"Adding everybody changes macro F1 by {_f1(sharing)}: the others mislead. Weighting them is not shown to "
            f"add to own data ({_f1(against_own)})."
        )
    if _better(weighed):
        beside = "own data alone are worse" if others_help else f"everybody against own data alone: {_f1(sharing)}"
        return WEIGHTING, f"Weighting changes macro F1 by {_f1(weighed)} against the plain mixture; {beside}."
    # what may still be gained: by weighting, and by own data unless the others surely help
    limits = [weighed.f1_high] if others_help else [weighed.f1_high, -sharing.f1_low]
    settled = f"others' data change macro F1 by {_f1(sharing)}"
    if others_help:  # surely by the log-loss; macro F1, which is shown, may still leave it open
        helped = "help" if sharing.f1_low > 0 else "may help, not sure"
        settled = f"others' data {helped} ({_f1(sharing)})"
    found = f"{settled}, weighting them by {_f1(weighed)}"
    if all(math.isfinite(v) and v < worthwhile for v in limits):
        return POOLED, f"A gain of {worthwhile:g} can be excluded: {found}."
    detectable = detectable_of(contrasts)
    return UNKNOWN, f"n is too small (smallest detectable difference {number(detectable, 2)}): {found}."


def detectable_of(contrasts: Mapping[str, Contrast]) -> float:
    """Return the smallest difference in macro F1 that would have been seen, in the less precise of two questions."""
    return max((contrasts[name].detectable for name in (SHARING, WEIGHED) if name in contrasts), default=math.nan)


def _better(contrast: Contrast) -> bool:
    return contrast.loss_low > 0 and contrast.f1 > 0


def _worse(contrast: Contrast) -> bool:
    return contrast.loss_high < 0 and contrast.f1 < 0


def _f1(contrast: Contrast) -> str:
    return estimate(contrast.f1, contrast.f1_low, contrast.f1_high, signed=True)
