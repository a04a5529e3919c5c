"""One run: a comparison from training to report, in one folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from everygroup.audit import Audit, audit_predictions
from everygroup.benchmark.comparison import Comparison, Run
from everygroup.benchmark.run_folder import RunFolder
from everygroup.benchmark.run_pages import write_pages
from everygroup.benchmark.trial import Fitted
from everygroup.console import say, warn
from everygroup.files import file_name, safe_csv
from everygroup.predictions import Predictions, TargetPredictions
from everygroup.training import RunLog, trained_briefly


def run(comparison: Comparison, folder: RunFolder, *, store: Path | None = None, n_boot: int = 1000) -> Run:
    """Train, predict, audit and report.

    Parameters
    ----------
    comparison : Comparison
        What is trained on what. The test part is predicted by every model once, when it is trained and chosen.
    folder : RunFolder
        Where the run's files go.
    store : Path, optional
        Folder of trained networks and distances, to be shared between runs; inside the run folder by default.
    n_boot : int
        Bootstrap replicates.
    """
    started, main = time.perf_counter(), comparison.method
    say(str(comparison.cohort))
    for text in comparison.cautions:
        warn(text)
    comparison.split.save(folder / "split.csv")
    log = RunLog(folder.path)
    fitted: dict[str, Fitted] = {}
    for name, trial in comparison.trials.items():
        say(f"Training {name}")
        fitted[name] = trial.run(store or folder / "store", log)
    log.draw()
    if brief := trained_briefly(log.table, rule=comparison.settings.selection):
        warn(brief)
    model = fitted[main].model
    model.save(folder / "model")
    if model.weights is not None:
        folder.write_table("weights.csv", model.weights)
    predictions = {name: _named(one.predictions, comparison) for name, one in fitted.items()}
    for name, answers in predictions.items():
        suffix = "" if name == main else f"-{file_name(name)}"
        answers.to_csv(folder / f"predictions{suffix}.csv")
        if isinstance(answers, TargetPredictions) and answers.pictures is not None:
            answers.save_pictures(folder / f"pictures{suffix}.npz")
    say("Auditing the test predictions")
    result = Run(comparison, folder, log.table, model, predictions, _audits(comparison, predictions, n_boot))
    result.audits[main].write(folder.path)
    safe_csv(result.summary, folder / "summary.csv")  # of all methods, in place of the main one's alone
    seconds = {name: round(one.cost["wall_seconds"] - one.cost["predict_seconds"], 1) for name, one in fitted.items()}
    about = {"seconds": seconds, "device": comparison.trials[main].about["device"]}
    write_pages(result, folder.write_environment(about))
    folder.finish()
    say(f"Finished in {time.perf_counter() - started:.0f} s.")
    return result


def _named(answers: Predictions | TargetPredictions, comparison: Comparison) -> Predictions | TargetPredictions:
    return answers.with_positive(comparison.positive) if isinstance(answers, Predictions) else answers


def _audits(
    comparison: Comparison, predictions: Mapping[str, Predictions | TargetPredictions], n_boot: int
) -> dict[str, Audit]:
    """Audit the test part of each method's predictions, compared with ERM where it was trained."""
    cohort, seed = comparison.cohort, comparison.settings.seed
    baseline = predictions["erm"].of_split("test") if "erm" in predictions else None
    more = {"label": cohort.label or ""} if cohort.target == "classes" else {}
    return {
        name: audit_predictions(
            answers.of_split("test"),
            baseline=baseline if name != "erm" else None,
            n_boot=n_boot,
            seed=seed,
            data_set=str(cohort.provenance.get("name", "")),
            method=name,
            run_seed=seed,
            **more,
        )
        for name, answers in predictions.items()
    }
