"""Boundary distances of a whole cohort: streamed, resumable, cached by content."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from everygroup import console, files
from everygroup.boundary.chunks import ChunkFolder, model_hash
from everygroup.boundary.decision import Decision
from everygroup.boundary.linear import linear_distances, linear_layer
from everygroup.boundary.oracle import placement
from everygroup.boundary.perturbation import Perturbation, minimal_perturbation
from everygroup.boundary.search import PRESETS
from everygroup.errors import SettingsError
from everygroup.imaging.tensors import to_input

if TYPE_CHECKING:
    from everygroup.cohort import Cohort

_ALGORITHM = 2  # raise it when distances change, so that no old cache is served


@dataclass(frozen=True)
class Distances:
    """Boundary distances of a cohort, in its order.

    Attributes
    ----------
    distance : ndarray of float64, (n,)
        NaN where no flip was found.
    flipped : ndarray of bool, (n,)
    answer : ndarray of int64, (n,)
        The model's own answers; -1 with a decision.
    values : int
        Number of values in one image.
    gradient_passes, forward_passes : float
        Passes of one image, on average.
    key : str
        Content hash of model, cohort and settings.
    settings : mapping
    """

    distance: np.ndarray
    flipped: np.ndarray
    answer: np.ndarray
    values: int
    gradient_passes: float
    forward_passes: float
    key: str
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.distance)

    @property
    def censored(self) -> int:
        """Number of samples for which no flip was found."""
        return int((~self.flipped).sum())

    @classmethod
    def joined(cls, parts: Sequence[Distances]) -> Distances:
        """Put the distances of consecutive parts of a cohort together."""
        n = np.array([len(part) for part in parts], dtype=float)
        passes = [
            float(np.dot(n, [getattr(part, name) for part in parts]) / max(1.0, n.sum()))
            for name in ("gradient_passes", "forward_passes")
        ]
        return cls(
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.flipped for part in parts]),
            np.concatenate([part.answer for part in parts]),
            parts[0].values,
            passes[0],
            passes[1],
            files.hash_json([part.key for part in parts]),
            parts[0].settings,
        )

    @property
    def per_pixel(self) -> np.ndarray:
        """Distance / sqrt(number of values in an image): comparable between image sizes."""
        per_pixel: np.ndarray = self.distance / np.sqrt(self.values)
        return per_pixel


def boundary_distances(
    model: nn.Module,
    cohort: Cohort,
    *,
    target: int | None = None,
    from_: str = "answer",
    signed: bool = False,
    decision: Decision | None = None,
    preset: str = "fast",
    search: str = "deepfool",
    cache: Path | str | None = None,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    show_progress: bool = True,
    description: str = "boundary distances",
    **options: Any,
) -> Distances:
    """Measure the boundary distance of every sample of a cohort.

    Parameters
    ----------
    model : Module
        Logits of images in [0, 1], channels first; see `minimal_perturbation`.
    cohort : Cohort
        uint8 images count as pixels in 0..255; four-dimensional stores are (n, height, width, channels). Everything
        else goes to the model as it is.
    target : int, optional
        The class (or group) to reach; without it the distance to any other answer.
    from_ : {"answer", "label"}
        Measure from the model's answer or from the cohort's label.
    signed : bool
        With ``from_="label"``: negative where the model is wrong.
    preset, search, decision, **options
        As in `minimal_perturbation`. Linear models of vectors are not searched: their distances have a closed form.
    cache : Path, optional
        Folder for finished chunks and results. A run that was stopped goes on with the first chunk missing; the same
        model, cohort and settings give the same numbers to the bit without computing.
    batch_size : int
        Images searched together and saved together.
    device : device, optional
        Where to compute; the model is moved there and back. Default: where the model is.
    show_progress : bool
    description : str
        The text beside the progress bar.

    Returns
    -------
    Distances

    Raises
    ------
    SettingsError, ImageError
        As in `minimal_perturbation`.
    """
    if batch_size < 1:
        raise SettingsError(f"batch_size is {batch_size}.", fix="give at least 1")
    asked: dict[str, Any] = {
        "target": target,
        "from_": from_,
        "signed": signed,
        "preset": preset,
        "search": search,
        **options,
    }
    if decision is not None:
        asked["decision"] = repr(decision)
    call = {**asked, "decision": decision}
    n = len(cohort)
    layer = linear_layer(model) if len(cohort.sample_shape) == 1 else None
    plain = decision is None and from_ == "answer" and search == "deepfool" and preset in PRESETS and not options
    if layer is not None and plain and (target is None or target in range(layer.out_features)):
        distance, answer = linear_distances(layer, cohort.batch(slice(None)), target=target)
        key = files.hash_json([_ALGORITHM, "linear", model_hash(model), cohort.content_hash, target])
        found = {"distance": distance, "flipped": np.isfinite(distance), "answer": answer, "passes": np.zeros(2)}
        return _result(found, cohort, key, {**asked, "search": "closed form"})
    truth = np.asarray(cohort.y) if from_ == "label" else None
    key = ""
    folder: ChunkFolder | None = None
    if cache is not None:
        plan = asdict(PRESETS[preset]) if search == "deepfool" and preset in PRESETS else None
        key = files.hash_json([_ALGORITHM, model_hash(model), cohort.content_hash, asked, plan])
        folder = ChunkFolder(Path(cache) / "boundary" / key)
        whole = folder.load(folder.whole, n)
        if whole is not None:
            return _result(whole, cohort, key, asked)
    pieces: list[dict[str, np.ndarray]] = []
    with _on(model, device), _bar(n, description, show=show_progress) as advance:
        for start in range(0, n, batch_size):
            stop = min(start + batch_size, n)
            path = folder.chunk(start, stop) if folder else None
            piece = folder.load(path, stop - start) if folder and path else None
            if piece is None:
                images = to_input(torch.from_numpy(np.array(cohort.batch(np.arange(start, stop)))))
                labels = None if truth is None else truth[start:stop]
                piece = _columns(minimal_perturbation(model, images, labels=labels, batch_size=batch_size, **call))
                if folder and path:
                    folder.save(path, piece)
            pieces.append(piece)
            advance(stop - start)
    columns = {
        name: np.concatenate([piece[name] for piece in pieces] or [empty])
        for name, empty in (("distance", np.empty(0)), ("flipped", np.empty(0, bool)), ("answer", np.empty(0, int)))
    }
    columns["passes"] = np.sum([piece["passes"] for piece in pieces] or [np.zeros(2)], axis=0)
    if folder:
        folder.finish(columns)
    result = _result(columns, cohort, key, asked)
    if result.censored:
        console.warn(f"{result.censored} of {n} images kept their answer whatever the search did: no distance.")
    return result


def _columns(found: Perturbation) -> dict[str, np.ndarray]:
    n = len(found.distance)
    return {
        "distance": found.distance.cpu().double().numpy(),
        "flipped": found.flipped.cpu().numpy(),
        "answer": found.answer.cpu().numpy(),
        "passes": np.array([found.gradient_passes * n, found.forward_passes * n]),
    }


def _result(columns: Mapping[str, np.ndarray], cohort: Cohort, key: str, asked: Mapping[str, Any]) -> Distances:
    n = len(cohort)
    gradients, forwards = columns["passes"] / max(1, n)
    return Distances(
        distance=columns["distance"],
        flipped=columns["flipped"],
        answer=columns["answer"],
        values=int(np.prod(cohort.images.shape[1:])),
        gradient_passes=float(gradients),
        forward_passes=float(forwards),
        key=key,
        settings=dict(asked),
    )


@contextmanager
def _on(model: nn.Module, device: torch.device | str | None) -> Iterator[None]:
    """Hold the model on a device for a while."""
    home = placement(model)[0]
    away = torch.device(device) if device is not None else home
    try:
        model.to(away)
        yield
    finally:
        model.to(home)


@contextmanager
def _bar(total: int, description: str, *, show: bool) -> Iterator[Any]:
    if not show:
        yield lambda n: None
        return
    with console.progress(total, description) as advance:
        yield advance
