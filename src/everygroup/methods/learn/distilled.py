"""Distillation: one network for everybody, taught by the networks of a group-specific method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.files import hash_array, hash_json
from everygroup.methods.chain import Chain, create_method
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method, run
from everygroup.models import RoutedModel
from everygroup.networks import DomainHeads
from everygroup.training import Batch, Learner


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return log q, q proportional to p^(1/T), (n, K); a probability of 0 counts as the smallest number above it."""
    log_p = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) / temperature
    return torch.from_numpy(log_p).log_softmax(1).numpy()


@method(
    "Distillation of group-specific networks into one",
    "Hinton, Vinyals and Dean. Distilling the knowledge in a neural network. arXiv 1503.02531, 2015",
    family="group-specific",
    groups=(2, None),
    cost=lambda groups: 2 * groups + 2,
    branch="distillation",
)
class Distilled(Learn):
    """One network with ERM's inference cost that learns from labels and from every group's own teacher.

    The teacher is fitted first and answers for the training samples as they are (not augmented), each by the network of
    its group, once. The student then minimises (1 - lam) CE(y) + lam T^2 KL(teacher || student) on everybody; it
    is not told the group and needs none at prediction.

    A teacher is surer of the samples it was trained on than of others, so that its answers there are nearer to the
    labels than they would be on new ones.
    """

    teacher: str = Field("spare", description="any method, or a chain of parts in quotes")
    teacher_options: dict[str, Any] | None = Field(None, description="the teacher's hyper-parameters")
    lam: float = Field(
        0.5, ge=0, le=1, description="weight of the teacher; 0 is ERM (no teacher is fitted), 1 uses no labels"
    )
    temperature: float = Field(2.0, gt=0, description="T; larger shows more of how the teacher ranks the other classes")
    student_group: bool = Field(
        False,
        description="give the student the group: one trunk and a last layer for each. Each group is then answered by "
        "its own last layer, a missing one by the mean of the groups' logits; samples without a group are not trained "
        "on",
    )

    def model_post_init(self, context: Any) -> None:
        """Refuse a teacher that cannot be."""
        self._teacher()

    def _teacher(self) -> Chain:
        return create_method(self.teacher, self.teacher_options)

    def cost(self, groups: Sequence[str]) -> float:
        """Return the networks trained: the teacher's and one; none of the teacher's if it has no say."""
        return 1.0 + (self._teacher().cost(groups) if self.lam else 0.0)

    def check(self, lab: Lab) -> None:
        """Refuse, besides, cohorts that the teacher cannot be trained on."""
        super().check(lab)
        if self.student_group:
            lab.refuse_empty_groups()
        if self.lam:
            self._teacher().check(lab)

    def check_network(self, network: nn.Module) -> None:
        """Refuse, besides, a backbone that the teacher cannot work with."""
        super().check_network(network)
        if self.lam:
            for part in self._teacher():
                part.check_network(network)

    def learner(self, lab: Lab) -> Learner:
        """Fit the teacher and build the student."""
        return _Student(self, self._taught(lab)).learner(lab)

    def model(self, lab: Lab) -> RoutedModel:
        """Fit the teacher, then the student."""
        name = self.info.name
        if self.lam == 0 and not self.student_group:
            return lab.one_model(name, lab.erm())
        where = lab.known if self.student_group else None
        trained = lab.train_network(_Student(self, self._taught(lab)), name, where=where)
        if not self.student_group:
            return lab.one_model(name, trained.answering(None))
        parts = {g: trained.answering(i) for i, g in enumerate(lab.groups)}
        parts["pooled"] = trained.answering(None)
        return lab.model(name, parts, {g: g for g in lab.groups}, pooled="pooled")

    def _taught(self, lab: Lab) -> np.ndarray:
        """Return log q of the samples that the student learns from, (n, K)."""
        learnt = lab.train.where(lab.known) if self.student_group else lab.train
        if not self.lam:
            return np.full((len(learnt), lab.target.n_outputs), -np.log(lab.target.n_outputs))
        teacher = run(self._teacher().parts, lab)
        return softened(lab.answers(teacher, learnt), self.temperature)


@dataclass(frozen=True)
class _Student:
    """How the student learns: what the teacher said is part of it."""

    options: Distilled
    log_q: np.ndarray

    @property
    def key(self) -> str:
        return hash_json([self.options.key, hash_array(self.log_q)])

    def learner(self, lab: Lab) -> Learner:
        net = lab.network()
        if self.options.student_group:
            net = DomainHeads(net, n_groups=len(lab.groups), rule="known")
        return Taught(net, self.log_q, self.options.lam, self.options.temperature)


class Taught(Learner):
    """(1/B) sum_i w_i [(1 - lam) CE(f(x_i), y_i) + lam T^2 KL(q_i || softmax(f(x_i) / T))].

    q_i is the teacher's answer p_i at temperature T, proportional to p_i^(1/T): what softmax(z_i / T) is for a teacher
    with logits z_i.

    Parameters
    ----------
    net : Module
    log_q : ndarray, (n, K)
        log q of every training sample. It is in no checkpoint: the teacher says it again.
    lam, temperature : float
    """

    log_q: torch.Tensor

    def __init__(self, net: nn.Module, log_q: np.ndarray, lam: float, temperature: float) -> None:
        super().__init__(net)
        self.lam, self.temperature = lam, temperature
        self.register_buffer("log_q", torch.from_numpy(log_q).float(), persistent=False)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The loss of a batch."""
        logits = self(x, batch.group)
        target = self.log_q[torch.from_numpy(batch.index).to(self.log_q.device)]
        student = F.log_softmax(logits.float() / self.temperature, 1)
        apart = F.kl_div(student, target, reduction="none", log_target=True).sum(1)
        losses = (1 - self.lam) * batch.losses(logits) + self.lam * self.temperature**2 * apart
        return (losses * batch.weight).mean()

    def answering(self, group: int | None) -> nn.Module:
        """Return the network, or a group's own last layer on the trunk (None: the mean of the groups')."""
        return self.net.answering(group) if isinstance(self.net, DomainHeads) else self.net
