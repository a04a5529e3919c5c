"""Read predictions from files: our own layout, or anybody's with the columns named or guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import GroupRule
from everygroup.console import say, warn
from everygroup.errors import PredictionsError
from everygroup.predictions._checks import LEADING, SCORE, TRAILING
from everygroup.predictions._coding import categories, class_order
from everygroup.predictions.columns import Columns, columns_are, find_columns, group_candidates, require
from everygroup.predictions.metadata import Joined, join
from everygroup.predictions.predictions import Predictions
from everygroup.tables import Problems, open_table, settle_labels
from everygroup.tables.guard import unguard


def read_predictions(
    path: Path | Joined,
    *,
    y_true: str | None = None,
    y_pred: str | None = None,
    y_score: str | Sequence[str] | None = None,
    groups: Sequence[str] | str | None = None,
    bins: Mapping[str, Any] | None = None,
    id: str | None = None,
    unit: str | None = None,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
    model: str = "",
    metadata: Path | str | None = None,
    metadata_id: str | None = None,
    need_groups: bool = False,
) -> Predictions:
    """Read a table of predictions.

    Parameters
    ----------
    path : CSV or parquet file with named columns, or a run folder, or one that is open already; row numbers in
        messages are lines of a CSV file.
    y_true, y_pred : columns of the label and the answer.
    y_score : one score column per class: their names, or a pattern such as 'score_*' whose '*' is the class; a single
        column holds the score of the second of two classes.
    groups : columns of the sensitive attributes; all further columns in our own layout.
    bins : how to bin them, as in ``{"age": "40,60"}``.
    id, unit, split : columns of the sample id, the patient or lesion, and the split.
    classes : class names in order; found in the file when not given.
    positive : of two classes the one that a single score column speaks of, and that rates count as positive; the
        second in order when not given.
    model : name of the model, where the file does not say.
    metadata, metadata_id : another table with further columns, and its column that identifies rows of the first.
    need_groups : whether it is an error, which lists the columns to choose from, to name no sensitive attribute.

    What is not named is guessed from the column names, and every guess is said on the console.

    Raises
    ------
    PredictionsError
        For a file that cannot be read, missing columns, labels outside the classes or scores that are no
        probabilities, naming row and column.
    CohortError
        For values that the bins cannot take.
    """
    joined = path if isinstance(path, Joined) else join(open_table(path), metadata, metadata_id, id)
    names = [groups] if isinstance(groups, str) else list(dict.fromkeys(groups or ()))
    for column in (*names, *(bins or {})):
        require(joined.name, joined.columns, column)
    found = find_columns(
        joined.name,
        joined.columns,
        joined.sample,
        y_true=y_true,
        y_pred=y_pred,
        y_score=y_score,
        id=id,
        unit=unit,
        split=split,
        taken=names,
    )
    for sentence in found.guessed:
        say(f"{joined.name}: {sentence}")
    if found.own and groups is None:
        names = [c for c in joined.columns if c not in (*LEADING, *TRAILING) and not c.startswith(SCORE)]
    if need_groups and not names and not found.own:
        raise _no_groups(joined, found)
    if stray := sorted(set(bins or {}) - set(names)):
        raise PredictionsError(
            f"Bins for {stray[0]!r}, which is no sensitive attribute.", fix=f"add --group {stray[0]}"
        )
    rule = GroupRule.make(names, bins)
    table = _needed(joined, found, rule, classes)
    return _build(joined, table, found, rule, classes, positive, model)


def _no_groups(joined: Joined, found: Columns) -> PredictionsError:
    """Ask for a sensitive attribute: which columns could be one is said, which one is meant is not guessed."""
    taken = [found.y_true, found.y_pred, found.id, found.unit, found.split, *found.scores]
    candidates = group_candidates(joined.sample, [c for c in taken if c is not None])
    could = f"columns that could be: {'; '.join(candidates)}" if candidates else columns_are(joined.columns)
    return PredictionsError(
        f"{joined.name}: there is no sensitive attribute to audit.", fix=f"name at least one with --group; {could}"
    )


def _needed(joined: Joined, found: Columns, rule: GroupRule, classes: Sequence[str] | None) -> pd.DataFrame:
    """Read the columns that are used, and no other; texts that we guarded ourselves are as they were."""
    columns = [found.y_true, found.y_pred, found.id, found.unit, found.split, *rule.attributes, *found.scores]
    wanted = {c for c in columns if c is not None} | ({"group", "route", "model"} if found.own else set())
    if found.own:
        joined = joined.spelled(joined.first.spelling.as_written())
    labels = [c for c in (found.y_true, found.y_pred) if c is not None]
    table = joined.read(
        wanted,
        numbers=found.scores,
        texts=[c for c in (found.id, found.unit) if c is not None],
        labels=labels,
        known={name: binning.members for name, binning in rule.bins.items()},
    )
    problems = Problems(joined.name)
    settle_labels(table, labels, classes or found.score_classes or (), joined.first.spelling, problems)
    problems.raise_if_any()
    if found.own:
        for name in table.columns:
            if isinstance(table[name].dtype, pd.CategoricalDtype):
                given = table[name].cat.categories
                plain = [unguard(str(v)) for v in given]
                if len(set(plain)) == len(plain):
                    table[name] = table[name].cat.rename_categories(plain)
            elif pd.api.types.is_string_dtype(table[name].dtype) and table[name].str.startswith("'").any():
                table[name] = table[name].map(unguard)
    return table


def _build(
    joined: Joined,
    table: pd.DataFrame,
    found: Columns,
    rule: GroupRule,
    classes: Sequence[str] | None,
    positive: str | None,
    model: str,
) -> Predictions:
    labels = [table[c] for c in (found.y_true, found.y_pred) if c is not None]
    scores = table[list(found.scores)].to_numpy(np.float64) if found.scores else None
    if classes is None:
        classes = found.score_classes or class_order({name for column in labels for name in categories(column)[1]})
    classes = _positive_last(tuple(classes), positive)
    for name in (c for i, c in enumerate(classes) if c.casefold() in {d.casefold() for d in classes[:i]}):
        twin = next(c for c in classes if c.casefold() == name.casefold())
        warn(f"{joined.name}: the classes {twin!r} and {name!r} differ only in case: are they one class?")
    if found.scores and found.score_classes and set(classes) == set(found.score_classes) and scores is not None:
        scores = scores[:, [found.score_classes.index(c) for c in classes]]
    if scores is not None and scores.shape[1] == 1:
        scores = scores[:, 0]
        if len(classes) == 2:
            say(
                f"{joined.name}: {found.scores[0]!r} is taken as the probability of {classes[1]!r} (of {classes[0]!r} "
                f"and {classes[1]!r}; --positive names the other)."
            )

    def cells(column: str | None) -> Any:
        return None if column is None else table[column]

    if found.id is not None:
        _check_ids(joined, table, found)
    return Predictions.from_arrays(
        table[found.y_true],
        scores,
        y_pred=cells(found.y_pred),
        classes=classes,
        sensitive_features={name: attribute_values(rule, table, name) for name in rule.attributes},
        group=cells("group") if found.own else None,
        ids=cells(found.id),
        units=cells(found.unit),
        split="" if found.split is None else table[found.split],
        route=table["route"] if found.own else "",
        model=table["model"] if found.own else model,
        _rows=joined.place,
    )


def attribute_values(rule: GroupRule, table: pd.DataFrame, name: str) -> Any:
    """(Binned) categories of one attribute."""
    return rule.values(table, name) if name in rule.bins else table[name]


def _positive_last(classes: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
    if positive is None or not classes:
        return classes
    if positive not in classes or len(classes) != 2:
        raise PredictionsError(
            f"The positive class {positive!r} is not one of two classes.", fix=f"the classes are: {', '.join(classes)}"
        )
    return (*(c for c in classes if c != positive), positive)


def _check_ids(joined: Joined, table: pd.DataFrame, found: Columns) -> None:
    """A sample may stand in one row of each split (and model) only."""
    ids = table[found.id]
    if ids.is_unique:
        return
    keys = [c for c in (found.id, found.split, "model" if found.own else None) if c is not None]
    double = (table[keys] if len(keys) > 1 else ids).duplicated(keep=False).to_numpy()
    double = double & ids.astype(str).str.strip().ne("").to_numpy(dtype=bool)
    if double.any():
        first = int(double.argmax())
        rows = np.flatnonzero(double & (ids == ids.iloc[first]).to_numpy())[:3]
        places = [joined.place(int(row)).rpartition(" ")[2] for row in rows]
        raise PredictionsError(
            f"{joined.name}: the id {str(ids.iloc[first])!r} stands in several rows ({', '.join(places)}).",
            fix="keep one row a sample; a column of patients is named with --cluster, not --id-column",
        )
