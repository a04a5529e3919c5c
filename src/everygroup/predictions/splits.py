"""Split words: which of training, validation or test a value of a split column means, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.predictions.polarity import is_yes_no

Role = Literal["train", "validation", "test"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEST = _words(
    "test tests testing tst testset testdaten holdout heldout hold held external extern externe eval evaluation "
    "evaluierung prüfung prueba"
)
_VALIDATION = _words(
    "validation valid val vali valset validierung validate dev development tune tuning tuned abstimmung"
)
_TRAIN = _words("train training trn tr trainset lern lernen entrenamiento apprentissage fit fitting")
_FILLERS = _words("set data daten split internal intern interne out public private fold cohort rows part")
_COMPOUND = re.compile(r"s?(daten|datensatz|satz|set|menge|data|split|part|cohort|kohorte)$")
"""What is written together with a split word: 'Trainingsdaten', 'testset'."""
MOST_SPLITS = 12


def role(word: Any) -> Role | None:
    """What a split word means; None where it is not understood.

    Examples
    --------
    >>> role("TEST_internal"), role("hold-out"), role("external validation"), role("Trainingsdaten"), role("2")
    ('test', 'test', 'test', 'train', None)
    """
    tokens = [t for t in re.split(r"[^a-zäöüßé]+", str(word).strip().lower()) if t]
    known = [_COMPOUND.sub("", t) or t for t in tokens if t not in _FILLERS]
    if not known or not set(known) <= _TEST | _VALIDATION | _TRAIN:
        return None
    # rows held out from everything are test rows whatever else their name says ('external validation')
    if set(known) & _TEST:
        return "test"
    return "validation" if set(known) & _VALIDATION else "train"


def roles(words: Iterable[Any]) -> dict[str, Role | None]:
    """What the split words of one table mean; beside other validation rows 'development' means training."""
    found: dict[str, Role | None] = {str(w): role(w) for w in words if str(w).strip()}
    validation = [w for w, r in found.items() if r == "validation"]
    developing = [w for w in validation if re.match(r"dev", w.strip().lower())]
    if len(developing) < len(validation) and "train" not in found.values():
        found |= dict.fromkeys(developing, "train")
    return found


def tells_of_split(column: str, words: Iterable[Any]) -> bool:
    """Whether a column says of each row whether it is of one split: 'is_test' or 'in_train' with yes and no.

    Examples
    --------
    >>> tells_of_split("is_test", ["0", "1"]), tells_of_split("in_train", ["False", "True"])
    (True, True)
    >>> tells_of_split("test", ["0", "1", "2"]), tells_of_split("test_result", ["0", "1"])
    (False, False)
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return role(re.sub(r"^(?:is|in|for|used)[_ .]+", "", name, flags=re.IGNORECASE)) is not None and (
        is_yes_no([w for w in {str(v).strip() for v in words} if w])
    )


def has_role(splits: Any, wanted: Role) -> NDArray[np.bool_]:
    """(n,) whether each split word has this role in its table."""
    codes, words = pd.factorize(np.asarray(splits, dtype=object))
    meaning = roles(words)
    return np.array([*(meaning.get(str(w)) == wanted for w in words), False], dtype=bool)[codes]


def speaks_of_splits(values: Iterable[Any], *, all_of_them: bool) -> bool:
    """Whether a column names training, validation or test rows: with one word, or with all words and two meanings."""
    words = {str(v).strip() for v in values} - {""}
    meanings = [role(w) for w in words]
    if not words or len(words) > MOST_SPLITS:
        return False
    return None not in meanings and len(set(meanings)) > 1 if all_of_them else any(m is not None for m in meanings)
