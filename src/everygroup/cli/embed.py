"""`everygroup embed`: images become vectors, once, which every other command takes for a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from everygroup.cli.options import Fields, SourceArgument, WorkersOption, with_options
from everygroup.reading import Reading


@with_options
def embed(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the prepared cohort of vectors.")],
    backbone: Annotated[str, typer.Option(help="Network; see `everygroup list backbones`.")],
    reading: Annotated[Reading, Fields(without=("embeddings",))],
    pretrained: Annotated[
        bool, typer.Option("--pretrained/--random", help="Pretrained weights; random ones are a control.")
    ] = True,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read the weights from here (.safetensors or .pth).")
    ] = None,
    views: Annotated[int, typer.Option(help="Average over the image and its mirror images: 1, 2 or 4.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Images passed at once.")] = 64,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: WorkersOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another cohort in --out.")] = False,
) -> None:
    """Compute a network's features of every image once. Stopped and called again, it goes on where it was.

    Example:

        everygroup embed DATA --label dx --group sex --backbone tf_efficientnet_lite0 --image-size 128 -o embedded

    Then `everygroup fit embedded ...`, `everygroup benchmark embeddings/main --cohort ...` and the others.
    """
    from everygroup.console import clear_warnings
    from everygroup.datasets.reader import read_cohort
    from everygroup.networks.embed import embed as write_embedded
    from everygroup.training import resolve_device

    clear_warnings()
    cohort = read_cohort(source, reading, workers=workers)
    write_embedded(
        cohort,
        out,
        backbone=backbone,
        pretrained=pretrained,
        weights=weights,
        views=views,
        batch_size=batch_size,
        device=resolve_device(device),
        overwrite=overwrite,
    )
