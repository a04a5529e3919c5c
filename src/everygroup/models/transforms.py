"""What samples are seen through, at training and again at prediction: saved as numbers, replayed without its method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from everygroup.errors import CohortError, SettingsError
from everygroup.files import hash_array, hash_json
from everygroup.imaging.tensors import to_input
from everygroup.networks import NetworkSpec, rebuild

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


@register_transform
class AffineByValue(Transform):
    """x -> x * scale[v] + shift[v], v the value of a column: a scanner, a site. Pixels are clipped to [0, 1].

    Parameters
    ----------
    column : str
    values : sequence of str
        Those that were seen at training.
    scale, shift : ndarray (V, ...), one for each value, broadcast over an image
    """

    name = "affine_by_value"

    def __init__(self, column: str, values: Sequence[str], scale: np.ndarray, shift: np.ndarray) -> None:
        self.column, self.values = column, tuple(values)
        self.scale, self.shift = np.asarray(scale, np.float32), np.asarray(shift, np.float32)
        self.columns = (column,)

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        names = table[self.column].astype(str).str.strip()
        if unknown := sorted(set(names) - set(self.values)):
            raise CohortError(
                f"Column {self.column!r} has values that the model was not fitted on: {', '.join(unknown[:5])}.",
                fix=f"the model knows {', '.join(self.values)}; fit it with samples of the others, too",
            )
        index = names.map({v: i for i, v in enumerate(self.values)}).to_numpy()
        x = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        seen = x * self.scale[index] + self.shift[index]
        return np.clip(seen, 0, 1) if images.ndim == 4 else seen

    def options(self) -> dict[str, Any]:
        """Return column and values."""
        return {"column": self.column, "values": list(self.values)}

    def tensors(self) -> Tensors:
        """Return scale and shift."""
        return {"scale": torch.from_numpy(self.scale), "shift": torch.from_numpy(self.shift)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> AffineByValue:
        """Build it again."""
        return cls(options["column"], options["values"], tensors["scale"].numpy(), tensors["shift"].numpy())


@register_transform
class Projection(Transform):
    """Vectors x -> (x - mean) B, (D,) to (q,).

    Parameters
    ----------
    mean : ndarray (D,)
    basis : ndarray (D, q)
    """

    name = "projection"

    def __init__(self, mean: np.ndarray, basis: np.ndarray) -> None:
        self.mean, self.basis = np.asarray(mean, np.float32), np.asarray(basis, np.float32)

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        seen: np.ndarray = (images - self.mean) @ self.basis
        return seen

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """(q,)."""
        return (self.basis.shape[1],)

    def options(self) -> dict[str, Any]:
        """Nothing but the numbers."""
        return {}

    def tensors(self) -> Tensors:
        """Return mean and basis."""
        return {"mean": torch.from_numpy(self.mean), "basis": torch.from_numpy(self.basis)}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Projection:
        """Build it again."""
        return cls(tensors["mean"].numpy(), tensors["basis"].numpy())


@register_transform
class Features(Transform):
    """Images as the penultimate features of a network, (q,): what follows works on vectors."""

    name = "features"

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    def __call__(self, images: np.ndarray, table: pd.DataFrame) -> np.ndarray:
        with torch.inference_mode():
            x = to_input(torch.from_numpy(np.ascontiguousarray(images)))
            features: torch.Tensor = self.network.features(x)  # type: ignore[operator]
        return features.float().numpy()

    def shape(self, sample_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The number of features."""
        with torch.inference_mode():
            x = to_input(torch.zeros((1, *sample_shape)))
            return tuple(self.network.features(x).shape[1:])  # type: ignore[operator]

    def options(self) -> dict[str, Any]:
        """Return how the network is built."""
        return {"spec": self.network.spec.to_dict()}  # type: ignore[union-attr, operator]

    def tensors(self) -> Tensors:
        """Return its weights."""
        return {k: v.detach().cpu().contiguous().clone() for k, v in self.network.state_dict().items()}

    @classmethod
    def build(cls, options: Mapping[str, Any], tensors: Tensors) -> Features:
        """Build it again."""
        return cls(rebuild(NetworkSpec.from_dict(options["spec"]), tensors))
