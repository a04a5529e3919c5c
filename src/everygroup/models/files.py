"""A model's files: model.json, and one safetensors file for each network and transform. Reading them runs no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from everygroup.errors import SettingsError
from everygroup.files import read_json, write_json
from everygroup.models.transforms import Transform, build_transform
from everygroup.networks import ADAPTERS, NetworkSpec, rebuild
from everygroup.training.checkpoint import copy_state, load_network, save_network

FORMAT = 3


def write_model(
    folder: Path,
    record: Mapping[str, Any],
    networks: Mapping[str, nn.Module],
    transforms: Sequence[Transform],
) -> None:
    """Write networks, transforms and, last, the record of everything else.

    Raises
    ------
    SettingsError
        For a network that could not be built again without the code of the method that made it.
    """
    files = {name: f"network-{i}.safetensors" for i, name in enumerate(networks)}
    for name, file in files.items():
        spec = getattr(networks[name], "spec", None)
        if not isinstance(spec, NetworkSpec):
            raise SettingsError(
                f"Network {name!r} of method {record['method']!r} is a {type(networks[name]).__name__}, which cannot "
                "be read back without the method's code.",
                fix="let the learner's `answering` return a plain network (`Lab.network()`), or a kind of "
                f"`everygroup.networks`: {', '.join(ADAPTERS)}",
            )
        save_network(folder / file, copy_state(networks[name]), {"spec": spec.to_dict()})
    seen = []
    for i, transform in enumerate(transforms):
        file = f"transform-{i}.safetensors"
        save_network(folder / file, transform.tensors(), {"name": transform.name})
        seen.append({"name": transform.name, "file": file, "options": transform.options()})
    write_json(folder / "model.json", {"format": FORMAT, **record, "networks": files, "transforms": seen})


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, nn.Module], tuple[Transform, ...]]:
    """Read record, networks and transforms back.

    Raises
    ------
    SettingsError, OutputError
        If the folder holds no model, a damaged one, or one of a newer format.
    """
    try:
        record = read_json(folder / "model.json")
        if record["format"] > FORMAT:
            raise SettingsError(f"{folder} was written by a newer everygroup.", fix="update everygroup")
        loaded = {name: load_network(folder / Path(file).name) for name, file in record["networks"].items()}
        networks = {
            name: rebuild(NetworkSpec.from_dict(header["spec"]), weights) for name, (weights, header) in loaded.items()
        }
        transforms = tuple(
            build_transform(t["name"], t["options"], load_network(folder / Path(t["file"]).name)[0])
            for t in record["transforms"]
        )
    except FileNotFoundError as error:
        raise SettingsError(f"No trained model in {folder}.", fix="give the folder that `fit --out` wrote") from error
    except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        raise SettingsError(f"The model in {folder} is damaged: {error}.", fix="train it again") from error
    return record, networks, transforms
