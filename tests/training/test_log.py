"""The live record of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from everygroup.training import log as module
from everygroup.training.log import RunLog, trained_briefly


def records(model: str, n: int) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "epoch": e,
            "updates": 3 * e,
            "lr": 0.1,
            "train_loss": 1 / e,
            "validation_loss": 1.5 / e,
            "validation_accuracy": 0.5,
            "validation_macro_f1": 0.4,
            "validation_worst_group_macro_f1": 0.3,
            "seconds": 0.1,
        }
        for e in range(1, n + 1)
    ]


def test_all_models_in_one_table(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.update([])
    assert list(tmp_path.iterdir()) == []
    log.update(records("erm", 1))
    log.update(records("erm", 2))
    log.update(records("group_model[<=55]", 3), selected_epoch=2)
    table = pd.read_csv(tmp_path / "log.csv")
    pd.testing.assert_frame_equal(table, log.table)
    assert table["model"].tolist() == ["erm"] * 2 + ["group_model[<=55]"] * 3
    assert table["selected"].tolist() == [False, False, False, True, False]
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


def test_the_picture_is_drawn_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURE_SECONDS", -1.0)
    RunLog(tmp_path).update(records("erm", 2))
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_folder_nothing_is_written() -> None:
    log = RunLog()
    log.update(records("erm", 2), selected_epoch=1)
    log.draw()
    assert len(log.table) == 2


def test_too_short_a_training_is_told_in_one_line() -> None:
    log = RunLog()
    log.update(records("falling", 8), selected_epoch=5)
    flat = [{**r, "validation_loss": 0.5} for r in records("settled", 8)]
    log.update(flat, selected_epoch=3)
    assert trained_briefly(log.table[log.table["model"] == "settled"]) == ""
    assert "still fell in the last quarter of the epochs (falling)" in trained_briefly(log.table)
    log.update(flat, selected_epoch=8)
    text = trained_briefly(log.table)
    assert "the chosen epoch is the last one (settled)" in text and "--epochs" in text and "\n" not in text
    assert "last one" not in trained_briefly(log.table, rule="last")
    for name in "abc":
        log.update(records(name, 8), selected_epoch=5)
    assert "falling, a, b and 1 more networks" in trained_briefly(log.table)
