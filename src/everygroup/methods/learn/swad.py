"""SWAD: the mean of all weights along the valley of the validation loss."""

from __future__ import annotations

import copy
from typing import Any

import torch
from pydantic import Field
from torch import nn

from everygroup.errors import SettingsError
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Learn, method
from everygroup.models import RoutedModel
from everygroup.training import Batch, Learner


@method(
    "SWAD (stochastic weight averaging densely)",
    "Cha et al. SWAD: domain generalization by seeking flat minima. NeurIPS 2021",
    targets=("classes", "labels", "number"),
    blind=True,
    branch="robust",
)
class SWAD(Learn):
    r"""Average the weights after every update from the start of the validation loss's valley to its end.

    An epoch is a segment with the mean of its weights and the loss at its end. The valley starts at the first segment
    whose loss is the smallest of `start` segments from it on; its threshold is their mean loss times 1 + `tolerance`.
    Segments before it that lie below the threshold belong to it as well. It ends where the smallest of the last
    `end` losses exceeds the threshold. Without a valley the last segment answers.

    The answer is the mean at the end of training, so that `--selection` has no say. Running statistics of batch
    norms are averaged along (the paper's are frozen). The loss has to be positive.
    """

    start: int = Field(3, ge=1, description="segments among which the first has the smallest loss")
    end: int = Field(6, ge=1, description="segments that all lie above the threshold behind the valley")
    tolerance: float = Field(0.3, ge=0, description="r, how far above the valley's loss it still is one; MEDFAIR: .05")

    def model_post_init(self, context: Any) -> None:
        """Refuse an end that is shorter than the start."""
        if self.end < self.start:
            raise SettingsError(f"swad: end={self.end} is less than start={self.start}.", fix="make end the larger")

    def learner(self, lab: Lab) -> Learner:
        """Build the network and what is averaged."""
        return Averaged(lab.network(), self.start, self.end, self.tolerance)

    def model(self, lab: Lab) -> RoutedModel:
        """Train to the end, whatever rule chooses the epochs of others."""
        name = self.info.name
        trained = lab.train_network(self, name, settings=lab.settings.but(selection="last"))
        learner = trained.learner
        assert isinstance(learner, Averaged)
        return lab.one_model(name, trained.answering(None), **learner.record)


class Averaged(Learner):
    """The network, the segments that may still belong to the valley, and the valley's mean, as buffers.

    Weights are one long vector (P,): parameters and running statistics. `queue` (N, P) holds the last segments' means,
    the newest last; `losses` (N,) theirs, infinite where there is none.
    """

    queue: torch.Tensor
    losses: torch.Tensor
    segment: torch.Tensor
    valley: torch.Tensor
    state: torch.Tensor

    def __init__(self, net: nn.Module, start: int, end: int, tolerance: float) -> None:
        super().__init__(net)
        self.start, self.end, self.tolerance = start, end, tolerance
        self.n = max(start, end)
        size = len(vector_of(net))
        self.register_buffer("queue", torch.zeros(self.n, size))
        self.register_buffer("losses", torch.full((self.n,), torch.inf, dtype=torch.float64))
        self.register_buffer("segment", torch.zeros(size))
        self.register_buffer("valley", torch.zeros(size))
        # updates of the segment, segments so far, segments in the valley, since when it is known, threshold, ended
        self.register_buffer("state", torch.zeros(6, dtype=torch.float64))

    @property
    def record(self) -> dict[str, dict[str, float | bool]]:
        """What the average is of."""
        _, seen, inside, _, threshold, ended = self.state.tolist()
        return {"swad": {"segments": seen, "averaged": max(inside, 1.0), "threshold": threshold, "ended": bool(ended)}}

    def after_update(self, batch: Batch) -> None:
        """Take the weights into the segment's mean."""
        self.state[0] += 1
        self.segment += (vector_of(self.net) - self.segment) / self.state[0].to(self.segment.dtype)

    def after_epoch(self, loss: float) -> None:
        """Close the segment, and see whether the valley starts, goes on or ends."""
        self.queue.copy_(torch.cat([self.queue[1:], self.segment[None]]))
        self.losses.copy_(torch.cat([self.losses[1:], self.losses.new_tensor([loss])]))
        self.segment.zero_()
        self.state[0] = 0
        self.state[1] += 1
        if not self.state[2]:
            self._look_for_the_start()
        elif not self.state[5]:
            self.state[3] += 1
            self._go_on()

    def _look_for_the_start(self) -> None:
        window = self.losses[self.n - self.start :]
        if not torch.isfinite(window).all() or int(window.argmin()) != 0:
            return
        self.state[4] = window.mean() * (1 + self.tolerance)
        first = self.n - self.start
        while first > 0 and self.losses[first - 1] <= self.state[4]:
            first -= 1
        for place in range(first, self.n - self.start + 1):  # those behind it follow when they are the oldest
            self._take(place)
        self.state[3] = 0

    def _go_on(self) -> None:
        """Take the oldest segment behind the valley's start, once the last `end` are behind it."""
        waiting = self.start - 1 + int(self.state[3])  # segments behind the start
        if waiting < self.end:
            return
        if self.losses[self.n - self.end :].min() > self.state[4]:
            self.state[5] = 1
            return
        self._take(self.n - self.end)

    def _take(self, place: int) -> None:
        self.state[2] += 1
        self.valley += (self.queue[place] - self.valley) / self.state[2].to(self.valley.dtype)

    def averaged(self) -> torch.Tensor:
        """Return the mean weights, (P,): the valley's with the segments at the end that still belong to it."""
        if not self.state[2]:
            return self.queue[-1]
        total, count = self.valley * self.state[2].to(self.valley.dtype), int(self.state[2])
        if not self.state[5]:
            waiting = self.start - 1 + int(self.state[3])
            taken = max(0, waiting - self.end + 1)
            for place in range(self.n - waiting + taken, self.n):
                if self.losses[place] > self.state[4]:
                    break
                total, count = total + self.queue[place], count + 1
        return total / count

    def answering(self, group: int | None) -> nn.Module:
        """Return the network with the mean weights."""
        plain = copy.deepcopy(self.net)
        put_vector(plain, self.averaged())
        return plain


def _floats(net: nn.Module) -> list[torch.Tensor]:
    return [t for t in net.state_dict().values() if t.is_floating_point()]


def vector_of(net: nn.Module) -> torch.Tensor:
    """Return all weights and running statistics as one vector, (P,)."""
    return torch.cat([t.detach().flatten().float() for t in _floats(net)])


def put_vector(net: nn.Module, vector: torch.Tensor) -> None:
    """Write them back."""
    at = 0
    with torch.no_grad():
        for tensor in _floats(net):
            tensor.copy_(vector[at : at + tensor.numel()].view_as(tensor))
            at += tensor.numel()
