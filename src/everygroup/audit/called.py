"""What classes are called where people read of them: classes that say no more than no and yes go by their column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from everygroup.predictions.polarity import is_yes_no, signs, words

_GENERIC = words(
    "y yt true truth label labels target targets class classes classe klasse diagnosis diagnose diagnostic "
    "diagnoses dx outcome outcomes result results ergebnis finding findings befund ground gt gold standard "
    "reference ref actual observed response status state event category binary bin code coded flag value has "
    "is case cases positive pos answer ziel zielvariable var column col test final the of at"
)
"""Words in names of columns that do not say what the disease is."""


def disease_of(column: str) -> str:
    """Return the disease that a column of labels is called after; empty where its name is a general word.

    Examples
    --------
    >>> disease_of("melanoma"), disease_of("has_pleural_effusion"), disease_of("y_true"), disease_of("dx")
    ('melanoma', 'pleural effusion', '', '')
    """
    parts = [w for w in re.split(r"[\s_.\-/]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", column.strip())) if w]

    def general(word: str) -> bool:
        return word.lower() in _GENERIC or word.isdigit()

    while parts and general(parts[0]):
        parts.pop(0)
    while parts and general(parts[-1]):
        parts.pop()
    return " ".join(parts)


def called(classes: Sequence[str], column: str) -> dict[str, str]:
    """Return what two classes are called that only say no and yes; nothing where their names or no column tell.

    Parameters
    ----------
    classes : the names, as they are stored.
    column : of the labels.

    Examples
    --------
    >>> called(["0", "1"], "melanoma"), called(["0", "1"], "label"), called(["benign", "malignant"], "tumour")
    ({'0': 'no melanoma', '1': 'melanoma'}, {}, {})
    """
    disease = disease_of(column)
    if len(classes) != 2 or not disease or not is_yes_no(classes):
        return {}
    found = signs(classes)
    return {c: disease if found[c] == 1 else f"no {disease}" for c in classes}


def called_in(settings: Mapping[str, Any]) -> dict[str, str]:
    """The same for the classes of an audit."""
    return called([str(c) for c in settings.get("classes", ())], str(settings.get("label") or ""))


def named(rows: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return rows of an audit with classes as they are called: in `label`, and wherever 'recall[1]' is written."""
    changed: dict[str, Any] = {}
    if names and "label" in rows:
        changed["label"] = rows["label"].map(lambda value: names.get(str(value), value))
    for column in ("metric", "quantity", "note") if names else ():
        if column in rows:
            changed[column] = rows[column].map(lambda value: named_metric(value, names))
    return rows.assign(**changed) if changed else rows


def named_metric(text: Any, names: Mapping[str, str]) -> Any:
    """Return a text with the classes in brackets behind a metric as they are called."""
    if not isinstance(text, str) or "[" not in text:
        return text
    return _BRACKETS.sub(lambda found: f"[{names.get(found[1], found[1])}]", text)


_BRACKETS = re.compile(r"(?<=\w)\[([^\[\]]*)\]")


def named_settings(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of an audit with its classes as they are called."""
    made = dict(settings)
    for key in ("positive", "classes", "headline", "shown") if names else ():
        if isinstance(value := made.get(key), str):
            made[key] = names.get(value, named_metric(value, names))
        elif value is not None:
            made[key] = [names.get(str(v), named_metric(v, names)) for v in value]
    return made
