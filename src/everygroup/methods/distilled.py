"""Distillation: one network for everybody, taught by the networks of a group-specific method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from everygroup.cohort import Cohort
from everygroup.errors import SettingsError
from everygroup.files import hash_array
from everygroup.methods.base import Method, MethodInfo, refuse_empty_groups
from everygroup.methods.erm import train_pooled
from everygroup.methods.registry import create_method, register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.store import Store
from everygroup.networks import Classifier, logits_of
from everygroup.settings import TrainSettings
from everygroup.training import Batch, Task, resolve_device


@dataclass(frozen=True)
class DistillationLoss:
    """(1/B) sum_i w_i [(1 - lam) CE(f(x_i), y_i) + lam T^2 KL(q_i || softmax(f(x_i) / T))].

    q_i is the teacher's answer p_i at temperature T, proportional to p_i^(1/T): what softmax(z_i / T) is for a teacher
    with logits z_i.

    Parameters
    ----------
    lam, temperature : float
    teacher : ndarray, (n, K)
        log q of every training sample. Its hash stands for it where the loss is written out.
    """

    lam: float
    temperature: float
    teacher: np.ndarray = field(repr=False, compare=False)
    teacher_hash: str = ""

    def __call__(self, network: nn.Module, x: torch.Tensor, batch: Batch, settings: TrainSettings) -> torch.Tensor:
        """Return the loss of a batch."""
        logits = logits_of(network, x, batch.group)
        own = F.cross_entropy(logits, batch.y, reduction="none", label_smoothing=settings.label_smoothing)
        target = torch.from_numpy(self.teacher[batch.index]).to(logits.device, torch.float32)
        student = F.log_softmax(logits.float() / self.temperature, 1)
        apart = F.kl_div(student, target, reduction="none", log_target=True).sum(1)
        losses = (1 - self.lam) * own + self.lam * self.temperature**2 * apart
        return (losses * batch.weight).mean()


def softened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return log q, q proportional to p^(1/T), (n, K); a probability of 0 counts as the smallest number above it."""
    log_p = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)) / temperature
    return torch.from_numpy(log_p).log_softmax(1).numpy()


@register
class Distilled(Method):
    """One network with ERM's inference cost that learns from labels and from every group's own teacher.

    The teacher is fitted first and answers for the training samples as they are (not augmented), each by the network of
    its group, once. The student then minimises (1 - lam) CE(y) + lam T^2 KL(teacher || student) on everybody; it
    is not told the group and needs none at prediction.

    A teacher is surer of the samples it was trained on than of others, so that its answers there are nearer to the
    labels than they would be on new ones.

    Parameters
    ----------
    teacher : str
        Name of any method.
    teacher_options : mapping or None
        Its hyper-parameters.
    lam : float
        Weight of the teacher, in [0, 1]; 0 is ERM (no teacher is fitted), 1 uses no labels.
    temperature : float
        T; larger shows more of how the teacher ranks the other classes.
    student_group : bool
        Give the student the group: one trunk and a last layer per group. Each group is then answered by its own last
        layer, and a missing group by the mean of the groups' logits. Samples without a group are not trained on.
    """

    info = MethodInfo(
        name="distilled",
        title="Distillation of group-specific networks into one",
        paper="Hinton, Vinyals and Dean. Distilling the knowledge in a neural network. arXiv 1503.02531, 2015",
        family="group-specific",
        min_groups=2,
        max_groups=None,
        needs_group_at_test=False,
        cost=lambda groups: 2 * groups + 2,
    )

    def __init__(
        self,
        *,
        teacher: str = "spare",
        teacher_options: Mapping[str, Any] | None = None,
        lam: float = 0.5,
        temperature: float = 2.0,
        student_group: bool = False,
    ) -> None:
        for name, value, high in (("lam", lam, 1.0), ("temperature", temperature, np.inf)):
            wrong = isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= high
            if wrong or not np.isfinite(value) or (name == "temperature" and value == 0):
                raise SettingsError(f"{name} = {value!r}.", fix="lam lies in [0, 1], temperature is larger than 0")
        if not isinstance(teacher, str):
            raise SettingsError(f"teacher = {teacher!r} is no name.", fix="see `everygroup list methods`")
        if not isinstance(student_group, bool):
            raise SettingsError(f"student_group = {student_group!r}.", fix="write true or false")
        if teacher_options is not None and not isinstance(teacher_options, Mapping):
            raise SettingsError(f"teacher_options = {teacher_options!r}.", fix="write teacher_options={alpha: 0.3}")
        self.teacher: str = teacher
        self.teacher_options: Mapping[str, Any] | None = teacher_options
        self.lam: float = lam
        self.temperature: float = temperature
        self.student_group: bool = student_group
        self._teacher()  # refuses impossible values early

    def _teacher(self) -> Method:
        return create_method(self.teacher, self.teacher_options)

    def cost(self, groups: Sequence[str]) -> float:
        """Return the networks trained: the teacher's and one; none of the teacher's if it has no say."""
        return 1.0 + (self._teacher().cost(groups) if self.lam else 0.0)

    def check_network(self, network: Classifier) -> None:
        """Refuse a backbone that the teacher cannot work with; see `Method.check_network`."""
        super().check_network(network)
        if self.lam:
            self._teacher().check_network(network)

    def check_cohorts(self, train: Cohort, validation: Cohort) -> None:
        """Refuse, besides, cohorts that the teacher cannot be trained on."""
        super().check_cohorts(train, validation)
        if self.student_group:
            refuse_empty_groups(train)
        if self.lam:
            self._teacher().check_cohorts(train, validation)

    def _fit(self, train: Cohort, validation: Cohort, settings: TrainSettings, store: Store) -> RoutedModel:
        """Fit the teacher, then the student; see `Method.fit`."""
        if self.lam == 0 and not self.student_group:
            return self._one_network(train, train_pooled(train, validation, settings, store))
        learnt = train.where(train.group >= 0) if self.student_group else train
        answers = np.full((len(learnt), len(learnt.classes)), 1 / len(learnt.classes))
        if self.lam:
            teacher = self._teacher().fit(train, validation, settings=settings, store=store)
            answers = teacher.predict_proba(learnt, device=resolve_device(settings.device))
        log_q = softened(answers, self.temperature)
        trained = store.network(
            Task.diagnosis(self.info.name, learnt, validation),
            settings,
            n_budget=len(train),
            objective=DistillationLoss(self.lam, self.temperature, log_q, hash_array(log_q)),
            adapter={"name": "domain_heads", "n_groups": len(train.groups), "rule": "known"}
            if self.student_group
            else None,
        )
        if self.student_group:
            return self._network_per_group(train, trained, blind=True)
        return self._one_network(train, trained)
