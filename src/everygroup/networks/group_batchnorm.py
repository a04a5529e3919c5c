"""A batch norm per group; everything else is shared."""

from __future__ import annotations

import copy

import torch
from torch import nn

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier
from everygroup.networks.modes import evaluating


class _NormPerGroup(nn.Module):
    """G copies of a batch norm; `group` (N,) of the batch at hand is set from outside before every pass."""

    def __init__(self, norm: nn.BatchNorm2d, n_groups: int, shared_affine: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(n_groups))
        self.group: torch.Tensor | None = None
        if shared_affine:
            for other in self.norms[1:]:
                other.weight, other.bias = self.norms[0].weight, self.norms[0].bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert self.group is not None
        out = torch.empty_like(x)
        for g, norm in enumerate(self.norms):
            rows = (self.group == g).nonzero().squeeze(1)
            if rows.numel() >= 2 or (rows.numel() and not self.training):
                out[rows] = norm(x[rows]).to(out.dtype)
            elif rows.numel():  # one sample has no batch statistics
                out[rows] = _as_it_stands(norm, x[rows]).to(out.dtype)
        rows = (self.group < 0).nonzero().squeeze(1)
        if rows.numel():
            answers = torch.stack([_as_it_stands(norm, x[rows]) for norm in self.norms])
            out[rows] = answers.mean(0).to(out.dtype)
        return out


def _as_it_stands(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise with the running statistics, and leave them alone; what else the norm does, it does."""
    with evaluating(norm):
        answer: torch.Tensor = norm(x)
    return answer


@register_adapter
class GroupBatchNorm(Adapted):
    """Every 2-D batch norm of the backbone once per group: own running statistics, own affine parameters or one.

    All start as the backbone's. A group with a single sample in a batch is normalised with its running statistics;
    a sample without a group with the mean over the groups of what each would give.

    Parameters
    ----------
    base : Classifier
    n_groups : int
    shared_affine : bool
        One scale and shift for all groups.
    blind : bool
        Answer everybody as if no group were known.

    Raises
    ------
    SettingsError
        If the backbone has no batch norm.
    """

    name = "group_batchnorm"

    def __init__(
        self,
        base: Classifier,
        *,
        n_groups: int,
        shared_affine: bool = False,
        blind: bool = False,
    ) -> None:
        super().__init__(base, n_groups=n_groups, shared_affine=shared_affine, blind=blind)
        found = [(name, m) for name, m in base.named_modules() if isinstance(m, nn.BatchNorm2d)]
        if not found:
            raise SettingsError("This backbone has no batch norm.", fix="choose --backbone resnet18 or small_cnn")
        self._norms: list[_NormPerGroup] = []
        for name, norm in found:
            parent, _, last = name.rpartition(".")
            own = _NormPerGroup(norm, n_groups, shared_affine)
            setattr(base.get_submodule(parent), last, own)
            self._norms.append(own)

    @property
    def takes_group(self) -> bool:  # type: ignore[override]
        """Whether the recorded group decides."""
        return not self.options["blind"]

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        if not self.takes_group:
            group = torch.full((len(x),), -1, device=x.device)
        if group is None:
            raise ValueError("the group of every sample is needed")
        for norm in self._norms:
            norm.group = group
        logits: torch.Tensor = self.base(x)
        return logits

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return the plain network of one group, or this one as if no group were known."""
        if group is None:
            other = copy.deepcopy(self)  # the norms of the backbone are replaced already
            other.options = {**self.options, "blind": True}
            return other.eval()
        plain = copy.deepcopy(self.base)
        for name, norm in list(plain.named_modules()):
            if isinstance(norm, _NormPerGroup):
                parent, _, last = name.rpartition(".")
                setattr(plain.get_submodule(parent), last, norm.norms[group])
        return plain
