"""Classes as a task: beside what every task has, cells, curves, criteria and sources of unfairness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from everygroup.audit.attribute import cell_rows
from everygroup.audit.called import called
from everygroup.audit.choice import Answers, Figures, families_of
from everygroup.audit.comparison import Matched, compare
from everygroup.audit.criteria import Judged, expectation
from everygroup.audit.curves import curve_rows
from everygroup.audit.driver import Rows, Task
from everygroup.audit.flags import Flag, below_chance_flags, class_flags
from everygroup.audit.measurement import Measurement
from everygroup.audit.sources import SUMMED, source_rows
from everygroup.metrics.classification import Classification, Convention
from everygroup.metrics.families import Family, Index
from everygroup.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class Classes(Task):
    """One class a sample.

    Attributes
    ----------
    figures : what the audit shows.
    judged : what the criteria look at.
    column : of the labels; empty where that is not known.
    matched : the rows that a baseline has, too.
    embeddings, calibration : as of `everygroup.audit.audit`, the first for the rows of `samples`.
    """

    figures: Figures
    convention: Convention
    judged: Judged
    column: str = ""
    matched: Matched | None = None
    embeddings: NDArray[np.generic] | None = None
    calibration: Predictions | None = None

    @classmethod
    def of(cls, samples: Predictions, figures: Figures, convention: Convention, **given: Any) -> Classes:
        """The task of samples whose labels are known; `given` are further attributes."""
        classes, scored = samples.classes, samples.has_scores
        answers = Answers(samples.y_true, samples.y_pred, samples.y_score if scored else None, len(classes))
        judged = Judged.of(classes, scored=scored)
        # measured once for all tables: what is shown, the recall of every cell, what criteria and sources rest on
        more = [*(f"recall[{c}]" for c in classes), *judged.counted, *(SUMMED if scored else ())]
        everything = tuple(dict.fromkeys([*figures.shown, *more]))
        measured = [
            *families_of(answers, classes, everything, convention=convention),
            *expectation(answers.y_true, answers.y_score, classes),
        ]
        return cls(
            name="classification",
            samples=samples,
            families=lambda part: measured,
            headline=figures.headline,
            shown=figures.shown,
            label=samples.y_true,
            positive=samples.y_true == 1 if len(classes) == 2 else None,
            crossed=[
                Classification(answers.y_true, answers.y_pred, classes, convention=convention, metrics=figures.crossed)
            ],
            settings={
                "positive": figures.positive,
                "critical": list(figures.critical),
                "convention": convention,
                "classes": list(classes),
                "label": str(given.get("column", "")),
            },
            figures=figures,
            convention=convention,
            judged=judged,
            **given,
        )

    def heed(self, m: Measurement) -> list[Flag]:
        """Classes that are rare, absent or never answered, scores that rank the wrong way, criteria that conflict."""
        p, counted = self.samples, self.convention == "lab"
        names = called(p.classes, self.column)
        spoken = [names.get(c, c) for c in p.classes]
        found = class_flags(m, p.y_true, p.y_pred, spoken, self.figures.shown, counted=counted)
        return [*found, *below_chance_flags(m, p.classes), *self.judged.rows(m)[1]]

    def tables(self, m: Measurement, cluster: Index) -> list[tuple[str, Rows]]:
        """Cells, curves, sources and criteria."""
        p, part = self.samples, m.partition
        sources = source_rows(
            p, part, embeddings=self.embeddings, calibration=self.calibration, plan=m.plan, measured=m
        )
        return [
            ("cells", cell_rows(m, p.y_true, p.classes)),
            ("curves", curve_rows(p, part)),
            ("sources", sources),
            ("criteria", self.judged.rows(m)[0]),
        ]

    def changes(self, m: Measurement, cluster: Index) -> tuple[list[dict[str, Any]], list[Flag]]:
        """Against the baseline on the rows that both have."""
        if self.matched is None:
            return [], []

        def both(answers: Answers) -> Sequence[Family]:
            return families_of(answers, self.samples.classes, self.figures.shown, convention=self.convention)

        return compare(m, self.matched, cluster, both)
