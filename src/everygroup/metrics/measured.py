"""The answer of every metric: one number, the numbers behind it, and how many samples they rest on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Measured:
    """A measured value.

    Attributes
    ----------
    value : the metric over all samples (performance) or the gap (fairness); NaN where undefined.
    per_group : value of every group; for a fairness metric the group's values it was made from, if there is one.
    n_per_group : number of samples of every group.
    n : number of samples used.
    n_missing : samples without a group; they count in an overall performance, never in a group or a gap.
    n_undefined : how many of the rates behind the value were 0/0.
    """

    value: float
    per_group: Mapping[Hashable, float] = field(default_factory=dict)
    n_per_group: Mapping[Hashable, int] = field(default_factory=dict)
    n: int = 0
    n_missing: int = 0
    n_undefined: int = 0

    @classmethod
    def of(
        cls,
        value: float | np.ndarray,
        groups: Sequence[Hashable],
        values: ArrayLike,
        sizes: ArrayLike,
        *,
        n: int | None = None,
        n_missing: int = 0,
        n_undefined: int = 0,
    ) -> Measured:
        """Name the values (G,) and the numbers of samples (G,) of groups; `n` is their sum when not given."""
        counted = np.asarray(sizes).astype(int)
        per_group = dict(zip(groups, np.asarray(values, dtype=np.float64).tolist(), strict=True))
        n_per_group = dict(zip(groups, counted.tolist(), strict=True))
        size = int(counted.sum()) if n is None else n
        return cls(float(value), per_group, n_per_group, size, n_missing, n_undefined)

    def __float__(self) -> float:
        return self.value

    @property
    def gap(self) -> float:
        """Largest minus smallest group value (0 is equal); NaN if one is undefined or there are fewer than two."""
        values = np.array(list(self.per_group.values()), dtype=np.float64)
        return float(values.max() - values.min()) if values.size > 1 else float("nan")

    @property
    def worst(self) -> Hashable | None:
        """Name of the group with the lowest defined value."""
        defined = {g: v for g, v in self.per_group.items() if not np.isnan(v)}
        return min(defined, key=lambda g: defined[g]) if defined else None
