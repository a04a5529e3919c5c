"""How a table of predictions is audited: one option, one line; the command's options follow from here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from everygroup.predictions.task import Task
from everygroup.reading import Names, Text
from everygroup.settings import option

Every = Literal["week", "month", "quarter", "year"]
_WHICH, _RESULT = "Rows and groups", "Result"


class AuditOptions(BaseModel):
    """The options of `everygroup.audit.audit_table` beside those of reading, `everygroup.predictions.TableReading`."""

    model_config = ConfigDict(title="Statistics", frozen=True, extra="forbid")

    task: Task | Literal["auto"] = option(
        "auto", "what was predicted; guessed from the columns, and said", panel="Columns"
    )
    split: Text | None = option(
        None,
        "audit the rows of this split; the test rows where there are some, 'all' for everything",
        metavar="NAME",
        panel=_WHICH,
    )
    min_n: int = option(10, "groups with fewer samples are left out of gaps", ge=1, panel=_WHICH)
    threshold: Text | None = option(
        None,
        "answer anew, for two classes: fixed:0.4, or chosen on validation rows: sens:0.9 (at least this sensitivity, "
        "the best specificity), spec:0.9, youden, f1",
        metavar="RULE",
        panel=_WHICH,
    )
    threshold_from: Text | None = option(
        None, "file of the validation rows, where they are not in FILE", metavar="FILE", panel=_WHICH
    )
    baseline: Names = option(
        (),
        "predictions of another model for the same samples; several (oldest first) make a series",
        metavar="FILE",
        panel=_RESULT,
    )
    time: Text | None = option(
        None, "column of dates: how every group fares from one period to the next", metavar="COLUMN", panel=_RESULT
    )
    every: Every = option("month", "length of a period", panel=_RESULT)
    within: Names = option(
        (),
        "clinical variables within whose levels the groups are compared, too, and at one mix of them",
        metavar="COLUMN",
        panel=_RESULT,
    )
    reference: Names = option(
        (), "group that the others are held against, too: White, or race=White", metavar="GROUP", panel=_RESULT
    )
    embeddings: Text | None = option(
        None,
        "features of the samples by id (.npz with ids and features, .npy, or a table): can groups be told from them?",
        metavar="FILE",
        panel=_RESULT,
    )
    calibration: Text | None = option(
        None,
        "predictions of the same model for other samples, to set 90 % prediction sets on: their coverage by group",
        metavar="FILE",
        panel=_RESULT,
    )
    metrics: Names = option((), "metrics: accuracy,recall[melanoma]; or standard, or all", metavar="NAMES")
    critical: Names = option((), "class whose recall matters most, among more than two", metavar="CLASS")
    unit: Names = option(
        (), "unit of measured numbers, for the words: years; or of one metric: hd95=mm", metavar="UNIT", panel=_RESULT
    )
    interval: Literal["auto", "percentile"] = option(
        "auto", "best known interval per metric, or the bootstrap percentile"
    )
    intersections: int = option(0, "audit all subgroups of up to so many attributes; 0: none", metavar="ORDER", ge=0)
    n_boot: int = option(1000, "bootstrap replicates and permutations", ge=1)
    seed: int = option(0, "seed of the resampling", ge=0)
