"""The live record of a run: log.csv after every epoch, progress.png now and then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.files import atomic_path

PICTURE_SECONDS = 20.0


class RunLog:
    """Collects the epochs of all models of a run.

    Parameters
    ----------
    folder : Path, optional
        Where log.csv and progress.png go; nothing is written without it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._records: dict[str, list[dict[str, Any]]] = {}
        self._drawn = time.monotonic()

    @property
    def table(self) -> pd.DataFrame:
        """One row a model and epoch."""
        return pd.DataFrame([record for records in self._records.values() for record in records])

    def update(self, records: list[dict[str, Any]], *, selected_epoch: int | None = None) -> None:
        """Take a model's records so far; with `selected_epoch` (from 1) the model is finished."""
        if not records:
            return
        marked = [{**r, "selected": r["epoch"] == selected_epoch} for r in records]
        self._records[records[0]["model"]] = marked
        if self.folder is None:
            return
        with atomic_path(self.folder / "log.csv") as temporary:
            self.table.to_csv(temporary, index=False)
        if time.monotonic() - self._drawn > PICTURE_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Draw progress.png."""
        from everygroup.figures import save, training_curves

        if self.folder is not None and self._records:
            save(training_curves(self.table), self.folder / "progress.png")
            self._drawn = time.monotonic()
