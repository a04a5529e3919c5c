"""What it means that a method's effect was seen: a number without it and with it, over several seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

HARDLY = 0.02  # a change below it is told, and not counted


@dataclass(frozen=True)
class Effect:
    """An effect that a paper reports, on a small world of our own.

    Attributes
    ----------
    method : str
        As `everygroup.methods.create_method` takes it, with the options that it is seen with.
    world : str
        The world, in words: what is wrong in it.
    measure : str
        What is measured on fresh test samples, in words.
    run : callable
        Seed -> (without the method, with it).
    better : 'smaller' or 'larger'
        Where the method is to move it.
    """

    method: str
    world: str
    measure: str
    run: Callable[[int], tuple[float, float]]
    better: Literal["smaller", "larger"] = "smaller"

    def verdict(self, pairs: np.ndarray) -> str:
        """Say whether (seeds, 2) values moved as they should: in their mean, and in at least four seeds of five.

        'hardly' where the mean moved by less than HARDLY.
        """
        moved = (pairs[:, 1] - pairs[:, 0]) * (1 if self.better == "larger" else -1)
        if not (moved.mean() > 0 and (moved > 0).mean() >= 0.8):
            return "**no**"
        return "yes" if moved.mean() >= HARDLY else "hardly"
