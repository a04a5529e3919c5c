"""A part of a recipe: the cohorts and attributes that the command line names."""

from __future__ import annotations

from collections.abc import Sequence

from everygroup.benchmark.recipe import Recipe
from everygroup.errors import SettingsError


def choose_cohorts(recipe: Recipe, wanted: Sequence[str]) -> Recipe:
    """Keep only the cohorts named, as NAME or as NAME=FOLDER, which says where the cohort lies on this machine.

    Raises
    ------
    SettingsError
        For a name the recipe lacks.
    """
    entries = {c.name: c.model_dump(exclude_unset=True) for c in recipe.cohorts}
    chosen = []
    for text in wanted:
        name, equals, source = text.partition("=")
        if name not in entries:
            raise SettingsError(f"The recipe has no cohort {name!r}.", fix=f"choose one of {', '.join(entries)}")
        chosen.append({**entries[name], **({"source": source} if equals else {})})
    return recipe.but(cohorts=chosen)


def choose_attributes(recipe: Recipe, wanted: Sequence[str]) -> Recipe:
    """Keep only the attributes named, and the cohorts that have one.

    Raises
    ------
    SettingsError
        For a name that no cohort has.
    """
    known = {name for entry in recipe.cohorts for name in entry.attributes}
    if unknown := [name for name in wanted if name not in known]:
        raise SettingsError(
            f"No cohort here has an attribute {unknown[0]!r}.",
            fix=f"choose from {', '.join(sorted(known))}" if known else "leave out --attribute: no cohort names any",
        )
    entries = [
        {**c.model_dump(exclude_unset=True), "attributes": kept}
        for c in recipe.cohorts
        if (kept := {n: a.model_dump() for n, a in c.attributes.items() if n in wanted})
    ]
    return recipe.but(cohorts=entries)
