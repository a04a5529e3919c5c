"""Input edit: one picture is added to every image, so that a network's features tell the group less."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from everygroup.imaging.tensors import to_input
from everygroup.methods.after._rounds import only_network
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, method
from everygroup.models import RoutedModel
from everygroup.models.transforms.added import Added
from everygroup.networks import Classifier
from everygroup.training.device import repeatable

_DIRECTIONS, _MOMENTUM = 10, 0.9


@method(
    "Input editing (UDE, DNE)",
    "Jin et al. Universal debiased editing on foundation models for fair medical image classification. MICCAI 2024; "
    "the same authors' Debiased noise editing. 2024",
    groups=(2, None),
    needs="images",
    branch="input editing",
)
class InputEdit(After):
    r"""x -> clip(x + e) for every image, with one picture e (H, W) for all channels, and the network as it was:

    .. math:: \min_e CE(f(clip(x + e)), y) - \lambda \frac{1}{G} \sum_a \log A_a(h(clip(x + e))) + \rho \|e\|_2

    over training samples, A a linear classifier of the group on the network's features h, fitted once. The group is not
    needed at prediction. For a network that cannot be changed, such as a foundation model.

    - white: by gradient (Adam).
    - black: where the network can only be asked. In every step the best of 10 random directions, up and down; taken
      with momentum .9 if the loss on a fixed set of samples falls, else without, else not at all (GeZO as the paper has
      it; the public code takes the best candidate even where it is worse).

    e starts at 0. The paper makes A's cross-entropy as large as can be. That has no bound: e made our test images white
    and every answer the same, so that A is drawn towards not knowing (1 / G each) instead. The paper adds after
    normalisation and does not clip; clipping keeps an image an image. What is hidden is hidden from the last layer and
    from A: another classifier of the group, trained on the edited features, often still tells it. What does not lie at
    the same place in every image (skin tone, sex in a radiograph) one added picture can do little about.
    `info["input_edit"]` has A's cross-entropy before and after; log G is not knowing.
    """

    one_network: ClassVar[bool] = True

    lam: float = Field(3.0, ge=0, description="weight of the group's classifier; 0 edits nothing")
    access: Literal["white", "black"] = Field("white", description="gradients, or questions alone")
    steps: int = Field(60, ge=1, description="steps of e")
    lr: float = Field(0.05, gt=0, description="size of a step of a pixel, of 1")
    ridge: float = Field(0.01, ge=0, description="rho")
    batch: int = Field(64, ge=2, description="samples of a step")

    def refine(self, model: RoutedModel, lab: Lab) -> RoutedModel:
        """Learn e."""
        network = only_network(model, self.info.name)
        if not self.lam:
            return model
        editor = Editor(copy.deepcopy(network).to(lab.device).eval(), lab, self.lam, self.ridge, self.batch)
        with repeatable(lab.settings.deterministic):
            found = (self._by_gradient if self.access == "white" else self._by_questions)(editor)
            fooled = [editor.of_group(e) for e in (torch.zeros_like(found), found)]
        picture = found.cpu().numpy()
        info = {**model.info, self.info.name: {"group_loss": fooled, "norm": float(np.linalg.norm(picture))}}
        refined = replace(model, transforms=(*model.transforms, Added(picture)), info=info)
        return refined.having_chosen(
            self.info.name, f"cross-entropy of the group's classifier {fooled[0]:.3f} to {fooled[1]:.3f}"
        )

    def _by_gradient(self, editor: Editor) -> torch.Tensor:
        e = editor.nothing().requires_grad_()
        adam = torch.optim.Adam([e], lr=self.lr)
        for _ in range(self.steps):
            adam.zero_grad()
            editor.loss(e, editor.drawn()).backward()  # type: ignore[no-untyped-call]
            adam.step()
        return e.detach()

    @torch.no_grad()
    def _by_questions(self, editor: Editor) -> torch.Tensor:
        fixed = editor.drawn()

        def asked(e: torch.Tensor) -> float:
            return float(editor.loss(e, fixed))

        e, velocity, loss = editor.nothing(), editor.nothing(), asked(editor.nothing())
        for _ in range(self.steps):
            e, velocity, loss = greedy_step(asked, e, velocity, loss, editor.directions(e) * self.lr)
        return e


def greedy_step(
    asked: Callable[[torch.Tensor], float],
    e: torch.Tensor,
    velocity: torch.Tensor,
    loss: float,
    directions: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return picture, velocity and loss after one step, which never makes the loss larger.

    Parameters
    ----------
    asked : picture -> loss
    directions : (m, H, W)
        Steps to try, up and down.
    """
    tried = [d for direction in directions for d in (direction, -direction)]
    best = min(tried, key=lambda d: asked(e + d))
    for step in (_MOMENTUM * velocity + best, best):
        if (there := asked(e + step)) < loss:
            return e + step, step, there
    return e, torch.zeros_like(e), loss


class Editor:
    """What a picture is worth on training samples whose group is known.

    Parameters
    ----------
    network : Classifier
        On the lab's device, in eval mode.
    """

    def __init__(self, network: Classifier, lab: Lab, lam: float, ridge: float, batch: int) -> None:
        self.network, self.lab, self.lam, self.ridge = network.requires_grad_(False), lab, lam, ridge
        self.known = np.flatnonzero(lab.known)
        self.rng = np.random.default_rng([lab.settings.seed, 36])
        self.batch = min(batch, len(self.known))
        self.probe = linear_probe(lab.features(network)[self.known], lab.train.group[self.known], len(lab.groups))
        self.probe.to(lab.device).requires_grad_(False)

    def nothing(self) -> torch.Tensor:
        """Return a picture of zeros, (H, W)."""
        return torch.zeros(self.lab.train.sample_shape[:2], device=self.lab.device)

    def drawn(self) -> np.ndarray:
        """Draw samples, by index."""
        return np.sort(self.rng.choice(self.known, self.batch, replace=False))

    def directions(self, e: torch.Tensor) -> torch.Tensor:
        """Draw random directions, (m, H, W)."""
        drawn = self.rng.standard_normal((_DIRECTIONS, *e.shape), dtype=np.float32)
        return torch.from_numpy(drawn).to(e.device)

    def seen(self, e: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        """Return the features of edited images, (n, q)."""
        stored = torch.from_numpy(np.ascontiguousarray(self.lab.train.batch(index))).to(e.device)
        h: torch.Tensor = self.network.features((to_input(stored) + e).clamp(0, 1))
        return h

    def loss(self, e: torch.Tensor, index: np.ndarray) -> torch.Tensor:
        """Return what is to be small."""
        h = self.seen(e, index)
        task = F.cross_entropy(self.network.head(h), torch.from_numpy(self.lab.train.y[index]).to(e.device))
        norm = (e.square().sum() + 1e-12).sqrt()
        return task - self.lam * self.probe(h).log_softmax(1).mean() + self.ridge * norm

    @torch.no_grad()
    def of_group(self, e: torch.Tensor) -> float:
        """Return the cross-entropy of the group's classifier on a draw of samples, the same for every picture."""
        index = self.known[: 4 * self.batch]
        group = torch.from_numpy(self.lab.train.group[index]).to(e.device)
        return float(F.cross_entropy(self.probe(self.seen(e, index)), group))


def linear_probe(h: np.ndarray, group: np.ndarray, n_groups: int) -> nn.Linear:
    """Fit a linear classifier of the group on features (n, q)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(h)
    fit = LogisticRegression(max_iter=500).fit(scaler.transform(h), group)
    weight = fit.coef_ if len(fit.coef_) > 1 else np.concatenate([-fit.coef_, fit.coef_]) / 2
    bias = fit.intercept_ if len(fit.intercept_) > 1 else np.concatenate([-fit.intercept_, fit.intercept_]) / 2
    probe = nn.Linear(h.shape[1], n_groups)
    with torch.no_grad():
        nn.init.zeros_(probe.weight)
        nn.init.constant_(probe.bias, -30.0)  # groups without a sample
        rows = torch.from_numpy(fit.classes_)
        probe.weight[rows] = torch.from_numpy(weight / scaler.scale_).float()
        probe.bias[rows] = torch.from_numpy(bias - weight @ (scaler.mean_ / scaler.scale_)).float()
    return probe
