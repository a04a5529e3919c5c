"""What there is to predict of a sample: six targets, and how samples with each are counted, compared, stratified."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pandas as pd

from everygroup.errors import CohortError
from everygroup.files import hash_bytes

Target = Literal["classes", "labels", "number", "mask", "anomaly", "image"]
TARGETS: tuple[Target, ...] = get_args(Target)
PICTURED = ("mask", "image")
"""Targets whose truth is a picture a sample: a second store beside the images."""
ANOMALY_CLASSES = ("normal", "anomaly")
_FIFTHS = (0.2, 0.4, 0.6, 0.8)
_BLOCK = 256  # masks looked at together


@dataclass(frozen=True)
class Outcome:
    """What is known of what is to be predicted of n samples.

    Attributes
    ----------
    target : str
        One of `TARGETS`.
    y : (n,) int64 index of the class, -1 unknown; (n, L) float32 of 1, 0, NaN for labels; (n,) float64 for a number.
    classes : names of classes, findings (L) or structures (S); none for a number or an image.
    cuts : values between which numbers count together, see `fifths`.
    truth, rows : the store of masks or images, None where they are only predicted; each sample's place in it (n,).
    """

    target: Target
    y: np.ndarray
    classes: tuple[str, ...]
    cuts: np.ndarray
    truth: np.ndarray | None
    rows: np.ndarray

    @property
    def overlaps(self) -> bool:
        """Whether a sample may count under several names: findings, structures."""
        return self.target in ("labels", "mask")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What samples are counted by: classes, findings, structures, or fifths of the numbers."""
        if self.target == "image":
            return ("image",)
        if self.target != "number":
            return self.classes
        edges = [f"{cut:.4g}" for cut in self.cuts]
        if not edges:
            return ("any",)
        between = [f"{low} to {high}" for low, high in pairwise(edges)]
        return (f"up to {edges[0]}", *between, f"above {edges[-1]}")

    @cached_property
    def positive(self) -> np.ndarray:
        """(n, K) float32: 1 where a finding or structure is there, 0 where not, NaN where that is not known."""
        if self.target == "labels":
            return self.y
        if self.truth is None:
            return np.full((len(self.rows), len(self.classes)), np.nan, dtype=np.float32)
        here = np.zeros((len(self.rows), len(self.classes)), dtype=np.float32)
        for start in range(0, len(self.rows), _BLOCK):
            block = self.truth[self.rows[start : start + _BLOCK]].reshape(len(here[start : start + _BLOCK]), -1)
            for k in range(here.shape[1]):
                here[start : start + _BLOCK, k] = (block == k + 1).any(axis=1)
        return here

    @cached_property
    def strata(self) -> np.ndarray:
        """(n,) int64: samples of one stratum are alike: class, pattern of findings or structures, fifth; -1 unknown."""
        if self.overlaps:
            coded = np.nan_to_num(self.positive, nan=2).astype(np.int8)
            pattern = np.unique(coded, axis=0, return_inverse=True)[1].reshape(-1) if len(coded) else np.empty(0)
            unknown = np.isnan(self.positive).all(axis=1) & (self.truth is None)
            return np.where(unknown, -1, pattern).astype(np.int64)
        if self.target == "number":
            return np.where(np.isnan(self.y), -1, np.searchsorted(self.cuts, self.y)).astype(np.int64)
        return self.y

    @property
    def n_strata(self) -> int:
        """Number of strata, those without samples included."""
        return int(self.strata.max(initial=-1)) + 1 if self.overlaps else len(self.names)

    @cached_property
    def same(self) -> np.ndarray:
        """(n,) int64: equal where two samples have the same truth; -1 unknown."""
        if self.target == "number":
            return np.asarray(pd.factorize(self.y)[0], dtype=np.int64)
        if self.truth is None:
            return self.strata
        digests = [hash_bytes(np.ascontiguousarray(self.truth[row]).tobytes()) for row in self.rows]
        return np.asarray(pd.factorize(np.array(digests))[0], dtype=np.int64)

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """Return (K,) how many samples of a mask (n,) count under each of `names`."""
        if self.overlaps:
            return np.asarray((self.positive[rows] == 1).sum(axis=0), dtype=np.int64)
        return np.bincount(self.strata[rows & (self.strata >= 0)], minlength=len(self.names))

    def n_known(self, rows: np.ndarray) -> np.ndarray:
        """Return (K,) of how many samples of a mask (n,) it is known whether they count under each of `names`."""
        if self.overlaps:
            return np.asarray((~np.isnan(self.positive[rows])).sum(axis=0), dtype=np.int64)
        return np.full(len(self.names), int((rows & (self.strata >= 0)).sum()))

    def texts(self, index: np.ndarray) -> list[str]:
        """Return what is known of some samples, in words."""
        if self.target == "number":
            return ["unknown" if np.isnan(v) else f"{v:g}" for v in self.y[index]]
        if not self.overlaps:
            return ["unknown" if k < 0 else self.names[k] for k in self.y[index]]
        there = [" + ".join(np.array(self.names)[row == 1]) or "none" for row in self.positive[index]]
        return ["unknown" if k < 0 else text for k, text in zip(self.strata[index], there, strict=True)]


def fifths(y: np.ndarray) -> np.ndarray:
    """Return the values that part known numbers into fifths; fewer where many are equal."""
    known = y[~np.isnan(y)]
    cuts = np.unique(np.quantile(known, _FIFTHS)) if len(known) else np.empty(0)
    return cuts[cuts < known.max()] if len(known) else cuts


def check_target(target: str) -> None:
    """Refuse what is no target.

    Raises
    ------
    CohortError
    """
    if target not in TARGETS:
        raise CohortError(f"Unknown target {target!r}.", fix=f"use one of {', '.join(TARGETS)}")


def check_outcome(target: Target, y: np.ndarray, classes: tuple[str, ...], truth: np.ndarray | None) -> None:
    """Refuse a truth whose shape or values are not those of its target (see `Outcome`).

    Raises
    ------
    CohortError
    """
    check_target(target)
    if truth is not None and target not in PICTURED:
        raise CohortError(
            f"The target is {target!r}, which takes no truth.", fix="give truth= with the targets mask and image only"
        )
    if y.ndim != (2 if target == "labels" else 1):
        raise CohortError(f"y has shape {y.shape}.", fix="give (n, L) for labels, (n,) for every other target")
    if target == "labels" and y.shape[1] != len(classes):
        raise CohortError(f"{len(classes)} findings are named, y has {y.shape[1]} columns.")
    if target == "labels" and not (np.isnan(y) | (y == 0) | (y == 1)).all():
        raise CohortError("Labels are something else than 1, 0 and NaN.", fix="give 1 (there), 0 (not), NaN (unknown)")
    if target == "number" and np.isinf(y).any():
        raise CohortError(f"{np.isinf(y).sum()} numbers are infinite.", fix="leave these samples out")
    if target == "anomaly" and len(classes) != len(ANOMALY_CLASSES):
        raise CohortError(f"An anomaly cohort has {len(classes)} classes.", fix="give two, the normal one first")


def check_truth(target: Target, truth: np.ndarray | None, images: np.ndarray) -> None:
    """Refuse masks or images that do not fit the input images, (M, H, W[, D], C).

    Raises
    ------
    CohortError
    """
    if truth is None:
        return
    if target == "mask" and (truth.dtype != np.uint8 or truth.shape != images.shape[:-1]):
        raise CohortError(
            f"The masks are {truth.dtype} {truth.shape}, the images {images.shape}.",
            fix="give uint8 masks (M, H, W) of the images' size: 0 is background, k the k-th structure",
        )
    fits = truth.ndim == images.ndim and truth.shape[:-1] == images.shape[:-1]
    if target == "image" and not (fits and truth.dtype in (np.uint8, np.float32)):
        raise CohortError(
            f"The undegraded images are {truth.dtype} {truth.shape}, the degraded ones {images.shape}.",
            fix="give uint8 or float32 images (M, H, W, C) of the same size",
        )
