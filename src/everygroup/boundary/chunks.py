"""Finished pieces of a long computation on disk: written atomically, read back only if they fit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from everygroup import console, files

_KINDS = {"distance": np.dtype(np.float64), "flipped": np.dtype(bool), "answer": np.dtype(np.int64)}
_COLUMNS = (*_KINDS, "passes")


def model_hash(model: nn.Module) -> str:
    """Hash a model by its class, its printed architecture and every parameter and buffer.

    Numbers kept as plain attributes enter only if the architecture prints them.
    """
    kind = type(model)
    parts = [f"{kind.__module__}.{kind.__qualname__}\n{model!r}".encode()]
    # state_dict alone would miss buffers that are not saved, such as the mean and spread of the input scaling
    for name, tensor in sorted([*model.named_parameters(), *model.named_buffers()], key=lambda item: item[0]):
        array = tensor.detach().cpu().contiguous()
        header = f"{name} {array.dtype} {tuple(array.shape)}"
        parts += [header.encode(), array.reshape(-1).view(torch.uint8).numpy().tobytes()]
    return files.hash_bytes(*parts)


class ChunkFolder:
    """The pieces of one computation: one file a chunk, and one file for the whole once it is done.

    Parameters
    ----------
    folder : Path
        A folder of this computation alone (its name holds the content hash).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole = folder / "distances.npz"

    def chunk(self, start: int, stop: int) -> Path:
        """Return the file of samples start..stop."""
        return self.folder / f"chunk-{start:08d}-{stop:08d}.npz"

    def save(self, path: Path, columns: Mapping[str, np.ndarray]) -> None:
        """Write one piece; a reader never meets half of it."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            distance=columns["distance"],
            flipped=columns["flipped"],
            answer=columns["answer"],
            passes=columns["passes"],
        )
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def load(self, path: Path, length: int) -> dict[str, np.ndarray] | None:
        """Read one piece, or None if it is absent or damaged (it is then computed again)."""
        if not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                columns = {name: archive[name] for name in _COLUMNS}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            columns = {}
        if all(
            name in columns and columns[name].shape == (length,) and columns[name].dtype == kind
            for name, kind in _KINDS.items()
        ):
            return columns
        console.warn(f"The cached distances in {path} are damaged; they are computed again.")
        return None

    def finish(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write the whole and remove its pieces."""
        self.save(self.whole, columns)
        for piece in self.folder.glob("chunk-*.npz"):
            piece.unlink(missing_ok=True)
