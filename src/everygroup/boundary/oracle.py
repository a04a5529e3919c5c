"""The model as the search sees it: signed margins and their slopes at image + perturbation, every pass counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from everygroup.boundary.decision import Decision
from everygroup.errors import SettingsError


@contextmanager
def frozen(model: nn.Module, device_type: str) -> Iterator[None]:
    """Hold a model in eval mode, without parameter gradients, in its own precision; put everything back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        # a caller under inference_mode or autocast must get the same float32 answer as one who is not
        with torch.inference_mode(False), torch.autocast(device_type, enabled=False):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return where the model lives and the precision of the search: float64 for a float64 model, else float32."""
    tensors = [*model.parameters(), *model.buffers()]
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    device = tensors[0].device if tensors else torch.device("cpu")
    dtype = floating[0].dtype if floating else torch.float32
    if dtype not in (torch.float32, torch.float64):
        raise SettingsError(
            f"The model's weights are {dtype}; boundary distances need float32.", fix="call model.float() first"
        )
    return device, dtype


_GUARD = 3.0
_TIED = 8


@dataclass(frozen=True)
class Judge:
    """A decision on a batch of images, as choices between 0 (the clean image's answer) and M ways to change it.

    Attributes
    ----------
    decision : Decision
    state : Tensor, (n, ...)
        What the decision remembers of the clean images.
    size : Tensor, (n,)
        What the rounding of a margin is relative to: their largest output, times 4.
    """

    decision: Decision
    state: Tensor
    size: Tensor

    @classmethod
    def of(cls, decision: Decision, outputs: Tensor) -> Judge:
        """Remember the outputs (n, ...) of the clean images."""
        # a single output rounds by more than the difference of two logits, whose errors are alike
        return cls(decision, decision.state(outputs), 4 * outputs.abs().reshape(len(outputs), -1).amax(dim=1))

    def __getitem__(self, rows: Tensor) -> Judge:
        return Judge(self.decision, self.state[rows], self.size[rows])

    def logits(self, outputs: Tensor, index: Tensor) -> Tensor:
        """Turn outputs of the images in `index` into logits [0, m_1, ..., m_M]: class 0 wins until one changes."""
        margins = self.decision.margins(outputs, self.state[index])
        return torch.cat([torch.zeros_like(margins[:, :1]), margins], 1)


class Oracle:
    """Margins of a batch of images towards a flip, as functions of the perturbation.

    Parameters
    ----------
    model : Module
        Gives logits (n, K).
    origin : Tensor, (n, D)
        The images, flattened.
    shape : tuple of int
        The shape of one image.
    reference : Tensor of int64, (n,)
        The class to leave, or to enter.
    logits : Tensor, (n, K)
        The model's answers to the images.
    leave : bool
        True: any class but `reference` counts as a flip; False: only `reference` does.
    clip : bool
        Keep image + perturbation in [0, 1].
    judge : Judge, optional
        Turns the model's outputs into the logits that all else here is about.

    Notes
    -----
    A margin is positive before the flip and negative after it; for `leave` it is z_ref - max_{k != ref} z_k, otherwise
    max_{k != ref} z_k - z_ref. `start` holds the margins of the images themselves; `forwards` and `gradients` count
    images passed forward and backward.
    """

    def __init__(
        self,
        model: nn.Module,
        origin: Tensor,
        shape: tuple[int, ...],
        reference: Tensor,
        logits: Tensor,
        *,
        leave: bool,
        clip: bool = False,
        judge: Judge | None = None,
    ) -> None:
        self.model, self.origin, self.shape = model, origin, shape
        self.reference, self.leave, self.clip, self.judge = reference, leave, clip, judge
        self.forwards = 0
        self.gradients = 0
        self.classes = logits.shape[1]
        self.start = self._margin(logits, torch.arange(len(origin), device=origin.device)).clamp_min(0.0)

    def feasible(self, index: Tensor, delta: Tensor) -> Tensor:
        """Return the perturbation itself, or (with `clip`) what of it keeps the image in [0, 1]."""
        return (self.origin[index] + delta).clamp(0, 1) - self.origin[index] if self.clip else delta

    def margin(self, index: Tensor, delta: Tensor) -> Tensor:
        """Margins (b,) at these perturbations, one forward pass."""
        with torch.no_grad():
            return self._margin(self._logits(self.origin[index] + delta, index), index)

    def slope(self, index: Tensor, delta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Margins (b,), their gradients (b, D) and the logits (b, K); one forward and one backward pass."""
        point, logits = self._tracked(index, delta)
        margin = self._margin(logits, index)
        gradient = self._gradient(margin, point, last=True)
        return margin.detach(), gradient, logits.detach()

    def fan(self, index: Tensor, delta: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Margins (b, m) against each of the m rivals with the largest logits, gradients (b, m, D), classes (b, m).

        One forward pass and m backward passes: on a CPU this is faster than vmap over the rivals (1.7 times) or than
        repeating the batch (3 times).
        """
        point, logits = self._tracked(index, delta)
        others = self._without_reference(logits.detach(), index)
        if self.judge is not None and len(
            index
        ):  # several ways to change may be equally near, such as the Dice of every structure
            tied = int((others == others.amax(dim=1, keepdim=True)).sum(dim=1).max())
            count = max(count, min(tied, _TIED))
        rivals = others.topk(min(count, logits.shape[1] - 1), dim=1).indices
        own = logits.gather(1, self.reference[index, None])
        margins = (own - logits.gather(1, rivals)) * (1 if self.leave else -1)
        m = rivals.shape[1]
        gradients = [self._gradient(margins[:, k], point, last=k == m - 1) for k in range(m)]
        return margins.detach(), torch.stack(gradients, dim=1), rivals

    def pair_margins(self, logits: Tensor, index: Tensor, rivals: Tensor) -> Tensor:
        """Margins (b, m) against given rivals, from logits already computed."""
        own = logits.gather(1, self.reference[index, None])
        return (own - logits.gather(1, rivals)) * (1 if self.leave else -1)

    def _tracked(self, index: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        point = (self.origin[index] + delta).requires_grad_(True)
        with torch.enable_grad():
            return point, self._logits(point, index)

    def _logits(self, point: Tensor, index: Tensor) -> Tensor:
        self.forwards += len(point)
        outputs: Tensor = self.model(point.view(-1, *self.shape))
        return outputs if self.judge is None else self.judge.logits(outputs, index)

    def _gradient(self, values: Tensor, point: Tensor, *, last: bool) -> Tensor:
        self.gradients += len(point)
        if not values.requires_grad:  # an answer that does not depend on the image
            return torch.zeros_like(point)
        (gradient,) = torch.autograd.grad(values.sum(), point, retain_graph=not last, allow_unused=True)
        return torch.zeros_like(point) if gradient is None else gradient.nan_to_num(0.0, 0.0, 0.0)

    def _without_reference(self, logits: Tensor, index: Tensor) -> Tensor:
        return logits.scatter(1, self.reference[index, None], float("-inf"))

    def _margin(self, logits: Tensor, index: Tensor) -> Tensor:
        own = logits.gather(1, self.reference[index, None])[:, 0]
        rivals = self._without_reference(logits, index)
        # both sides of a band tie on the clean image: amax would average their slopes to none
        rival = rivals.amax(dim=1) if self.judge is None else rivals.max(dim=1).values
        # rounding differs with the batch: what counts as flipped here must be flipped in any other batch too
        size = logits.detach().abs().amax(dim=1)
        if self.judge is not None:
            size = torch.maximum(size, self.judge.size[index])
        guard = _GUARD * torch.finfo(logits.dtype).eps * size
        return (own - rival if self.leave else rival - own) + guard
