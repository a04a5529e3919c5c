"""The label rule of the simulated cohort: how a diagnosis looks, and how that turns with skin tone.

Everything here is a closed-form probability, so that the truth about every simulated sample can be computed rather
than estimated. A look is an angle phi on a circle. Diagnosis k owns the sector of width 2*pi/K around its centre c_k;
on skin of tone t (0 lightest, 1 darkest) the whole circle is turned by ``rotation(t)``:

    phi = c_k + rotation(t) + U + E,     U uniform in [-pi/K, pi/K],  E normal with standard deviation ``ambiguity``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

Array = npt.NDArray[np.float64]

TYPES = 6
"""Fitzpatrick-like skin types 1 (lightest) to 6 (darkest); type k holds the tones [(k-1)/6, k/6)."""
GROUP_TYPES: dict[str, tuple[int, ...]] = {"light": (1, 2, 3), "dark": (4, 5, 6)}
_STEEPNESS = 9.0
_NODES = 12  # Gauss-Legendre nodes per skin type; the integrand is smooth, so this is exact to rounding


@dataclass(frozen=True)
class LabelRule:
    """The joint law of tone, diagnosis and look.

    Parameters
    ----------
    prevalence
        Share of each diagnosis at the middle of the tone scale (K values, sum 1).
    tone_fractions
        Share of each of the six skin types (sum 1); the tone is uniform inside a type.
    presentation_shift
        Radians by which a diagnosis' look turns from the lightest to the darkest skin.
    prevalence_shift
        Log-odds by which the first diagnosis, against the last, becomes rarer from lightest to darkest skin.
    ambiguity
        Standard deviation in radians of the noise between diagnosis and look.
    """

    prevalence: tuple[float, ...]
    tone_fractions: tuple[float, ...]
    presentation_shift: float
    prevalence_shift: float
    ambiguity: float

    @property
    def n_classes(self) -> int:
        """Number of diagnoses K."""
        return len(self.prevalence)

    def centre(self, y: npt.NDArray[np.int64]) -> Array:
        """Angle of a diagnosis' typical look on the lightest skin, in radians."""
        return -math.pi / 4 + 2 * math.pi * np.asarray(y, dtype=np.float64) / self.n_classes

    def rotation(self, tone: Array) -> Array:
        """Angle by which the looks are turned at a tone: 0 at tone 0, ``presentation_shift`` at tone 1, smooth."""
        return self.presentation_shift * smooth(tone)

    def class_shares(self, tone: Array) -> Array:
        """Prevalence of every diagnosis at every tone, shape (..., K)."""
        tilt = np.linspace(0.5, -0.5, self.n_classes)
        odds = np.log(np.asarray(self.prevalence)) - self.prevalence_shift * ((smooth(tone)[..., None] - 0.5) * tilt)
        shares = np.exp(odds - odds.max(axis=-1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=-1, keepdims=True), dtype=np.float64)

    def look_density(self, angle: Array, tone: Array) -> Array:
        """Density of a look given tone and each diagnosis, shape of ``angle`` and ``tone`` broadcast, plus (K,)."""
        centres = self.centre(np.arange(self.n_classes))
        turned = angle[..., None] - self.rotation(tone)[..., None] - centres
        half = math.pi / self.n_classes
        offset = (turned + math.pi) % (2 * math.pi) - math.pi
        density = np.zeros_like(offset)
        for turn in (-2 * math.pi, 0.0, 2 * math.pi):  # the normal's tails reach round the circle
            density += _box_in_normal(offset + turn, half, self.ambiguity)
        return density

    def posterior(self, angle: Array, tone: Array) -> Array:
        """P(diagnosis | look, tone), shape (n, K): what the best possible classifier knows."""
        joint = self.class_shares(tone) * self.look_density(angle, tone)
        return np.asarray(joint / joint.sum(axis=-1, keepdims=True), dtype=np.float64)

    def group_posterior(self, angle: Array, group: str) -> Array:
        """P(diagnosis | look, group), shape (n, K): the tone integrated over the group's own distribution."""
        tones, weights = self.group_tones(group)
        joint = np.zeros((len(angle), self.n_classes))
        for tone, weight in zip(tones, weights, strict=True):
            here = np.full(1, tone)
            joint += weight * self.class_shares(here) * self.look_density(angle, here)
        return np.asarray(joint / joint.sum(axis=-1, keepdims=True), dtype=np.float64)

    def group_tones(self, group: str) -> tuple[Array, Array]:
        """Quadrature nodes and weights (sum 1) of a group's distribution of tones."""
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        types = GROUP_TYPES[group]
        shares = np.array([self.tone_fractions[k - 1] for k in types])
        tones = np.concatenate([(k - 0.5 + nodes / 2) / TYPES for k in types])
        return tones, np.concatenate([share * weights / 2 for share in shares / shares.sum()])


def smooth(tone: Array) -> Array:
    """A sigmoid of tone rescaled to run from exactly 0 at tone 0 to exactly 1 at tone 1."""
    low, high = expit(-_STEEPNESS / 2), expit(_STEEPNESS / 2)
    return np.asarray((expit(_STEEPNESS * (np.asarray(tone) - 0.5)) - low) / (high - low), dtype=np.float64)


def _box_in_normal(x: Array, half: float, sd: float) -> Array:
    """Density at x of a uniform on [-half, half] plus an independent normal of mean 0."""
    return np.asarray((ndtr((x + half) / sd) - ndtr((x - half) / sd)) / (2 * half), dtype=np.float64)
