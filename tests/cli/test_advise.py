"""everygroup advise: a table, a JSON file and a page; mistakes in one message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from everygroup.cli.main import app

COMMON = ["--label", "label", "--group", "age", "--split-by", "patient_id"]


@pytest.fixture
def ask(pristine_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    return lambda *extra: CliRunner().invoke(app, ["advise", str(pristine_folder), *extra])


def test_advice_is_written(ask: Callable[..., Result], tmp_path: Path) -> None:
    result = ask(*COMMON, "--bins", "age=50", "--only", ">50", "--epochs", "1", "--page", "advice.html")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "advice.json").read_text(encoding="utf-8"))
    (group,) = found["groups"]
    assert group["group"] == ">50" and group["verdict"] in result.output
    assert group["n"] < 50  # of 50 in all: the test part is left out
    assert {c["method"]: c["networks"] for c in found["costs"]} == {"erm": 1, "group_model": 2, "spare": 5}
    assert "was not looked at" in result.output
    assert "Is SPARE worth it here?" in (tmp_path / "advice.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([*COMMON, "--bins", "age=50", "--only", "old"], "Unknown group 'old'"),
        ([*COMMON, "--bins", "age=200"], "There are 1 groups"),
        ([*COMMON, "--bins", "age=50", "--worthwhile", "2"], "worthwhile = 2"),
        ([*COMMON, "--bins", "age=50", "--page", "advice.pdf"], "is no name of a page"),
        ([*COMMON, "--bins", "age=50", "--backbone", "resnet9000"], "resnet9000"),
        (["--label", "diagnosis", "--group", "age", "--bins", "age=50"], "diagnosis"),
    ],
)
def test_mistakes_end_in_one_message(
    ask: Callable[..., Result], tmp_path: Path, extra: list[str], message: str
) -> None:
    result = ask(*extra)
    assert result.exit_code == 2
    assert message in result.output and "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
