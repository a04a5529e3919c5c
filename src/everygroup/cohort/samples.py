"""Samples that cannot change: their stores, labels and groups, parts of them, and hashes of all that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from everygroup.cohort.groups import GroupRule
from everygroup.cohort.outcome import Outcome, Target, check_outcome, check_truth, fifths
from everygroup.errors import CohortError
from everygroup.files import hash_array, hash_bytes, hash_json
from everygroup.mapped import take

_OF_SAMPLES = ("y", "group", "ids", "units", "rows")
_BLOCK = 256  # images read together
_KEPT_VALUES = 2**26  # of vectors as they are seen: 256 MB
_FOUND_OUT = (
    "outcome",
    "image_hashes",
    "content_hash",
    "_kept_vectors",
)  # of these very samples; the hashes of stores stay
_TYPES = {"labels": np.float32, "number": np.float64}


class Seen(Protocol):
    """A change of images, see `everygroup.models.transforms.Transform`."""

    @property
    def hash(self) -> str: ...

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]: ...

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray: ...


class Samples:
    """What `everygroup.Cohort` is whatever it was built of; its attributes are told there."""

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
        target: Target = "classes",
        truth: np.ndarray | None = None,
        truth_hash: str | None = None,
    ) -> None:
        self.images = images
        self.table = table.reset_index(drop=True)
        self.label = label
        self.classes = tuple(classes)
        self.target = target
        self.truth = truth
        self.y = np.asarray(y, dtype=_TYPES.get(target, np.int64))
        self.rule = rule
        self.groups = tuple(groups)
        self.group = np.asarray(group, dtype=np.int64)
        self.ids = np.asarray(ids, dtype=str)
        self.units = np.asarray(units, dtype=str)
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, dtype=np.int64)
        self.split_by = split_by
        self.provenance = dict(provenance or {})
        self.transforms: tuple[Seen, ...] = ()
        self._hashes = {"images": images_hash, "truth": truth_hash}
        self._check()
        check_truth(target, truth, images)
        self._cuts = fifths(self.y) if target == "number" else np.empty(0)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Columns of the sensitive attributes that make the groups."""
        return self.rule.attributes

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Columns of the table that tell what is to be predicted; several findings have several."""
        return self.classes if self.target == "labels" else (self.label,)

    def _check(self) -> None:
        n = len(self.table)
        for name in _OF_SAMPLES:
            if len(getattr(self, name)) != n:
                raise CohortError(f"{n} rows in the table but {len(getattr(self, name))} values of {name}.")
        if n and (self.rows.min() < 0 or self.rows.max() >= len(self.images)):
            raise CohortError(f"A row points beyond the {len(self.images)} images.")
        half = self.images.dtype == np.float16 and self.images.ndim == 2  # vectors, which batches give as float32
        if not half and self.images.dtype not in (np.uint8, np.float32):
            raise CohortError(f"Images are {self.images.dtype}.", fix="give uint8 pixels (0..255) or float32 values")
        if self.images.dtype == np.uint8 and self.images.ndim not in (4, 5):
            raise CohortError(
                f"uint8 images have shape {self.images.shape}.",
                fix="give an array (N, H, W, C), of volumes (N, H, W, D, C)",
            )
        check_outcome(self.target, self.y, self.classes, self.truth)
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

    @cached_property
    def outcome(self) -> Outcome:
        """What is to be predicted: how samples are counted, compared and stratified by it."""
        return Outcome(self.target, self.y, self.classes, self._cuts, self.truth, self.rows)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one image as it is seen, such as (H, W, C)."""
        shape: tuple[int, ...] = tuple(self.images.shape[1:])
        for transform in self.transforms:
            shape = transform.shape(shape)
        return shape

    def batch(self, index: np.ndarray | slice) -> np.ndarray:
        """Return the images of these samples, (b, ...), as they are seen; without a transform in the store's type,
        but vectors of half precision as float32."""
        if self._kept_vectors is not None:
            return np.array(self._kept_vectors[index])
        return self._seen(index)

    @cached_property
    def _kept_vectors(self) -> np.ndarray | None:
        """All vectors as they are seen, where transforms make them and they are small: they are asked for often."""
        if not self.transforms or self.images.ndim != 2 or len(self) * self.sample_shape[0] > _KEPT_VALUES:
            return None
        return self._seen(slice(None))

    def _seen(self, index: np.ndarray | slice) -> np.ndarray:
        images = take(self.images, self.rows[index])
        if images.dtype == np.float16:
            images = images.astype(np.float32)
        for transform in self.transforms:
            images = transform(images, self.table.iloc[index])
        return images

    def seen_through(self, transform: Seen) -> Self:
        """Return the same samples with their images seen through a transform, after those before it."""
        return self._changed(transforms=(*self.transforms, transform))

    def truth_batch(self, index: np.ndarray | slice) -> np.ndarray:
        """Return the masks (b, H, W) or undegraded images (b, H, W, C) of these samples, in the store's type."""
        if self.truth is None:
            raise CohortError(f"The target {self.target!r} has no masks or images for truth.")
        return take(self.truth, self.rows[index])

    def where(self, selection: np.ndarray | Sequence[int] | Sequence[bool]) -> Self:
        """Return the samples of a mask or an index, with the same classes, groups and image store."""
        index = np.asarray(selection)
        if index.dtype == bool:
            if len(index) != len(self):
                raise CohortError(f"A mask of {len(index)} for {len(self)} samples.")
            index = np.flatnonzero(index)
        index = index.astype(np.int64)
        part = self._changed(**{name: getattr(self, name)[index] for name in _OF_SAMPLES})
        part.table = self.table.iloc[index].reset_index(drop=True)
        part._check()
        return part

    def _changed(self, **changes: Any) -> Self:
        part = copy(self)
        for name in _FOUND_OUT:
            part.__dict__.pop(name, None)
        part.__dict__.update(changes)
        return part

    def with_units(self, units: np.ndarray | Sequence[str]) -> Self:
        """Return the same samples with other units (patients or lesions), (n,)."""
        changed = self._changed(units=np.asarray(units, dtype=str))
        changed._check()
        return changed

    def with_images(self, images: np.ndarray) -> Self:
        """Return the same samples with other pictures, as they are to be seen, one a sample and in their order."""
        if len(images) != len(self):
            raise CohortError(f"{len(images)} images for {len(self)} samples.", fix="give one a sample, in order")
        truth = None if self.truth is None else self.truth_batch(slice(None))
        changed = self._changed(images=images, truth=truth, rows=np.arange(len(self)), transforms=(), _hashes={})
        for name in ("images_hash", "truth_hash"):
            changed.__dict__.pop(name, None)
        changed._check()
        return changed

    def with_more(
        self, images: np.ndarray, of: np.ndarray, *, group: np.ndarray | None = None, made_by: str = "made"
    ) -> Self:
        """Return these samples and others that were made of some of them, for training.

        Parameters
        ----------
        images : (m, ...)
            As these are seen, in type and shape.
        of : (m,) int
            Which sample each was made of: it has that one's label, patient and row of the table.
        group : (m,) int, optional
            Their groups; by default those of what they were made of.
        """
        count = np.arange(len(of))
        index = np.concatenate([np.arange(len(self)), of])
        more = self.where(index[: len(self)])._changed(
            table=self.table.iloc[index].reset_index(drop=True),
            **{name: getattr(self, name)[index] for name in ("y", "units")},
            group=np.concatenate([self.group, self.group[of] if group is None else group]),
            ids=np.concatenate([self.ids, [f"{self.ids[i]} ({made_by} {k})" for k, i in zip(count, of, strict=True)]]),
            images=np.concatenate([self.batch(slice(None)), images.astype(self.batch(slice(0, 1)).dtype)]),
            rows=np.arange(len(index)),
            transforms=(),
            _hashes={},
        )
        for name in ("images_hash", "truth_hash"):
            more.__dict__.pop(name, None)
        more._check()
        return more

    def grouped_by(self, rule: GroupRule) -> Self:
        """Return the same samples in the groups that another rule makes."""
        groups, group = rule.assign(self.table)
        return self._changed(rule=rule, groups=tuple(groups), group=np.asarray(group, dtype=np.int64))

    def with_merged_groups(self, members: Sequence[Sequence[int]]) -> Self:
        """Return the same samples with clusters for groups, each named after its groups (by index): 'a + b'."""
        cluster = np.full(len(self.groups) + 1, -1)  # the last is the missing group's
        for c, inside in enumerate(members):
            cluster[list(inside)] = c
        return self.with_groups(cluster[self.group], [" + ".join(self.groups[g] for g in inside) for inside in members])

    def with_groups(self, group: np.ndarray, names: Sequence[str]) -> Self:
        """Return the same samples in other groups: the index of each, (n,), -1 where it is missing, and their names."""
        return self._changed(groups=tuple(names), group=np.asarray(group, dtype=np.int64))

    def in_group(self, name: str) -> Self:
        """Return the in-group samples of one group."""
        if name not in self.groups:
            raise CohortError(f"Unknown group {name!r}.", fix=f"the groups are {', '.join(self.groups)}")
        return self.where(self.group == self.groups.index(name))

    @cached_property
    def image_hashes(self) -> np.ndarray:
        """(n,) content hash of each sample's image; equal means byte-identical as stored."""
        blocks = (self.batch(slice(start, start + _BLOCK)) for start in range(0, len(self), _BLOCK))
        return np.array([hash_bytes(image.tobytes()) for block in blocks for image in block])

    @cached_property
    def images_hash(self) -> str:
        """Hash of the whole image store (known from the prepared folder, else computed once)."""
        return self._hashes.get("images") or hash_array(np.asarray(self.images))

    @cached_property
    def truth_hash(self) -> str:
        """Hash of the whole store of masks or undegraded images; "" where there is none."""
        return "" if self.truth is None else self._hashes.get("truth") or hash_array(np.asarray(self.truth))

    @cached_property
    def content_hash(self) -> str:
        """Hash of everything a result can depend on: images of these rows, labels, groups and ids, in order."""
        known = [
            self.images_hash,
            hash_array(self.rows),
            hash_array(self.y),
            hash_array(self.group),
            hash_array(self.ids),
            list(self.classes),
            list(self.groups),
            list(self.sample_shape),
            *(transform.hash for transform in self.transforms),
        ]
        return hash_json(known if self.target == "classes" else [*known, self.target, self.truth_hash])
