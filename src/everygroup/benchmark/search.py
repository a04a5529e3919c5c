"""Declared ranges of hyper-parameters, and seeded random draws from them (Bergstra and Bengio, JMLR 2012)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from everygroup.files import hash_json

_FORMS = ("choice", "uniform", "log_uniform", "integer")


class Range(BaseModel):
    """Where a value is drawn from: exactly one of four forms.

    Attributes
    ----------
    choice : list
        Any of these, all equally likely.
    uniform, log_uniform : [low, high]
        A number, evenly or evenly in its logarithm.
    integer : [low, high]
        A whole number, both ends included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    choice: list[Any] | None = None
    uniform: list[float] | None = None
    log_uniform: list[float] | None = None
    integer: list[int] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Range:
        given = [form for form in _FORMS if getattr(self, form) is not None]
        if len(given) != 1:
            raise PydanticCustomError("range", "give exactly one of choice, uniform, log_uniform and integer")
        values = getattr(self, given[0])
        if given == ["choice"]:
            if not values:
                raise PydanticCustomError("range", "choice lists nothing to choose from")
        elif len(values) != 2 or values[0] > values[1]:
            raise PydanticCustomError("range", "give two ends, the lower one first, such as [0.1, 10]")
        elif given == ["log_uniform"] and values[0] <= 0:
            raise PydanticCustomError("range", "the ends of log_uniform must be above 0")
        return self

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value."""
        if self.choice is not None:
            return self.choice[int(rng.integers(len(self.choice)))]
        if self.integer is not None:
            return int(rng.integers(self.integer[0], self.integer[1] + 1))
        if self.log_uniform is not None:
            low, high = (math.log(end) for end in self.log_uniform)
            return float(math.exp(rng.uniform(low, high)))
        assert self.uniform is not None
        return float(rng.uniform(self.uniform[0], self.uniform[1]))


def draw_values(ranges: Mapping[str, Range], name: str, draw: int) -> dict[str, Any]:
    """Return the values of one draw for a method; draw 0 changes nothing, so that the declared values compete too.

    The same name, draw and ranges give the same values on every machine; adding a draw changes no other one.
    """
    if draw == 0:
        return {}
    seed = int(hash_json(["draw", name, draw])[:16], 16)
    rng = np.random.default_rng(seed)
    return {key: ranges[key].draw(rng) for key in sorted(ranges)}
