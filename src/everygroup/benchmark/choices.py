"""Which hyper-parameter draw a method goes on with: by its validation predictions, and by nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from everygroup.benchmark.job import Job
from everygroup.benchmark.job_folder import JobFolder
from everygroup.errors import OutputError
from everygroup.files import hash_json, read_json, slug, write_json
from everygroup.predictions import read_predictions
from everygroup.training import ValidationPredictions, selection_rule

Cell = tuple[str, str, str, str]
ATTEMPTS = 2  # how often a draw may fail before the choice is made without it


def choose_draws(jobs: Sequence[Job], out: Path, rule_name: str) -> dict[Cell, int]:
    """Choose a draw for every cohort, attribute, backbone and method that searched, and write why.

    A draw's values under the rule are means over its seeds. Nothing is chosen while a draw may still finish: one that
    failed is tried once more first (`ATTEMPTS`). Draws that failed for good are not chosen; a method all of whose draws
    failed gets no choice. The record lies in choices/. A choice that was made stays: final runs rest on it.

    Parameters
    ----------
    jobs : sequence of Job
        Search jobs.
    rule_name : str
        A name of `everygroup list selection`.
    """
    rule = selection_rule(rule_name)
    chosen: dict[Cell, int] = {}
    for cell in dict.fromkeys(job.cell for job in jobs):
        path = out / "choices" / f"{slug('-'.join(cell), most=100)}-{hash_json(list(cell))[:6]}.json"
        if path.exists() and (before := read_json(path))["chosen"] is not None:
            chosen[cell] = int(before["chosen"])
            continue
        mine = [JobFolder(job, out) for job in jobs if job.cell == cell]
        if any(not folder.done and folder.failures < ATTEMPTS for folder in mine):
            continue
        by_draw = {d: [f for f in mine if f.job.draw == d] for d in sorted({f.job.draw for f in mine})}
        judged = {
            draw: np.mean([rule.values(_validation(folder)) for folder in tried], axis=0).tolist()
            for draw, tried in by_draw.items()
            if all(folder.done for folder in tried)
        }
        if judged:
            chosen[cell] = list(judged)[rule.choose(list(judged.values()))]
        record: dict[str, Any] = {
            **dict(zip(("cohort", "attribute", "backbone", "method"), cell, strict=True)),
            "rule": rule_name,
            "seen": "validation predictions of the search seeds",
            "seeds": sorted({folder.job.seed for folder in mine}),
            "chosen": chosen.get(cell),
            "draws": [
                {"draw": d, "hyperparameters": tried[0].job.hyperparameters, "values": judged.get(d)}
                for d, tried in by_draw.items()
            ],
        }
        write_json(path, record)
    return chosen


def _validation(folder: JobFolder) -> ValidationPredictions:
    path = folder.path / "predictions.csv"
    seen = read_predictions(path)
    if set(seen.table["split"]) != {"validation"}:
        raise OutputError(f"{path} holds more than validation samples.", fix="delete its folder and run again")
    score, y = seen.y_score, seen.y_true
    loss = float(-np.log(np.clip(score[np.arange(len(y)), y], 1e-12, None)).mean())
    return ValidationPredictions(y, score, seen.group, loss)
