"""Edges: drawings, brightness or fine structure instead of the picture, so that colour says nothing of the group."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.pictures import Picture

KINDS = {"xdog": "edges", "grey": "without_colour", "high_frequencies": "high_frequencies"}


@method(
    "Edges instead of pictures (sketching)",
    "Yao et al. Improving fairness in image classification via sketching. NeurIPS Workshops 2022; Winnemoeller. XDoG: "
    "advanced image stylization with extended difference-of-Gaussians. NPAR 2011",
    targets=tuple(t for t in ALL_TARGETS if t != "image"),
    needs="images",
    blind=True,
    branch="harmonisation",
)
class Edges(Before):
    """Every image as a drawing (`xdog`), in grey, or without its low frequencies, at training and at prediction.

    The paper draws with a trained network whose weights are not at hand; the extended difference of Gaussians is a
    classical stand-in. Its 'fairness loss' is left out: by the public code its gradient is exactly zero. What tells
    diagnoses apart by colour is lost, too: look at each group's own AUC.
    """

    kind: Literal["xdog", "grey", "high_frequencies"] = Field("xdog", description="what is left of the picture")

    def prepare(self, lab: Lab) -> Lab:
        """See images so."""
        return lab.seen_through(Picture(KINDS[self.kind]))
