"""The words of an audit: every metric as a harm that is counted, every group and every p as a person says it.

The policy of wording stands here once. A number is told as a frequency before it is told as a rate, a difference before
a ratio; a gap is "unlikely to be chance" or "cannot be told apart from chance", never "significant"; and a smaller gap
is a measured gap that fell, never a model that is fair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everygroup.audit.called import disease_of
from everygroup.errors import SettingsError
from everygroup.metrics import metric_info

LEVEL = 0.05
# What harms a patient more stands first where the evidence is the same.
MISSED, FALSE_ALARM, WRONG, QUALITY, CALIBRATION = range(5)
# Metrics in the unit of what was measured; others have none, or its square.
_MEASURED = ("mae", "rmse", "bias", "hd95")
# Names of classes that do not say what the disease is.
_NAMELESS = frozenset({"", "1", "1.0", "true", "yes", "y", "t", "positive", "pos", "label", "target", "y_true"})
_NEGATIVE = frozenset({"0", "0.0", "false", "no", "n", "f", "negative", "neg"})
_PEOPLE = re.compile(r"sex|gender|geschlecht|race|ethni|ancestry", re.IGNORECASE)
_AGE = re.compile(r"(^|_|\b)(age|alter)(_|\b|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Saying:
    """How the value of a metric is told.

    Attributes
    ----------
    harm : its rank among the harms (`MISSED` first).
    verb, what : 'Misses', 'cases of melanoma'; a number stands between them.
    short : the same as the heading of a column: 'missed cases'.
    counted : whether it is told as so many of 100; otherwise as the value itself.
    turned : whether 1 - value is what harms.
    """

    harm: int
    verb: str
    what: str
    short: str
    counted: bool = True
    turned: bool = False

    def harm_of(self, value: float) -> float:
        """The share that is harmed, of a rate; any other value as it is."""
        return 1.0 - value if self.turned else value

    @property
    def heading(self) -> str:
        """Above a column of numbers: 'missed cases of 100', 'mean error (years)'."""
        if self.counted:
            return f"{self.short} of 100"
        return f"{self.short} ({self.what})" if self.what else self.short

    def number(self, value: float, beside: Sequence[float] = (), *, apart: bool = False) -> str:
        """Write out a value on the scale of those that stand beside it; `apart` keeps different ones different."""
        if math.isnan(value):
            return "undefined"
        if not self.counted:
            return plain_number(value, beside)
        return of_so_many(self.harm_of(value), [self.harm_of(v) for v in beside], apart=apart)

    def sentence(self, value: float, beside: Sequence[float] = (), *, apart: bool = False) -> str:
        """Return 'Misses 21 of 100 cases of melanoma'."""
        return f"{self.verb} {self.number(value, beside, apart=apart)}{' ' if self.what else ''}{self.what}"

    def harmed(self, value: float, low: float, high: float) -> tuple[float, float, float]:
        """Value and interval as so many of 100 that are harmed; of a measured value as they are."""
        if not self.counted:
            return value, low, high
        numbers = [100 * self.harm_of(v) for v in (value, low, high)]
        return (numbers[0], numbers[2], numbers[1]) if self.turned else (numbers[0], numbers[1], numbers[2])

    def with_interval(self, value: float, low: float, high: float, beside: Sequence[float] = ()) -> str:
        """Return '21 (11 to 37)' of a hundred, or '6.8 (5.9 to 7.9)' with the digits of what stands beside it."""
        numbers = self.harmed(value, low, high)
        first, *ends = [f"{v:.0f}" if self.counted else plain_number(v, [*numbers, *beside]) for v in numbers]
        return f"{first} ({' to '.join(ends)})" if all(map(math.isfinite, numbers)) else first

    def counts(self, successes: float, trials: float) -> str:
        """Return '9 of 43', or an empty text where the metric is no proportion."""
        if not (self.counted and math.isfinite(successes) and math.isfinite(trials)):
            return ""
        harmed = trials - successes if self.turned else successes
        return f"{round(harmed):,} of {int(trials):,}"


def saying(metric: str, settings: Mapping[str, Any]) -> Saying:
    """Return how a metric is told in an audit with these settings."""
    base, _, label = metric.removesuffix("]").partition("[")
    base = _SAME.get(base, base)
    positive, classes = str(settings.get("positive") or ""), [str(c) for c in settings.get("classes", ())]
    if label in classes and positive in classes and label != positive and len(classes) == 2:
        base, label = _TURNED.get(base, base), positive  # the recall of the healthy is the specificity
    several = not label and not positive
    with_it, without = cases_of(label or positive, str(settings.get("label") or ""))
    mean = ", averaged over the classes" if several else ""
    rates = {
        "sensitivity": Saying(MISSED, "Misses", with_it, "missed cases", turned=True),
        "fnr": Saying(MISSED, "Misses", with_it, "missed cases"),
        "specificity": Saying(FALSE_ALARM, "Raises a false alarm in", without, "false alarms", turned=True),
        "fpr": Saying(FALSE_ALARM, "Raises a false alarm in", without, "false alarms"),
        "ppv": Saying(WRONG, "Is wrong in", "positive answers", "wrong positive answers", turned=True),
        "npv": Saying(WRONG, "Is wrong in", "negative answers", "wrong negative answers", turned=True),
        "accuracy": Saying(WRONG, "Is wrong in", "cases", "wrong answers", turned=True),
        "balanced_accuracy": Saying(MISSED, "Misses", f"cases{mean}", "missed cases", turned=True),
        "label_macro_recall": Saying(MISSED, "Misses", "findings (mean over labels)", "missed findings", turned=True),
        "label_macro_specificity": Saying(
            FALSE_ALARM, "Raises a false alarm in", "cases (mean over labels)", "false alarms", turned=True
        ),
        "subset_accuracy": Saying(WRONG, "Has at least one label wrong in", "cases", "wrong answers", turned=True),
        "hamming_loss": Saying(WRONG, "Is wrong in", "labels", "wrong labels"),
        "auc": Saying(
            QUALITY, "Ranks wrongly", "pairs of cases of different classes" if several else "pairs of a sick and a "
            "healthy case", "wrongly ranked pairs",
            turned=True,
        ),
        "mae": Saying(WRONG, "Is off by", unit_of(settings, "mae"), "mean error", counted=False),
    }  # fmt: skip
    found = rates.get(base)
    if found is not None:
        return found
    title = words_of(metric)
    loss = base in ("brier", "nll", "ece", "ece_adaptive", "mean_entropy", "aurc")
    unit = unit_of(settings, base)
    return Saying(CALIBRATION if loss else QUALITY, f"Its {title} is", unit, title, counted=False)


_SAME = {
    "tpr": "sensitivity", "recall": "sensitivity", "normals_tpr": "sensitivity", "tpr_at_tpr": "sensitivity",
    "tnr": "specificity", "normals_fpr": "fpr", "fpr_at_tpr": "fpr", "precision": "ppv",
    "macro_recall": "balanced_accuracy", "sub_auroc": "auc", "label_macro_auc": "auc",
}  # fmt: skip


_TURNED = {"sensitivity": "specificity", "fnr": "fpr", "ppv": "npv"}
_TURNED |= {there: here for here, there in _TURNED.items()}


def cases_of(name: str, column: str = "") -> tuple[str, str]:
    """Return what cases with and without a class are called; `column` names the disease where the class does not."""
    disease, absent = disease_of(column), name.lower() in _NEGATIVE
    if name.lower() in _NAMELESS or absent:
        named = (f"cases of {disease}", f"cases without {disease}") if disease else ("positive cases", "negative cases")
    else:
        absent = bool(disease) and name == f"no {disease}"
        name = disease if absent else name
        named = f"cases of {name}", f"cases without {name}"
    return (named[1], named[0]) if absent else named


def units(named: Sequence[str]) -> dict[str, str]:
    """Return the unit of every metric that has one.

    Parameters
    ----------
    named : 'years', of every metric that is measured as the outcome or in the plane; or 'hd95=mm', of one.

    Raises
    ------
    SettingsError
        For a metric that has no unit.

    Examples
    --------
    >>> units(["mae=years", "hd95=mm"])
    {'mae': 'years', 'hd95': 'mm'}
    """
    found: dict[str, str] = {}
    for text in named:
        metric, equals, unit = (part.strip() for part in text.partition("="))
        if equals and metric not in _MEASURED:
            raise SettingsError(
                f"{metric!r} has no unit.", fix=f"name one of {', '.join(_MEASURED)}, or the unit alone"
            )
        found |= {metric: unit} if equals else dict.fromkeys(_MEASURED, metric)
    return found


def unit_of(settings: Mapping[str, Any], metric: str) -> str:
    """The unit of a measured number, where it is known."""
    return str(settings.get("unit", {}).get(metric, ""))


def of_group(attribute: str, group: str) -> str:
    """Return a group as it is spoken of.

    Examples
    --------
    >>> of_group("race", "Black"), of_group("age", "(40,65]"), of_group("site", "A")
    ('Black patients', 'patients aged over 40 to 65', 'the group A (site)')
    """
    if _AGE.search(attribute) and any(ch.isdigit() for ch in group):
        return f"patients aged {_range(group)}"
    if (_PEOPLE.search(attribute) or _AGE.search(attribute)) and " " not in group and len(group) > 1:
        return group if group.lower() in ("men", "women", "boys", "girls") else f"{group} patients"
    return f"the group {group} ({attribute})"


def _range(group: str) -> str:
    """Return a bin in words."""
    if found := re.fullmatch(r"([\[(])\s*([^,]+),\s*([^,]+?)\s*([\])])", group):
        return f"{'over ' if found[1] == '(' else ''}{found[2]} to {'under ' if found[4] == ')' else ''}{found[3]}"
    for sign, words in (("<=", "{} or under"), ("≤", "{} or under"), (">=", "{} or over"), ("≥", "{} or over")):
        if group.startswith(sign):
            return words.format(group.removeprefix(sign).strip())
    for sign, word in (("<", "under"), (">", "over")):
        if group.startswith(sign):
            return f"{word} {group.removeprefix(sign).strip()}"
    return group


def title_of(metric: str) -> str:
    """Return a metric's title for people; its name where it is not registered."""
    if metric.startswith("fate_"):
        return f"FATE over {title_of(metric.removeprefix('fate_'))}"
    try:
        return metric_info(metric).title
    except SettingsError:
        return metric.replace("_", " ")


def words_of(metric: str) -> str:
    """Return a metric's title within a sentence."""
    try:
        return metric_info(metric).words
    except SettingsError:
        return title_of(metric)


def direction(metric: str) -> bool | None:
    """Whether higher is better; None for neither. Unknown metrics count as scores."""
    try:
        return metric_info(metric).higher_is_better
    except SettingsError:
        return True


def p_text(p: float) -> str:
    """Return 'p = 0.034'; an empty text where there is no test."""
    if math.isnan(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def evidence(p: float, low: float = math.nan) -> bool | None:
    """Whether a gap is beyond chance: by its p, else by its interval; None where neither is known."""
    if math.isfinite(p):
        return p < LEVEL
    return low > 0 if math.isfinite(low) else None


def chance_words(p: float, low: float = math.nan) -> str:
    """Say how a gap stands against chance: the only place that does."""
    beyond = evidence(p, low)
    if beyond is None:
        return "whether this is chance could not be tested"
    said = "unlikely to be chance" if beyond else "cannot be told apart from chance"
    return f"{said} ({p_text(p)})" if p_text(p) else said


def of_so_many(share: float, beside: Sequence[float] = (), *, apart: bool = False) -> str:
    """Return a share as '21 of 100'; of 1,000 or more where a harm is rare.

    Parameters
    ----------
    share : between 0 and 1.
    beside : shares that stand beside it, and decide the scale, too.
    apart : whether different shares must read differently.

    Examples
    --------
    >>> of_so_many(0.209, [0.03]), of_so_many(0.004), of_so_many(0.0)
    ('21 of 100', '4 of 1,000', '0 of 100')
    """
    shares = [v for v in (share, *beside) if math.isfinite(v)]
    base = 100
    while base < 10_000 and (
        any(0 < v < 0.5 / base or 0 < 1 - v < 0.5 / base for v in shares)
        or (apart and len({round(v * base) for v in shares}) < len({round(v, 6) for v in shares}))
    ):
        base *= 10
    return f"{round(share * base):,} of {base:,}"


def plain_number(value: float, beside: Sequence[float] = ()) -> str:
    """Return a measured number with about three digits; as many as those that stand beside it.

    Examples
    --------
    >>> plain_number(6.83), plain_number(3.04, [6.83]), plain_number(0.912), plain_number(1234.5)
    ('6.8', '3.0', '0.912', '1,234')
    """
    size = max(abs(v) for v in (value, *beside) if math.isfinite(v))
    digits = 0 if size >= 100 else 1 if size >= 5 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Return 'a, b and c'; of many the first with the number of the others."""
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
