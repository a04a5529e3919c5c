"""Copies in a cohort: identical and nearly identical images, across patients, labels and parts of a split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort, Split
from everygroup.imaging.near_pairs import NearPairs, near_pairs

_SHOWN = 3
_CHAIN = 10  # patients in one set from which on a chain of chance likenesses is more likely than so many copies


@dataclass(frozen=True)
class Duplicates:
    """Copies among the images of a cohort.

    Attributes
    ----------
    pairs : DataFrame
        One row a pair: id_a, id_b, kind ("identical" or "near"), distance (bits of 64), correlation, detail, same_unit,
        same_label, label_a, label_b, and with a split part_a, part_b, same_part. Of k identical images k - 1 pairs are
        listed.
    component : (n,) int
        Equal for samples that are copies of each other, also through a third.
    searched : NearPairs
        How the search went: the level of detail asked for, the number of candidates, a note where it did not run.
    """

    pairs: pd.DataFrame
    component: np.ndarray
    searched: NearPairs

    def summary(self) -> pd.DataFrame:
        """Return one row for each kind: kind, pairs, across_units, labels_differ and, with a split, across_parts."""
        rows = []
        for kind in ("identical", "near"):
            here = self.pairs[self.pairs["kind"] == kind]
            row = {
                "kind": kind,
                "pairs": len(here),
                "across_units": int((~here["same_unit"]).sum()),
                "labels_differ": int((~here["same_label"]).sum()),
            }
            if "same_part" in here:
                row["across_parts"] = int((~here["same_part"]).sum())
            rows.append(row)
        return pd.DataFrame(rows)

    def warnings(self) -> list[str]:
        """Return what about the copies could mislead."""
        found = []
        near = self.pairs[self.pairs["kind"] == "near"]
        if self.searched.note:
            found.append(f"Near duplicates: {self.searched.note}.")
        if len(near):
            apart = near[~near["same_unit"]]
            found.append(
                f"{_count(near)} of images nearly the same (not byte for byte), of which {len(apart)} across patients "
                f"or lesions{_named(apart)}. Look at them."
            )
        differ = self.pairs[~self.pairs["same_label"]]
        if len(differ):
            found.append(f"{_count(differ)} of copies with different labels{_named(differ, labels=True)}.")
        if "same_part" in self.pairs:
            leaks = self.pairs[~self.pairs["same_part"] & (self.pairs["kind"] == "near")]
            if len(leaks):
                found.append(
                    f"{_count(leaks)} of nearly identical images in different parts of the split{_named(leaks)}: a "
                    "leak. Keep them together with --units-with-duplicates."
                )
        return found


def find_duplicates(cohort: Cohort, split: Split | None = None, *, seed: int = 0) -> Duplicates:
    """Find identical and nearly identical images.

    Parameters
    ----------
    cohort : Cohort
    split : Split, optional
        Adds in which part the images of a pair are.
    seed : int
        Of the random pairs that show how alike unrelated images of this set are; see `near_pairs`.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(cohort)
    image = pd.factorize(cohort.image_hashes)[0]
    first = pd.Series(np.arange(n)).groupby(image).min().to_numpy()  # one of each; factors count in order of appearance
    later = np.flatnonzero(first[image] != np.arange(n))
    near = near_pairs(cohort.images, cohort.rows[first], seed=seed)
    a = np.concatenate([first[image[later]], first[near.i]])
    b = np.concatenate([later, first[near.j]])
    ones = np.ones(len(later))
    pairs = pd.DataFrame(
        {
            "id_a": cohort.ids[a],
            "id_b": cohort.ids[b],
            "kind": ["identical"] * len(later) + ["near"] * len(near),
            "distance": np.concatenate([0 * ones, near.distance]).astype(int),
            "correlation": np.concatenate([ones, near.correlation]),
            "detail": np.concatenate([ones, near.detail]),
            "same_unit": cohort.units[a] == cohort.units[b],
            "same_label": cohort.outcome.same[a] == cohort.outcome.same[b],
            "label_a": cohort.outcome.texts(a),
            "label_b": cohort.outcome.texts(b),
        }
    )
    if split is not None:
        part = split.table.set_index("id")["part"]
        pairs["part_a"] = part.reindex(cohort.ids[a]).to_numpy()
        pairs["part_b"] = part.reindex(cohort.ids[b]).to_numpy()
        pairs["same_part"] = pairs["part_a"] == pairs["part_b"]
    _, component = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    order = ["same_unit", "same_label", "correlation"]
    return Duplicates(pairs.sort_values(order, kind="stable", ignore_index=True), np.asarray(component), near)


def units_with_duplicates(cohort: Cohort, found: Duplicates | None = None) -> Cohort:
    """Return the cohort with one unit for patients (or lesions) that share copies of images.

    Splitting then keeps copies in one part, also where no patient is recorded and a published set repeats pictures.
    Units that are joined are named after the first of them.

    Parameters
    ----------
    cohort : Cohort
    found : Duplicates, optional
        As from `find_duplicates`, which is called if not given.

    Warns
    -----
    Where over ten patients are joined by a chain: chance likenesses are then more likely than copies.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    from everygroup.console import say, warn

    found = find_duplicates(cohort) if found is None else found
    unit, names = pd.factorize(cohort.units)
    n_units, n_sets = len(names), int(found.component.max(initial=-1)) + 1
    edges = coo_matrix((np.ones(len(unit)), (unit, n_units + found.component)), shape=(n_units + n_sets,) * 2)
    joined = connected_components(edges, directed=False)[1][:n_units]
    members = pd.Series(names).groupby(pd.factorize(joined)[0]).agg(["first", "size"])
    largest = int(members["size"].max()) if len(members) else 0
    if largest > _CHAIN:
        warn(f"{largest} patients or lesions were joined into one by a chain of likenesses: look at the pairs.")
    if len(members) < n_units:
        say(f"Units with duplicates: {n_units} patients or lesions became {len(members)}.")
    label = members["first"].where(
        members["size"] == 1, members["first"] + " (+" + (members["size"] - 1).astype(str) + ")"
    )
    return cohort.with_units(label.to_numpy()[pd.factorize(joined)[0]][unit])


def _count(pairs: pd.DataFrame) -> str:
    return "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"


def _named(pairs: pd.DataFrame, *, labels: bool = False) -> str:
    """Return the first pairs by name, in brackets."""
    if pairs.empty:
        return ""
    shown = [
        f"{r.id_a} and {r.id_b}" + (f", {r.label_a} against {r.label_b}" if labels else "")
        for r in pairs.head(_SHOWN).itertuples()
    ]
    return f" ({'; '.join(shown)}{'; ...' if len(pairs) > _SHOWN else ''})"
