"""Which rows of a published set are used, and under which label: known bad records, a user's wish, a label map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.cohort.groups import as_category, missing_column
from everygroup.console import say, warn
from everygroup.datasets.published._adapter import Adapter, LabelMap, Published
from everygroup.datasets.published._registry import adapter_of
from everygroup.errors import CohortError
from everygroup.files import hash_json

LABEL = "label"


@dataclass(frozen=True)
class Chosen:
    """The rows to prepare.

    Attributes
    ----------
    adapter, found, rule
        Where they come from, and the label map used.
    table : DataFrame
        The rows kept, with the column `label`; the index is each row's place in `found.table`.
    left_out : mapping of str to int
        Rows left out, by reason.
    counts : mapping
        Column: value: {'published': n, 'here': n}, for the counts that the set's record gives.
    """

    adapter: Adapter
    found: Published
    rule: LabelMap
    table: pd.DataFrame
    left_out: Mapping[str, int]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]

    def about(self) -> dict[str, Any]:
        """Return what the provenance of a cohort says of the data set."""
        info = self.adapter.info
        return {
            "name": info.name,
            "title": info.title,
            "licence": info.licence,
            "access": info.access,
            "citation": info.citation,
            "label_map": {
                "name": self.rule.name,
                "version": self.rule.version,
                "column": self.rule.column,
                "note": self.rule.note,
                "mapping_hash": hash_json(self.rule.mapping),
            },
            "notes": list(self.found.notes),
            "n_images": {"published": info.n_images, "here": len(self.found.table)},
            "counts": self.counts,
        }


def choose(
    name: str,
    raw: Path,
    *,
    label_map: str | None = None,
    column_map: Mapping[str, str] | None = None,
    leave_out: Sequence[tuple[str, str]] = (),
) -> Chosen:
    """Read a raw folder, leave out what is to be left out, and give every other row its label; say all of it aloud.

    Raises
    ------
    CohortError
        For files, columns or values that are not as documented, or if no row is left.
    SettingsError
        For an unknown data set.
    """
    adapter = adapter_of(name)
    rule = adapter.label_map(label_map)
    found = adapter.read(raw, column_map=column_map)
    table, where = found.table, str(found.path)
    if LABEL in table.columns:
        raise CohortError(
            f"{where}: the table has a column {LABEL!r} of its own.",
            fix=f"rename it, for example with --column-map {LABEL}=original_label",
        )
    say(f"{adapter.info.title}: {len(table)} images in {found.path.name}. Licence: {adapter.info.licence}.")
    for note in found.notes:
        say(f"  {note}.")
    counts = _compare(adapter, table)
    left_out: dict[str, int] = {}
    table = _without_drops(adapter, table, left_out)
    for column, value in leave_out:
        table = _without(table, column, value, where, left_out)
    # Over all rows, so that a message counts as the file does; what is left out already may hold anything.
    values = found.table[rule.column].where(found.table.index.isin(table.index))
    labels = pd.Series(rule.apply(values, where=where), index=found.table.index, dtype=object)
    table = table.assign(**{LABEL: labels})
    table = _labelled(table, rule, left_out)
    if not len(table):
        raise CohortError(f"{where}: no row is left.", fix="choose another --label-map, or leave less out")
    return Chosen(adapter, found, rule, table, left_out, counts)


def _compare(adapter: Adapter, table: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Count as the published record counts; warn where a whole set differs from it."""
    info = adapter.info
    compared, differing = {}, []
    for column, published in info.counts.items():
        here = Counter(as_category(v) for v in table[column])
        compared[column] = {v: {"published": n, "here": here[v]} for v, n in published.items()}
        differing += [f"{column} {v}: {here[v]} for {n}" for v, n in published.items() if here[v] != n]
    if info.n_images is not None and len(table) != info.n_images:
        say(f"  The published set has {info.n_images} images: this is a part of it, more than it, or another release.")
    elif differing:
        warn(f"{info.title}: {len(differing)} counts differ from the published ones: {'; '.join(differing[:5])}.")
    elif compared:
        say(f"  Counts of {', '.join(compared)} are those published.")
    return compared


def _without_drops(adapter: Adapter, table: pd.DataFrame, left_out: dict[str, int]) -> pd.DataFrame:
    bad = table["image_id"].isin(list(adapter.drops))
    for image_id in table.loc[bad, "image_id"]:
        say(f"  {image_id} is left out: {adapter.drops[image_id]}.")
    left_out["known_bad"] = int(bad.sum())
    return table[~bad]


def _without(table: pd.DataFrame, column: str, value: str, where: str, left_out: dict[str, int]) -> pd.DataFrame:
    if column not in table.columns:
        raise missing_column(column, table.columns, where=where)
    wanted = (as_category(value) or "").casefold()
    hit = pd.Series([(as_category(v) or "").casefold() == wanted for v in table[column]], index=table.index)
    if hit.any():
        say(f"  {int(hit.sum())} rows with {column} {value!r} are left out, as asked for.")
    else:
        warn(f"No row has {column} {value!r}: nothing is left out for it.")
    left_out[f"{column}={value}"] = int(hit.sum())
    return table[~hit]


def _labelled(table: pd.DataFrame, rule: LabelMap, left_out: dict[str, int]) -> pd.DataFrame:
    blank = pd.Series([as_category(v) is None for v in table[rule.column]], index=table.index)
    outside = table[LABEL].isna() & ~blank
    if blank.any():
        say(f"  {int(blank.sum())} rows have no {rule.column} and are left out.")
    if outside.any():
        values = Counter(as_category(v) for v in table.loc[outside, rule.column])
        shown = ", ".join(f"{v} {n}" for v, n in values.most_common(8))
        say(f"  {int(outside.sum())} rows are left out by the label map {rule.name!r}: {shown}.")
    left_out["without_label"], left_out["by_label_map"] = int(blank.sum()), int(outside.sum())
    kept = table[~(blank | outside)]
    say(f"  Label map {rule.name!r}, version {rule.version}: {_shares(kept[LABEL])}.")
    return kept


def _shares(labels: pd.Series) -> str:
    counts = labels.value_counts()
    shown = ", ".join(f"{name} {n}" for name, n in counts.head(12).items())
    return f"{shown}, and {len(counts) - 12} more classes" if len(counts) > 12 else shown
