"""What is said of a method besides its hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Family = Literal["baseline", "pre-processing", "in-processing", "post-processing", "group-specific"]
ALL_TARGETS = ("classes", "labels", "number", "mask", "anomaly", "image")


@dataclass(frozen=True)
class MethodInfo:
    """What is said of a method besides its hyper-parameters.

    Attributes
    ----------
    name : str
        The name of its file.
    title, paper : str
        Name and reference of the paper.
    family : str
        Where it acts.
    min_groups, max_groups : int, int or None
        Number of groups it can handle; None for any.
    needs_group_at_test : bool
        Whether prediction uses the recorded group.
    cost : callable
        Number of groups -> trained networks with the default hyper-parameters, in multiples of ERM.
    targets : tuple of str
        What it can be trained for.
    needs : str
        What the backbone must have: 'batch norm', 'convolutions', 'hidden layer'; or must be: a 'linear head'; or what
        samples must be: 'vectors', 'images'. Empty for nothing.
    every_group : bool
        Whether a part of the network belongs to each group, so that each needs training samples.
    two_classes : bool
        Whether it is for two classes only.
    blind : bool
        Whether it never looks at groups, with its default hyper-parameters.
    branch : str
        What it is a kind of within its family, such as 'adversarial'.
    idea : str
        In a few words, what it does: what its file's docstring says behind the name.
    """

    name: str
    title: str
    paper: str
    family: Family
    min_groups: int
    max_groups: int | None
    needs_group_at_test: bool
    cost: Callable[[int], float]
    targets: tuple[str, ...]
    needs: str = ""
    every_group: bool = False
    two_classes: bool = False
    blind: bool = False
    branch: str = ""
    idea: str = ""

    @property
    def needs_group(self) -> str:
        """Where the group has to be known: 'no', 'in training' or 'at test' (in training, too)."""
        return "at test" if self.needs_group_at_test else "no" if self.blind else "in training"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; the cost for two groups."""
        return {**asdict(replace(self, cost=_no_cost)), "cost": self.cost(2), "needs_group": self.needs_group}


def _no_cost(groups: int) -> float:
    return float("nan")
