"""The page on other tasks: its Python runs from top to bottom, and its commands on the tables it writes."""

import re
import shlex
import types
from pathlib import Path

import pytest
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.metrics import anomaly, multilabel, reconstruction, regression, segmentation, surface
from everygroup.predictions.task import OF_MASKS, OF_RECONSTRUCTIONS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "audit-other-tasks.md"


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("page")
    commands = 0
    for kind, code in re.findall(r"```(python|bash)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        if kind == "python":
            exec(compile(code, "page", "exec"), module.__dict__)
            continue
        words = shlex.split(code.replace("\\\n", " "))  # a line that goes on
        assert words[0] == "everygroup"
        answer = CliRunner().invoke(app, [*words[1:], "--no-report"])
        assert answer.exit_code == 0, answer.output
        table = tmp_path / f"{Path(words[2]).stem}-audit" / "summary.csv"
        assert table.is_file()
        commands += 1
    assert commands == 5


def test_every_metric_of_other_tasks_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    for module in (regression, segmentation, surface, reconstruction, anomaly, multilabel):
        for info in module.METRICS:
            assert f"`{info.name}`" in reference
    assert set(OF_MASKS) <= {i.name for i in (*segmentation.METRICS, *surface.METRICS)}
    assert set(OF_RECONSTRUCTIONS) == {i.name for i in reconstruction.METRICS}
