"""Embed: a cohort of images becomes a prepared cohort of vectors, a network's features of each image."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from everygroup.boundary.chunks import model_hash
from everygroup.cohort import Cohort
from everygroup.console import progress, say
from everygroup.datasets._out_folder import is_prepared
from everygroup.datasets.save import save_cohort
from everygroup.errors import CohortError, SettingsError
from everygroup.files import atomic_path, hash_file, hash_json, read_json
from everygroup.imaging.prepare import RECORD, open_prepared
from everygroup.imaging.tensors import to_input
from everygroup.mapped import write_npy
from everygroup.networks.backbones import build_network
from everygroup.networks.spec import NetworkSpec
from everygroup.networks.weights import packaged, pretrained_scaling

VIEWS: dict[int, tuple[tuple[int, ...], ...]] = {1: ((),), 2: ((), (3,)), 4: ((), (3,), (2,), (2, 3))}
"""Number of views -> axes that each is flipped along: the image, its mirror image, upside down, and both."""
_CHUNK = 512  # images that are done or not done together
_HALF = 6e4  # largest value that a float16 takes


def embed(
    cohort: Cohort,
    out: Path | str,
    *,
    backbone: str,
    pretrained: bool = True,
    weights: str | None = None,
    views: int = 1,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
) -> Path:
    """Write a prepared cohort that has a network's penultimate features for images, in half precision.

    The whole table goes along, so that other labels and groups can be named when it is read. The cohort is streamed;
    what is finished is kept in pieces below `out`, known by what they are made of, so that a stopped call goes on, and
    a finished one is left as it is.

    Parameters
    ----------
    cohort : Cohort
        Of images.
    out : Path
        The folder, which is returned.
    backbone : str
        A name of `everygroup.list_backbones`.
    pretrained : bool
        With pretrained weights; without, with random ones, as a control.
    weights : str, optional
        The file they are read from, see `everygroup.networks.weights`.
    views : {1, 2, 4}
        Features are averaged over the image, its mirror image, both upside down.
    batch_size : int
        Images passed at once.
    overwrite : bool
        Replace another cohort in `out`.

    Raises
    ------
    SettingsError
        For another number of views, and a backbone without features or weights.
    CohortError
        For a cohort of vectors.
    """
    if views not in VIEWS:
        raise SettingsError(f"{views} views.", fix=f"choose {', '.join(map(str, VIEWS))}")
    if len(cohort.sample_shape) != 3:
        raise CohortError("Only images can be embedded; these samples are vectors or volumes already.")
    network, about = _network(cohort, backbone, pretrained, weights)
    about = {**about, "views": views, "cohort_hash": cohort.content_hash}
    out = Path(out)
    if is_prepared(out) and read_json(out / RECORD).get("provenance", {}).get("embedding") == about:
        open_prepared(out)  # whole, or refused
        say(f"The features of these samples by this network are in {out} already.")
        return out
    pieces = out / ".pieces" / hash_json(about)
    network = network.to(device).eval()
    paths = []
    with progress(len(cohort), f"embedding with {backbone}") as advance:
        for start in range(0, len(cohort), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(cohort)))
            paths.append(pieces / f"{start:09d}.npy")
            if not paths[-1].exists():
                with atomic_path(paths[-1]) as temporary, temporary.open("wb") as file:
                    np.save(file, _features(network, cohort, part, views, batch_size, device))
            advance(part.stop - part.start)
    vectors = cohort.with_images(_joined(paths, pieces / "all.npy", backbone))
    vectors.provenance = {**cohort.provenance, "embedding": about}
    save_cohort(vectors, out, overwrite=overwrite)
    shutil.rmtree(out / ".pieces")
    say(f"{len(cohort)} samples of {vectors.sample_shape[0]} features: {out}")
    return out


def _joined(paths: Sequence[Path], whole: Path, backbone: str) -> np.ndarray:
    """Return all pieces as one array on disk, piece by piece, so that memory does not grow with the cohort."""
    rows, largest, width = 0, 0.0, 0
    for path in paths:
        piece = np.load(path)
        if not np.isfinite(piece).all():
            raise SettingsError(f"Features of {backbone!r} are not all finite.", fix="choose other weights")
        rows, width = rows + len(piece), piece.shape[1]
        largest = max(largest, float(np.abs(piece).max(initial=0)))
    kept = np.dtype(np.float16 if largest < _HALF else np.float32)
    write_npy(whole, (np.load(path) for path in paths), shape=(rows, width), dtype=kept)
    found: np.ndarray = np.load(whole, mmap_mode="r")
    return found


def _network(cohort: Cohort, backbone: str, pretrained: bool, weights: str | None) -> tuple[nn.Module, dict[str, Any]]:
    """Build the network; say what it is."""
    trained = pretrained or weights is not None
    scaling = pretrained_scaling(backbone) if trained else None
    spec = NetworkSpec(backbone, 2, cohort.sample_shape, scaling=scaling)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(spec, pretrained=pretrained, weights=weights)
    if not hasattr(network, "features"):
        raise SettingsError(f"Backbone {backbone!r} has no features.", fix="choose another --backbone")
    if weights is not None:
        source = Path(weights).name
    elif trained:
        package = packaged(backbone)
        source = package.name if package is not None else "timm"
    else:
        source = "random"
    about = {"backbone": backbone, "image_size": cohort.sample_shape[0], "weights": source, "scaling": scaling}
    content = hash_file(weights) if weights is not None else model_hash(network)
    return network, {**about, "weights_hash": content}


def _features(
    network: nn.Module, cohort: Cohort, part: slice, views: int, batch_size: int, device: torch.device | str
) -> np.ndarray:
    found = []
    for start in range(part.start, part.stop, batch_size):
        stored = torch.from_numpy(cohort.batch(slice(start, min(start + batch_size, part.stop)))).to(device)
        x = to_input(stored).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            each = [network.features(x.flip(axes) if axes else x).float() for axes in VIEWS[views]]  # type: ignore[operator]
        found.append(torch.stack(each).mean(0).cpu().numpy())
    return np.concatenate(found)
