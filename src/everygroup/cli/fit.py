"""`everygroup fit`: train a method on a cohort, from images and table to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from everygroup.cli import cohort_options as c
from everygroup.cli import train_options as t
from everygroup.errors import SettingsError

COHORT_KEYS = (
    "source",
    "label",
    "group",
    "bins",
    "split_by",
    "id_column",
    "image_column",
    "images",
    "image_size",
    "resize",
    "on_bad_image",
    "drop_unlabelled",
    "sample_limit",
)


def fit(
    source: c.SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")],
    label: c.LabelOption = None,
    group: c.GroupOption = None,
    bins: c.BinsOption = None,
    split_by: c.SplitByOption = None,
    id_column: c.IdColumnOption = None,
    image_column: c.ImageColumnOption = None,
    images: c.ImagesOption = None,
    image_size: c.ImageSizeOption = None,
    resize: c.ResizeOption = c.ResizePolicy.crop,
    on_bad_image: c.OnBadImageOption = c.BadImages.error,
    drop_unlabelled: c.DropUnlabelledOption = False,
    sample_limit: c.SampleLimitOption = None,
    method: Annotated[str, typer.Option(help="Method, see `everygroup list methods`.")] = "spare",
    compare: Annotated[
        list[str] | None, typer.Option(help="Methods trained beside it; 'none' for none. Default: erm.")
    ] = None,
    backbone: t.BackboneOption = None,
    epochs: t.EpochsOption = None,
    batch_size: t.BatchSizeOption = None,
    lr: t.LrOption = None,
    selection: t.SelectionOption = None,
    device: t.DeviceOption = None,
    amp: t.AmpOption = None,
    preset: t.PresetOption = None,
    config: t.ConfigOption = None,
    set_: t.SetOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of split, initial weights, batches, augmentation.")] = 0,
    split_seed: Annotated[int | None, typer.Option(min=0, help="Another seed for the split alone.")] = None,
    workers: c.WorkersOption = None,
    n_boot: Annotated[int, typer.Option(min=10, help="Bootstrap replicates of the audit.")] = 1000,
    store: Annotated[Path | None, typer.Option(help="Folder of trained networks, to share between runs.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run in --out.")] = False,
) -> None:
    """Train a method and leave a run folder: model, weights, predictions, audit, report.

    Example:

        everygroup fit DATA --label dx --group age --bins age=55 --split-by lesion_id --image-size 64 -o runs/spare

    Resume after a kill with the same command and --resume. Another method: --method group_model. Hyper-parameters of
    the method and all settings: --set alpha=0.3 --set weight_decay=0.01 (see `everygroup describe spare` and
    `everygroup list settings`).
    """
    from everygroup.benchmark import RunFolder, run
    from everygroup.console import clear_warnings, say
    from everygroup.datasets.reader import read_cohort
    from everygroup.methods import method_class

    clear_warnings()
    flags = {
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "selection": selection,
        "device": device,
        "amp": amp,
        "seed": seed,
    }
    compared = [] if compare == ["none"] else [m for m in (compare or ["erm"]) if m != method]
    for name in compared:
        method_class(name)
    settings, hyperparameters, from_file = t.resolve_settings(
        flags, preset=preset, config=config, assignments=set_, method_defaults=method_class(method).defaults()
    )
    given: dict[str, Any] = {
        "label": label,
        "group": group,
        "bins": c.parse_bins(bins) or None,
        "split_by": split_by,
        "id_column": id_column,
        "image_column": image_column,
        "images": str(images) if images else None,
        "image_size": image_size,
        "resize": resize.value,
        "on_bad_image": on_bad_image.value,
        "drop_unlabelled": drop_unlabelled,
        "sample_limit": sample_limit,
    }
    cohort_values = {**from_file, **{k: v for k, v in given.items() if v is not None}}
    cohort_values.pop("source", None)
    if not cohort_values.get("group"):
        raise SettingsError("No sensitive attribute is named.", fix="add --group COLUMN (see `everygroup check`)")
    recorded = {
        "source": str(source),
        **cohort_values,
        "method": method,
        "hyperparameters": hyperparameters,
        "compare": compared,
        "split_seed": seed if split_seed is None else split_seed,
        "n_boot": n_boot,
        **settings.model_dump(exclude={"device"}),
    }
    # The cohort is read and split before the folder is made: bad input leaves nothing behind.
    cohort = read_cohort(source, workers=workers, **cohort_values)
    split = cohort.split(seed=recorded["split_seed"])
    folder = RunFolder(out, recorded, resume=resume)
    result = run(
        cohort,
        folder,
        method=method,
        hyperparameters=hyperparameters,
        compare=compared,
        settings=settings,
        split=split,
        store=store,
        n_boot=n_boot,
    )
    say(result.audits[method].summary())
    say(f"Run folder: {folder.path}\nReport:     {folder / 'report.html'}")
