"""`everygroup fit`: train a method on a cohort, from images and table to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from everygroup.cli import cohort_options as c
from everygroup.cli import train_options as t


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
    resize: c.ResizeOption = None,
    on_bad_image: c.OnBadImageOption = None,
    drop_unlabelled: c.DropUnlabelledOption = None,
    sample_limit: c.SampleLimitOption = None,
    units_with_duplicates: c.UnitsWithDuplicatesOption = None,
    method: Annotated[
        str | None, typer.Option(help="Method, see `everygroup list methods`.", show_default="spare")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="Methods trained beside it; 'none' for none.", show_default="erm")
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
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of split, initial weights, batches, augmentation.", show_default="0"),
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option(min=0, help="Another seed for the split alone.", show_default="that of --seed")
    ] = None,
    import_: t.ImportOption = None,
    workers: c.WorkersOption = None,
    n_boot: Annotated[
        int | None, typer.Option(min=10, help="Bootstrap replicates of the audit.", show_default="1000")
    ] = None,
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
    from everygroup.benchmark import RunFolder, preflight, run
    from everygroup.cohort import forgotten_unit, outside_sets, split_cohort
    from everygroup.console import clear_warnings, say, warn
    from everygroup.datasets.reader import read_cohort

    clear_warnings()
    flags: dict[str, Any] = {
        "label": label,
        "group": group,
        "bins": c.parse_bins(bins) or None,
        "split_by": split_by,
        "id_column": id_column,
        "image_column": image_column,
        "images": str(images) if images else None,
        "image_size": image_size,
        "resize": resize.value if resize else None,
        "on_bad_image": on_bad_image.value if on_bad_image else None,
        "drop_unlabelled": drop_unlabelled,
        "sample_limit": sample_limit,
        "units_with_duplicates": units_with_duplicates,
        "method": method,
        "compare": compare,
        "backbone": backbone,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "selection": selection,
        "device": device,
        "amp": amp,
        "seed": seed,
        "split_seed": split_seed,
        "n_boot": n_boot,
        "imports": [str(path) for path in import_] if import_ else None,
    }
    plan = t.resolve(flags, preset=preset, config=config, assignments=set_)
    # The folder is made only when everything has been read and checked: bad input leaves nothing behind.
    cohort = read_cohort(source, workers=workers, **plan.cohort)
    cohort.rule.refuse_numbers(cohort.table)
    for text in (*forgotten_unit(cohort), *outside_sets(cohort)):  # before what they may make fail
        warn(text)
    split = split_cohort(cohort, seed=plan.split_seed)
    wanted: dict[str, Any] = {
        "split": split,
        "method": plan.method,
        "hyperparameters": plan.hyperparameters,
        "compare": plan.compare,
        "settings": plan.settings,
    }
    preflight(**wanted)
    folder = RunFolder(out, {"source": str(source), **plan.to_dict()}, resume=resume)
    result = run(cohort, folder, **wanted, store=store, n_boot=plan.n_boot)
    say(result.audits[plan.method].summary())
    say(f"Run folder: {folder.path}\nReport:     {folder / 'report.html'}")
