"""What is done with a model's answers afterwards: saved as numbers, replayed without its method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from everygroup.errors import SettingsError

ABSTAINED = -1
"""The answer of a model that gives none."""


class Step(ABC):
    """A change of answers that depends on nothing but the scores and the group. Its fields are JSON-able.

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
    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the class of every sample, (n,), from the scores and the answers so far; -1 abstains."""

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


def decided_by(steps: Sequence[Step], scores: np.ndarray, group: np.ndarray) -> np.ndarray | None:
    """Return the class of every sample after all steps, (n,), from the networks' scores; None without steps."""
    decided = None
    for step in steps:
        scores = step.scores(scores, group)
        decided = step.answers(scores, group, scores.argmax(1) if decided is None else decided)
    return decided


def of_group(values: Sequence[Any], otherwise: Any, group: np.ndarray) -> np.ndarray:
    """Return each sample's value by its group, `otherwise` where the group is missing, (n, ...)."""
    return np.asarray([*values, otherwise])[group]


@register_step
@dataclass(frozen=True)
class Cut(Step):
    """Of two classes the second where its probability reaches the group's threshold.

    Attributes
    ----------
    thresholds : sequence of float, (G,)
    otherwise : float
        Where no group is known.
    """

    name: ClassVar[str] = "cut"
    thresholds: Sequence[float]
    otherwise: float

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1 from the threshold on."""
        return (scores[:, 1] >= of_group(self.thresholds, self.otherwise, group)).astype(np.int64)


@register_step
@dataclass(frozen=True)
class AffineLogits(Step):
    """softmax(a_g log p + b_g): temperatures (a = 1 / T, b = 0), shifts of classes (a = 1), by group.

    Attributes
    ----------
    slopes : sequence of float, (G,)
    shifts : sequence of sequences of float, (G, K)
    slope, shift : float, sequence of float
        Where no group is known.
    """

    name: ClassVar[str] = "affine_logits"
    slopes: Sequence[float]
    shifts: Sequence[Sequence[float]]
    slope: float
    shift: Sequence[float]

    def scores(self, scores: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Return the changed probabilities."""
        log_p = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
        z = of_group(self.slopes, self.slope, group)[:, None] * log_p + of_group(self.shifts, self.shift, group)
        e = np.exp(z - z.max(1, keepdims=True))
        changed: np.ndarray = e / e.sum(1, keepdims=True)
        return changed

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """The likeliest class."""
        return scores.argmax(1)


@register_step
@dataclass(frozen=True)
class Abstain(Step):
    """No answer where the largest probability stays below the group's limit.

    Attributes
    ----------
    limits : sequence of float, (G,)
    otherwise : float
        Where no group is known.
    """

    name: ClassVar[str] = "abstain"
    limits: Sequence[float]
    otherwise: float

    def answers(self, scores: np.ndarray, group: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """-1 below the limit."""
        sure = scores.max(1) >= of_group(self.limits, self.otherwise, group)
        return np.where(sure, answers, ABSTAINED)
