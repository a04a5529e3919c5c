"""What networks answer: classes, findings, numbers, masks, anomalies, images. One file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from everygroup.errors import SettingsError
from everygroup.targets.anomaly import Anomaly
from everygroup.targets.base import Pictured, Target, Truth
from everygroup.targets.classes import Classes
from everygroup.targets.image import Image
from everygroup.targets.labels import Labels
from everygroup.targets.mask import Mask
from everygroup.targets.number import Number

if TYPE_CHECKING:
    from everygroup.cohort import Cohort

__all__ = [
    "Anomaly",
    "Classes",
    "Image",
    "Labels",
    "Mask",
    "Number",
    "Pictured",
    "Target",
    "Truth",
    "target_from",
    "target_of",
]

_KINDS: dict[str, type[Target]] = {kind.name: kind for kind in (Classes, Labels, Number, Mask, Anomaly, Image)}


def target_of(cohort: Cohort, loss: str = "auto") -> Target:
    """Return what the samples of a cohort are labelled with.

    Parameters
    ----------
    loss : str
        As in `everygroup.settings.TrainSettings`.

    Raises
    ------
    SettingsError
        For a loss that the target does not have.
    """
    kind = _KINDS[cohort.target]
    if loss == "auto":
        return kind.of(cohort)
    if loss not in kind.choices:
        raise SettingsError(
            f"Target {kind.name!r} has no loss {loss!r}.", fix=f"use loss={' or '.join((*kind.choices, 'auto'))}"
        )
    return kind.of(cohort, loss=loss)  # type: ignore[call-arg]


def target_from(record: Mapping[str, Any]) -> Target:
    """Build a target again from its `record`.

    Raises
    ------
    SettingsError
        For a kind that this version does not know.
    """
    if record["name"] not in _KINDS:
        raise SettingsError(f"Unknown target {record['name']!r}.", fix=f"this version knows {', '.join(_KINDS)}")
    return _KINDS[record["name"]].from_record(record)
