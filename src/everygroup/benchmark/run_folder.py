"""The run folder: self-describing, never mixed with another run, resumable."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from everygroup.console import say
from everygroup.errors import OutputError
from everygroup.files import atomic_path, hash_json, plain, write_json, write_text
from everygroup.settings import read_config, write_config

_LONG = 40
# Where things lie is kept to be read and may differ when a run goes on: what they hold is identified by hashes.
_PLACES = ("source", "images", "imports")
_PACKAGES = ("everygroup", "torch", "timm", "numpy", "pandas", "scikit-learn", "scipy", "pillow", "safetensors")


class RunFolder:
    """A folder that one run writes to.

    Parameters
    ----------
    path : Path
        New or empty; or, with `resume`, the folder of the same run. A finished one is left as it is: see `finished`.
    config : mapping
        Everything the results depend on; JSON-able. Kept as config.yaml. Paths of data and code may differ when a run
        goes on, so that a hash of what they hold belongs beside them.
    resume : bool
        Go on with an unfinished run.

    Raises
    ------
    OutputError
        If the folder cannot be written, holds something else, a run with another configuration, or (without `resume`)
        any run.
    """

    def __init__(self, path: Path | str, config: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file.", fix="choose another --out folder")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
        except OSError as error:
            raise OutputError(f"Cannot write to {self.path}: {error.strerror}.", fix="choose another --out") from error
        if held:
            self._check_same(config, held, resume)
        if not self.finished:
            self.write_yaml("config.yaml", config)

    def _check_same(self, config: Mapping[str, Any], held: list[str], resume: bool) -> None:
        if "config.yaml" not in held:
            raise OutputError(
                f"{self.path} is not empty and holds no run ({', '.join(held[:3])}).", fix="choose another --out folder"
            )
        if self.finished and not resume:
            raise OutputError(
                f"{self.path} holds a finished run.", fix="choose another --out folder, or remove this one"
            )
        state = "a finished" if self.finished else "an unfinished"
        before = {k: v for k, v in read_config(self.path / "config.yaml").items() if k not in _PLACES}
        if different := differing(before, {k: v for k, v in config.items() if k not in _PLACES}):
            raise OutputError(
                f"{self.path} holds {state} run with other settings ({', '.join(different[:4])}"
                f"{', ...' if len(different) > 4 else ''}; see its config.yaml).",
                fix="repeat its settings, or choose another --out folder",
            )
        if not resume:
            raise OutputError(f"{self.path} holds an unfinished run.", fix="add --resume to go on with it")
        if self.finished:
            say(f"The run in {self.path} is finished, with the same data and settings: there is nothing left to do.")
        else:
            say(f"Resuming the run in {self.path}.")

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return (self.path / "done").exists()

    def finish(self) -> None:
        """Mark the run as complete."""
        write_text(self / "done", "complete\n")

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write_yaml(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a YAML file of the run."""
        write_config(self / name, values)

    def write_table(self, name: str, table: Any) -> None:
        """Write a DataFrame as CSV."""
        with atomic_path(self / name) as temporary:
            table.to_csv(temporary, index=False)

    def write_environment(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Write and return what the run was made with."""
        record = environment() | dict(extra)
        write_json(self / "environment.json", record)
        return record


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two records of settings, such as 'lr: 0.002 there, 0.5 now'."""

    def shown(record: Mapping[str, Any], key: str) -> str:
        text = str(plain(record[key])) if key in record else "nothing"
        return text if len(text) <= _LONG else f"{text[:_LONG]}…"

    keys = dict.fromkeys([*before, *now])
    different = [k for k in keys if k not in before or k not in now or hash_json(before[k]) != hash_json(now[k])]
    return [f"{key}: {shown(before, key)} there, {shown(now, key)} now" for key in different]


def environment() -> dict[str, Any]:
    """Return versions, machine and command (quoted, to be pasted into a shell)."""
    import torch

    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": shlex.join(["everygroup", *sys.argv[1:]]),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "packages": versions,
    }
