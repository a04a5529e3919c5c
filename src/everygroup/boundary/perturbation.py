"""The smallest perturbation of an image that changes a model's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from everygroup import console
from everygroup.boundary.bisection import to_boundary
from everygroup.boundary.checks import as_classes, as_images, check_clip, check_logits, check_options, check_outputs
from everygroup.boundary.decision import Decision
from everygroup.boundary.oracle import Judge, Oracle, frozen, placement
from everygroup.boundary.penalty import Penalty, penalty_search
from everygroup.boundary.search import PRESETS, search

_FIRST_STEP_SHARE = 0.05


@dataclass(frozen=True)
class Perturbation:
    """Smallest perturbations found, one for each image.

    Attributes
    ----------
    distance : Tensor, (n,)
        L2 norm of the perturbation, in the images' own units: an upper bound of the true boundary distance. Exactly 0
        where nothing had to change, NaN where no flip was found; with `signed`, negative where the model is wrong.
    perturbation : Tensor, (n, ...)
        image + perturbation gets the other answer; zeros where `distance` is 0 or NaN.
    flipped : Tensor of bool, (n,)
        Whether image + perturbation has the answer asked for (True also where nothing had to change).
    answer : Tensor of int64, (n,)
        The model's own answer to the image; -1 with a `decision`, whose answers are no classes.
    gradient_passes, forward_passes : float
        Backward and forward passes of one image, on average.
    settings : mapping
        What was asked for.
    """

    distance: Tensor
    perturbation: Tensor
    flipped: Tensor
    answer: Tensor
    gradient_passes: float
    forward_passes: float
    settings: Mapping[str, Any]

    @property
    def censored(self) -> int:
        """Number of images for which no flip was found."""
        return int((~self.flipped).sum())

    @property
    def per_pixel(self) -> Tensor:
        """Distance / sqrt(number of values in an image): comparable between image sizes."""
        values = max(1, self.perturbation[0].numel()) if len(self.perturbation) else 1
        return self.distance / values**0.5


def minimal_perturbation(
    model: nn.Module,
    images: Tensor | np.ndarray,
    *,
    target: int | Tensor | np.ndarray | None = None,
    labels: Tensor | np.ndarray | None = None,
    from_: str = "answer",
    signed: bool = False,
    decision: Decision | None = None,
    preset: str = "fast",
    search: str = "deepfool",
    clip: bool = False,
    tolerance: float = 5e-6,
    batch_size: int = 256,
    beta: float = 100.0,
    step: float = 1e-3,
    optimiser: str = "normalised",
    max_steps: int = 500,
) -> Perturbation:
    r"""Find, for every image, the smallest L2 perturbation that changes the model's answer.

    Without `target` this is the utility distance d_U of SPARE, :math:`\min \|\delta\|` such that
    :math:`\arg\max f(x+\delta) \ne \arg\max f(x)`; with `target` = t it is the similarity distance d_S,
    :math:`\min \|\delta\|` such that :math:`\arg\max f(x+\delta) = t`, exactly 0 where f already answers t.

    Parameters
    ----------
    model : Module
        Gives logits (n, K), K >= 2, for images in [0, 1]; its normalisation is inside. It is run in eval mode; its
        train/eval modes and requires_grad flags are put back afterwards.
    images : Tensor or ndarray, float, (n, ...)
        Any shape, also vectors (n, D). Computed in float32 (float64 for a float64 model), also under autocast.
    target : int or (n,) ints, optional
        The class to reach.
    labels : (n,) ints, optional
        True classes, for ``from_="label"``.
    from_ : {"answer", "label"}
        Leave the model's own answer (the paper), or the true label: then an image the model gets wrong has distance 0.
    signed : bool
        With ``from_="label"``: an image the model gets wrong has minus the distance to its true class instead of 0.
    decision : Decision, optional
        What another answer is where the outputs are no logits of classes: any of several labels flips, a number
        leaves its band, the Dice of a mask falls, a score crosses a cut (`everygroup.boundary.decision`).
    preset : {"fast", "accurate"}
        Work spent by ``search="deepfool"``: fast takes about 5 gradient passes an image, accurate about 14.
    search : {"deepfool", "penalty"}
        "deepfool": linearise, step to the boundary, then move along it towards the point nearest to the image.
        "penalty": the paper's formulation, min ||delta|| + beta * hinge margin, by gradient steps until the first
        flip. It differs in that beta makes the norm nearly irrelevant before the flip and nothing is refined after
        it; the distance depends on the step length, and the search costs one gradient pass a step.
    clip : bool
        Keep image + perturbation in [0, 1]. The paper does not, and neither is the default.
    tolerance : float
        Every flip is taken back to the boundary by bisection to this relative error (methods that stop at the first
        flip report their step length otherwise).
    batch_size : int
        Images searched together. The distances do not depend on it, up to rounding.
    beta, step, optimiser, max_steps
        Of ``search="penalty"``: weight of the hinge; step length per value; "normalised" gradient steps or "adam"
        (every value moves by `step` in the first step, whatever the sample); the most steps.

    Returns
    -------
    Perturbation
        On the device of `images`.

    Raises
    ------
    SettingsError
        For unknown options, classes the model does not have, or a model without at least two logits an image.
    ImageError
        For images that are not finite floats, or whose shape the model cannot take.

    Notes
    -----
    Exact on linear models: the nearest class without `target`; with it, the projection onto the polyhedron of the
    target class. Otherwise an upper bound. The start looks at the rivals with the largest logits only (2 in fast, 3 in
    accurate), and at all classes where the model is linear as far as the boundary.

    References
    ----------
    Xu et al., Rethinking fairness in medical imaging, Medical Image Analysis 109 (2026) 103950 (d_U, d_S).
    Moosavi-Dezfooli, Fawzi and Frossard, DeepFool, CVPR 2016 (the linearised start).
    """
    penalty = Penalty(beta=beta, step=step, optimiser=optimiser, max_steps=max_steps)
    check_options(
        target=target,
        labels=labels,
        from_=from_,
        signed=signed,
        preset=preset,
        search=search,
        tolerance=tolerance,
        batch_size=batch_size,
        penalty=penalty,
        decision=decision,
    )
    tensor = as_images(images)
    device, dtype = placement(model)
    check_clip(tensor, clip)
    n = len(tensor)
    wanted = as_classes(target, n, "target")
    truth = as_classes(labels, n, "labels")
    run = _Run(model, device, dtype, "penalty" if search == "penalty" else preset, penalty, clip, tolerance, decision)
    with frozen(model, device.type):
        delta = torch.zeros(tensor.shape, dtype=dtype, device=tensor.device)
        distance = torch.full((n,), torch.nan, dtype=dtype, device=tensor.device)
        flipped = torch.zeros(n, dtype=torch.bool, device=tensor.device)
        answer = torch.zeros(n, dtype=torch.int64, device=tensor.device)
        for start in range(0, n, batch_size):
            part = slice(start, min(start + batch_size, n))
            outcome = run.batch(
                tensor[part], None if wanted is None else wanted[part], None if truth is None else truth[part], signed
            )
            delta[part], distance[part], flipped[part], answer[part] = (item.to(tensor.device) for item in outcome)
    if run.early > _FIRST_STEP_SHARE * max(1, run.searched):
        console.warn(
            "More than 5 % of the images changed answer on the first step of search='penalty': their perturbations "
            "follow the step's direction only. Use a smaller step, or search='deepfool'."
        )
    settings: dict[str, Any] = {
        "from": "label" if truth is not None else "answer",
        "target": None if wanted is None else (target if isinstance(target, int) else "per image"),
        "signed": signed,
        "search": search,
        "preset": preset if search == "deepfool" else None,
        "clip": clip,
        "tolerance": tolerance,
    }
    settings |= asdict(penalty) if search == "penalty" else {}
    settings |= {} if decision is None else {"decision": repr(decision)}
    return Perturbation(
        distance=distance,
        perturbation=delta,
        flipped=flipped,
        answer=answer,
        gradient_passes=run.gradients / max(1, n),
        forward_passes=run.forwards / max(1, n),
        settings=settings,
    )


class _Run:
    """One call's constants and counters."""

    def __init__(
        self,
        model: nn.Module,
        device: torch.device,
        dtype: torch.dtype,
        plan: str,
        penalty: Penalty,
        clip: bool,
        tolerance: float,
        decision: Decision | None,
    ) -> None:
        self.model, self.device, self.dtype, self.decision = model, device, dtype, decision
        self.plan, self.penalty, self.clip, self.tolerance = plan, penalty, clip, tolerance
        self.forwards = self.gradients = self.early = self.searched = 0

    def batch(
        self, images: Tensor, wanted: Tensor | None, truth: Tensor | None, signed: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Search one batch: perturbation, distance, flipped and the model's answers."""
        images = images.detach().to(self.device, self.dtype).clone()
        with torch.no_grad():
            outputs = check_outputs(self.model, images)
        self.forwards += len(images)
        judge = None if self.decision is None else Judge.of(self.decision, outputs)
        if judge is None:
            logits = check_logits(outputs)
            answer = (logits == logits.amax(dim=1, keepdim=True)).int().argmax(dim=1)  # ties: the lowest index
        else:
            logits = judge.logits(outputs, torch.arange(len(images), device=images.device))
            answer = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        wanted = None if wanted is None else wanted.to(self.device)
        truth = None if truth is None else truth.to(self.device)
        for name, classes in (("target", wanted), ("labels", truth)):
            as_classes(classes, len(images), name, known=logits.shape[1])
        delta = torch.zeros_like(images)
        distance = images.new_zeros(len(images))
        flipped = torch.ones_like(answer, dtype=torch.bool)
        if wanted is not None:
            self._fill(images, logits, wanted, wanted != answer, False, delta, distance, flipped)
        elif truth is None:
            self._fill(images, logits, answer, torch.ones_like(flipped), True, delta, distance, flipped, judge)
        else:
            self._fill(images, logits, truth, truth == answer, True, delta, distance, flipped)
            if signed:
                wrong = truth != answer
                self._fill(images, logits, truth, wrong, False, delta, distance, flipped)
                distance = torch.where(wrong, -distance, distance)
        return delta, distance, flipped, answer if judge is None else answer - 1

    def _fill(
        self,
        images: Tensor,
        logits: Tensor,
        reference: Tensor,
        chosen: Tensor,
        leave: bool,
        delta: Tensor,
        distance: Tensor,
        flipped: Tensor,
        judge: Judge | None = None,
    ) -> None:
        """Search the chosen images for a flip out of (or into) their reference class; write into the last three."""
        rows = chosen.nonzero()[:, 0]
        if len(rows) == 0:
            return
        origin = images[rows].flatten(1)
        shape = tuple(images.shape[1:])
        judge = None if judge is None else judge[rows]
        oracle = Oracle(
            self.model, origin, shape, reference[rows], logits[rows], leave=leave, clip=self.clip, judge=judge
        )
        index = torch.arange(len(rows), device=rows.device)
        if self.plan == "penalty":
            best, early = penalty_search(oracle, index, self.penalty)
            self.early += early
        else:
            best = search(oracle, index, PRESETS[self.plan])
        done = torch.isfinite(best.norm)
        found = best.delta
        if bool(done.any()):
            part = to_boundary(oracle, index[done], found[done], best.margin[done], tolerance=self.tolerance)
            found[done] = part[:, None] * found[done]
        delta[rows] = found.view(-1, *shape)
        norm = torch.linalg.vector_norm(found, dim=1)
        distance[rows] = torch.where(done, norm, torch.nan)
        flipped[rows] = done
        self.searched += len(rows)
        self.forwards += oracle.forwards
        self.gradients += oracle.gradients
