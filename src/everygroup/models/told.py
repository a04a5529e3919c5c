"""From answers to what is told of every sample: columns of a table, and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from everygroup.cohort import Cohort
from everygroup.errors import CohortError
from everygroup.metrics.reconstruction import image_quality
from everygroup.predictions.of_targets import SCORE, TRUE
from everygroup.targets import Anomaly, Image, Labels, Mask, Number, Pictured, Target
from everygroup.targets.mask import dice

Columns = dict[str, np.ndarray]


@dataclass
class Told:
    """Columns (n,) by name, and pictures (n, ...) of pictured targets; the true masks beside them where known."""

    columns: Columns = field(default_factory=dict)
    pictures: np.ndarray | None = None
    truth: np.ndarray | None = None


def told(target: Target, cohort: Cohort, pieces: Iterable[tuple[slice, np.ndarray]]) -> Told:
    """Return what answers say of a cohort, beside its truth where that is known.

    Parameters
    ----------
    target : Target
        That of the model.
    cohort : Cohort
        Of the same target, or one whose truth is not known.
    pieces : iterable of (slice, ndarray)
        Which samples, and their answers; pictured targets come in several, of which pictures alone are kept.

    Raises
    ------
    CohortError
        If the cohort has other findings or structures.
    """
    known = _known(target, cohort)
    if isinstance(target, Pictured):
        return _pictured(target, cohort, pieces, known)
    ((_, answers),) = pieces
    y = cohort.y if known else None
    if isinstance(target, Labels):
        true = np.full(answers.shape, np.nan) if y is None else y
        columns = {TRUE + name: true[:, k] for k, name in enumerate(target.classes)}
        return Told(columns | {SCORE + name: answers[:, k] for k, name in enumerate(target.classes)})
    if isinstance(target, Number):
        return Told({"y_true": np.full(len(answers), np.nan) if y is None else y, "y_pred": answers})
    assert isinstance(target, Anomaly)
    names = np.array([*target.classes, ""])
    return Told({"y_true": names[np.full(len(answers), -1) if y is None else y], "anomaly_score": answers})


def _known(target: Target, cohort: Cohort) -> bool:
    if cohort.target != target.name or (isinstance(target, Pictured) and cohort.truth is None):
        return False
    if cohort.classes != target.classes:
        raise CohortError(
            f"The cohort's findings or structures are {', '.join(cohort.classes)}.",
            fix=f"the model knows {', '.join(target.classes)}, in this order",
        )
    return True


def _pictured(target: Pictured, cohort: Cohort, pieces: Iterable[tuple[slice, np.ndarray]], known: bool) -> Told:
    measured: list[Columns] = []
    pictures: list[np.ndarray] = []
    for part, answers in pieces:
        stored = np.asarray(cohort.truth_batch(part)) if known else None
        if isinstance(target, Mask):
            picture = answers.argmax(1).astype(np.uint8)
            measured.append({} if stored is None else _of_masks(target, stored, picture))
        else:
            assert isinstance(target, Image)
            measured.append({} if stored is None else _of_images(target, stored, answers))
            picture = np.moveaxis(answers, 1, -1)
            if cohort.images.dtype == np.uint8:
                picture = np.round(picture * 255).astype(np.uint8)
        pictures.append(picture)
    columns = {name: np.concatenate([piece[name] for piece in measured]) for name in (measured[0] if measured else {})}
    masks: Any = cohort.truth_batch(slice(None)) if known and isinstance(target, Mask) else None
    return Told(columns, np.concatenate(pictures) if pictures else None, masks)


def _of_masks(target: Mask, true: np.ndarray, answered: np.ndarray) -> Columns:
    """Dice and IoU of every image, the means over the structures that one of both masks shows; NaN without any."""
    each = dice(true, answered, len(target.classes))
    shown = (~np.isnan(each)).sum(1)
    with np.errstate(invalid="ignore"):
        means = {
            "dice": np.nansum(each, 1) / shown,
            "iou": np.nansum(each / (2 - each), 1) / shown,  # of one structure, D = 2 I / (1 + I)
        }
    size = (true > 0).reshape(len(true), -1).sum(1)
    several = {f"dice[{name}]": each[:, k] for k, name in enumerate(target.classes)} if len(target.classes) > 1 else {}
    return {**means, "true_size": size, **several}


def _of_images(target: Image, true: np.ndarray, answered: np.ndarray) -> Columns:
    """PSNR, SSIM and NMSE of every image, see `everygroup.metrics.reconstruction`."""
    both = (np.moveaxis(images, 1, -1).astype(np.float64) for images in (target.as_target(true), answered))
    return image_quality(*both, data_range=1.0)
