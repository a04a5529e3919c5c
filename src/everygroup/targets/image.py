"""An image, to be restored from its degraded or undersampled picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch

from everygroup.boundary.decision import Decision
from everygroup.errors import SettingsError
from everygroup.targets.base import Pictured

if TYPE_CHECKING:
    from everygroup.cohort import Cohort
    from everygroup.imaging.augment import Augmentation


class Image(Pictured):
    """The undegraded image, in [0, 1]; selection score: PSNR, the mean over images.

    Parameters
    ----------
    channels : int
        Of the undegraded images.
    loss : {'l1', 'squared'}
        Mean absolute or mean squared difference.
    """

    name: ClassVar[str] = "image"
    score: ClassVar[str] = "psnr"
    form: ClassVar[str] = "image"
    choices: ClassVar[tuple[str, ...]] = ("l1", "squared")

    def __init__(self, channels: int, loss: Literal["l1", "squared"] = "l1") -> None:
        self.channels, self.loss = channels, loss

    @property
    def outputs(self) -> tuple[str, ...]:
        """The channels."""
        return tuple(f"channel {k}" for k in range(1, self.channels + 1))

    @property
    def record(self) -> dict[str, Any]:
        """Channels and loss."""
        return {**super().record, "loss": self.loss}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Build it again."""
        return cls(len(record["outputs"]), record["loss"])

    @classmethod
    def of(cls, cohort: Cohort, loss: str = "l1") -> Self:
        """Return the images of a cohort."""
        assert cohort.truth is not None
        return cls(cohort.truth.shape[-1], loss)  # type: ignore[arg-type]

    def as_target(self, stored: np.ndarray) -> np.ndarray:
        """uint8 or float32 (n, H, W, C) -> float32 (n, C, H, W) in [0, 1]."""
        scaled = stored.astype(np.float32) / 255 if stored.dtype == np.uint8 else stored
        return np.ascontiguousarray(np.moveaxis(scaled, -1, 1))

    def losses(self, outputs: torch.Tensor, y: torch.Tensor, *, smoothing: float = 0.0) -> torch.Tensor:
        """(1/P) sum_p |f_p(x_i) - y_ip|, or its square, over P values."""
        away = outputs - y
        return (away.abs() if self.loss == "l1" else away.square()).flatten(1).mean(1)

    def answers(self, outputs: torch.Tensor) -> torch.Tensor:
        """The image, (N, C, H, W), cut to [0, 1]."""
        return outputs.clamp(0, 1)

    def seen(self, y: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """PSNR of every image in dB, (n, 1): -10 log10 of the mean squared error."""
        error = np.square(y.astype(np.float64) - answers).reshape(len(y), -1).mean(1)
        return -10 * np.log10(np.maximum(error, np.finfo(np.float64).tiny))[:, None]

    def augmented(self, augment: Augmentation, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Move the degraded image and the undegraded one alike."""
        return augment.pair(x, y)

    def decision(self, outputs: torch.Tensor | None = None) -> Decision:
        """Refuse: no change of an image is another answer.

        Raises
        ------
        SettingsError
        """
        raise SettingsError("A restored image has no decision that could change.", fix="choose another method")
