"""New data in a trained model's order of groups and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everygroup.cohort import Cohort, GroupRule
from everygroup.console import warn
from everygroup.errors import CohortError
from everygroup.models.spellings import refuse_other_spellings


def group_index(rule: GroupRule, groups: tuple[str, ...], cohort: Cohort) -> np.ndarray:
    """Index a cohort's groups as at training, (n,); a value not seen then is unknown (-1), and said."""
    # A cohort read with the model's groups has dropped the other values already: only its table still has them.
    refuse_other_spellings(rule, groups, cohort.table)
    found, own = rule.assign(cohort.table)
    if new := [name for name in found if name not in groups]:
        n = int(np.isin(own, [found.index(name) for name in new]).sum())
        listed = ", ".join(map(repr, new[:5])) + (", ..." if len(new) > 5 else "")
        warn(
            f"{n} samples belong to groups unknown at training ({listed}; known are "
            f"{', '.join(map(repr, groups))}); they are routed as if their group were missing."
        )
    if cohort.groups == groups and cohort.rule == rule:
        return cohort.group
    return rule.assign(cohort.table, groups)[1]


def label_index(classes: Sequence[str], cohort: Cohort) -> np.ndarray:
    """Index a cohort's labels among a model's classes, (n,); -1 where there are none."""
    if cohort.classes == tuple(classes):
        return cohort.y
    position = {name: i for i, name in enumerate(classes)}
    if unknown := [name for i, name in enumerate(cohort.classes) if name not in position and (cohort.y == i).any()]:
        raise CohortError(
            f"Label {unknown[0]!r} in column {cohort.label!r} is unknown to the model.",
            fix=f"the classes are {', '.join(classes)}",
        )
    lookup = np.array([position.get(name, -1) for name in cohort.classes] + [-1])
    return lookup[cohort.y]
