"""Label shift: in every group classes are as frequent as its samples say, without their labels."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.new_site import shares_step


@method(
    "Label shift by group (Saerens' EM)",
    "Saerens, Latinne and Decaestecker. Adjusting the outputs of a classifier to new a priori probabilities. Neural "
    "Computation 14 (2002) 21-41",
    needs_group_at_test=True,
    branch="deployment",
)
class LabelShift(After):
    """p -> p pi_g / pi^0, renormalised: pi^0 the mean of the model's answers on validation, pi_g the shares of classes
    in group g under which its answers are likeliest (EM, see `everygroup.statistics.label_shift`).

    Labels are not looked at: validation samples stand in for those of a new site, where there are none. So it can be
    seen, before anything is deployed, what the correction would do; at the site itself one calls
    `everygroup.models.new_site.with_class_shares(model, cohort, trained=...)`, which makes the same step from its
    samples. Nothing adapts during prediction, where an answer would depend on who else is asked about.

    Right only if the model is calibrated (put `group_calibration` in front) and the groups differ in nothing but
    prevalence: if the disease looks milder in a group, EM takes that for a smaller prevalence and makes it worse. Where
    labels are at hand `group_calibration` is better. A group without samples is taken for everybody.
    """

    pseudo_samples: float = Field(
        10.0, ge=0, description="samples that the shares of everybody count for beside a group's"
    )

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Estimate the shares."""
        p = lab.answers(model, lab.validation)
        trained = p.mean(0)
        step = shares_step(
            p, lab.validation.group, len(lab.groups), trained=trained, pseudo_samples=self.pseudo_samples
        )
        shares = {g: (trained * np.exp(s)).tolist() for g, s in zip(lab.groups, step.shifts, strict=True)}
        return model.answering_by(step, label_shift={"trained": trained.tolist(), **shares})
