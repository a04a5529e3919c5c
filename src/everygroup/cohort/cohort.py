"""The cohort: images, labels, sensitive attributes, identifiers and provenance in one immutable object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from everygroup.cohort._answers import read_answers
from everygroup.cohort._arrays import items_of, table_of
from everygroup.cohort._build import BY_IMAGE, check_pixels, read_units
from everygroup.cohort.crossed import by_group, html
from everygroup.cohort.groups import GroupRule, missing_column
from everygroup.cohort.outcome import PICTURED, Target
from everygroup.cohort.samples import Samples
from everygroup.errors import CohortError
from everygroup.offers import offered

if TYPE_CHECKING:
    import altair as alt


class Cohort(Samples):
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
    target : {"classes", "labels", "number", "mask", "anomaly", "image"}
        What is to be predicted: one of several classes; findings that may come together; a measured number; a mask of
        structures; whether a sample is abnormal, learnt from normal ones; an image, of its degraded picture.
    y : ndarray
        Of classes and anomalies (n,) int64, the index in `classes`, -1 where a cohort to be predicted has none. Of
        labels (n, L) float32: 1 there, 0 not, NaN unknown. Of a number (n,) float64, NaN unknown. Else zeros (n,).
    classes : tuple of str
        Names of the classes; of anomalies ("normal", "anomaly"); of labels those of the findings; of masks those of
        the structures without the background; empty for a number or an image.
    truth : ndarray or memmap, optional
        Beside `images`, sample i's is `truth[rows[i]]`: masks (M, H, W) uint8, 0 the background and k the k-th
        structure; or the undegraded images (M, H, W, C), uint8 or float32.
    group : ndarray of int64, (n,)
        Index into `groups`; -1 where a sensitive attribute is missing.
    ids, units : ndarray of str, (n,)
        Sample identifiers; patient or lesion identifiers (equal to `ids` where there are none).
    split_by : str, optional
        The column of the units: None where nobody named one, "none" where every image is meant to be for itself.
    provenance : dict
        Where the cohort comes from; JSON-able.
    """

    # ---- building -------------------------------------------------------------------------------------------------

    @classmethod
    def from_table(
        cls,
        images: np.ndarray,
        table: pd.DataFrame,
        *,
        label: str | Sequence[str] | None,
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
        target: Target = "classes",
        normal: str | None = None,
        truth: np.ndarray | None = None,
        truth_hash: str | None = None,
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
            itself. Several `label` columns are the findings of the target "labels". Without a label (None, for
            prediction only) `classes` must be given and `y` is -1 (or NaN) throughout.
        bins : mapping, optional
            Rules such as ``{"age": "55"}`` or ``{"skin_type": "light:1,2,3|dark:4,5,6"}``.
        classes, groups : sequence of str, optional
            Fixed names (in index order), for cohorts that must match a trained model.
        allow_unlabelled : bool
            For prediction only, with `classes`: a missing label is unknown, and y is -1 there.
        label_codes : bool
            Whether a label of many different numbers holds codes of classes, and no measured number.
        target, truth : str, ndarray
            As in the class; the columns of masks and undegraded images need no `label`.
        normal : str
            For anomalies: the value of the label that is none.

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
        labels = (label,) if isinstance(label, str) else tuple(label or ())
        for column in filter(None, (*labels, id_column, None if split_by == BY_IMAGE else split_by)):
            if column not in table.columns:
                raise missing_column(column, table.columns)
        if target in PICTURED and truth is None and not allow_unlabelled:
            raise CohortError(
                f"The target is {target!r}, but there is no truth.", fix="give truth=, the masks or images"
            )
        if target == "mask" and classes is None and truth is not None:
            classes = [f"structure {k}" for k in range(1, int(truth.max(initial=1)) + 1)]
        classes, y = read_answers(
            target,
            table,
            labels,
            classes,
            normal=normal,
            allow_unlabelled=allow_unlabelled,
            label_codes=label_codes,
        )
        rule = GroupRule.make(group, bins)
        group_names, index = rule.assign(table, groups)
        ids = table[id_column].astype(str).to_numpy() if id_column else np.arange(len(table)).astype(str)
        return cls(
            images,
            table,
            label=",".join(labels),
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
            target=target,
            truth=truth,
            truth_hash=truth_hash,
        )

    @classmethod
    def from_arrays(
        cls,
        images: np.ndarray,
        y: Sequence[Any] | np.ndarray | None = None,
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
        target: Target = "classes",
        normal: str | None = None,
        truth: np.ndarray | None = None,
    ) -> Self:
        """Build a cohort from arrays in memory.

        Parameters
        ----------
        images : ndarray, (n, H, W, C) uint8, or float32 (n, ...)
        y : sequence of n labels
            Class names, or integers 0..K-1 when `classes` names them; numbers; (n, L) of 1, 0, NaN for labels, which
            `classes` names; none for masks and images, which are the `truth`.
        sensitive_features : mapping or DataFrame of n-long columns, or one sequence (then named 'group')
        group : str or sequence of str, optional
            Which of them make the groups (all by default).
        units : sequence of n, optional
            Patient or lesion of each sample.
        target, normal, truth
            As in `from_table`.
        """
        if (y is None) != (target in PICTURED):
            raise CohortError(f"The target is {target!r}.", fix="give truth= for masks and images, y for every other")
        table, labels, attributes = table_of(
            y,
            sensitive_features,
            n=len(images) if y is None else len(y),
            classes=classes,
            findings=target == "labels",
            ids=ids,
            units=units,
            extra=extra,
        )
        return cls.from_table(
            images,
            table,
            label=labels,
            group=attributes if group is None else group,
            bins=bins,
            id_column="id",
            split_by="unit" if units is not None else None,
            classes=labels if target == "labels" else classes,
            groups=groups,
            provenance=provenance,
            target=target,
            normal=normal,
            truth=truth,
        )

    @classmethod
    def from_dataset(cls, dataset: Any, *, attributes: Sequence[str] | str = ("group",), **options: Any) -> Self:
        """Build a cohort from any map-style dataset (such as a torch `Dataset`) of (image, label, attributes).

        Parameters
        ----------
        dataset : sequence
            Items (image, label, attribute) or (image, label, (attribute, ...)). An image is an array or tensor:
            (H, W, C), (C, H, W) or (H, W) uint8, or a float (C, H, W) in [0, 1] as torchvision's `ToTensor` makes it.
            A label may be several findings; with the target "mask" it is a mask (H, W), with "image" an image.
        attributes : sequence of str
            Names of the sensitive attributes, in the order of the items.
        **options
            Passed on to `from_arrays`.
        """
        attributes = (attributes,) if isinstance(attributes, str) else tuple(attributes)
        images, answers, columns = items_of(dataset, attributes, options.get("target", "classes"))
        told = {"truth" if options.get("target") in PICTURED else "y": answers}
        return cls.from_arrays(images, sensitive_features=columns, **told, **options)

    # ---- at a glance -----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        name = self.provenance.get("name", "cohort")
        asked = f"{len(self.classes)} classes" if self.target == "classes" else f"target {self.target}"
        return (
            f"Cohort({name!r}: {len(self)} samples of {self.images.shape[1:]}, {asked}, "
            f"groups {', '.join(self.groups)} by {self.rule.name}, {(self.group < 0).sum()} missing)"
        )

    def _repr_html_(self) -> str:
        units = "" if self.split_by in (None, "none") else f" of {len(set(self.units.tolist())):,} ({self.split_by})"
        facts = f"{len(self):,} samples{units}, {' x '.join(map(str, self.sample_shape))} {self.images.dtype}."
        n_unknown = int((self.outcome.strata < 0).sum())
        unknown = [f"{n_unknown:,} without a label."] if n_unknown else []
        return html(self.by_group, f"{self.label or self.target} by {self.rule.name}", [facts, *unknown])

    @property
    def by_group(self) -> pd.DataFrame:
        """Samples by group: a row a group ('missing' last, if any), columns n, n_units and one a class.

        Of findings and structures it counts in how many samples they are, of a number how many lie in each fifth.
        """
        return by_group(self.outcome, self.group, self.units, self.groups)

    def plot(self) -> alt.TopLevelMixin:
        """Draw how many samples of every label are in every group: an altair chart, shown by a notebook."""
        chart: alt.TopLevelMixin = offered("Cohort.plot")(self)
        return chart
