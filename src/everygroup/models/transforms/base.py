"""What samples are seen through, at training and again at prediction: saved as numbers, replayed without its method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch

from everygroup.errors import SettingsError
from everygroup.files import hash_array, hash_json

Tensors = dict[str, torch.Tensor]


class Transform(ABC):
    """A change of images that depends on nothing but them, the table, and what was estimated on training samples.

    Attributes
    ----------
    name : str
        Its kind; `TRANSFORMS` lists them.
    columns : tuple of str
        Columns of the table that it reads, and that prediction must have.
    """

    name: ClassVar[str]
    columns: tuple[str, ...] = ()

    @abstractmethod
    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        """Return stored images (b, ...) as they are seen; `table` has their rows."""

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one image as it is seen."""
        return sample_shape

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what `build` takes, JSON-able."""

    @abstractmethod
    def tensors(self) -> Tensors:
        """Return the numbers that were estimated."""

    @classmethod
    @abstractmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Transform:
        """Build it again."""

    @property
    def hash(self) -> str:
        """Content hash."""
        return hash_json([self.name, self.options(), {k: hash_array(v.numpy()) for k, v in self.tensors().items()}])


TRANSFORMS: dict[str, type[Transform]] = {}
T = TypeVar("T", bound="type[Transform]")


def register_transform(cls: T) -> T:
    """Enter a kind of transform under its name; use as a decorator."""
    TRANSFORMS[cls.name] = cls
    return cls


def build_transform(name: str, options: Mapping[str, Any], tensors: Tensors) -> Transform:
    """Build a transform from what was saved.

    Raises
    ------
    SettingsError
        For an unknown kind.
    """
    if name not in TRANSFORMS:
        raise SettingsError(f"Unknown kind of transform {name!r}.", fix=f"this version knows {', '.join(TRANSFORMS)}")
    return TRANSFORMS[name].build(options, tensors)
