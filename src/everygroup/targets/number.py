"""A measured number: an age, an ejection fraction, a severity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F

from everygroup.boundary.decision import Decision, LeavesBand
from everygroup.targets.base import Target, Truth

if TYPE_CHECKING:
    from everygroup.cohort import Cohort

_TOLERANCE = 0.5  # standard deviations


class Number(Target):
    """One number a sample, in the units of its label; selection score: minus the mean absolute error.

    The network answers in standard deviations from the mean, z = (y - mean) / sd, both of the training samples of
    everybody, so that all networks of a model speak of one scale.

    Parameters
    ----------
    label : str
        What is measured; the column.
    mean, sd : float
        Of the training samples.
    loss : {'squared', 'huber'}
        (f - z)^2; or Huber's, which grows linearly beyond 1 sd, for labels with outliers.
    tolerance : float, optional
        How far an answer may move before it counts as another one, in units of the label; half an sd by default.
    """

    name: ClassVar[str] = "number"
    score: ClassVar[str] = "minus_mae"
    choices: ClassVar[tuple[str, ...]] = ("squared", "huber")

    def __init__(
        self,
        label: str,
        mean: float = 0.0,
        sd: float = 1.0,
        loss: Literal["squared", "huber"] = "squared",
        tolerance: float | None = None,
    ) -> None:
        self.label, self.mean, self.sd, self.loss = label, float(mean), float(sd), loss
        self.tolerance = _TOLERANCE * self.sd if tolerance is None else float(tolerance)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def record(self) -> dict[str, Any]:
        """Label, scale, loss and tolerance."""
        more = {"mean": self.mean, "sd": self.sd, "loss": self.loss, "tolerance": self.tolerance}
        return {**super().record, **more}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build it again."""
        more = {key: record[key] for key in ("mean", "sd", "loss", "tolerance")}
        return cls(record["outputs"][0], **more)

    @classmethod
    def of(cls, cohort: Cohort, loss: str = "squared") -> Self:
        """Return the number of a cohort, on the scale of its known values."""
        known = cohort.y[~np.isnan(cohort.y)]
        sd = float(known.std()) if len(known) else 0.0
        mean = float(known.mean()) if len(known) else 0.0
        return cls(cohort.label, mean, sd or 1.0, loss)  # type: ignore[arg-type]

    def truth(self, cohort: Cohort) -> np.ndarray:
        """Return the numbers, (n,) float32."""
        return cohort.y.astype(np.float32)

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """(f(x_i) - z_i)^2, or Huber's loss of the difference; 0 where y is unknown."""
        wanted = ((y - self.mean) / self.sd).to(outputs.dtype)
        known = ~wanted.isnan()
        given, wanted = outputs[:, 0], torch.where(known, wanted, torch.zeros_like(wanted))
        each = (
            (given - wanted).square()
            if self.loss == "squared"
            else F.huber_loss(given, wanted, reduction="none", delta=1.0)
        )
        return each * known

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """mean + sd f(x), (N,)."""
        return self.mean + self.sd * outputs[:, 0]

    def quality(self, y: np.ndarray, seen: np.ndarray) -> float:
        """Minus the mean absolute error over known numbers."""
        known = ~np.isnan(y)
        return -float(np.abs(seen[known] - y[known]).mean()) if known.any() else float("nan")

    def log_likelihood(self, y: np.ndarray, answers: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """log N(y; answer, s), s the root mean square of the reference's errors."""
        known = ~np.isnan(y)
        spread = float(np.sqrt(((y - reference)[known] ** 2).mean())) if known.any() else 1.0
        spread = max(spread, 1e-6 * self.sd)
        return (-(((y - answers) / spread) ** 2) / 2 - np.log(spread * np.sqrt(2 * np.pi)))[:, None]

    def learnable(self, y: Truth) -> str:
        """Equal numbers teach nothing."""
        known = y[:][~np.isnan(y[:])]
        if len(known) and known.min() < known.max():
            return ""
        return f"all {len(known)} known numbers of the training samples are equal"

    def decision(self, outputs: torch.Tensor | None = None) -> Decision:
        """The answer moves by more than the tolerance."""
        return LeavesBand(self.tolerance / self.sd)
