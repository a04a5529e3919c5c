"""Checks of what a user hands in: every mistake gets one clear message."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from everygroup.boundary.decision import Decision
from everygroup.boundary.penalty import Penalty
from everygroup.boundary.search import PRESETS
from everygroup.errors import ImageError, SettingsError


def check_options(
    *,
    target: Any,
    labels: Any,
    from_: str,
    signed: bool,
    preset: str,
    search: str,
    tolerance: float,
    batch_size: int,
    penalty: Penalty,
    decision: Decision | None,
) -> None:
    """Reject unknown names, impossible values and options that contradict each other."""
    for name, value, allowed in (
        ("preset", preset, tuple(PRESETS)),
        ("search", search, ("deepfool", "penalty")),
        ("from_", from_, ("answer", "label")),
        ("optimiser", penalty.optimiser, ("normalised", "adam")),
    ):
        if value not in allowed:
            raise SettingsError(f"Unknown {name} {value!r}.", fix=f"choose one of {', '.join(allowed)}")
    for name, number in (
        ("tolerance", tolerance),
        ("batch_size", batch_size),
        ("beta", penalty.beta),
        ("step", penalty.step),
        ("max_steps", penalty.max_steps),
    ):
        if not number > 0:
            raise SettingsError(f"{name} is {number}.", fix=f"give a {name} above 0")
    if from_ == "label" and target is not None:
        raise SettingsError("from_='label' and target exclude each other.", fix="leave one of them out")
    if (from_ == "label") != (labels is not None):
        raise SettingsError("labels and from_='label' go together.", fix="give both or neither")
    if signed and from_ != "label":
        raise SettingsError("signed distances need the true label.", fix="add from_='label' and labels=")
    if decision is not None and (target is not None or from_ == "label"):
        raise SettingsError(
            "A decision is about leaving the model's own answer; it knows no class to reach or to start from.",
            fix="leave out target= and from_=, or the decision",
        )


def as_images(images: Tensor | np.ndarray) -> Tensor:
    """Return the images as a float tensor (n, ...), all finite."""
    tensor = torch.as_tensor(images)
    if not tensor.is_floating_point():
        raise ImageError(f"Images are {tensor.dtype}, not floats.", fix="divide uint8 pixels by 255")
    if tensor.dim() < 2:
        raise ImageError(
            f"Images have shape {tuple(tensor.shape)}.", fix="give a batch (n, ...); one image is image[None]"
        )
    bad = ~torch.isfinite(tensor.flatten(1)).all(dim=1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        raise ImageError(
            f"{int(bad.sum())} of {len(tensor)} images hold NaN or infinite values; the first is number {first}.",
            fix="repair or leave out these images",
        )
    return tensor


def check_clip(images: Tensor, clip: bool) -> None:
    """Clipping needs images that lie in [0, 1] to begin with."""
    if clip and len(images) and (float(images.min()) < 0 or float(images.max()) > 1):
        raise ImageError(
            f"clip=True needs images in [0, 1]; these hold {float(images.min()):.3g} to {float(images.max()):.3g}.",
            fix="put the normalisation inside the model, or use clip=False",
        )


def as_classes(
    value: int | Tensor | np.ndarray | None, n: int, name: str, *, known: int | None = None
) -> Tensor | None:
    """Return class indices (n,), one for each image; with `known`, check that the model has these classes."""
    if value is None:
        return None
    classes = torch.as_tensor(value)
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise SettingsError(f"{name} is {classes.dtype}.", fix="give class indices (integers)")
    if classes.dim() == 0 and name == "target":
        classes = classes.expand(n)
    if classes.shape != (n,):
        raise SettingsError(
            f"{name} has shape {tuple(classes.shape)} for {n} images.", fix="give one class index for each image"
        )
    classes = classes.long()
    if known is not None and n:
        wrong = (classes < 0) | (classes >= known)
        if bool(wrong.any()):
            raise SettingsError(
                f"{name} {int(classes[wrong][0])} is unknown: the model has classes 0 to {known - 1}.",
                fix="give an index the model was trained with (missing labels are -1: leave these images out)",
            )
    return classes


def check_outputs(model: nn.Module, images: Tensor) -> Tensor:
    """Run the model once and return its outputs (n, ...), all finite."""
    try:
        outputs = model(images)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ImageError(
            f"The model cannot take images of shape {tuple(images.shape[1:])}: {str(error).splitlines()[0]}",
            fix="give images as the model was trained on: channels first, the same size",
        ) from error
    if not isinstance(outputs, Tensor) or outputs.dim() < 1 or len(outputs) != len(images):
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise SettingsError(
            f"The model returns {shape}, not logits or other outputs (n, ...).", fix="wrap it to return these only"
        )
    if not bool(torch.isfinite(outputs).all()):
        first = int((~torch.isfinite(outputs)).reshape(len(outputs), -1).any(dim=1).nonzero()[0])
        raise SettingsError(
            f"The model answers NaN or infinity, first to image {first} of its batch.",
            fix="train it again, or check it",
        )
    return outputs


def check_logits(outputs: Tensor) -> Tensor:
    """Return a model's outputs if they are logits (n, K) of at least two classes."""
    if outputs.dim() != 2:
        raise SettingsError(
            f"The model returns {tuple(outputs.shape)}, not logits (n, K).", fix="wrap it, or give a decision="
        )
    if outputs.shape[1] < 2:
        raise SettingsError(
            "The model has a single class: there is no boundary to another.",
            fix="use two logits for a yes/no question (for one logit z: torch.stack([0 * z, z], 1)), or a decision=",
        )
    return outputs
