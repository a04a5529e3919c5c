"""What an audit prints: one screen, whatever the number of groups and classes."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from everygroup.audit import Audit, audit_arrays
from everygroup.audit.flags import Flag
from everygroup.cli import audit_show
from everygroup.cli.audit_show import show, show_files
from everygroup.cli.audit_tables import all_tables


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch):
    """Print an audit on a screen of 80 columns, and return its lines."""

    def run(result: Audit, **how: bool) -> list[str]:
        screen = Console(width=80, color_system=None)
        monkeypatch.setattr(audit_show, "console", screen)
        monkeypatch.setattr(audit_show, "say", lambda text: screen.print(text, markup=False, highlight=False))
        with screen.capture() as capture:
            show(result, **how)
        return capture.get().splitlines()

    return run


def many(n_classes: int = 2, n_groups: int = 3, attributes: int = 5) -> Audit:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 600)
    wrong = rng.random(600) < 0.2
    names = [f"a class with the long name {k}" for k in range(n_classes)]
    groups = {f"attribute {i}": [f"group {g}" for g in rng.integers(0, n_groups, 600)] for i in range(attributes)}
    answers = np.where(wrong, rng.integers(0, n_classes, 600), y)
    return audit_arrays(y, y_pred=answers, classes=range(n_classes), sensitive_features=groups, n_boot=50) if (
        n_classes < 3
    ) else audit_arrays(
        [names[k] for k in y], y_pred=[names[k] for k in answers], sensitive_features=groups, n_boot=20,
        metrics=["recall"],
    )  # fmt: skip


@pytest.mark.parametrize("result", [many(), many(n_groups=11, attributes=9), many(n_classes=11)])
def test_it_fits_a_screen_of_24_lines(printed, result: Audit) -> None:
    lines = printed(result)
    assert len(lines) <= 20  # with room for what was read and written
    assert max(map(len, lines)) <= 80 and "0.…" not in "\n".join(lines)


def test_the_worst_groups_come_first_and_the_rest_has_a_file(printed) -> None:
    text = "\n".join(printed(many(n_groups=11, attributes=1)))
    assert "6 more in summary.csv" in text and "of 100" in text


def test_stops_are_shown_and_cautions_counted(printed) -> None:
    result = many(attributes=1).heeding([Flag("stop", "A leak."), Flag("caution", "Careful."), Flag("note", "How.")])
    lines = printed(result)
    assert lines[0] == "Stop: A leak." and not any("Careful." in line or "How." in line for line in lines)
    assert any("1 caution (in audit.json" in line for line in lines)
    loud = "\n".join(printed(result, verbose=True))
    assert "! Careful." in loud and "! How." in loud and "Not shown" not in loud


def test_no_number_is_cut_in_any_table() -> None:
    screen = Console(width=80, color_system=None)
    with screen.capture() as capture:
        for part in all_tables(many(n_classes=11, n_groups=6), 80):
            screen.print(part)
    assert "…" not in capture.get()


def test_files_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    show_files([tmp_path / name for name in ("summary.csv", "audit.json", "brief.html", "report.html")])
    assert "Wrote brief.html, report.html, summary.csv and 1 more file to" in " ".join(capsys.readouterr().err.split())
    show_files([])
