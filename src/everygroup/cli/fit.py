"""`everygroup fit`: train a method on a cohort, from images and table to report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.options import Fields, SourceArgument, WorkersOption, with_options
from everygroup.cli.train_options import ConfigOption, RunKeys, SetOption, resolve
from everygroup.reading import Reading
from everygroup.settings import TrainSettings

_TRAINING = Fields(
    only=("backbone", "pretrained", "weights", "epochs", "batch_size", "lr", "selection", "seed", "device", "amp")
)


@with_options
def fit(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    run: Annotated[RunKeys, Fields(without=("hyperparameters",))],
    reading: Annotated[Reading, Fields()],
    training: Annotated[TrainSettings, _TRAINING],
    config: ConfigOption = None,
    set_: SetOption = None,
    workers: WorkersOption = None,
    store: Annotated[Path | None, typer.Option(help="Folder of trained networks, to share between runs.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished run in --out; a finished one is left as it is.")
    ] = False,
) -> None:
    """Train a method and leave a run folder: model, weights, predictions, audit, report.

    Example:

        everygroup fit DATA --label dx --group age --bins age=55 --split-by lesion_id --image-size 64 -o runs/spare

    On several devices: torchrun --nproc-per-node 4 -m everygroup fit ... (the same command otherwise).

    Resume after a kill with the same command and --resume. Another method: --method group_model. Hyper-parameters of
    the method and all settings: --set alpha=0.3 --set weight_decay=0.01 (see `everygroup describe spare` and
    `everygroup list settings`).
    """
    from everygroup.benchmark import Comparison, RunFolder
    from everygroup.benchmark import run as train_and_audit
    from everygroup.check import refuse_misread
    from everygroup.cohort import split_cohort
    from everygroup.console import clear_warnings, console, say
    from everygroup.datasets.reader import read_cohort
    from everygroup.training.distributed import from_first, group_of_processes

    clear_warnings()
    plan = resolve(reading, run, training, config=config, assignments=set_)
    cohort = read_cohort(source, plan.reading, workers=workers)
    refuse_misread(cohort, as_they_are=plan.as_they_are)
    split = split_cohort(cohort, seed=plan.split_seed)
    wanted = Comparison(
        cohort, split, plan.settings, plan.method, plan.hyperparameters, plan.compare, positive=plan.positive
    )
    wanted.check()
    data = {"source": str(source), "cohort_hash": cohort.content_hash, "split_hash": split.hash}
    with group_of_processes() as rank:
        # The folder is made only when everything has been read and checked: bad input leaves nothing behind.
        folder = from_first(lambda: RunFolder(out, {**data, **plan.to_dict()}, resume=resume))
        if folder.finished:
            return
        if rank:
            console.quiet, os.environ["CI"] = True, "1"
            wanted.follow()
            return
        result = train_and_audit(wanted, folder, store=store, n_boot=plan.n_boot)
    say(result.audits[plan.method].summary())
    say(f"Run folder: {folder.path}\nReport:     {folder / 'report.html'}")
