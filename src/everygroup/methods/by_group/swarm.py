"""Swarm: every group trains a copy of the network on its own samples, and the copies are averaged again and again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field
from torch import nn

from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.networks.modes import evaluating
from everygroup.training import Batch, Learner


@method(
    "Swarm learning with a client for each group (FedAvg, q-FFL)",
    "Fan, Wu and Li. On the fairness of swarm learning in skin lesion classification. MICCAI workshops 2021; McMahan "
    "et al. Communication-efficient learning of deep networks from decentralized data. AISTATS 2017; Li et al. Fair "
    "resource allocation in federated learning. ICLR 2020",
    family="group-specific",
    branch="federated",
    every_group=True,
    targets=("classes", "labels", "number", "mask"),
)
class Swarm(Learn):
    r"""One network for everybody, trained as if the groups could not share their data: each group g has a copy w_g that
    learns on its own samples alone; after every `local_updates` updates all take up the mean

    .. math:: w = \sum_g a_g w_g, \quad a_g \propto p_g F_g^q

    p_g = n_g / n (FedAvg), or 1 / G with `equal`; F_g the mean loss of the group since the last mean (q-FFL's idea: the
    larger q, the more counts who is worse off; the weights of the mean only, not the step of q-FedAvg, which needs a
    Lipschitz constant). In a swarm the leader that takes the mean changes from round to round; who takes it does not
    change it, so that there is nothing to choose here.

    Of a batch every client gets its group's samples, so that clients make equally many updates with batches in
    proportion to their size. With plain SGD, one local update and equally many samples of every group, a round is
    exactly one update with the whole batch. Every client has an optimiser state of its own, which is not averaged;
    batch-norm statistics are averaged like weights. Samples without a group belong to no client.
    """

    local_updates: int = Field(10, ge=1, description="updates of the clients between means; E, counted in updates")
    equal: bool = Field(False, description="every group counts the same in the mean, whatever its size")
    q: float = Field(0.0, ge=0, description="power of the group's loss in the mean; 0 is FedAvg")

    def learner(self, lab: Lab) -> Learner:
        """Build the clients."""
        n_groups = len(lab.groups)
        share = torch.full((n_groups,), 1 / n_groups) if self.equal else torch.from_numpy(lab.group_sizes).float()
        return Clients(lab.network(), share / share.sum(), self.local_updates, self.q)


class Clients(Learner):
    """A copy of the network for each group, and in `net` their mean.

    Parameters
    ----------
    net : Module
    share : (G,) p_g
    local_updates : int
    q : float
    """

    share: torch.Tensor
    made: torch.Tensor
    lost: torch.Tensor
    seen: torch.Tensor

    def __init__(self, net: nn.Module, share: torch.Tensor, local_updates: int, q: float) -> None:
        super().__init__(net)
        self.clients = nn.ModuleList(copy.deepcopy(net) for _ in share)
        self.local_updates, self.q = local_updates, q
        self.register_buffer("share", share, persistent=False)
        self.register_buffer("made", torch.zeros((), dtype=torch.int64))
        self.register_buffer("lost", torch.zeros(len(share)))
        self.register_buffer("seen", torch.zeros(len(share)))

    def of_network(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Copies learn as the network does."""
        for client in self.clients:
            yield from client.named_parameters()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the clients' parameters."""
        return [{"params": list(self.clients.parameters())}]

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Sum over the clients of the mean loss of their samples: no gradient passes from one to another."""
        found = {}
        for g, client in enumerate(self.clients):
            rows = (batch.group == g).nonzero().squeeze(1)
            if rows.numel():
                with evaluating(client, rows.numel() == 1):  # one sample has no batch statistics
                    found[g] = rows, client(x[rows])
        batch.notes["losses"] = losses = {}
        for g, (rows, own) in found.items():
            outputs = own.new_zeros(len(x), *own.shape[1:]).index_copy(0, rows, own)
            losses[g] = (batch.losses(outputs) * batch.weight)[rows].mean()
        return torch.stack(list(losses.values())).sum()

    @torch.no_grad()
    def after_update(self, batch: Batch) -> None:
        """Take the mean; after every `local_updates` the clients take it up."""
        for g, loss in batch.notes["losses"].items():
            self.lost[g] += loss.detach()
            self.seen[g] += 1
        self.made += 1
        states = [client.state_dict() for client in self.clients]
        weight = self.weights()
        for name, mean in self.net.state_dict().items():
            if mean.is_floating_point():
                mean.copy_(sum(w * state[name] for w, state in zip(weight, states, strict=True)))
            else:
                mean.copy_(states[0][name])
        if int(self.made) % self.local_updates == 0:
            for client in self.clients:
                client.load_state_dict(self.net.state_dict())
            self.lost.zero_()
            self.seen.zero_()

    def weights(self) -> torch.Tensor:
        """Return a, (G,): p_g F_g^q, renormalised. A group that had no sample has the mean loss of the others."""
        known = self.seen > 0
        mean = self.lost / self.seen.clamp_min(1)
        mean = torch.where(known, mean, (mean * known).sum() / known.sum().clamp_min(1))
        weight = self.share * mean.clamp_min(1e-12) ** self.q
        return weight / weight.sum()
