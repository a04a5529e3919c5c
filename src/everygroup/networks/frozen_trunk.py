"""A trained backbone that is held as it is, except for small parts that learn: batch norms, additions, the head."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.func import functional_call

from everygroup.errors import SettingsError
from everygroup.networks.adapted import Adapted, register_adapter
from everygroup.networks.classifier import Classifier

PARTS = ("lora", "batchnorm", "head")


class _WeightedNorm(nn.Module):
    """A batch norm whose batch statistics are those of the weighted samples.

    `share` (N,), which sums to 1, is set from outside before a training pass, None for none. With mean m and variance v
    of the weighted batch, the running statistics move towards them as ever, and the input is shifted and scaled so that
    the norm, which then uses its running statistics, does what it would do with m and v; so the norm's own class may
    add what it likes. Equal shares give what the plain norm gives.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm
        self.share: torch.Tensor | None = None
        self.n_effective = 0.0  # 1 / sum of squared shares

    def train(self, mode: bool = True) -> _WeightedNorm:
        """Set the mode; the norm itself always uses the statistics it is given."""
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.norm
        if self.training and self.share is not None:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            wide = x.to(torch.promote_types(x.dtype, torch.float32))  # half precision is too short for statistics
            share = self.share.to(wide.dtype).view(-1, 1, 1, 1)
            mean = (share * wide).sum(0).mean((1, 2))
            centred = wide - mean.view(1, -1, 1, 1)
            variance = (share * centred**2).sum(0).mean((1, 2))
            n = self.n_effective * x.shape[2] * x.shape[3]
            if n > 1 + 1e-6:  # one value has no variance: it is normalised with the running statistics
                with torch.no_grad():
                    assert norm.num_batches_tracked is not None
                    norm.num_batches_tracked.add_(1)
                    step = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
                    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), step)
                    norm.running_var.lerp_((variance * n / (n - 1)).to(norm.running_var.dtype), step)
                ratio = ((norm.running_var + norm.eps) / (variance + norm.eps)).sqrt().view(1, -1, 1, 1)
                x = (centred * ratio + norm.running_mean.view(1, -1, 1, 1)).to(x.dtype)
        out: torch.Tensor = norm(x)
        return out


@register_adapter
class FrozenTrunk(Adapted):
    """The backbone with its weights held, and parts that learn and start where the backbone is.

    'lora': W + B A for every convolution and linear layer, A (r, inputs) random and B (outputs, r) 0 at first, r the
    `rank` or less where a layer is smaller (Hu et al. LoRA: Low-rank adaptation of large language models. ICLR 2022).
    'batchnorm': scale, shift and running statistics of every 2-D batch norm, the statistics of the weighted samples.
    'head': the last layer. What is held includes the running statistics, except with 'batchnorm', and dropout is off.

    Parameters
    ----------
    base : Classifier
        Usually trained.
    parts : {'lora', 'batchnorm', 'head'}
    rank : int
        r of 'lora', at least 1.

    Raises
    ------
    SettingsError
        If the backbone has no such parts.
    """

    name = "frozen_trunk"

    def __init__(self, base: Classifier, *, parts: str, rank: int = 4) -> None:
        if parts not in PARTS:
            raise SettingsError(f"parts = {parts!r}.", fix=f"choose one of {', '.join(PARTS)}")
        super().__init__(base, parts=parts, rank=rank)
        base.requires_grad_(False)
        self.a, self.b = nn.ParameterList(), nn.ParameterList()
        self._added: list[str] = []
        self._norms: list[_WeightedNorm] = []
        if parts == "lora":
            self._add(rank)
        elif parts == "batchnorm":
            self._wrap_norms()
        else:
            base.head.requires_grad_(True)

    def _add(self, rank: int) -> None:
        for name, module in self.base.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                rows, columns = len(module.weight), module.weight[0].numel()
                r = min(rank, rows, columns)
                self._added.append(f"{name}.weight")
                self.a.append(nn.Parameter(torch.randn(r, columns) / columns**0.5))
                self.b.append(nn.Parameter(torch.zeros(rows, r)))

    def _wrap_norms(self) -> None:
        found = [(name, m) for name, m in self.base.named_modules() if isinstance(m, nn.BatchNorm2d)]
        if not found:
            raise SettingsError("This backbone has no batch norm.", fix="choose adapter=lora or head")
        for name, norm in found:
            parent, _, last = name.rpartition(".")
            wrapped = _WeightedNorm(norm.requires_grad_(True))
            setattr(self.base.get_submodule(parent), last, wrapped)
            self._norms.append(wrapped)

    def train(self, mode: bool = True) -> FrozenTrunk:
        """Set the mode; what is held stays in eval mode."""
        super().train(mode)
        self.base.eval()
        for norm in self._norms:
            norm.train(mode)
        return self

    def weigh(self, weight: torch.Tensor) -> None:
        """Say how much the samples of the next training pass count in batch statistics, (N,)."""
        weight = weight.detach()
        total = float(weight.sum())
        for norm in self._norms:
            norm.share = weight / total if total > 0 else None
            norm.n_effective = total**2 / float((weight**2).sum()) if total > 0 else 0.0

    def forward(self, x: torch.Tensor, group: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (N, K)."""
        logits: torch.Tensor = functional_call(self.base, self._changed(), (x,)) if self._added else self.base(x)
        return logits

    def _changed(self) -> dict[str, torch.Tensor]:
        """Return the weights that additions change, by the backbone's names."""
        held = (self.base.get_parameter(name) for name in self._added)
        parts = zip(self._added, held, self.a, self.b, strict=True)
        return {name: w + (b @ a).view_as(w) for name, w, a, b in parts}

    @property
    def n_trainable(self) -> int:
        """Number of parameters that learn."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def plain(self) -> Classifier:
        """Return the backbone with what was learnt put into it."""
        plain = copy.deepcopy(self.base)
        with torch.no_grad():
            for name, value in self._changed().items():
                plain.get_parameter(name).copy_(value)
        for name, module in list(plain.named_modules()):
            if isinstance(module, _WeightedNorm):
                parent, _, last = name.rpartition(".")
                setattr(plain.get_submodule(parent), last, module.norm)
        return plain

    def answering(self, group: int | None) -> Classifier | Adapted:
        """Return the plain network; with additions this one, so that what is held can be told from what is added."""
        return self if self._added else self.plain()
