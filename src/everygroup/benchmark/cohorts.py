"""Cohorts and splits of a benchmark: the same ones for every run that names the same, on every machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.recipe import Attribute, CohortEntry
from everygroup.cohort import Cohort, GroupRule, Split, split_cohort
from everygroup.errors import CohortError, OutputError, SettingsError
from everygroup.files import hash_json, slug
from everygroup.targets import target_of

_KEPT = 6  # cohorts a process remembers


@dataclass(frozen=True)
class Facts:
    """What planning has to know of a cohort: sizes, groups, shape, and the data's own hash."""

    n: int
    n_train: int
    n_validation: int
    groups: tuple[str, ...]
    classes: tuple[str, ...]
    sample_shape: tuple[int, ...]
    content_hash: str
    target: dict[str, Any]


def attributes_of(entry: CohortEntry) -> dict[str, Attribute | None]:
    """Return the comparisons on a cohort by name; None stands for the cohort's own groups."""
    return dict(entry.attributes) or {"own": None}


def open_cohort(entry: CohortEntry, attribute: str, seed: int) -> Cohort:
    """Open or generate a cohort, grouped by one of its attributes.

    Raises
    ------
    EverygroupError
        If it cannot be read, or the generator refuses its options.
    """
    return _open(entry.model_dump_json(exclude_unset=True), attribute, entry.seeds_for(seed)[0])


@lru_cache(maxsize=_KEPT)
def _open(entry_json: str, attribute: str, cohort_seed: int) -> Cohort:
    entry = CohortEntry.model_validate_json(entry_json)
    rule = attributes_of(entry)[attribute]
    if entry.kind == "files":
        return _read(entry, rule)
    cohort = _generate(entry, cohort_seed)
    return cohort if rule is None else cohort.grouped_by(GroupRule.make(rule.group, rule.bins))


def _generate(entry: CohortEntry, seed: int) -> Cohort:
    from everygroup.datasets import simulate, toy

    n = {} if entry.n is None else {"n": entry.n}
    if entry.kind == "sim":
        size = {} if entry.image_size is None else {"image_size": entry.image_size}
        return simulate(entry.target, **{**n, **size, "seed": seed, **entry.options}).cohort
    n = {} if entry.n is None else {"n_in": entry.n // 2, "n_out": entry.n - entry.n // 2}
    try:
        return toy.rotating_sectors(**{**n, "n_test": 1, "seed": seed, **entry.options}).train
    except TypeError as error:
        raise SettingsError(f"Cohort {entry.name!r}: options: {error}.", fix="correct the recipe's options") from None


def locate(source: str) -> Path:
    """Find a folder or file: as it is, else below $EVERYGROUP_DATA."""
    path, root = Path(source).expanduser(), os.environ.get("EVERYGROUP_DATA")
    if not path.exists() and not path.is_absolute() and root and (Path(root) / path).exists():
        return Path(root) / path
    return path


def _read(entry: CohortEntry, rule: Attribute | None) -> Cohort:
    from everygroup.datasets.reader import read_cohort

    path = locate(entry.source)
    if not path.exists():
        raise CohortError(
            f"Cohort {entry.name!r}: there is no {entry.source}.",
            fix=f"say where it lies with --cohort {entry.name}=FOLDER, or set EVERYGROUP_DATA",
        )
    grouping = {} if rule is None else rule.model_dump()
    return read_cohort(path, **{**entry.given(), **grouping})


def open_split(entry: CohortEntry, attribute: str, seed: int, folder: Path | None = None) -> tuple[Cohort, Split]:
    """Open a cohort and its split.

    Parameters
    ----------
    folder : Path, optional
        Where splits are kept: the first run writes the split, every later one reads it and so cannot differ.

    Raises
    ------
    OutputError
        If the kept split is of other samples.
    """
    cohort = open_cohort(entry, attribute, seed)
    wanted = [
        entry.model_dump(exclude={"attributes", "name"}, exclude_defaults=True),
        cohort.rule.to_dict(),
        entry.seeds_for(seed),
    ]
    key = hash_json([wanted, cohort.content_hash])
    path = None if folder is None else folder / f"{slug(f'{entry.name}-{attribute}', most=100)}-s{seed}-{key[:10]}.csv"
    return cohort, _split(cohort, tuple(entry.split), entry.seeds_for(seed)[1], path)


@lru_cache(maxsize=_KEPT)
def _split(cohort: Cohort, fractions: tuple[float, ...], seed: int, path: Path | None) -> Split:
    from everygroup.cohort.split import split_from_parts

    if path is not None and path.exists():
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if not np.array_equal(table["id"].to_numpy(dtype=object), cohort.ids.astype(object)):
            raise OutputError(f"{path} is a split of other samples.", fix="choose another --out folder")
        return split_from_parts(cohort, table["part"].to_numpy())
    split = split_cohort(cohort, fractions, seed=seed)
    if path is not None:
        split.save(path)
    return split


def facts_of(entry: CohortEntry, attribute: str, seed: int) -> Facts:
    """Return the facts of a cohort and its split for one seed."""
    cohort, split = open_split(entry, attribute, seed)
    return Facts(
        len(cohort),
        len(split.train),
        len(split.validation),
        cohort.groups,
        cohort.classes,
        cohort.sample_shape,
        cohort.content_hash,
        target_of(cohort).record,
    )
