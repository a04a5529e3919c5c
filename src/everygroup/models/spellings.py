"""Groups of new data against those of a trained model: another spelling of a known group is refused, not unknown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from everygroup.cohort import GroupRule
from everygroup.errors import CohortError
from everygroup.tables.codings import codings


def refuse_other_spellings(rule: GroupRule, groups: Sequence[str], table: pd.DataFrame) -> None:
    """Refuse values that look like a group of the model in another spelling: F for female, 1 for yes.

    Parameters
    ----------
    rule, groups : how the model makes groups, and those it knows.
    table : new data.

    Raises
    ------
    CohortError
        That names every such value with its rows and the option that maps it.
    """
    said: list[str] = []
    options: list[str] = []
    for attribute, known in _known(rule, groups).items():
        raw = GroupRule((attribute,)).values(table, attribute)
        new = Counter(value for value in raw if value is not None and value not in known)
        for coding in codings({**dict.fromkeys(known, 0), **new}):
            trained = [value for value in coding.counts if value in known]
            others = [value for value in coding.counts if value in new]
            if len(trained) == 1 and others:
                listed = ", ".join(f"{value!r} ({new[value]})" for value in others)
                said.append(f"{listed} in {attribute!r} looks like {trained[0]!r}, which the model knows.")
                options.append(f"--map '{attribute}:{','.join(others)}={trained[0]}'")
    if said:
        raise CohortError("\n".join(said), fix=f"make one value of them: {' '.join(options)}")


def _known(rule: GroupRule, groups: Sequence[str]) -> Mapping[str, set[str]]:
    """The values that a model knows of each attribute; cuts know every number."""
    parts = [name.split(" & ") for name in groups]
    known = {}
    for position, attribute in enumerate(rule.attributes):
        binning = rule.bins.get(attribute)
        if binning is not None:
            known[attribute] = set(binning.members)
        elif all(len(part) == len(rule.attributes) for part in parts):
            known[attribute] = {part[position] for part in parts}
    return {attribute: values for attribute, values in known.items() if values}
