"""Metrics of one's own: what a file defines enters the registry, and works in audits, gates, benchmarks and lists."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.imported import forget, import_file
from everygroup.metrics.arrays import ArrayMetric, answered_by, of_arrays
from everygroup.metrics.define import Metric, of_counts
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.registry import enter, own_metrics


def import_metrics(paths: Iterable[str | Path]) -> list[str]:
    """Import Python files of metrics, and return their names. This runs their code.

    Raises
    ------
    SettingsError
        If a file is missing, fails, defines no metric, or one whose name is taken.
    """
    names: list[str] = []
    for path in paths:
        module = import_file(path)[0]
        try:
            found = adopt(module)
            if not found:
                raise SettingsError(
                    f"{path} defines no metric.",
                    fix="write a function of (y_true, y_pred), of (y_true, y_score) or of counts, as in CONTRIBUTING",
                )
        except SettingsError:
            forget(module)
            raise
        names += found
    return names


def adopt(*sources: ModuleType | Metric) -> list[str]:
    """Take metrics of one's own into the registry, and return their names.

    Parameters
    ----------
    sources : metrics, or modules that define some: made by `of_counts`, `of_rows` or `of_arrays`, or plain functions of
        (y_true, y_pred), (y_true, y_score) or counts whose name does not begin with an underscore. Of plain functions
        more is taken for better, which is said.

    Raises
    ------
    SettingsError
        Where one has the name of another metric.
    """
    found: list[MetricInfo] = []
    for source in sources:
        if isinstance(source, Metric):
            found.append(source.info)
        else:
            plain = _decorate(source)
            found += [value.info for name, value in vars(source).items() if _is_own(name, value)]
            if plain:
                say(
                    f"{', '.join(plain)}: more is taken for better, without bounds; a decorator such as "
                    f"@of_arrays('Title', best='low', low=0, high=1) says otherwise."
                )
    slow = [i.name for i in found if isinstance(i.function, ArrayMetric) and i.name not in own_metrics()]
    enter(found)
    if slow:
        say(f"{', '.join(slow)}: evaluated anew on every resample, which takes longer than a function of counts.")
    return [info.name for info in found]


def _is_own(name: str, value: Any) -> bool:
    """Whether a module's name is that of a metric which was not imported from this package to build upon."""
    return isinstance(value, Metric) and not name.startswith("_") and not value.__module__.startswith("everygroup.")


def _decorate(module: ModuleType) -> list[str]:
    """Make metrics of the module's plain functions that look like one, and return their names."""
    made = []
    for name, function in list(vars(module).items()):
        if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        counted = list(inspect.signature(function).parameters) == ["counts"]
        if not counted and answered_by(function) is None:
            continue
        title = (inspect.getdoc(function) or name.replace("_", " ").capitalize()).split("\n", 1)[0].rstrip(".")
        make = of_counts if counted else of_arrays
        setattr(module, name, make(title, low=-math.inf, high=math.inf, source="own")(function))
        made.append(name)
    return made
