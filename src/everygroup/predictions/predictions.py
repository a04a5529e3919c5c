"""The hinge table: one row a sample, with the true label, the answer, the scores, the groups and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.errors import PredictionsError
from everygroup.files import atomic_path
from everygroup.predictions._checks import (
    SCORE,
    as_scores,
    attribute_columns,
    check_scores,
    class_names,
    group_index,
    label_index,
    likeliest,
)
from everygroup.predictions._coding import (
    attribute_of,
    category_column,
    coded,
    one_column,
    positions,
    spread,
    text_column,
    unit_column,
)
from everygroup.predictions.polarity import positive_of
from everygroup.tables.guard import guarded


@dataclass(frozen=True)
class Predictions:
    """Predictions of one model for n samples.

    Attributes
    ----------
    table : columns id, unit, y_true and y_pred (class names; y_true empty where unknown), score_<class> for every
        class (or none at all), one column per sensitive attribute, group (name; empty where missing), split, route
        (which network answered, and why) and model.
    classes : class names, in the order of the scores.
    groups : names of the groups used in training; empty when there was no such grouping.
    sensitive : names of the attribute columns.
    numbered : where no ids were given, the number of rows in which the samples were numbered; None with ids.

    Build it with `from_arrays` or `everygroup.read_predictions`, which check everything.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    numbered: int | None = None

    # ---- building ----------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        y_true: ArrayLike | None = None,
        y_score: ArrayLike | None = None,
        *,
        y_pred: ArrayLike | None = None,
        classes: Sequence[Any] | None = None,
        sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike | None = None,
        group: ArrayLike | None = None,
        groups: Sequence[Any] | None = None,
        ids: ArrayLike | None = None,
        units: ArrayLike | None = None,
        split: ArrayLike | str = "",
        route: ArrayLike | str = "",
        model: ArrayLike | str = "",
        _rows: Callable[[int], str] | None = None,
    ) -> Self:
        """Build predictions from arrays.

        Parameters
        ----------
        y_true : (n,) class index with -1 for unknown, or class names with '' or None for unknown; None if all are.
        y_score : (n, K) probabilities, or (n,) those of the second of two classes.
        y_pred : (n,) class index or names; the class with the highest score when not given: of two classes the second
            where it scores at least as high as the first, of several equal ones that whose name comes first.
        classes : the K class names in the order of the scores; found in the labels when not given.
        sensitive_features : attribute columns by name, or one sequence (then named 'attribute').
        group : (n,) group used in training: index with -1 for missing (with `groups`), or names; an attribute named
            'group' when not given.
        groups : group names in index order.
        ids, units : sample id, and patient or lesion; row numbers, and the ids, when not given. A sample whose unit is
            missing is a unit of its own.
        split, route, model : one text for all rows, or one per row.

        Raises
        ------
        PredictionsError
            For arrays that do not fit together, unknown labels, or scores that are no probabilities.
        """
        score = None if y_score is None else as_scores(y_score)
        true_values = None if y_true is None else one_column("y_true", y_true)
        pred_values = None if y_pred is None else one_column("y_pred", y_pred)
        first = next((a for a in (score, pred_values, true_values) if a is not None), None)
        if first is None or (score is None and pred_values is None):
            raise PredictionsError("Predictions need y_pred or y_score.", fix="give at least one of them")
        n = len(first)

        def where(row: int) -> str:
            return _rows(row) if _rows else f"Position {row}"

        names = class_names(classes, score, true_values, pred_values)
        if score is not None:
            check_scores(score, len(names), where)
        true = np.full(n, -1) if true_values is None else label_index("y_true", true_values, names, n, where)
        if pred_values is None:
            assert score is not None
            pred = likeliest(score, names)
        else:
            pred = label_index("y_pred", pred_values, names, n, where)
            if (pred < 0).any():
                raise PredictionsError(f"{where(int((pred < 0).argmax()))}: y_pred is empty.", fix="fill it in")
        attributes = attribute_columns(sensitive_features)
        own_group = attributes.pop("group", None)
        group_names, group_of_row = group_index(own_group if group is None else group, groups, n)
        id_column = text_column("ids", np.arange(n) if ids is None else ids, n)

        parts = [
            pd.DataFrame(
                {
                    "id": id_column,
                    "unit": unit_column(id_column, units),
                    "y_true": spread(names, true),
                    "y_pred": spread(names, pred),
                }
            )
        ]
        if score is not None:
            # one block of numbers, shared with the cache below: n x K doubles are kept once
            parts.append(pd.DataFrame(score, columns=[SCORE + name for name in names], copy=False))
        parts.append(
            pd.DataFrame(
                {name: category_column(name, values, n) for name, values in attributes.items()}
                | {"group": spread(group_names, group_of_row)}
                | {k: text_column(k, v, n) for k, v in (("split", split), ("route", route), ("model", model))}
            )
        )
        made = cls(pd.concat(parts, axis=1), names, group_names, tuple(attributes), n if ids is None else None)
        made.__dict__.update(y_true=true.astype(np.int64), y_pred=pred.astype(np.int64))
        if ids is None and units is None:
            made.__dict__["clustered"] = False
        return made

    # ---- using -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        scores = "" if self.has_scores else ", no scores"
        return (
            f"Predictions({len(self)} samples, {len(self.classes)} classes{scores}; groups "
            f"{', '.join(self.groups) or 'none'}; attributes {', '.join(self.sensitive) or 'none'})"
        )

    @cached_property
    def y_true(self) -> NDArray[np.int64]:
        """(n,) class index, -1 where unknown."""
        return positions(self.table["y_true"], self.classes)

    @cached_property
    def y_pred(self) -> NDArray[np.int64]:
        """(n,) class index of the answer."""
        return positions(self.table["y_pred"], self.classes)

    @property
    def has_scores(self) -> bool:
        """Whether there are score columns."""
        return SCORE + self.classes[0] in self.table.columns

    @cached_property
    def y_score(self) -> NDArray[np.float64]:
        """(n, K) scores.

        Raises
        ------
        PredictionsError
            If the table has none; ask `has_scores` first.
        """
        if not self.has_scores:
            raise PredictionsError("These predictions have no scores.", fix="add one score column per class")
        return self.table[[SCORE + c for c in self.classes]].to_numpy(np.float64)

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """(n,) index of the group used in training, -1 where missing."""
        return positions(self.table["group"], self.groups)

    @property
    def units(self) -> NDArray[Any]:
        """(n,) patient or lesion of every sample."""
        return self.table["unit"].to_numpy(dtype=object)

    @cached_property
    def unit_index(self) -> NDArray[np.int64]:
        """(n,) units numbered 0..C-1 in order of first appearance."""
        return coded(self.table["unit"])[0] if self.clustered else np.arange(len(self))

    @cached_property
    def clustered(self) -> bool:
        """Whether any patient or lesion has several samples; free where neither ids nor units were given."""
        return not self.table["unit"].is_unique

    @property
    def ids(self) -> NDArray[Any]:
        """(n,) id of every sample."""
        return self.table["id"].to_numpy(dtype=object)

    @property
    def has_ids(self) -> bool:
        """Whether ids were given; otherwise samples are numbered by their row."""
        return self.numbered is None

    def attribute(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names, in order, and index (-1 missing) of one attribute; 'group' is the grouping used in training."""
        if name == "group":
            return self.groups, self.group
        if name not in self.sensitive:
            known = [*(("group",) if self.groups else ()), *self.sensitive]
            raise PredictionsError(f"No sensitive attribute {name!r}.", fix=f"there are: {', '.join(known) or 'none'}")
        return attribute_of(self.table[name])

    def where(self, selection: ArrayLike) -> Self:
        """Return the rows of a mask or an index, with the same classes, groups and attributes."""
        chosen = np.asarray(selection)
        mask = chosen.dtype == bool
        if mask and chosen.all() and chosen.shape == (len(self),):
            return self
        index = np.flatnonzero(chosen) if mask else chosen
        table = self.table.iloc[index].reset_index(drop=True)
        part = type(self)(table, self.classes, self.groups, self.sensitive, self.numbered)
        if mask and self.__dict__.get("clustered") is False:
            part.__dict__["clustered"] = False  # every row at most once: still one sample a unit
        return part

    def with_columns(self, columns: Mapping[str, Any]) -> Self:
        """Return the predictions with further columns (n,) in the table, which are no attributes."""
        return replace(self, table=self.table.assign(**columns)) if columns else self

    def answered_as(self, other: Predictions) -> Self:
        """Return the samples that other predictions of the same classes have, too, with what those answered.

        Raises
        ------
        PredictionsError
            Without ids on both sides or a common one, or for other classes.
        """
        if not (self.has_ids and other.has_ids) or set(self.classes) != set(other.classes):
            raise PredictionsError(
                "Versions of a model are paired by the ids of their samples, and need the same classes.",
                fix="name the column of ids with --id-column",
            )
        partner = pd.Index(other.table["id"]).get_indexer(pd.Index(self.table["id"]))
        if not (partner >= 0).any():
            raise PredictionsError("No sample stands in both tables.", fix="give both files the same ids")
        ours, theirs = self.where(partner >= 0), other.table.iloc[partner[partner >= 0]]
        given = [c for c in theirs.columns if c in ("y_pred", "model") or str(c).startswith(SCORE)]
        return replace(
            ours,
            table=ours.table.drop(columns=[c for c in ours.table if str(c).startswith(SCORE)]).assign(
                **{c: theirs[c].to_numpy() for c in given}
            ),
        )

    def with_attributes(self, columns: Mapping[str, Any]) -> Self:
        """Return the same with other values of attributes, such as ages in place of the bins used in training."""
        texts = {name: category_column(name, values, len(self)) for name, values in columns.items()}
        return replace(self, table=self.table.assign(**texts))

    def of_split(self, name: str) -> Self:
        """Return the rows of one split, such as 'test'."""
        mask = (self.table["split"] == name).to_numpy(dtype=bool)
        if not mask.any():
            found = ", ".join(sorted(s for s in self.table["split"].unique() if s)) or "none"
            raise PredictionsError(f"No row has the split {name!r}.", fix=f"the splits are: {found}")
        return self.where(mask)

    def with_positive(self, name: str | None = None) -> Self:
        """Return the same with another positive class, which is the second of two.

        Parameters
        ----------
        name : its name; None for the one that the names tell ('disease' of healthy and disease), if they do.

        Raises
        ------
        PredictionsError
            If it is not one of two classes.
        """
        if name is not None and (len(self.classes) != 2 or name not in self.classes):
            raise PredictionsError(
                f"The positive class {name!r} is not one of two classes.",
                fix=f"the classes are: {', '.join(self.classes)}",
            )
        positive = positive_of(self.classes) if name is None else name
        if positive is None or positive == self.classes[-1]:
            return self
        return replace(self, classes=self.classes[::-1])

    def to_csv(self, path: Path | str) -> Path:
        """Write the table, atomically; texts that a spreadsheet would run as a formula get an apostrophe in front."""
        with atomic_path(path) as temporary:
            guarded(self.table).to_csv(temporary, index=False, float_format="%.9g")
        return Path(path)
