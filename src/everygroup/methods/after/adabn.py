"""AdaBN: batch-norm statistics of every group, from its images alone."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from everygroup.methods.after._rounds import content_hash, only_network
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.new_site import images
from everygroup.networks.adabn import restated


@method(
    "AdaBN (batch-norm statistics by group)",
    "Li et al. Revisiting batch normalization for practical domain adaptation. ICLR workshops 2017; with a prior, "
    "Schneider et al. Improving robustness against common corruptions by covariate shift adaptation. NeurIPS 2020",
    needs_group_at_test=True,
    needs="batch norm",
    branch="deployment",
)
class AdaBN(After):
    r"""A copy of the network for each group, whose batch norms have the mean and variance

    .. math:: \frac{N}{N + n} \mu_{training} + \frac{n}{N + n} \mu_g

    of n images of the group, which are passed through once, layer by layer. No weight is changed and no label looked
    at: validation images stand in for those of a new site, scanner or skin tone, that training saw few of. At the site
    itself one calls `everygroup.models.new_site.with_statistics(model, cohort)`, which does the same with its images;
    nothing adapts during prediction.

    Right if groups differ in how their images look and not in what is on them: where classes are differently frequent,
    the statistics differ for that reason too, and taking the difference away costs accuracy. Patients without a group
    are answered by the network as it was.
    """

    one_network: ClassVar[bool] = True

    prior: float = Field(32.0, ge=0, description="N, the images that the statistics of training count for")
    samples: int = Field(256, ge=0, description="most images of a group that are looked at; 0 changes nothing")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Make the statistics."""
        network = only_network(model, self.info.name)
        networks, route, facts = dict(model.networks), dict(model.route), {}
        for g in lab.groups:
            x = images(lab.validation.in_group(g), self.samples)
            facts[g] = len(x)
            if len(x):
                route[g] = f"{self.info.name}[{g}]"
                networks[route[g]] = restated(network, x, prior=self.prior)
        keys = {name: {"key": content_hash(net)} for name, net in networks.items() if name not in model.networks}
        info = {**model.info, "networks": {**model.info["networks"], **keys}, self.info.name: facts}
        return replace(model, networks=networks, route=route, info=info)
