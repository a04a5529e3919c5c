"""`everygroup predict`: let a trained model answer for new images."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.options import Fields, SourceArgument, WorkersOption, with_options
from everygroup.reading import Reading
from everygroup.settings import TrainSettings


class Route(StrEnum):
    """Which network answers."""

    known = "known"
    predicted = "predicted"
    soft = "soft"


class WhenMissing(StrEnum):
    """Which network answers where no group is recorded."""

    predicted = "predicted"
    soft = "soft"
    pooled = "pooled"


_NEW = Fields(only=("images", "embeddings", "on_bad_image", "missing", "not_missing", "map", "decimal"))


@with_options
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `everygroup fit` wrote.")],
    source: SourceArgument,
    reading: Annotated[Reading, _NEW],
    training: Annotated[TrainSettings, Fields(only=("device",))],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file. Default: SOURCE-predictions.csv.")] = None,
    routing: Annotated[
        Route, typer.Option(help="By recorded group, predicted group, or a soft mixture.")
    ] = Route.known,
    when_missing: Annotated[
        WhenMissing, typer.Option(help="What answers where no group is recorded.")
    ] = WhenMissing.predicted,
    workers: WorkersOption = None,
) -> None:
    """Predict new images with the networks of a run; the route each sample took stands beside its prediction.

    SOURCE is a folder or CSV file as in `fit`, with the columns of the run's config.yaml; the label may be absent
    or blank. A folder of images without a table works too: every group is then missing.

    Example:

        everygroup predict runs/spare NEW_IMAGES -o predictions.csv
    """
    from everygroup.console import clear_warnings, say, warn
    from everygroup.datasets.reader import read_cohort
    from everygroup.errors import CohortError, OutputError, SettingsError
    from everygroup.models import RoutedModel
    from everygroup.settings import build, read_config
    from everygroup.training import resolve_device

    clear_warnings()
    target = out or Path(f"{source.with_suffix('')}-predictions.csv")
    if target.is_dir():
        raise OutputError(f"{target} is a folder.", fix="name a CSV file, as in --out predictions.csv")
    if (run / "config.yaml").is_file() and not (run / "model" / "model.json").is_file():
        raise SettingsError(
            f"{run} holds an unfinished run.", fix="finish it first: the same `everygroup fit` command with --resume"
        )
    model = RoutedModel.load(run / "model")
    config = read_config(run / "config.yaml")
    trained = build(Reading, {k: v for k, v in config.items() if k in Reading.model_fields})
    shape = model.sample_shape
    size = shape[0] if len(shape) > 1 else None  # vectors have none
    of_model = {"group": model.rule.attributes, "bins": dict(model.rule.bins), "image_size": size}
    of_model["volumes"] = len(shape) == 4
    try:
        cohort = read_cohort(
            source,
            trained.of_new_data(**of_model, **reading.given()),
            classes=model.classes,
            groups=model.groups,
            allow_unlabelled=True,
            workers=workers,
        )
    except CohortError as error:
        if "--bins" not in error.fix:
            raise
        fix = "correct the cell or leave it empty; the model makes groups of this column as at training"
        raise CohortError(error.message, fix=fix) from None
    for text in cohort.rule.remarks(cohort.table):
        warn(text)
    predictions = model.predict(
        cohort, routing=routing.value, when_missing=when_missing.value, device=resolve_device(training.device)
    )
    predictions.with_attributes({a: cohort.table[a] for a in model.rule.attributes}).to_csv(target)
    routes = predictions.table["route"].value_counts()
    say(f"{len(cohort)} predictions: " + ", ".join(f"{n} {route}" for route, n in routes.items()))
    say(f"Wrote {target}")
