"""Which column of anybody's table is what: named by the user, or guessed from its name and said aloud."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category, missing_column
from everygroup.errors import PredictionsError
from everygroup.predictions._checks import LEADING, SCORE, TRAILING
from everygroup.tables.numbers import marks, values

TRUE_NAMES = (
    *("y_true", "true_label", "true_class", "truth", "ground_truth", "groundtruth", "gt", "label", "labels", "target"),
    *("targets", "true", "actual", "reference", "diagnosis", "dx", "y"),
)
PRED_NAMES = (
    *("y_pred", "pred_label", "predicted_label", "predicted_class", "prediction", "predictions", "predicted", "pred"),
    *("answer", "y_hat", "yhat", "output"),
)
SCORE_PREFIXES = ("score_", "scores_", "y_score_", "prob_", "probs_", "proba_", "probability_", "softmax_", "p_")
SCORE_NAMES = ("y_score", "score", "y_prob", "y_proba", "prob", "proba", "probability", "risk", "confidence", "p")
UNIT_NAMES = (
    *("unit", "patient_id", "patientid", "patient", "subject_id", "subjectid", "subject", "participant_id"),
    *("participant", "person_id", "case_id", "lesion_id", "lesion"),
)
ID_NAMES = (
    "id",
    "sample_id",
    "image_id",
    "img_id",
    "isic_id",
    "image",
    "filename",
    "file_name",
    "file",
    "path",
    "md5hash",
)
SPLIT_NAMES = ("split", "subset", "partition", "data_split", "dataset_split", "set", "part", "fold")
MAX_GROUP_VALUES = 12


@dataclass(frozen=True)
class Answers:
    """The columns of a classifier's labels and answers.

    Attributes
    ----------
    y_true, y_pred : column names; no answer where there are scores alone.
    scores : score columns, in order.
    score_classes : their classes; None where the names do not tell (one column).
    guessed : sentences about what was guessed, by 'label', 'answer' or 'scores'.
    """

    y_true: str
    y_pred: str | None
    scores: tuple[str, ...] = ()
    score_classes: tuple[str, ...] | None = None
    guessed: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        """All of them."""
        return {self.y_true, *self.scores, *(() if self.y_pred is None else (self.y_pred,))}


def is_own(columns: Sequence[str]) -> bool:
    """Whether a table has everygroup's own layout."""
    return {*LEADING, *TRAILING} <= set(columns)


def find_answers(
    name: str,
    columns: Sequence[str],
    sample: pd.DataFrame,
    *,
    y_true: str | None = None,
    y_pred: str | None = None,
    y_score: str | Sequence[str] | None = None,
    taken: Iterable[str] = (),
) -> Answers:
    """Find the columns of a classifier's table.

    Parameters
    ----------
    name : of the file, for messages.
    columns, sample : column names and first rows as text.
    y_true, y_pred, y_score : as the user named them.
    taken : columns that the user named for something else (groups, ids), never guessed.

    Raises
    ------
    PredictionsError
        For a named column that is not there, or where neither label nor answer nor score is found.
    """
    own = is_own(columns)
    for wanted in (y_true, y_pred):
        if wanted is not None:
            require(name, columns, wanted)
    used = {c for c in (y_true, y_pred, *taken) if c is not None}
    said: dict[str, str] = {}

    def guess(wanted: str | None, names: Sequence[str], what: str, option: str) -> str | None:
        if wanted is not None:
            return wanted
        if own:
            return names[0]
        found = named_like(columns, names, used)
        if found is not None:
            used.add(found)
            if found != names[0]:
                said[what] = f"{what}: column {found!r} ({option} to name another)."
        return found

    label = guess(y_true, TRUE_NAMES, "label", "--y-true")
    chosen = y_score if y_score is not None else _guess_scores(columns, sample, label, used, own)
    scores, classes = score_columns(name, columns, chosen) if chosen is not None else ([], None)
    if y_score is None and scores and not scores[0].startswith(SCORE):
        said["scores"] = f"scores: {listed(scores)} (--y-score to name others)."
    used |= set(scores)
    # with scores named, only a column that says so outright overrules the largest score
    names = PRED_NAMES if y_score is None else PRED_NAMES[:1]
    answer = guess(y_pred, names, "answer", "--y-pred")
    if answer is not None and label is not None and not scores and _is_score(sample, label, answer):
        if y_pred is not None:
            raise PredictionsError(
                f"{name}: {answer!r} holds measured numbers and {label!r} two classes: these are scores, no answers.",
                fix=f"name it with --y-score {answer} in place of --y-pred",
            )
        said["scores"] = f"{answer!r} holds a score, no answers: it is read as --y-score {answer}."
        scores, answer = [answer], None
    if answer is None and not scores:
        raise PredictionsError(
            f"{name} has no column 'y_pred' and no 'score_*'.",
            fix=f"name the answer with --y-pred or the scores with --y-score; {columns_are(columns)}",
        )
    if label is None:
        raise PredictionsError(
            f"{name} has no column 'y_true'.", fix=f"name the label with --y-true; {columns_are(columns)}"
        )
    return Answers(label, answer, tuple(scores), classes, said)


def as_numbers(column: pd.Series) -> np.ndarray:
    """(n,) texts as numbers, with a point or a comma, with or without '%'; NaN where they are none."""
    codes, distinct = pd.factorize(np.asarray(column, dtype=object))
    plain = [str(v).strip().rstrip("%").strip() for v in distinct]
    numbers = pd.to_numeric(pd.Series([t.replace(",", ".") for t in plain], dtype=object), errors="coerce")
    found = numbers.to_numpy(float, copy=True)
    proven = marks(plain)
    if len(proven) == 1:  # 1.234,5 proves that 1.234 beside it is 1234
        read = values(plain, proven.pop())
        found = np.where(np.isnan(read), found, read)
    return np.append(found, np.nan)[codes]


def _is_score(sample: pd.DataFrame, label: str, answer: str) -> bool:
    """Whether an answer is a score: many numbers, where the labels are two classes."""
    labels = {v for v in map(as_category, sample[label].unique()) if v is not None}
    numbers = as_numbers(sample[answer])
    known = numbers[np.isfinite(numbers)]
    return (
        len(labels) <= 2
        and known.size > 0.9 * len(sample)
        and np.unique(known).size > 2
        and bool((known % 1 != 0).any())
    )


def require(name: str, columns: Sequence[str], wanted: str) -> None:
    """Raise if a column is not there, with the nearest name."""
    if wanted not in columns:
        error = missing_column(wanted, columns, name)
        raise PredictionsError(error.message, fix=error.fix)


def group_candidates(sample: pd.DataFrame, taken: Iterable[str]) -> list[str]:
    """Columns that could be sensitive attributes, each with what it holds: few values, or numbers to be cut.

    Parameters
    ----------
    sample : first rows as text; taken : columns that are something else.
    """
    found = []
    for column in sample.columns:
        if column in set(taken):
            continue
        values = sorted({v for v in map(as_category, sample[column].unique()) if v is not None})
        numbers = pd.to_numeric(pd.Series(values, dtype=str), errors="coerce")
        if 2 <= len(values) <= MAX_GROUP_VALUES:
            found.append(f"{column} ({', '.join(values[:4])}{', ...' if len(values) > 4 else ''})")
        elif len(values) > MAX_GROUP_VALUES and numbers.notna().all() and len(values) < 0.5 * len(sample) + 50:
            found.append(f"{column} (numbers {numbers.min():g} to {numbers.max():g}: give --bins {column}=...)")
    return found


def score_columns(
    name: str, columns: Sequence[str], wanted: str | Sequence[str]
) -> tuple[list[str], tuple[str, ...] | None]:
    """Score columns, and the class names if the column names tell them.

    Parameters
    ----------
    wanted : column names, or patterns such as 'score_*' whose '*' is the class.
    """
    patterns = [wanted] if isinstance(wanted, str) else list(wanted)
    found: list[str] = []
    classes: list[str] = []
    for pattern in patterns:
        if pattern in columns or "*" not in pattern:
            require(name, columns, pattern)
            if pattern in found:
                raise PredictionsError(f"The score column {pattern!r} is named twice.", fix="name every column once")
            found.append(pattern)
            classes.append(pattern)
            continue
        before, _, after = pattern.partition("*")
        for column in columns:
            if (
                fnmatchcase(column, before.replace("[", "[[]") + "*" + after.replace("[", "[[]"))
                and column not in found
            ):
                found.append(column)
                classes.append(column[len(before) : len(column) - len(after)])
    if not found:
        raise PredictionsError(
            f"No column of {name} matches {', '.join(map(repr, patterns))}.", fix=columns_are(columns)
        )
    if len(found) < 2:
        return found, None
    if not any("*" in p for p in patterns):
        # 'prob_mel', 'prob_nv': what the names have in common at their front is not the class
        common = _common_start(classes)
        shared = common[: max(common.rfind("_"), common.rfind("."), common.rfind(" ")) + 1]
        classes = [c[len(shared) :] for c in classes]
    return found, tuple(classes)


def listed(names: Sequence[str]) -> str:
    """Some names as text: the first six."""
    return ", ".join(map(repr, names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def few(names: Sequence[str]) -> str:
    """Some names for a summary: the first three."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def columns_are(columns: Sequence[Any]) -> str:
    """For messages."""
    shown = ", ".join(map(str, columns[:30]))
    return f"the columns are: {shown}{', ...' if len(columns) > 30 else ''}"


def normal(name: str) -> str:
    """A column name without case, spaces, dots and hyphens."""
    return re.sub(r"[\s.\-]+", "_", name.strip().lower())


def named_like(columns: Sequence[str], names: Sequence[str], used: set[str]) -> str | None:
    """The column that bears the likeliest of some names, in any case; None without one."""
    by_name = {normal(c): c for c in reversed(columns) if c not in used}
    return next((by_name[n] for n in names if n in by_name), None)


def _guess_scores(
    columns: Sequence[str], sample: pd.DataFrame, label: str | None, used: set[str], own: bool
) -> list[str] | str | None:
    """Score columns that are named like scores and whose classes are the labels; or one column for two classes."""
    if any(c.startswith(SCORE) for c in columns) and (own or not _conflicts(columns, used)):
        return f"{SCORE}*"
    if own or label is None:
        return None
    labels = {v for v in map(as_category, sample[label].unique()) if v is not None}
    lower = {v.casefold() for v in labels}
    for prefix in SCORE_PREFIXES:
        found = {c[len(prefix) :]: c for c in columns if normal(c).startswith(prefix) and c not in used}
        classes = {as_category(k) or k for k in found}
        if len(found) >= 2 and labels <= classes:
            return list(found.values())
        # scores of two of the labels are meant as scores: a label without one is said as an error, not passed over
        if len({k.casefold() for k in classes} & lower) >= 2:
            return list(found.values())
        # so are those numbered from 0 as classes are
        if prefix != "p_" and len(found) == len(labels) >= 2 and classes == {str(k) for k in range(len(found))}:
            return list(found.values())
        # and the only one, that of one of two labels
        if len(labels) == 2 and len(found) == 1 and {k.casefold() for k in classes} <= lower:
            return list(found.values())
    single = named_like(columns, SCORE_NAMES, used)
    two = len(labels) == 2 or labels == {"-1", "0", "1"}  # -1 is refused with its rows later
    if single is not None and two and np.isfinite(as_numbers(sample[single])).mean() > 0.5:
        return single
    return None


def _conflicts(columns: Sequence[str], used: set[str]) -> bool:
    return any(c in used for c in columns if c.startswith(SCORE))


def with_prefix(columns: Sequence[str], prefixes: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The first prefix that several columns share, and these columns by the rest of their names."""
    for prefix in prefixes:
        found = {c[len(prefix) :]: c for c in columns if c.lower().startswith(prefix) and len(c) > len(prefix)}
        if len(found) > 1:
            return prefix, found
    return "", {}


def _common_start(names: Sequence[str]) -> str:
    """The characters that all names begin with."""
    first, last = min(names), max(names)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
