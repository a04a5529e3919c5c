"""Before the audit: read the table, answer by a threshold, choose rows, leave groups out that cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from everygroup.console import say, warn
from everygroup.errors import PredictionsError, SettingsError
from everygroup.predictions.columns import VALIDATION_WORDS

if TYPE_CHECKING:
    from everygroup.audit import Audit
    from everygroup.audit.gates import Gate
    from everygroup.metrics.thresholds import Rule, Threshold
    from everygroup.predictions import Predictions
    from everygroup.predictions.metadata import Joined

ALL_SPLITS = "all"
TEST_WORDS = ("test", "testing", "holdout", "external")
MAX_GROUPS = 12


@dataclass(frozen=True)
class Reading:
    """How to read both tables of an audit.

    Attributes
    ----------
    columns : arguments of `Predictions.read`.
    groups : columns of the sensitive attributes; None for those of our own layout.
    bins : rules by column.
    split : which rows; None for the test rows where there are any.
    threshold : rule that answers anew; None to leave the answers.
    """

    columns: dict[str, Any]
    groups: list[str] | None
    bins: dict[str, str]
    split: str | None
    threshold: Rule | None

    def predictions(self, source: Joined) -> Chosen:
        """Read the table that is audited."""
        from everygroup.predictions.reading import read_predictions

        everything = read_predictions(source, groups=self.groups, bins=self.bins, need_groups=True, **self.columns)
        chosen = self._chosen(everything)
        rows = usable(chosen.rows)
        return replace(chosen, rows=rows, absent=absent_groups(everything, rows))

    def baseline(self, path: Path) -> Chosen:
        """Read the table it is compared with: attributes and patients come from the first."""
        from everygroup.predictions import Predictions

        kept = {k: v for k, v in self.columns.items() if k not in ("unit", "metadata", "metadata_id")}
        return self._chosen(Predictions.read(path, **kept))

    def _chosen(self, everything: Predictions) -> Chosen:
        if self.threshold is None:
            return Chosen(choose_split(everything, self.split))
        everything, threshold = answered(everything, self.threshold)
        rows = choose_split(everything, self.split, chosen_on_validation=self.threshold.name != "fixed")
        return Chosen(rows, threshold, rows_that_chose(rows, threshold))


@dataclass(frozen=True)
class Chosen:
    """The rows that are audited, the threshold that answered them, how many chose it, and who has no row there."""

    rows: Predictions
    threshold: Threshold | None = None
    n_chose: int = 0
    absent: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        """What to heed about the threshold, and which groups have no row."""
        if not self.n_chose:
            return list(self.absent)
        return [
            *self.absent,
            f"The threshold was chosen on {self.n_chose} of these {len(self.rows)} rows: the numbers say nothing about "
            "new patients.",
        ]

    @property
    def asked(self) -> dict[str, str]:
        """The splits that are audited and the threshold, in words."""
        t = self.threshold
        if t is None:
            said = "none"
        elif t.rule.startswith("fixed"):
            said = f"{t.value:.4g} (fixed)"
        else:
            said = f"{t.value:.4g} (by {t.rule}, chosen on {t.n} rows of the split {t.split})"
        return {"split": splits_in_words(self.rows.table["split"]), "threshold": said}


def absent_groups(everything: Predictions, rows: Predictions) -> tuple[str, ...]:
    """Groups of the file that none of the audited rows is of, as sentences."""
    from everygroup.audit.partition import no_sample

    found = []
    for name in rows.sensitive:
        here = set(rows.table[name])
        found += [no_sample(name, group) for group in everything.attribute(name)[0] if group not in here]
    return tuple(found)


def splits_in_words(splits: Any) -> str:
    """The splits of some rows."""
    return ", ".join(sorted({str(s) for s in pd.unique(pd.Series(splits, dtype=object)) if s})) or "none named"


def who(result: Audit, source: Joined, reading: Reading) -> dict[str, Any]:
    """Patients, attributes and columns, as the page says them."""
    titles = result.settings.get("titles", {})
    attributes = list(dict.fromkeys(titles.get(a, a) for a in result.table["attribute"]))
    cut = [f"{column} at {rule}" for column, rule in reading.bins.items()]
    columns = {"y_true": "label", "y_pred": "answer", "id": "sample id", "unit": "patient", "split": "split"}
    found: dict[str, Any] = {}
    try:
        from everygroup.predictions.columns import find_columns

        named = {k: reading.columns.get(k) for k in (*columns, "y_score")}
        known = find_columns(source.name, source.columns, source.sample, **named, taken=reading.groups or ())
        found = {word: getattr(known, name) for name, word in columns.items() if getattr(known, name)}
        found |= {"scores": ", ".join(known.scores)} if known.scores else {}
    except PredictionsError:  # not one class a sample: the columns are those that were named
        found = {word: reading.columns[name] for name, word in columns.items() if reading.columns.get(name)}
    patients: Any = result.settings.get("n_clusters", "")
    if "patient" not in found:
        patients = "not named: every sample counts as one"
    return {
        "patients or lesions": patients,
        "attributes": attributes,
        "bins": cut or None,
        "columns": "; ".join(f"{word}: {column}" for word, column in found.items()),
    }


def rows_that_chose(predictions: Predictions, threshold: Threshold) -> int:
    """Number of rows that a threshold was chosen on; none where it was fixed."""
    if threshold.rule.startswith("fixed"):
        return 0
    chose = predictions.table["split"].isin(threshold.split.split(", ")).to_numpy(dtype=bool)
    return int((chose & (predictions.y_true >= 0)).sum())


def named_groups(group: Sequence[str] | None, groups: Sequence[str] | None) -> list[str] | None:
    """Columns of --group (as they are) and of --groups (separated by commas), each once; None without any."""
    listed = [part.strip() for text in groups or () for part in text.split(",")]
    if "" in listed:
        raise SettingsError("--groups holds an empty name.", fix="write --groups sex,age")
    return list(dict.fromkeys([*(group or ()), *listed])) or None


def answered(predictions: Predictions, rule: Rule) -> tuple[Predictions, Threshold]:
    """Answer anew by a threshold that is chosen on validation rows alone, and say which one it is."""
    from everygroup.metrics.thresholds import Rule, apply_threshold, threshold_of

    if not predictions.has_scores:
        raise PredictionsError(
            f"The threshold rule {rule} needs scores, and there are none.", fix="name the scores with --y-score"
        )
    if (rule.split or "").lower() in VALIDATION_WORDS:
        rule = Rule(rule.name, rule.value)  # 'validation' stands for whatever the file calls these rows
    chosen = threshold_of(predictions, rule)
    where = "" if rule.name == "fixed" else f" on {chosen.n} rows of the split {chosen.split!r}"
    achieved = (
        ""
        if rule.name == "fixed"
        else f" (there: sensitivity {chosen.sensitivity:.3f}, specificity {chosen.specificity:.3f})"
    )
    say(
        f"Threshold {chosen.value:.4g} on the score of {predictions.classes[1]!r}, by {rule}{where}{achieved}; "
        "one for every group, and it replaces the answers in the file."
    )
    return apply_threshold(predictions, chosen), chosen


def choose_split(predictions: Predictions, split: str | None, *, chosen_on_validation: bool = False) -> Predictions:
    """Return the rows that are audited: those of the split, or of the test where there is one."""
    mask = rows_of_split(predictions.table["split"].to_numpy(dtype=object), split, chosen_on_validation)
    return predictions if mask is None else predictions.where(mask)


def rows_of_split(
    splits: NDArray[Any], wanted: str | None, chosen_on_validation: bool = False
) -> NDArray[np.bool_] | None:
    """Mask (n,) of the rows that are audited, said aloud where it was not asked for; None for all rows."""
    found = sorted({s for s in pd.unique(pd.Series(splits, dtype=object)) if s})
    if wanted == ALL_SPLITS:
        return None
    if wanted is not None:
        if wanted not in found:
            raise PredictionsError(
                f"No row has the split {wanted!r}.", fix=f"the splits are: {', '.join(found) or 'none'}"
            )
        return splits == wanted
    test = next((s for word in TEST_WORDS for s in found if s.lower() == word), None)
    if test is not None and len(found) > 1:
        say(f"Auditing the rows of split {test!r} (--split all for everything).")
        return splits == test
    seen = [s for s in found if s.lower() in VALIDATION_WORDS]
    if chosen_on_validation and seen and len(found) > len(seen):
        say(f"The rows of split {', '.join(map(repr, seen))} chose the threshold and are left out.")
        return ~np.isin(splits.astype(str), seen)
    return None


def usable(predictions: Predictions) -> Predictions:
    """Leave attributes out that cannot be compared, each with the reason; stop where nothing is left, or one class."""
    known = predictions.y_true >= 0
    if not known.any():
        raise PredictionsError(
            f"No row has a label: y_true is empty in all {len(predictions)} rows, so nothing can be measured.",
            fix="add the labels, or name their column with --y-true",
        )
    labels = np.unique(predictions.y_true[known])
    if labels.size == 1:
        raise PredictionsError(
            f"All {int(known.sum())} rows with a known label are of the class {predictions.classes[labels[0]]!r}.",
            fix="name the label with --y-true, or choose other rows with --split",
        )
    wanted = [*(("group",) if predictions.groups else ()), *predictions.sensitive]
    kept = comparable({name: predictions.attribute(name)[1][known] for name in wanted})
    if len(kept) == len(wanted):
        return predictions
    left = tuple(name for name in predictions.sensitive if name in kept)
    return replace(predictions, sensitive=left, groups=predictions.groups if "group" in kept else ())


def comparable(attributes: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Names of the attributes, (n,) indices with -1 for missing, that can be compared; the others are warned of."""
    reasons = {name: reason for name, index in attributes.items() if (reason := _why_not(index))}
    for name, reason in reasons.items():
        warn(f"{name} is left out: {reason}.")
    if reasons and len(reasons) == len(attributes):
        told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise PredictionsError(
            f"No sensitive attribute can be audited ({told}).",
            fix="name another column with --group, or make groups of its values with --bins COLUMN=RULE",
        )
    return [name for name in attributes if name not in reasons]


def _why_not(index: NDArray[np.int64]) -> str:
    """Why an attribute cannot be compared; empty where it can."""
    present, n = np.unique(index[index >= 0]).size, index.size
    if present == 0:
        return "it has no value in any row"
    if present == 1:
        return "all rows with a value are of one group"
    if present > MAX_GROUPS:
        an_id = " (is it an id?)" if present > 0.5 * n else ""
        return f"it has {present:,} different values in {n:,} rows{an_id}; make groups of them with --bins"
    return ""


def wanted_metrics(names: Sequence[str] | None, limits: Sequence[Gate], predictions: Predictions) -> Any:
    """The metrics asked for, with those that a gate looks at; 'standard' and 'all' stand alone."""
    from everygroup.audit.choice import choose
    from everygroup.audit.gates import meanings
    from everygroup.metrics import list_metrics, metric_info

    listed = [part.strip() for text in names or ("standard",) for part in text.split(",")]
    if "" in listed:
        raise SettingsError("--metrics holds an empty name.", fix="write --metrics accuracy,macro_f1")
    asked: Any = listed[0] if len(listed) == 1 and listed[0] in ("standard", "all") else listed
    shown = choose(asked, predictions.classes, scores=predictions.has_scores).shown
    more = []
    for metric in dict.fromkeys(gate.metric for gate in limits):
        known = [name for name in meanings(metric) if name in list_metrics()]
        if set(meanings(metric)) & set(shown) or (known and metric_info(known[0]).kind == "gap"):
            continue
        # of more than two classes a bare rate is their average
        averages = [name for name in known if name.startswith("macro_") and len(predictions.classes) > 2]
        more.append(averages[0] if averages else metric)
    return [*shown, *more] if more else asked
