"""The search for the nearest flip: one linearised start, then projections of the image onto the boundary found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from everygroup.boundary.oracle import Oracle
from everygroup.boundary.projection import nearest_step

OVERSHOOT = 1.002  # look just past the estimated boundary, so that most looks are flips
_FIRST_OVERSHOOT = 1.02
_LINEAR = 1e-3  # relative error below which the model counts as linear as far as the boundary
_BENT_LEAVE, _BENT_ENTER = 0.2, 0.1  # relative error above which the first step says little about the boundary
_WORTH = 1 - 1e-4  # smaller gains are not taken: rounding, hence the batch, would decide about them
_NEAR = 0.2  # relative distance to the boundary up to which a linear estimate of it is trusted
_PAYS = 0.998  # a flip this near to the estimate needs no other: bisection takes it back
_SLACKS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-2)
_ELEMENTS = 1 << 26  # the most numbers held at once for gradients against all classes


@dataclass(frozen=True)
class Plan:
    """How much work a search spends.

    Attributes
    ----------
    rivals : int
        Classes looked at in the start, those with the largest logits; all of them where the model proves linear.
    starts : int
        Rivals from which a search is started.
    start_ratio : float
        A further start is made only if its linear distance is below this multiple of the nearest.
    scout, refine : int
        Gradient steps of every start, then of the best one.
    aligned : float
        A sample is finished when image, boundary point and slope are in line up to this (the sine of the angle).
    creep : int
        Short steps of an additional start, for samples whose boundary was not where the linear start put it.
    patience : int
        Further gradient steps for samples that have not flipped by then.
    """

    rivals: int
    starts: int
    start_ratio: float
    scout: int
    refine: int
    aligned: float
    creep: int = 0
    patience: int = 50


PRESETS = {
    "fast": Plan(rivals=2, starts=1, start_ratio=1.0, scout=3, refine=0, aligned=0.1),
    "accurate": Plan(rivals=3, starts=2, start_ratio=1.5, scout=3, refine=7, aligned=0.03, creep=4),
}


class Best:
    """The smallest flipped perturbation of every sample so far."""

    def __init__(self, origin: Tensor) -> None:
        self.norm = origin.new_full((len(origin),), float("inf"))
        self.delta = torch.zeros_like(origin)
        self.margin = origin.new_zeros(len(origin))

    def offer(self, index: Tensor, delta: Tensor, margin: Tensor) -> None:
        """Keep what is flipped and smaller than before."""
        norm = torch.linalg.vector_norm(delta, dim=1)
        better = (margin < 0) & (norm < self.norm[index])
        self.norm[index[better]] = norm[better]
        self.delta[index[better]] = delta[better]
        self.margin[index[better]] = margin[better]


class Trail:
    """One search per sample: the best boundary point so far, the slope there and the step length (all n long)."""

    def __init__(self, oracle: Oracle) -> None:
        n = len(oracle.origin)
        self.ray = torch.zeros_like(oracle.origin)
        self.unit = torch.zeros_like(oracle.origin)
        self.gap = oracle.origin.new_zeros(n)  # signed distance of the point to the linearised boundary
        self.reach = oracle.origin.new_full((n,), float("inf"))  # norm at which the ray meets the boundary, estimated
        self.step = oracle.origin.new_full((n,), 0.5)

    def look(self, oracle: Oracle, best: Best, index: Tensor, delta: Tensor, *, always: bool) -> Tensor:
        """Evaluate new points; take those whose ray meets the boundary earlier, shorten the step of the others."""
        delta = oracle.feasible(index, delta)
        margin, gradient, logits = oracle.slope(index, delta)
        best.offer(index, delta, margin)
        length = torch.linalg.vector_norm(gradient, dim=1)
        unit = gradient / length.clamp_min(1e-30)[:, None]
        gap = margin / length.clamp_min(1e-30)
        norm = torch.linalg.vector_norm(delta, dim=1)
        along = (unit * delta).sum(dim=1)
        part = 1 - gap / along.clamp_max(-1e-30)
        # far from the boundary a slope says little about where the ray meets it
        reach = torch.where((along < 0) & ((part - 1).abs() < _NEAR), part * norm, torch.inf)
        taken = (reach < _WORTH * self.reach[index]) | torch.isinf(self.reach[index]) | always
        if not always:
            step = self.step[index]
            self.step[index] = torch.where(taken, (1.2 * step).clamp_max(1.0), (0.3 * step).clamp_min(0.01))
        where = index[taken]
        self.ray[where], self.unit[where] = delta[taken], unit[taken]
        self.gap[where], self.reach[where] = gap[taken], reach[taken]
        return logits

    def take_nearer(self, other: Trail) -> None:
        """Go on with the nearer of two searches."""
        nearer = other.reach < self.reach
        for name in ("ray", "unit", "gap", "reach", "step"):
            getattr(self, name)[nearer] = getattr(other, name)[nearer]

    def proposal(self, index: Tensor) -> Tensor:
        """Move to the linearised boundary, and along it part of the way to the point nearest to the image."""
        ray, unit, gap = self.ray[index], self.unit[index], self.gap[index]
        along = (unit * ray).sum(dim=1)
        onto = ray - gap[:, None] * unit
        foot = (along - gap).clamp_max(0.0)[:, None] * unit  # the image's projection; none if it lies past the boundary
        share = torch.where(along - gap < 0, self.step[index], 0.0)
        return OVERSHOOT * (onto + share[:, None] * (foot - onto))

    def finished(self, index: Tensor, aligned: float) -> Tensor:
        """Tell where the slope at the boundary point runs along the ray: the nearest point, to first order."""
        ray, unit, gap = self.ray[index], self.unit[index], self.gap[index]
        norm = torch.linalg.vector_norm(ray, dim=1).clamp_min(1e-30)
        cosine = -(unit * ray).sum(dim=1) / norm
        return (cosine > (1 - aligned**2) ** 0.5) & (gap.abs() < 0.05 * norm)


def search(oracle: Oracle, index: Tensor, plan: Plan) -> Best:
    """Look for the smallest flip of the samples in `index`.

    Returns
    -------
    Best
        Flipped perturbations, not yet taken back to the boundary; an infinite norm where none was found.
    """
    best = Best(oracle.origin)
    margins, gradients, rivals = oracle.fan(index, torch.zeros_like(oracle.origin[index]), plan.rivals)
    alive = torch.linalg.vector_norm(gradients, dim=2).amax(dim=1) > 0
    index, margins, gradients, rivals = index[alive], margins[alive], gradients[alive], rivals[alive]
    if len(index) == 0:
        return best
    starts = _starts(margins, gradients, plan, leave=oracle.leave)
    trail = Trail(oracle)
    logits = trail.look(oracle, best, index, starts[0][1], always=True)
    expected = margins + (gradients @ starts[0][1][:, :, None])[:, :, 0]
    size = margins.abs().amax(dim=1)
    error = (oracle.pair_margins(logits, index, rivals) - expected).abs().amax(dim=1) / size.clamp_min(1e-30)
    linear = error <= _LINEAR
    _solve_linear(oracle, best, index[linear])
    linear &= torch.isfinite(best.norm[index])
    bent = ~linear & (error > (_BENT_LEAVE if oracle.leave else _BENT_ENTER))
    jumped = bent & torch.isinf(best.norm[index])
    _backtrack(oracle, trail, best, index[jumped], starts[0][1][jumped])
    _walk(oracle, trail, best, index[~linear], plan.scout - 1, plan.aligned)
    for chosen, start in starts[1:]:
        other = Trail(oracle)
        rows = index[chosen & ~linear]
        other.look(oracle, best, rows, start[chosen & ~linear], always=True)
        _walk(oracle, other, best, rows, plan.scout - 1, plan.aligned)
        trail.take_nearer(other)
    if plan.creep:
        other = Trail(oracle)
        _creep(oracle, other, best, index[bent], starts[0][1][bent], plan.creep)
        _walk(oracle, other, best, index[bent], plan.scout - 1, plan.aligned)
        trail.take_nearer(other)
    going = index[~linear]
    _walk(oracle, trail, best, going, plan.refine, plan.aligned)
    _probe(oracle, trail, best, going)
    _persist(oracle, trail, best, index[torch.isinf(best.norm[index])], plan.patience)
    return best


def _starts(margins: Tensor, gradients: Tensor, plan: Plan, *, leave: bool) -> list[tuple[Tensor, Tensor]]:
    """Return linearised steps (b, D) just past the boundary, nearest rival first, each with the samples it is for."""
    if not leave:
        step = _inside(margins, gradients, _FIRST_OVERSHOOT - 1)
        return [(torch.ones_like(margins[:, 0], dtype=torch.bool), step)]
    lengths = torch.linalg.vector_norm(gradients, dim=2)
    gaps = torch.where(lengths > 0, margins / lengths.clamp_min(1e-30), torch.inf)
    order = gaps.argsort(dim=1, stable=True)[:, : plan.starts]
    near = gaps.gather(1, order)
    starts = []
    for rank in range(order.shape[1]):
        rival = order[:, rank, None]
        chosen = near[:, rank] < plan.start_ratio * near[:, 0] if rank else torch.isfinite(near[:, 0])
        unit = gradients.gather(1, rival[:, :, None].expand(-1, 1, gradients.shape[2]))[:, 0]
        unit = unit / lengths.gather(1, rival).clamp_min(1e-30)
        starts.append((chosen, -_FIRST_OVERSHOOT * near[:, rank].nan_to_num(posinf=0.0)[:, None] * unit))
    return starts


def _inside(margins: Tensor, gradients: Tensor, slack: float) -> Tensor:
    """Shortest step to a point inside the target's linearised region, every margin below minus the slack.

    Scaling the step up instead would not do: it may leave through a rival that the image itself already beats.
    """
    return nearest_step(margins + slack * margins.amax(dim=1, keepdim=True).clamp_min(0.0), gradients)


def _solve_linear(oracle: Oracle, best: Best, index: Tensor) -> None:
    """Where the linearisation holds as far as the boundary, solve it exactly over all classes."""
    everything = Plan(oracle.classes, 1, 1.0, 0, 0, 0.0)
    block = max(1, _ELEMENTS // (oracle.classes * oracle.origin.shape[1]))
    for rows in index.split(block):
        margins, gradients, _ = oracle.fan(rows, torch.zeros_like(oracle.origin[rows]), oracle.classes)
        if oracle.leave:
            (_, step) = _starts(margins, gradients, everything, leave=True)[0]
            best.offer(rows, oracle.feasible(rows, step), oracle.margin(rows, oracle.feasible(rows, step)))
            continue
        for slack in _SLACKS:  # the least that rounding lets through
            delta = oracle.feasible(rows, _inside(margins, gradients, slack))
            margin = oracle.margin(rows, delta)
            best.offer(rows, delta, margin)
            rows, margins, gradients = rows[margin >= 0], margins[margin >= 0], gradients[margin >= 0]
            if len(rows) == 0:
                break


def _backtrack(oracle: Oracle, trail: Trail, best: Best, index: Tensor, start: Tensor) -> None:
    """Look for a flip on the way to a first step that led too far (saturated logits make such steps)."""
    part = start.new_zeros(len(index))
    for turn in range(1, 7):
        if len(index) == 0:
            return
        delta = oracle.feasible(index, 0.5**turn * start)
        part = torch.where(oracle.margin(index, delta) < 0, 0.5**turn, part)
    found = part > 0
    if bool(found.any()):
        trail.look(oracle, best, index[found], part[found, None] * start[found], always=True)


def _creep(oracle: Oracle, trail: Trail, best: Best, index: Tensor, start: Tensor, steps: int) -> None:
    """Go to the boundary in several short steps where one long step was far off: the nearer boundary is not jumped."""
    delta = start / steps
    for left in range(steps - 1, -1, -1):
        if len(index) == 0:
            return
        trail.look(oracle, best, index, delta, always=True)
        if left:
            delta = trail.ray[index] - OVERSHOOT * (trail.gap[index] / left)[:, None] * trail.unit[index]


def _walk(oracle: Oracle, trail: Trail, best: Best, index: Tensor, steps: int, aligned: float) -> None:
    """Take gradient steps; samples leave as they finish."""
    for _ in range(steps):
        index = index[~trail.finished(index, aligned)]
        if len(index) == 0:
            return
        trail.look(oracle, best, index, trail.proposal(index), always=False)


def _probe(oracle: Oracle, trail: Trail, best: Best, index: Tensor) -> None:
    """Verify the estimated boundary point of the best ray: forward passes only, until it flips or stops paying."""
    for factor in (1.0005, 1.005, 1.03, 1.2):
        radius = factor * trail.reach[index]
        index = index[radius < _PAYS * best.norm[index]]
        if len(index) == 0:
            return
        ray = trail.ray[index]
        radius = factor * trail.reach[index] / torch.linalg.vector_norm(ray, dim=1).clamp_min(1e-30)
        delta = oracle.feasible(index, radius[:, None] * ray)
        margin = oracle.margin(index, delta)
        best.offer(index, delta, margin)
        index = index[margin >= 0]


def _persist(oracle: Oracle, trail: Trail, best: Best, index: Tensor, patience: int) -> None:
    """Plain DeepFool steps for the samples that have not flipped yet; those without any slope give up."""
    for turn in range(patience):
        if len(index) == 0:
            return
        nudge = 1e-6 * 2.0 ** min(turn, 12)  # a margin of exactly 0 gives no step of its own
        delta = trail.ray[index] - (_FIRST_OVERSHOOT * trail.gap[index] + nudge)[:, None] * trail.unit[index]
        trail.look(oracle, best, index, delta, always=True)
        index = index[torch.isinf(best.norm[index]) & (trail.unit[index] != 0).any(dim=1)]
