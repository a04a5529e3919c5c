"""Predictions of what is no single class: findings, numbers, masks, anomaly scores, restored images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.files import atomic_path
from everygroup.predictions._coding import attribute_of, category_column, spread, text_column, unit_column
from everygroup.tables.guard import guarded

TRUE, SCORE = "true_", "score_"


@dataclass(frozen=True)
class TargetPredictions:
    """Predictions of one model for n samples, as `everygroup audit` reads them.

    Attributes
    ----------
    target : str
        'labels', 'number', 'mask', 'anomaly' or 'image'.
    table : DataFrame
        Columns id, unit, those of the target, one a sensitive attribute, group (name; empty where missing), split,
        route (which network answered, and why) and model. Of findings true_<finding> (1, 0, empty where unknown) and
        score_<finding>; of numbers y_true and y_pred; of anomalies y_true ('normal', 'anomaly', empty) and
        anomaly_score; of masks and images what was measured of each, empty where undefined or without truth: dice, iou,
        true_size and dice[<structure>]; psnr, ssim and nmse.
    names : tuple of str
        Findings or structures.
    groups, sensitive : tuple of str
        Groups used in training; columns of the attributes.
    pictures : ndarray, optional
        Masks (n, H, W) uint8, or images (n, H, W, C) as they are stored.
    truth : ndarray, optional
        The true masks.
    """

    target: str
    table: pd.DataFrame
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    pictures: NDArray[Any] | None = None
    truth: NDArray[np.uint8] | None = None

    @classmethod
    def from_columns(
        cls,
        target: str,
        columns: Mapping[str, ArrayLike],
        *,
        ids: ArrayLike,
        units: ArrayLike | None = None,
        sensitive_features: Mapping[str, Sequence[Any]],
        group: NDArray[np.int64],
        groups: Sequence[str],
        split: ArrayLike | str = "",
        route: ArrayLike | str = "",
        model: str = "",
        **more: Any,
    ) -> Self:
        """Build predictions; `more` are the other attributes of the class."""
        n = len(group)
        id_column = text_column("ids", ids, n)
        table = pd.DataFrame(
            {"id": id_column, "unit": unit_column(id_column, units)}
            | {name: np.asarray(values) for name, values in columns.items()}
            | {name: category_column(name, values, n) for name, values in sensitive_features.items()}
            | {"group": spread(list(groups), group)}
            | {k: text_column(k, v, n) for k, v in (("split", split), ("route", route), ("model", model))}
        )
        return cls(target, table, groups=tuple(groups), sensitive=tuple(sensitive_features), **more)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return (
            f"TargetPredictions({self.target}: {len(self)} samples; attributes {', '.join(self.sensitive) or 'none'})"
        )

    @property
    def ids(self) -> NDArray[Any]:
        """(n,) id of every sample."""
        return self.table["id"].to_numpy(dtype=object)

    @property
    def units(self) -> NDArray[Any]:
        """(n,) patient or lesion of every sample."""
        return self.table["unit"].to_numpy(dtype=object)

    @property
    def attributes(self) -> pd.DataFrame:
        """Columns of the sensitive attributes, and the group where it is made of several; None where missing."""
        shown = [*self.sensitive, *(("group",) if len(self.sensitive) != 1 and self.groups else ())]
        return self.table[shown].astype(object).replace("", None)

    def attribute(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names, in order, and index (-1 missing) of one attribute; 'group' is the grouping used in training."""
        return attribute_of(self.table[name])

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n,) floats of a column."""
        return self.table[column].to_numpy(np.float64)

    def scores(self, prefix: str) -> NDArray[np.float64]:
        """(n, L) the columns of all findings that begin so: TRUE or SCORE."""
        return self.table[[prefix + name for name in self.names]].to_numpy(np.float64)

    def where(self, selection: ArrayLike) -> Self:
        """Return the rows of a mask or an index."""
        chosen = np.asarray(selection)
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen

        def part(values: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if values is None else values[index]

        table = self.table.iloc[index].reset_index(drop=True)
        return replace(self, table=table, pictures=part(self.pictures), truth=part(self.truth))

    def of_split(self, name: str) -> Self:
        """Return the rows of one split, such as 'test'.

        Raises
        ------
        PredictionsError
        """
        mask = (self.table["split"] == name).to_numpy(dtype=bool)
        if not mask.any():
            found = ", ".join(sorted(s for s in self.table["split"].unique() if s)) or "none"
            raise PredictionsError(f"No row has the split {name!r}.", fix=f"the splits are: {found}")
        return self.where(mask)

    def matching(self, other: TargetPredictions) -> tuple[Self, TargetPredictions]:
        """Return the rows of both whose id is in both, in the order of the first.

        Raises
        ------
        PredictionsError
            For another target, or without a common id.
        """
        if (self.target, self.names) != (other.target, other.names):
            raise PredictionsError(
                f"The predictions are of {self.target!r} and of {other.target!r}, or of other findings or structures.",
                fix="compare models of one target",
            )
        partner = pd.Index(other.table["id"]).get_indexer(pd.Index(self.table["id"]))
        if not (partner >= 0).any():
            raise PredictionsError("No sample is in both predictions.", fix="predict the same cohort with both models")
        return self.where(partner >= 0), other.where(partner[partner >= 0])

    def with_attributes(self, columns: Mapping[str, Any]) -> Self:
        """Return the same with other values of attributes, such as ages in place of the bins used in training."""
        texts = {name: category_column(name, values, len(self)) for name, values in columns.items()}
        return replace(self, table=self.table.assign(**texts))

    def to_csv(self, path: Path | str) -> Path:
        """Write the table, atomically; texts that a spreadsheet would run as a formula get an apostrophe in front."""
        with atomic_path(path) as temporary:
            guarded(self.table).to_csv(temporary, index=False, float_format="%.9g")
        return Path(path)

    def save_pictures(self, path: Path | str) -> Path:
        """Write masks or images as one npz archive: `masks` or `images`, in the order of `ids`.

        `everygroup.read_cohort` reads such images again.

        Raises
        ------
        PredictionsError
            If there are none.
        """
        if self.pictures is None:
            raise PredictionsError(f"Predictions of {self.target!r} have no pictures.", fix="write the table alone")
        what = "masks" if self.target == "mask" else "images"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **{what: self.pictures, "ids": self.ids.astype(str)})  # type: ignore[arg-type]
        return Path(path)
