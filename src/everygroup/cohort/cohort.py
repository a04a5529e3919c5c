"""The cohort: images, labels, sensitive attributes, identifiers and provenance in one immutable object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from everygroup.cohort._build import BY_IMAGE, as_list, as_pixels, check_pixels, read_labels, read_units
from everygroup.cohort.crossed import by_group, html
from everygroup.cohort.groups import GroupRule, missing_column
from everygroup.errors import CohortError
from everygroup.files import hash_array, hash_bytes, hash_json
from everygroup.offers import offered

if TYPE_CHECKING:
    import altair as alt


class Cohort:
    """Samples of a diagnosis task with the groups they belong to.

    Build one with `from_arrays`, `from_table` or `from_dataset`, or read files with `everygroup.read_cohort`;
    `everygroup.split_cohort` parts it, `everygroup.fingerprint` describes it.

    Attributes
    ----------
    images : ndarray or memmap, (M, H, W, C) uint8, or float32 of any shape (M, ...)
        The store. uint8 counts as pixels in 0..255 (divided by 255 before a network sees them); floats are taken as
        they are, which for images (M, H, W, C) is within [0, 1].
    rows : ndarray of int64, (n,)
        Sample i's image is `images[rows[i]]`.
    table : DataFrame, n rows
        All columns the user gave.
    y : ndarray of int64, (n,)
        Index of each label in `classes`; -1 where a cohort to be predicted has none.
    group : ndarray of int64, (n,)
        Index into `groups`; -1 where a sensitive attribute is missing.
    ids, units : ndarray of str, (n,)
        Sample identifiers; patient or lesion identifiers (equal to `ids` where there are none).
    split_by : str, optional
        The column of the units: None where nobody named one, "none" where every image is meant to be for itself.
    provenance : dict
        Where the cohort comes from; JSON-able.
    """

    def __init__(
        self,
        images: np.ndarray,
        table: pd.DataFrame,
        *,
        label: str,
        y: np.ndarray,
        classes: Sequence[str],
        rule: GroupRule,
        group: np.ndarray,
        groups: Sequence[str],
        ids: np.ndarray,
        units: np.ndarray,
        rows: np.ndarray | None = None,
        split_by: str | None = None,
        provenance: Mapping[str, Any] | None = None,
        images_hash: str | None = None,
    ) -> None:
        self.images = images
        self.table = table.reset_index(drop=True)
        self.label = label
        self.classes = tuple(classes)
        self.y = np.asarray(y, dtype=np.int64)
        self.rule = rule
        self.groups = tuple(groups)
        self.group = np.asarray(group, dtype=np.int64)
        self.ids = np.asarray(ids, dtype=str)
        self.units = np.asarray(units, dtype=str)
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.split_by = split_by
        self.provenance = dict(provenance or {})
        self._images_hash = images_hash
        self._check()

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Columns of the sensitive attributes that make the groups."""
        return self.rule.attributes

    def _check(self) -> None:
        n = len(self.table)
        for name in ("y", "group", "ids", "units", "rows"):
            if len(getattr(self, name)) != n:
                raise CohortError(f"{n} rows in the table but {len(getattr(self, name))} values of {name}.")
        if n and (self.rows.min() < 0 or self.rows.max() >= len(self.images)):
            raise CohortError(f"A row points beyond the {len(self.images)} images.")
        if self.images.dtype not in (np.uint8, np.float32):
            raise CohortError(f"Images are {self.images.dtype}.", fix="give uint8 pixels (0..255) or float32 values")
        if self.images.dtype == np.uint8 and self.images.ndim != 4:
            raise CohortError(f"uint8 images have shape {self.images.shape}.", fix="give an array (N, H, W, C)")
        if len(set(self.ids.tolist())) != n:
            values, counts = np.unique(self.ids, return_counts=True)
            first = str(values[counts > 1][0])
            at = ", ".join(str(i) for i in np.flatnonzero(self.ids == first)[:5])
            n_twice = int((counts > 1).sum())
            several = "1 id is" if n_twice == 1 else f"{n_twice} ids are"
            raise CohortError(
                f"The id {first!r} stands in several rows ({at}, from 0); {several} not unique.",
                fix="make ids unique, or choose another --id-column",
            )

    # ---- building -------------------------------------------------------------------------------------------------

    @classmethod
    def from_table(
        cls,
        images: np.ndarray,
        table: pd.DataFrame,
        *,
        label: str | None,
        group: Sequence[str] | str,
        bins: Mapping[str, Any] | None = None,
        id_column: str | None = None,
        split_by: str | None = None,
        rows: np.ndarray | None = None,
        classes: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        provenance: Mapping[str, Any] | None = None,
        images_hash: str | None = None,
        allow_unlabelled: bool = False,
        label_codes: bool = False,
    ) -> Self:
        """Build a cohort from an image array and a table with one row an image.

        Parameters
        ----------
        images : ndarray
            As in the class; `rows` says which image belongs to which table row (in order by default).
        table : DataFrame
            Holds the label, the sensitive attributes, and if named the id and unit columns.
        label, group, id_column, split_by : str
            Column names; several `group` columns give intersections; `split_by` may be "none": every image is for
            itself. Without a label (None, for prediction only) `classes` must be given and `y` is -1 throughout.
        bins : mapping, optional
            Rules such as ``{"age": "55"}`` or ``{"skin_type": "light:1,2,3|dark:4,5,6"}``.
        classes, groups : sequence of str, optional
            Fixed names (in index order), for cohorts that must match a trained model.
        allow_unlabelled : bool
            For prediction only, with `classes`: a missing label is unknown, and y is -1 there.
        label_codes : bool
            Whether a label of many different numbers holds codes of classes, and no measured number.

        Raises
        ------
        CohortError
            For missing columns, missing or unknown labels, duplicate ids, mismatched numbers of rows and images, or
            float images outside [0, 1].
        """
        table = table.reset_index(drop=True)
        if not len(table):
            raise CohortError("The table has no rows.", fix="check that the file holds a header and data")
        if rows is None and len(images) != len(table):
            raise CohortError(f"{len(table)} rows in the table but {len(images)} images.", fix="give one row an image")
        check_pixels(images)
        for column in filter(None, (label, id_column, None if split_by == BY_IMAGE else split_by)):
            if column not in table.columns:
                raise missing_column(column, table.columns)
        classes, y = read_labels(table, label, classes, allow_unlabelled=allow_unlabelled, label_codes=label_codes)
        rule = GroupRule.make(group, bins)
        group_names, index = rule.assign(table, groups)
        ids = table[id_column].astype(str).to_numpy() if id_column else np.arange(len(table)).astype(str)
        return cls(
            images,
            table,
            label=label or "",
            y=y,
            classes=classes,
            rule=rule,
            group=index,
            groups=group_names,
            ids=ids,
            units=read_units(table, split_by, ids),
            rows=rows,
            split_by=split_by,
            provenance=provenance,
            images_hash=images_hash,
        )

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray,
        y: Sequence[Any] | np.ndarray,
        *,
        sensitive_features: Mapping[str, Sequence[Any]] | pd.DataFrame | Sequence[Any],
        group: Sequence[str] | str | None = None,
        bins: Mapping[str, Any] | None = None,
        classes: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        ids: Sequence[Any] | None = None,
        units: Sequence[Any] | None = None,
        extra: pd.DataFrame | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Self:
        """Build a cohort from arrays in memory.

        Parameters
        ----------
        images : ndarray, (n, H, W, C) uint8, or float32 (n, ...)
        y : sequence of n labels
            Class names, or integers 0..K-1 when `classes` names them.
        sensitive_features : mapping or DataFrame of n-long columns, or one sequence (then named 'group')
        group : str or sequence of str, optional
            Which of them make the groups (all by default).
        units : sequence of n, optional
            Patient or lesion of each sample.
        """
        n = len(y)
        if isinstance(sensitive_features, (Mapping, pd.DataFrame)):
            columns = {str(k): as_list(values) for k, values in sensitive_features.items()}
        else:
            columns = {"group": as_list(sensitive_features)}
        for name, values in {**columns, "ids": ids, "units": units}.items():
            if values is not None and len(values) != n:
                raise CohortError(f"{n} labels but {len(values)} values of {name}.")
        labels = as_list(y)
        if classes is not None and np.issubdtype(np.asarray(labels).dtype, np.integer):
            if n and (min(labels) < 0 or max(labels) >= len(classes)):
                raise CohortError(f"A label index lies outside the {len(classes)} classes.")
            labels = [str(classes[v]) for v in labels]
        own = {"id": np.arange(n) if ids is None else as_list(ids), "label": labels}
        if units is not None:
            own["unit"] = as_list(units)
        more = [] if extra is None else list(extra.columns)
        if taken := [k for k in [*columns, *more] if k in own or (k in columns and k in more)]:
            raise CohortError(f"Two columns would be called {taken[0]!r}.", fix="rename the attribute or extra column")
        table = pd.DataFrame({**own, **columns})
        if extra is not None:
            table = pd.concat([table, extra.reset_index(drop=True)], axis=1)
        return cls.from_table(
            images,
            table,
            label="label",
            group=tuple(columns) if group is None else group,
            bins=bins,
            id_column="id",
            split_by="unit" if units is not None else None,
            classes=classes,
            groups=groups,
            provenance=provenance,
        )

    @classmethod
    def from_dataset(cls, dataset: Any, *, attributes: Sequence[str] | str = ("group",), **options: Any) -> Self:
        """Build a cohort from any map-style dataset (such as a torch `Dataset`) of (image, label, attributes).

        Parameters
        ----------
        dataset : sequence
            Items (image, label, attribute) or (image, label, (attribute, ...)). An image is an array or tensor:
            (H, W, C), (C, H, W) or (H, W) uint8, or a float (C, H, W) in [0, 1] as torchvision's `ToTensor` makes it.
        attributes : sequence of str
            Names of the sensitive attributes, in the order of the items.
        **options
            Passed on to `from_arrays`.
        """
        attributes = (attributes,) if isinstance(attributes, str) else tuple(attributes)
        images, labels, columns = [], [], [[] for _ in attributes]  # type: ignore[var-annotated]
        for i in range(len(dataset)):
            image, label, values = dataset[i]
            images.append(as_pixels(np.asarray(image), i))
            labels.append(label.item() if hasattr(label, "item") else label)
            values = values if isinstance(values, (tuple, list)) else (values,)
            if len(values) != len(attributes):
                raise CohortError(
                    f"Item {i} of the data set has {len(values)} attributes, but {len(attributes)} are named.",
                    fix="name them in order, as in attributes=('sex', 'age')",
                )
            for column, value in zip(columns, values, strict=True):
                column.append(value.item() if hasattr(value, "item") else value)
        if len({image.shape for image in images}) > 1:
            raise CohortError("The data set's images differ in size.", fix="resize them to one size first")
        if not images:
            raise CohortError("The data set is empty.")
        return cls.from_arrays(
            np.stack(images), labels, sensitive_features=dict(zip(attributes, columns, strict=True)), **options
        )

    # ---- using ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        name = self.provenance.get("name", "cohort")
        return (
            f"Cohort({name!r}: {len(self)} samples of {self.images.shape[1:]}, {len(self.classes)} classes, "
            f"groups {', '.join(self.groups)} by {self.rule.name}, {(self.group < 0).sum()} missing)"
        )

    def _repr_html_(self) -> str:
        units = "" if self.split_by in (None, "none") else f" of {len(set(self.units.tolist())):,} ({self.split_by})"
        facts = f"{len(self):,} samples{units}, {' x '.join(map(str, self.sample_shape))} {self.images.dtype}."
        unknown = [f"{(self.y < 0).sum():,} without a label."] if (self.y < 0).any() else []
        return html(self.by_group, f"{self.label} by {self.rule.name}", [facts, *unknown])

    @property
    def by_group(self) -> pd.DataFrame:
        """Samples by group: a row a group ('missing' last, if any), columns n, n_units and one a class."""
        return by_group(self.y, self.group, self.units, self.classes, self.groups)

    def plot(self) -> alt.TopLevelMixin:
        """Draw how many samples of every label are in every group: an altair chart, shown by a notebook."""
        chart: alt.TopLevelMixin = offered("Cohort.plot")(self)
        return chart

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one stored image, such as (H, W, C)."""
        return tuple(self.images.shape[1:])

    def batch(self, index: np.ndarray | slice) -> np.ndarray:
        """Return the stored images of these samples, (b, ...), in the store's type."""
        return np.asarray(self.images[self.rows[index]])

    def where(self, selection: np.ndarray | Sequence[int] | Sequence[bool]) -> Self:
        """Return the samples of a mask or an index, with the same classes, groups and image store."""
        index = np.asarray(selection)
        if index.dtype == bool:
            if len(index) != len(self):
                raise CohortError(f"A mask of {len(index)} for {len(self)} samples.")
            index = np.flatnonzero(index)
        index = index.astype(np.int64)
        return type(self)(
            self.images,
            self.table.iloc[index],
            label=self.label,
            y=self.y[index],
            classes=self.classes,
            rule=self.rule,
            group=self.group[index],
            groups=self.groups,
            ids=self.ids[index],
            units=self.units[index],
            rows=self.rows[index],
            split_by=self.split_by,
            provenance=self.provenance,
            images_hash=self._images_hash,
        )

    def with_units(self, units: np.ndarray | Sequence[str]) -> Self:
        """Return the same samples with other units (patients or lesions), (n,)."""
        changed = self.where(np.arange(len(self)))
        changed.units = np.asarray(units, dtype=str)
        changed._check()
        return changed

    def in_group(self, name: str) -> Self:
        """Return the in-group samples of one group."""
        if name not in self.groups:
            raise CohortError(f"Unknown group {name!r}.", fix=f"the groups are {', '.join(self.groups)}")
        return self.where(self.group == self.groups.index(name))

    @cached_property
    def image_hashes(self) -> np.ndarray:
        """(n,) content hash of each sample's image; equal means byte-identical as stored."""
        return np.array([hash_bytes(np.ascontiguousarray(self.images[r]).tobytes()) for r in self.rows])

    @cached_property
    def images_hash(self) -> str:
        """Hash of the whole image store (known from the prepared folder, else computed once)."""
        return self._images_hash or hash_array(np.asarray(self.images))

    @cached_property
    def content_hash(self) -> str:
        """Hash of everything a result can depend on: images of these rows, labels, groups and ids, in order."""
        return hash_json(
            [
                self.images_hash,
                hash_array(self.rows),
                hash_array(self.y),
                hash_array(self.group),
                hash_array(self.ids),
                list(self.classes),
                list(self.groups),
                list(self.sample_shape),
            ]
        )
