"""The live record of a run: log.csv after every epoch, progress.png now and then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.files import atomic_path

PICTURE_SECONDS = 20.0
_FELL = 0.98  # a schedule that ends at 0 lets the loss creep down for ever: less is no sign


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


def trained_briefly(log: pd.DataFrame, *, rule: str = "") -> str:
    """Say in one line which networks were perhaps trained too briefly; empty where none was.

    That is one whose validation loss ended at least 2 % below its lowest value of the first three quarters of the
    epochs, or whose chosen epoch is the last one (not where `rule` always takes it).
    """
    falling, last = [], []
    if "l2" in log:  # heads that were solved have penalties for epochs
        log = log[log["l2"].isna()]
    for name, part in log.groupby("model", sort=False):
        loss = part["validation_loss"].to_numpy(float)
        before = loss[: len(loss) - max(1, len(loss) // 4)]
        if len(before) and loss[-1] < _FELL * before.min():
            falling.append(str(name))
        elif rule != "last" and bool(part["selected"].iloc[-1]):
            last.append(str(name))
    if not falling and not last:
        return ""
    said = []
    if falling:
        said.append(f"the validation loss still fell in the last quarter of the epochs ({_listed(falling)})")
    if last:
        said.append(f"the chosen epoch is the last one ({_listed(last)})")
    return f"Perhaps trained too briefly: {'; '.join(said)}. Compare again with more --epochs."


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more networks" if len(names) > 3 else "")
