"""ODR: two codes with priors at right angles, one for the diagnosis, and one that takes up the group."""

from __future__ import annotations

import copy
from typing import Any

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.learn._probe import VECTOR_TARGETS, Probe, group_loss, of_known
from everygroup.methods.parts import Learn, method
from everygroup.networks.coded import Coded
from everygroup.training import Batch, Learner


@method(
    "ODR (orthogonal disentangled representations)",
    "Sarhan et al. Fairness by learning orthogonal disentangled representations. ECCV 2020",
    targets=VECTOR_TARGETS,
    needs="hidden layer",
    branch="disentanglement",
)
class ODR(Learn):
    r"""Features h are encoded twice, as normal distributions of codes z_t and z_s of `code` values:

    .. math:: CE(f(z_t), y) + CE(D(z_s), a) + \lambda_e \textstyle\sum_g q_g \log q_g
              + \lambda_{od} [KL(z_t \| N(e_1, I)) + KL(z_s \| N(1 - e_1, I))]

    with q = softmax(D(z_t)): what finds the group in z_s is to be undecided on z_t, and the means of the priors are
    orthogonal (e_1 is 1 in the first place and 0 elsewhere). Gradients of the second term reach D and the encoder of
    z_s, those of the third the encoder of z_t and the backbone. Both weights change over training, geometrically, by
    `entropy_growth` and `prior_decay`. The mean of z_t answers, and is the features of the model.

    In MEDFAIR's public code the entropy of q is itself made small, which is the reverse, and its KL is taken of draws
    without a gradient; here both are as the formula has them. D never learns on z_t, so that it is no adversary: on
    our small worlds little went from z_t but by the KL, which charges whatever z_t tells. A large `prior` with few
    values of `code` leaves nothing in z_t, the diagnosis included; where the group goes with the diagnosis, it stays.
    """

    entropy: float = Field(0.5, ge=0, description="lambda_e")
    prior: float = Field(0.04, ge=0, description="lambda_od; 0 with entropy=0 is ERM")
    entropy_growth: float = Field(1.7, gt=0, description="what lambda_e is multiplied by over training")
    prior_decay: float = Field(0.8, gt=0, description="what lambda_od is multiplied by over training")
    code: int = Field(128, ge=2, description="values of a code")
    hidden: int = Field(128, ge=1, description="hidden units of the encoders, and of what finds the group")

    def learner(self, lab: Lab) -> Learner:
        """Build the network, then its encoders."""
        net = lab.network()
        if not self.entropy and not self.prior:
            return Learner(net)
        return Apart(Coded(net, code=self.code, hidden=self.hidden), len(lab.groups), self, lab.n_updates)


class Apart(Learner):
    """The loss above; one optimiser."""

    net: Coded
    updates: torch.Tensor
    at: torch.Tensor

    def __init__(self, net: Coded, n_groups: int, options: ODR, n_updates: int) -> None:
        super().__init__(net)
        self.odr, self.n_updates = options, n_updates
        self.variance = nn.Linear(options.hidden, options.code)
        self.other = copy.deepcopy(net.encoder)
        for layer in self.other:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
        self.other_variance = nn.Linear(options.hidden, options.code)
        self.probe = Probe(options.code, n_groups, options.hidden)
        self.register_buffer("at", torch.eye(options.code)[0], persistent=False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        h, known = self.net.base.features(x), batch.group >= 0
        mine = _coded(self.net.encoder, self.variance, h)
        other = _coded(self.other, self.other_variance, h.detach())
        z = drawn(*mine)
        told = group_loss(self.probe(drawn(*other)), batch.group)
        far = divergence(*mine, self.at) + divergence(*other, 1 - self.at)
        share = int(self.updates) / self.n_updates
        entropy = self.odr.entropy * self.odr.entropy_growth**share
        prior = self.odr.prior * self.odr.prior_decay**share
        fair = entropy * self.certainty(z).mean() + prior * far.mean()
        return batch.loss(self.net.head(z)) + of_known(told, known) + fair

    def certainty(self, z: torch.Tensor) -> torch.Tensor:
        """sum_g q_g log q_g of every sample, (B,), what finds the group being held."""
        held = {name: p.detach() for name, p in self.probe.named_parameters()}
        logits: Any = torch.func.functional_call(self.probe, held, (z,))
        log_q = logits.log_softmax(1)
        certain: torch.Tensor = (log_q.exp() * log_q).sum(1)
        return certain

    def after_update(self, batch: Batch) -> None:
        """Count."""
        self.updates += 1


def _coded(encoder: nn.Sequential, variance: nn.Module, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and logarithms of variances, (B, d) each."""
    inner = encoder[:-1](h)
    return encoder[-1](inner), variance(inner)


def drawn(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Return a draw of every sample's normal distribution, through which gradients reach mean and variance."""
    return mean + torch.randn_like(mean) * (log_variance / 2).exp()


def divergence(mean: torch.Tensor, log_variance: torch.Tensor, prior: torch.Tensor | float = 0.0) -> torch.Tensor:
    """Return KL(N(mean, diag exp(log_variance)) || N(prior, I)) of every sample, (B,), in nats.

    Parameters
    ----------
    mean, log_variance : (B, d)
    prior : (d,) or float
        Mean of the other one.
    """
    return (log_variance.exp() + (mean - prior).square() - 1 - log_variance).sum(1) / 2
