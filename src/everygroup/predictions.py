"""The hinge table: one row a sample, with the true label, the answer, the scores, the groups and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from everygroup.cohort.groups import as_category, natural_key
from everygroup.errors import PredictionsError
from everygroup.files import atomic_path

SCORE = "score_"
LEADING = ("id", "unit", "y_true", "y_pred")
TRAILING = ("group", "split", "route", "model")
SUM_TOLERANCE = 0.01


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

    Build it with `from_arrays` or `read_csv`, which check everything.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()

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
        _rows: str | None = None,
    ) -> Self:
        """Build predictions from arrays.

        Parameters
        ----------
        y_true : (n,) class index with -1 for unknown, or class names with '' or None for unknown; None if all are.
        y_score : (n, K) probabilities, or (n,) those of the second of two classes.
        y_pred : (n,) class index or names; the class with the highest score when not given.
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
        score = None if y_score is None else np.asarray(y_score, dtype=np.float64)
        if score is not None and score.ndim == 1:
            score = np.stack([1.0 - score, score], axis=1)
        first = next((a for a in (score, y_pred, y_true) if a is not None), None)
        if first is None or (score is None and y_pred is None):
            raise PredictionsError("Predictions need y_pred or y_score.", fix="give at least one of them")
        n = len(np.asarray(first))

        def where(row: int) -> str:
            return f"{_rows}, row {row + 2}" if _rows else f"Position {row}"

        names = _class_names(classes, score, y_true, y_pred)
        if score is not None:
            _check_scores(score, len(names), where)
        true = _label_index("y_true", y_true, names, n, where) if y_true is not None else np.full(n, -1)
        if y_pred is None:
            assert score is not None
            pred = score.argmax(axis=1)
        else:
            pred = _label_index("y_pred", y_pred, names, n, where)
            if (pred < 0).any():
                raise PredictionsError(f"{where(int((pred < 0).argmax()))}: y_pred is empty.", fix="fill it in")
        attributes = _attribute_columns(sensitive_features)
        own_group = attributes.pop("group", None)
        if group is None and own_group is not None:
            group = np.asarray(own_group, dtype=object)
        group_names, group_of_row = _groups(group, groups, n)
        id_texts = _texts("ids", np.arange(n) if ids is None else ids, n)
        lookup = np.array([*names, ""], dtype=object)
        columns: dict[str, Any] = {
            "id": id_texts,
            "unit": _units(id_texts, units, n),
            "y_true": lookup[true],
            "y_pred": lookup[pred],
        }
        for k, name in enumerate(names if score is not None else ()):
            assert score is not None
            columns[SCORE + name] = score[:, k]
        columns |= {name: _texts(name, [as_category(v) for v in values], n) for name, values in attributes.items()}
        columns["group"] = group_of_row
        for name, value in (("split", split), ("route", route), ("model", model)):
            columns[name] = _texts(name, [value] * n if isinstance(value, str) else value, n)
        return cls(pd.DataFrame(columns), names, group_names, tuple(attributes))

    @classmethod
    def read_csv(cls, path: Path | str, **columns: Any) -> Predictions:
        """Read predictions from a CSV file: our own layout, or any with the columns named.

        Parameters
        ----------
        path : the file; comma-separated with a header.
        **columns : see `everygroup.predictions_csv.read_predictions`: y_true, y_pred, y_score, groups, bins, id, unit,
            split, classes, model.

        Raises
        ------
        PredictionsError
            Naming the file, row or column, and what to do.
        """
        from everygroup.predictions_csv import read_predictions

        return read_predictions(Path(path), **columns)

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
        return _index(self.table["y_true"], self.classes)

    @cached_property
    def y_pred(self) -> NDArray[np.int64]:
        """(n,) class index of the answer."""
        return _index(self.table["y_pred"], self.classes)

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
        return _index(self.table["group"], self.groups)

    @property
    def units(self) -> NDArray[Any]:
        """(n,) patient or lesion of every sample."""
        return self.table["unit"].to_numpy()

    @property
    def ids(self) -> NDArray[Any]:
        """(n,) id of every sample."""
        return self.table["id"].to_numpy()

    def attribute(self, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """Names, in order, and index (-1 missing) of one attribute; 'group' is the grouping used in training."""
        if name == "group":
            return self.groups, self.group
        if name not in self.sensitive:
            known = [*(("group",) if self.groups else ()), *self.sensitive]
            raise PredictionsError(f"No sensitive attribute {name!r}.", fix=f"there are: {', '.join(known) or 'none'}")
        values = self.table[name]
        names = tuple(sorted({v for v in values if v}, key=group_order))
        return names, _index(values, names)

    def where(self, selection: ArrayLike) -> Self:
        """Return the rows of a mask or an index, with the same classes, groups and attributes."""
        index = np.asarray(selection)
        index = np.flatnonzero(index) if index.dtype == bool else index
        table = self.table.iloc[index].reset_index(drop=True)
        return type(self)(table, self.classes, self.groups, self.sensitive)

    def of_split(self, name: str) -> Self:
        """Return the rows of one split, such as 'test'."""
        mask = (self.table["split"] == name).to_numpy()
        if not mask.any():
            found = ", ".join(sorted(s for s in self.table["split"].unique() if s)) or "none"
            raise PredictionsError(f"No row has the split {name!r}.", fix=f"the splits are: {found}")
        return self.where(mask)

    def to_csv(self, path: Path | str) -> Path:
        """Write the table, atomically."""
        with atomic_path(path) as temporary:
            self.table.to_csv(temporary, index=False, float_format="%.9g")
        return Path(path)


def group_order(name: str) -> tuple[Any, ...]:
    """Sort key of group names: bins by their lower end ('<=40', '(40,60]', '>60'), everything else naturally."""
    text = name.strip("<=>(]")
    lower = text.split(",")[0]
    if name.startswith(("<=", "(", ">")) and lower.replace(".", "", 1).lstrip("-").isdigit():
        rank = {"<": 0, "(": 1, ">": 2}[name[0]]
        return (rank, float(lower), ())
    return (3, 0.0, natural_key(name))


def _class_names(
    classes: Sequence[Any] | None, score: NDArray[np.float64] | None, *labels: ArrayLike | None
) -> tuple[str, ...]:
    """The given names as text, or those found in the labels; integer labels are their own names."""
    if classes is not None:
        names = tuple(str(c) for c in classes)
    else:
        arrays = [np.asarray(a) for a in labels if a is not None]
        if all(np.issubdtype(a.dtype, np.integer) for a in arrays):
            highest = max((int(a.max(initial=-1)) for a in arrays), default=-1)
            n_classes = max(highest + 1, 0 if score is None else score.shape[1])
            names = tuple(str(k) for k in range(n_classes))
        else:
            found = {as_category(v) for a in arrays for v in a.tolist()}
            names = tuple(sorted((v for v in found if v is not None), key=natural_key))
    if len(set(names)) != len(names) or not names or "" in names:
        raise PredictionsError(f"The class names {list(names)} are empty or not unique.", fix="name every class once")
    return names


def _check_scores(score: NDArray[np.float64], n_classes: int, where: Any) -> None:
    """Stop at the first row whose scores are no probabilities."""
    if score.ndim != 2 or score.shape[1] != n_classes:
        raise PredictionsError(
            f"The scores have shape {score.shape} but there are {n_classes} classes.",
            fix="give one score per class, and the class names in the same order",
        )
    undefined = ~np.isfinite(score).all(axis=1)
    if undefined.any():
        raise PredictionsError(f"{where(int(undefined.argmax()))}: a score is missing or no number.", fix="fill it in")
    outside = ((score < 0) | (score > 1)).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        value = score[row][(score[row] < 0) | (score[row] > 1)][0]
        raise PredictionsError(
            f"{where(row)}: the score {value:g} is not in [0, 1].", fix="give probabilities (softmax of the logits)"
        )
    off = np.abs(score.sum(axis=1) - 1.0) > SUM_TOLERANCE
    if off.any():
        row = int(off.argmax())
        raise PredictionsError(
            f"{where(row)}: the scores sum to {score[row].sum():.4g}, not 1.",
            fix="give a score for every class, normalised to sum to 1",
        )


def _label_index(word: str, labels: ArrayLike, names: tuple[str, ...], n: int, where: Any) -> NDArray[np.int64]:
    """Index labels given as class index or class name; -1 where unknown."""
    values = np.asarray(labels)
    if values.shape != (n,):
        raise PredictionsError(f"{word} has shape {values.shape} but there are {n} samples.")
    if np.issubdtype(values.dtype, np.integer):
        wrong = (values < -1) | (values >= len(names))
        if wrong.any():
            row = int(wrong.argmax())
            raise PredictionsError(
                f"{where(row)}: class index {values[row]} in {word} with {len(names)} classes.",
                fix=f"use 0..{len(names) - 1}, or -1 for unknown",
            )
        return values.astype(np.int64)
    position = {name: k for k, name in enumerate(names)}
    out = np.full(n, -1, dtype=np.int64)
    for row, value in enumerate(values.tolist()):
        text = value if isinstance(value, str) and value in position else as_category(value)
        if text is None:
            continue
        if text not in position:
            raise PredictionsError(
                f"{where(row)}: unknown label {text!r} in {word}.", fix=f"the classes are: {', '.join(names)}"
            )
        out[row] = position[text]
    return out


def _attribute_columns(
    sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | ArrayLike | None,
) -> dict[str, list[Any]]:
    """Attribute columns by name; names that the layout uses get a prefix, but 'group' is the grouping itself."""
    if sensitive_features is None:
        return {}
    if not isinstance(sensitive_features, (Mapping, pd.DataFrame)):
        return {"attribute": list(np.asarray(sensitive_features, dtype=object))}
    columns = {str(name): list(values) for name, values in sensitive_features.items()}
    reserved = {*LEADING, *TRAILING} - {"group"}
    return {
        f"attribute_{name}" if name in reserved or name.startswith(SCORE) else name: values
        for name, values in columns.items()
    }


def _groups(group: ArrayLike | None, groups: Sequence[Any] | None, n: int) -> tuple[tuple[str, ...], list[str]]:
    """Group names in order, and the group name of every row ('' where missing)."""
    if group is None:
        return tuple(str(g) for g in groups or ()), [""] * n
    values = np.asarray(group)
    if values.shape != (n,):
        raise PredictionsError(f"group has shape {values.shape} but there are {n} samples.")
    if np.issubdtype(values.dtype, np.integer):
        top = int(values.max(initial=-1))
        names = tuple(str(g) for g in (groups if groups is not None else range(top + 1)))
        if top >= len(names) or values.min(initial=0) < -1:
            raise PredictionsError(f"A group index lies outside the {len(names)} groups.", fix="-1 means missing")
        return names, [names[i] if i >= 0 else "" for i in values]
    texts = [as_category(v) or "" for v in values.tolist()]
    names = tuple(str(g) for g in groups) if groups else tuple(sorted({t for t in texts if t}, key=group_order))
    if unknown := sorted({t for t in texts if t} - set(names)):
        raise PredictionsError(f"Unknown group {unknown[0]!r}.", fix=f"the groups are: {', '.join(names)}")
    return names, texts


def _texts(word: str, values: ArrayLike | Sequence[Any], n: int) -> list[str]:
    """Values as text, '' for None."""
    texts = ["" if v is None else str(v) for v in np.asarray(values, dtype=object).reshape(-1)]
    if len(texts) != n:
        raise PredictionsError(f"{n} samples but {len(texts)} values of {word}.")
    return texts


def _units(ids: list[str], units: ArrayLike | None, n: int) -> list[str]:
    """Patient or lesion of every sample; one that is missing is a unit of its own, as in a cohort."""
    texts = ids
    if units is not None:
        known = [v if as_category(v) is not None else None for v in np.asarray(units, dtype=object).reshape(-1)]
        texts = _texts("units", known, n)
    return [t or f"no unit: {i or f'row {row + 1}'}" for row, (t, i) in enumerate(zip(texts, ids, strict=True))]


def _index(values: pd.Series, names: Sequence[str]) -> NDArray[np.int64]:
    """Position of every text in `names`, -1 for the empty one."""
    position = {name: i for i, name in enumerate(names)}
    return np.array([position.get(v, -1) for v in values], dtype=np.int64)
