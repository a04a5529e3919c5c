"""One line a file says what was read; how it was found stands behind it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import everygroup
from everygroup.console import console
from everygroup.errors import EverygroupError


def save(path: Path, **columns: object) -> Path:
    n = 40
    rows = {
        "isic_id": [f"r{k}" for k in range(n)],
        "patient": [f"m{k // 2}" for k in range(n)],
        "sex": list("fm") * (n // 2),
    }
    rows |= {"dx": ["no", "yes", "yes", "no"] * (n // 4), "Probability": [0.1, 0.9, 0.4, 0.3] * (n // 4)}
    pd.DataFrame(rows | columns).to_csv(path, index=False)
    return path


def read(path: Path, **options: object) -> tuple[list[str], list[str]]:
    """Lines printed, and how it was read."""
    with console.capture() as capture:
        result = everygroup.audit(path, groups=["sex"], n_boot=9, **options)
    lines = [line for line in capture.get().splitlines() if not line.startswith("!")]
    return lines, result.settings["asked"]["how it was read"]


def test_every_column_that_was_guessed_is_named_in_one_line(tmp_path: Path) -> None:
    lines, full = read(save(tmp_path / "p.csv"))
    assert len(lines) == 1 and lines[0].startswith("p.csv: 40 rows of 20 patients; taken as classification, as ")
    for part in ("label dx", "scores Probability", "sample id isic_id", "patient or lesion patient"):
        assert f"; {part}; " in lines[0], part
    assert lines[0].endswith("; the positive class is 'yes'.")
    for option in ("--task", "--y-true", "--y-score", "--id-column", "--cluster"):
        assert sum(option in line for line in full) == 1, option


def test_a_baseline_read_likewise_adds_one_short_line(tmp_path: Path) -> None:
    path, old = save(tmp_path / "p.csv"), save(tmp_path / "old.csv")
    other = save(tmp_path / "older.csv").read_text().replace("Probability", "risk")
    (tmp_path / "older.csv").write_text(other)
    lines, full = read(path, baseline=[tmp_path / "older.csv", old])
    assert lines[-1] == "old.csv: 40 rows of 20 patients; read likewise."
    assert lines[-2].startswith("older.csv: 40 rows of 20 patients; label dx; scores risk; ") and len(lines) == 3
    assert any(line.startswith("older.csv: scores: 'risk'") for line in full)


def test_guesses_are_told_where_reading_fails(tmp_path: Path) -> None:
    path = save(tmp_path / "p.csv", Probability=[0.2, 0.9] * 19 + [0.3, "x"])
    with console.capture() as capture, pytest.raises(EverygroupError):
        everygroup.audit(path, groups=["sex"], n_boot=9)
    assert "scores: 'Probability' (--y-score to name others)" in " ".join(capture.get().split())
