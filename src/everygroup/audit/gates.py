"""Gates: limits on measured values that an audit must keep, written as 'gap(macro_f1,age)>0.10'.

A gate says what must not be: it fails where the comparison is true, and where there is no value to compare.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from everygroup.audit._gate_text import GRAMMAR, Reader
from everygroup.audit.partition import CONSTANT
from everygroup.audit.result import Audit
from everygroup.errors import SettingsError
from everygroup.metrics import list_metrics, metric_info
from everygroup.metrics.rates import SAME_RATE
from everygroup.metrics.registry import canonical

FUNCTIONS = ("gap", "worst", "value")
ENDS = {"": "value", "_low": "low", "_high": "high"}
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Gate:
    """A limit, read from text.

    Attributes
    ----------
    text : as it was written.
    function : 'gap', 'worst' or 'value'.
    end : 'value', or 'low' or 'high' for an end of the interval.
    metric, attribute, group : what is looked at; without an attribute, every one of the audit.
    operator, limit : the gate fails where ``measured operator limit``.
    """

    text: str
    function: str
    end: str
    metric: str
    attribute: str | None
    group: str | None
    operator: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read a gate.

        Raises
        ------
        SettingsError
            Where the text is no gate (naming the place), or the metric is unknown (naming the nearest).

        Examples
        --------
        >>> gate = Gate.parse("gap_low(recall[melanoma], skin_type) > 0.05")
        >>> gate.metric, gate.attribute, gate.end, gate.limit
        ('recall[melanoma]', 'skin_type', 'low', 0.05)
        """
        reader = Reader(text)
        word = reader.take("name")
        function, end = _function(word, text)
        reader.take("mark", "(")
        arguments = [reader.argument()]
        while reader.take("mark", "),") == ",":
            arguments.append(reader.argument())
        sign = reader.take("operator")
        limit = float(reader.take("number"))
        reader.end()
        allowed = {"gap": (1, 2), "worst": (1, 2), "value": (3,)}[function]
        if len(arguments) not in allowed or not all(arguments):
            raise SettingsError(f"{text!r} is no gate: {word} does not take {arguments}.", fix=GRAMMAR)
        metric, attribute, group = (*arguments, None, None)[:3]
        assert metric is not None
        _check_metric(metric)
        return cls(text.strip(), function, end, metric, attribute, group, sign, limit)

    def fails(self, value: float) -> bool:
        """Whether a measured value breaks the limit; an undefined one does."""
        return math.isnan(value) or OPERATORS[self.operator](value, self.limit)


@dataclass(frozen=True)
class GateResult:
    """What became of one gate for one attribute.

    Attributes
    ----------
    gate : the gate.
    failed : whether the limit is broken, or there is nothing to compare.
    attribute, metric, group : what was looked at.
    measured : the number that was compared; NaN where undefined.
    value, low, high, n : the measured value with its interval and the samples it rests on.
    trials : the denominator of a proportion, such as the positives of a sensitivity; None of other metrics.
    note : the audit's note, or why there is no number.
    """

    gate: Gate
    failed: bool
    attribute: str
    metric: str
    group: str
    measured: float
    value: float
    low: float
    high: float
    n: int
    note: str
    trials: int | None = None

    def __str__(self) -> str:
        what = {"gap": f"the gap in {self.metric}", "worst": f"the worst {self.metric}"}.get(
            self.gate.function, f"{self.metric} of {self.group}"
        )
        if self.metric.startswith("macro_") and not self.gate.metric.startswith("macro_"):
            what += f" ({self.gate.metric} without a class means the average over the classes)"
        n = f"n = {self.n}"
        if self.trials not in (None, self.n):
            n += f", of them {self.trials} in the denominator"
        verdict = "FAILED" if self.failed else "passed"
        if math.isnan(self.measured):
            reason = f" ({self.note})" if self.note else ""
            return f"{verdict}: {self.gate.text}: by {self.attribute}, {what} is undefined{reason}; {n}."
        end = "" if self.gate.end == "value" else f"; compared: its {self.gate.end} end"
        where, whose = "", ""
        if self.gate.function == "worst":
            where = f" (in {self.note.removeprefix('worst group: ')})"
            whose = " of the worst over groups"  # not that of this group
        interval = (
            ", no interval"
            if math.isnan(self.low)
            else f", 95 % interval{whose} {_rounded(self.low)} to {_rounded(self.high)}"
        )
        return (
            f"{verdict}: {self.gate.text}: by {self.attribute}, {what} is {_rounded(self.value)}{where}"
            f"{interval}, {n}{end}."
        )


def gates(result: Audit, wanted: Iterable[str | Gate]) -> list[GateResult]:
    """Compare an audit with limits.

    Parameters
    ----------
    result : of `everygroup.audit`.
    wanted : gates as text (see `Gate.parse`) or parsed.

    Returns
    -------
    list of GateResult
        One per gate and attribute.

    Raises
    ------
    SettingsError
        For a gate that cannot be read, or about a metric, attribute or group that the audit does not hold.
    """
    return [
        outcome for gate in wanted for outcome in _apply(result, Gate.parse(gate) if isinstance(gate, str) else gate)
    ]


def gate_table(outcomes: Sequence[GateResult]) -> pd.DataFrame:
    """Outcomes as a table: gate, failed, attribute, metric, group, measured, value, low, high, n, trials, note."""
    columns = ["gate", "failed", "attribute", "metric", "group", "measured", "value", "low", "high", "n"]
    columns += ["trials", "note"]
    rows: list[dict[str, Any]] = [{**{c: getattr(o, c) for c in columns[1:]}, "gate": o.gate.text} for o in outcomes]
    return pd.DataFrame(rows, columns=columns).astype({"trials": "Int64"})


def _apply(result: Audit, gate: Gate) -> list[GateResult]:
    table = result.table
    there = list(dict.fromkeys(table["attribute"]))
    # a grouping may be called by the attribute that it is made of
    titles = {k: str(v) for k, v in result.settings.get("titles", {}).items()}
    wanted = next((k for k, v in titles.items() if v == gate.attribute and v not in there), gate.attribute)
    if wanted is not None and wanted not in there:
        raise _unknown(gate, "attribute", wanted, there)
    attributes = there if wanted is None else [wanted]
    metrics = list(dict.fromkeys(table["metric"]))
    metric = next((name for name in meanings(gate.metric) if name in metrics), "")
    if not metric:
        raise _unknown(gate, "metric", gate.metric, metrics)
    outcomes = []
    for attribute in attributes:
        rows = table[(table["attribute"] == attribute) & (table["metric"] == metric)]
        group = gate.group if gate.function == "value" else gate.function
        name = titles.get(attribute, attribute)
        found = rows[rows["group"] == group]
        if found.empty and gate.function == "value":
            raise _unknown(gate, "group", str(gate.group), list(dict.fromkeys(rows["group"])))
        if found.empty:
            note = f"there is no {gate.function} of this metric"
            outcomes.append(_outcome(gate, name, metric, str(group), {"note": note}))
        else:
            trials = _trials(rows, found.iloc[0])
            outcomes.append(_outcome(gate, name, metric, str(group), found.iloc[0].to_dict(), trials))
    return outcomes


def meanings(metric: str) -> tuple[str, ...]:
    """The names under which an audit may hold what a gate is about, the first that it holds being meant.

    A bare rate is that of the positive one of two classes; of more classes it is the macro average.

    Examples
    --------
    >>> meanings("tpr")
    ('tpr', 'sensitivity', 'macro_recall')
    """
    rate = SAME_RATE.get(metric, metric)
    base, bracket, label = metric.partition("[")
    of_class = f"{SAME_RATE.get(base, base)}{bracket}{label}"
    return tuple(dict.fromkeys((metric, of_class if bracket else canonical(metric), f"macro_{rate}")))


def _trials(rows: pd.DataFrame, row: pd.Series) -> int | None:
    """The denominator of a proportion: that of the row, or of all groups that a gap is between."""
    if row["group"] != "gap":
        return None if pd.isna(row["trials"]) else int(row["trials"])
    apart = rows["note"].isin(("", CONSTANT)) & ~rows["group"].isin(("overall", "gap", "worst"))
    between = rows.loc[apart, "trials"]
    return None if between.isna().all() else int(between.sum())


def _outcome(
    gate: Gate, attribute: str, metric: str, group: str, row: dict[Any, Any], trials: int | None = None
) -> GateResult:
    value, low, high = (_number(row.get(k)) for k in ("value", "low", "high"))
    measured = {"value": value, "low": low, "high": high}[gate.end]
    note = str(row.get("note") or "")
    if math.isnan(measured) and not math.isnan(value):
        note = "it has no interval"
    n = row.get("n")
    return GateResult(
        gate,
        gate.fails(measured),
        attribute,
        metric,
        group,
        measured,
        value,
        low,
        high,
        0 if n is None or pd.isna(n) else int(n),
        note,
        trials,
    )


def _number(value: Any) -> float:
    return float("nan") if value is None or pd.isna(value) else float(value)


def _rounded(value: float) -> str:
    return f"{value:.3f}"


def _function(word: str, text: str) -> tuple[str, str]:
    for suffix, end in ENDS.items():
        name = word[: len(word) - len(suffix)] if suffix else word
        if name in FUNCTIONS and word == name + suffix:
            return name, end
    known = [f + suffix for f in FUNCTIONS for suffix in ENDS]
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SettingsError(f"{text!r} is no gate: unknown function {word!r}.", fix=f"{hint}{GRAMMAR}")


def _check_metric(metric: str) -> None:
    """Raise for a metric that no audit can hold, before anything is computed."""
    if not set(meanings(metric)) & set(list_metrics()):
        metric_info(metric)


def _unknown(gate: Gate, word: str, name: str, there: Sequence[str]) -> SettingsError:
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(map(repr, near))}? " if near else ""
    shown = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
    return SettingsError(
        f"The gate {gate.text!r} asks for the {word} {name!r}, which this audit does not have.",
        fix=f"{hint}It has: {shown}",
    )
