"""How a network is built again: backbone, outputs, input, and what was made of it; JSON-able."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class NetworkSpec:
    """All that is needed to build a network again; JSON-able.

    Attributes
    ----------
    backbone : str
        A name of `list_backbones`.
    n_outputs : int
        Number of logits.
    sample_shape : tuple of int
        Shape of a stored image, (H, W, C), or (D,) for vectors.
    small_stem : bool
        3x3 stride-1 stem without pooling (ResNets).
    adapter : dict, optional
        Name and options of what was made of the backbone, see `everygroup.networks.adapted`.
    scaling : (mean, sd), optional
        Of the input's channels, in [0, 1], where it is not the backbone's usual one: that of pretrained weights.
    """

    backbone: str
    n_outputs: int
    sample_shape: tuple[int, ...]
    small_stem: bool = False
    adapter: dict[str, Any] | None = None
    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        usual = {name for name in ("adapter", "scaling") if getattr(self, name) is None}
        return {k: v for k, v in asdict(self).items() if k not in usual}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> NetworkSpec:
        """Rebuild from `to_dict`."""
        scaling = value.get("scaling")
        read = None if scaling is None else (tuple(scaling[0]), tuple(scaling[1]))
        return cls(**{**value, "sample_shape": tuple(value["sample_shape"]), "scaling": read})
