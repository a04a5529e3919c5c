"""Mask: the lesion alone, without the ground that may give the group away; or the ground alone, as a control."""

from __future__ import annotations

from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.pictures import Picture


@method(
    "Masking of the background",
    "Xu et al. Addressing fairness issues in deep learning-based medical image analysis: a systematic review. npj "
    "Digital Medicine 7 (2024) 286 (harmonisation by cropping and masking); the cut: Otsu. IEEE Transactions on "
    "Systems, Man, and Cybernetics 9 (1979)",
    targets=("classes", "labels", "number"),
    needs="images",
    blind=True,
    branch="harmonisation",
)
class Mask(Before):
    """Outside the mask of a lesion every pixel takes the image's mean colour; `inverse` keeps the outside instead.

    The mask is found by Otsu's cut on the distance from the colour of the image's border, widened by a twentieth of the
    side; where nothing stands out the image stays as it is. If a model of the outside alone tells the groups apart, or
    the diagnosis, then the ground is what a network may use. Masks that were drawn by hand are not read. The colour of
    the lesion and of the skin at its rim stays: on the simulated cohort the group can be read off almost as well as
    before.
    """

    inverse: bool = Field(False, description="keep what is outside: the control")

    def prepare(self, lab: Lab) -> Lab:
        """See images so."""
        return lab.seen_through(Picture("ground_alone" if self.inverse else "lesion_alone"))
