"""What a network is to answer: its outputs, their loss, and how good an answer is. One file, one kind of answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import torch

if TYPE_CHECKING:
    from everygroup.boundary.decision import Decision
    from everygroup.cohort import Cohort
    from everygroup.imaging.augment import Augmentation


class Truth(Protocol):
    """The targets of n samples: an array, or what is read piece by piece."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> np.ndarray: ...


class Target(ABC):
    """A kind of answer. Equal targets have an equal `record`.

    Attributes
    ----------
    name : str
        As in ``--target``.
    score : str
        The selection score that `quality` measures on validation; larger is better.
    form : {'vector', 'map', 'image', 'score'}
        What the network gives: (N, K), (N, K, H, W), an image like the input, or one number a sample, (N, 1), from a
        network that learns without labels.
    smooths : bool
        Whether label smoothing means anything.
    at_once : int
        Samples that are predicted at once.
    choices : tuple of str
        Losses to choose from, for `of`; empty where there is one.
    """

    name: ClassVar[str]
    score: ClassVar[str]
    form: ClassVar[str] = "vector"
    smooths: ClassVar[bool] = False
    at_once: ClassVar[int] = 512
    choices: ClassVar[tuple[str, ...]] = ()
    classes: tuple[str, ...] = ()
    """The names that a cohort of this target has as `classes`."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: classes, findings, structures."""

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the network."""
        return len(self.outputs)

    @property
    def record(self) -> dict[str, Any]:
        """All that tells this target from others; JSON-able."""
        return {"name": self.name, "outputs": list(self.outputs)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self.record == other.record

    def __hash__(self) -> int:
        return hash((self.name, self.outputs))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build it again from its record: by default from the outputs and what stands there besides."""
        more = {key: value for key, value in record.items() if key not in ("name", "outputs")}
        return cls(record["outputs"], **more)  # type: ignore[call-arg]

    @classmethod
    @abstractmethod
    def of(cls, cohort: Cohort) -> Self:
        """Return what the samples of a cohort are labelled with; with `choices`, `loss` is one of them."""

    @abstractmethod
    def truth(self, cohort: Cohort) -> Truth:
        """Return the targets of a cohort's samples, in order."""

    @abstractmethod
    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """Return the loss of every sample, (B,), from a network's outputs and the targets."""

    @abstractmethod
    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is told to people, one a sample, (B, ...): probabilities, numbers, images."""

    @abstractmethod
    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """Return the selection score, NaN where undefined.

        Parameters
        ----------
        y : (n, ...) targets; of pictures nothing is looked at.
        seen : (n, ...) what `seen` returns: answers, or how good each one is.
        """

    def seen(self, y: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return what `quality` needs of answers, (n, ...): the answers; of pictures, which are large, their scores."""
        return answers

    def log_likelihood(self, y: np.ndarray, answers: np.ndarray, reference: np.ndarray) -> np.ndarray | None:
        """Return the logarithm of what answers give to what is true, (n, m), m observations a sample.

        NaN where the truth is unknown; None for targets whose answers are no probabilities.

        Parameters
        ----------
        y, answers : (n, ...)
        reference : (n, ...)
            Other answers to the same samples; numbers take the spread of their errors from it.
        """
        return None

    def learnable(self, y: Truth) -> str:
        """Say why nothing can be learnt from these targets; empty if something can."""
        return ""

    def used(self, cohort: Cohort) -> np.ndarray | None:
        """Tell which samples are trained on, (n,) bool; None for all."""
        return None

    def strata(self, y: Truth) -> np.ndarray | None:
        """Return every sample's class, (n,), for class weights and class-balanced batches; None without classes."""
        return None

    def augmented(self, augment: Augmentation, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment a batch; targets that lie in the image move with it."""
        return augment(x), y

    def decision(self, outputs: torch.Tensor | None = None) -> Decision | None:
        """Return what changes an answer, for SPARE's utility distance; None where it is the class.

        Parameters
        ----------
        outputs : Tensor, optional
            A network's outputs on training samples, which anomalies take their cut from.
        """
        return None


def log_of(probabilities: np.ndarray) -> np.ndarray:
    """Return logarithms, of 0 that of the smallest positive number."""
    logs: np.ndarray = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny, dtype=np.float64))
    return logs


class Pictured(Target):
    """A target whose truth and answers are pictures: each is scored by itself, and scores are averaged."""

    at_once: ClassVar[int] = 32

    def truth(self, cohort: Cohort) -> Truth:
        """Return the cohort's pictures, read when they are asked for."""
        return Pictures(cohort, self.as_target)

    def as_target(self, stored: np.ndarray) -> np.ndarray:
        """Turn stored pictures into what the loss compares with."""
        return stored

    @abstractmethod
    def seen(self, y: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the scores of every picture, (n, S), NaN where undefined."""

    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """Return the mean over S of the means over the samples where the score is defined."""
        known = (~np.isnan(seen)).sum(0)
        means = np.nansum(seen, 0)[known > 0] / known[known > 0]
        return float(means.mean()) if len(means) else float("nan")


class Pictures:
    """The pictures of n samples, read piece by piece from the cohort's second store."""

    def __init__(self, cohort: Cohort, as_target: Callable[[np.ndarray], np.ndarray]) -> None:
        self._cohort, self._as_target = cohort, as_target

    def __len__(self) -> int:
        return len(self._cohort)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._as_target(self._cohort.truth_batch(index))
