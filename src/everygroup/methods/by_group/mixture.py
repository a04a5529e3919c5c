"""Mixture: ERM, the group's own network and others, in shares that the group's validation samples make likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from pydantic import Field
from torch import nn

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.mixing import mixed
from everygroup.methods.parts import ByGroup, method
from everygroup.methods.portfolio import Portfolio
from everygroup.models import RoutedModel
from everygroup.statistics.mixtures import expected_change, mixture_shares

CANDIDATES = ("group_model(small_groups=erm)", "density_ratio")


@method(
    "Mixture of ERM and group-specific models",
    "everygroup's own; a linear opinion pool (Stone. Annals of Mathematical Statistics 32 (1961) 1339-1342) with "
    "shares of the largest likelihood",
    cost=lambda groups: 2 * groups + 8,
    needs_group_at_test=True,
    targets=("classes", "labels", "number", "mask"),
    branch="mixtures",
)
class Mixture(ByGroup):
    r"""Answer of group g: sum over k of c_gk p_k, k ERM and the candidates.

    .. math:: c_g = \arg\max_c \sum_{i \in g} \log \sum_k c_k p_k(y_i | x_i) + a \log c_{ERM}

    over the group's validation samples; a = `prior` pseudo-samples for ERM. What has
    several observations (findings, pixels) counts once a sample. So a group without validation samples is answered by
    ERM, and a candidate that explains nothing better than ERM gets no share. Samples without a group are answered by
    ERM, or as a candidate's group predictor says.

    Of every group `info["mixture"]` has the shares, and the expected change of the log-likelihood a sample against ERM
    with its 95 % interval, from shares that were fitted without the patients they are judged on. Shares are chosen by
    the likelihood: the class with the largest probability may be the right one less often; thresholds are another part.
    """

    candidates: Sequence[str] = Field(
        CANDIDATES,
        min_length=1,
        description="methods, or chains of parts, beside ERM; each in quotes where it has options",
    )
    prior: float = Field(3.0, ge=0, description="pseudo-samples that ERM is credited with")

    def model_post_init(self, context: Any) -> None:
        """Refuse candidates that cannot be."""
        self.portfolio  # noqa: B018 - it is built to be refused

    @property
    def portfolio(self) -> Portfolio:
        """The candidates by what tells them apart."""
        return Portfolio(self.candidates)

    def cost(self, groups: Sequence[str]) -> float:
        """Return the most networks that may be trained; those that candidates share count for each."""
        return self.portfolio.cost(groups)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cohorts that a candidate cannot be trained on."""
        super().check(lab)
        self.portfolio.check(lab)

    def check_network(self, network: nn.Module) -> None:
        """Refuse a backbone that a candidate cannot work with."""
        for part in self.portfolio:
            part.check_network(network)

    def model(self, lab: Lab) -> RoutedModel:
        """Fit the candidates and choose the shares."""
        models = self.portfolio.fit(lab)
        asked = lab.merged_from or lab  # patients are routed by the groups there were at first
        known = {name: _log_likelihood(model, models["erm"], asked) for name, model in models.items()}
        chosen = {g: self._shares(i, known, asked) for i, g in enumerate(asked.groups)}
        model = mixed(models, {g: record["shares"] for g, record in chosen.items()})
        for g, record in chosen.items():
            say(f"  {g}: {described(record)}")
        return replace(model, info={**model.info, "mixture": chosen})

    def _shares(self, group: int, known: dict[str, np.ndarray], lab: Lab) -> dict[str, Any]:
        """Choose the shares of one group; the record says from what, and what they promise."""
        inside = lab.validation.group == group
        units = lab.validation.units[inside]
        stacked = np.stack([values[inside] for values in known.values()], 2)  # (n, m, C)
        seen = ~np.isnan(stacked).any(2)
        weight = (seen / np.maximum(seen.sum(1, keepdims=True), 1))[seen]
        prior = np.array([self.prior, *[0.0] * (len(known) - 1)])
        if not seen.any():
            return {"shares": {"erm": 1.0}, "n": 0, "patients": 0, "change": None}
        shares = mixture_shares(stacked[seen], prior, weight)
        unit = np.repeat(units, seen.sum(1))
        change = expected_change(stacked[seen], prior, unit, weight=weight, seed=lab.settings.seed)
        return {
            "shares": dict(zip(known, (float(c) for c in shares), strict=True)),
            "n": int(inside.sum()),
            "patients": len(np.unique(units)),
            "change": None if np.isnan(change.mean) else asdict(change),
        }


def described(record: dict[str, Any]) -> str:
    """Say in one line what answers for a group and what it promises."""
    shares = {name: share for name, share in record["shares"].items() if share >= 0.005}
    said = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    if not (change := record["change"]):
        return said
    return (
        f"{said}; log-likelihood a sample {change['mean']:+.3f} against ERM ({change['low']:+.3f} to "
        f"{change['high']:+.3f}, {record['n']} validation samples)"
    )


def _log_likelihood(model: RoutedModel, reference: RoutedModel, lab: Lab) -> np.ndarray:
    """Return a model's log-likelihood of the validation samples, (n, m)."""
    truth = lab.target.truth(lab.validation)[:]
    answers, others = (lab.answers(m, lab.validation) for m in (model, reference))
    found = lab.target.log_likelihood(truth, answers, others)
    if found is None:
        raise SettingsError(f"Answers of target {lab.target.name!r} have no likelihood.", fix="use another method")
    return found
