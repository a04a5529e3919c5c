"""Read the rows of anybody's table: ids, patients, splits and groups, found by behaviour and by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.cohort.groups import Binning, GroupRule
from everygroup.console import detail, say, warn
from everygroup.errors import PredictionsError
from everygroup.predictions._checks import LEADING, SCORE, TRAILING
from everygroup.predictions._coding import category_column, text_column, unit_column
from everygroup.predictions.columns import (
    ID_NAMES,
    SPLIT_NAMES,
    UNIT_NAMES,
    as_numbers,
    columns_are,
    group_candidates,
    is_own,
    listed,
    named_like,
    require,
)
from everygroup.predictions.metadata import Joined
from everygroup.predictions.rows import Rows
from everygroup.predictions.splits import MOST_SPLITS, speaks_of_splits, tells_of_split
from everygroup.predictions.table_reading import NO_CLUSTER, TableReading
from everygroup.tables import Problems, settle_labels
from everygroup.tables.codings import tell_codings
from everygroup.tables.dates import visit_columns
from everygroup.tables.guard import unguard
from everygroup.tables.unknown import tell_one_for_many, tell_unknown, tell_unknown_numbers


def read_rows(
    joined: Joined,
    reading: TableReading,
    *,
    numbers: Collection[str] = (),
    shares: bool = True,
    texts: Collection[str] = (),
    classes: Iterable[str] = (),
    need_groups: bool = False,
) -> Rows:
    """Read the rows of a table, with the columns that hold what was predicted.

    Parameters
    ----------
    joined : the table; reading : how it is read.
    numbers, texts : columns of measured numbers and of labels or answers; classes : names that are known to be classes.
    shares : whether numbers with a percent sign are shares, so that 40 % is 0.4; an outcome in per cent stays 40.
    need_groups : whether it is an error, which lists the columns to choose from, to name no sensitive attribute.

    Raises
    ------
    PredictionsError
        For missing columns, cells that are no numbers, and ids that stand in several rows.
    CohortError
        For values that the bins cannot take.
    """
    own, names = is_own(joined.columns), reading.attributes
    for column in (*names, *reading.bins, *numbers, *texts, *reading.named, *reading.beside):
        require(joined.name, joined.columns, column)
    if own and reading.groups is None:
        others = (*LEADING, *TRAILING, *reading.beside)
        names = [c for c in joined.columns if c not in others and not c.startswith(SCORE)]
    used = {*numbers, *texts, *names}
    unit = reading.cluster or ("unit" if own else named_like(joined.columns, UNIT_NAMES, used))
    unit = None if unit == NO_CLUSTER else unit
    used |= {unit} if unit else set()
    id = reading.id_column or ("id" if own else named_like(joined.columns, ID_NAMES, used))
    used |= {id} if id else set()
    used |= visit_columns(joined.sample, [name for name in reading.bins if name in joined.sample])
    split = reading.split_column or ("split" if own else find_split(joined, used))
    if need_groups and not names and not own:
        raise _no_groups(joined, {c for c in (*used, split) if c is not None})
    if stray := sorted(set(reading.bins) - {*names, *reading.beside}):
        raise PredictionsError(
            f"Bins for {stray[0]!r}, which is no sensitive attribute.", fix=f"add --group {stray[0]}"
        )
    more = [*(("group", "route", "model") if own else ()), *(c for c in (split,) if c is not None)]
    plain = [c for c in (id, unit) if c is not None]
    cut = [*names, *(c for c in reading.beside if c in reading.bins and c not in names)]
    rule = GroupRule.make(cut, reading.bins) if cut else GroupRule(())
    if own:
        joined = joined.spelled(joined.first.spelling.as_written())
    percent = percentages(joined, numbers)
    table = joined.read(
        {*used, *more, *reading.beside},
        numbers=[c for c in numbers if c not in percent],
        texts=plain,
        labels=texts,
        cut=[name for name, binning in rule.bins.items() if binning.cuts],
        known={name: binning.members for name, binning in rule.bins.items()},
    )
    problems = Problems(joined.name)
    settle_labels(table, texts, classes, joined.first.spelling, problems)
    problems.raise_if_any()
    for name in percent:
        table[name] = _percentages(joined, table[name], name) / (100.0 if shares else 1.0)
    if percent:
        kind = "percentages; they are divided by 100" if shares else "percentages, and stay so"
        say(f"{joined.name}: {listed(percent)} are {kind}.")
    if not own:
        tell_unknown_numbers(joined.name, table[[*numbers]])
    if own:
        _unguard(table)
        rule = _as_trained(rule, table, names)
    for remark in rule.remarks(table):
        warn(remark)
    as_they_are = table[[c for c in names if c not in rule.bins]]
    tell_codings(as_they_are)
    if not own:
        tell_unknown(as_they_are)
        if unit is not None:
            tell_one_for_many(joined.name, unit, table[unit], joined.first.spelling)
    if id is not None:
        id, unit = _settled(joined, table, id, unit, split, reading, own=own)
    told = {"id": id, "unit": unit, "split": split}
    columns = {what: column for what, column in told.items() if column is not None}
    given = {"id": reading.id_column, "unit": reading.cluster, "split": reading.split_column}
    for what, column in columns.items():
        word, option = _WHAT[what]
        guessed = not own and given[what] is None
        detail(
            joined.name, f"{word}: column {column!r} ({option} to name another)." if guessed else "", f"{word} {column}"
        )
    n = len(table)
    ids = text_column("ids", np.arange(n) if id is None else table[id], n)
    made = {
        "id": ids,
        "unit": unit_column(ids, None if unit is None else table[unit]),
        "split": text_column("split", "" if split is None else table[split], n),
    }
    attributes = tuple(c for c in names if c != "group" or not own)
    for c in attributes:
        made[c] = category_column(c, rule.values(table, c) if c in rule.bins else table[c], n)
    for c in cut:
        if c not in made:
            made[c] = category_column(c, rule.values(table, c), n)
    kept = (*numbers, *texts, *reading.beside, *(("group", "route", "model") if own else ()))
    wanted = {c: table[c] for c in kept if c not in made}
    return Rows(
        joined.name,
        pd.DataFrame(made | wanted),
        attributes,
        columns,
        id is not None,
        np.arange(n),
        joined.place,
    )


def _as_trained(rule: GroupRule, table: pd.DataFrame, names: Sequence[str]) -> GroupRule:
    """The rule with the cuts of the groups used in training, for numbers that new predictions hold as they were."""
    groups = [str(g).split(" & ") for g in table["group"].unique() if str(g)]
    found: dict[str, Any] = {}
    for at, name in enumerate(n for n in names if n != "group"):
        parts = [group[at] for group in groups if at < len(group)]
        cuts = sorted({float(cut) for part in parts for cut in re.findall(r"-?\d+(?:\.\d+)?", part)})
        numbers = as_numbers(table[name][table[name].astype(str) != ""])
        bins = bool(cuts) and all(part in Binning(cuts=tuple(cuts)).names for part in parts)
        if name not in rule.bins and bins and numbers.size and not np.isnan(numbers).any():
            found[name] = Binning(cuts=tuple(cuts))
            say(f"{name!r} is cut at {', '.join(f'{c:g}' for c in cuts)}, as in training (--bins to cut it anew).")
    return GroupRule(rule.attributes, {**rule.bins, **found})


_WHAT = {"id": ("sample id", "--id-column"), "unit": ("patient or lesion", "--cluster")}
_WHAT |= {"split": ("split", "--split-column")}


def _unguard(table: pd.DataFrame) -> None:
    """Let texts that we guarded ourselves be as they were."""
    for name in table.columns:
        if isinstance(table[name].dtype, pd.CategoricalDtype):
            given = table[name].cat.categories
            texts = [unguard(str(v)) for v in given]
            if len(set(texts)) == len(texts):
                table[name] = table[name].cat.rename_categories(texts)
        elif pd.api.types.is_string_dtype(table[name].dtype) and table[name].str.startswith("'").any():
            table[name] = table[name].map(unguard)


def percentages(joined: Joined, columns: Iterable[str]) -> list[str]:
    """The columns whose cells are written with a percent sign."""
    return [c for c in columns if c in joined.sample and joined.sample[c].astype(str).str.contains("%").any()]


def _percentages(joined: Joined, column: pd.Series, name: str) -> NDArray[np.float64]:
    """(n,) numbers of a column of percentages, not divided; every cell must have the sign."""
    texts = column.astype(str).str.strip()
    values = as_numbers(texts)
    wrong = ((texts != "") & (~texts.str.endswith("%") | np.isnan(values))).to_numpy(dtype=bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise PredictionsError(
            f"{joined.place(row)}: {texts.iloc[row]!r} in column {name!r}, where other cells are percentages.",
            fix="write all cells of the column in one unit",
        )
    return values


def find_split(joined: Joined, used: Collection[str]) -> str | None:
    """The column that speaks of training, validation or test rows; one that seems to, but in unknown words, is said."""
    free = [c for c in joined.columns if c not in used]
    sample = joined.sample
    likely = named_like(free, SPLIT_NAMES, set())
    if likely is not None and _speaks(joined, likely, all_of_them=False):
        return likely
    for column in free:
        words = {str(v).strip() for v in sample[column].unique()}
        if speaks_of_splits(words, all_of_them=False) and _speaks(joined, column, all_of_them=True):
            return column
    member = (c for c in free if sample[c].nunique() <= 3 and tells_of_split(c, sample[c].unique()))
    likely = next(member, likely)
    if likely is not None and likely.lower() not in ("set", "part", "fold"):
        counts = joined.read([likely], texts=[likely])[likely].astype(str).value_counts()
        if 2 <= len(counts) <= MOST_SPLITS:
            told = ", ".join(f"{word} ({n:,})" for word, n in sorted(counts.items()) if n)
            warn(
                f"{joined.name}: column {likely!r} holds {told}, and which of them are test rows is not known; "
                f"--split WORD audits one of them, --split all says that all rows are meant."
            )
            return likely
    return None


def _speaks(joined: Joined, column: str, *, all_of_them: bool) -> bool:
    return speaks_of_splits(joined.read([column], texts=[column])[column].astype(str).unique(), all_of_them=all_of_them)


def _settled(
    joined: Joined,
    table: pd.DataFrame,
    id: str,
    unit: str | None,
    split: str | None,
    reading: TableReading,
    *,
    own: bool,
) -> tuple[str | None, str | None]:
    """The columns of ids and of patients, once it is known whether ids repeat.

    A sample may stand in one row of each split (and model) only. Ids that were guessed and repeat more often are
    patients or pictures with several rows: they are the clusters, where no other column is.
    """
    ids = table[id].astype(str).str.strip()
    blank = (ids == "").to_numpy(dtype=bool)
    keys = [ids, *(table[c].astype(str) for c in (split, "model" if own else None) if c is not None)]
    double = pd.concat(keys, axis=1).duplicated(keep=False).to_numpy(dtype=bool) & ~blank
    if not double.any():
        usable = reading.id_column is not None or own or not blank.any()
        return (id if usable else None), unit
    n, several = len(ids) - int(blank.sum()), ids[double].nunique()
    rows = np.flatnonzero(double & (ids == ids[int(double.argmax())]).to_numpy())[:3]
    lines = ", ".join(joined.place(int(row)).rpartition(" ")[2] for row in rows)
    others = f", as do {several - 1:,} other ids" if several > 1 else ""
    told = f"{joined.name}: the {id!r} {ids.iloc[rows[0]]!r} stands in several rows ({lines}){others}"
    if own or reading.id_column is not None:
        raise PredictionsError(
            f"{told}.",
            fix=f"keep one row a sample; where the rows are of one patient or picture, name it: --cluster {id}",
        )
    if unit is None:
        warn(
            f"{told}; rows of one {id!r} are not independent, so that the {n:,} rows count as "
            f"{ids[~blank].nunique():,} in every interval (as with --cluster {id})."
        )
        return None, id
    warn(f"{told}: it identifies no row and is not used; intervals rest on {unit!r}.")
    return None, unit


def _no_groups(joined: Joined, taken: Collection[str]) -> PredictionsError:
    """Ask for a sensitive attribute: which columns could be one is said, which one is meant is not guessed."""
    candidates = group_candidates(joined.sample, taken)
    could = f"columns that could be: {'; '.join(candidates)}" if candidates else columns_are(joined.columns)
    return PredictionsError(
        f"{joined.name}: there is no sensitive attribute to audit.", fix=f"name at least one with --group; {could}"
    )
