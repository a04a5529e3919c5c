"""What is done with a model's answers afterwards: saved as numbers, replayed without its method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import numpy as np

from everygroup.errors import SettingsError

ABSTAINED = -1
"""The answer of a model that gives none."""


class Step(ABC):
    """A change of answers that depends on nothing but the scores, the group and the id. Its fields are JSON-able.

    Attributes
    ----------
    name : str
        Its kind; `STEPS` lists them.
    """

    name: ClassVar[str]

    def scores(self, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return the scores (n, K) that are told; `group` (n,) is -1 where it is missing."""
        return scores

    @abstractmethod
    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the class of every sample, (n,), from the scores and the answers so far; -1 abstains.

        What is drawn by lot is drawn by the sample's id (n,), so that a prediction can be repeated.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]


STEPS: dict[str, type[Step]] = {}
S = TypeVar("S", bound="type[Step]")


def register_step(cls: S) -> S:
    """Enter a kind of step under its name; use as a decorator."""
    STEPS[cls.name] = cls
    return cls


def build_step(record: Mapping[str, Any]) -> Step:
    """Build a step from `to_dict`.

    Raises
    ------
    SettingsError
        For an unknown kind.
    """
    fields = dict(record)
    name = fields.pop("name")
    if name not in STEPS:
        raise SettingsError(f"Unknown kind of step {name!r}.", fix=f"this version knows {', '.join(STEPS)}")
    return STEPS[name](**fields)


def told_by(steps: Sequence[Step], scores: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the scores (n, K) after all steps."""
    for step in steps:
        scores = step.scores(scores, group)
    return scores


def decided_by(steps: Sequence[Step], scores: np.ndarray, group: np.ndarray, ids: np.ndarray) -> np.ndarray | None:
    """Return the class of every sample after all steps, (n,), from the networks' scores; None without steps."""
    decided = None
    for step in steps:
        scores = step.scores(scores, group)
        decided = step.answers(scores, group, scores.argmax(1) if decided is None else decided, ids)
    return decided


def of_group(values: Sequence[Any], otherwise: Any, group: np.ndarray) -> np.ndarray:
    """Return each sample's value by its group, `otherwise` where the group is missing, (n, ...)."""
    return np.asarray([*values, otherwise])[group]
