"""auto: what was measured to serve groups best for the kind of network at hand, and never much worse than ERM."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from everygroup.methods.by_group.mixture import Mixture
from everygroup.methods.by_group.specialise import Specialise
from everygroup.methods.lab import Lab
from everygroup.methods.parts import ByGroup, method
from everygroup.models import RoutedModel

ON_VECTORS = (
    "group_model(small_groups=erm)",
    "spare(small_groups=erm, alpha=0.0, scale=median)",
    "density_ratio",
)
FROM_SCRATCH = ("group_model(small_groups=erm)", "spare(small_groups=erm)")


@method(
    "auto (mixture, or specialise where networks are fine-tuned)",
    "everygroup's own",
    groups=(2, None),
    cost=lambda groups: 3 * groups + 9,
    needs_group_at_test=True,
    branch="mixtures",
)
class Auto(ByGroup):
    """On vectors `mixture` over ERM, the group's own head, SPARE by similarity and density ratio; on networks that
    start from pretrained weights `specialise`, guarded; on others `mixture` over ERM, the group's own and SPARE.

    Picking one of them by its validation score was measured to be worse than mixing them, so that nothing is picked.
    """

    def chosen(self, lab: Lab) -> ByGroup:
        """Return the part that does the work."""
        if len(lab.train.sample_shape) == 1:
            return Mixture(candidates=ON_VECTORS)
        return Specialise() if lab.settings.starts_trained else Mixture(candidates=FROM_SCRATCH)

    def cost(self, groups: Sequence[str]) -> float:
        """Return the most that any of the three costs."""
        return Mixture(candidates=ON_VECTORS).cost(groups)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, what the part that is chosen cannot work with."""
        super().check(lab)
        self.chosen(lab).check(lab)

    def check_network(self, network: nn.Module) -> None:
        """Nothing is needed but what the candidates need, which are checked with the cohort."""

    def model(self, lab: Lab) -> RoutedModel:
        """Fit it."""
        return self.chosen(lab).model(lab)
