"""What a network is to answer: its outputs, their loss, and how good an answer is. One file, one kind of answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from everygroup.boundary.decision import Decision
    from everygroup.cohort import Cohort


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
    worst : float
        What an undefined score counts as when epochs are compared.
    form : {'vector', 'map', 'image', 'score'}
        What the network gives: (N, K), (N, K, H, W), an image like the input, or one number a sample from a network
        that learns without labels.
    """

    name: ClassVar[str]
    score: ClassVar[str]
    worst: ClassVar[float] = float("-inf")
    form: ClassVar[str] = "vector"

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

    @abstractmethod
    def truth(self, cohort: Cohort) -> Truth:
        """Return the targets of a cohort's samples, in order."""

    @abstractmethod
    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """Return the loss of every sample, (B,), from a network's outputs and the targets."""

    @abstractmethod
    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is told to people: probabilities, numbers, images."""

    @abstractmethod
    def quality(self, y: np.ndarray, answers: np.ndarray) -> float:
        """Return the selection score of answers; NaN where undefined."""

    def learnable(self, y: Truth) -> str:
        """Say why nothing can be learnt from these targets; empty if something can."""
        return ""

    def used(self, cohort: Cohort) -> np.ndarray | None:
        """Tell which samples are trained on, (n,) bool; None for all."""
        return None

    def strata(self, y: Truth) -> np.ndarray | None:
        """Return every sample's class, (n,), for class weights and class-balanced batches; None without classes."""
        return None

    def augmented(
        self, augment: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment a batch; targets that lie in the image move with it."""
        return augment(x), y

    def decision(self) -> Decision | None:
        """Return what changes an answer, for SPARE's utility distance; None where it is the class."""
        return None
